"""One run of tools/lab as a test sees it: scripts in, console, events and summary out."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parent.parent.parent
BUILD = TOP / os.environ.get("VIGIL_BUILD", "build")
LAB = TOP / "tools" / "lab"
GUEST_BIN = BUILD / "guest" / "bin"
KEEP = BUILD / "test-runs"
# The magic number of BTF in its header, as it stands verbatim in a kernel image compressed by LZ4.
BTF = b"\x9f\xeb\x01\x00"
TIMEOUT = 400.0  # wall seconds of a run; a bound against hanging, no figure of merit
UNAVAILABLE = 77

# Fields of every event, and of the kinds that have more (DESIGN.md section 7).
HEAD = {"timestamp": str, "event_type": str, "seq": int, "host": str, "boot": str}
TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d{4}$")
ALERT = {
    "flow_id": int, "community_id": str, "in_iface": str, "direction": str, "src_ip": str, "dest_ip": str,
    "proto": str, "alert": dict,
}
ALERT_BODY = {
    "action": str, "gid": int, "signature_id": int, "rev": int, "signature": str, "category": str, "severity": int,
}
PROCESS_BODY = {"action": str}
ADDRESS_SPACE = {"cr3": str, "cpu": int, "start": str}  # seen and gone
TASK = {"pid": int, "tgid": int, "ppid": int, "uid": int, "comm": str}  # all others
KINDS = {"alert", "drop", "flow", "anomaly", "stats", "process", "syscall", "integrity", "hypervisor"}
# What Linux says when something is badly wrong with it.
LINUX_TROUBLE = re.compile(
    r"nobody cared|Kernel panic|Oops|BUG:|soft lockup|rcu.*stall|Call Trace|NETDEV WATCHDOG|"
    r"tx timeout|general protection|unhandled|segfault|Segmentation fault", re.I)


@dataclass
class Run:
    """What a run left."""

    status: int
    said: str  # the lab's own words
    console: str
    events: list[dict[str, Any]]
    summary: dict[str, Any]
    bad_lines: list[str] = field(default_factory=list)

    def of(self, kind: str, action: str = "") -> list[dict[str, Any]]:
        """The events of a kind, and of an action of that kind."""
        return [e for e in self.events if e["event_type"] == kind and (not action or e[kind].get("action") == action)]

    def stats(self) -> list[dict[str, Any]]:
        """The bodies of the `hypervisor` stats events, in the order of their numbers."""
        return [e["hypervisor"] for e in sorted(self.of("hypervisor", "stats"), key=lambda e: e["seq"])]

    def last(self) -> dict[str, Any]:
        """The last counters."""
        return self.stats()[-1]

    def alerts(self, sid: int) -> list[dict[str, Any]]:
        return [e for e in self.of("alert") if e["alert"]["signature_id"] == sid]

    def phase(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The counters before and after a phase that the guest marked by `mark NAME-begin`/`-end`.

        Marks are datagrams that a rule of LabCase.MARKS tells of. The guest lets two seconds pass at
        each, so that a stats event lies before the first and one after the last.
        """
        marks = {}
        for event in self.of("alert"):
            found = re.search(r"MARK (\S+)$", event["alert"]["signature"])
            if found:
                marks.setdefault(found.group(1), event["timestamp"])
        begin, end = marks[f"{name}-begin"], marks[f"{name}-end"]
        told = sorted(((e["timestamp"], e["hypervisor"]) for e in self.of("hypervisor", "stats")), key=lambda t: t[0])
        before = [body for when, body in told if when < begin]
        after = [body for when, body in told if when > end]
        return before[-1], after[0]


class LabCase(unittest.TestCase):
    """Runs the lab and checks what every run must fulfil."""

    maxDiff = None
    RULES = ""  # rules of this class' runs
    CONFIG = ""  # lines for vigil.cfg

    def lab(
        self, init: str | None, *args: str, host: str | None = None, files: dict[str, Path | bytes] | None = None,
        rules: str | None = None, config: str | None = None, esp: dict[str, Path] | None = None,
        timeout: float = TIMEOUT, overlay: bool = True,
    ) -> Run:
        """One run. `init` and `host` are scripts' texts; `files` go into the guest beside tests/guest's."""
        keep = KEEP / self.id().replace("/", "-")
        with tempfile.TemporaryDirectory(prefix="vigil-linux-") as folder:
            work = Path(folder)
            command = [str(LAB), "run", "--platform", "bochs", "--timeout", f"{timeout:g}"]
            if init is not None:
                command += ["--init", str(script(work / "init.sh", "#!/bin/sh\n" + GUEST_LIBRARY + init))]
            if host is not None:
                command += ["--host-script", str(script(work / "host", host))]
            if host is not None or "tap" in args:
                command += [] if "--net" in args else ["--net", "tap"]
            rules = self.RULES if rules is None else rules
            if rules:
                (work / "test.rules").write_text(rules, encoding="ascii")
                command += ["--rules", str(work / "test.rules")]
            config = self.CONFIG if config is None else config
            if config:
                (work / "vigil.cfg").write_text(config, encoding="ascii")
                command += ["--config", str(work / "vigil.cfg")]
            if overlay:
                tree = work / "overlay"
                for program in GUEST_BIN.iterdir():
                    put(tree / "bin" / program.name, program)
                for name, content in (files or {}).items():
                    put(tree / name, content)
                command += ["--overlay", str(tree)]
            for name, content in (esp or {}).items():
                put(work / "esp" / name, content)
                if "--esp" not in command:
                    command += ["--esp", str(work / "esp")]
            for name in ("eve", "console", "json"):
                command += [f"--{name}", str(work / name)]
            command += ["--keep", str(work / "logs"), *args]
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout + 300, check=False,
                env={**os.environ, "GUEST_BIN": str(GUEST_BIN)},
            )
            said = done.stdout + done.stderr
            shutil.rmtree(keep, ignore_errors=True)
            shutil.copytree(work, keep, ignore=shutil.ignore_patterns("overlay", "esp"))
            (keep / "said").write_text(said, encoding="utf-8")
            print(f"--- {' '.join(command)}\n{said}--- status {done.returncode}", flush=True)
            if done.returncode == UNAVAILABLE:
                self.skipTest(said.strip().rpartition("\n")[2])
            run = Run(done.returncode, said, read(work / "console"), [], {})
            for line in read(work / "eve").splitlines():
                try:
                    run.events.append(json.loads(line, object_pairs_hook=no_doubles))
                except ValueError as error:
                    run.bad_lines.append(f"{error}: {line}")
            if (work / "json").exists():
                run.summary = json.loads(read(work / "json"))
        return run

    def good(self, run: Run, status: int = 0) -> Run:
        """The run ended as it should, and what it told is well formed and complete."""
        tail = "\n".join(run.console.splitlines()[-25:])
        self.assertEqual(run.status, status, f"{run.said[-3000:]}\n--- console:\n{tail}")
        trouble = [line for line in run.console.splitlines() if LINUX_TROUBLE.search(line)]
        self.assertEqual(trouble, [], "Linux complains")
        if run.summary.get("events"):
            self.check_events(run)
        return run

    def check_events(self, run: Run) -> None:
        """Each line is an event of the schema; numbers are complete but for those told as lost."""
        self.assertEqual(run.bad_lines, [])
        # The machine is switched off at the end, which may cut the last line; no other.
        self.assertLessEqual(run.summary["broken_lines"], 1)
        for event in run.events:
            self.has(event, HEAD)
            self.assertRegex(event["timestamp"], TIMESTAMP)
            self.assertIn(event["event_type"], KINDS)
            if event["event_type"] == "alert":
                self.has(event, ALERT)
                self.has(event["alert"], ALERT_BODY)
                if event["proto"] in ("TCP", "UDP"):
                    self.has(event, {"src_port": int, "dest_port": int})
                self.assertIn(event["alert"]["action"], ("allowed", "blocked"))
            elif event["event_type"] == "process":
                self.has(event["process"], PROCESS_BODY)
                space = event["process"]["action"] in ("seen", "gone")
                folded = "count" in event["process"]
                self.has(event["process"], ADDRESS_SPACE if space else {"execs": int} if folded else TASK)
        self.assertEqual(len({e["boot"] for e in run.events}), 1)
        numbers = [e["seq"] for e in run.events]
        self.assertEqual(len(numbers), len(set(numbers)), "a number came twice")
        told = sum(e["hypervisor"]["count"] for e in run.of("hypervisor", "lost"))
        # What waited behind the last counters is cut off with the machine.
        end = max((e["seq"] for e in run.of("hypervisor", "stats")), default=max(numbers))
        missing = sorted(set(range(1, end)) - set(numbers))
        if not told:
            self.assertEqual(missing, [], "numbers are missing and no loss is told")
        self.missing, self.told = len(missing), told

    def has(self, thing: dict[str, Any], fields: dict[str, type]) -> None:
        for name, kind in fields.items():
            self.assertIn(name, thing)
            self.assertIsInstance(thing[name], kind, f"{name} of {thing}")

    def said(self, run: Run, text: str) -> None:
        """The lab, the guest or the host's script said `text` (assertIn would show all that was said)."""
        self.assertTrue(text in run.said, f"not said: {text}\n{run.said[-2000:]}")

    def note(self, text: str) -> None:
        """A figure for the log."""
        print(f"FIGURE {self.id().partition('.')[2]}: {text}", flush=True)

    def without_btf(self) -> list[str]:
        """Arguments of the lab for a kernel whose types are not described."""
        kernel = fetched("kernel-cloud")
        if kernel is None:
            self.skipTest("kernel-cloud cannot be fetched here")
        image = (kernel / "vmlinuz").read_bytes()
        if image.count(BTF) != 1:
            self.skipTest(f"the image of this kernel has the magic of BTF {image.count(BTF)} times")
        # pylint: disable-next=consider-using-with
        folder = tempfile.TemporaryDirectory(dir=BUILD)
        self.addCleanup(folder.cleanup)
        other = Path(folder.name) / "vmlinuz"
        other.write_bytes(image.replace(BTF, b"\0" + BTF[1:]))
        return ["--kernel", str(other), "--modules", str(kernel / "modules")]


# What the guest's scripts may use. `mark` is seen by Run.phase; `need` ends the run with a status of
# its own when a command fails.
GUEST_LIBRARY = r"""
number=0
need() {
	number=$((number + 1))
	"$@" || { echo "FAILED (step $number): $*"; exit $((100 + number)); }
	echo "done (step $number): $*"
}
mark() {
	sleep 2
	udp send $HOST_IP 9 "MARK-$1" || exit 99
	sleep 2
}
"""


def marks(*phases: str) -> str:
    """Rules that tell of the marks of these phases."""
    lines = []
    for number, phase in enumerate(phases):
        for half, end in enumerate(("begin", "end")):
            lines.append(
                f'alert udp any any -> any 9 (msg:"MARK {phase}-{end}"; content:"MARK-{phase}-{end}"; '
                f"sid:{900000 + 2 * number + half}; rev:1;)\n"
            )
    return "".join(lines)


def script(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def put(path: Path, content: Path | bytes) -> None:
    """A file with a content, or a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        shutil.copy2(content, path)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys must not come twice: readers would keep either of them."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r} twice")
        found[key] = value
    return found


def fetched(name: str) -> Path | None:
    """What tools/deps fetch has, or None if it can't be had here."""
    done = subprocess.run([TOP / "tools/deps", "fetch", name], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def lines_of(text: str, pattern: str) -> Iterator[re.Match[str]]:
    for line in text.splitlines():
        found = re.search(pattern, line)
        if found:
            yield found
