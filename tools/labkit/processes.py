"""The guest's processes as the event stream tells them: a tree with what each is noted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PROCESSES_MAX = 1 << 16  # in all, living or gone: a stream without end must not eat the memory
DEPTH_MAX = 64


@dataclass
class Process:
    """One process: from its first event on."""

    pid: int
    ppid: int = 0
    uid: int | None = None
    comm: str = ""
    exe: str = ""
    start: str = ""
    alive: bool = True
    hidden: list[str] = field(default_factory=list)  # the views that miss it
    notes: Counter[str] = field(default_factory=Counter)  # denied, network, alert, integrity, syscall

    def flags(self) -> str:
        """Short words for what it is noted for."""
        words = [f"HIDDEN({','.join(self.hidden)})"] if self.hidden else []
        words += [f"{name}:{count}" for name, count in sorted(self.notes.items())]
        if not self.alive:
            words.append("gone")
        return " ".join(words)


class Processes:
    """Feed it events; ask it for the tree."""

    def __init__(self) -> None:
        self.by_pid: dict[int, Process] = {}
        self.folded = 0  # processes that a line only counted
        self.unknown = 0  # address spaces whose process is not known

    def event(self, event: dict[str, Any]) -> None:
        """Take one EVE event of any kind."""
        kind = event.get("event_type")
        body = event.get("process")
        if not isinstance(body, dict):
            return
        if kind == "process" and "pid" not in body:
            self.unknown += body.get("action") == "seen"
            return
        process = self._process(body)
        if process is None:
            return
        if kind == "process":
            self._life(process, body)
            return
        process.notes[self._note(kind, event)] += 1

    @staticmethod
    def _note(kind: object, event: dict[str, Any]) -> str:
        if kind == "syscall":
            call = event.get("syscall")
            return "denied" if isinstance(call, dict) and call.get("denied") else "syscall"
        if kind in ("flow", "http", "dns", "tls"):
            return "network"
        return str(kind)

    def _process(self, body: dict[str, Any]) -> Process | None:
        pid = body.get("tgid", body.get("pid"))
        if not isinstance(pid, int):
            return None
        process = self.by_pid.get(pid)
        # A number used again: a new process.
        if process is None or (not process.alive and body.get("action") == "fork"):
            if len(self.by_pid) >= PROCESSES_MAX:
                self._forget_gone()
            process = self.by_pid[pid] = Process(pid)
        for key in ("ppid", "uid", "comm", "exe", "start"):
            value = body.get(key)
            if isinstance(value, (int, str)) and value != "":
                setattr(process, key, value)
        return process

    def _life(self, process: Process, body: dict[str, Any]) -> None:
        action = body.get("action")
        if action == "exit":
            process.alive = False
        elif action in ("fork", "exec", "seen"):
            process.alive = True
        elif action == "hidden":
            views = body.get("views")
            process.hidden = sorted(k for k, v in views.items() if v is False) if isinstance(views, dict) else ["?"]
        elif action == "unhidden":
            process.hidden = []
        count = body.get("count")
        if isinstance(count, int) and count > 1:
            self.folded += count - 1

    def _forget_gone(self) -> None:
        self.by_pid = {pid: p for pid, p in self.by_pid.items() if p.alive or p.notes or p.hidden}
        if len(self.by_pid) >= PROCESSES_MAX:
            self.by_pid.clear()

    def tree(self, gone: bool = False) -> Iterator[tuple[int, Process]]:
        """Depth and process, parents before their children. `gone`: those that ended as well; without,
        only those of them that are noted for something."""
        shown = {pid: p for pid, p in self.by_pid.items() if p.alive or gone or p.notes or p.hidden}
        children: dict[int, list[int]] = {}
        roots = []
        for pid, process in sorted(shown.items()):
            if process.ppid in shown and process.ppid != pid:
                children.setdefault(process.ppid, []).append(pid)
            else:
                roots.append(pid)
        done: set[int] = set()
        # What hangs in a loop (a forged parent) has no root: it follows as one.
        for root in [*roots, *sorted(shown)]:
            stack = [(0, root)]
            while stack:
                depth, pid = stack.pop()
                if pid in done:
                    continue
                done.add(pid)
                yield min(depth, DEPTH_MAX), shown[pid]
                stack += [(depth + 1, child) for child in reversed(children.get(pid, []))]


def table(processes: Processes, gone: bool = False) -> list[str]:
    """The tree as lines of text; nothing of the guest's but printable characters."""
    lines = [f"{'PID':>7} {'UID':>6} {'START':15} {'PROCESS':44} NOTED FOR"]
    for depth, p in processes.tree(gone):
        name = "  " * depth + (p.comm or "?") + (f" ({p.exe})" if p.exe else "")
        clock = p.start[11:26] if len(p.start) > 11 else ""
        uid = "?" if p.uid is None else p.uid
        line = f"{p.pid:>7} {uid:>6} {clock:15} {name:44} {p.flags()}".rstrip()
        lines.append("".join(c if c.isprintable() else "?" for c in line))
    if processes.folded:
        lines.append(f"and {processes.folded} short-lived ones that were told in numbers only")
    if processes.unknown:
        lines.append(f"and {processes.unknown} address spaces whose process is not known")
    return lines
