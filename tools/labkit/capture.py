"""Reading captures: pcap (IETF draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .paths import LabError

ETHERNET = 1  # LINKTYPE_ETHERNET
MAX_RECORD = 1 << 18
PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6),
    b"\xa1\xb2\xc3\xd4": (">", 1e-6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9),
}
SECTION, INTERFACE, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 3, 6  # pcapng block types
BYTE_ORDER = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
OPT_TSRESOL = 9


def read(path: Path) -> Iterator[tuple[float, bytes]]:
    """Time (seconds) and bytes of each Ethernet frame; a cut off last record ends the capture."""
    try:
        handle = open(path, "rb")
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from error
    with handle:
        magic = handle.read(4)
        try:
            if magic in PCAP:
                yield from pcap(handle, *PCAP[magic])
            elif magic == struct.pack("<I", SECTION):
                handle.seek(0)
                yield from pcapng(handle)
            else:
                raise LabError("not a pcap or pcapng file")
        except LabError as error:
            raise LabError(f"{path}: {error}") from error


def pcap(handle: BinaryIO, order: str, unit: float) -> Iterator[tuple[float, bytes]]:
    """The classic format, after its magic number."""
    head = handle.read(20)
    if len(head) < 20:
        raise LabError("the file header is cut off")
    check_link(struct.unpack(order + "I", head[16:])[0] & 0xFFFF)
    while len(record := handle.read(16)) == 16:
        seconds, part, length, _ = struct.unpack(order + "IIII", record)
        if length > MAX_RECORD:
            raise LabError(f"a record of {length} bytes: the file is damaged")
        data = handle.read(length)
        if len(data) < length:
            return
        yield seconds + part * unit, data


def check_link(link: int) -> None:
    if link != ETHERNET:
        raise LabError(f"link type {link}, not Ethernet ({ETHERNET})")


def pcapng(handle: BinaryIO) -> Iterator[tuple[float, bytes]]:
    """The block format."""
    order = "<"
    units: list[float] = []
    when = 0.0
    while len(head := handle.read(8)) == 8:
        if head[:4] == struct.pack("<I", SECTION):  # reads the same in both byte orders
            mark = handle.read(4)
            if mark not in BYTE_ORDER:
                raise LabError("a section without byte order")
            order, units = BYTE_ORDER[mark], []
            handle.seek(-4, 1)
        kind, length = struct.unpack(order + "II", head)
        if length < 12 or length % 4 or length > MAX_RECORD * 2:
            raise LabError(f"a block of {length} bytes: the file is damaged")
        body = handle.read(length - 12)
        if len(body) < length - 12 or len(handle.read(4)) < 4:
            return
        try:
            if kind == INTERFACE:
                check_link(struct.unpack_from(order + "H", body)[0])
                units.append(resolution(order, body[8:]))
            elif kind == ENHANCED:
                number, high, low, captured, _ = struct.unpack_from(order + "IIIII", body)
                when = (high << 32 | low) * units[number]
                yield when, exact(body, 20, captured)
            elif kind == SIMPLE:
                yield when, body[4 : 4 + struct.unpack_from(order + "I", body)[0]]
        except (struct.error, IndexError) as error:
            raise LabError("a block that does not hold what it says") from error


def exact(body: bytes, start: int, length: int) -> bytes:
    if start + length > len(body):
        raise IndexError
    return body[start : start + length]


def resolution(order: str, options: bytes) -> float:
    """Seconds per time unit of an interface (option if_tsresol, microseconds without)."""
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from(order + "HH", options, at)
        if code == OPT_TSRESOL and length == 1 and at + 4 < len(options):
            value = options[at + 4]
            return 2.0 ** -(value & 0x7F) if value & 0x80 else 10.0**-value
        at += 4 + (length + 3 & ~3)
    return 1e-6
