#!/usr/bin/python3
"""Runs the test cases of one unittest module and tells the runner of each as it ends.

child.py --list FILE          print the cases' names (Class.method) and the module's SPLIT as JSON
child.py FILE [NAME...]       run them, or all
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import time
import traceback
import unittest
from collections.abc import Iterator
from pathlib import Path

sys.dont_write_bytecode = True
TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from testkit import events  # noqa: E402  (the path must be set first)
from testkit.result import FAILED, OK, SKIPPED  # noqa: E402


class Teller(unittest.TestResult):
    """Tells the runner; a test with sub-tests is one test."""

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.since = time.monotonic()
        self.status, self.detail = OK, ""
        print(f"=== {short(test)}", flush=True)
        events.tell(event="start", test=short(test))

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        if self.detail:
            print(f"{self.status}: {self.detail}", flush=True)
        events.tell(event="end", test=short(test), status=self.status, detail=self.detail,
                    seconds=time.monotonic() - self.since)

    def fail(self, error: object) -> None:
        self.status = FAILED
        self.detail += "".join(traceback.format_exception(*error))  # type: ignore[misc]

    def addError(self, test: unittest.TestCase, err: object) -> None:  # type: ignore[override]
        if not isinstance(test, unittest.TestCase):  # setUpClass and the like: no test was started
            for case in self.of(str(test)):
                self.startTest(case)
                self.fail(err)
                self.stopTest(case)
            return
        self.fail(err)

    def addFailure(self, test: unittest.TestCase, err: object) -> None:  # type: ignore[override]
        self.fail(err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: object) -> None:  # type: ignore[override]
        if err is not None:
            self.fail(err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        if not isinstance(test, unittest.TestCase):
            for case in self.of(str(test)):
                self.startTest(case)
                self.status, self.detail = SKIPPED, reason
                self.stopTest(case)
            return
        if self.status == OK:
            self.status, self.detail = SKIPPED, reason

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self.status, self.detail = FAILED, "passed, against its expectedFailure"

    # What unittest reports instead of tests when a fixture of a class or a module fails or skips:
    # "setUpClass (module.Class)", "setUpModule (module)". Every test under it has that fate.
    cases: list[unittest.TestCase] = []

    def of(self, fixture: str) -> Iterator[unittest.TestCase]:
        place = fixture.partition("(")[2].rstrip(")")
        for case in self.cases:
            whole = f"{type(case).__module__}.{type(case).__qualname__}"
            if fixture.startswith("setUp") and place in (whole, type(case).__module__):
                yield case


def short(test: unittest.TestCase) -> str:
    """Class.method."""
    return ".".join(test.id().split(".")[-2:])


def flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flat(item)
        else:
            yield item


def load(path: Path):
    """The module and its cases."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module, list(flat(unittest.defaultTestLoader.loadTestsFromModule(module)))


def main(argv: list[str]) -> int:
    if argv[0] == "--list":
        module, cases = load(Path(argv[1]).resolve())
        print(json.dumps({"tests": [short(c) for c in cases], "split": getattr(module, "SPLIT", ""),
                          "cost": getattr(module, "COST", 0.0), "timeout": getattr(module, "TEST_TIMEOUT", 1500.0)}))
        return 0
    _, cases = load(Path(argv[0]).resolve())
    wanted = set(argv[1:])
    Teller.cases = [c for c in cases if not wanted or short(c) in wanted]
    result = Teller()
    with contextlib.redirect_stderr(sys.stdout):
        unittest.TestSuite(Teller.cases).run(result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
