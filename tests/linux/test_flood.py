#!/usr/bin/python3
"""Floods: 120,000 blocked frames in a row, and alerts faster than the alert port can tell."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from labrun import LabCase  # noqa: E402  (the path must be set first)

SPLIT = "class"
COST = 150.0
TEST_TIMEOUT = 2000.0
FRAMES = 120_000

# The card takes one frame a millisecond of guest time: what is faster waits in the TAP, whose counter
# tells how many were taken. `Sender` keeps some thousand under way, so that none is lost before Vigil.
SENDER = """#!/usr/bin/python3
import os, socket, subprocess, time
guest, tap = os.environ["GUEST_IP"], os.environ["TAP"]
# The answer to a probe for the guest's address would wait behind seconds of flood, and the host would
# take the guest for gone.
subprocess.run(["ip", "neigh", "replace", guest, "lladdr", "52:54:00:12:34:56", "nud", "permanent", "dev", tap],
               check=True)
def counter(name):
    with open("/sys/class/net/%s/statistics/%s" % (tap, name)) as handle:
        return int(handle.read())
class Sender:
    def __init__(self):
        self.sent, self.taken, self.dropped = 0, counter("tx_packets"), counter("tx_dropped")
        self.out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    def send(self, text):
        self.out.sendto(text, (guest, 9000))
        self.sent += 1
        while self.sent % 500 == 0 and self.sent - (counter("tx_packets") - self.taken) > 4000:
            time.sleep(0.02)
    def refused(self):
        return counter("tx_dropped") - self.dropped
    def end(self):
        while True:
            self.send(b"harmless end")
            time.sleep(2)
"""
FLOOD_HOST = SENDER + f"""
s = Sender()
for i in range({FRAMES}):
    s.send(b"flood-of-the-bad-kind %d" % i)
print("FLOOD sent {FRAMES} refused", s.refused(), flush=True)
s.end()
"""


class Blocked(LabCase):
    """The guest is interrupted for none of them, and keeps its interrupt."""

    # Without an alert each: what a flood of those does is the other test's matter.
    RULES = 'drop udp any any -> 10.77.0.2 9000 (msg:"flood"; content:"flood-of-the-bad-kind"; noalert; sid:200;)\n'

    def test_120000_blocked_frames(self) -> None:
        init = """
need ping -c 2 -W 8 $HOST_IP
udp show 9000 > /tmp/got &
echo LAB-READY
tries=0
until grep -q 'harmless end' /tmp/got; do
	tries=$((tries + 1)); [ $tries -lt 1000 ] || { wc -l /tmp/got; exit 90; }
	sleep 1
done
need sh -c '! grep -q flood /tmp/got'
cat /proc/interrupts
need ping -c 5 -W 8 $HOST_IP
dmesg | grep -i -e 'nobody cared' -e 'disabling irq' && exit 91
sleep 20 # `drop` events that wait leave first; then the counters
"""
        run = self.good(self.lab(init, host=FLOOD_HOST, timeout=1500.0))
        self.said(run, f"FLOOD sent {FRAMES} refused 0")
        last = run.last()
        self.note(f"dropped {last['frames']['dropped']}, polls {last['net']['polls']}, "
                  f"mode switches {last['net']['mode_switches']}, ISR exits {last['net']['exits_isr']}, "
                  f"timer exits {last['exits']['preemption_timer']}")
        self.assertEqual(last["frames"]["dropped"], FRAMES)
        self.assertEqual(last["stack"]["dropped_from_wire"], FRAMES)
        self.assertEqual(run.of("alert"), [])
        self.note(f"{len(run.of('drop'))} drop events told, {self.told} events lost and told")
        self.assertEqual(self.missing, self.told)


ALERTS = 20_000


class Alerts(LabCase):
    """Alerts by the thousand: nothing stalls, what is not told is counted, a block is still told."""

    RULES = """
alert udp any any -> 10.77.0.2 9000 (msg:"noise"; content:"noise"; sid:301; priority:3;)
drop udp any any -> 10.77.0.2 9000 (msg:"the one that matters"; content:"needle"; sid:302; priority:1;)
"""
    HOST = SENDER + f"""
s = Sender()
for i in range({ALERTS}):
    # Many flows, so that no limit for each hides them.
    if i % 50 == 0:
        s.out.close()
        s.out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.send(b"noise %d" % i)
    if i == {ALERTS // 2}:
        s.send(b"needle")
print("FLOOD refused", s.refused(), flush=True)
s.end()
"""

    def test_alert_flood(self) -> None:
        init = """
need ping -c 2 -W 8 $HOST_IP
udp show 9000 > /tmp/got &
echo LAB-READY
tries=0
until grep -q 'harmless end' /tmp/got; do
	tries=$((tries + 1)); [ $tries -lt 1000 ] || exit 90
	sleep 1
done
wc -l /tmp/got
need sh -c '! grep -q needle /tmp/got'
need ping -c 3 -W 8 $HOST_IP
sleep 75 # what waits leaves first, 544 KiB in 47 s at 115,200 baud; then the counters
"""
        run = self.good(self.lab(init, host=self.HOST, timeout=1000.0))
        self.said(run, "FLOOD refused 0")
        detect = [e["stats"] for e in run.of("stats")][-1]["detect"]
        told = len(run.alerts(301)) + len(run.alerts(302))
        lost = sum(e["hypervisor"]["count"] for e in run.of("hypervisor", "lost"))
        self.note(f"{told} alerts told, {lost} events lost and told, counters {detect}")
        # Every match is accounted for: told, lost, or suppressed by the engine's own limits.
        self.assertEqual(detect["alert"] + detect["alerts_suppressed"], ALERTS + 1)
        self.assertEqual(len(run.alerts(302)), 1, "the one that matters was lost in the noise")
        self.assertEqual(self.missing, self.told)
        self.assertEqual(run.last()["sentry"]["restarts"], 0)
        self.assertEqual(run.last()["frames"]["dropped"], 1)


if __name__ == "__main__":
    unittest.main()
