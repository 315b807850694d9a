#!/usr/bin/python3
"""What others rely on in tools/lab: statuses, overlay, scripts, captures, outputs."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from labrun import LAB, LabCase, lines_of, read, script  # noqa: E402  (the path must be set first)

SPLIT = "class"
COST = 40.0
TEST_TIMEOUT = 1000.0
GUEST_MAC = bytes.fromhex("525400123456")
HOST_MAC = bytes.fromhex("525400770001")


class Status(LabCase):
    """Exit status, overlay, environment."""

    def test_status_and_overlay(self) -> None:
        init = """
need [ "$(cat /etc/greeting)" = 'a file of the overlay' ]
need [ "$(readlink /opt/link)" = target ]
need [ -x /bin/mine ]
need /bin/mine
need [ "$GUEST_IP/$HOST_IP" = 10.77.0.2/10.77.0.1 ]
need [ "$(cat /etc/hosts)" = replaced ]
exit 42
"""
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder)
            for name, text in (("etc/greeting", "a file of the overlay\n"), ("etc/hosts", "replaced\n")):
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_text(text, encoding="ascii")
            (tree / "bin").mkdir()
            script(tree / "bin/mine", "#!/bin/sh\nexit 0\n")
            (tree / "opt").mkdir()
            (tree / "opt/link").symlink_to("target")
            run = self.good(self.lab(init, "--overlay", str(tree), overlay=False), status=42)
        self.assertEqual(run.summary["guest_status"], 42)
        self.assertEqual(run.summary["platform"], "bochs")
        self.assertGreater(run.summary["boot_seconds"], 0)
        self.assertGreater(run.summary["exits"]["cpuid"], 0)
        self.assertGreater(run.summary["instructions"]["boot"], 10**8)
        self.assertEqual(run.summary["events"]["process"], len(run.of("process")))


class TimeOut(LabCase):
    """A guest that never ends."""

    def test_time_out_is_75(self) -> None:
        run = self.lab("sleep 100000\n", timeout=45.0)
        self.assertEqual(run.status, 75)
        self.said(run, "no end after 45 s")


class Captures(LabCase):
    """--pcap-in is played when the guest is ready and inspected; --pcap-out holds what crossed."""

    RULES = 'alert udp 10.77.0.1 any -> 10.77.0.2 9000 (msg:"from the capture"; content:"in a capture"; sid:400;)\n'

    def test_capture_in_and_out(self) -> None:
        init = """
udp show 9000 > /tmp/got &
sleep 1
echo LAB-READY
tries=0
until grep -q 'the last of a capture' /tmp/got; do
	tries=$((tries + 1)); [ $tries -lt 100 ] || exit 90
	sleep 1
done
need [ "$(grep -c 'in a capture' /tmp/got)" = 20 ]
need udp send $HOST_IP 9 'seen on the way out'
sleep 3
"""
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder) / "in.pcap", Path(folder) / "out.pcap"
            frames = [datagram(b"datagram %d in a capture" % i) for i in range(20)]
            write_pcap(given, [*frames, datagram(b"the last of a capture")])
            run = self.good(self.lab(init, "--net", "tap", "--pcap-in", str(given), "--pcap-out", str(made)))
            out = made.read_bytes()
        self.assertEqual(len(run.alerts(400)), 20)
        self.assertEqual(out.count(b"in a capture"), 20)
        # The host answers that nobody listens, and quotes it.
        self.assertIn(b"seen on the way out", out)


class HostScript(LabCase):
    """Scripts that nobody foresaw: one that ends with an error, and a guest that is never ready."""

    def test_host_script_sees_events(self) -> None:
        """EVE grows while the guest runs, and the script's status is told."""
        host = """#!/bin/sh
tries=0
until grep -q '"action":"ready"' "$EVE"; do
	tries=$((tries + 1)); [ $tries -lt 20 ] || break
	sleep 1
done
echo "READY EVENTS $(grep -c '"action":"ready"' "$EVE")"
echo "INTERFACES $(ls /sys/class/net | tr '\\n' ' ')"
exit 7
"""
        run = self.good(self.lab("echo LAB-READY\nsleep 12\n", host=host))
        self.assertEqual([m.group(1) for m in lines_of(run.said, r"READY EVENTS (\d+)")], ["1"])
        self.assertEqual(run.summary["host_status"], 7)

    def test_never_ready_never_started(self) -> None:
        run = self.good(self.lab("exit 3\n", host="#!/bin/sh\necho STARTED-IN-VAIN\n"), status=3)
        self.assertFalse("STARTED-IN-VAIN" in run.said)


class Refused(unittest.TestCase):
    """What cannot work is said at once."""

    def lab(self, *args: str) -> tuple[int, str]:
        done = subprocess.run([str(LAB), "run", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_nested_kvm_is_77(self) -> None:
        status, said = self.lab("--platform", "nested-kvm")
        self.assertEqual(status, 77, said)
        self.assertIn("nested-kvm", said)

    def test_kvm_without_nested_vmx_is_77(self) -> None:
        if os.path.exists("/dev/kvm") and usable_kvm():
            self.skipTest("this machine has nested VMX")
        status, said = self.lab("--platform", "kvm")
        self.assertEqual(status, 77, said)

    def test_missing_files_are_75(self) -> None:
        for name in ("init", "rules", "kernel", "config", "overlay"):
            with self.subTest(option=name):
                status, said = self.lab(f"--{name}", "/no/such/thing")
                self.assertEqual(status, 75, said)
                self.assertIn("/no/such/thing", said)

    def test_unknown_model_is_75(self) -> None:
        status, said = self.lab("--platform", "bochs", "--cpu", "i8086")
        self.assertEqual(status, 75, said)
        self.assertIn("i8086", said)


def usable_kvm() -> bool:
    done = subprocess.run([str(LAB), "platforms"], capture_output=True, text=True, check=False)
    return "kvm: usable" in done.stdout.splitlines()


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - ((total & 0xFFFF) + (total >> 16))


def datagram(payload: bytes) -> bytes:
    """A UDP datagram from the host to the guest's port 9000, as a frame."""
    udp = struct.pack(">HHHH", 40000, 9000, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, bytes([10, 77, 0, 1]),
                       bytes([10, 77, 0, 2]))
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return GUEST_MAC + HOST_MAC + b"\x08\x00" + head + udp


def write_pcap(path: Path, frames: list[bytes]) -> None:
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, frame in enumerate(frames):
            out.write(struct.pack("<IIII", 1_700_000_000, 10_000 * number, len(frame), len(frame)) + frame)


if __name__ == "__main__":
    unittest.main()
