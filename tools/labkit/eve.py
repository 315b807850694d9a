"""What comes over the alert channel and the console: lines, EVE events, their summary."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

# Exits that the network path may cause: register accesses, polls, interrupts; not those of
# address-space switches, CPUID and MSRs.
NETWORK_EXITS = ("io", "preemption_timer", "ept_violation", "exception", "external_interrupt")
# Frames between two `stats` that make the time between them a bulk transfer.
BULK_FRAMES = 200
UART_FIFO = 16  # bytes of the alert port that one timer exit refills (PC16550D, 8.6.2)
MAX_LINE = 1 << 16  # a longer line is cut: a broken or hostile sender must not eat the memory
# CSI and other escape sequences that firmware sends to a serial console.
ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?=]*[A-Za-z]|[()][A-Za-z0-9]|[=>78cDEHM])")


class Lines:
    """Cuts a byte stream into lines (without CR, LF)."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes."""
        parts = (self._rest + data).split(b"\n")
        self._rest = parts.pop()
        if len(self._rest) > MAX_LINE:
            parts.append(self._rest[:MAX_LINE])
            self._rest = b""
        return [p.strip(b"\r") for p in parts]

    def rest(self) -> bytes:
        """What is left without a line end; the stream is over."""
        rest, self._rest = self._rest, b""
        return rest.strip(b"\r")


def plain(line: bytes) -> str:
    """A console line as text, escape sequences removed."""
    return ESCAPES.sub(b"", line).decode("utf-8", "replace").replace("\0", "").strip("\r")


class Channel:
    """Everything Vigil said: events counted, the last `stats` kept, failures noticed."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()  # hypervisor/action, alert/action, process/action
        self.stats: dict[str, Any] = {}
        self.stats_seen = 0
        self.base: dict[str, Any] | None = None  # the `stats` when the guest got ready
        self.quiet_stats = 0  # stats events in a row with no other event between them
        self.ready = False
        self.failure: str | None = None
        self.broken = 0  # lines that begin like an event and are none
        self.holes = 0  # events whose seq says that others were lost before them
        self._seq: int | None = None
        # Of the intervals with bulk traffic: frames, exits that the network path may have caused, and
        # those of them that refilled the alert port, which go on whether there is traffic or not.
        self.bulk: Counter[str] = Counter()

    def line(self, line: bytes) -> dict[str, Any] | None:
        """Take one line; the event it holds, None for a plain log line."""
        if not line.startswith(b"{"):
            text = plain(line)
            if self.failure is None and is_failure(text):
                self.failure = text.strip()
            return None
        try:
            event = json.loads(line)
            kind = event["event_type"]
            if not isinstance(kind, str):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            self.broken += 1
            return None
        self.events[kind] += 1
        self._sequence(event.get("seq"))
        body = event.get(kind)
        action = body.get("action") if isinstance(body, dict) else None
        if isinstance(action, str):
            self.actions[f"{kind}/{action}"] += 1
        if kind == "hypervisor" and action == "stats" and isinstance(body, dict):
            self._bulk(self.stats, body)
            self.stats = body
            self.stats_seen += 1
            self.quiet_stats += 1
        elif kind != "stats":  # which comes with them
            self.quiet_stats = 0
            if kind == "hypervisor" and action == "ready":
                self.ready = True
        return event

    def _bulk(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        def moved(group: str, key: str) -> int:
            a, b = old.get(group), new.get(group)
            if not isinstance(a, dict) or not isinstance(b, dict):
                return 0
            x, y = a.get(key, 0), b.get(key, 0)
            return y - x if isinstance(x, int) and isinstance(y, int) else 0

        frames = moved("frames", "submitted")
        if frames < BULK_FRAMES:
            return
        self.bulk["frames"] += frames
        self.bulk["exits"] += sum(moved("exits", k) for k in NETWORK_EXITS)
        self.bulk["alert_port_refills"] += min(
            moved("channel", "bytes") // UART_FIFO, moved("exits", "preemption_timer")
        )

    def _sequence(self, seq: object) -> None:
        if not isinstance(seq, int):
            return
        if self._seq is not None and seq > self._seq + 1:
            self.holes += 1
        self._seq = seq if self._seq is None else max(seq, self._seq)

    def since_ready(self) -> dict[str, Any] | None:
        """Exits and frames since `base` was set; None without two `stats` to compare."""
        if self.base is None or self.base is self.stats:
            return None
        result: dict[str, Any] = {}
        for name in ("exits", "frames"):
            new, old = self.stats.get(name), self.base.get(name)
            if isinstance(new, dict) and isinstance(old, dict):
                result[name] = {
                    k: v - old.get(k, 0)
                    for k, v in new.items()
                    if isinstance(v, int) and isinstance(old.get(k, 0), int)
                }
        frames = result.get("frames", {}).get("submitted", 0)
        if frames > 0:
            spent = sum(result.get("exits", {}).get(k, 0) for k in NETWORK_EXITS)
            result["exits_per_frame"] = round(spent / frames, 4)
        if self.bulk["frames"]:
            spent = self.bulk["exits"] - self.bulk["alert_port_refills"]
            per_frame = round(spent / self.bulk["frames"], 4)
            result["bulk"] = {**self.bulk, "exits_per_frame": per_frame}
        return result

    def exits(self) -> dict[str, int]:
        """VM exits by reason, from the last stats."""
        found = self.stats.get("exits")
        return found if isinstance(found, dict) else {}


def is_failure(text: str) -> bool:
    """Whether a plain line of Vigil's log tells that Vigil itself failed."""
    return bool(re.match(r"\s*vigil(\[\d+\])?: panic\b", text)) or "VM-entry failure" in text


def event_line(event: dict[str, Any]) -> str:
    """An event as one readable line."""
    kind = str(event.get("event_type", "?"))
    body = event.get(kind)
    body = body if isinstance(body, dict) else {}
    words = [kind, str(body.get("action", ""))]
    if kind == "alert":
        words.append(f"[{body.get('signature_id', '?')}] {body.get('signature', '')}")
    if "src_ip" in event:
        source = f"{event['src_ip']}:{event.get('src_port', 0)}"
        words.append(f"{event.get('proto', '?')} {source} ->")
        words.append(f"{event.get('dest_ip', '?')}:{event.get('dest_port', 0)}")
    if kind != "alert":
        plain_values = {k: v for k, v in body.items() if isinstance(v, (str, int, float))}
        plain_values.pop("action", None)
        words += [f"{k}={v}" for k, v in plain_values.items()][:8]
    return " ".join(w for w in words if w)
