"""How testkit/child.py tells the runner of its tests: one JSON object a line on a pipe."""

from __future__ import annotations

import json
import os
from typing import Any

_fd: int | None = None


def _pipe() -> int:
    """The pipe, which no program that a test starts shall inherit."""
    global _fd
    if _fd is None:
        _fd = int(os.environ.pop("VIGIL_TEST_EVENTS", "1"))
        if _fd > 2:
            os.set_inheritable(_fd, False)
    return _fd


def tell(**event: Any) -> None:
    """The child's side."""
    os.write(_pipe(), (json.dumps(event) + "\n").encode())


def read_event(line: str) -> dict[str, Any] | None:
    """The runner's side; None for a line that is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
