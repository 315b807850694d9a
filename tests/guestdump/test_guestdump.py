#!/usr/bin/python3
"""ids/guest over the memory of Debian's kernels, compared with what they say of themselves.

Each kernel boots without Vigil in an emulator; its RAM is given to guestdump, whose findings must be
those of the guest's own /proc/kallsyms, /proc/modules, /proc/PID and BTF, both ways.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import btf  # noqa: E402  (the path must be set first)
import guest  # noqa: E402
from labkit import kernel  # noqa: E402
from labkit.fetch import fetch  # noqa: E402
from labkit.paths import LabError, build_dir  # noqa: E402

SPLIT = "class"
COST = 25.0
TEST_TIMEOUT = 600.0
READY = 2
NAME_MAX = 127  # of a symbol; longer ones are cut
IDLE = ("__pfx_", "__ksymtab_", "__func__", "__UNIQUE_ID_")  # names that may not be found (ids/guest/kernel.h)
STEP_PAGES = 3000  # looks at guest memory in one step of the search


class Found:
    """What guestdump tells, by the first word of its lines."""

    def __init__(self, text: str) -> None:
        self.lines: dict[str, list[list[str]]] = defaultdict(list)
        for line in text.splitlines():
            words = line.split(" ")
            self.lines[words[0]].append(words[1:])

    def __getitem__(self, word: str) -> list[list[str]]:
        return self.lines[word]

    def one(self, word: str) -> str:
        return " ".join(self.lines[word][0])


class Kernels(unittest.TestCase):
    """One kernel."""

    NAME = ""

    def setUp(self) -> None:
        if shutil.which(guest.QEMU) is None:
            self.skipTest(f"{guest.QEMU} is not installed (tools/deps test)")
        try:
            folder = fetch(self.NAME)
            which = kernel.select(folder / "vmlinuz", folder / "modules", False)
        except LabError as error:
            self.skipTest(f"{self.NAME} can't be had: {str(error).splitlines()[0]}")
        self.work = Path(tempfile.mkdtemp(prefix="vigil-guestdump-"))
        self.addCleanup(shutil.rmtree, self.work)
        self.dump = guest.boot(which, self.work)
        self.own: dict[str, set[int]] = defaultdict(set)  # addresses of a name
        self.at: dict[int, set[str]] = defaultdict(set)  # names at an address
        self.lines = 0
        for line in (self.dump.out / "kallsyms").read_text(encoding="ascii").splitlines():
            found = re.fullmatch(r"([0-9a-f]+) \S ([^\s]+)", line)
            if found:
                self.lines += 1
                self.own[found.group(2)[:NAME_MAX]].add(int(found.group(1), 16))
                self.at[int(found.group(1), 16)].add(found.group(2)[:NAME_MAX])
        (lstar,) = self.own["entry_SYSCALL_64"]
        done = subprocess.run(
            [build_dir() / "guestdump/guestdump", self.dump.ram, f"{lstar:x}", f"{self.dump.cr3:x}",
             self.dump.out / "kallsyms"],
            capture_output=True, text=True, check=True,
        )
        self.found = Found(done.stdout)

    def symbols(self) -> None:
        """Every line of /proc/kallsyms, by name and by address."""
        (first,), (last,) = self.own["_text"], self.own["_end"]
        self.assertEqual(int(self.found.one("count")), self.lines)
        self.assertGreater(self.lines, 50000)
        asked = [(n, int(a, 16)) for n, a in self.found["s"] if len(n) <= NAME_MAX]
        wrong = [n for n, a in asked if a not in self.own[n] and (a or not n.startswith(IDLE))]
        self.assertEqual(wrong, [], "symbols that are elsewhere")
        names = {int(a, 16): (n, int(off)) for a, n, off in self.found["a"]}
        wrong = [f"{a:x} {n} {off}" for a, (n, off) in names.items() if off or n not in self.at[a]]
        self.assertEqual(wrong, [], "addresses with another name")
        missing = [f"{a:x} {n}" for a, n in self.at.items() if first <= a < last and a not in names]
        self.assertEqual(missing, [], "addresses without a name")

    def structures(self) -> None:
        """Sizes, members and enumerators as BTF has them."""
        own = btf.Btf((self.dump.out / "btf").read_bytes())
        there = 0
        for name, size in self.found["size"]:
            one = own.by_name.get(name)
            self.assertEqual(int(size), one.size if one else 0, name)
        for name, path, *place in self.found["member"]:
            expected = own.member(name, path)
            got = None if place == ["none"] else tuple(map(int, place))
            self.assertEqual(got, expected, f"{name}.{path}")
            there += expected is not None
        self.assertGreater(there, 200)
        for name, word, value in self.found["enum"]:
            self.assertEqual(None if value == "none" else int(value), own.enum(name, word), word)

    def modules(self) -> None:
        own = {}
        for line in (self.dump.out / "modules").read_text(encoding="ascii").splitlines():
            words = line.split()
            own[words[0]] = int(words[5], 16)
        self.assertTrue(own)
        self.assertEqual({n: int(base, 16) for n, base, _ in self.found["module"]}, own)

    def tasks(self) -> None:
        """Processes that were there when the guest looked and when it stopped, with users and paths."""
        ours = {int(t[0]): t for t in self.found["task"]}
        own = {}
        for line in (self.dump.out / "tasks").read_text(encoding="ascii").splitlines():
            pid, exe, ppid, uid, *comm = line.split(" ")
            own[int(pid)] = (exe or "-", int(ppid), int(uid), " ".join(comm).strip())
        both = [p for p in own if p in ours and not own[p][3].startswith(("kworker", "init"))]
        self.assertGreater(len(both), 20)
        self.assertLess(len(set(own) - set(ours)), 6)  # those that looked, and helpers
        for pid in both:
            _, tgid, ppid, uid, level, ns_pid, exe, *comm = ours[pid]
            self.assertEqual((exe, int(ppid), int(uid), " ".join(comm)), own[pid])
            self.assertEqual(int(tgid), pid)
            inner = (1, 1) if own.get(int(ppid), ("",))[-1] == "unshare" else (0, pid)
            self.assertEqual((int(level), int(ns_pid)), inner)
        exes = [t[6] for t in ours.values()]
        self.assertIn("/a/deep/folder/sleep", exes)
        self.assertIn("/mnt/fs/sleep", exes)
        self.assertIn("65534", [t[3] for t in ours.values()])
        self.assertIn(("1", "1"), [(t[4], t[5]) for t in ours.values()])  # first in a namespace of its own
        self.assertIn("/mnt/fs/sleep", [path for _, fd, path in self.found["file"] if fd == "0"])

    def compare(self) -> None:
        release = (self.dump.out / "release").read_text(encoding="ascii").strip()
        self.assertEqual(self.found.one("state").split()[0], str(READY), self.found.one("state"))
        self.assertTrue(self.found.one("banner").startswith(f"Linux version {release} "))
        numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", release)
        assert numbers is not None
        major, minor, patch = map(int, numbers.groups())
        self.assertEqual(int(self.found.one("version"), 16), major << 16 | minor << 8 | min(patch, 255))
        places = {name: {int(address, 16)} for name, address in self.found["place"]}
        for name, symbol in (("base", "_text"), ("end", "_end"), ("text", "_stext"), ("text_end", "_etext")):
            self.assertEqual(places[name], self.own[symbol])
        self.assertRegex(self.found.one("build_id"), r"^[0-9a-f]{40}$")
        self.assertLessEqual(int(self.found["pages"][0][1]), STEP_PAGES)
        print(f"FIGURE {self.NAME}: {self.found.one('count')} symbols, {self.found.one('steps')} steps, "
              f"pages {self.found.one('pages')}, {self.found.one('used')} bytes", flush=True)
        for check in (self.symbols, self.structures, self.modules, self.tasks):
            with self.subTest(check.__name__):
                check()


class Cloud(Kernels):
    NAME = "kernel-cloud"

    def test_all(self) -> None:
        self.compare()


class Full(Kernels):
    NAME = "kernel-full"

    def test_all(self) -> None:
        self.compare()


class Backports(Kernels):
    NAME = "kernel-6.12"

    def test_all(self) -> None:
        self.compare()


if __name__ == "__main__":
    unittest.main()
