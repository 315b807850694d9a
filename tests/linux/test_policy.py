#!/usr/bin/python3
"""Policy on the gates of the guest's kernel: `deny` holds, what is told, defaults, and every system call."""

from __future__ import annotations

import struct
import sys
import unittest
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from labrun import LabCase, Run, fetched, lines_of  # noqa: E402  (the path must be set first)

SPLIT = "class"
COST = 60.0
TEST_TIMEOUT = 1500.0
# errno of Linux
PERM, NOENT, NOEXEC, ACCES, BUSY, NODEV, NFILE, ROFS = 1, 2, 8, 13, 16, 19, 23, 30
AFNOSUPPORT, ADDRINUSE, NETUNREACH, CONNREFUSED = 97, 98, 101, 111
NAMES = {
    PERM: "EPERM", NOENT: "ENOENT", ACCES: "EACCES", BUSY: "EBUSY", NODEV: "ENODEV", ROFS: "EROFS",
    AFNOSUPPORT: "EAFNOSUPPORT", ADDRINUSE: "EADDRINUSE", NETUNREACH: "ENETUNREACH", NFILE: NFILE,
}


@dataclass
class Act:
    """One call of tests/guest/gates.c, and what has to come of it."""

    command: str  # arguments of gates; $victim and $other are processes of uid 1000
    err: int  # errno that the call gives
    value: int | None  # what gates saw of it (see there); None: as it may be
    gate: str = ""  # name of the event that tells of it; "": none may
    rule: str = ""  # line of policy that it names
    args: dict[str, str] = field(default_factory=dict)  # of the event, at least
    uid: int = 0  # that gates is run as
    by: str = "gates"  # name under which gates is started, its comm
    worker: bool = False  # done by a thread of io_uring's
    then: int | None = None  # user that it has when the event is told, if another
    also: tuple[str, ...] = ()  # events before that one, of what leads to it

    def line(self) -> str:
        user = f"-u {self.uid} " if self.uid else ""
        return f"/tmp/{self.by} {user}{self.command}\n"

    @property
    def name(self) -> str:
        return self.command.split()[0]


@dataclass
class Gated:
    """A line `gate: ...` of the guest's."""

    name: str
    pid: int
    err: int
    value: int


def gated(run: Run) -> list[Gated]:
    found = lines_of(run.console, r"gate: (\S+) pid (\d+) errno (\d+) value (-?\d+)")
    return [Gated(m.group(1), int(m.group(2)), int(m.group(3)), int(m.group(4))) for m in found]


def calls_of(run: Run, pid: int) -> list[dict[str, Any]]:
    return [e for e in run.of("syscall") if e.get("process", {}).get("tgid") == pid]


def arguments(event: dict[str, Any]) -> dict[str, str]:
    return dict(a.partition("=")[::2] for a in event["syscall"].get("args", []))


def elf(status: int) -> bytes:
    """A program that ends with a status: mov edi, status; mov eax, 60 (exit); syscall."""
    code = b"\xbf" + struct.pack("<I", status) + b"\xb8\x3c\x00\x00\x00\x0f\x05"
    base, size = 0x400000, 64 + 56 + len(code)
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096) + code


class Gates(LabCase):
    """Runs gates and holds what it says, and what Vigil tells, against a list."""

    # gates under the names that lines ask for; two processes of another user, asleep under theirs.
    SETUP = """
mkdir -p /tmp /mnt/no /mnt/yes
for name in victim other %s; do cp /bin/gates /tmp/$name; done
/tmp/victim -u 1000 sleep 1000 & victim=$!
/tmp/other -u 1000 sleep 1000 & other=$!
sleep 2
"""

    def acts(self, acts: list[Act], *args: str, before: str = "", **more: Any) -> Run:
        names = sorted({a.by for a in acts})
        init = self.SETUP % " ".join(names) + before + "".join(a.line() for a in acts) + "sleep 3\n"
        run = self.good(self.lab(init, *args, **more))
        states = [e["hypervisor"]["state"] for e in run.of("hypervisor", "introspection")]
        self.assertEqual(states, ["ready"])
        said = gated(run)
        self.assertEqual([g.name for g in said], [a.name for a in acts])
        for act, got in zip(acts, said):
            with self.subTest(act=act.line().strip()):
                self.check_act(run, act, got)
        return run

    def check_act(self, run: Run, act: Act, got: Gated) -> None:
        self.assertEqual(got.err, act.err)
        if act.value is not None:
            self.assertEqual(got.value, act.value)
        told = calls_of(run, got.pid)
        if not act.gate:
            self.assertEqual(told, [])
            return
        self.assertEqual([e["syscall"]["name"] for e in told], [*act.also, act.gate])
        event = told[-1]
        body, process = event["syscall"], event["process"]
        denied = act.rule.startswith("deny")
        self.assertIs(body["denied"], denied)
        self.assertEqual(body.get("errno"), NAMES[act.err] if denied else None)
        self.assertEqual(body.get("rule", ""), act.rule)
        self.assertEqual(arguments(event) | act.args, arguments(event))
        self.assertEqual(process["tgid"], got.pid)
        self.assertEqual(process["uid"], act.uid if act.then is None else act.then)
        self.assertEqual(process.get("io_worker", False), act.worker)
        self.assertEqual(process["comm"], f"iou-wrk-{got.pid}" if act.worker else act.by)


# Host ports that answer: what reaches one is told on the host's side.
PEER = """#!/usr/bin/python3
import os, selectors, socket
ready = selectors.DefaultSelector()
for port in (4444, 4445, 4446):
    listener = socket.create_server((os.environ["HOST_IP"], port))
    ready.register(listener, selectors.EVENT_READ, port)
while True:
    for key, _ in ready.select():
        key.fileobj.accept()[0].close()
        print("PEER", key.data, flush=True)
"""
HOST = "10.77.0.1"
HERE = "127.0.0.1"


class Denied(Gates):
    """Each gate with a line that denies: errno as asked for, nothing happens, the event tells all of it.

    Behind each the nearest call that the line does not match, which goes through and is not told.
    """

    RULES_OF_POLICY = {
        "exec": "deny exec path=/tmp/denied*",
        "exec errno": "deny exec path=/tmp/gone uid=1000 errno=ENOENT",
        "memfd": "deny memfd-exec comm=memory errno=EPERM",
        "connect": "deny connect dport=4444",
        "connect errno": "deny connect addr=10.77.0.0/24 dport=4446 errno=ENETUNREACH",
        "bind": "deny bind sport=1111-1119 errno=EADDRINUSE",
        "listen": "deny listen sport=1122",
        "accept": "deny accept addr=127.0.0.1 sport=1132",
        "raw": "deny raw comm=sniff",
        "packet": "deny packet exe=/tmp/sniff errno=EAFNOSUPPORT",
        "kill": "deny kill target=victim signal=KILL",
        "ptrace": "deny ptrace target=victim",
        "traceme": "deny traceme comm=sniff errno=EACCES",
        "init": "deny module-load flags=anon uid=0",
        "finit": "deny module-load path=/etc/* errno=ENODEV",
        "kexec": "deny kexec-load errno=EBUSY",
        "bpf": "deny bpf cmd=prog-load comm=sniff",
        "setuid": "deny setuid to=1234",
        "mount": "deny mount fstype=tmpfs path=/mnt/no errno=23",
        "mmap": "deny mmap flags=write+exec comm=wx",
        "mprotect": "deny mprotect flags=anon comm=wx",
        "unlink": "deny unlink path=/tmp/keep* errno=EROFS",
        "running": "deny unlink-running exe=/tmp/wx",
    }

    def kernel(self) -> list[str]:
        """Arguments for another kernel than the lab's."""
        return []

    def deny(self, command: str, err: int, value: int | None, rule: str, gate: str, by: str = "gates",
             uid: int = 0, worker: bool = False, **args: str) -> Act:
        return Act(command, err, value, gate, self.RULES_OF_POLICY[rule], args, uid, by, worker)

    def test_each_gate(self) -> None:
        deny = self.deny
        tcp = {"family": "inet", "type": "stream", "proto": "tcp"}
        out = {"addr": HOST, "dport": "4444", **tcp}
        acts = [
            deny("exec /tmp/denied", ACCES, -1, "exec", "exec", path="/tmp/denied", filename="/tmp/denied"),
            deny("exec /tmp/link", ACCES, -1, "exec", "exec", path="/tmp/denied", filename="/tmp/link"),
            Act("exec /tmp/allowed", 0, 7),
            deny("exec /tmp/gone", NOENT, -1, "exec errno", "exec", uid=1000, path="/tmp/gone"),
            Act("exec /tmp/gone", 0, 7),
            deny("memfd /tmp/allowed", PERM, -1, "memfd", "memfd-exec", by="memory", path="/memfd:gates",
                 flags="memfd+deleted"),
            deny(f"connect {HOST} 4444", PERM, 0, "connect", "connect", **out),
            deny(f"uring-connect {HOST} 4444", PERM, 0, "connect", "connect", **out),
            deny(f"worker-connect {HOST} 4444", PERM, 0, "connect", "connect", worker=True, flags="io_uring", **out),
            deny(f"connect {HOST} 4446", NETUNREACH, 0, "connect errno", "connect", addr=HOST, dport="4446"),
            Act(f"connect {HOST} 4445", 0, 1),
            Act(f"uring-connect {HOST} 4445", 0, 1),
            Act(f"worker-connect {HOST} 4445", 0, 1),
            Act(f"connect {HERE} 4446", CONNREFUSED, None),
            deny("bind 0.0.0.0 1111", ADDRINUSE, 0, "bind", "bind", addr="0.0.0.0", sport="1111", **tcp),
            Act("bind 0.0.0.0 1120", 0, 1120),
            deny(f"listen {HERE} 1122", ACCES, 0, "listen", "listen", addr=HERE, sport="1122", **tcp),
            Act(f"listen {HERE} 1121", 0, 1),
            deny(f"accept {HERE} 1132", PERM, 0, "accept", "accept", addr=HERE, sport="1132", **tcp),
            Act(f"accept {HERE} 1131", 0, 1),
            deny("raw", ACCES, 0, "raw", "raw", by="sniff", family="inet", type="raw", proto="icmp"),
            deny("packet", AFNOSUPPORT, 0, "packet", "packet", by="sniff", family="packet", type="raw", proto="3"),
            deny("kill $victim 9", PERM, 1, "kill", "kill", signal="KILL", target="victim", to="1000"),
            Act("kill $other 9", 0, 0),
            deny("ptrace $victim", PERM, 0, "ptrace", "ptrace", target="victim", to="1000"),
            deny("traceme", ACCES, None, "traceme", "traceme", by="sniff", to="0"),
            Act("traceme", 0, None),
            deny("finit /etc/passwd", NODEV, None, "finit", "module-load", path="/etc/passwd"),
            Act("finit /tmp/gone", NOEXEC, None),
            deny("init", PERM, None, "init", "module-load", flags="anon"),
            deny("kexec", BUSY, None, "kexec", "kexec-load", flags="anon"),
            deny("bpf", PERM, 0, "bpf", "bpf", by="sniff", cmd="prog-load", prog_type="1"),
            Act("bpf", 0, 1),
            deny("setuid 1234", PERM, 0, "setuid", "setuid", to="1234"),
            Act("setuid 1235", 0, 1235),
            deny("mount none /mnt/no tmpfs", NFILE, 0, "mount", "mount", path="/mnt/no", dev="none", fstype="tmpfs"),
            Act("mount none /mnt/yes tmpfs", 0, 1),
            deny("mmap", ACCES, 0, "mmap", "mmap", by="wx", flags="write+exec+anon"),
            Act("mmap", 0, 1),
            deny("mprotect", ACCES, 0, "mprotect", "mprotect", by="wx", flags="write+exec+anon"),
            Act("mprotect", 0, 42),
            deny("unlink /tmp/keep1", ROFS, 1, "unlink", "unlink", path="/tmp/keep1"),
            deny("uring-unlink /tmp/keep1", ROFS, 1, "unlink", "unlink", worker=True, path="/tmp/keep1"),
            deny("worker-unlink /tmp/keep1", ROFS, 1, "unlink", "unlink", worker=True, path="/tmp/keep1"),
            deny("unlink32 /tmp/keep1", ROFS, 1, "unlink", "unlink", path="/tmp/keep1"),
            Act("unlink /tmp/other1", 0, 0),
            Act("uring-unlink /tmp/other2", 0, 0),
            Act("unlink32 /tmp/other3", 0, 0),
            deny("unlink /tmp/wx", PERM, 1, "running", "unlink-running", by="wx", path="/tmp/wx"),
            Act("unlink /tmp/gates", 0, 0),
        ]
        # Without the defaults: only lines tell here.
        config = "stats_interval = 1\noff all\n" + "\n".join(self.RULES_OF_POLICY.values()) + "\n"
        before = """
chmod 755 /tmp/denied /tmp/allowed /tmp/gone
ln -s denied /tmp/link
touch /tmp/keep1 /tmp/other1 /tmp/other2 /tmp/other3
need ping -c 1 -W 8 $HOST_IP
echo LAB-READY
sleep 2
"""
        files = {f"tmp/{name}": elf(7) for name in ("denied", "allowed", "gone")}
        run = self.acts(acts, *self.kernel(), before=before, host=PEER, config=config, files=files)
        peers = sorted(int(m.group(1)) for m in lines_of(run.said, r"PEER (\d+)"))
        self.assertEqual(peers, [4445, 4445, 4445])
        last = run.last()
        told = [e for e in run.of("syscall") if e["syscall"].get("denied")]
        self.assertEqual(len(told), sum(bool(a.gate) for a in acts))
        self.assertEqual(last["introspection"]["policy_denied"], len(told))
        self.assertEqual(last["hooks"]["denied"], len(told))
        self.assertEqual(last["hooks"]["undecided"], 0)
        lines = config.splitlines()
        for event in told:
            self.assertEqual(lines[event["syscall"]["line"] - 1], event["syscall"]["rule"])


class Denied612(Denied):
    """The same on the kernel of bookworm-backports: other structures."""

    def kernel(self) -> list[str]:
        other = fetched("kernel-6.12")
        if other is None:
            self.skipTest("the 6.12 kernel of bookworm-backports cannot be fetched here")
        return ["--kernel", str(other / "vmlinuz"), "--modules", str(other / "modules")]


class WithoutBtf(LabCase):
    """A kernel that can't be held to the lines: the log and an event say so at the start."""

    def test_told(self) -> None:
        run = self.good(self.lab(
            "touch /tmp/x\ngates unlink /tmp/x\nsleep 2\n", *self.without_btf(),
            config="stats_interval = 2\ndeny unlink\n",
        ))
        told = [e["hypervisor"].get("policy") for e in run.of("hypervisor", "introspection")]
        self.assertEqual(told, [self.REASON])
        self.said(run, self.REASON)
        self.assertEqual([(g.err, g.value) for g in gated(run)], [(0, 0)])
        self.assertEqual(run.of("syscall"), [])

    REASON = "policy does not hold: the kernel's structures are not known"


class Alerted(Gates):
    """`alert` tells what goes through; the first line that matches holds, `allow` before it tells nothing."""

    CONFIG = """stats_interval = 1
off all
allow unlink path=/tmp/quiet*
alert unlink path=/tmp/*
alert connect dport=4444 uid=1000
alert exec path=/tmp/prog uid=!0
"""

    def test_alert(self) -> None:
        unlink, connect, execute = self.CONFIG.splitlines()[3:6]
        acts = [
            Act("unlink /tmp/quiet", 0, 0),
            Act("unlink /tmp/loud", 0, 0, "unlink", unlink, {"path": "/tmp/loud"}),
            Act(f"connect {HERE} 4444", CONNREFUSED, None, "connect", connect, {"dport": "4444"}, uid=1000),
            Act(f"connect {HERE} 4444", CONNREFUSED, None),
            Act(f"connect {HERE} 4445", CONNREFUSED, None, uid=1000),
            Act("exec /tmp/prog", 0, 7, "exec", execute, {"path": "/tmp/prog"}, uid=1000, by="prog-of"),
            Act("exec /tmp/prog", 0, 7),
        ]
        before = "touch /tmp/quiet /tmp/loud; chmod 755 /tmp/prog\n"
        self.acts(acts, before=before, files={"tmp/prog": elf(7)})


class Race(LabCase):
    """A path that another thread changes between the check and the use: the denied one never runs."""

    TRIES = 2000
    CONFIG = "stats_interval = 2\noff all\ndeny exec path=/tmp/race-b\n"

    def test_exec(self) -> None:
        init = f"chmod 755 /tmp/race-a /tmp/race-b\nsleep 2\ngates race /tmp/race-a /tmp/race-b {self.TRIES}\nsleep 12\n"
        files = {"tmp/race-a": elf(0), "tmp/race-b": elf(7)}
        run = self.good(self.lab(init, "--smp", "2", files=files, timeout=900.0))
        got = {g.name: g.value for g in gated(run)}
        self.note(str(got))
        self.assertEqual(got["race"], 0, "the denied program ran")
        self.assertEqual(got["race-other"], 0)
        self.assertEqual(got["race-allowed"] + got["race-failed"], self.TRIES)
        # Else there was no race.
        self.assertGreater(got["race-allowed"], self.TRIES // 20)
        self.assertGreater(got["race-failed"], self.TRIES // 20)
        last = run.last()
        self.assertEqual(last["introspection"]["policy_denied"], got["race-failed"])
        self.assertEqual(last["hooks"]["undecided"], 0)
        # All denials are told, one by one or in a sum.
        told = [e["syscall"] for e in run.of("syscall")]
        count = sum(b.get("held_back_denied", 1) for b in told)
        self.assertEqual(count, got["race-failed"])
        self.assertLess(len(told), self.TRIES // 2)


class Default(Gates):
    """Without a line of policy: what is told of an attacker's calls, and that daily work says nothing."""

    CONFIG = "stats_interval = 2\n"
    # What a shell does all day, with sockets that are not of IP, unlinks, signals to its own.
    BENIGN = """
echo "script: pid $$"
sleep 1
for i in 1 2 3 4 5; do
	ls -l /proc /tmp > /dev/null; sort /etc/passwd | grep -c root > /tmp/out; rm /tmp/out
done
sleep 100 & kill $!
kill -0 1
ps > /dev/null
ln -s /tmp/x /tmp/y; mv /tmp/y /tmp/z; rm /tmp/z
ip link > /dev/null; hostname > /dev/null
gates setuid 1000 > /dev/null
gates -u 1000 mmap > /dev/null
gates unlink /tmp/none > /dev/null
sleep 2
"""

    def test_default_set(self) -> None:
        tcp = {"family": "inet", "type": "stream", "proto": "tcp"}
        here = {"addr": HERE, **tcp}
        acts = [
            Act("memfd /tmp/prog", 0, 7, "memfd-exec", args={"path": "/memfd:gates", "flags": "memfd+deleted"}),
            Act(f"connect {HERE} 81", CONNREFUSED, None, "connect", args={"dport": "81", **here}),
            Act(f"uring-connect {HERE} 82", CONNREFUSED, None, "connect", args={"dport": "82", **here}),
            Act(f"worker-connect {HERE} 83", CONNREFUSED, None, "connect", worker=True,
                args={"dport": "83", "flags": "io_uring", **here}),
            Act("bind 0.0.0.0 84", 0, 84, "bind", args={"sport": "84", **tcp, "addr": "0.0.0.0"}),
            Act(f"listen {HERE} 85", 0, 1, "listen", also=("bind",), args={"sport": "85", **here}),
            Act(f"accept {HERE} 86", 0, 1, "accept", also=("bind", "listen", "connect"), args={"sport": "86", **here}),
            Act("raw", 0, 1, "raw", args={"family": "inet", "type": "raw", "proto": "icmp"}),
            Act("packet", 0, 1, "packet", args={"family": "packet", "type": "raw", "proto": "3"}),
            Act("ptrace $victim", 0, 1, "ptrace", args={"target": "victim", "to": "1000"}),
            Act("traceme", 0, None, "traceme", args={"to": "0"}),
            Act("kill $victim 0", 0, None),  # asks, no more
            Act("kill $victim 9", 0, 0, "kill", args={"signal": "KILL", "target": "victim", "to": "1000"}),
            Act("finit /etc/passwd", NOEXEC, None, "module-load", args={"path": "/etc/passwd"}),
            Act("init", NOEXEC, None, "module-load", args={"path": "?", "flags": "anon"}),
            Act("kexec", 0, None, "kexec-load", args={"flags": "anon"}),
            Act("bpf", 0, 1, "bpf", args={"cmd": "prog-load"}),
            Act("mount none /mnt/yes tmpfs", 0, 1, "mount", args={"path": "/mnt/yes", "dev": "none", "fstype": "tmpfs"}),
            Act("mprotect", 0, 42),
            Act("exec /tmp/prog", 0, 7),
            Act("unlink /tmp/hosts", 0, 0),
            Act("unlink /tmp/own", 0, 0, "unlink-running", args={"path": "/tmp/own"}, by="own"),
            Act("unlink32 /tmp/own2", 0, 0, "unlink-running", args={"path": "/tmp/own2"}, by="own2"),
            Act("uring-unlink /tmp/own3", 0, 0, "unlink-running", args={"path": "/tmp/own3"}, by="own3", worker=True),
            # Back to root by the saved user, and by a program that belongs to root.
            Act("regain 1000", 0, 0, "creds", also=("setuid",), args={"to": "0"}, then=1000),
            Act("exec /tmp/root", 0, 7, "creds", args={"to": "0"}, uid=1000),
        ]
        before = self.BENIGN + "chmod 755 /tmp/prog; chmod 4755 /tmp/root; touch /tmp/hosts\n"
        run = self.acts(acts, before=before, files={"tmp/prog": elf(7), "tmp/root": elf(7)})
        # All else that is told was told while the guest booted.
        script = int(next(lines_of(run.console, r"script: pid (\d+)")).group(1))
        acted = {g.pid for g in gated(run)}
        rest = [e for e in run.of("syscall") if e.get("process", {}).get("tgid") not in acted]
        self.assertTrue(rest)
        self.assertEqual({e["syscall"]["name"] for e in rest}, {"mount", "module-load"})
        self.assertEqual([e for e in rest if e["process"]["pid"] >= script], [])

    def test_bounded(self) -> None:
        """Connections far faster than the alert port: five lines a second, the others as a number."""
        init = "sleep 1\ngates connects 127.0.0.1 81 2000\nsleep 6\n"
        run = self.good(self.lab(init))
        pid = gated(run)[0].pid
        self.assertEqual(gated(run)[0].value, 2000)
        told = [e["syscall"] for e in run.of("syscall") if e["syscall"]["name"] == "connect"]
        single = [b for b in told if "held_back" not in b]
        self.assertEqual(len(single) + sum(b["held_back"] for b in told if "held_back" in b), 2000)
        self.assertEqual(len(calls_of(run, pid)), len(single))
        self.assertLess(len(told), 200)
        last = run.last()
        self.assertEqual(last["introspection"]["policy_held"], 2000 - len(single))
        self.assertEqual(last["sentry"]["events_lost"], 0)


class Traced(LabCase):
    """`trace`: every system call of a process, by both conventions, as many as strace counts."""

    CONFIG = "stats_interval = 2\noff all\ntrace comm=traced\n"
    GUEST = "cp /bin/gates /tmp/traced\nsleep 2\ngates count /tmp/traced calls {n}\nsleep {rest}\n"

    def counted(self, run: Run) -> tuple[int, int]:
        """System calls of the traced program by the guest's own count: 64-bit and 32-bit ones."""
        got = {g.name: g for g in gated(run)}
        self.assertEqual((got["count"].err, got["count32"].err), (0, 0))
        return got["count"].value, got["count32"].value

    def test_chosen(self) -> None:
        calls = 40
        run = self.good(self.lab(self.GUEST.format(n=calls, rest=8)))
        by64, by32 = self.counted(run)
        self.assertEqual(by32, calls)
        self.assertGreater(by64, calls)
        told = [e["syscall"] for e in run.of("syscall")]
        self.assertEqual({e["process"]["comm"] for e in run.of("syscall")}, {"traced"})
        self.assertEqual(sum(b["abi"] == "x86-64" for b in told), by64)
        self.assertEqual(sum(b["abi"] == "i386" for b in told), by32)
        self.assertEqual([b["nr"] for b in told if b["name"] == "getppid" and b["abi"] == "x86-64"], [110] * (calls + 1))
        self.assertEqual([b["nr"] for b in told if b["name"] == "getpid" and b["abi"] == "i386"], [20] * calls)
        self.assertEqual(told[-1]["name"], "exit_group")
        self.assertEqual(told[-1]["args"][0], "0x0")
        writes = [b["args"] for b in told if b["name"] == "write"]
        self.assertEqual(writes[-1][0], "0x1")

    def test_all(self) -> None:
        """Of all processes, from the guest's first: far more than can be told, but each is counted."""
        run = self.good(self.lab(self.GUEST.format(n=1000, rest=30), config=self.CONFIG + "trace all\n", timeout=900.0))
        by64, by32 = self.counted(run)
        bodies = [e["syscall"] for e in run.of("syscall")]
        single = sum("held_back" not in b for b in bodies)
        held = sum(b.get("held_back", 0) for b in bodies)
        last = run.last()
        hits, lost = last["introspection"]["policy_hits"], last["sentry"]["events_lost"]
        self.note(f"strace {by64} + {by32}; {hits} calls, {single} told, {held} held back, {lost} events lost")
        self.assertEqual(held, last["introspection"]["policy_held"])
        self.assertGreater(hits, by64 + by32)
        # What the alert port has no room for is lost, and counted. Others are among the lost ones.
        self.assertLessEqual(single + held, hits)
        self.assertGreaterEqual(single + held + lost, hits)
        self.assertEqual(last["hooks"]["undecided"], 0)

    def test_all_counted(self) -> None:
        """None of them told: 2,000 calls more of each kind are 4,000 hits more."""
        few, many = 10, 2010
        init = f"""
sleep 4
gates calls {few}
sleep 4
gates calls {many}
sleep 4
"""
        run = self.good(self.lab(init, config="stats_interval = 1\noff all\ntrace all nr=9999\n", timeout=900.0))
        self.assertEqual([g.value for g in gated(run)], [2 * few, 2 * many])
        self.assertEqual(run.of("syscall"), [])
        told = [b["introspection"]["policy_hits"] for b in run.stats()]
        bursts = [0]  # hits of a second and those after it, up to one in which the guest sleeps
        for old, new in zip(told, told[1:]):
            if new - old < 5:
                bursts.append(0)
            bursts[-1] += new - old if new - old >= 5 else 0
        bursts = [b for b in bursts if b]
        self.note(f"bursts of system calls: {bursts}")
        most = bursts.index(max(bursts))
        # Else the two are alike, but for what a second's border cuts off.
        self.assertLessEqual(abs(bursts[most] - bursts[most - 1] - 2 * (many - few)), 40)


if __name__ == "__main__":
    unittest.main()
