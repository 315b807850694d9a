"""The command line of tools/lab."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import (
    bochs,
    capture,
    config,
    image,
    initramfs,
    kernel,
    network,
    outcome,
    platforms,
    qemu,
    run,
    ui,
)
from .fetch import fetch
from .machine import Emulator, Machine
from .paths import TOP, LabError, Unavailable, build_dir, say

EPILOG = """\
exit status: the guest script's; 70 when Vigil failed (panic, VM-entry failure, no `ready` event),
75 for a fault of the lab or a time-out, 77 where the platform is not available, 130 when
interrupted.
"""
CONSOLE_ARGS = "console=ttyS0,115200 quiet loglevel=3"
# No test of the crypto code at boot, no probing for BIOS disks, random numbers at once: nothing
# there depends on time or on the host. Mitigations stay as the kernel chooses.
KERNEL_ARGS = "rdinit=/lab/init panic=0 cryptomgr.notests edd=off random.trust_cpu=on"
# Bochs skips idle time, so a guest that waits lives some 25 seconds in one of the host's. Alone it
# does not mind; but with a peer on the host the two must agree on what a time-out is, so then the
# guest's time is held back to the host's. Its rate is then set to about what Bochs can do, since
# holding back also bounds the speed.
FREE_IPS = 50_000_000
REAL_IPS = 200_000_000
NEXT_ARGS_MAX = 511  # hv/config.h, CONFIG_ARGS_MAX


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="tools/lab", description="Boot Vigil and a guest on an emulated machine."
    )
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("deps", help="install and fetch all that a run needs")
    commands.add_parser("platforms", help="say which platforms this machine has")
    p = commands.add_parser(
        "run",
        help="one run",
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = p.add_argument
    add(
        "--platform",
        choices=platforms.PLATFORMS,
        default="auto",
        help="default: kvm if usable, else bochs",
    )
    add(
        "--cpu",
        metavar="MODEL",
        default="",
        help=f"CPU model (bochs: {bochs.DEFAULT_CPU}; kvm: host)",
    )
    add("--smp", metavar="N", type=count(1, 8), default=1, help="CPUs (default 1)")
    add("--mem", metavar="MIB", type=count(128, 65536), default=1024, help="memory (default 1024)")
    add(
        "--kernel",
        metavar="BZIMAGE",
        type=Path,
        help="guest kernel (default: Debian's linux-image-cloud-amd64)",
    )
    add(
        "--modules",
        metavar="DIR",
        type=Path,
        help="its modules: /lib/modules/RELEASE or a folder that holds it",
    )
    add("--overlay", metavar="DIR", type=Path, help="files copied over the guest's root")
    add(
        "--init", metavar="SCRIPT", type=Path, help="run in the guest; its exit status ends the run"
    )
    add(
        "--config",
        metavar="FILE",
        type=Path,
        help="vigil.cfg; keys it lacks are completed, its policy lines compiled by the lab",
    )
    add("--rules", metavar="FILE", type=Path, help="rules for vigilc (or a compiled blob, *.vrb)")
    add("--no-vigil", action="store_true", help="boot the same image without Vigil")
    add(
        "--net",
        choices=("none", "tap"),
        default="none",
        help="network card on a TAP in a namespace",
    )
    add(
        "--host-script",
        metavar="SCRIPT",
        type=Path,
        help="run in that namespace after the guest's LAB-READY",
    )
    add(
        "--pcap-in", metavar="FILE", type=Path, help="capture replayed into the TAP after LAB-READY"
    )
    add("--pcap-out", metavar="FILE", type=Path, help="record the TAP")
    add("--eve", metavar="FILE", type=Path, help="receives every EVE line as it comes")
    add("--console", metavar="FILE", type=Path, help="receives the guest's console")
    add("--json", metavar="FILE", type=Path, help="summary of the run")
    add(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=900.0,
        help="wall time at most (default 900)",
    )
    more = p.add_argument_group("beyond the common interface")
    more.add_argument(
        "--append", metavar="ARGS", default="", help="more words for the kernel's command line"
    )
    more.add_argument(
        "--config-exact", action="store_true", help="use --config byte for byte, complete nothing"
    )
    more.add_argument(
        "--esp", metavar="DIR", type=Path, help="files copied over the EFI system partition"
    )
    more.add_argument(
        "--clock",
        choices=("auto", "free", "real"),
        default="auto",
        help="bochs: guest time runs free, or never ahead of the host's (auto: real with tap)",
    )
    more.add_argument(
        "--ips",
        metavar="N",
        type=count(10**6, 10**10),
        help=f"bochs: instructions per second of guest time (free {FREE_IPS}, real {REAL_IPS})",
    )
    more.add_argument(
        "--show", choices=ui.SHOW, default="alerts", help="what to print (default alerts)"
    )
    more.add_argument(
        "--keep", metavar="DIR", type=Path, help="keep the run's files (logs, configuration)"
    )
    return top


def count(low: int, high: int):
    def convert(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    convert.__name__ = "number"
    return convert


def seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 10**7:
        raise argparse.ArgumentTypeError(f"{text} is not a time")
    return value


def check(options: argparse.Namespace) -> None:
    """Complain about what cannot work before anything is started; make the paths absolute."""
    if options.net == "none":
        for name in ("host_script", "pcap_in", "pcap_out"):
            if getattr(options, name) is not None:
                raise LabError(f"--{name.replace('_', '-')} needs --net tap")
    for name in ("kernel", "init", "config", "rules", "host_script", "pcap_in"):
        path = getattr(options, name)
        if path is not None and not path.is_file():
            raise LabError(f"--{name.replace('_', '-')}: no such file: {path}")
    for name in ("modules", "overlay", "esp"):
        path = getattr(options, name)
        if path is not None and not path.is_dir():
            raise LabError(f"--{name}: no such folder: {path}")
    for name, value in vars(options).items():
        if isinstance(value, Path):
            setattr(options, name, value.absolute())
    if options.pcap_in is not None:
        next(capture.read(options.pcap_in), None)
    if options.config_exact and options.config is None:
        raise LabError("--config-exact needs --config")
    config.check_text("--append", options.append)


def install(groups: list[str]) -> None:
    """Have tools/deps install what is missing; silent when nothing is."""
    if subprocess.run([TOP / "tools/deps", *groups], check=False).returncode != 0:
        raise LabError(f"tools/deps {' '.join(groups)} failed")


def wants_e1000(options: argparse.Namespace, vigil: bool) -> bool:
    """Whether the guest sees the machine's own card: Debian's cloud kernel has no driver for it."""
    return options.net == "tap" and not vigil


def read_config(options: argparse.Namespace) -> bytes | None:
    if options.config is None:
        return None
    try:
        return options.config.read_bytes()
    except OSError as error:
        raise LabError(f"cannot read {options.config}: {error.strerror}") from error


def compile_rules(rules: Path | None, policy: bytes | None, work: Path) -> Path:
    """The compiled blob of `rules` and of the policy lines of a vigil.cfg.

    Rules that are compiled already are taken as they are.
    """
    if rules is not None and rules.suffix == ".vrb":
        return rules
    compiler = build_dir() / "tools" / "vigilc"
    if not compiler.exists():
        raise LabError(f"{compiler} is missing: run make")
    blob = work / "rules.vrb"
    command = [str(compiler), "-o", str(blob)]
    if rules is not None:
        command += ["-S", str(rules)]
    if policy is not None:
        (work / "vigil.cfg").write_bytes(policy)
        command += ["--policy", str(work / "vigil.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.stderr:
        say(done.stderr.rstrip())
    if done.returncode != 0 or not blob.exists():
        what = " and ".join(filter(None, (rules and str(rules), policy and "the policy lines")))
        raise LabError(f"vigilc refused {what} (status {done.returncode})")
    return blob


def esp_files(
    options: argparse.Namespace, emulator: Emulator, machine: Machine, guest: kernel.Kernel
) -> tuple[dict[str, Path | bytes], dict[str, str]]:
    """The files of the EFI system partition, and the configuration's keys."""
    build = build_dir()
    words = ["initrd=\\initrd.img", CONSOLE_ARGS, KERNEL_ARGS, emulator.kernel_args(machine)]
    args = " ".join(" ".join([*words, options.append]).split())
    if len(args) > NEXT_ARGS_MAX:
        raise LabError(f"the kernel's command line is longer than {NEXT_ARGS_MAX} characters")
    wanted = {
        "serial": "com2",
        "stats_interval": "1",
        "log_level": "info",
        "next": "\\vmlinuz.efi",
        "next_args": args,
    }
    given = read_config(options)
    policy = config.has_policy(given)
    if options.rules is not None or policy:
        wanted["rules"] = "\\vigil\\rules.vrb"
    forced = {"enable": "no"} if options.no_vigil else {}
    text, keys = config.compose(given, wanted, forced, not options.config_exact)
    files: dict[str, Path | bytes] = {
        "EFI/BOOT/BOOTX64.EFI": build / "vigil.efi",
        "vigil/core.elf": build / "core.elf",
        "vigil/sentry.elf": build / "sentry.elf",
        "vigil/vigil.cfg": text,
        "vmlinuz.efi": guest.image,
        "initrd.img": initramfs.build(guest, options.overlay, options.init, options.net),
    }
    if options.rules is not None or policy:
        files["vigil/rules.vrb"] = compile_rules(
            options.rules, text if policy else None, machine.work
        )
    if machine.smp > 1 and emulator.needs_acpi_tables:
        files["EFI/vigil/vigil.efi"] = files["EFI/BOOT/BOOTX64.EFI"]
        files["EFI/BOOT/BOOTX64.EFI"] = build / "lab" / "acpi.efi"
    for name, content in files.items():
        given = options.esp is not None and (options.esp / name).exists()
        if isinstance(content, Path) and not content.is_file() and not given:
            raise LabError(f"{content} is missing: run make")
    return {k: v for k, v in files.items() if isinstance(v, bytes) or v.is_file()}, keys


@contextlib.contextmanager
def workplace(keep: Path | None) -> Iterator[Path]:
    """A folder for the run's files, removed at the end; what tells something goes to `keep`."""
    work = Path(tempfile.mkdtemp(prefix="vigil-lab-"))
    try:
        yield work
    finally:
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            for path in work.iterdir():
                kind = path.lstat().st_mode
                if stat.S_ISREG(kind) and path.suffix not in (".img", ".fd", ".fat", ".bin"):
                    shutil.copy2(path, keep / path.name)
        shutil.rmtree(work, ignore_errors=True)


def command_run(options: argparse.Namespace, argv: list[str]) -> int:
    check(options)
    install(["lab"])
    emulator = platforms.open_platform(options.platform)
    given = config.parse((read_config(options) or b"").decode("utf-8", "replace"))
    vigil = not options.no_vigil and given.get("enable", "yes") != "no"
    guest = kernel.select(options.kernel, options.modules, wants_e1000(options, vigil))
    if options.net == "tap":
        # Everything that needs the real network is done; from here on in a namespace of our own.
        network.enter([sys.executable, "-B", str(TOP / "tools/lab"), *argv])
        network.setup()
    screen = ui.Ui(options.show)
    with workplace(options.keep) as work:
        real = options.clock == "real" or (options.clock == "auto" and options.net == "tap")
        machine = Machine(
            work=work,
            image="disk.img",
            console="com1",
            alerts="com2",
            cpu=options.cpu,
            smp=options.smp,
            mem=options.mem,
            tap=network.TAP if options.net == "tap" else "",
            ips=options.ips or (REAL_IPS if real else FREE_IPS),
            realtime=real,
        )
        files, keys = esp_files(options, emulator, machine, guest)
        screen.stage(f"image (kernel {guest.release})")
        root = work / "esp"
        image.populate(root, files, options.esp)
        image.make(root, work / "disk.img")
        shutil.rmtree(root)
        return follow(options, emulator, machine, keys, vigil, screen)


def follow(
    options: argparse.Namespace,
    emulator: Emulator,
    machine: Machine,
    keys: dict[str, str],
    vigil: bool,
    screen: ui.Ui,
) -> int:
    """Run the machine and account for it."""
    port = config.alert_port(keys)
    result = outcome.Outcome(
        platform=emulator.name, emulator=emulator.describe(), vigil=vigil, judged=port != "none"
    )
    eve = options.eve or machine.work / "eve.json"
    recorder = network.Recorder(options.pcap_out) if options.pcap_out else None
    with (
        run.open_out(eve, eve) as eve_out,
        run.open_out(options.console, machine.work / "console.txt") as console_out,
    ):
        one = run.Run(
            emulator,
            machine,
            result,
            screen,
            port,
            options.host_script,
            options.pcap_in,
            eve,
            eve_out,
            console_out,
            options.timeout,
        )
        try:
            one.go()
        finally:
            if recorder is not None:
                recorder.close()
                result.frames.update(recorded=recorder.frames, unrecorded=recorder.lost)
    if options.json:
        report = outcome.summary(result, one.channel, emulator.counts_instructions)
        outcome.write_summary(options.json, report)
    failure = result.vigil_failure(one.channel)
    if failure:
        screen.note(f"Vigil failed: {failure}")
    if result.fault:
        screen.note(result.fault)
    status = result.status(one.channel)
    screen.stage(f"end, status {status}")
    screen.clear()
    return status


def command_deps() -> int:
    install(["build", "lab"])
    for name in ("lwip", "newlib", "zlib", "pcre2"):
        fetch(name)
    if qemu.unusable():
        say(f"lab: {bochs.choose().title}")
    kernel.select(None, None, False)
    return 0


def command_platforms() -> int:
    for name in platforms.PLATFORMS[1:]:
        if name == "kvm":
            reason = qemu.unusable()
        else:
            reason = None if name == "bochs" else "not supported by this version"
        print(f"{name}: {'usable' if reason is None else reason}")
    return 0


def main(argv: list[str]) -> int:
    try:
        options = parser().parse_args(argv)
    except SystemExit as error:
        return 0 if error.code in (0, None) else outcome.EXIT_LAB
    try:
        if options.command == "deps":
            return command_deps()
        if options.command == "platforms":
            return command_platforms()
        return command_run(options, argv)
    except Unavailable as error:
        say(f"lab: {error}")
        return outcome.EXIT_UNAVAILABLE
    except LabError as error:
        say(f"lab: {error}")
        return outcome.EXIT_LAB
    except KeyboardInterrupt:
        say("lab: interrupted")
        return outcome.EXIT_INTERRUPTED
    except OSError as error:
        say(f"lab: {error}")
        return outcome.EXIT_LAB
