"""One run: the machine started, its serial ports followed, the end recognised."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from . import network
from .eve import Channel, Lines, plain
from .machine import Emulator, Machine
from .outcome import Outcome
from .paths import LabError
from .ui import Ui

TICK = 0.1  # seconds between looks at what has no file descriptor
DRAIN_SECONDS = 120.0  # wall time the alert channel gets after the guest's end, at most
DRAIN_STATS = 4  # stats events to wait for at most, when others keep coming between them
HOST_GRACE = 3.0  # seconds a host script gets to end after the guest has
LOOK_SECONDS = 2.0  # between looks at the emulator's log
TROUBLES_SHOWN = 20
MARK = re.compile(r"^(LAB-[A-Z]+)(?: (-?\d+))?$")
GUEST_DEAD = re.compile(
    r"Kernel panic - not syncing|!!!! X64 Exception Type"
    r"|reboot: (?:System halted|Power down|Restarting system)"
)


class Run:
    """Follows one machine to its end."""

    def __init__(
        self,
        emulator: Emulator,
        machine: Machine,
        outcome: Outcome,
        ui: Ui,
        alerts_on: str,
        host_script: Path | None,
        pcap_in: Path | None,
        eve: Path,
        eve_out: BinaryIO,
        console_out: BinaryIO,
        timeout: float,
    ) -> None:
        self.emulator, self.machine, self.outcome, self.ui = emulator, machine, outcome, ui
        self.channel = Channel()
        self.alerts_on = alerts_on
        self.host_script, self.pcap_in = host_script, pcap_in
        self.eve, self.eve_out, self.console_out = eve, eve_out, console_out
        self.timeout = timeout
        self.vigil_log = open(machine.work / "vigil.log", "wb", buffering=0)
        self.lines = {"console": Lines(), "alerts": Lines()}
        self.selector = selectors.DefaultSelector()
        self.process: subprocess.Popen[bytes] | None = None
        self.host: subprocess.Popen[bytes] | None = None
        self.host_lines = Lines()
        self.replay: network.Replay | None = None
        self.started = 0.0
        self.booted = self.ended = self.halted = False
        self.ended_at = 0.0
        self.stats_at_end = 0
        self.stop_signal = 0
        self.last_log = ""
        self.looked = 0.0
        self.troubles = 0

    # --- what the lines mean ---------------------------------------------------------------------

    def console_line(self, line: bytes) -> None:
        if self.alerts_on == "console" and (line.startswith((b'{"', b"vigil: "))):
            self.alert_line(line)
            return
        text = plain(line)
        found = MARK.match(text.strip())
        if found:
            self.mark(found.group(1), found.group(2))
            return
        if GUEST_DEAD.search(text) and not self.ended:
            self.fault(f"the guest stopped: {text.strip()}")
        if self.booted and not self.ended and text.strip():
            self.ui.guest(text)

    def mark(self, name: str, value: str | None) -> None:
        """A line that the guest's init or its script prints for the lab."""
        if name == "LAB-BOOT":
            if self.booted:
                self.fault("the guest started again")
                return
            self.booted = True
            self.outcome.boot_seconds = round(time.monotonic() - self.started, 3)
            self.outcome.boot_tsc = int(value) if value else None
            self.ui.stage("guest userspace")
        elif name == "LAB-KEXEC":  # the script is about to start another kernel
            self.booted = False
        elif name == "LAB-READY" and not self.ended:
            self.ready()
        elif name == "LAB-END":
            self.outcome.end_tsc = int(value) if value else None
        elif name == "LAB-EXIT" and not self.ended:
            self.ended = True
            self.ended_at = time.monotonic()
            self.stats_at_end = self.channel.stats_seen
            self.channel.quiet_stats = 0
            self.outcome.guest_status = int(value or 0)
            self.ui.stage(f"guest script ended with {self.outcome.guest_status}")
        elif name == "LAB-HALT":
            self.halted = True

    def ready(self) -> None:
        """The guest's script has said that it is ready for traffic."""
        if self.channel.base is None:
            self.channel.base = self.channel.stats
        if self.pcap_in is not None and self.replay is None:
            self.ui.stage("replaying the capture")
            self.replay = network.Replay(self.pcap_in)
        if self.host_script is not None and self.host is None:
            self.ui.stage("host script started")
            env = dict(
                os.environ,
                GUEST_IP=network.GUEST_IP,
                HOST_IP=network.HOST_IP,
                GUEST_IP6=network.GUEST_IP6,
                HOST_IP6=network.HOST_IP6,
                EVE=str(self.eve),
                TAP=network.TAP,
            )
            try:
                self.host = subprocess.Popen(
                    script_command(self.host_script),
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                self.fault(f"cannot run the host script {self.host_script}: {error.strerror}")
                return
            assert self.host.stdout is not None
            self.selector.register(self.host.stdout, selectors.EVENT_READ, self.read_host)

    def alert_line(self, line: bytes) -> None:
        if not line.strip():
            return
        event = self.channel.line(line)
        if event is None:
            self.vigil_log.write(line + b"\n")
            text = plain(line)
            # The firmware's console shows on every serial port: the loader's lines come twice.
            if (
                not line.startswith(b"{")
                and text.strip()
                and text != self.last_log
                and "BdsDxe:" not in text
            ):
                self.ui.log(text)
            self.last_log = text
            return
        self.eve_out.write(line + b"\n")
        self.ui.event(event)

    def fault(self, text: str) -> None:
        """The run cannot go on."""
        if self.outcome.fault is None:
            self.outcome.fault = text

    # --- where the lines come from ---------------------------------------------------------------

    def port(self, name: str, keep: BinaryIO | None, take: Callable[[bytes], None]) -> None:
        """Follow a serial port through a FIFO: every byte as it comes, nothing to poll."""
        path = self.machine.work / getattr(self.machine, name)
        os.mkfifo(path, 0o600)
        # Opened for reading and writing, so that it has a reader before the emulator opens it and
        # never reaches its end.
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)

        def read() -> None:
            with contextlib.suppress(BlockingIOError):
                data = os.read(fd, 1 << 16)
                if keep is not None:
                    keep.write(data)
                for line in self.lines[name].feed(data):
                    take(line)

        self.selector.register(fd, selectors.EVENT_READ, read)

    def read_host(self) -> None:
        assert self.host is not None and self.host.stdout is not None
        data = os.read(self.host.stdout.fileno(), 1 << 16)
        for line in self.host_lines.feed(data):
            self.ui.host(plain(line))
        if not data:
            self.selector.unregister(self.host.stdout)

    # --- start, middle, end ----------------------------------------------------------------------

    def go(self) -> None:
        """Run the machine to its end; everything started here is ended here."""
        self.port("console", self.console_out, self.console_line)
        self.port("alerts", None, self.alert_line)
        held = {
            s: signal.signal(s, self.on_signal)
            for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
            self.started = time.monotonic()
            self.process = self.emulator.start(self.machine, dict(os.environ))
            self.ui.stage(f"machine started ({self.emulator.describe()})")
            while not self.over():
                self.turn(TICK)
            self.finish_host()
        finally:
            self.outcome.run_seconds = round(time.monotonic() - self.started, 3)
            end_process(self.process)
            end_group(self.host)
            self.turn(0)
            for name, take in (("console", self.console_line), ("alerts", self.alert_line)):
                rest = self.lines[name].rest()
                if rest and not (name == "alerts" and rest.startswith(b"{")):
                    take(rest)  # an event that the machine's end has cut off is none
            if self.replay is not None:
                self.replay.close()
                self.outcome.frames.update(replayed=self.replay.sent, refused=self.replay.refused)
            for number, handler in held.items():
                signal.signal(number, handler)
            self.look_at_log()

    def on_signal(self, number: int, _frame: object) -> None:
        self.stop_signal = number

    def turn(self, wait: float) -> None:
        """Take what has come, or wait for it."""
        for key, _ in self.selector.select(wait):
            key.data()
        self.ui.status()

    def over(self) -> bool:
        """Whether the run has come to its end, good or bad."""
        now = time.monotonic()
        if now - self.looked > LOOK_SECONDS:
            self.look_at_log()
        if self.stop_signal:
            self.outcome.interrupted = True
            self.fault(f"ended by {signal.Signals(self.stop_signal).name}")
        elif self.channel.failure:
            self.turn(0.5)  # the rest of the report
            return True
        elif self.ended and self.drained(now):
            return True
        elif self.process is not None and self.process.poll() is not None and not self.halted:
            self.turn(0)
            if not self.ended:
                code = self.process.returncode
                self.fault(f"the emulator ended by itself (status {code}): {self.last_words()}")
            return True
        elif now - self.started > self.timeout and not self.ended:
            self.outcome.timed_out = True
            self.fault(f"no end after {self.timeout:g} s ({self.ui.stage_name})")
        return self.outcome.fault is not None

    def drained(self, now: float) -> bool:
        """Whether Vigil has told all that happened until the guest's end."""
        if (
            not self.outcome.vigil
            or self.alerts_on == "none"
            or not self.channel.ready
            or self.halted
        ):
            return True
        told = self.channel.stats_seen - self.stats_at_end
        # Two counts in a row with nothing between: no event is waiting behind them.
        return (
            self.channel.quiet_stats >= 2
            or told >= DRAIN_STATS
            or now - self.ended_at > DRAIN_SECONDS
        )

    def finish_host(self) -> None:
        """Let a host script that is at its end come to it."""
        if self.host is None or self.outcome.fault is not None:
            return
        until = time.monotonic() + HOST_GRACE
        while self.host.poll() is None and time.monotonic() < until:
            self.turn(TICK)
        self.turn(0)
        self.outcome.host_status = self.host.poll()
        if self.outcome.host_status is None:
            self.ui.note("the host script did not end by itself; ended")
        elif self.outcome.host_status:
            self.ui.note(f"the host script ended with status {self.outcome.host_status}")

    def last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = (
                (self.machine.work / "emulator.out")
                .read_text(errors="replace")
                .strip()
                .splitlines()
            )
            if lines:
                return lines[-1][:300]
        return "it said nothing"

    def look_at_log(self) -> None:
        """What the emulator itself tells: VM entries that failed, a machine that is dead."""
        self.looked = time.monotonic()
        for line in self.emulator.trouble(self.machine):
            self.troubles += 1
            if self.troubles <= TROUBLES_SHOWN:
                self.ui.note(f"emulator: {line}")
            if "VMENTER FAIL" in line or "VMFAIL: VMCS" in line:
                self.outcome.entry_failure = (
                    self.outcome.entry_failure or f"VM-entry failure: {line}"
                )
            elif "exception with no resolution" in line:
                self.fault(f"the machine is dead (triple fault): {line}")


def script_command(script: Path) -> list[str]:
    """How to run a script, also one that is not marked executable."""
    if os.access(script, os.X_OK):
        return [str(script)]
    with open(script, "rb") as handle:
        first = handle.readline(256)
    interpreter = first[2:].decode("utf-8", "replace").split(None, 1) if first[:2] == b"#!" else []
    return [*(word.strip() for word in interpreter or ["/bin/sh"]), str(script)]


def end_process(process: subprocess.Popen[bytes] | None) -> None:
    """End one process of ours: asked first, then for certain."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_group(process: subprocess.Popen[bytes] | None) -> None:
    """End a script of ours with all it has started."""
    if process is None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
    if process.stdout is not None:
        process.stdout.close()


def open_out(path: Path | None, fallback: Path) -> BinaryIO:
    """An unbuffered output file."""
    target = path or fallback
    try:
        return open(target, "wb", buffering=0)
    except OSError as error:
        raise LabError(f"cannot write {target}: {error.strerror}") from error
