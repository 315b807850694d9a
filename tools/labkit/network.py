"""The lab's network: a namespace of its own with a TAP, captures played into it and recorded."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import BinaryIO

from . import capture
from .paths import LabError, Unavailable, say

TAP = "vigil0"
TAP_MAC = "52:54:00:77:00:01"
HOST_IP, GUEST_IP = "10.77.0.1", "10.77.0.2"
HOST_IP6, GUEST_IP6 = "fd77::1", "fd77::2"
INSIDE = "VIGIL_LAB_NAMESPACE"  # set in the lab that runs inside the namespace
ETH_P_ALL = 3
PACKET_STATISTICS = 6  # linux/if_packet.h
SOL_PACKET = 263
SO_TIMESTAMPNS = 35  # asm-generic/socket.h
SNAPLEN = 65535
# The emulated card takes one frame per millisecond of guest time; the queue holds the others.
QUEUE = 100000
REPLAY_GAP = 0.1  # longest pause between two replayed frames, seconds
REPLAY_RATE = 2000  # frames a second at most


def unshare_args() -> list[str]:
    """The command prefix that runs a program in a network namespace of its own.

    The namespace vanishes with its last process, however that ends. Without root a user namespace
    gives the rights over it.
    """
    if not Path("/dev/net/tun").exists():
        raise Unavailable("--net tap: this machine has no /dev/net/tun")
    base = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net"]
    # A mount namespace of its own is only for /sys; in a plain chroot there can be none.
    for args in ([*base, "--mount"], base):
        try:
            probe = subprocess.run([*args, "true"], capture_output=True, text=True, check=False)
        except OSError as error:
            raise Unavailable(f"--net tap: no unshare (util-linux): {error.strerror}") from error
        if probe.returncode == 0:
            return args
    raise Unavailable(f"--net tap needs root or user namespaces: {probe.stderr.strip()}")


def enter(argv: list[str]) -> None:
    """Start this program again inside a namespace of its own; returns if it is there already."""
    pid, _, mounts = os.environ.get(INSIDE, "").partition("/")
    if pid == str(os.getpid()):
        if mounts:
            # So that /sys/class/net shows this namespace to host scripts; not allowed everywhere.
            subprocess.run(
                ["mount", "-t", "sysfs", "sysfs", "/sys"], capture_output=True, check=False
            )
        return
    args = unshare_args()
    # unshare replaces itself by the program, so the process id stays.
    os.environ[INSIDE] = f"{os.getpid()}/{'mounts' if '--mount' in args else ''}"
    os.execvp(args[0], [*args, *argv])


def ip(*args: str) -> None:
    env = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    try:
        done = subprocess.run(["ip", *args], env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LabError("ip not found: run tools/deps lab") from error
    if done.returncode != 0:
        raise Unavailable(f"--net tap: ip {' '.join(args)}: {done.stderr.strip()}")


def setup() -> None:
    """Make the TAP and the host's addresses; to be called inside the namespace."""
    for key, value in (
        ("accept_ra", 0),
        ("router_solicitations", 0),
        ("dad_transmits", 0),
        ("accept_dad", 0),
    ):
        for scope in ("all", "default"):
            with contextlib.suppress(OSError):
                Path(f"/proc/sys/net/ipv6/conf/{scope}/{key}").write_text(
                    f"{value}\n", encoding="ascii"
                )
    ip("link", "set", "lo", "up")
    ip("tuntap", "add", "dev", TAP, "mode", "tap")
    # No link-local address of its own accord, no router solicitations: only the run's own frames.
    ip("link", "set", TAP, "address", TAP_MAC, "txqueuelen", str(QUEUE), "addrgenmode", "none")
    ip("addr", "add", f"{HOST_IP}/24", "brd", "10.77.0.255", "dev", TAP)
    ip("link", "set", TAP, "up")
    with contextlib.suppress(LabError):  # a kernel without IPv6
        ip("-6", "addr", "add", f"{HOST_IP6}/64", "dev", TAP, "nodad")


class Recorder:
    """Writes every frame that crosses the TAP to a pcap file (nanosecond format)."""

    def __init__(self, path: Path) -> None:
        try:
            self._out: BinaryIO = open(path, "wb")
        except OSError as error:
            raise LabError(f"cannot write {path}: {error.strerror}") from error
        self._out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, SNAPLEN, 1))
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((TAP, ETH_P_ALL))
        self._socket.settimeout(0.2)
        self.frames = 0
        self.lost = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="pcap-out", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while True:
            try:
                data, control, _, _ = self._socket.recvmsg(SNAPLEN, 64)
            except TimeoutError:
                self._out.flush()
                if self._stop.is_set():
                    return
                continue
            except OSError:
                return
            seconds, nanos = divmod(time.time_ns(), 10**9)
            for level, kind, value in control:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) >= 16:
                    seconds, nanos = struct.unpack_from("<qq", value)
            self._out.write(
                struct.pack("<IIII", seconds & 0xFFFFFFFF, nanos, len(data), len(data)) + data
            )
            self.frames += 1

    def close(self) -> None:
        """Write what is still queued and end."""
        self._stop.set()
        self._thread.join(10)
        with contextlib.suppress(OSError):
            self.lost = struct.unpack(
                "<II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
            )[1]
        self._socket.close()
        self._out.close()


class Replay:
    """Plays a capture into the TAP, at its own pace within bounds, in a thread."""

    def __init__(self, path: Path) -> None:
        self.sent = 0
        self.refused = 0
        self.error: str | None = None
        self._frames = capture.read(path)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="pcap-in", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
                out.bind((TAP, 0))
                last: float | None = None
                for when, data in self._frames:
                    gap = 0.0 if last is None else min(max(when - last, 0.0), REPLAY_GAP)
                    last = when
                    if self._stop.wait(max(gap, 1 / REPLAY_RATE)):
                        return
                    try:
                        out.send(data)
                        self.sent += 1
                    except OSError:  # longer than the MTU, shorter than a header
                        self.refused += 1
        except (OSError, LabError) as error:
            self.error = str(error)
            say(f"lab: --pcap-in: {error}")

    def done(self) -> bool:
        return not self._thread.is_alive()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
