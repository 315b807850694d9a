#!/usr/bin/python3
"""Traffic through the ring: bulk both ways intact, alert and drop both ways, Vigil's own address."""

from __future__ import annotations

import statistics
import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from labrun import LabCase, Run, lines_of, marks  # noqa: E402  (the path must be set first)

SPLIT = "class"
COST = 120.0
TEST_TIMEOUT = 1500.0
BYTES = 10_000_000
EXITS_PER_FRAME = 0.25
BUSY = 300  # frames in a second of a transfer; the card takes 1,000 a second
QUIET = 10  # frames in a second without
# Exits that the network path causes, beside those of the timer.
NET_EXITS = ("exits_notify", "exits_isr", "exits_config")

BULK_HOST = f"""#!/bin/sh
# The other side of the guest's transfers, in the guest's order.
set -e
B=$GUEST_BIN/bulk
$B recv tcp 7001 {BYTES}
$B send tcp $GUEST_IP 7002 {BYTES}
$B recv udp 7003 {BYTES}
$B send udp $GUEST_IP 7004 {BYTES}
"""
BULK_GUEST = f"""
need ping -c 2 -W 8 $HOST_IP
echo LAB-READY
mark tcp-out-begin
need bulk send tcp $HOST_IP 7001 {BYTES}
mark tcp-out-end
mark tcp-in-begin
need bulk recv tcp 7002 {BYTES}
mark tcp-in-end
mark udp-out-begin
need bulk send udp $HOST_IP 7003 {BYTES}
mark udp-out-end
mark udp-in-begin
need bulk recv udp 7004 {BYTES}
mark udp-in-end
"""


class Bulk(LabCase):
    """10 MB each way by TCP and UDP, every byte checked by the receiver."""

    PHASES = ("tcp-out", "tcp-in", "udp-out", "udp-in")
    # A rule that every frame is held against, so that the matcher is in the path.
    RULES = marks(*PHASES) + (
        'drop ip any any -> any any (msg:"not in this stream"; content:"VIGIL-NEVER-SENT-0123456789"; sid:1;)\n'
    )

    def test_ten_megabytes_each_way(self) -> None:
        run = self.good(self.lab(BULK_GUEST, host=BULK_HOST, timeout=900.0))
        said = "\n".join(m.group(0) for m in lines_of(run.said, r"bulk: .*"))
        for what in ("sent", "received"):
            for protocol in ("TCP", "UDP"):
                # Once in the guest, once on the host.
                self.assertEqual(said.count(f"{what} {BYTES} bytes by {protocol}"), 2, said)
        self.assertEqual(run.summary["host_status"], 0)
        self.assertEqual(run.alerts(1), [])
        for phase in self.PHASES:
            exits, frames = self.exits_of(run, phase)
            self.assertLess(exits / frames, EXITS_PER_FRAME, phase)

    def exits_of(self, run: Run, phase: str) -> tuple[float, int]:
        """Exits and frames of the seconds in which the transfer ran.

        Vigil's clockwork (the alert port, samples, integrity) ticks whether there is traffic or not; what it takes
        in seconds without traffic is not the frames'.
        """
        before, after = run.phase(phase)
        every = run.stats()
        told = every[every.index(before) : every.index(after) + 1]
        total: dict[str, int] = {}
        seconds = 0.0
        for old, new in zip(told, told[1:]):
            if submitted(old, new) < BUSY:
                continue
            seconds += ticks(old, new)
            for group in ("exits", "net", "frames"):
                for key, value in new[group].items():
                    total[key] = total.get(key, 0) + value - old[group].get(key, 0)
        quiet = [(o, n) for o, n in zip(every, every[1:])
                 if submitted(o, n) < QUIET and o.get("introspection", {}).get("phase") == "ready"]
        self.assertGreaterEqual(len(quiet), 3)
        clockwork = statistics.median(
            (n["exits"]["preemption_timer"] - o["exits"]["preemption_timer"]) / ticks(o, n) for o, n in quiet)
        frames = total["submitted"]
        self.assertGreater(frames, BYTES // 1514)
        own = sum(total[k] for k in NET_EXITS)
        timer = max(total["preemption_timer"] - clockwork * seconds, 0)
        self.note(f"{phase}: {frames} frames, {own / frames:.3f} register exits and {timer / frames:.3f} timer exits "
                  f"per frame, beside {clockwork * seconds / frames:.3f} of the clockwork's "
                  f"({', '.join(f'{k} {total[k]}' for k in (*NET_EXITS, 'polls', 'irq_raised', 'mode_switches'))})")
        self.assertEqual(total["faults"], 0)
        return own + timer, frames


def submitted(old: dict[str, Any], new: dict[str, Any]) -> int:
    """Frames between two stats events."""
    return int(new["frames"]["submitted"] - old["frames"]["submitted"])


def ticks(old: dict[str, Any], new: dict[str, Any]) -> float:
    """The TSC between them."""
    return float(new["time"]["tsc"] - old["time"]["tsc"])


RULES = """
alert udp 10.77.0.2 any -> 10.77.0.1 9000 (msg:"out alert"; content:"bad-thing-one"; sid:101; rev:2;)
drop udp 10.77.0.2 any -> 10.77.0.1 9000 (msg:"out drop"; content:"bad-thing-two"; nocase; sid:102;)
alert udp 10.77.0.1 any -> 10.77.0.2 9000 (msg:"in alert"; content:"bad-thing-one"; sid:103;)
drop udp 10.77.0.1 any -> 10.77.0.2 9000 (msg:"in drop"; content:"bad-thing-two"; sid:104;)
alert tcp 10.77.0.2 any -> 10.77.0.1 8080 (msg:"tcp out alert"; content:"GET /evil"; depth:9; sid:105;)
drop tcp 10.77.0.1 8080 -> 10.77.0.2 any (msg:"tcp in drop"; content:"poisoned answer"; sid:106;)
drop icmp 10.77.0.1 any -> 10.77.0.2 any (msg:"icmp in drop"; itype:8; dsize:>200; sid:107;)
"""
VERDICT_GUEST = r"""
udp show 9000 > /tmp/got &
echo LAB-READY
tries=0
until timeout 5 wget -q -O /tmp/page http://$HOST_IP:8080/fine; do
	tries=$((tries + 1)); [ $tries -lt 30 ] || exit 90; sleep 1
done
need grep -q 'fine page' /tmp/page
need timeout 10 wget -q -O /tmp/evil http://$HOST_IP:8080/evil
need grep -q 'evil page' /tmp/evil
for text in bad-thing-one Bad-Thing-TWO bad-thing bad_thing_two "the last word"; do
	need udp send $HOST_IP 9000 "out $text"
done
need udp send $HOST_IP 9001 "out bad-thing-two on another port"
need timeout 10 wget -q -O /tmp/sent http://$HOST_IP:8080/send
tries=0
until grep -q 'in the last word' /tmp/got; do
	tries=$((tries + 1)); [ $tries -lt 30 ] || exit 91; sleep 1
done
cat /tmp/got
need grep -q 'in bad-thing-one' /tmp/got
need grep -q 'in bad-thing$' /tmp/got
need grep -q 'in BAD-THING-TWO' /tmp/got
need sh -c '! grep -q "in bad-thing-two" /tmp/got'
need sh -c '! timeout 5 wget -q -O /tmp/poison http://$HOST_IP:8080/poison'
need sh -c '! grep -q poisoned /tmp/poison'
need timeout 90 wget -q -O /tmp/result http://$HOST_IP:8080/result
need grep -q 'ping 56: 0' /tmp/result
need grep -q 'ping 400: 1' /tmp/result
"""
VERDICT_HOST = r'''#!/usr/bin/python3
import http.server, os, socket, subprocess, threading, time
HOST, GUEST = os.environ["HOST_IP"], os.environ["GUEST_IP"]
def listen(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((HOST, port))
        while True:
            print("GOT", port, s.recv(2048).decode(), flush=True)
for port in (9000, 9001):
    threading.Thread(target=listen, args=(port,), daemon=True).start()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = "fine page\n"
        if self.path == "/evil":
            body = "evil page\n"
        elif self.path == "/send":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                for text in ("bad-thing-one", "bad-thing-two", "bad-thing", "BAD-THING-TWO", "the last word"):
                    s.sendto(b"in " + text.encode(), (GUEST, 9000))
        elif self.path == "/poison":
            body = "a poisoned answer\n"
        elif self.path == "/result":
            body = ""
            for size in (56, 400):
                done = subprocess.run(["/bin/busybox", "ping", "-c", "2", "-W", "4", "-s", str(size), GUEST],
                                      stdout=subprocess.DEVNULL)
                body += "ping %d: %d\n" % (size, done.returncode)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
        if self.path == "/result":
            threading.Thread(target=self.server.shutdown).start()
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer((HOST, 8080), Handler).serve_forever()
'''


class Verdicts(LabCase):
    """Alert and drop, from the guest and from the wire; what only looks like it passes in silence."""

    RULES = RULES

    def test_alert_and_drop_both_ways(self) -> None:
        run = self.good(self.lab(VERDICT_GUEST, host=VERDICT_HOST))
        got = [m.group(1) for m in lines_of(run.said, r"GOT (.*)$")]
        self.assertEqual(sorted(got), sorted([
            "9000 out bad-thing-one", "9000 out bad-thing", "9000 out bad_thing_two", "9000 out the last word",
            "9001 out bad-thing-two on another port",
        ]))
        for sid, action, count in ((101, "allowed", 1), (102, "blocked", 1), (103, "allowed", 1), (104, "blocked", 1),
                                   (105, "allowed", 1)):
            found = run.alerts(sid)
            self.assertEqual([a["alert"]["action"] for a in found], [action] * count, sid)
        # Sent again by TCP and ping, so at least once.
        for sid, least in ((106, 1), (107, 2)):
            self.assertGreaterEqual(len(run.alerts(sid)), least)
            self.assertEqual({a["alert"]["action"] for a in run.alerts(sid)}, {"blocked"})
        # Nothing but what is meant: 5 datagrams and pages that only look like it.
        self.assertLessEqual({a["alert"]["signature_id"] for a in run.of("alert")}, set(range(101, 108)))
        blocked = [a for a in run.of("alert") if a["alert"]["action"] == "blocked"]
        # A flow that was blocked stays so: what TCP sends again is dropped without a further alert.
        drops = len(run.of("drop"))
        self.assertGreaterEqual(drops, len(blocked))
        self.check_fields(run)
        last = run.last()
        self.assertEqual(last["frames"]["dropped"], drops)
        self.assertEqual(last["stack"]["dropped_from_guest"] + last["stack"]["dropped_from_wire"], drops)

    def check_fields(self, run: Run) -> None:
        """One alert in full."""
        event = run.alerts(101)[0]
        self.assertEqual(
            {k: event[k] for k in ("src_ip", "dest_ip", "dest_port", "proto")},
            {"src_ip": "10.77.0.2", "dest_ip": "10.77.0.1", "dest_port": 9000, "proto": "UDP"})
        self.assertEqual(event["alert"]["signature"], "out alert")
        self.assertEqual(event["alert"]["rev"], 2)
        self.assertEqual(event["alert"]["gid"], 1)
        event = run.alerts(104)[0]
        self.assertEqual((event["src_ip"], event["dest_ip"]), ("10.77.0.1", "10.77.0.2"))


class OwnAddress(LabCase):
    """Vigil's own address answers a ping from either side."""

    CONFIG = "address = 10.77.0.3/24\n"

    def test_ping_from_both_sides(self) -> None:
        init = """
need ping -c 3 -W 8 10.77.0.3
echo LAB-READY
need udp wait 9000 host-done 120
need ping -c 3 -W 8 $HOST_IP
"""
        host = """#!/bin/sh
/bin/busybox ping -c 3 -W 8 10.77.0.3; echo "PINGED $?"
/bin/busybox ping -c 3 -W 8 $GUEST_IP; echo "PINGED $?"
sleep 1
for i in 1 2 3 4 5; do $GUEST_BIN/udp send $GUEST_IP 9000 host-done; sleep 1; done
"""
        run = self.good(self.lab(init, host=host))
        self.assertEqual([m.group(1) for m in lines_of(run.said, r"PINGED (\d+)")], ["0", "0"])
        self.assertGreaterEqual(run.last()["stack"]["sent"], 6)


if __name__ == "__main__":
    unittest.main()
