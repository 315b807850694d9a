"""Build Bochs 3.0 from its source, without debugger and display: 3 to 4 times Debian's speed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .paths import LabError, say

CONFIGURE = [
    "--with-nogui",
    "--disable-docbook",
    "--disable-plugins",
    "--enable-cpu-level=6",
    "--enable-x86-64",
    "--enable-smp",
    "--enable-all-optimizations",
    "--enable-repeat-speedups",
    "--enable-fpu",
    "--enable-a20-pin",
    "--enable-pci",
    "--enable-e1000",
    "--enable-raw-serial",
    "--enable-memtype",
    "--enable-avx",
    "--enable-evex",
    "--enable-protection-keys",
    "--enable-cet",
    "--enable-uintr",
    "--enable-vmx=2",
    "--enable-svm",
    "--enable-x86-debugger",
]
CXXFLAGS = "-O2 -fno-strict-aliasing -w"


def step(args: list[str], tree: Path, log: Path) -> None:
    """Run one build step, its output kept in `log`; the end of it is shown when it fails."""
    env = dict(os.environ, CFLAGS=CXXFLAGS, CXXFLAGS=CXXFLAGS, LC_ALL="C")
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CC", "CXX"):  # of a make that called us
        env.pop(name, None)
    with open(log, "ab") as out:
        try:
            status = subprocess.call(args, cwd=tree, env=env, stdout=out, stderr=subprocess.STDOUT)
        except FileNotFoundError as error:
            raise LabError(f"{args[0]} not found: run tools/deps build lab") from error
    if status != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise LabError(f"building Bochs: {args[0]} failed:\n{tail}")


def mend_smp(source: Path) -> None:
    """Bochs 3.0 with several CPUs: after an exception the next trace begins without committing RIP, so
    that a VM exit right then (preemption timer, interrupt) saves the RIP of before the exception, and
    the guest goes on at the wrong place. With one CPU the main loop commits it. Commit it here too.
    """
    path = source / "cpu" / "cpu.cc"
    text = path.read_text(encoding="latin-1")
    head = "void BX_CPU_C::cpu_run_trace(void)\n{\n"
    if text.count(head) != 1:
        raise LabError("building Bochs: cpu_run_trace is not where it was in 3.0")
    path.write_text(text.replace(head, head + "  BX_CPU_THIS_PTR prev_rip = RIP;\n"), encoding="latin-1")


def build(tar: Path, work: Path) -> Path:
    """Build the source in `tar` inside `work`; a folder with `bochs` and `version`."""
    if shutil.which("g++") is None:
        raise LabError("building Bochs needs g++: run tools/deps lab")
    source = work / "source"
    source.mkdir()
    log = work / "log"
    jobs = min(os.cpu_count() or 1, 4)
    say(f"fetch: building Bochs 3.0 from source (once, about {170 // jobs + 10} s on {jobs} CPUs)")
    step(["tar", "-xf", str(tar), "--strip-components=1", "--no-same-owner"], source, log)
    mend_smp(source)
    step(["./configure", *CONFIGURE], source, log)
    step(["make", f"-j{jobs}", "bochs"], source, log)
    tree = work / "tree"
    tree.mkdir()
    shutil.copy2(source / "bochs", tree / "bochs")
    subprocess.run(["strip", str(tree / "bochs")], check=False)
    (tree / "version").write_text(tar.name + "\n", encoding="utf-8")
    return tree
