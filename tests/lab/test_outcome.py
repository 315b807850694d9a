"""Exit status and summary."""

import json
import unittest

import labtest  # noqa: F401
from labkit.eve import Channel
from labkit.outcome import Outcome, summary


def channel(ready: bool = True, failure: str | None = None) -> Channel:
    made = Channel()
    made.ready, made.failure = ready, failure
    return made


class StatusTest(unittest.TestCase):
    def test_the_table(self) -> None:
        cases = [
            (Outcome(guest_status=0), channel(), 0),
            (Outcome(guest_status=3), channel(), 3),
            (Outcome(guest_status=0), channel(ready=False), 70),
            (Outcome(guest_status=0), channel(failure="vigil: panic"), 70),
            (Outcome(guest_status=0, entry_failure="VM-entry failure"), channel(), 70),
            (Outcome(guest_status=0, judged=False), channel(ready=False), 0),
            (Outcome(guest_status=5, vigil=False), channel(ready=False), 5),
            (Outcome(fault="no end", timed_out=True), channel(), 75),
            (Outcome(fault="no end", timed_out=True), channel(ready=False), 75),
            (Outcome(fault="no end", timed_out=True), channel(failure="vigil: panic"), 70),
            (Outcome(fault="dead"), channel(ready=False), 70),
            (Outcome(fault="dead", vigil=False), channel(ready=False), 75),
            (Outcome(fault="SIGINT", interrupted=True), channel(ready=False), 130),
            (Outcome(vigil=False), channel(ready=False), 75),
        ]
        for outcome, told, status in cases:
            self.assertEqual(outcome.status(told), status, outcome)

    def test_summary_is_json(self) -> None:
        told = channel()
        told.line(
            b'{"event_type":"hypervisor",'
            b'"hypervisor":{"action":"stats","exits":{"cpuid":4},"frames":2}}'
        )
        told.line(b'{"event_type":"alert","alert":{"action":"blocked"}}')
        made = Outcome(
            platform="bochs", guest_status=0, boot_seconds=6.5, boot_tsc=100, end_tsc=150
        )
        got = json.loads(json.dumps(summary(made, told, True)))
        self.assertEqual(got["exits"], {"cpuid": 4})
        self.assertEqual(got["events"], {"hypervisor": 1, "alert": 1})
        self.assertEqual(got["actions"]["alert/blocked"], 1)
        self.assertEqual(got["stats"], {"frames": 2})
        self.assertEqual(got["instructions"], {"boot": 100, "guest": 50, "total": 150})
        self.assertNotIn("instructions", summary(made, told, False))


if __name__ == "__main__":
    unittest.main()
