"""One boot of a kernel without Vigil, and its RAM when it stands still."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tools"))
from labkit import initramfs, kernel  # noqa: E402  (the path must be set first)
from labkit.cpio import Cpio  # noqa: E402

QEMU = "qemu-system-x86_64"
# Without CMPXCHG16B, whose emulation in QEMU 7.2 breaks the allocator of Linux 6.12.
CPU = "max,la57=off,cx16=off"
RAM_MIB = 256
DISK_MIB = 64
BOOT_SECONDS = 240.0  # a bound against hanging, no figure of merit
INIT = """#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2> /dev/null
exec < /dev/null > /dev/console 2>&1
for module in $(cat /modules/order); do
	insmod /modules/$module.ko
done
mkdir -p /out /a/deep/folder
cp /bin/busybox /a/deep/folder/sleep
mkdir -p /mnt/fs
mount -t tmpfs tmpfs /mnt/fs
cp /bin/busybox /mnt/fs/sleep
/a/deep/folder/sleep 1000 &
/mnt/fs/sleep 1000 < /mnt/fs/sleep &
su -s /bin/sh nobody -c "exec sleep 1000" &
unshare -pf sleep 1000 &
sleep 1
cat /proc/kallsyms > /out/kallsyms
cat /proc/modules > /out/modules
cat /sys/kernel/btf/vmlinux > /out/btf
uname -r > /out/release
for dir in /proc/[0-9]*; do
	echo "${dir#/proc/} $(readlink $dir/exe) $(awk '/^(PPid|Uid)/ { printf "%s ", $2 }' $dir/status) $(awk '/^Name/ { print substr($2, 1, 15) }' $dir/status)"
done | grep -v awk > /out/tasks
cd /out
tar cf /dev/vda . 2> /dev/null
sync
echo GUESTDUMP-READY
sleep 1000
"""


@dataclass
class Dump:
    """A guest that has stopped: where its RAM is, what it said of itself."""

    ram: Path
    out: Path  # kallsyms, btf, modules, tasks
    cr3: int


def archive(which: kernel.Kernel) -> bytes:
    """The initramfs."""
    image = Cpio()
    for folder in (*initramfs.FOLDERS, "proc", "sys", "dev", "tmp", "modules"):
        image.folder(folder)
    image.node("dev/console", 0o600, 5, 1)
    image.node("dev/null", 0o666, 1, 3)
    initramfs.busybox(image)
    image.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    image.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    modules = which.closure(("virtio_pci", "virtio_blk"))
    for name, data in modules:
        image.file(f"modules/{name}.ko", data)
    image.file("modules/order", " ".join(name for name, _ in modules).encode())
    image.file("init", INIT.encode(), 0o755)
    return image.pack()


class Monitor:
    """QEMU's QMP."""

    def __init__(self, link: socket.socket, path: Path) -> None:
        self.socket = link
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: object) -> object:
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self.lines.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")


def boot(which: kernel.Kernel, work: Path) -> Dump:
    """Boot it in an emulator, let it tell of itself, stop it. RuntimeError: it did not come up."""
    (work / "initrd").write_bytes(archive(which))
    ram, disk, console, out = work / "ram", work / "disk", work / "console", work / "out"
    with open(disk, "wb") as handle:
        handle.truncate(DISK_MIB << 20)
    command = [
        QEMU, "-accel", "tcg", "-machine", "pc,memory-backend=ram", "-cpu", CPU, "-m", str(RAM_MIB),
        "-object", f"memory-backend-file,id=ram,size={RAM_MIB}M,mem-path={ram},share=on", "-nodefaults",
        "-display", "none", "-no-reboot", "-kernel", str(which.image), "-initrd", str(work / "initrd"),
        "-append", "console=ttyS0 panic=-1 quiet", "-serial", f"file:{console}",
        "-qmp", f"unix:{work / 'qmp'},server=on,wait=off",
        "-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={disk}", "-device", "virtio-blk-pci,drive=disk",
    ]
    said = work / "said"
    with open(said, "wb") as handle:
        emulator = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=handle, stderr=handle)
    try:
        deadline = time.monotonic() + BOOT_SECONDS
        while not console.exists() or b"GUESTDUMP-READY" not in console.read_bytes():
            if emulator.poll() is not None or time.monotonic() > deadline:
                tail = console.read_text(errors="replace")[-1500:] if console.exists() else ""
                raise RuntimeError(f"{which.release} did not come up: {said.read_text()}\n{tail}")
            time.sleep(0.2)
        time.sleep(0.5)
        with socket.socket(socket.AF_UNIX) as link:
            monitor = Monitor(link, work / "qmp")
            monitor.ask("stop")
            registers = str(monitor.ask("human-monitor-command", **{"command-line": "info registers"}))
        cr3 = int(registers.split("CR3=")[1].split()[0], 16)
    finally:
        emulator.kill()
        emulator.wait()
    out.mkdir()
    with tarfile.open(disk) as tar:
        for name in ("kallsyms", "btf", "modules", "tasks", "release"):
            (out / name).write_bytes(tar.extractfile(f"./{name}").read())
    return Dump(ram, out, cr3)
