"""Runs jobs side by side within a number of slots."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from .job import Job
from .result import FAILED, Result


class Pool:
    """`take` is called with each result as it comes, by one thread at a time."""

    def __init__(self, slots: int, logs: Path, take: Callable[[Result], None]) -> None:
        self.slots, self.logs, self.take = slots, logs, take
        self.free = slots
        self.state = threading.Condition()
        self.stopping = False

    def run(self, jobs: Iterable[Job]) -> None:
        """All of them; the dear ones first, so that none is left alone at the end."""
        waiting = sorted(jobs, key=lambda job: -job.cost)
        threads: list[threading.Thread] = []
        with self.state:
            while waiting:
                job = next((j for j in waiting if min(j.slots, self.slots) <= self.free), None)
                if job is None:
                    self.state.wait()
                    continue
                waiting.remove(job)
                self.free -= min(job.slots, self.slots)
                # Not a daemon: an interrupted run shall still end what it started.
                thread = threading.Thread(target=self.one, args=(job,), name=job.name)
                threads.append(thread)
                thread.start()
        for thread in threads:
            thread.join()

    def one(self, job: Job) -> None:
        log = self.logs / (job.name.replace("/", "-") + ".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            for result in job.run(log):
                with self.state:
                    self.take(result)
        except Exception:  # pylint: disable=broad-except  (a fault of the runner is a failure, not silence)
            with self.state:
                self.take(Result(job.name, FAILED, 0.0, f"cannot be run:\n{traceback.format_exc()}"))
        finally:
            with self.state:
                self.free += min(job.slots, self.slots)
                self.state.notify()
