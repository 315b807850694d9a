"""The kernel module tests/guest/kmod, built for the lab's kernel from Debian's headers in the cache."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from labrun import BUILD, TOP

sys.path.insert(0, str(TOP / "tools"))
from labkit import fetch, kernel  # noqa: E402  (the path must be set first)

SOURCE = TOP / "tests" / "guest" / "kmod"


def build(image: Path | None = None) -> Path:
    """vtest.ko for a kernel's image, or for the kernel that tools/lab boots by default.

    LabError if the headers can't be had here. Tests that run side by side build it once.
    """
    release = kernel.select(image, None, False).release
    headers = fetch.headers(release)
    work = BUILD / "guest" / "kmod" / release
    work.parent.mkdir(parents=True, exist_ok=True)
    with open(work.parent / f"{release}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return compiled(work, headers)


def compiled(work: Path, headers: Path) -> Path:
    """The module in `work`, compiled if a source is newer. A source that does not compile is a failure, no reason to
    skip a test."""
    module = work / "vtest.ko"
    sources = sorted(p for p in SOURCE.iterdir() if p.is_file())
    newest = max(p.stat().st_mtime for p in sources)
    if module.exists() and module.stat().st_mtime > newest:
        return module
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for path in sources:
        shutil.copy2(path, work / path.name)
    done = subprocess.run(
        ["make", "-C", str(headers), f"M={work}", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"],
        capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"},
    )
    print(done.stdout + done.stderr)
    if done.returncode != 0 or not module.exists():
        raise AssertionError(f"vtest.ko does not compile for {work.name}:\n{done.stderr[-1500:]}")
    return module
