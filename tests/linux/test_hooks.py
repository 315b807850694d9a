#!/usr/bin/python3
"""Hooks on the guest's kernel: the guest can't see them, and works on the same functions as if they were not."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import kmod  # noqa: E402  (the path must be set first)
from labrun import LabCase, Run, lines_of  # noqa: E402

SPLIT = "class"
COST = 60.0
TEST_TIMEOUT = 1500.0
NOP5 = "0f1f440000"
PERM = 1

LIBRARY = """
mount -t tracefs none /sys/kernel/tracing || exit 80
tracing=/sys/kernel/tracing
load() { insmod /vtest.ko do=see "$@" || { dmesg | tail -5; exit 81; }; }
unload() { rmmod vtest || exit 82; }
see() { dmesg -c > /dev/null; load "$@"; dmesg | grep -o 'vtest: .*'; unload; }
"""


class WithModule(LabCase):
    """Runs with the module in the guest."""

    def seen(self, init: str, *args: str, **more: Any) -> Run:
        try:
            module = kmod.build()
        except kmod.LabError as error:
            self.skipTest(f"no kernel module: {str(error).splitlines()[0]}")
        return self.good(self.lab(LIBRARY + init, *args, files={"vtest.ko": module}, **more))


class Text(WithModule):
    """All of the kernel's text, read by the kernel, with hooks and without Vigil: the same, and NOPs at the sites."""

    # Every gate, and system calls: as many hooks as there may be.
    CONFIG = "stats_interval = 2\nwatch all\ntrace all nr=9999\n"

    def text(self, run: Run) -> dict[int, str]:
        """Sum of each page."""
        pages = {}
        for m in lines_of(run.console, r"vtest: text ([0-9a-f]+):((?: [0-9a-f]{8})+)"):
            for i, value in enumerate(m.group(2).split()):
                pages[int(m.group(1), 16) + i] = value
        return pages

    def sites(self, run: Run) -> dict[str, tuple[int, str]]:
        found = lines_of(run.console, r"vtest: site (\w+): page ([0-9a-f]+) bytes ([0-9a-f]{10})")
        return {m.group(1): (int(m.group(2), 16), m.group(3)) for m in found}

    def test_text(self) -> None:
        init = "sleep 2\nsee variant=sites\nsee variant=text\nsleep 2\n"
        ours = self.seen(init, "--append", "nokaslr")
        bare = self.seen(init, "--append", "nokaslr", "--no-vigil", config="")
        sites = self.sites(ours)
        hooks = ours.last()["introspection"]["hooks"]
        self.note(f"{len(sites)} sites, {hooks} hooks, {len(self.text(ours))} pages of text")
        self.assertGreaterEqual(hooks, 24)
        self.assertGreaterEqual(len(sites), hooks)
        self.assertEqual({b for _, b in sites.values()}, {NOP5})
        self.assertEqual(sites, self.sites(bare))
        with_hooks, without = self.text(ours), self.text(bare)
        self.assertGreater(len(without), 2000)
        self.assertEqual(with_hooks.keys(), without.keys())
        other = {page for page, value in without.items() if with_hooks[page] != value}
        hooked = {page for page, _ in sites.values()}
        self.assertEqual(other & hooked, set())
        self.assertEqual(other, set(), "text differs")
        # The hooked pages were read through Vigil, not around it.
        self.assertGreater(ours.last()["hooks"]["reads"], 0)


class Patched(WithModule):
    """The guest traces, probes and patches what Vigil has hooked: both see every call."""

    PHASES = ("plain", "traced", "entry", "inside", "poked", "modules", "after")
    EACH = 3
    CONFIG = """stats_interval = 2
off all
allow unlink path=/tmp/busy/*
alert unlink path=/tmp/seen-*
deny unlink path=/tmp/keep
"""
    ARGS: tuple[str, ...] = ()
    BUSY = ""
    GUEST = f"""
mkdir -p /tmp/busy; touch /tmp/keep
cp /bin/gates /tmp/busygates
each() {{
	for i in $(seq {EACH}); do touch /tmp/seen-$1-$i; gates unlink /tmp/seen-$1-$i; done
	gates unlink /tmp/keep
	sleep 1
}}
sleep 2
%s
each plain
echo security_path_unlink > $tracing/set_ftrace_filter || exit 83
echo function > $tracing/current_tracer || exit 84
each traced
grep '^ *gates-' $tracing/trace
echo nop > $tracing/current_tracer
echo > $tracing/set_ftrace_filter
load variant=entry; each entry; unload
load variant=inside; each inside; unload
dmesg | grep -o 'vtest: kprobe.*'
see variant=poke; each poked
for i in 1 2 3 4 5 6 7 8; do insmod /vtest.ko do=nothing || exit 85; unload; done
each modules
touch /tmp/stop
each after
wait
see variant=sites
sleep 4
"""

    def test_functions_at_work(self) -> None:
        run = self.seen(self.GUEST % self.BUSY, *self.ARGS)
        unlinks = [(int(m.group(1)), int(m.group(2))) for m in lines_of(
            run.console, r"gate: unlink pid \d+ errno (\d+) value (\d)")]
        self.assertEqual(unlinks, ([(0, 0)] * self.EACH + [(PERM, 1)]) * len(self.PHASES))
        told = [e["syscall"] for e in run.of("syscall")]
        self.assertEqual(sum("held_back" in b for b in told), 0)
        paths = [b["args"][0] for b in told if not b["denied"]]
        self.assertEqual(paths, [f"path=/tmp/seen-{p}-{i + 1}" for p in self.PHASES for i in range(self.EACH)])
        self.assertEqual([b["args"][0] for b in told if b["denied"]], ["path=/tmp/keep"] * len(self.PHASES))
        # What the guest's own tools saw: the calls that went through.
        traced = list(lines_of(run.console, r" gates-\d+ .*: security_path_unlink <-"))
        self.assertEqual(len(traced), self.EACH)
        for way in ("entry", "inside"):
            counted = [int(m.group(1)) for m in lines_of(run.console, rf"vtest: kprobe {way}: hit (\d+)")]
            self.check_probe(counted[-1])
        poked = [m.groups() for m in lines_of(run.console, r"vtest: poke ([0-9a-f]+): wrote (\w\w), reads (\w\w)")]
        self.assertEqual([p[1] for p in poked], ["90", "cc"] * (len(poked) // 2))
        self.assertEqual([p[1] for p in poked], [p[2] for p in poked])
        self.assertGreaterEqual(len(poked), 40)
        self.assertEqual(
            {m.group(1) for m in lines_of(run.console, r"vtest: site \w+: page [0-9a-f]+ bytes ([0-9a-f]+)")}, {NOP5})
        hooks = run.last()["hooks"]
        self.note(str(hooks))
        self.assertEqual(hooks["undecided"], 0)
        self.assertGreater(hooks["steps"], 0)
        self.check_busy(run)

    def check_probe(self, count: int) -> None:
        self.assertEqual(count, self.EACH)

    def check_busy(self, run: Run) -> None:
        """Only Parallel has others at work."""


class Parallel(Patched):
    """The same on two CPUs, of which one calls the function all the time."""

    ARGS = ("--smp", "2")
    ROUND = 100
    BUSY = f"(while [ ! -e /tmp/stop ]; do /tmp/busygates unlinks /tmp/busy {ROUND}; done) &"

    def check_probe(self, count: int) -> None:
        self.assertGreater(count, self.EACH)

    def check_busy(self, run: Run) -> None:
        rounds = [int(m.group(1)) for m in lines_of(run.console, r"gate: unlinks pid \d+ errno 0 value (\d+)")]
        self.note(f"{len(rounds)} rounds of {self.ROUND} unlinks")
        self.assertGreater(len(rounds), 5)
        self.assertEqual(set(rounds), {self.ROUND})


if __name__ == "__main__":
    unittest.main()
