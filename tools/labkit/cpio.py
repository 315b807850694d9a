"""A reproducible `newc` cpio archive.

The format: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

TRAILER = "TRAILER!!!"
# The format has 32-bit fields; the kernel takes any modification time, so a fixed one is as good.
MTIME = 0


class Cpio:
    """Entries collected by path (a later one replaces an earlier one), written in path order."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, bytes, tuple[int, int]]] = {}

    @staticmethod
    def _clean(path: str) -> str:
        parts = [p for p in path.split("/") if p not in ("", ".")]
        if not parts or ".." in parts:
            raise ValueError(f"not a path inside the archive: {path!r}")
        return "/".join(parts)

    def _put(self, path: str, mode: int, data: bytes, dev: tuple[int, int] = (0, 0)) -> None:
        name = self._clean(path)
        parent = os.path.dirname(name)
        if parent:
            held = self._entries.get(parent)
            if held is None:
                self._put(parent, stat.S_IFDIR | 0o755, b"")
            elif stat.S_ISLNK(held[0]) and not stat.S_ISLNK(mode):
                # As `cp -r` onto the root would: through the link, if it stays inside.
                target = held[1].decode()
                inside = (
                    target
                    if target.startswith("/")
                    else os.path.join(os.path.dirname(parent), target)
                )
                self._put(
                    os.path.join(os.path.normpath(inside), os.path.basename(name)), mode, data, dev
                )
                return
            elif not stat.S_ISDIR(held[0]) and not stat.S_ISLNK(held[0]):
                self._entries[parent] = (stat.S_IFDIR | 0o755, b"", (0, 0))
        if stat.S_ISDIR(mode) and name in self._entries and stat.S_ISLNK(self._entries[name][0]):
            return  # a folder copied over a link to a folder: what is in it goes through the link
        self._entries[name] = (mode, data, dev)

    def folder(self, path: str, mode: int = 0o755) -> None:
        self._put(path, stat.S_IFDIR | mode, b"")

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self._put(path, stat.S_IFREG | mode, data)

    def link(self, path: str, target: str) -> None:
        self._put(path, stat.S_IFLNK | 0o777, target.encode())

    def node(self, path: str, mode: int, major: int, minor: int) -> None:
        """A character device."""
        self._put(path, stat.S_IFCHR | mode, b"", (major, minor))

    def tree(self, source: Path) -> None:
        """Everything under `source`, copied over what is there, but devices and sockets."""
        for folder, folders, files in os.walk(source):
            folders.sort()
            for name in sorted(folders + files):
                full = Path(folder) / name
                inside = str(full.relative_to(source))
                info = full.lstat()
                mode = stat.S_IMODE(info.st_mode)
                if stat.S_ISLNK(info.st_mode):
                    self.link(inside, os.readlink(full))
                elif stat.S_ISDIR(info.st_mode):
                    self.folder(inside, mode)
                elif stat.S_ISREG(info.st_mode):
                    self.file(inside, full.read_bytes(), mode)

    def names(self) -> list[str]:
        return sorted(self._entries)

    def pack(self) -> bytes:
        """The archive's bytes."""
        out = bytearray()
        for number, name in enumerate(sorted(self._entries), start=1):
            mode, data, dev = self._entries[name]
            out += self._record(number, mode, name, data, dev)
        out += self._record(0, 0, TRAILER, b"", (0, 0))
        return bytes(out)

    @staticmethod
    def _record(inode: int, mode: int, name: str, data: bytes, dev: tuple[int, int]) -> bytes:
        raw = name.encode("utf-8", "surrogateescape") + b"\0"
        fields = (inode, mode, 0, 0, 1, MTIME, len(data), 0, 0, *dev, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + raw
        head += bytes(-len(head) % 4)
        return head + data + bytes(-len(data) % 4)
