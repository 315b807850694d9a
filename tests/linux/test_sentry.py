#!/usr/bin/python3
"""The sentry dies in the middle of traffic (build/sentry-test.elf, made to by datagrams)."""

from __future__ import annotations

import sys
import unittest
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from labrun import BUILD, LabCase, Run, lines_of  # noqa: E402  (the path must be set first)

SPLIT = "class"
COST = 70.0
TEST_TIMEOUT = 1500.0
# The datagram's text and the reason that the event names.
FAULTS = {
    "VIGIL-TEST-CRASH": "exception", "VIGIL-TEST-HANG": "hang", "VIGIL-TEST-BADREPLY": "bad_reply",
    "VIGIL-TEST-WINDOW": "memory", "VIGIL-TEST-EXIT": "exit",
}
# For each fault: count echoes that come back while the sentry dies, and after it.
GUEST = """
need ping -c 2 -W 8 $HOST_IP
echo LAB-READY
sleep 2
ping -i 0.05 $HOST_IP > /tmp/pings & pings=$!
for fault in %s; do
	sleep 1
	need udp send $HOST_IP 9000 "$fault"
	sleep 1.5
	need ping -c 1 -W 1 $HOST_IP
done
need sh -c 'seq 1 3000 | sort -rn | md5sum | grep -q .'
kill -INT $pings
wait $pings
cat /tmp/pings | tail -3
sleep 2
"""
# Somebody must listen: the host's answer `port unreachable` would quote what kills, and kill again.
HOST = """#!/bin/sh
exec $GUEST_BIN/udp show 9000
"""


class Death(LabCase):
    """Guest alive, each death told once, traffic back within a second of guest time."""

    CONFIG = "net_fail = closed\n"
    RULES = 'alert udp any any -> any 9001 (msg:"unused"; content:"unused"; sid:1;)\n'

    def die(self) -> Run:
        test = BUILD / "sentry-test.elf"
        if not test.exists():
            self.fail("build/sentry-test.elf was not built")
        run = self.good(self.lab(GUEST % " ".join(FAULTS), host=HOST, esp={"vigil/sentry.elf": test}))
        faults = [e for e in run.of("hypervisor", "fault") if e["hypervisor"]["what"] == "sentry"]
        self.assertEqual([e["hypervisor"]["reason"] for e in faults], list(FAULTS.values()))
        self.assertEqual([e["hypervisor"]["restarts"] for e in faults], list(range(1, len(FAULTS) + 1)))
        self.assertEqual(run.last()["sentry"]["restarts"], len(FAULTS))
        counts = list(lines_of(run.console, r"(\d+) packets transmitted, (\d+) packets received"))[-1]
        sent, received = int(counts.group(1)), int(counts.group(2))
        # 20 a second over about 15 s: a second without traffic at each death would show.
        self.note(f"{sent} pings sent, {sent - received} without an answer, over {len(FAULTS)} deaths")
        self.assertGreater(sent, 100)
        self.assertLessEqual(sent - received, 20 * len(FAULTS))
        times = [datetime.strptime(e["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z") for e in faults]
        self.assertEqual(times, sorted(times))
        return run

    def test_closed(self) -> None:
        """The datagram that kills does not leave."""
        run = self.die()
        self.assertFalse("host: VIGIL-TEST-" in run.said)


class DeathOpen(Death):
    """The same with the path left open meanwhile."""

    CONFIG = "net_fail = open\n"
    test_closed = None  # type: ignore[assignment]

    def test_open(self) -> None:
        """It does, uninspected."""
        run = self.die()
        for text in FAULTS:
            self.said(run, f"host: {text}")


class AlertsOfTheSentry(LabCase):
    """1,000 alerts out of one frame: what finds no room is counted and told, nothing stalls."""

    RULES = Death.RULES

    def test_losses_are_told(self) -> None:
        init = """
need ping -c 2 -W 8 $HOST_IP
echo LAB-READY
sleep 2
for i in 1 2 3; do
	need udp send $HOST_IP 9000 VIGIL-TEST-ALERTS
	need ping -c 2 -W 2 $HOST_IP
done
sleep 60
"""
        run = self.good(self.lab(
            init, host=HOST, esp={"vigil/sentry.elf": BUILD / "sentry-test.elf"}, timeout=700.0))
        came = len(run.of("alert"))
        self.assertGreater(came, 100)
        lost = sum(e["hypervisor"]["count"] for e in run.of("hypervisor", "lost"))
        self.note(f"{came} of 3000 alerts came, {lost} events told as lost")
        self.assertEqual(self.missing, self.told, "numbers that are missing, and losses told")
        self.assertEqual(run.last()["sentry"]["events_lost"], lost)
        self.assertEqual(run.last()["sentry"]["restarts"], 0)

    def check_events(self, run: Run) -> None:
        """These alerts are not of the schema: the test hook writes only what it needs."""
        for event in run.of("alert"):
            event["event_type"] = "stats"
        try:
            super().check_events(run)
        finally:
            for event in run.events:
                if "alert" in event:
                    event["event_type"] = "alert"


if __name__ == "__main__":
    unittest.main()
