"""The guest's initramfs: busybox, the modules it needs, the overlay, the script."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from .cpio import Cpio
from .kernel import GUEST_MODULES, Kernel
from .paths import LabError, build_dir

BUSYBOX = "/bin/busybox"
GUEST = Path(__file__).parent / "guest"
FOLDERS = ("bin", "sbin", "usr/bin", "usr/sbin", "etc", "lib", "root", "var", "mnt")


def busybox(archive: Cpio) -> None:
    """Busybox and a link for each of its applets."""
    try:
        done = subprocess.run([BUSYBOX, "--list-full"], capture_output=True, text=True, check=True)
        data = Path(BUSYBOX).read_bytes()
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError("busybox-static is missing: run tools/deps lab") from error
    archive.file("bin/busybox", data, 0o755)
    for applet in done.stdout.split():
        if applet not in ("bin/busybox", "linuxrc"):
            archive.link(applet, "/bin/busybox")


def build(kernel: Kernel, overlay: Path | None, script: Path | None, net: str) -> bytes:
    """The archive. The overlay comes over everything but the lab's own folder /lab."""
    archive = Cpio()
    for folder in FOLDERS:
        archive.folder(folder)
    for point in ("proc", "sys", "dev", "run", "tmp"):
        archive.folder(point, 0o1777 if point == "tmp" else 0o755)
    archive.node("dev/console", 0o600, 5, 1)
    archive.node("dev/null", 0o666, 1, 3)
    busybox(archive)
    archive.file(
        "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
    )
    archive.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    archive.file(
        "etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n10.77.0.1 host\n10.77.0.2 guest\n"
    )
    if overlay is not None:
        if not overlay.is_dir():
            raise LabError(f"no such overlay folder: {overlay}")
        archive.tree(overlay)
    modules = kernel.closure(GUEST_MODULES)
    for name, data in modules:
        archive.file(f"lab/modules/{name}.ko", data)
    names = " ".join(name for name, _ in modules)
    archive.file("lab/config", f"MODULES={shlex.quote(names)}\nNET={net}\n".encode())
    archive.file("lab/init", (GUEST / "init").read_bytes(), 0o755)
    tsc = build_dir() / "lab" / "tsc"
    if tsc.exists():
        archive.file("lab/tsc", tsc.read_bytes(), 0o755)
    if script is not None:
        try:
            archive.file("lab/script", script.read_bytes(), 0o755)
        except OSError as error:
            raise LabError(f"cannot read the guest script {script}: {error.strerror}") from error
    return archive.pack()
