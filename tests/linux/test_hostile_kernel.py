#!/usr/bin/python3
"""What Vigil reads of the guest is false or broken: it is not misled, not stopped, not stalled."""

from __future__ import annotations

import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import kmod  # noqa: E402  (the path must be set first)
from labkit.paths import LabError  # noqa: E402
from labrun import BUILD, LabCase, Run, lines_of  # noqa: E402

SPLIT = "class"
COST = 60.0
TEST_TIMEOUT = 900.0
STORM = 60
FILLED_MIB = 128


class Believed(LabCase):
    """What must hold in the end, whatever the guest's memory held."""

    CONFIG = "stats_interval = 1\n"

    def unharmed(self, run: Run, release: str, deaths: int = 0) -> dict[str, int]:
        """Ready at the start and after each death of the sentry that the test itself brought about, for
        this kernel; nobody said to be hidden."""
        told = [e["hypervisor"] for e in run.of("hypervisor", "introspection")]
        self.assertEqual([t["state"] for t in told], ["ready"] * (1 + deaths))
        for event in told:
            self.assertTrue(event["kernel"].startswith(f"Linux version {release} "), told)
        self.assertEqual(len(run.of("hypervisor", "fault")), deaths)
        self.assertEqual(run.last()["sentry"]["restarts"], deaths)
        self.assertEqual(run.of("process", "hidden"), [])
        self.assertEqual([e for e in run.events if "9.9.9" in str(e)], [])
        return run.last()["introspection"]

    def release(self, run: Run) -> str:
        return next(lines_of(run.console, r"release (\S+)")).group(1)

    def counted(self, run: Run, storms: int) -> None:
        """All of the guest's own short processes."""
        made = re.findall(r"forks (\d+)", run.console)
        self.assertEqual(len(made), storms)
        counters = run.last()["introspection"]
        self.assertGreaterEqual(counters["forks"], sum(map(int, made)))
        self.assertEqual((counters["folded"], counters["unknown"]), (0, 0))


class Falsehoods(Believed):
    """A user's memory full of false VMCOREINFO, BTF, symbols and banners, early and for long."""

    FILL = f"""
echo "release $(uname -r)"
falsehoods {FILLED_MIB} > /tmp/filled &
liar=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	grep -q FILLED /tmp/filled && break
	sleep 1
done
need grep FILLED /tmp/filled
"""
    GUEST = f"""{FILL}
sleep 2
storm {STORM}
sleep 1200 &
echo "sleeper $!"
sleep 3
kill $liar
sleep 2
"""

    # The sentry dies and searches for the kernel anew, with all that in memory.
    AGAIN = f"""{FILL}
echo LAB-READY
sleep 2
need udp send $HOST_IP 9000 VIGIL-TEST-CRASH
sleep 4
sleep 1200 &
echo "sleeper $!"
sleep 3
kill $liar
sleep 2
"""
    HOST = """#!/bin/sh
exec $GUEST_BIN/udp show 9000
"""

    def test_searched_again(self) -> None:
        run = self.good(
            self.lab(self.AGAIN, host=self.HOST, esp={"vigil/sentry.elf": BUILD / "sentry-test.elf"}, timeout=600.0,
                     rules='alert udp any any -> any 9001 (msg:"unused"; content:"unused"; sid:1;)\n'))
        self.unharmed(run, self.release(run), deaths=1)
        self.sleeper_told(run)

    def sleeper_told(self, run: Run) -> None:
        sleeper = int(next(lines_of(run.console, r"sleeper (\d+)")).group(1))
        mine = [e["process"] for e in run.of("process") if e["process"].get("pid") == sleeper]
        self.assertTrue(mine, "the sleeper is not told")
        self.assertEqual((mine[-1]["comm"], mine[-1]["exe"]), ("sleep", "/bin/busybox"))

    def test_not_believed(self) -> None:
        run = self.good(self.lab(self.GUEST, timeout=600.0))
        self.unharmed(run, self.release(run))
        self.counted(run, 1)
        self.sleeper_told(run)
        liar = [e["process"] for e in run.of("process", "exit") if e["process"].get("comm") == "falsehoods"]
        self.assertEqual([(p["exe"], p["signal"]) for p in liar], [("/bin/falsehoods", 15)])


class Corrupt(Believed):
    """The kernel's own lists in circles and with wild pointers for half a second each."""

    VARIANTS = ("modules", "module_wild", "module_name", "tasks", "tasks_wild", "pidtable", "name")
    GUEST = f"""
echo "release $(uname -r)"
sleep 1000 &
victim=$!
sleep 1000 &
sleep 2
for variant in {" ".join(VARIANTS)}; do
	insmod /vtest.ko do=corrupt variant=$variant pid=$victim || exit 3
	rmmod vtest || exit 4
	storm {STORM}
	sleep 1
done
dmesg | grep 'vtest: '
need kill $victim
sleep 2
"""

    def test_goes_on(self) -> None:
        try:
            module = kmod.build()
        except LabError as error:
            self.skipTest(f"no kernel module: {str(error).splitlines()[0]}")
        run = self.good(self.lab(self.GUEST, files={"vtest.ko": module}, timeout=600.0))
        done = {m.group(1) for m in lines_of(run.console, r"vtest: (\w+): broken and mended, status 0")}
        self.assertEqual(done, set(self.VARIANTS))
        counters = self.unharmed(run, self.release(run))
        self.counted(run, len(self.VARIANTS))
        # It did look while they were broken.
        self.assertGreater(counters["walks_broken"], 0, counters)
        self.note(f"{counters}")


if __name__ == "__main__":
    unittest.main()
