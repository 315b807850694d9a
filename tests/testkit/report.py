"""Shows results as they come, and counts them."""

from __future__ import annotations

import sys
from collections import Counter

from .result import FAILED, OK, SKIPPED, Result

COLOURS = {OK: "\033[32m", FAILED: "\033[31m", SKIPPED: "\033[33m"}
SHOWN_LINES = 40
LINE_WIDTH = 400


class Report:
    """The list on the terminal."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failed: list[str] = []
        self.colour = sys.stdout.isatty()

    def take(self, result: Result) -> None:
        self.counts[result.status] += 1
        mark = f"{result.status:<7}"
        if self.colour:
            mark = COLOURS[result.status] + mark + "\033[0m"
        if result.status == SKIPPED:
            print(f"{mark}  {result.name} ({' '.join(result.detail.split())})")
        else:
            print(f"{mark}  {result.name} ({result.seconds:.2f} s)")
        if result.status == FAILED:
            self.failed.append(result.name)
            for line in result.detail.rstrip().splitlines()[-SHOWN_LINES:]:
                print(f"         | {line[:LINE_WIDTH]}")
        sys.stdout.flush()

    def close(self, seconds: float, logs: object) -> int:
        """The last lines; the exit status."""
        if self.failed:
            print(f"\nfailed (logs in {logs}):")
            for name in self.failed:
                print(f"  {name}")
        print(f"\n{seconds:.0f} seconds")
        print(f"{self.counts[OK]} passed, {self.counts[FAILED]} failed, {self.counts[SKIPPED]} skipped", flush=True)
        return 1 if self.counts[FAILED] or not self.counts[OK] else 0
