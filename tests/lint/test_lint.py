#!/usr/bin/python3
"""make lint: formatting, shell scripts, Python, and clang-tidy on the logic that guest and wire reach."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parent.parent.parent
SPLIT = "class"
COST = 30.0
TEST_TIMEOUT = 900.0
# Pure logic: compiled for the host, so clang-tidy needs no special headers.
TIDY = ("net/dev/virtqueue.c", "arch/x86/ept.c", "arch/x86/mtrr.c", "arch/x86/cpuid_policy.c", "arch/x86/vmx/control.c",
        "arch/x86/vmx/cr3_target.c", "arch/x86/vmx/bitmap.c", "hv/config.c", "boot/elf.c", "ids/packet/decode.c",
        "ids/packet/ip4.c", "ids/packet/tunnel.c", "ids/flow/reassemble.c", "ids/rules/blob.c", "ids/rules/matcher.c", "ids/eve/json.c", "ids/eve/channel.c",
        "ids/guest/mem.c", "ids/guest/image.c", "ids/guest/kallsyms.c", "ids/guest/kallsyms_search.c", "ids/guest/btf.c",
        "ids/guest/module.c", "ids/guest/kernel.c", "ids/proc/task.c", "ids/proc/procs.c")

# The layers: which of the project's headers a file may include, by the first folder that fits. Small
# services of hv that everybody in the core may use, and the contracts, stand below arch/x86; they
# include nothing but each other.
SERVICES = tuple(f"hv/{name}.h" for name in (
    "abi", "bootinfo", "config", "counter", "errno", "lock", "log", "machine", "panic", "policy_text", "unit"))
CONTRACTS = ("hv/abi.h", "hv/config.h", "hv/errno.h", "hv/own_mac.h", "hv/policy_text.h")
# What the loader reads of the compiled rules: their seal.
SEAL = "ids/rules/blob_policy.h"
# What the core and the sentry's check of a failed VM entry both know; pure.
VM_ENTRY = ("arch/x86/cpu.h", "arch/x86/vmx/control.h", "arch/x86/vmx/entry_record.h", "arch/x86/vmx/vmcs.h")
LAYERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (rf"({'|'.join(SERVICES)})", SERVICES),
    ("arch/x86/", ("arch/x86/", *SERVICES)),
    ("hv/", ("hv/", r"arch/x86/[^/]+\.h")),  # not a vendor's
    ("net/dev/", ("net/dev/", "hv/")),
    ("net/stack/", ("net/stack/", *CONTRACTS)),
    ("ids/sentry/", ("ids/", "net/stack/", *CONTRACTS, *VM_ENTRY)),
    ("ids/", ("ids/", *CONTRACTS)),
    ("boot/", ("boot/", SEAL, *SERVICES)),
)


def tracked(*patterns: str) -> list[str]:
    """The repository's files of these names."""
    if not (TOP / ".git").exists():
        raise unittest.SkipTest("not a git checkout")
    done = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=TOP, capture_output=True, text=True,
                          check=True)
    return [name for name in done.stdout.split("\0") if name and (TOP / name).is_file()]


def scripts(interpreter: str) -> list[str]:
    """Tracked files whose first line names the interpreter."""
    found = []
    for name in tracked():
        with open(TOP / name, "rb") as handle:
            first = handle.readline(80)
        if first.startswith(b"#!") and interpreter.encode() in first:
            found.append(name)
    return found


class Lint(unittest.TestCase):
    """One case for each tool."""

    def tool(self, name: str, *args: str) -> None:
        if shutil.which(name) is None:
            self.skipTest(f"{name} is not installed")
        done = subprocess.run([name, *args], cwd=TOP, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr)[-6000:])

    def test_clang_format(self) -> None:
        # The kernel's module keeps the kernel's own style.
        files = [f for f in tracked("*.c", "*.h") if not f.startswith("tests/guest/kmod/")]
        self.tool("clang-format", "--dry-run", "-Werror", *files)

    def test_shellcheck(self) -> None:
        shells = {f for kind in ("/sh", "bash") for f in scripts(kind)}
        self.tool("shellcheck", "--severity=warning", *sorted(shells))

    def test_python_syntax(self) -> None:
        files = {*tracked("*.py"), *scripts("python3")}
        self.assertTrue(files)
        for name in sorted(files):
            with self.subTest(file=name):
                ast.parse((TOP / name).read_text(encoding="utf-8"), name)

    def test_ruff(self) -> None:
        self.tool("ruff", "check", *sorted({*tracked("*.py"), *scripts("python3")}))

    def test_layers(self) -> None:
        """No file includes a header of a layer above its own."""
        include = re.compile(r'(?m)^\s*#\s*include\s+"((?:arch|hv|net|ids|boot|tests|tools)/[^"]+)"')
        seen = set()
        for name in tracked("*.c", "*.h", "*.S"):
            for layer, allowed in LAYERS:
                if re.match(layer, name):
                    break
            else:
                continue
            seen.add(layer)
            for header in include.findall((TOP / name).read_text(encoding="utf-8")):
                with self.subTest(file=name):
                    self.assertTrue(any(re.match(a, header) for a in allowed), f"{name} includes {header}")
        self.assertEqual(len(seen), len(LAYERS), "a layer without files")

    def test_no_paths_of_a_machine(self) -> None:
        """Nothing that is tracked names a place of the machine it was written on."""
        # In halves, so that this file does not find itself.
        words = ["/work/" + "main", "/work/" + "shared", "/tmp/" + "w/"]
        done = subprocess.run(["git", "grep", "-nF", *(w for word in words for w in ("-e", word))], cwd=TOP,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout, "")


class Tidy(unittest.TestCase):
    """Slow, so a job of its own."""

    def test_clang_tidy(self) -> None:
        if shutil.which("clang-tidy") is None:
            self.skipTest("clang-tidy is not installed")
        done = subprocess.run(
            ["clang-tidy", "--quiet", *TIDY, "--", "-std=gnu17", "-I.", "-D_GNU_SOURCE", "-DVIGIL_HOST",
             '-DVIGIL_VERSION="lint"'], cwd=TOP, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:])


if __name__ == "__main__":
    unittest.main()
