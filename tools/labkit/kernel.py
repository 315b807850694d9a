"""The guest's kernel: which image and modules to use, and the modules a device needs."""

from __future__ import annotations

import gzip
import lzma
import re
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .fetch import fetch
from .paths import LabError

# Loaded by the guest's init, in this order; what is built into the kernel is passed over.
# virtio_net is what the guest sees under Vigil, e1000 what the bare Bochs machine has, e1000e and
# virtio what a bare QEMU machine may have.
GUEST_MODULES = ("virtio_pci", "virtio_net", "e1000", "e1000e")


@dataclass
class Kernel:
    """A kernel image and the folder of its modules (`kernel/...` below it), if it has any."""

    image: Path
    release: str
    modules: Path | None
    _index: dict[str, Path] = field(default_factory=dict, repr=False)
    _builtin: set[str] = field(default_factory=set, repr=False)

    def find(self, name: str) -> Path | None:
        """The file of module `name`, None if the kernel has no such module."""
        if self.modules is not None and not self._index:
            for path in self.modules.rglob("*.ko*"):
                found = re.fullmatch(r"(.+)\.ko(\.gz|\.xz|\.zst)?", path.name)
                if found:
                    self._index[normal(found.group(1))] = path
        return self._index.get(normal(name))

    def builtin(self, name: str) -> bool:
        """Whether module `name` is part of the image."""
        if self.modules is not None and not self._builtin:
            listing = self.modules / "modules.builtin"
            if listing.exists():
                for line in listing.read_text(encoding="ascii", errors="replace").splitlines():
                    self._builtin.add(normal(Path(line).name.removesuffix(".ko")))
        return normal(name) in self._builtin

    def closure(self, names: tuple[str, ...]) -> list[tuple[str, bytes]]:
        """Names and contents of the modules `names` with all they depend on, in loading order.

        A module the kernel does not have is left out. The dependencies come from the modules
        themselves: a kernel package that was unpacked and not installed has no modules.dep.
        """
        order: list[tuple[str, bytes]] = []
        done: set[str] = set()

        def add(name: str, trail: tuple[str, ...]) -> None:
            if name in done or name in trail:
                return
            path = self.find(name)
            if path is None:
                return
            data = read_module(path)
            for need in modinfo_depends(data):
                add(normal(need), (*trail, name))
            done.add(name)
            order.append((name, data))

        for name in names:
            add(normal(name), ())
        return order


def normal(name: str) -> str:
    """A module's name as the kernel writes it (`-` and `_` are the same in file names)."""
    return name.replace("-", "_")


def read_module(path: Path) -> bytes:
    """A module's ELF file, decompressed."""
    raw = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(raw)
    if path.suffix == ".xz":
        return lzma.decompress(raw)
    if path.suffix == ".zst":
        try:
            return subprocess.run(
                ["zstd", "-dcq"], input=raw, capture_output=True, check=True
            ).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise LabError(f"cannot decompress {path} (needs zstd: tools/deps lab)") from error
    return raw


def modinfo_depends(data: bytes) -> list[str]:
    """The `depends=` entry of an ELF64 module's .modinfo section."""
    try:
        if data[:4] != b"\x7fELF":
            raise ValueError
        offset = struct.unpack_from("<Q", data, 0x28)[0]
        size, count, names = struct.unpack_from("<HHH", data, 0x3A)
        sections = [struct.unpack_from("<IIQQQQ", data, offset + i * size) for i in range(count)]
        strings = sections[names][4]
        for name, _, _, _, start, length in sections:
            if data[strings + name :].startswith(b".modinfo\0", 0, 16):
                for entry in data[start : start + length].split(b"\0"):
                    if entry.startswith(b"depends="):
                        return [n for n in entry[8:].decode("ascii").split(",") if n]
    except (struct.error, ValueError, IndexError) as error:
        raise LabError("a kernel module is not an ELF64 file") from error
    return []


def image_release(image: Path) -> str:
    """The release inside a bzImage (Linux Documentation/arch/x86/boot.rst: kernel_version)."""
    with open(image, "rb") as handle:
        head = handle.read(0x10000)
    if len(head) < 0x260 or head[0x202:0x206] != b"HdrS":
        raise LabError(f"{image} is not a Linux bzImage")
    offset = struct.unpack_from("<H", head, 0x20E)[0] + 0x200
    return head[offset : offset + 128].split(b"\0")[0].split(b" ")[0].decode("ascii", "replace")


def modules_folder(given: Path, release: str) -> Path:
    """The modules of `release` in `given`: that folder itself, or a root or a /lib/modules."""
    for path in (
        given,
        given / release,
        given / "lib/modules" / release,
        given / "usr/lib/modules" / release,
    ):
        if (path / "kernel").is_dir():
            return path
    raise LabError(f"no modules of {release} in {given} (expected a folder with kernel/ in it)")


def select(image: Path | None, modules: Path | None, need_e1000: bool) -> Kernel:
    """The kernel to boot: the one given, or Debian's current cloud kernel.

    `need_e1000`: the machine shows its own e1000 card to the guest, which the cloud kernel has no
    driver for; then the default is Debian's full kernel.
    """
    if image is not None:
        if not image.is_file():
            raise LabError(f"no such kernel: {image}")
        release = image_release(image)
        if modules is not None:
            return Kernel(image, release, modules_folder(modules, release))
        for guess in (image.parent / "modules", Path("/lib/modules") / release):
            if (guess / "kernel").is_dir():
                return Kernel(image, release, guess)
        return Kernel(image, release, None)
    if modules is not None:
        raise LabError("--modules needs --kernel")
    if not need_e1000:
        installed = installed_cloud()
        if installed is not None:
            return installed
    folder = fetch("kernel-full" if need_e1000 else "kernel-cloud")
    return Kernel(folder / "vmlinuz", image_release(folder / "vmlinuz"), folder / "modules")


def installed_cloud() -> Kernel | None:
    """The cloud kernel that the installed meta-package stands for."""
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Depends}", "linux-image-cloud-amd64"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"linux-image-([\w.+~-]+-cloud-amd64)", asked.stdout)
    if asked.returncode != 0 or not found:
        return None
    release = found.group(1)
    image, folder = Path("/boot") / f"vmlinuz-{release}", Path("/lib/modules") / release
    if not image.is_file() or not (folder / "kernel").is_dir():
        return None
    return Kernel(image, release, folder)
