"""What an emulator is told to run, and what every emulator offers."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .paths import LabError

OVMF = ("/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF.fd", "/usr/share/qemu/OVMF.fd")
GUEST_MAC = "52:54:00:12:34:56"


@dataclass
class Machine:
    """One virtual computer. Files named here lie in `work` and are given by name only."""

    work: Path  # a folder of this run; the emulator's working directory
    image: str  # the boot disk
    console: str  # FIFO that receives COM1
    alerts: str  # FIFO that receives COM2
    cpu: str  # model, empty: the platform's default
    smp: int
    mem: int  # MiB
    tap: str  # TAP interface, empty: no network card
    ips: int  # Bochs only: instructions per second of guest time
    realtime: bool = False  # Bochs only: guest time never runs ahead of the host's


class Emulator:
    """One platform. `command` makes the process; the rest describes it."""

    name = ""
    needs_acpi_tables = False  # Linux finds no ACPI there, so a second CPU needs the lab's tables
    counts_instructions = False

    def describe(self) -> str:
        """Which program, for the log."""
        raise NotImplementedError

    def kernel_args(self, machine: Machine) -> str:
        """Words the guest's kernel needs on this machine."""
        raise NotImplementedError

    def command(self, machine: Machine) -> tuple[list[str], dict[str, str]]:
        """Write the emulator's configuration; its command line and additions to the environment."""
        raise NotImplementedError

    def trouble(self, machine: Machine) -> list[str]:
        """New lines of the emulator's log that tell of a failed VM entry or a dead machine."""
        return []

    def start(self, machine: Machine, env: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start the machine."""
        args, more = self.command(machine)
        with open(machine.work / "emulator.out", "wb") as out:
            try:
                return subprocess.Popen(
                    args,
                    cwd=machine.work,
                    env={**env, **more},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise LabError(f"cannot start {args[0]}: {error.strerror}") from error


def firmware() -> str:
    """OVMF's combined image."""
    for path in OVMF:
        if Path(path).is_file():
            return path
    raise LabError("ovmf is missing: run tools/deps lab")
