"""The Bochs platform: choosing a Bochs and configuring it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .fetch import fetch
from .machine import GUEST_MAC, Emulator, Machine, firmware
from .paths import TOP, LabError, Unavailable, say

VGA_ROMS = ("/usr/share/vgabios/vgabios.bin", "/usr/share/bochs/VGABIOS-lgpl-latest")
DEFAULT_CPU = "corei7_haswell_4770"
# Models whose CPUID leaf 15H announces a TSC of some GHz; Bochs' counts one tick per instruction.
ANNOUNCES_TSC = {
    "corei7_skylake_x",
    "corei3_cnl",
    "corei7_icelake_u",
    "tigerlake",
    "sapphire_rapids",
    "arrow_lake",
}
# On the others Linux measures the TSC, which then counts retired instructions.
TROUBLE = re.compile(r"VMENTER FAIL|VMFAIL: VMCS|>>PANIC<<")

# Unknown MSRs fault, as on a real machine; but firmware and kernel read some that every Intel CPU
# has, before they could take a fault, and Bochs' models lack. Address, type, then high and low
# halves of the value at reset, the reserved and the ignored bits.
MSRS = """\
0x017 0 00000000 00000000 ffffffff ffffffff 00000000 00000000 # IA32_PLATFORM_ID
0x08b 0 00000000 00000000 00000000 00000000 00000000 00000000 # IA32_BIOS_SIGN_ID
0x0e7 0 00000000 00000000 00000000 00000000 00000000 00000000 # IA32_MPERF, read at every tick
0x0e8 0 00000000 00000000 00000000 00000000 00000000 00000000 # IA32_APERF
0x179 0 00000000 00000000 ffffffff ffffffff 00000000 00000000 # IA32_MCG_CAP: no banks
0x17a 0 00000000 00000000 00000000 00000000 00000000 00000000 # IA32_MCG_STATUS
0x1a0 0 00000000 00041801 00000000 00000000 00000000 00000000 # IA32_MISC_ENABLE: MONITOR
"""

CONFIG = """\
cpu: model={cpu}, count={smp}, ips={ips}, reset_on_triple_fault=0
cpu: ignore_bad_msrs=0, msrs="msrs.def"
memory: guest={mem}, host={mem}
romimage: file=ovmf.fd, options=none
vgaromimage: file=vga.bin
pci: enabled=1, chipset=i440fx
display_library: {display}
clock: sync={sync}, time0=utc
com1: enabled=1, mode=file, dev={console}
com2: enabled=1, mode=file, dev={alerts}
log: bochs.log
debug: action=ignore
info: action=ignore
error: action=report
panic: action=report
port_e9_hack: enabled=1
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path={image}, mode=volatile
boot: disk
"""


@dataclass
class Build:
    """One Bochs program."""

    title: str
    args: list[str]
    debugger: bool  # started stopped, told to go on by a command file
    display: str
    plugins: bool  # devices are plugins, loaded by plugin_ctrl
    env: dict[str, str] = field(default_factory=dict)


def built() -> Build:
    folder = fetch("bochs")
    return Build(
        "Bochs 3.0, built without debugger", [str(folder / "bochs")], False, "nogui", False
    )


def unpacked() -> Build:
    root = fetch("bochs-trixie")
    lib = root / "usr/lib/x86_64-linux-gnu"
    # Run by trixie's own dynamic loader with trixie's libraries.
    paths = ":".join(str(p) for p in (lib, lib / "pulseaudio", lib / "blas", lib / "lapack"))
    args = [
        str(root / "usr/lib64/ld-linux-x86-64.so.2"),
        "--library-path",
        paths,
        str(root / "usr/bin/bochs-bin"),
    ]
    env = {
        "LTDL_LIBRARY_PATH": str(lib / "bochs/plugins"),
        "BXSHARE": str(root / "usr/share/bochs"),
    }
    return Build("trixie's Bochs 3.0, unpacked", args, True, 'rfb, options="timeout=0"', True, env)


def installed() -> Build:
    if shutil.which("bochs") is None:
        subprocess.run([TOP / "tools/deps", "bochs27"], check=False)
    program = shutil.which("bochs")
    if program is None:
        raise LabError("package bochs is not installed and could not be")
    return Build("Debian's own bochs package", [program], True, 'rfb, options="timeout=0"', True)


CHOICES = {"built": built, "trixie": unpacked, "system": installed}


def choose() -> Build:
    """The best Bochs that can be had; says which one and why not a better one.

    VIGIL_BOCHS=built|trixie|system asks for a certain one.
    """
    asked = os.environ.get("VIGIL_BOCHS")
    if asked and asked not in CHOICES:
        raise LabError(f"VIGIL_BOCHS={asked}: there is {', '.join(CHOICES)}")
    reasons = []
    for name in [asked] if asked else CHOICES:
        try:
            build = CHOICES[name]()
        except LabError as error:
            reasons.append(f"{name}: {error}")
            say(f"lab: no Bochs '{name}': {str(error).splitlines()[0]}")
            continue
        return build
    raise Unavailable("no usable Bochs\n" + "\n".join(reasons))


class Bochs(Emulator):
    """Bochs: emulates VT-x with EPT on any machine."""

    name = "bochs"
    needs_acpi_tables = True
    counts_instructions = True

    def __init__(self, build: Build) -> None:
        self.build = build
        self._read = 0  # bytes of the log looked at

    def describe(self) -> str:
        return self.build.title

    def model(self, machine: Machine) -> str:
        if machine.smp > 1 and self.build.plugins:
            say("lab: this Bochs loses the instruction pointer now and then when one of several CPUs"
                " leaves VMX non-root mode behind an exception (see bochs_build.mend_smp): the guest may crash")
        return machine.cpu or DEFAULT_CPU

    def models(self) -> list[str]:
        """CPU models this Bochs knows."""
        done = subprocess.run(
            [*self.build.args, "-help", "cpu"],
            env={**os.environ, **self.build.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return re.findall(r"^([a-z][a-z0-9_]*)$", done.stdout + done.stderr, re.M)

    def kernel_args(self, machine: Machine) -> str:
        if self.model(machine) in ANNOUNCES_TSC:
            # Without ACPI Linux does not know the port of the board's PM timer.
            return "clocksource=acpi_pm pmtmr=0xb008 tsc=unstable lapic=notscdeadline"
        return ""

    def command(self, machine: Machine) -> tuple[list[str], dict[str, str]]:
        model = self.model(machine)
        known = self.models()
        if known and model not in known:
            raise LabError(
                f"{self.build.title} has no CPU model '{model}'; it has {' '.join(known)}"
            )
        work = machine.work
        rom = next((r for r in VGA_ROMS if Path(r).is_file()), None)
        if rom is None:
            raise LabError("vgabios is missing: run tools/deps lab")
        # Copies under plain names: a bochsrc cannot quote a path.
        shutil.copyfile(firmware(), work / "ovmf.fd")
        shutil.copyfile(rom, work / "vga.bin")
        text = CONFIG.format(
            cpu=model,
            smp=machine.smp,
            ips=machine.ips,
            mem=machine.mem,
            display=self.build.display,
            console=machine.console,
            alerts=machine.alerts,
            image=machine.image,
            sync="slowdown" if machine.realtime else "none",
        )
        if self.build.plugins:
            nic = ", e1000=1" if machine.tap else ""
            text = f"plugin_ctrl: unmapped=1, biosdev=1, speaker=0, serial=1{nic}\n" + text
        if machine.tap:
            text += (
                f"e1000: card=0, enabled=1, mac={GUEST_MAC}, ethmod=tuntap, "
                f"ethdev=/dev/net/tun:{machine.tap}, script=none\n"
            )
        (work / "bochsrc").write_text(text, encoding="utf-8")
        (work / "msrs.def").write_text(MSRS, encoding="ascii")
        args = [*self.build.args, "-q", "-f", "bochsrc"]
        if self.build.debugger:
            (work / "go").write_text("c\n", encoding="ascii")
            args += ["-rc", "go"]
        return args, self.build.env

    def trouble(self, machine: Machine) -> list[str]:
        try:
            with open(machine.work / "bochs.log", "rb") as log:
                log.seek(self._read)
                new = log.read(1 << 20)
        except OSError:
            return []
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        return [
            line for line in whole.decode("utf-8", "replace").splitlines() if TROUBLE.search(line)
        ]
