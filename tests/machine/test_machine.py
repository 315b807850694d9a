#!/usr/bin/python3
"""What a guest sees of the machine under Vigil: small UEFI applications as the guest, in Bochs.

Run: tests/machine/test_machine.py [-v] [TestName...]. Each application (tests/machine/*.c) prints a
line for each check (`ok NAME`, or `FAIL NAME details`) on COM1; what Vigil tells meanwhile comes on COM2.
VIGIL_MACHINE_KEEP=DIR keeps both. 8 to 10 seconds a boot.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Callable, ClassVar

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tools"))
# pylint: disable=wrong-import-position
from labkit import bochs, image  # noqa: E402
from labkit.machine import Machine  # noqa: E402
from labkit.paths import LabError, build_dir  # noqa: E402

SPLIT = "class"  # jobs of tests/run
COST = 15.0
HASWELL = "corei7_haswell_4770"
SKYLAKE = "corei7_skylake_x"
TIGERLAKE = "tigerlake"
TIMEOUT = 120  # seconds; the slowest Bochs needs 60
RESET = "write: CPU reset register = 0x06"  # the emulator's words
AFTER = 20  # seconds for what Vigil tells after the end
LAST_WORDS = 3  # seconds for a panic's
NIC = "e1000: card=0, enabled=1, mac=52:54:00:12:34:56, ethmod=null, ethdev=none\n"

emulator: bochs.Bochs | None = None
unusable = ""


def setUpModule() -> None:  # pylint: disable=invalid-name
    """Build what is booted, and find a Bochs; without one every case is skipped with the reason."""
    global emulator, unusable  # pylint: disable=global-statement
    subprocess.run(
        ["make", "-s", "-j2", f"O={build_dir()}", "machine-test-files"], cwd=TOP, check=True, stdout=sys.stderr
    )
    try:
        emulator = bochs.Bochs(bochs.choose())
    except LabError as error:
        unusable = str(error)


class Said:
    """What one boot said on its two ports."""

    def __init__(self, console: str, alerts: str, log: str) -> None:
        self.console, self.alerts, self.log = console, alerts, log
        self.results = re.findall(r"(?m)^(ok|FAIL) (\S+) ?(.*?)\r?$", console)
        done = re.search(r"(?m)^DONE (\d+)\r?\n", console)
        self.count = int(done.group(1)) if done else -1
        self.events: list[dict[str, Any]] = []
        for line in alerts.split("\nvigil: panic")[0].split("\n")[:-1]:  # a panic cuts the line before it
            if line.startswith("{"):
                self.events.append(json.loads(line))

    @property
    def done(self) -> bool:
        return self.count >= 0

    @property
    def dead(self) -> bool:
        """Nothing more is to be expected."""
        return "vigil: panic" in self.alerts

    def hypervisor(self, action: str) -> list[dict[str, Any]]:
        """The `hypervisor` events of an action."""
        found = (e["hypervisor"] for e in self.events if e["event_type"] == "hypervisor")
        return [h for h in found if h["action"] == action]

    def faults(self, what: str) -> list[dict[str, Any]]:
        return [f for f in self.hypervisor("fault") if f["what"] == what]

    def roots(self) -> int:
        """Address spaces told: each is seen, or gone so soon that it was not told before."""
        told = [e["process"] for e in self.events if e["event_type"] == "process"]
        return sum(p["action"] == "seen" or p.get("short", False) for p in told)

    def counter(self, group: str, name: str) -> int:
        """A counter's last value; counters that are not told yet are 0."""
        stats = self.hypervisor("stats")
        return int(stats[-1].get(group, {}).get(name, 0)) if stats else 0


def boot(app: str, cpu: str = HASWELL, *, smp: int = 1, nic: bool = False, config: str = "",
         info: str = "", core: str = "core.elf", until: Callable[[Said], bool] | None = None) -> Said:
    """Run an application under Vigil until it is done and `until` holds (or the time is over)."""
    assert emulator is not None
    build = build_dir()
    files: dict[str, Path | bytes] = {
        "EFI/BOOT/BOOTX64.EFI": build / "vigil.efi",
        "vigil/core.elf": build / core,
        "vigil/sentry.elf": build / "sentry.elf",
        "test.efi": build / f"tests/machine-{app}.efi",
        "vigil/vigil.cfg": ("next = \\test.efi\nrequire = yes\nstats_interval = 1\n"
                            + ("" if nic else "nic = none\n") + config).encode(),
    }
    with tempfile.TemporaryDirectory(prefix="vigil-machine-") as folder:
        work = Path(folder)
        image.populate(work / "root", files, None)
        image.make(work / "root", work / "disk.img")
        machine = Machine(work, "disk.img", "com1", "com2", cpu, smp, 256, "", 50_000_000)
        args, env = emulator.command(machine)
        rc = work / "bochsrc"
        text = rc.read_text(encoding="utf-8")
        if nic:
            text = text.replace("serial=1\n", "serial=1, e1000=1\n") + NIC
        if info:  # the emulator's device that is to log what it does
            text = text.replace("info: action=ignore", f"info: action=ignore, {info}=report")
        rc.write_text(text, encoding="utf-8")
        said = watch(args, env, work, until)
        keep = os.environ.get("VIGIL_MACHINE_KEEP")
        if keep:
            for name in ("com1", "com2", "bochs.log", "out"):
                Path(keep).mkdir(parents=True, exist_ok=True)
                if (work / name).exists():
                    shutil.copyfile(work / name, Path(keep) / f"{app}-{cpu}-{smp}.{name}")
    return said


def watch(args: list[str], env: dict[str, str], work: Path, until: Callable[[Said], bool] | None) -> Said:
    """Run the emulator and look at what comes."""

    def read(name: str) -> str:
        try:
            return (work / name).read_bytes().decode("ascii", "replace")
        except FileNotFoundError:
            return ""

    said = Said("", "", "")
    over = False
    with open(work / "out", "wb") as out, subprocess.Popen(
        args, cwd=work, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
    ) as process:
        limit = time.monotonic() + TIMEOUT
        try:
            while time.monotonic() < limit:
                ended = process.poll() is not None
                said = Said(read("com1"), read("com2"), read("bochs.log"))
                if ended or (until(said) if until else said.done):
                    break
                if (said.done or said.dead) and not over:
                    over = True
                    limit = min(limit, time.monotonic() + (LAST_WORDS if said.dead else AFTER))
                time.sleep(0.1)
        finally:
            process.kill()
    return Said(said.console, said.alerts, read("bochs.log"))


class Case(unittest.TestCase):
    """One boot, told line by line."""

    APP: ClassVar[str]

    def setUp(self) -> None:
        if emulator is None:
            self.skipTest(unusable)

    def run_app(self, app: str, cpu: str = HASWELL, **args: Any) -> Said:
        """Boot, and make a subtest of each line."""
        until = args.pop("until", lambda s: True)
        said = boot(app, cpu, until=lambda s: s.done and until(s), **args)
        for word, name, details in said.results:
            with self.subTest(check=name, cpu=cpu):
                self.assertEqual(word, "ok", details)
        tail = f"{said.console[-600:]}\n--- COM2\n{said.alerts[-1500:]}\n--- Bochs\n{said.log[-3000:]}"
        self.assertNotIn("vigil: panic", said.alerts, tail)
        self.assertTrue(said.done, f"the application did not end:\n{tail}")
        self.assertEqual(len(said.results), said.count, "lines are missing")
        return said


class Processor(Case):
    """CPUID, XSETBV, instructions shown and hidden."""

    def test_haswell(self) -> None:
        self.run_app("cpu")

    def test_skylake(self) -> None:
        self.run_app("cpu", SKYLAKE)

    def test_tigerlake(self) -> None:
        self.run_app("cpu", TIGERLAKE)


class Registers(Case):
    """Model-specific registers."""

    def check_msrs(self, cpu: str) -> None:
        said = self.run_app("msr", cpu, until=lambda s: len(s.faults("guest")) >= 2)
        told = [f["reason"] for f in said.faults("guest")]
        self.assertEqual(told, ["apic_base"] * 2, "one event for each try to put the APIC over Vigil's memory")

    def test_msr_haswell(self) -> None:
        self.check_msrs(HASWELL)

    def test_msr_skylake(self) -> None:
        self.check_msrs(SKYLAKE)

    def check_control(self, cpu: str) -> None:
        said = self.run_app("control", cpu,
                            until=lambda s: s.counter("tracking", "switches") > 400 and s.roots() > 30)
        self.assertGreater(said.counter("tracking", "switches"), 400, "address-space switches are counted")
        # Roots that lie as Linux' two halves do, and are alike, count as one.
        self.assertGreater(said.roots(), 30, "address spaces are told")

    def test_control_haswell(self) -> None:
        self.check_control(HASWELL)

    def test_control_skylake(self) -> None:
        self.check_control(SKYLAKE)

    def test_control_without_tracking(self) -> None:
        said = self.run_app("control", HASWELL, config="tracking = off\n", until=lambda s: bool(s.hypervisor("stats")))
        self.assertEqual(said.counter("tracking", "switches"), 0)
        self.assertLess(said.counter("exits", "cr_access"), 100)


class Memory(Case):
    """Vigil's memory is out of reach."""

    def check_memory(self, cpu: str) -> None:
        said = self.run_app("memory", cpu, until=lambda s: s.counter("memory", "mapped_on_demand") > 500)
        self.assertGreater(said.counter("memory", "mapped_on_demand"), 500, "many places without memory were read")
        self.assertGreater(said.counter("memory", "hidden_reads"), 3000)
        self.assertGreater(said.counter("memory", "hidden_writes"), 200)
        told = said.faults("memory")
        self.assertTrue(told, "a hidden access is told")
        self.assertEqual({f["reason"] for f in told}, {"hidden_access"})

    def test_memory_haswell(self) -> None:
        self.check_memory(HASWELL)

    def test_memory_skylake(self) -> None:
        self.check_memory(SKYLAKE)


class Events(Case):
    """Exceptions, interrupts and NMIs around exits."""

    def check_events(self, cpu: str) -> None:
        said = self.run_app("events", cpu, until=lambda s: s.counter("guest", "nmis") > 2000)
        # 7 storms of 300 and some; those of the sentry's stays and of root mode are among them.
        self.assertGreaterEqual(said.counter("guest", "nmis"), 2100)

    def test_events_haswell(self) -> None:
        self.check_events(HASWELL)

    def test_events_skylake(self) -> None:
        self.check_events(SKYLAKE)

    def test_modes_haswell(self) -> None:
        self.run_app("modes", HASWELL)

    def test_modes_skylake(self) -> None:
        self.run_app("modes", SKYLAKE)


class Cpus(Case):
    """Two CPUs."""

    def test_smp_haswell(self) -> None:
        self.run_app("smp", HASWELL, smp=2)

    def test_smp_skylake(self) -> None:
        self.run_app("smp", SKYLAKE, smp=2)


class Network(Case):
    """The virtual card and its drivers' offences."""

    # Of net.c's offences, in their order.
    REASONS = (["chain_loop"] * 2 + ["ring_index"] * 2 + ["chain_flags"] * 3 + ["length"] * 5
               + ["ring_address"] * 6 + ["ring_index"] * 3 + ["ring_address"] * 8)

    def check_net(self, cpu: str, **args: Any) -> None:
        count = len(self.REASONS)
        said = self.run_app("net", cpu, nic=True, until=lambda s: len(s.faults("net")) >= count
                            and s.counter("net", "faults") > count, **args)
        found = re.search(r"(?m)^faults (\d+)", said.console)
        assert found is not None
        self.assertEqual(int(found.group(1)), count)
        self.assertEqual([f["reason"] for f in said.faults("net")][:count], self.REASONS)
        self.assertEqual([f["reason"] for f in said.faults("guest")], ["apic_base"] * 2)
        self.assertGreater(said.counter("net", "guest_tx"), 90)
        self.assertEqual(said.counter("frames", "dropped"), 0)

    def test_net_haswell(self) -> None:
        self.check_net(HASWELL)

    def test_net_two_cpus(self) -> None:
        self.check_net(SKYLAKE, smp=2)


class Hooks(Case):
    """Hooked functions, whatever the guest has put at the site."""

    def check_hooks(self, cpu: str) -> None:
        said = self.run_app("hooks", cpu, core="core-test.elf", config="name = hooks\n",
                            until=lambda s: s.counter("hooks", "hits") >= 7)
        self.assertEqual(said.counter("hooks", "hits"), 7)

    def test_hooks_haswell(self) -> None:
        self.check_hooks(HASWELL)

    def test_hooks_skylake(self) -> None:
        self.check_hooks(SKYLAKE)


class End(Case):
    """The guest's end."""

    def test_triple_fault(self) -> None:
        said = boot("triple", info="pci2isa", until=lambda s: len(s.faults("guest")) >= 1 and RESET in s.log)
        self.assertIn("falling", said.console)
        self.assertIn("triple fault of the guest: the machine is reset", said.alerts)
        self.assertTrue(said.faults("guest"), said.alerts)
        self.assertEqual(said.faults("guest")[0]["reason"], "triple_fault")
        self.assertIn(RESET, said.log, "the machine was not reset")
        self.assertNotIn("vigil: panic", said.alerts)


class Broken(Case):
    """Vigil's own end, by a core that breaks something (tests/machine/core_hook.c)."""

    FIELDS = r"vigil:   0=[12] "  # the VPID is the first

    def panic(self, what: str, *texts: str, **args: Any) -> Said:
        said = boot("broken", core="core-test.elf", config=f"name = {what}\n",
                    until=lambda s: s.dead and all(re.search(t, s.alerts) for t in texts), **args)
        self.assertIn("breaking", said.console)
        for text in ("vigil: panic: ", *texts):
            self.assertRegex(said.alerts, text)
        return said

    def test_guest_state(self) -> None:
        """The sentry names the rule."""
        said = self.panic("guest-state", r"panic: VM-entry failure: invalid guest state: guest RFLAGS 0x0: "
                          r"reserved bits\n", r"CPU 0, guest, exit reason 80000021")
        self.assertNotRegex(said.alerts, self.FIELDS)

    def test_control(self) -> None:
        self.panic("control", r"panic: VM-entry failure: VM entry with invalid control fields: pin-based controls "
                   r"0x0: bit \d+ \([a-z-]+\) must be 1\n", r"CPU 0, guest, exit reason")

    def test_sentry_hangs(self) -> None:
        """It does not answer: the bare fields."""
        self.panic("sentry-hangs", r"panic: VM-entry failure of the guest: exit reason 80000021, VM-instruction "
                   r"error \d+\n", self.FIELDS, r"6820=0\b")

    def test_sentry_state(self) -> None:
        """What fails is the sentry's own entry."""
        self.panic("sentry-state", r"panic: VM-entry failure of the sentry: exit reason 80000021", self.FIELDS,
                   r"6802=f{16} ")


if __name__ == "__main__":
    unittest.main()
