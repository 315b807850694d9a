"""Cutting the alert channel into lines and events, and what is concluded from them."""

import json
import unittest

import labtest  # noqa: F401
from labkit.eve import MAX_LINE, Channel, Lines, event_line, plain


def event(kind: str, seq: int, **body: object) -> bytes:
    return json.dumps({"event_type": kind, "seq": seq, kind: body}).encode()


class LinesTest(unittest.TestCase):
    def test_any_cut_gives_the_same_lines(self) -> None:
        text = b"one\r\ntwo\n\nthree\r\nrest"
        for cut in range(len(text)):
            lines = Lines()
            got = lines.feed(text[:cut]) + lines.feed(text[cut:])
            self.assertEqual(got, [b"one", b"two", b"", b"three"], cut)
            self.assertEqual(lines.rest(), b"rest")
            self.assertEqual(lines.rest(), b"")

    def test_endless_line_is_bounded(self) -> None:
        lines = Lines()
        got = []
        for _ in range(40):
            got += lines.feed(b"x" * 4096)
        self.assertEqual([len(g) for g in got], [MAX_LINE] * len(got))
        self.assertGreaterEqual(len(got), 1)

    def test_escapes_are_removed(self) -> None:
        self.assertEqual(plain(b"\x1b[2J\x1b[01;01H\x1b[=3hLAB-READY\r"), "LAB-READY")
        self.assertEqual(plain(b"\xff\xfe"), "\ufffd\ufffd")


class ChannelTest(unittest.TestCase):
    def test_counts_and_last_stats(self) -> None:
        channel = Channel()
        channel.line(event("hypervisor", 1, action="start"))
        self.assertFalse(channel.ready)
        channel.line(event("hypervisor", 2, action="ready"))
        channel.line(event("hypervisor", 3, action="stats", exits={"cpuid": 1}))
        channel.line(event("process", 4, action="seen"))
        channel.line(event("hypervisor", 5, action="stats", exits={"cpuid": 7}, memory=9))
        self.assertTrue(channel.ready)
        self.assertEqual(channel.exits(), {"cpuid": 7})
        self.assertEqual(channel.events, {"hypervisor": 4, "process": 1})
        self.assertEqual(channel.actions["hypervisor/stats"], 2)
        self.assertEqual((channel.stats_seen, channel.quiet_stats, channel.holes), (2, 1, 0))

    def test_quiet_means_only_counts(self) -> None:
        channel = Channel()
        stats = event("hypervisor", 1, action="stats")
        for line, quiet in (
            (stats, 1),
            (event("stats", 2), 1),
            (stats, 2),
            (event("process", 3), 0),
            (stats, 1),
        ):
            channel.line(line)
            self.assertEqual(channel.quiet_stats, quiet)

    def test_readable_lines(self) -> None:
        ends = {
            "proto": "UDP",
            "src_ip": "1.2.3.4",
            "src_port": 5,
            "dest_ip": "::1",
            "dest_port": 6,
        }
        alert = {"action": "blocked", "signature_id": 7, "signature": "msg"}
        self.assertEqual(
            event_line({"event_type": "alert", **ends, "alert": alert}),
            "alert blocked [7] msg UDP 1.2.3.4:5 -> ::1:6",
        )
        self.assertEqual(
            event_line({"event_type": "drop", **ends, "drop": {"len": 9, "x": [1]}}),
            "drop UDP 1.2.3.4:5 -> ::1:6 len=9",
        )

    def test_since_ready(self) -> None:
        channel = Channel()
        self.assertIsNone(channel.since_ready())
        first = {"exits": {"io": 5, "cpuid": 9}, "frames": {"submitted": 0}}
        channel.line(event("hypervisor", 1, action="stats", **first))
        channel.base = channel.stats
        self.assertIsNone(channel.since_ready())
        last = {
            "exits": {"io": 25, "cpuid": 10, "preemption_timer": 5},
            "frames": {"submitted": 100},
        }
        channel.line(event("hypervisor", 2, action="stats", **last))
        got = channel.since_ready()
        assert got is not None
        self.assertEqual(got["exits"], {"io": 20, "cpuid": 1, "preemption_timer": 5})
        self.assertEqual((got["frames"], got["exits_per_frame"]), ({"submitted": 100}, 0.25))

    def test_bulk(self) -> None:
        channel = Channel()
        # (frames, io, timer, bytes of the channel): quiet, bulk, quiet again
        for seq, (frames, io, timer, sent) in enumerate(
            [(0, 10, 10, 0), (50, 60, 160, 1600), (1050, 160, 260, 3200), (1060, 999, 999, 9999)], 1
        ):
            body = {
                "exits": {"io": io, "preemption_timer": timer, "cpuid": 7 * io},
                "frames": {"submitted": frames},
                "channel": {"bytes": sent},
            }
            channel.line(event("hypervisor", seq, action="stats", **body))
            if seq == 1:
                channel.base = channel.stats
        got = channel.since_ready()
        assert got is not None
        self.assertEqual(
            got["bulk"],
            {"frames": 1000, "exits": 200, "alert_port_refills": 100, "exits_per_frame": 0.1},
        )

    def test_holes_in_seq(self) -> None:
        channel = Channel()
        for seq in (1, 2, 5, 4, 6, 9):
            channel.line(event("stats", seq))
        self.assertEqual(channel.holes, 2)

    def test_broken_events_are_counted_not_taken(self) -> None:
        channel = Channel()
        for line in (
            b"{",
            b'{"a":1}',
            b'{"event_type":3}',
            b"{" * 5000,
            b'{"event_type":"x"',
            b"{\xff}",
        ):
            self.assertIsNone(channel.line(line))
        self.assertEqual((channel.broken, sum(channel.events.values())), (6, 0))

    def test_failures(self) -> None:
        for text, bad in (
            (b"vigil: panic: CPU 0 exit 48", True),
            (b"vigil: VM-entry failure: host RIP", True),
            (b"vigil: no panic", False),
            (b"the guest says vigil: panic", False),
            (b"vigil: panicky", False),
        ):
            channel = Channel()
            channel.line(text)
            self.assertEqual(channel.failure is not None, bad, text)

    def test_odd_bodies(self) -> None:
        channel = Channel()
        for line in (
            b'{"event_type":"hypervisor","hypervisor":[1]}',
            b'{"event_type":"hypervisor","seq":"x"}',
            b'{"event_type":"hypervisor","hypervisor":{"action":"stats","exits":5}}',
        ):
            got = channel.line(line)
            assert got is not None
            self.assertTrue(event_line(got).startswith("hypervisor"))
        self.assertEqual(channel.exits(), {})


if __name__ == "__main__":
    unittest.main()
