"""How a run ended: the exit status and the summary file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .eve import Channel
from .paths import LabError

EXIT_VIGIL = 70
EXIT_LAB = 75
EXIT_UNAVAILABLE = 77
EXIT_INTERRUPTED = 130


@dataclass
class Outcome:
    """What is known of a run."""

    platform: str = ""
    emulator: str = ""
    vigil: bool = True  # Vigil was to run
    judged: bool = True  # and its `ready` event could be seen
    guest_status: int | None = None
    host_status: int | None = None
    boot_seconds: float | None = (
        None  # wall time from the emulator's start to the guest's userspace
    )
    run_seconds: float | None = None
    boot_tsc: int | None = None
    end_tsc: int | None = None
    fault: str | None = None  # a fault of the lab, a time-out, a dead machine
    timed_out: bool = False
    interrupted: bool = False
    entry_failure: str | None = None  # the emulator's own words
    frames: dict[str, int] = field(default_factory=dict)

    def vigil_failure(self, channel: Channel) -> str | None:
        """Why Vigil is judged to have failed; None if it has not."""
        if not self.vigil:
            return None
        if channel.failure:
            return channel.failure
        if self.entry_failure:
            return self.entry_failure
        if self.judged and not channel.ready and not self.timed_out and not self.interrupted:
            return "no hypervisor `ready` event came"
        return None

    def status(self, channel: Channel) -> int:
        """The lab's exit status."""
        if self.interrupted:
            return EXIT_INTERRUPTED
        if self.vigil_failure(channel):
            return EXIT_VIGIL
        if self.fault or self.guest_status is None:
            return EXIT_LAB
        return self.guest_status & 0xFF


def summary(outcome: Outcome, channel: Channel, counts_instructions: bool) -> dict[str, Any]:
    """The content of --json."""
    stats = {k: v for k, v in channel.stats.items() if k not in ("action", "exits")}
    result: dict[str, Any] = {
        "platform": outcome.platform,
        "emulator": outcome.emulator,
        "vigil": outcome.vigil,
        "status": outcome.status(channel),
        "guest_status": outcome.guest_status,
        "host_status": outcome.host_status,
        "boot_seconds": outcome.boot_seconds,
        "run_seconds": outcome.run_seconds,
        "fault": outcome.fault,
        "vigil_failure": outcome.vigil_failure(channel),
        "exits": channel.exits(),
        "events": dict(channel.events),
        "actions": dict(channel.actions),
        "broken_lines": channel.broken,
        "seq_holes": channel.holes,
        "stats": stats,
    }
    if counts_instructions and outcome.boot_tsc is not None:
        # The time stamp counter: retired instructions there, and idle time.
        result["instructions"] = {"boot": outcome.boot_tsc}
        if outcome.end_tsc is not None:
            result["instructions"]["guest"] = outcome.end_tsc - outcome.boot_tsc
            result["instructions"]["total"] = outcome.end_tsc
    since = channel.since_ready()
    if since is not None:
        result["since_ready"] = since
    if outcome.frames:
        result["frames"] = outcome.frames
    return result


def write_summary(path: Path, result: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise LabError(f"cannot write {path}: {error.strerror}") from error
