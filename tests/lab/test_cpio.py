"""The newc writer, held against the kernel's format as cpio(1)'s rules state it."""

import stat
import struct
import tempfile
import unittest
from pathlib import Path

import labtest  # noqa: F401
from labkit.cpio import Cpio


def unpack(data: bytes) -> list[tuple[str, int, bytes, tuple[int, int]]]:
    """An independent reader: name, mode, content, device of each entry."""
    entries, at = [], 0
    while True:
        assert data[at : at + 6] == b"070701", at
        fields = [int(data[at + 6 + i * 8 : at + 14 + i * 8], 16) for i in range(13)]
        size, name_size = fields[6], fields[11]
        name = data[at + 110 : at + 110 + name_size - 1].decode()
        at = (at + 110 + name_size + 3) & ~3
        body = data[at : at + size]
        at = (at + size + 3) & ~3
        if name == "TRAILER!!!":
            assert at == len(data)
            return entries
        entries.append((name, fields[1], body, (fields[9], fields[10])))


class CpioTest(unittest.TestCase):
    def test_round_trip(self) -> None:
        archive = Cpio()
        archive.file("a/b/odd", b"12345", 0o640)
        archive.link("a/link", "/etc/x")
        archive.node("dev/console", 0o600, 5, 1)
        got = {e[0]: e for e in unpack(archive.pack())}
        self.assertEqual(list(got), sorted(got))
        self.assertEqual(got["a/b/odd"][1:3], (stat.S_IFREG | 0o640, b"12345"))
        self.assertEqual(got["a"][1], stat.S_IFDIR | 0o755)
        self.assertEqual(got["a/link"][1:3], (stat.S_IFLNK | 0o777, b"/etc/x"))
        self.assertEqual(got["dev/console"][1], stat.S_IFCHR | 0o600)
        self.assertEqual(got["dev/console"][3], (5, 1))

    def test_same_input_same_bytes(self) -> None:
        one, two = Cpio(), Cpio()
        one.file("x", b"1")
        one.file("y", b"2")
        two.file("y", b"2")
        two.file("x", b"1")
        self.assertEqual(one.pack(), two.pack())

    def test_paths_stay_inside(self) -> None:
        for path in ("../x", "a/../../x", "", "/"):
            with self.subTest(path), self.assertRaises(ValueError):
                Cpio().file(path, b"")

    def test_overlay_replaces_and_follows_links(self) -> None:
        archive = Cpio()
        archive.file("bin/tool", b"old")
        archive.folder("usr/bin")
        archive.link("lib", "usr/lib")
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "bin").mkdir()
            (root / "bin/tool").write_bytes(b"new")
            (root / "bin/tool").chmod(0o755)
            (root / "lib").mkdir()
            (root / "lib/libx.so").write_bytes(b"so")
            archive.tree(root)
        got = {e[0]: e for e in unpack(archive.pack())}
        self.assertEqual(got["bin/tool"][1:3], (stat.S_IFREG | 0o755, b"new"))
        self.assertEqual(got["lib"][1], stat.S_IFLNK | 0o777)
        self.assertEqual(got["usr/lib/libx.so"][2], b"so")

    def test_sizes_are_hex_fields(self) -> None:
        archive = Cpio()
        archive.file("big", bytes(70000))
        data = archive.pack()
        self.assertEqual(struct.unpack_from("8s", data, 6 + 6 * 8)[0], b"%08X" % 70000)


if __name__ == "__main__":
    unittest.main()
