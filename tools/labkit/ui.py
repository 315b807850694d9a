"""What the user sees: stages with elapsed time, the guest's lines, Vigil's log and events."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any

from .eve import event_line

SHOW = ("alerts", "all", "none")
RED, YELLOW, GREEN, CYAN, DIM, OFF = (
    "\x1b[1;31m",
    "\x1b[33m",
    "\x1b[32m",
    "\x1b[36m",
    "\x1b[2m",
    "\x1b[0m",
)
ALERT_TYPES = ("alert", "anomaly", "integrity")
STATUS_INTERVAL = 0.2


class Ui:
    """Coloured, with a status line at the bottom, on a terminal; plain lines otherwise."""

    def __init__(self, show: str) -> None:
        self.show = show
        self.tty = sys.stdout.isatty()
        self.begun = time.monotonic()
        self.stage_name = "preparing"
        self.counts: Counter[str] = Counter()
        self._drawn = 0.0

    def elapsed(self) -> float:
        return time.monotonic() - self.begun

    def _line(self, text: str, colour: str = "") -> None:
        # Text of the guest may hold anything: no control character of it reaches the terminal.
        clean = "".join(c if c.isprintable() or c == "\t" else "?" for c in text)
        if self.tty:
            print(f"\r\x1b[K{colour}{clean}{OFF if colour else ''}", flush=True)
            self._drawn = 0.0
            self.status()
        else:
            print(clean, flush=True)

    def status(self) -> None:
        """Redraw the status line (terminal only)."""
        now = time.monotonic()
        if not self.tty or now - self._drawn < STATUS_INTERVAL:
            return
        self._drawn = now
        counts = " ".join(f"{k}:{v}" for k, v in sorted(self.counts.items()))
        print(
            f"\r\x1b[K{DIM}[{self.elapsed():6.1f} s] {self.stage_name}  {counts}{OFF}",
            end="",
            flush=True,
        )

    def clear(self) -> None:
        """Take the status line away; the end."""
        if self.tty:
            print("\r\x1b[K", end="", flush=True)

    def stage(self, name: str) -> None:
        """A new stage of the run."""
        self.stage_name = name
        if self.show != "none":
            self._line(f"lab: [{self.elapsed():6.1f} s] {name}", CYAN)

    def note(self, text: str) -> None:
        """Something the user must know, whatever is shown."""
        self._line(f"lab: {text}", YELLOW)

    def guest(self, text: str) -> None:
        """A line of the guest's console."""
        if self.show != "none":
            self._line(f"guest: {text}")

    def host(self, text: str) -> None:
        """A line of the host script."""
        if self.show != "none":
            self._line(f"host: {text}")

    def log(self, text: str) -> None:
        """A line of Vigil's plain log."""
        if self.show != "none":
            self._line(text, YELLOW)

    def event(self, event: dict[str, Any]) -> None:
        """An EVE event."""
        kind = str(event.get("event_type"))
        self.counts[kind] += 1
        body = event.get(kind)
        action = body.get("action") if isinstance(body, dict) else None
        wanted = kind in ALERT_TYPES or (kind == "hypervisor" and action != "stats")
        wanted = wanted or (kind == "process" and action in ("hidden", "unhidden"))
        if self.show == "none" or not (
            wanted or (self.show == "all" and kind != "stats" and action != "stats")
        ):
            self.status()
            return
        colour = {"alert": RED if action == "blocked" else YELLOW, "hypervisor": GREEN}.get(
            kind, ""
        )
        self._line(event_line(event), colour)
