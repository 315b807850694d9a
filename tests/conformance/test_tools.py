#!/usr/bin/python3
"""vigilc and vigil-replay as their users meet them: command line, messages, exit status, files.

    tests/conformance/test_tools.py [--tools FOLDER]

Last line: `N passed, N failed, N skipped`. Exit status 1 if any failed.
"""

import argparse
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

REPO = pathlib.Path(__file__).resolve().parents[2]

RULES = """\
# a comment
drop udp $HOME_NET any -> any 53 (msg:"evil"; content:"evil"; sid:1; rev:2;)
alert udp any any -> $EXTERNAL_NET any (msg:"\\"quoted\\""; content:"|65 76|il"; nocase; sid:2;)
"""
REFUSED = 'alert smtp any any -> any any (msg:"x"; sid:77;)\n'


def shared_rules():
    """The folder of real rule files, or None."""
    for place in (os.environ.get("VIGIL_SHARED"), REPO.parent / "shared"):
        if place and (pathlib.Path(place) / "rules").is_dir():
            return pathlib.Path(place) / "rules"
    return None


def udp_frame(payload, checksum=0):
    """10.0.0.1:1000 to 198.51.100.1:53; a checksum of 0 is none."""
    udp = struct.pack(">HHHH", 1000, 53, 8 + len(payload), checksum) + payload
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                       bytes([10, 0, 0, 1]), bytes([198, 51, 100, 1]))
    total = sum(struct.unpack(">10H", head))
    total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return bytes(12) + b"\x08\0" + head[:10] + struct.pack(">H", total) + head[12:] + udp


def capture(frames):
    """A pcap file's bytes."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, frame in enumerate(frames):
        out += struct.pack("<IIII", 1700000000, number, len(frame), len(frame)) + frame
    return out


class Tools(unittest.TestCase):
    """Each test has a folder of its own."""

    folder = REPO / os.environ.get("VIGIL_BUILD", "build") / "tools"

    def setUp(self):
        # pylint: disable-next=consider-using-with
        self.temp = tempfile.TemporaryDirectory(prefix="vigil-tools-")
        self.addCleanup(self.temp.cleanup)
        self.dir = pathlib.Path(self.temp.name)

    def file(self, name, content):
        """Write a file, return its path."""
        path = self.dir / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run_tool(self, tool, *args):
        """The finished process."""
        return subprocess.run([self.folder / tool, *map(str, args)], capture_output=True,
                              text=True, timeout=120, check=False)

    def compile(self, rules, *args):
        """A blob, from rules that are all taken."""
        out = self.dir / "out.vrb"
        done = self.run_tool("vigilc", "-S", self.file("r.rules", rules), "-o", out, *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out

    def replay(self, frames, *args):
        """The events of a run."""
        pcap = self.file("c.pcap", capture(frames))
        done = self.run_tool("vigil-replay", "-r", pcap, "-l", self.dir / "log", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = (self.dir / "log/eve.json").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def test_refused_rules_are_named(self):
        """File, line, sid, reason; the others are taken; --strict makes it an error."""
        path = self.file("r.rules", RULES + REFUSED)
        out = self.dir / "out.vrb"
        done = self.run_tool("vigilc", "-S", path, "-o", out)
        self.assertEqual(done.returncode, 0)
        self.assertIn(f"{path}:4: sid 77 refused: protocol smtp is not parsed", done.stderr)
        self.assertIn("2 rules taken, 1 refused", done.stderr)
        out.unlink()
        done = self.run_tool("vigilc", "-S", path, "--strict", "-o", out)
        self.assertEqual(done.returncode, 1)
        self.assertFalse(out.exists())

    def test_summary(self):
        """Reasons of refusal are counted, the most frequent first; the rules are not named."""
        rules = RULES + REFUSED * 2 + "alert udp any any -> any any (nonsense; sid:9;)\n"
        done = self.run_tool("vigilc", "-S", self.file("r.rules", rules), "--check", "--summary")
        self.assertEqual(done.returncode, 0)
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], r"^ +2  protocol smtp is not parsed")
        self.assertRegex(lines[1], r"^ +1  keyword nonsense is not supported yet$")
        self.assertEqual(len(lines), 2)
        self.assertEqual(done.stderr, "2 rules taken, 3 refused\n")

    def test_dialect(self):
        """Snort's way of writing is taken only where it is asked for."""
        rules = self.file("r.rules", 'alert http ( http_uri; content:"a",nocase; sid:1; )\n')
        for args, status in ((["--dialect", "snort"], 0), (["--dialect", "suricata"], 1), ([], 1),
                             (["--dialect", "latin"], 2)):
            done = self.run_tool("vigilc", "-S", rules, "--strict", "--check", *args)
            self.assertEqual(done.returncode, status, args)

    def test_check_writes_nothing(self):
        """--check needs no output."""
        done = self.run_tool("vigilc", "-S", self.file("r.rules", RULES), "--check")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), ["r.rules"])

    def test_usage(self):
        """What cannot be done is an error, and says so."""
        rules = self.file("r.rules", RULES)
        for args, status in (
            ([], 2), (["-S", rules], 2), (["--nonsense"], 2),
            (["-S", rules, "--check", "--var", "NAME"], 2),
            (["-S", self.dir / "absent", "--check"], 1),
            (["-S", rules, "-o", self.dir / "absent" / "x"], 1),
            (["--verify", self.dir / "absent"], 1),
        ):
            done = self.run_tool("vigilc", *args)
            self.assertEqual(done.returncode, status, args)
            self.assertTrue(done.stderr, args)

    def test_policy(self):
        """Lines of policy are compiled with the rules or alone; a wrong one is an error, always."""
        rules = self.file("r.rules", RULES)
        good = self.file("good.cfg", "name = x\ndeny exec path=/tmp/*\nwatch listen\n")
        bad = self.file("bad.cfg", "name = x\n\ndeny exec dport=3\n")
        out = self.dir / "p.vrb"
        for args in (["--policy", good], ["--policy", good, "-S", rules]):
            done = self.run_tool("vigilc", *args, "-o", out)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("2 lines of policy", done.stderr)
            self.assertEqual(self.run_tool("vigilc", "--verify", out).returncode, 0)
        out.unlink()
        for args in (["--policy", bad], ["--policy", bad, "-q", "-S", rules]):
            done = self.run_tool("vigilc", *args, "-o", out)
            self.assertEqual(done.returncode, 1)
            self.assertIn("bad.cfg:3: refused: exec has no dport", done.stderr)
            self.assertFalse(out.exists())
        for args, status in ((["--policy", good], 2), (["--policy", good, "--policy", good, "-o", out], 2),
                             (["--policy", self.dir / "absent", "--check"], 1)):
            self.assertEqual(self.run_tool("vigilc", *args).returncode, status, args)

    def test_same_bytes(self):
        """The same rules make the same blob."""
        first = self.compile(RULES).read_bytes()
        self.assertEqual(first, self.compile(RULES).read_bytes())

    def test_verify(self):
        """A blob that was altered or cut is refused."""
        blob = self.compile(RULES)
        self.assertEqual(self.run_tool("vigilc", "--verify", blob).returncode, 0)
        good = blob.read_bytes()
        for where in range(0, len(good), len(good) // 30):
            bad = good[:where] + bytes([good[where] ^ 0x10]) + good[where + 1 :]
            for data in (bad, good[:where]):
                done = self.run_tool("vigilc", "--verify", self.file("bad.vrb", data))
                self.assertEqual(done.returncode, 1)
                self.assertIn("bad.vrb: ", done.stderr)

    def test_replay_ids_and_ips(self):
        """Without --simulate-ips drop rules only tell."""
        rules = self.file("r.rules", RULES)
        frames = [udp_frame(b"good"), udp_frame(b"evil")]
        events = self.replay(frames, "-S", rules)
        self.assertEqual([(e["event_type"], e["alert"]["signature_id"], e["alert"]["action"],
                           e["pcap_cnt"]) for e in events],
                         [("alert", 1, "allowed", 2), ("alert", 2, "allowed", 2)])
        self.assertEqual(events[1]["alert"]["signature"], '"quoted"')
        self.assertEqual(events[0]["timestamp"], "2023-11-14T22:13:20.000001+0000")
        events = self.replay(frames, "-S", rules, "--simulate-ips")[2:]  # eve.json is appended to
        self.assertEqual([e["event_type"] for e in events], ["alert", "alert", "drop"])
        self.assertEqual([e["alert"]["action"] for e in events], ["blocked", "allowed", "blocked"])

    def test_replay_of_a_blob(self):
        """A compiled blob is the same as its rules; a damaged one is refused."""
        blob = self.compile(RULES)
        self.assertEqual(len(self.replay([udp_frame(b"evil")], "--blob", blob)), 2)
        pcap = self.dir / "c.pcap"
        bad = self.file("bad.vrb", blob.read_bytes()[:-1])
        done = self.run_tool("vigil-replay", "-r", pcap, "--blob", bad, "-l", self.dir / "x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cut off", done.stderr)

    def test_variables(self):
        """--var and --vars decide what HOME_NET is."""
        rules = self.file("r.rules", RULES)
        frames = [udp_frame(b"evil")]
        other = self.replay(frames, "-S", rules, "--var", "HOME_NET=198.51.100.0/24")
        self.assertEqual(other, [])  # EXTERNAL_NET follows
        names = self.file("vars", "# own\nHOME_NET = [10.0.0.1]\n\nEXTERNAL_NET: any\n")
        self.assertEqual(len(self.replay(frames, "-S", rules, "--vars", names)), 2)
        bad = self.run_tool("vigilc", "-S", rules, "--vars", rules, "--check")
        self.assertEqual(bad.returncode, 2)

    def test_stats(self):
        """--stats ends with the counters."""
        bad = udp_frame(b"evil", checksum=1)
        events = self.replay([bad, b"short", udp_frame(b"x")], "-S",
                             self.file("r.rules", RULES), "--stats")
        stats = events[-1]["stats"]
        self.assertEqual(stats["decoder"]["pkts"], 3)
        self.assertEqual(stats["decoder"]["invalid"], 1)
        self.assertEqual(stats["decoder"]["bad_checksum"], 1)
        stats = self.replay([bad], "-S", self.dir / "r.rules", "--stats", "-k", "none")[-1]["stats"]
        self.assertEqual(stats["decoder"]["bad_checksum"], 0)

    def test_bad_capture(self):
        """Not a capture, cut off, of a link type that is not known."""
        rules = self.file("r.rules", RULES)
        good = capture([udp_frame(b"evil")])
        radio = good[:20] + struct.pack("<I", 127) + good[24:]
        for data in (b"no capture at all, just text", good[:-3], radio):
            done = self.run_tool("vigil-replay", "-r", self.file("bad.pcap", data), "-S", rules,
                                 "-l", self.dir / "log")
            self.assertEqual(done.returncode, 1)
            self.assertTrue(done.stderr)

    def test_real_rules(self):
        """Real rule files: each rule taken, or refused with a reason."""
        root = shared_rules()
        if root is None:
            self.skipTest("no shared/rules folder (set VIGIL_SHARED)")
        for dialect, least, group in (
            ("suricata", 0.97, sorted((root / "et-open-2020").glob("*.rules"))),
            ("snort", 0.90, [root / "snort3-community.rules"]),
        ):
            files = [arg for path in group for arg in ("-S", path)] + ["--dialect", dialect]
            out = self.dir / "real.vrb"
            done = self.run_tool("vigilc", *files, "-o", out)
            self.assertEqual(done.returncode, 0)
            lines = done.stderr.splitlines()
            taken, refused = map(int, re.fullmatch(r"(\d+) rules taken, (\d+) refused",
                                                   lines[-1]).groups())
            self.assertEqual(len(lines) - 1, refused)
            for line in lines[:-1]:
                self.assertRegex(line, r":\d+: (sid \d+ )?refused: .")
            active = sum(line.startswith("alert ") for path in group
                         for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
            self.assertEqual(taken + refused, active)
            self.assertGreater(taken / active, least)
            self.assertEqual(self.run_tool("vigilc", "--verify", out).returncode, 0)
            print(f"  {group[0].parent.name}: {taken} of {active} rules taken")


def main():
    """Parse the command line, run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tools", type=pathlib.Path, default=Tools.folder)
    Tools.folder = parser.parse_args().tools.resolve()
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Tools)
    result = unittest.TextTestRunner(sys.stdout, verbosity=0).run(suite)
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
