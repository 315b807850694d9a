#!/usr/bin/python3
"""What watching costs: no exit for a system call that is not watched, one for each call of a watched function."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from labrun import LabCase, Run, marks  # noqa: E402  (the path must be set first)

SPLIT = "class"
COST = 60.0
TEST_TIMEOUT = 1000.0
CALLS = 100_000
UNLINKS = 1000
REASONS = ("vmcall", "monitor_trap", "ept_violation", "cr_access", "cpuid", "preemption_timer")


class Watched(LabCase):
    """Two phases of each kind, alike but for the number of calls."""

    PHASES = ("one", "all", "few", "many")
    RULES = marks(*PHASES)
    # Told of nobody here; the call goes on, and the hit rides in a batch.
    CONFIG = "stats_interval = 1\nalert unlink uid=33\n"
    GUEST = f"""
mkdir /tmp/dir
mark one-begin; need getpids 1; mark one-end
mark all-begin; need getpids {CALLS}; mark all-end
mark few-begin; need gates unlinks /tmp/dir 1; mark few-end
mark many-begin; need gates unlinks /tmp/dir {UNLINKS + 1}; mark many-end
"""

    def test_exits(self) -> None:
        run = self.good(self.lab(self.GUEST, "--net", "tap", timeout=900.0))
        one, everyone, few, many = (self.used(run, p) for p in self.PHASES)
        more = {k: everyone[k] - one[k] for k in one}
        self.note(f"getpid {CALLS}: {more}")
        # Both phases start the same programs; a second more or less of the guest's own doings is in them.
        for reason, noise in (("vmcall", 30), ("monitor_trap", 4), ("ept_violation", 8), ("cr_access", 100), ("cpuid", 130)):
            self.assertLessEqual(abs(more[reason]), noise, reason)
        self.assertLessEqual(abs(more["hits"]), 30)
        # The timer's go by time, not by calls.
        rate = one["preemption_timer"] / one["ms"]
        self.assertLess(everyone["preemption_timer"], 1.3 * rate * everyone["ms"])
        more = {k: many[k] - few[k] for k in few}
        self.note(f"unlink {UNLINKS}: {more}")
        self.check_unlinks(more)

    def check_unlinks(self, more: dict[str, int]) -> None:
        for count in ("hits", "vmcall"):
            self.assertGreaterEqual(more[count], UNLINKS - 30)
            self.assertLessEqual(more[count], UNLINKS + 30)
        self.assertLessEqual(abs(more["monitor_trap"]), 4)
        self.assertLessEqual(abs(more["ept_violation"]), 8)
        self.assertLessEqual(abs(more["cr_access"]), 100)

    def used(self, run: Run, phase: str) -> dict[str, int]:
        """Exits by reason, hits of hooks and milliseconds of a phase."""
        before, after = run.phase(phase)
        total = {r: after["exits"].get(r, 0) - before["exits"].get(r, 0) for r in REASONS}
        total["hits"] = after["hooks"]["hits"] - before["hooks"]["hits"]
        start = run.of("hypervisor", "start")[0]["hypervisor"]
        total["ms"] = (after["time"]["tsc"] - before["time"]["tsc"]) // start["tsc_khz"]
        return total


class Held(Watched):
    """A line that can deny, or asks for the path: each call waits for a decision, in the same exit."""

    CONFIG = "stats_interval = 1\ndeny unlink path=/tmp/none\n"

    def check_unlinks(self, more: dict[str, int]) -> None:
        Watched.check_unlinks(self, {**more, "vmcall": UNLINKS})
        # What interrupts the decision lets the guest run first, and the call is made again.
        self.assertGreaterEqual(more["vmcall"], UNLINKS - 30)
        self.assertLess(more["vmcall"], 1.2 * UNLINKS)


if __name__ == "__main__":
    unittest.main()
