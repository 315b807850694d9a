"""What one test came to."""

from __future__ import annotations

from dataclasses import dataclass

OK, FAILED, SKIPPED = "ok", "FAILED", "skipped"


@dataclass
class Result:
    """One test: `detail` is the reason of a skip, or what is shown of a failure."""

    name: str
    status: str
    seconds: float = 0.0
    detail: str = ""
