"""Options, configuration and kernel selection of tools/lab; nothing is booted."""

import contextlib
import io
import lzma
import os
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from labtest import TOP
from labkit import capture, cli, config, kernel
from labkit.paths import LabError, build_dir


def quiet(argv: list[str]) -> int:
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        return cli.main(argv)


class OptionsTest(unittest.TestCase):
    def test_the_contract_is_accepted(self) -> None:
        got = cli.parser().parse_args(
            "run --platform bochs --cpu m --smp 2 --mem 512 --kernel k --modules d --overlay o "
            "--init i --config c --rules r --no-vigil --net tap --host-script h --pcap-in p "
            "--pcap-out q --eve e --console n --json j --timeout 12.5".split()
        )
        self.assertEqual(
            (got.smp, got.mem, got.timeout, got.no_vigil, got.net), (2, 512, 12.5, True, "tap")
        )

    def test_bad_options_are_faults_of_the_lab(self) -> None:
        for argv in (
            ["run", "--nonsense"],
            ["run", "--smp", "0"],
            ["run", "--smp", "x"],
            ["run", "--timeout", "-1"],
            ["run", "--timeout", "nan"],
            ["run", "--platform", "vmware"],
            [],
            ["run", "--init", "/nonexistent"],
            ["run", "--pcap-out", "x"],
            ["run", "--overlay", "/nonexistent"],
            ["run", "--net", "tap", "--host-script", "/nonexistent"],
            ["run", "--append", "a\nb"],
            ["run", "--config-exact"],
        ):
            self.assertEqual(quiet(argv), 75, argv)

    def test_unsupported_platforms(self) -> None:
        for name in ("nested-kvm", "qemu-svm"):
            self.assertEqual(quiet(["run", "--platform", name]), 77)

    def test_help_names_the_statuses(self) -> None:
        done = subprocess.run(
            [TOP / "tools/lab", "run", "--help"], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0)
        for word in ("70", "75", "77", "--pcap-out"):
            self.assertIn(word, done.stdout)


class ConfigTest(unittest.TestCase):
    def test_missing_keys_are_completed(self) -> None:
        text, keys = config.compose(
            b"# mine\r\nserial = com1\nnic=none", {"serial": "com2", "next": "\\k"}, {}, True
        )
        self.assertEqual(keys, {"serial": "com1", "nic": "none", "next": "\\k"})
        self.assertTrue(text.startswith(b"# mine\nserial = com1\n"))
        self.assertNotIn(b"com2", text)

    def test_forced_keys_stand_once(self) -> None:
        text, keys = config.compose(b"enable = yes\nnic = none\n", {}, {"enable": "no"}, True)
        self.assertEqual(text.count(b"enable"), 1)
        self.assertEqual(keys["enable"], "no")

    def test_exact_is_exact(self) -> None:
        given = b"\xff\x00 broken ==\n"
        self.assertEqual(config.compose(given, {"a": "b"}, {}, False)[0], given)

    def test_broken_bytes_survive(self) -> None:
        self.assertIn(
            b"\xff\xfe broken\n", config.compose(b"\xff\xfe broken\n", {"a": "b"}, {}, True)[0]
        )

    def test_policy_lines_are_no_keys(self) -> None:
        given = b"\xef\xbb\xbfdeny exec path=/tmp/*\r\nname = x\n# off all\n  off kill\n"
        self.assertTrue(config.has_policy(given))
        self.assertTrue(config.has_policy(b"name = x\n\tdeny"))
        for none in (None, b"", b"# deny exec\n", b"denied = x\n", b"next_args = deny exec\n"):
            self.assertFalse(config.has_policy(none), none)
        text, keys = config.compose(given, {"serial": "com2"}, {"enable": "no"}, True)
        self.assertEqual(keys, {"name": "x", "serial": "com2", "enable": "no"})
        self.assertIn(b"deny exec path=/tmp/*\n", text)
        self.assertIn(b"  off kill\n", text)

    def test_alert_port(self) -> None:
        for value, port in (
            ("com1", "console"),
            ("COM2", "alerts"),
            ("none", "none"),
            ("0x2F8", "alerts"),
        ):
            self.assertEqual(config.alert_port({"serial": value}), port)
        self.assertEqual(config.alert_port({}), "alerts")


def module(depends: str) -> bytes:
    """A minimal ELF64 with a .modinfo section."""
    names = b"\0.modinfo\0.shstrtab\0"
    info = b"license=GPL\0depends=" + depends.encode() + b"\0name=x\0"
    body = names + info
    head = bytearray(64)
    head[:4] = b"\x7fELF"
    struct.pack_into("<Q", head, 0x28, 64 + len(body))
    struct.pack_into("<HHH", head, 0x3A, 64, 3, 2)

    def section(name: int, at: int, size: int) -> bytes:
        return struct.pack("<IIQQQQ", name, 0, 0, 0, at, size) + bytes(24)

    table = section(0, 0, 0) + section(1, 64 + len(names), len(info)) + section(10, 64, len(names))
    return bytes(head) + body + table


class RulesTest(unittest.TestCase):
    """What goes into the image as rules.vrb."""

    def test_policy_is_compiled_with_the_rules(self) -> None:
        if not (build_dir() / "tools/vigilc").exists():
            self.skipTest("vigilc is not built")
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            work = Path(folder)
            (work / "r.rules").write_text("alert ip any any -> any any (sid:1;)\n")
            both = cli.compile_rules(work / "r.rules", b"deny exec\n", work).read_bytes()
            policy = cli.compile_rules(None, b"deny exec\n", work).read_bytes()
            rules = cli.compile_rules(work / "r.rules", None, work).read_bytes()
            self.assertEqual([b"deny exec" in blob for blob in (both, policy, rules)], [True, True, False])
            given = work / "x.vrb"
            self.assertEqual(cli.compile_rules(given, b"deny exec\n", work), given)
            with self.assertRaisesRegex(LabError, "the policy lines"):
                cli.compile_rules(None, b"deny nothing\n", work)


class KernelTest(unittest.TestCase):
    def setUp(self) -> None:
        self._dir = tempfile.TemporaryDirectory()
        self.root = Path(self._dir.name)
        (self.root / "kernel").mkdir()
        for name, depends in (
            ("a", "b-c,d"),
            ("b_c", "d"),
            ("d", ""),
            ("loop", "loop2"),
            ("loop2", "loop"),
        ):
            path = self.root / "kernel" / f"{name}.ko"
            path.write_bytes(module(depends))
        (self.root / "kernel/d.ko").unlink()
        (self.root / "kernel/d.ko.xz").write_bytes(lzma.compress(module("")))

    def tearDown(self) -> None:
        self._dir.cleanup()

    def test_order(self) -> None:
        got = kernel.Kernel(Path("k"), "r", self.root).closure(("a", "absent", "loop"))
        self.assertEqual([n for n, _ in got], ["d", "b_c", "a", "loop2", "loop"])
        self.assertTrue(all(data.startswith(b"\x7fELF") for _, data in got))

    def test_not_a_module(self) -> None:
        (self.root / "kernel/bad.ko").write_bytes(b"\x7fELF cut off")
        with self.assertRaises(LabError):
            kernel.Kernel(Path("k"), "r", self.root).closure(("bad",))

    def test_folder_forms(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder)
            (base / "lib/modules/6.1/kernel").mkdir(parents=True)
            for given in (base, base / "lib/modules", base / "lib/modules/6.1"):
                self.assertEqual(kernel.modules_folder(given, "6.1"), base / "lib/modules/6.1")
            with self.assertRaises(LabError):
                kernel.modules_folder(base, "6.12")

    def test_not_a_bzimage(self) -> None:
        path = self.root / "vmlinuz"
        path.write_bytes(os.urandom(4096).replace(b"HdrS", b"xxxx"))
        with self.assertRaises(LabError):
            kernel.image_release(path)


class PcapTest(unittest.TestCase):
    def write(self, data: bytes) -> Path:
        handle, name = tempfile.mkstemp()
        os.write(handle, data)
        os.close(handle)
        self.addCleanup(os.unlink, name)
        return Path(name)

    def test_both_byte_orders(self) -> None:
        for order, magic, unit in (
            ("<", 0xA1B2C3D4, 1e-6),
            (">", 0xA1B2C3D4, 1e-6),
            ("<", 0xA1B23C4D, 1e-9),
        ):
            data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
            data += struct.pack(order + "IIII", 10, 5, 3, 3) + b"abc"
            data += struct.pack(order + "IIII", 11, 0, 9, 9) + b"cut"
            got = list(capture.read(self.write(data)))
            self.assertEqual([frame for _, frame in got], [b"abc"])
            self.assertAlmostEqual(got[0][0], 10 + 5 * unit)

    def test_pcapng(self) -> None:
        for order in "<>":

            def block(kind: int, body: bytes) -> bytes:
                body += bytes(-len(body) % 4)
                size = struct.pack(order + "I", len(body) + 12)
                return struct.pack(order + "I", kind) + size + body + size

            data = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
            option = struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0)
            data += block(1, struct.pack(order + "HHI", 1, 0, 65535) + option)
            data += block(6, struct.pack(order + "IIIII", 0, 0, 1500000000, 5, 5) + b"hello")
            data += block(5, bytes(12))
            data += block(6, struct.pack(order + "IIIII", 0, 0, 0, 2, 2) + b"ab")
            got = list(capture.read(self.write(data)))
            self.assertEqual(got, [(1.5, b"hello"), (0.0, b"ab")])
            self.assertEqual(len(list(capture.read(self.write(data[:-6])))), 1)
            bad = data + block(6, struct.pack(order + "IIIII", 0, 0, 0, 200, 200) + b"ab")
            with self.assertRaises(LabError):
                list(capture.read(self.write(bad)))

    def test_not_a_capture(self) -> None:
        for data in (b"", b"x" * 24, struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)):
            with self.assertRaises(LabError):
                list(capture.read(self.write(data)))


if __name__ == "__main__":
    unittest.main()
