"""Where things are: the repository, the build output, the third-party cache."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
DEPS_LIST = TOP / "tools" / "deps.list"


class LabError(Exception):
    """A fault of the lab or its surroundings, with a message for the user (exit status 75)."""


class Unavailable(LabError):
    """The platform asked for does not exist on this machine (exit status 77)."""


def cache() -> Path:
    """The third-party cache; created if need be."""
    path = Path(os.environ.get("VIGIL_CACHE") or Path.home() / ".cache" / "vigil").absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def build_dir() -> Path:
    """The build output with the image files (VIGIL_BUILD for one that is not `build`)."""
    return TOP / os.environ.get("VIGIL_BUILD", "build")


def say(text: str) -> None:
    """One line of progress on stderr."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cache's lock `name`: parallel runs prepare a thing once, the others wait."""
    with open(cache() / f".{name}.lock", "w", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that prepares {name}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
