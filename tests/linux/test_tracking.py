#!/usr/bin/python3
"""What following the address spaces costs, under page-table isolation: exits per switch, and none per call."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from labrun import LabCase, Run, marks  # noqa: E402  (the path must be set first)

SPLIT = "class"
COST = 70.0
TEST_TIMEOUT = 1000.0
ROUNDS = 10_000
CALLS = 100_000


class Pti(LabCase):
    """10,000 round trips of a byte between two processes on one CPU, and 100,000 system calls."""

    RULES = marks("idle", "pipes", "calls")
    CPU = "corei7_haswell_4770"
    GUEST = f"""
need grep -q pti=on /proc/cmdline
mark idle-begin
mark idle-end
mark pipes-begin
need pingpong {ROUNDS}
mark pipes-end
mark calls-begin
need getpids {CALLS}
mark calls-end
"""

    def test_exits_per_switch(self) -> None:
        run = self.good(self.lab(self.GUEST, "--net", "tap", "--append", "pti=on", "--cpu", self.CPU))
        idle = self.used(run, "idle")
        pipes = self.used(run, "pipes")
        calls = self.used(run, "calls")
        self.note(f"cr_access and switches: idle {idle}, pipes {pipes}, calls {calls}")
        switches = pipes[1]
        self.assertGreaterEqual(switches, 2 * ROUNDS)
        # Beyond the exchange: starting the program, and what the guest does otherwise.
        self.assertLess(switches, 2 * ROUNDS * 1.05 + 2 * idle[1])
        self.assertGreaterEqual(pipes[0] / switches, 1.0)
        self.assertLessEqual(pipes[0] / switches, 1.2)
        # 200,000 changes of CR3 at the kernel's door: only the program's start is seen.
        self.assertLess(calls[0], 2 * idle[0] + 300)

    def used(self, run: Run, phase: str) -> tuple[int, int]:
        """Exits for CR accesses, and switches, in a phase."""
        before, after = run.phase(phase)
        return (
            after["exits"]["cr_access"] - before["exits"]["cr_access"],
            after["tracking"]["switches"] - before["tracking"]["switches"],
        )


class PtiWithoutPcid(Pti):
    """The same without PCID: other values in CR3, other targets."""

    GUEST = Pti.GUEST.replace("need grep -q pti=on", "need sh -c '! grep -qw pcid /proc/cpuinfo'\nneed grep -q pti=on")
    test_exits_per_switch = None  # type: ignore[assignment]

    def test_exits_per_switch_without_pcid(self) -> None:
        args = self.GUEST
        run_lab = self.lab

        def lab(_init: str, *rest: str, **more: object) -> Run:
            rest = tuple("pti=on nopcid" if r == "pti=on" else r for r in rest)
            return run_lab(args, *rest, **more)  # type: ignore[arg-type]

        self.lab = lab  # type: ignore[method-assign]
        Pti.test_exits_per_switch(self)


class Lifecycle(Pti):
    """`tracking = lifecycle`: no switch exits once the kernel is known, and processes are told as before."""

    test_exits_per_switch = None  # type: ignore[assignment]

    def test_switches_cost_nothing(self) -> None:
        run = self.good(self.lab(
            self.GUEST, "--net", "tap", "--append", "pti=on", "--cpu", self.CPU, config="tracking = lifecycle\n"))
        self.assertEqual([e["hypervisor"]["state"] for e in run.of("hypervisor", "introspection")], ["ready"])
        pipes, calls = self.used(run, "pipes"), self.used(run, "calls")
        self.note(f"cr_access and switches: pipes {pipes}, calls {calls}")
        self.assertEqual((pipes, calls), ((0, 0), (0, 0)))
        ran = {e["process"]["exe"] for e in run.of("process") if e["process"].get("exe")}
        self.assertLessEqual({"/bin/pingpong", "/bin/getpids"}, ran)


if __name__ == "__main__":
    unittest.main()
