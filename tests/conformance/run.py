#!/usr/bin/python3
"""Conformance of the rule engine with Suricata.

Runs vigil-replay over the captures in $VIGIL_SHARED/conformance (or ../shared/conformance beside the
repository) and compares the number of alerts per signature with what Suricata reports. A test that
asks for a keyword, protocol, link type or feature that the engine does not have yet is skipped by
name. Every event line must be JSON with the fields of the design.

    tests/conformance/run.py [--replay PROGRAM] [-v] [NAME ...]

Last line: `N passed, N failed, N skipped`. Exit status 1 if any failed.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

REPO = pathlib.Path(__file__).resolve().parents[2]

KEYWORDS = set(
    """content nocase rawbytes offset depth distance within startswith endswith fast_pattern dsize
    itype icode ttl flow msg sid gid rev classtype priority metadata reference noalert prefilter
    requires target flags tcp.flags seq ack window tcp.mss id tos fragbits fragoffset ipopts ip_proto sameip
    icmp_id icmp_seq icmpv6.mtu ipv4.hdr ipv6.hdr tcp.hdr udp.hdr icmpv4.hdr icmpv6.hdr
    decode-event flowbits flowint hostbits xbits threshold detection_filter stream-event stream_size
    app-layer-event app-layer-protocol urilen uricontent http_uri http_raw_uri http_method http_header
    http_cookie http_user_agent http_host http_stat_code http_client_body http.uri http.uri.raw http.method
    http.header http.cookie http.user_agent http.host http.stat_code http.request_body http.connection
    http.request_header http.response_header http.response_line http.request_line file_data file.data
    dns.query dns_query tls.sni tag
    pcre byte_test byte_jump byte_extract byte_math isdataat bsize base64_decode base64_data dotprefix
    to_lowercase to_uppercase strip_whitespace compress_whitespace url_decode xor to_md5 to_sha1 to_sha256
    header_lowercase strip_pseudo_headers pcrexform""".split()
)
PROTOCOLS = {"ip", "ip4", "ipv4", "ip6", "ipv6", "tcp", "tcp-pkt", "udp", "icmp", "icmpv4", "icmpv6",
             "pkthdr", "tcp-stream", "http", "http1", "dns", "tls"}
ACTIONS = {"alert", "drop", "pass", "reject", "rejectsrc", "rejectdst", "rejectboth"}
FEATURES = {"ipv6", "icmp", "http", "dns", "tcp-stream", "ip-defrag", "flowbits", "threshold", "tls", "byte_ops", "pcre"}  # and actions:*
LINKTYPES = {0, 1, 12, 101, 108, 113, 228, 229}
# Where we differ from Suricata, by folder: each is run, and must be taken off this list once it passes.
OPEN = {
    "bug-3616-ips": "transformed bodies are looked at when they are complete, not as they grow",
    "detect-engine-proto": "a request on a SYN is known to be HTTP one packet early",
    "drop-protocol-change": "HTTP/1 that becomes HTTP/2 stays HTTP to rules of packets",
    "http-not09": "http.request_line_missing_protocol is no event of 7.0.10",
    "ips__firewall-01-tcp-pkt-state-flowbits": "flowbits set by a pass rule for the packet",
    "ipv6-evasion__ipv6-malformed-fragments-26": "decoder events of the first fragment's next header",
    "ipv6-evasion__ipv6-malformed-fragments-28": "decoder events of the first fragment's next header",
    "prefilter-multibuf-multipkts": "told with the packet before Suricata's",
    "protocol-change-failed-event": "STARTTLS of SMTP is not followed",
    "tcp-fastopen-02": "octets on a SYN wait for the handshake",
    "tcp-fastopen-03": "octets on a SYN wait for the handshake",
    "tcp-fastopen-06": "octets on a SYN wait for the handshake",
    "tcp-fastopen-07": "octets on a SYN wait for the handshake",
    "tcp-fastopen-08": "octets on a SYN wait for the handshake",
    "tcp-fastopen-13": "octets on a SYN wait for the handshake",
}
HEAD = ("timestamp", "event_type", "seq", "host", "boot")


def shared():
    """The folder of the shared data, or None."""
    for place in (os.environ.get("VIGIL_SHARED"), REPO.parent / "shared"):
        if place and (pathlib.Path(place) / "conformance").is_dir():
            return pathlib.Path(place) / "conformance"
    return None


def unsupported(test):
    """Why this test is skipped, or None."""
    for what, wanted, have in (
        ("keyword", test["keywords"], KEYWORDS),
        ("protocol", test["protos"], PROTOCOLS),
        ("action", test["actions"], ACTIONS),
        ("link type", [test["linktype"]], LINKTYPES),
        ("feature", [f for f in test["features"] if not f.startswith("actions:")], FEATURES),
    ):
        missing = sorted(str(w) for w in wanted if w not in have)
        if missing:
            return f"{what} {', '.join(missing)}"
    return None


class Conformance(unittest.TestCase):
    """One method per folder, added below."""

    replay = REPO / os.environ.get("VIGIL_BUILD", "build") / "tools/vigil-replay"
    maxDiff = None

    def check(self, folder, test):
        """Run the capture and compare."""
        options = test["options"]
        with tempfile.TemporaryDirectory(prefix="vigil-conformance-") as out:
            command = [self.replay, "-r", folder / test["pcap"], "-S", folder / "test.rules",
                       "-l", out, "--strict"]
            if options.get("skip_checksums"):
                command += ["-k", "none"]
            if options.get("ips"):
                command += ["--simulate-ips"]
            if options.get("stream_inline"):
                command += ["--set", "stream.inline=true"]
            if options.get("async_oneside"):
                command += ["--set", "stream.async-oneside=true"]
            if options.get("midstream"):
                command += ["--set", "stream.midstream=true"]
            run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(run.returncode, 0, run.stderr)
            lines = (pathlib.Path(out) / "eve.json").read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines]
        counts = {int(sid): 0 for sid in test["expected"]}
        for number, event in enumerate(events, 1):
            for field in HEAD:
                self.assertIn(field, event)
            self.assertEqual(event["seq"], number)
            if event["event_type"] == "alert":
                sid = event["alert"]["signature_id"]
                counts[sid] = counts.get(sid, 0) + 1
        self.assertEqual(counts, {int(s): n for s, n in test["expected"].items()})
        self.check_observed(events, test["observed_alerts"])

    def check_observed(self, events, observed):
        """Each alert that Suricata pins to a packet must be ours, on that packet."""
        fields = ("pcap_cnt", "src_ip", "src_port", "dest_ip", "dest_port", "proto", "direction", "app_proto")
        ours = [
            dict({f: e.get(f) for f in fields}, sid=e["alert"]["signature_id"],
                 action=e["alert"]["action"])
            for e in events if e["event_type"] == "alert"
        ]
        for alert in observed:
            if "pcap_cnt" not in alert:
                continue
            wanted = {k: v for k, v in alert.items() if k in fields or k in ("sid", "action")}
            if wanted.get("app_proto") not in ("http", "dns", "tls"):
                wanted.pop("app_proto", None)  # none that we parse
            found = any(all(o.get(k) == v for k, v in wanted.items()) for o in ours)
            self.assertTrue(found, f"no alert like {wanted}")


def add_tests(root, names):
    """A method for each folder; skipped ones say why."""
    for path in sorted(root.glob("*/expected.json")):
        folder = path.parent
        if names and folder.name not in names:
            continue
        test = json.loads(path.read_text(encoding="utf-8"))
        why = unsupported(test)

        def method(self, folder=folder, test=test, why=why):
            if why:
                self.skipTest(why)
            if folder.name not in OPEN:
                self.check(folder, test)
                return
            try:
                self.check(folder, test)
            except AssertionError:
                self.skipTest("open: " + OPEN[folder.name])
            self.fail("passes: take it off the list of what is open")

        setattr(Conformance, "test_" + folder.name.replace("-", "_"), method)


def main():
    """Parse the command line, run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replay", type=pathlib.Path, default=Conformance.replay)
    parser.add_argument("-v", action="store_true", help="name every test")
    parser.add_argument("name", nargs="*")
    args = parser.parse_args()
    root = shared()
    if root is None:
        print("SKIP conformance: no shared/conformance folder (set VIGIL_SHARED)")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    Conformance.replay = args.replay.resolve()
    add_tests(root, set(args.name))
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Conformance)
    result = unittest.TextTestRunner(sys.stdout, verbosity=2 if args.v else 0).run(suite)
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
