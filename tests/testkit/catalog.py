"""Which jobs there are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .job import Cmocka, Job, Unittest

TESTS = Path(__file__).resolve().parent.parent
TOP = TESTS.parent
CHILD = TESTS / "testkit" / "child.py"
PYTHON = "/usr/bin/python3"  # Debian's, which has python3-scapy
# Folders whose tests need nothing but the host, and seconds.
QUICK = ("unit", "lab", "conformance", "testkit")
UNIT_TIMEOUT = 300.0
FUZZ_SLACK = 60.0
BOOT_COST = 5.0  # seconds of a case that boots a machine, where its module does not say COST


def make(*args: str) -> str:
    """What a quiet make says."""
    done = subprocess.run(["make", "-s", "--no-print-directory", *args], cwd=TOP, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"make {' '.join(args)} failed:\n{done.stderr}")
    return done.stdout


def build(targets: list[str], cpus: int) -> Job:
    """Everything the others run."""
    return Job("build", ["make", "--no-print-directory", f"-j{cpus}", *targets], timeout=1800.0, slots=cpus)


def listed(kind: str) -> list[Path]:
    """The unit tests or fuzzers that the makefiles name."""
    return [TOP / word for word in make(f"list-{kind}").split()]


def unit() -> Iterator[Job]:
    """One job for each cmocka program."""
    for program in listed("unit"):
        yield Cmocka(f"unit/{program.name}", [str(program)], UNIT_TIMEOUT)


def fuzz(seconds: int, corpus: Path, crashes: Path) -> Iterator[Job]:
    """Each fuzzer for a while, from the inputs kept in tests/fuzz/corpus and those found before."""
    crashes.mkdir(parents=True, exist_ok=True)
    for program in listed("fuzz"):
        found = corpus / program.name
        found.mkdir(parents=True, exist_ok=True)
        kept = TESTS / "fuzz/corpus" / program.name
        yield Job(
            f"fuzz/{program.name}",
            [str(program), f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048", "-verbosity=1",
             "-print_final_stats=1", f"-artifact_prefix={crashes}/{program.name}-", str(found),
             *([str(kept)] if kept.is_dir() else [])],
            timeout=seconds + FUZZ_SLACK, cost=seconds,
        )


def cases(path: Path) -> dict:
    """What testkit/child.py lists of a module."""
    done = subprocess.run([PYTHON, str(CHILD), "--list", str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{path.relative_to(TOP)} cannot be loaded:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def modules(quick: bool) -> Iterator[Job]:
    """The unittest modules tests/*/test_*.py; those with SPLIT = "class" in one job for each class."""
    for path in sorted(TESTS.glob("*/test_*.py")):
        folder = path.parent.name
        if quick and folder not in QUICK:
            continue
        name = f"{folder}/{path.stem}"
        try:
            found = cases(path)
        except RuntimeError as error:
            yield Job(name, [PYTHON, "-c", "import sys; sys.exit(sys.argv[1])", str(error)], 60.0)
            continue
        groups: dict[str, list[str]] = {}
        for test in found["tests"]:
            groups.setdefault(test.partition(".")[0] if found["split"] == "class" else "", []).append(test)
        for group, tests in groups.items():
            job = Unittest(
                f"{name}.{group}" if group else name, [PYTHON, str(CHILD), str(path), *tests],
                timeout=found["timeout"], cost=found["cost"] or len(tests) * (0.01 if folder in QUICK else BOOT_COST),
            )
            job.expected = tests
            yield job


if __name__ == "__main__":
    for each in modules(quick=False):
        print(each.name, file=sys.stdout)
