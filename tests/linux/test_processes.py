#!/usr/bin/python3
"""Processes seen from outside: a storm counted to the last one, and hidden ones found."""

from __future__ import annotations

import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import kmod  # noqa: E402  (the path must be set first)
from labkit.paths import LabError  # noqa: E402
from labrun import LabCase, Run, lines_of  # noqa: E402

SPLIT = "class"
COST = 60.0
TEST_TIMEOUT = 900.0
STORM = 2000


class Introspected(LabCase):
    """What every run with a known kernel shows."""

    def known(self, run: Run) -> dict[str, int]:
        """The counters of introspection at the end; no false alarm."""
        states = [e["hypervisor"]["state"] for e in run.of("hypervisor", "introspection")]
        self.assertEqual(states, ["ready"])
        return run.last()["introspection"]


class Storm(Introspected):
    """2,000 short processes: fork, exec and exit counts equal the guest's own, nothing seems hidden."""

    GUEST = f"""
before=$(awk '/^processes/ {{ print $2 }}' /proc/stat)
sleep 3
echo "storm: before $before"
storm {STORM}
sleep 4
echo "storm: after $(awk '/^processes/ {{ print $2 }}' /proc/stat)"
"""

    def test_counts(self) -> None:
        run = self.good(self.lab(self.GUEST, config="stats_interval = 1\n", timeout=600.0))
        counters = self.known(run)
        self.assertEqual(run.of("process", "hidden"), [])
        said = "\n".join(m.group(0) for m in lines_of(run.said, r"storm: .*"))
        made = {k: int(v) for k, v in re.findall(r"(forks|execs|exits) (\d+)", said)}
        self.assertEqual(made["forks"], STORM)
        self.note(f"guest: {made}; told: {counters}")
        # The guest's own count of all tasks made, from its start; a few before the hooks were set, and after
        # it read its count.
        after = int(re.findall(r"storm: after (\d+)", said)[-1])
        ours = counters["forks"] + counters["threads"] + counters["kernel_threads"]
        self.assertLessEqual(abs(ours - after), 8, (ours, after))
        self.assertEqual(counters["folded"], 0)
        self.assertEqual(counters["unknown"], 0)
        self.assertEqual(counters["untold"], 0)
        for what in ("forks", "execs", "exits"):
            self.assertGreaterEqual(counters[what], made[what])
        # Every process that ended is in a line: its own, or one that counts several.
        exits = run.of("process", "exit")
        told = sum(e["process"].get("count", 1) for e in exits)
        self.assertLessEqual(abs(told - counters["exits"]), 8, (told, counters["exits"]))
        execs = sum(e["process"].get("execs", 0) for e in exits if e["process"].get("short"))
        self.assertGreaterEqual(execs, made["execs"])


class Hidden(Introspected):
    """A process hidden in each way is found, named, and found again when it is shown."""

    WAYS = {"tasklist": "tasklist", "pidtable": "pidtable", "listing": "proc"}
    GUEST = """
sleep 3
ls /proc > /dev/null; ls /proc > /dev/null
for way in tasklist pidtable listing; do
	sleep 1000 &
	pid=$!
	sleep 1
	echo "vtest: $way is pid $pid"
	insmod /vtest.ko do=hide variant=$way pid=$pid || exit 3
	for i in 1 2 3 4 5 6; do sleep 0.5; ls /proc > /dev/null; done
	if [ $way != tasklist ]; then need sh -c "! ls /proc | grep -qx $pid"; fi
	rmmod vtest || exit 4
	for i in 1 2 3 4 5 6; do sleep 0.5; ls /proc > /dev/null; done
	need sh -c "ls /proc | grep -qx $pid"
	kill $pid
	sleep 1
done
"""

    def test_each_way(self) -> None:
        try:
            module = kmod.build()
        except LabError as error:
            self.skipTest(f"no kernel module: {str(error).splitlines()[0]}")
        run = self.good(self.lab(self.GUEST, files={"vtest.ko": module}, timeout=600.0))
        self.known(run)
        pids = dict(re.findall(r"vtest: (\w+) is pid (\d+)", run.said + run.console))
        self.assertEqual(set(pids), set(self.WAYS))
        hidden: dict[str, dict[str, object]] = {}
        for event in run.of("process", "hidden"):  # told again when another view misses it as well
            hidden.setdefault(str(event["process"]["pid"]), event["process"])
        shown = {str(e["process"]["pid"]) for e in run.of("process", "unhidden")}
        self.assertEqual(set(hidden), set(pids.values()))
        self.assertEqual(shown, set(pids.values()))
        for way, view in self.WAYS.items():
            body = hidden[pids[way]]
            assert isinstance(body["views"], dict)
            self.assertEqual(body["comm"], "sleep")
            self.assertEqual(body["exe"], "/bin/busybox")
            self.assertIs(body["views"][view], False, body)
            self.assertIs(body["views"]["ran"], True, body)


if __name__ == "__main__":
    unittest.main()
