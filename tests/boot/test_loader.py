#!/usr/bin/python3
"""The loader, vigil.efi, on an emulated machine: what it says and does with good and bad input.

Run from anywhere: tests/boot/test_loader.py [-v] [TestName...]. Bochs with and without VT-x boots OVMF, a
small disk with vigil.efi, a core that only tells how it is called (tests/boot/core.c), and in the OS
loader's place an application that says so (tests/boot/next.c). 3 to 5 seconds a case.
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tools"))
# pylint: disable=wrong-import-position
from labkit import bochs, image  # noqa: E402
from labkit.machine import Machine  # noqa: E402
from labkit.paths import LabError, build_dir  # noqa: E402

WITH_VTX = "corei7_haswell_4770"
WITHOUT_VTX = "p4_prescott_celeron_336"
AMD = "athlon64_clawhammer"
TIMEOUT = 120  # seconds; the slowest Bochs needs 30
# For tests/run: the classes may run side by side; CPU seconds of one.
SPLIT = "class"
COST = 25.0
NEXT = "NEXT-RUNS"
# The firmware has got control back and looks for something else to boot.
REFUSED = "BdsDxe: failed to start"
NIC = "e1000: card=0, enabled=1, mac=52:54:00:12:34:56, ethmod=null, ethdev=none\n"

emulator: bochs.Bochs | None = None
unusable = ""


def setUpModule() -> None:  # pylint: disable=invalid-name
    """Build what is booted, and find a Bochs; without one every case is skipped with the reason."""
    global emulator, unusable  # pylint: disable=global-statement
    build = [f"O={build_dir()}"] + (["CC=clang"] if "clang" in build_dir().name else [])
    subprocess.run(["make", "-s", "-j2", *build, "boot-test-files"], cwd=TOP, check=True, stdout=sys.stderr)
    try:
        emulator = bochs.Bochs(bochs.choose())
    except LabError as error:
        unusable = str(error)


class Loader(unittest.TestCase):
    """One boot per case; `said` is what came on the first serial port."""

    def setUp(self) -> None:
        if emulator is None:
            self.skipTest(unusable)
        build = build_dir()
        # The disk of a good start; cases add, change (bytes or a path) and remove (None) files.
        self.files: dict[str, Path | bytes | None] = {
            "EFI/BOOT/BOOTX64.EFI": build / "vigil.efi",
            "vigil/core.elf": build / "tests/core.elf",
            "vigil/sentry.elf": build / "tests/core.elf",
            "vigil/vigil.cfg": b"next = \\next.efi\nnic = none\n",
            "next.efi": build / "tests/next.efi",
        }
        self.second: dict[str, Path | bytes | None] = {}  # files of a second disk
        self.said = ""
        self.alerts = ""  # what came on the second serial port, the alert channel

    def boot(self, cpu: str = WITH_VTX, *, smp: int = 1, nic: bool = False, config: str | None = None,
             until: str = NEXT) -> str:
        """Boot the disk until `until` (or the case's limit: a failure); returns all that was said."""
        assert emulator is not None
        if config is not None:
            self.files["vigil/vigil.cfg"] = config.encode()
        with tempfile.TemporaryDirectory(prefix="vigil-boot-") as folder:
            work = Path(folder)
            image.populate(work / "root", {k: v for k, v in self.files.items() if v is not None}, None)
            image.make(work / "root", work / "disk.img")
            machine = Machine(work=work, image="disk.img", console="com1", alerts="com2", cpu=cpu, smp=smp, mem=256,
                              tap="", ips=50_000_000, realtime=False)
            args, env = emulator.command(machine)
            rc = work / "bochsrc"
            text = rc.read_text(encoding="utf-8")
            if nic:
                text = text.replace("serial=1\n", "serial=1, e1000=1\n") + NIC
            if self.second:
                image.populate(work / "root2", {k: v for k, v in self.second.items() if v is not None}, None)
                image.make(work / "root2", work / "disk2.img")
                text += "ata0-slave: type=disk, path=disk2.img, mode=volatile\n"
            rc.write_text(text, encoding="utf-8")
            self.said = self.watch(args, env, work, until)
            self.alerts = (work / "com2").read_bytes().decode("ascii", "replace")
        self.assertIn(until, self.said)
        self.assertNotIn("core: BAD", self.said)
        return self.said

    def watch(self, args: list[str], env: dict[str, str], work: Path, until: str) -> str:
        """Run the emulator until the first serial port has shown `until` and the line's rest."""
        said = ""
        with open(work / "out", "wb") as out, subprocess.Popen(
            args, cwd=work, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT,
        ) as process:
            limit = time.monotonic() + TIMEOUT
            try:
                while time.monotonic() < limit:
                    ended = process.poll() is not None
                    try:
                        said = (work / "com1").read_bytes().decode("ascii", "replace")
                    except FileNotFoundError:
                        pass
                    at = said.find(until)
                    if ended or (at >= 0 and "\n" in said[at:]):
                        break
                    time.sleep(0.1)
            finally:
                process.kill()
        if until not in said:
            said += (work / "out").read_text(encoding="utf-8", errors="replace")[-2000:]
        return said

    def assert_order(self, *parts: str) -> None:
        """All parts were said, in this order."""
        at = 0
        for part in parts:
            found = self.said.find(part, at)
            self.assertGreaterEqual(found, 0, f"not said (in this place): {part}\n{self.said}")
            at = found + len(part)

    def assert_without_vigil(self, *parts: str) -> None:
        """The parts were said, then the OS was started without Vigil."""
        self.assert_order(*parts, "WITHOUT Vigil", NEXT)
        self.assertNotIn("core: launch", self.said)

    def assert_refused(self, *parts: str) -> None:
        """The parts were said, then the OS was not started."""
        self.assert_order(*parts, "require = yes: the OS is not started")
        self.assertNotIn(NEXT, self.said)
        self.assertNotIn("core: launch", self.said)


class Start(Loader):
    """What should work."""

    def test_two_cpus_and_a_card(self) -> None:
        self.files["vigil/rules.vrb"] = b"Z" * 5000
        self.boot(smp=2, nic=True, config="next = /next.efi\nnext_args = root=x  quiet\n")
        self.assert_order(
            "vigil: Vigil ", "82540EM: taken", "2 CPU(s)", "core: boot_info good, MHz 50", f"core: nic {0x100e}",
            f"core: nic registers {0x20000}", f"core: rules {ord('Z')}", "core: check 1", "core: launch 1",
            "core: launch 0", r"starting \next.efi under Vigil", "core: seal after 2", "NEXT-RUNS [root=x  quiet]")

    def test_measured_tsc_counts(self) -> None:
        """This model announces 3.5 GHz and counts 50 MHz."""
        self.boot("corei7_skylake_x")
        self.assert_order("TSC 50.", "core: boot_info good, MHz 50")

    def test_known_loader(self) -> None:
        """Without `next` the known paths are tried in order; only a kernel gets the command line."""
        self.files["EFI/debian/grubx64.efi"] = self.files["next.efi"]
        self.files["vmlinuz.efi"] = self.files["next.efi"]
        self.boot(config="nic = none\nnext_args = for-the-kernel\n")
        self.assert_order(r"starting \EFI\debian\grubx64.efi under Vigil", "NEXT-RUNS []")

    def test_known_kernel(self) -> None:
        self.files["vmlinuz.efi"] = self.files["next.efi"]
        self.boot(config="nic = none\nnext_args = for-the-kernel\n")
        self.assert_order(r"starting \vmlinuz.efi under Vigil", "NEXT-RUNS [for-the-kernel]")

    def test_next_comes_back(self) -> None:
        self.boot(config="next = \\next.efi\nnext_args = return\nnic = none\n", until=REFUSED)
        self.assert_order("core: seal", "NEXT-RUNS [return]", r"\next.efi came back: load error")

    def test_disabled(self) -> None:
        self.boot(config="enable = no\nnext = \\next.efi\n")
        self.assert_without_vigil("enable = no")
        self.assertNotIn("core:", self.said)


class Serial(Loader):
    """The alert port."""

    def lines(self) -> list[str]:
        """What our loader said there."""
        return [line for line in self.alerts.splitlines() if line.startswith("vigil: ")]

    def test_taken_from_the_firmware(self) -> None:
        """The messages stand there once, and the firmware writes nothing there any more."""
        self.boot()
        self.assertEqual(sum("boot_info" in line or "under Vigil" in line for line in self.lines()), 1, self.alerts)
        self.assertNotIn(NEXT, self.alerts)

    def test_given_back(self) -> None:
        self.boot(WITHOUT_VTX)
        self.assertIn("the CPU has no VT-x", self.alerts)
        self.assertIn(NEXT, self.alerts)

    def test_none(self) -> None:
        self.boot(config="serial = none\nnic = none\nnext = \\next.efi\n")
        self.assertIn(NEXT, self.alerts)  # the firmware's console, as ever

    def test_absent(self) -> None:
        self.boot(config="serial = com4\nnic = none\nnext = \\next.efi\n")
        self.assert_order("no serial port at 0x2e8", "under Vigil", NEXT)


class Machines(Loader):
    """Processors that can't, or may not."""

    def test_no_vtx(self) -> None:
        self.boot(WITHOUT_VTX)
        self.assert_without_vigil("the CPU has no VT-x (CPUID.1:ECX.VMX is 0)")

    def test_no_vtx_required(self) -> None:
        self.boot(WITHOUT_VTX, config="require = yes\nnext = \\next.efi\n", until=REFUSED)
        self.assert_refused("the CPU has no VT-x (CPUID.1:ECX.VMX is 0)")

    def test_amd(self) -> None:
        self.boot(AMD)
        self.assert_without_vigil("SVM is not supported")

    def test_locked_off(self) -> None:
        self.files["vigil.efi"] = self.files["EFI/BOOT/BOOTX64.EFI"]
        self.files["EFI/BOOT/BOOTX64.EFI"] = build_dir() / "tests/lock.efi"
        self.boot()
        self.assert_without_vigil("the firmware has locked VT-x off")

    def test_core_refuses(self) -> None:
        self.boot(config="name = fail-init-0\nnext = \\next.efi\nnic = none\n")
        self.assert_without_vigil("the core refuses: the test refuses init")

    def test_other_cpu_refuses(self) -> None:
        self.boot(smp=2, config="name = fail-check-1\nnext = \\next.efi\nnic = none\n")
        self.assert_without_vigil("Vigil can't run on CPU 1: the test refuses check")

    def test_launch_undone(self) -> None:
        """The last CPU fails: those launched before are taken back, the latest first."""
        self.boot(smp=3, nic=True, config="name = fail-launch-0\nnext = \\next.efi\n")
        self.assert_order("core: launch 1", "core: launch 2", "core: launch 0", "launch failed on CPU 0: the test",
                          "core: stop 2", "core: stop 1", "WITHOUT Vigil", NEXT)
        self.assertNotIn("core: stop 0", self.said)
        self.assertNotIn("core: seal", self.said)

    def test_launch_not_undone(self) -> None:
        """A CPU that can't be stopped may still use the block, which must not be given back."""
        self.boot(smp=2, config="name = fail-stop-1\nnext = \\next.efi\nnic = none\n")
        self.assert_order("core: launch 1", "core: launch 0", "core: stop 1", "stopping failed on CPU 1",
                          "the reserved memory stays reserved", "WITHOUT Vigil", NEXT)

    def test_launch_fails_required(self) -> None:
        self.boot(smp=2, config="require = yes\nname = fail-launch-1\nnext = \\next.efi\n", until=REFUSED)
        self.assert_order("core: launch 1", "launch failed on CPU 1", "require = yes: the OS is not started")
        self.assertNotIn("core: launch 0", self.said)
        self.assertNotIn(NEXT, self.said)


class Config(Loader):
    """vigil.cfg missing, broken, unreadable."""

    def test_missing(self) -> None:
        self.files["vigil/vigil.cfg"] = None
        self.files["EFI/debian/shimx64.efi"] = self.files["next.efi"]
        self.boot()
        self.assert_order(r"\vigil\vigil.cfg is absent: defaults", r"no rules (\vigil\rules.vrb is absent)",
                          "no network card that Vigil drives", "under Vigil", NEXT)

    def test_broken(self) -> None:
        self.boot(config="# comment\nnext = \\next.efi\nserial = com9\n")
        self.assert_without_vigil(r"\vigil\vigil.cfg, line 3: serial must be")

    def test_broken_required(self) -> None:
        self.boot(config="nic = nonsense\nnext = \\next.efi\nrequire = yes\n", until=REFUSED)
        self.assert_refused(r"\vigil\vigil.cfg, line 1: nic must be")

    def test_too_large(self) -> None:
        """It may hold `require = yes`: the OS is not started."""
        self.boot(config="next = \\next.efi\n" + "#\n" * 9000, until=REFUSED)
        self.assert_refused("longer than 16384 bytes")


class Files(Loader):
    """core.elf, sentry.elf, rules."""

    def test_core_missing(self) -> None:
        self.files["vigil/core.elf"] = None
        self.boot()
        self.assert_without_vigil(r"\vigil\core.elf: not found")

    def test_core_truncated(self) -> None:
        whole = (build_dir() / "tests/core.elf").read_bytes()
        self.files["vigil/core.elf"] = whole[: 0x1800]
        self.boot()
        self.assert_without_vigil(r"\vigil\core.elf is damaged: a segment lies outside of the file")

    def test_core_damaged_required(self) -> None:
        whole = (build_dir() / "tests/core.elf").read_bytes()
        # The type of the first relocation.
        rela = re.search(rb"(?s)\x08\0\0\0\0\0\0\0.{7}\0.{7}\0\x08\0\0\0\0\0\0\0", whole)
        assert rela is not None
        self.files["vigil/core.elf"] = whole[: rela.start()] + b"\x06" + whole[rela.start() + 1 :]
        self.boot(config="require = yes\nnext = \\next.efi\nnic = none\n", until=REFUSED)
        self.assert_refused(r"\vigil\core.elf is damaged: a relocation other than R_X86_64_RELATIVE")

    def test_sentry_missing(self) -> None:
        self.files["vigil/sentry.elf"] = None
        self.boot()
        self.assert_without_vigil(r"\vigil\sentry.elf: not found")

    def test_everything_is_told(self) -> None:
        """One boot shows all that is wrong, not only the first."""
        self.files["vigil/core.elf"] = b"not an ELF file"
        self.files["vigil/sentry.elf"] = b""
        self.boot(WITHOUT_VTX, config="rules = \\vigil\\mine.vrb\nnic = 00:1f.0\nnext = \\next.efi\n")
        self.assert_without_vigil(
            "the CPU has no VT-x", "core.elf is damaged: too short", "sentry.elf is damaged: too short",
            r"\vigil\mine.vrb: not found", "nic = 00:1f.0: there is no such device")

    def test_rules_missing(self) -> None:
        self.boot(config="rules = \\vigil\\mine.vrb\nnext = \\next.efi\nnic = none\n")
        self.assert_without_vigil(r"\vigil\mine.vrb: not found")

    def test_rules_none(self) -> None:
        self.files["vigil/rules.vrb"] = b"Z"
        self.boot(config="rules = none\nnext = \\next.efi\nnic = none\n")
        self.assert_order("rules = none", "core: rules 0", "under Vigil", NEXT)


class Policy(Loader):
    """Lines of policy in vigil.cfg, and the rules file that must hold the same."""

    LINES = "next = \\next.efi\nnic = none\ndeny module-load\ndeny exec   path=/tmp/*\n"

    def setUp(self) -> None:
        super().setUp()
        tools = build_dir() / "tools"
        subprocess.run(["make", "-s", f"O={build_dir()}", str(tools.relative_to(TOP) / "vigilc")], cwd=TOP,
                       check=True, stdout=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "cfg").write_text("deny module-load\n# a comment\ndeny exec path=/tmp/*\n")
            subprocess.run([tools / "vigilc", "--policy", f"{folder}/cfg", "-o", f"{folder}/vrb"], check=True)
            self.files["vigil/rules.vrb"] = (Path(folder) / "vrb").read_bytes()

    def test_the_same(self) -> None:
        self.boot(config=self.LINES)
        self.assert_order("under Vigil", NEXT)

    def test_another(self) -> None:
        self.boot(config=self.LINES + "deny bpf\n")
        self.assert_without_vigil(r"\vigil\rules.vrb holds another policy than vigil.cfg: run vigilc --policy")

    def test_another_required(self) -> None:
        self.boot(config="require = yes\n" + self.LINES + "deny bpf\n", until=REFUSED)
        self.assert_refused("holds another policy than vigil.cfg")

    def test_none_in_the_configuration(self) -> None:
        self.boot(config="next = \\next.efi\nnic = none\n")
        self.assert_without_vigil("holds a policy, but vigil.cfg has none")

    def test_no_rules_file(self) -> None:
        self.files["vigil/rules.vrb"] = None
        self.boot(config=self.LINES)
        self.assert_without_vigil(r"\vigil\rules.vrb is absent, but vigil.cfg has policy: run vigilc --policy")

    def test_damaged(self) -> None:
        whole = self.files["vigil/rules.vrb"]
        assert isinstance(whole, bytes)
        self.files["vigil/rules.vrb"] = whole[:-3] + b"\x55" + whole[-2:]
        self.boot(config=self.LINES)
        self.assert_without_vigil(r"\vigil\rules.vrb is damaged (checksum)")


class Card(Loader):
    """The network card."""

    def test_absent(self) -> None:
        self.boot(nic=True, config="nic = 00:1e.0\nnext = \\next.efi\n")
        self.assert_order("nic = 00:1e.0: there is no such device", "going on without the network half",
                          "core: nic 0", "under Vigil", NEXT)

    def test_absent_required(self) -> None:
        self.boot(config="require = yes\nnic = 00:1e.0\nnext = \\next.efi\n", until=REFUSED)
        self.assert_refused("nic = 00:1e.0: there is no such device")

    def test_not_a_card(self) -> None:
        """00:00.0 is the host bridge."""
        self.boot(config="nic = 00:00.0\nnext = \\next.efi\n")
        self.assert_order("00:00.0, 8086:1237: not one that Vigil drives", "core: nic 0", NEXT)


class Next(Loader):
    """The next loader."""

    def test_unknown(self) -> None:
        self.boot(config="next = \\no\\such.efi\nnic = none\n", until=REFUSED)
        self.assert_order("no next loader to start", r"\no\such.efi")
        self.assertNotIn("core: launch", self.said)

    def test_none_known(self) -> None:
        self.boot(config="nic = none\n", until=REFUSED)
        self.assert_order("no next loader to start", "shimx64.efi", "grubx64.efi", "systemd-bootx64.efi",
                          "bootmgfw.efi", r"\vmlinuz.efi")

    def test_other_volume(self) -> None:
        """Not on our own volume, but on another."""
        self.second["next.efi"] = self.files["next.efi"]
        self.files["next.efi"] = None
        self.boot()
        self.assert_order(r"starting \next.efi under Vigil", NEXT)

    def test_damaged(self) -> None:
        self.files["next.efi"] = b"MZ, but no more"
        self.boot(until=REFUSED)
        self.assert_order(r"\next.efi can't be loaded", "no next loader to start")

    def test_itself(self) -> None:
        self.boot(config="next = /efi/boot/bootx64.efi\nnic = none\n", until=REFUSED)
        self.assert_order("is Vigil's own loader: passed over", "no next loader to start")

    def test_copy_of_itself(self) -> None:
        self.files["EFI/debian/shimx64.efi"] = self.files["EFI/BOOT/BOOTX64.EFI"]
        self.boot(config="nic = none\n", until=REFUSED)
        self.assert_order("started by Vigil's own loader", "came back: already started")


if __name__ == "__main__":
    unittest.main()
