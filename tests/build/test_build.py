#!/usr/bin/python3
"""The build itself: a second compiler, the same bytes twice, and what the link must refuse."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parent.parent.parent
CHECK = TOP / "tools" / "build" / "check-elf"
SPLIT = "class"
COST = 60.0
TEST_TIMEOUT = 1500.0
BUILD = TOP / os.environ.get("VIGIL_BUILD", "build")
IMAGES = ("vigil.efi", "core.elf", "sentry.elf")


def make(*args: str, cwd: Path = TOP) -> str:
    """What make said; it must succeed."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CC", "O")}
    done = subprocess.run(["make", "--no-print-directory", *args], cwd=cwd, capture_output=True, text=True, check=False,
                          env=env)
    if done.returncode != 0:
        raise AssertionError(f"make {' '.join(args)}: status {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout + done.stderr


def not_sources(folder: str, names: list[str]) -> list[str]:
    """For copytree: what a build left, and git's own."""
    return [n for n in names if Path(folder) == TOP and n.startswith(("build", ".git")) or n == "__pycache__"]


class Clang(unittest.TestCase):
    """The second compiler (gcc built what the other tests run)."""

    def test_without_warnings(self) -> None:
        if shutil.which("clang") is None:
            self.skipTest("clang is not installed")
        said = make("CC=clang", "all")
        self.assertNotIn("warning:", said)
        for name in IMAGES:
            self.assertTrue((TOP / "build-clang" / name).is_file(), name)


class Layers(unittest.TestCase):
    """Who calls whom in the core. (What they include is lint's business; a prototype can be written by hand.)"""

    SERVICES = ("counter", "lock", "log", "machine", "panic", "unit")

    def symbols(self, layer: str, kind: str) -> set[str]:
        """What the layer's objects define or need."""
        objects = [BUILD / "core" / Path(name).with_suffix(".o")
                   for name in make("-s", "print-core-src").split() if name.startswith(layer)]
        self.assertTrue(objects)
        done = subprocess.run(["nm", "-gP", kind, *objects], capture_output=True, text=True, check=True)
        return {line.split()[0] for line in done.stdout.splitlines() if len(line.split()) > 1}

    def test_arch_calls_up(self) -> None:
        headers = [TOP / "arch/x86/upcall.h", *(TOP / f"hv/{name}.h" for name in self.SERVICES)]
        contract = set(re.findall(r"\b(\w+)\(", "".join(h.read_text(encoding="utf-8") for h in headers)))
        calls = self.symbols("arch/x86/", "--undefined-only")
        above = self.symbols("hv/", "--defined-only") | self.symbols("net/dev/", "--defined-only")
        self.assertEqual(calls & above - contract, set())

    def test_hv_calls_up(self) -> None:
        calls = self.symbols("hv/", "--undefined-only")
        self.assertEqual(calls & self.symbols("net/dev/", "--defined-only"), set())


class SameBytes(unittest.TestCase):
    """A build elsewhere, into a folder of another name, gives the same bytes."""

    def test_same_bytes(self) -> None:
        with tempfile.TemporaryDirectory(prefix="vigil-same-") as folder:
            images = []
            trees = (Path(folder) / "one", Path(folder) / "another-place")
            for source, tree in zip((TOP, trees[0]), trees):
                shutil.copytree(source, tree, ignore=not_sources)
            for tree, out in zip(trees, ("build", "elsewhere/out")):
                make(f"O={out}", *(f"{out}/{image}" for image in IMAGES), cwd=tree)
                images.append({image: (tree / out / image).read_bytes() for image in IMAGES})
        for image in IMAGES:
            self.assertEqual(len(images[0][image]), len(images[1][image]), image)
            self.assertTrue(images[0][image] == images[1][image], f"{image} differs from one build to the next")


class CheckElf(unittest.TestCase):
    """tools/build/check-elf refuses what the loader or the core cannot have."""

    def check(self, source: str, *flags: str, image: bool = True) -> tuple[int, str]:
        with tempfile.TemporaryDirectory(prefix="vigil-elf-") as folder:
            work = Path(folder)
            (work / "a.c").write_text(source, encoding="ascii")
            subprocess.run(["gcc", "-c", "-O2", "-fPIE", "-ffreestanding", "-fno-stack-protector", *flags, "-o", "a.o",
                            "a.c"], cwd=work, check=True)
            if image:
                subprocess.run(["ld", "-static", "-pie", "--no-dynamic-linker", "-z", "noexecstack", "-e", "f",
                                "-o", "a.elf", "a.o"], cwd=work, check=True, capture_output=True)
            done = subprocess.run([str(CHECK), "--no-sse", "a.elf" if image else "a.o"], cwd=work, capture_output=True, text=True,
                                  check=False)
            return done.returncode, done.stdout + done.stderr

    def test_good(self) -> None:
        status, said = self.check("int x; int *p = &x; int f(void) { return *p; }\n", "-mgeneral-regs-only")
        self.assertEqual(status, 0, said)

    def test_sse(self) -> None:
        status, said = self.check("double f(double a, double b) { return a * b; }\n")
        self.assertNotEqual(status, 0, said)
        self.assertIn("vector", said)

    def test_undefined_symbol(self) -> None:
        """ld alone refuses them in an image; an object has them."""
        status, said = self.check("int missing(void); int f(void) { return missing(); }\n", "-mgeneral-regs-only",
                                  image=False)
        self.assertNotEqual(status, 0, said)
        self.assertIn("undefined symbol: U missing", said)

    def test_other_relocation(self) -> None:
        """An indirect function: R_X86_64_IRELATIVE."""
        source = ("static int one(void) { return 1; }\nstatic void *pick(void) { return one; }\n"
                  "int chosen(void) __attribute__((ifunc(\"pick\")));\nint (*p)(void) = chosen;\n"
                  "int f(void) { return p(); }\n")
        status, said = self.check(source, "-mgeneral-regs-only")
        self.assertNotEqual(status, 0, said)
        self.assertIn("R_X86_64_IRELATIV", said)


if __name__ == "__main__":
    unittest.main()
