"""Choosing the platform of a run."""

from __future__ import annotations

from . import bochs, qemu
from .machine import Emulator
from .paths import Unavailable

PLATFORMS = ("auto", "kvm", "bochs", "nested-kvm", "qemu-svm")


def open_platform(name: str) -> Emulator:
    """The emulator for `--platform name`; Unavailable where this machine or version has none."""
    if name == "auto":
        name = "bochs" if qemu.unusable() else "kvm"
    if name == "kvm":
        return qemu.Kvm()
    if name == "bochs":
        return bochs.Bochs(bochs.choose())
    raise Unavailable(f"platform {name}: not supported by this version")
