"""A reader of BTF (Linux: Documentation/bpf/btf.rst) of its own, to compare ids/guest with."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

INT, PTR, ARRAY, STRUCT, UNION, ENUM, TYPEDEF, VOLATILE, CONST, RESTRICT = 1, 2, 3, 4, 5, 6, 8, 9, 10, 11
PROTO, VAR, DATASEC, DECL_TAG, TYPE_TAG, ENUM64 = 13, 14, 15, 17, 18, 19
ALIASES = (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG)
FIXED = {INT: 4, ARRAY: 12, VAR: 4, DECL_TAG: 4}
EACH = {STRUCT: 12, UNION: 12, ENUM: 8, PROTO: 8, DATASEC: 12, ENUM64: 12}


@dataclass
class Type:
    kind: int
    name: str
    size: int  # or the type that it stands for
    flag: bool
    more: list[tuple[int, ...]] = field(default_factory=list)


class Btf:
    """All types of a blob."""

    def __init__(self, blob: bytes) -> None:
        magic, version, _, header, types, types_len, strings, strings_len = struct.unpack_from("<HBBIIIII", blob)
        assert (magic, version) == (0xEB9F, 1)
        self.text = blob[header + strings : header + strings + strings_len]
        self.types = [Type(0, "void", 0, False)]
        self.by_name: dict[str, Type] = {}
        at, end = header + types, header + types + types_len
        while at < end:
            name, info, size = struct.unpack_from("<III", blob, at)
            kind, count = info >> 24 & 31, info & 0xFFFF
            at += 12
            one = Type(kind, self.string(name), size, bool(info >> 31))
            width = EACH.get(kind, 0)
            for i in range(count if width else 0):
                one.more.append(struct.unpack_from(f"<{width // 4}I", blob, at + i * width))
            if kind in FIXED:
                one.more.append(struct.unpack_from(f"<{FIXED[kind] // 4}I", blob, at))
            at += FIXED.get(kind, 0) + width * count
            self.types.append(one)
            if kind in (STRUCT, UNION, ENUM, ENUM64) and one.name and one.more:
                self.by_name.setdefault(one.name, one)

    def string(self, at: int) -> str:
        return self.text[at : self.text.index(b"\0", at)].decode("ascii", "replace")

    def bare(self, number: int) -> Type:
        one = self.types[number]
        while one.kind in ALIASES:
            one = self.types[one.size]
        return one

    def size(self, number: int) -> int:
        one = self.bare(number)
        if one.kind == PTR:
            return 8
        if one.kind == ARRAY:
            return self.size(one.more[0][0]) * one.more[0][2]
        return one.size

    def find(self, one: Type, name: str) -> tuple[int, int, int] | None:
        """Place in bits, bits of a bit field, and type of a member."""
        for text, number, offset in one.more:
            bits = offset >> 24 if one.flag else 0
            offset = offset & 0xFFFFFF if one.flag else offset
            if text:
                if self.string(text) == name:
                    return offset, bits, number
                continue
            inner = self.bare(number)
            if inner.kind in (STRUCT, UNION):
                found = self.find(inner, name)
                if found:
                    return offset + found[0], found[1], found[2]
        return None

    def member(self, structure: str, path: str) -> tuple[int, int, int, int] | None:
        """Offset, size, bit, bits as ids/guest tells them; None: there is none."""
        one = self.by_name.get(structure)
        place = bits = number = 0
        for name in path.split("."):
            found = self.find(one, name) if one and one.kind in (STRUCT, UNION) else None
            if not found:
                return None
            place, bits, number = place + found[0], found[1], found[2]
            one = self.bare(number)
        return place // 8, self.size(number), place if bits else 0, bits

    def enum(self, name: str, word: str) -> int | None:
        one = self.by_name.get(name)
        for entry in one.more if one else ():
            if self.string(entry[0]) == word:
                if one.kind == ENUM64:
                    return entry[2] << 32 | entry[1]
                return entry[1] - (1 << 32) if one.flag and entry[1] >> 31 else entry[1]
        return None
