"""A job: one process that runs one or more tests, and how its tests' results are read."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import selectors
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .events import read_event
from .result import FAILED, OK, SKIPPED, Result

SKIP_STATUS = 77  # a program's way to say that it cannot run here; its last line tells why
TAIL_LINES = 30
GRACE = 15.0  # seconds a job gets to clean up after SIGTERM


@dataclass
class Job:
    """`name` is also the log's file name. The job alone decides on its results: see the subclasses."""

    name: str
    argv: list[str]
    timeout: float
    slots: int = 1  # how much of the pool it takes
    cost: float = 1.0  # seconds, roughly: the dear ones start first
    env: dict[str, str] = field(default_factory=dict)

    def read(self, line: str, now: float) -> Iterator[Result]:
        """Results that a line of output completes."""
        del line, now
        yield from ()

    def end(self, status: int | None, seconds: float, tail: str) -> Iterator[Result]:
        """Results that the end of the process completes; `status` None: it had to be killed."""
        if status == 0:
            yield Result(self.name, OK, seconds)
        elif status == SKIP_STATUS:
            yield Result(self.name, SKIPPED, seconds, tail.strip().rpartition("\n")[2])
        else:
            yield Result(self.name, FAILED, seconds, f"{why(status, seconds)}\n{tail}")

    def open(self) -> tuple[int, dict[str, object]]:
        """Where results are read from, and what Popen needs for that."""
        read, write = os.pipe()
        return read, {"stdout": write, "stderr": subprocess.STDOUT, "close": write}

    def run(self, log: Path) -> Iterator[Result]:
        """Run it to its end; everything it started in its session is ended with it."""
        source, how = self.open()
        close = how.pop("close")
        assert isinstance(close, int)
        started = time.monotonic()
        with open(log, "wb") as out:
            how.setdefault("stdout", out)
            process = subprocess.Popen(  # type: ignore[call-overload]
                self.argv, stdin=subprocess.DEVNULL, start_new_session=True, env={**os.environ, **self.env}, **how
            )
            os.close(close)
            killed = False
            try:
                for line in lines(source, started + self.timeout, process, out if how["stdout"] is not out else None):
                    yield from self.read(line, time.monotonic())
                killed = process.poll() is None and not wait(process, started + self.timeout)
            finally:
                end_session(process)
                os.close(source)
        seconds = time.monotonic() - started
        yield from self.end(None if killed else process.returncode, seconds, tail_of(log))


class Cmocka(Job):
    """A cmocka program in its standard output format; through a terminal, so that it does not buffer."""

    LINE = re.compile(r"^\[ +(RUN|OK|FAILED|SKIPPED) +\] (\w+)$")

    def open(self) -> tuple[int, dict[str, object]]:
        self.at, self.since = "", 0.0
        self.said: list[str] = []
        ours, theirs = pty.openpty()
        mode = termios.tcgetattr(theirs)
        mode[1] &= ~termios.OPOST
        termios.tcsetattr(theirs, termios.TCSANOW, mode)
        return ours, {"stdout": theirs, "stderr": theirs, "close": theirs}

    def read(self, line: str, now: float) -> Iterator[Result]:
        found = self.LINE.match(line)
        if not found:
            self.said.append(line)
        elif found.group(1) == "RUN":
            self.at, self.since, self.said = found.group(2), now, []
        elif self.at and found.group(2) == self.at:
            status = {"OK": OK, "FAILED": FAILED, "SKIPPED": SKIPPED}[found.group(1)]
            detail = "\n".join(self.said[-TAIL_LINES:])
            if status == SKIPPED:
                detail = self.said[-1] if self.said else "it says no reason"
            yield Result(f"{self.name}: {self.at}", status, now - self.since, detail)
            self.at = ""

    def end(self, status: int | None, seconds: float, tail: str) -> Iterator[Result]:
        if self.at:
            said = "\n".join(self.said[-TAIL_LINES:])
            yield Result(f"{self.name}: {self.at}", FAILED, seconds, f"{why(status, seconds)}\n{said}")
        elif status is None or status < 0 or "[  PASSED  ]" not in tail and "[  FAILED  ]" not in tail:
            yield Result(self.name, FAILED, seconds, f"{why(status, seconds)}\n{tail}")


class Unittest(Job):
    """Test cases of a Python unittest module, run by testkit/child.py, which tells each as it ends."""

    expected: list[str]

    def open(self) -> tuple[int, dict[str, object]]:
        read, write = os.pipe()
        self.env["VIGIL_TEST_EVENTS"] = str(write)
        self.missing = list(self.expected)
        self.at, self.since = "", 0.0
        return read, {"stderr": subprocess.STDOUT, "close": write, "pass_fds": (write,)}

    def read(self, line: str, now: float) -> Iterator[Result]:
        event = read_event(line)
        if event is None:
            return
        if event["event"] == "start":
            self.at, self.since = event["test"], now
            return
        if event["test"] in self.missing:
            self.missing.remove(event["test"])
        self.at = ""
        yield Result(f"{self.name}: {event['test']}", event["status"], event["seconds"], event["detail"])

    def end(self, status: int | None, seconds: float, tail: str) -> Iterator[Result]:
        for test in self.missing:
            detail = f"{why(status, seconds)}\n{tail}" if test == (self.at or self.missing[0]) else "not run"
            yield Result(f"{self.name}: {test}", FAILED, 0.0, detail)


def why(status: int | None, seconds: float) -> str:
    """What a bad end means, in words."""
    if status is None:
        return f"no end after {seconds:.0f} s: killed"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def tail_of(log: Path) -> str:
    """The end of a log."""
    with open(log, "rb") as handle:
        handle.seek(0, os.SEEK_END)
        handle.seek(max(handle.tell() - 8192, 0))
        text = handle.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-TAIL_LINES:])


def lines(source: int, until: float, process: subprocess.Popen[bytes], copy: object) -> Iterator[str]:
    """Lines from `source` until its end or the time; copied to a file if one is given."""
    rest = b""
    selector = selectors.DefaultSelector()
    selector.register(source, selectors.EVENT_READ)
    ended = False
    while time.monotonic() < until:
        if not selector.select(0.2):
            # What the job left running may hold the pipe open.
            if ended:
                break
            ended = process.poll() is not None
            continue
        try:
            data = os.read(source, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if not data:
            break
        if copy is not None:
            copy.write(data)  # type: ignore[attr-defined]
            copy.flush()  # type: ignore[attr-defined]
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")


def wait(process: subprocess.Popen[bytes], until: float) -> bool:
    """Whether the process ended in time."""
    try:
        process.wait(max(until - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:
        return False
    return True


def end_session(process: subprocess.Popen[bytes]) -> None:
    """End a job's process and what it started in its session: asked first, then for certain."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
            if number == signal.SIGTERM:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, 0)
                    time.sleep(0.5)
                    continue
                return
