"""The kvm platform: QEMU with nested VT-x from the host."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .machine import GUEST_MAC, Emulator, Machine, firmware
from .paths import TOP, LabError, Unavailable

QEMU = "qemu-system-x86_64"
KVM_CPU = "host,+vmx,enforce"


def unusable() -> str | None:
    """Why this machine has no nested VT-x for us; None if it has."""
    if not Path("/dev/kvm").exists():
        return "there is no /dev/kvm"
    if not any(p.exists() for p in (Path("/sys/module/kvm_intel"), Path("/sys/module/kvm"))):
        return "the kernel has no KVM"
    if shutil.which(QEMU) is None:
        return f"{QEMU} is not installed (tools/deps kvm)"
    # With `enforce` QEMU refuses to start when KVM cannot give the guest VMX; else it only warns.
    try:
        done = subprocess.run(
            [
                QEMU,
                "-enable-kvm",
                "-cpu",
                KVM_CPU,
                "-machine",
                "q35",
                "-nodefaults",
                "-display",
                "none",
                "-monitor",
                "stdio",
                "-S",
            ],
            input="quit\n",
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{QEMU} did not answer: {error}"
    if done.returncode == 0:
        return None
    said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
    return f"KVM here has no nested VT-x: {said}"


class Kvm(Emulator):
    """QEMU/KVM with an e1000 card, the devices Vigil has drivers for."""

    name = "kvm"

    def __init__(self) -> None:
        if shutil.which(QEMU) is None and Path("/dev/kvm").exists():
            subprocess.run([TOP / "tools/deps", "kvm"], check=False)
        reason = unusable()
        if reason:
            raise Unavailable(f"platform kvm: {reason}")

    def describe(self) -> str:
        return "QEMU/KVM with nested VT-x"

    def kernel_args(self, machine: Machine) -> str:
        return ""

    def command(self, machine: Machine) -> tuple[list[str], dict[str, str]]:
        if machine.cpu and not machine.cpu.replace("_", "").replace("-", "").isalnum():
            raise LabError(f"not a QEMU CPU model: '{machine.cpu}'")
        cpu = f"{machine.cpu},+vmx,enforce" if machine.cpu else KVM_CPU
        args = [
            QEMU,
            "-enable-kvm",
            "-machine",
            "q35",
            "-cpu",
            cpu,
            "-smp",
            str(machine.smp),
            "-m",
            str(machine.mem),
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-bios",
            firmware(),
            "-drive",
            f"if=none,id=disk,format=raw,snapshot=on,file={machine.image}",
            "-device",
            "ide-hd,drive=disk,bootindex=0",
            "-chardev",
            f"file,id=com1,path={machine.console}",
            "-serial",
            "chardev:com1",
            "-chardev",
            f"file,id=com2,path={machine.alerts}",
            "-serial",
            "chardev:com2",
        ]
        if machine.tap:
            args += [
                "-netdev",
                f"tap,id=net,ifname={machine.tap},script=no,downscript=no",
                "-device",
                f"e1000,netdev=net,mac={GUEST_MAC}",
            ]
        return args, {}
