#!/usr/bin/python3
"""The runner itself: a failure, a crash, a hang and a skip must be seen as such."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from testkit.catalog import CHILD, PYTHON  # noqa: E402  (the path must be set first)
from testkit.job import Cmocka, Job, Unittest  # noqa: E402
from testkit.pool import Pool  # noqa: E402
from testkit.report import Report  # noqa: E402
from testkit.result import FAILED, OK, SKIPPED, Result  # noqa: E402

MODULE = '''
import os, time, unittest
class A(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2)
    def test_skip(self): self.skipTest("no such thing here")
    def test_sub(self):
        for i in range(3):
            with self.subTest(i=i): self.assertNotEqual(i, 1)
class B(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise unittest.SkipTest("none of them")
    def test_one(self): pass
    def test_two(self): pass
class C(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise OSError("broken")
    def test_one(self): pass
class D(unittest.TestCase):
    def test_1_before(self): pass
    def test_2_dies(self): os.abort()
    def test_3_after(self): pass
class E(unittest.TestCase):
    def test_hangs(self): time.sleep(1000)
'''
CMOCKA = """#!/bin/sh
echo '[==========] Running 3 test(s).'
echo '[ RUN      ] one'
echo '[       OK ] one'
echo '[ RUN      ] two'
echo 'what went wrong'
echo '[  FAILED  ] two'
echo '[ RUN      ] three'
"""


class Jobs(unittest.TestCase):
    """Results of jobs."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="vigil-runner-")
        self.addCleanup(folder.cleanup)
        self.work = Path(folder.name)

    def script(self, text: str) -> list[str]:
        path = self.work / "script"
        path.write_text(text, encoding="ascii")
        path.chmod(0o755)
        return [str(path)]

    def results(self, job: Job) -> dict[str, Result]:
        found: list[Result] = []
        Pool(2, self.work / "logs", found.append).run([job])
        self.assertEqual(len(found), len({r.name for r in found}))
        return {r.name: r for r in found}

    def cases(self, *names: str, timeout: float = 60.0) -> dict[str, str]:
        path = self.work / "module_under_test.py"
        path.write_text(MODULE, encoding="ascii")
        job = Unittest("m", [PYTHON, str(CHILD), str(path), *names], timeout)
        job.expected = list(names)
        return {name.removeprefix("m: "): result.status for name, result in self.results(job).items()}

    def test_unittest(self) -> None:
        self.assertEqual(
            self.cases("A.test_good", "A.test_bad", "A.test_skip", "A.test_sub"),
            {"A.test_good": OK, "A.test_bad": FAILED, "A.test_skip": SKIPPED, "A.test_sub": FAILED})

    def test_unittest_fixtures(self) -> None:
        self.assertEqual(
            self.cases("B.test_one", "B.test_two", "C.test_one"),
            {"B.test_one": SKIPPED, "B.test_two": SKIPPED, "C.test_one": FAILED})

    def test_unittest_dies(self) -> None:
        self.assertEqual(
            self.cases("D.test_1_before", "D.test_2_dies", "D.test_3_after"),
            {"D.test_1_before": OK, "D.test_2_dies": FAILED, "D.test_3_after": FAILED})

    def test_unittest_hangs(self) -> None:
        self.assertEqual(self.cases("E.test_hangs", timeout=1.5), {"E.test_hangs": FAILED})

    def test_cmocka_dies(self) -> None:
        found = self.results(Cmocka("c", self.script(CMOCKA + "kill -SEGV $$\n"), 60.0))
        self.assertEqual({n: r.status for n, r in found.items()}, {"c: one": OK, "c: two": FAILED, "c: three": FAILED})
        self.assertIn("what went wrong", found["c: two"].detail)
        self.assertIn("SIGSEGV", found["c: three"].detail)

    def test_cmocka_ends_early(self) -> None:
        found = self.results(Cmocka("c", self.script("#!/bin/sh\nexit 0\n"), 60.0))
        self.assertEqual({n: r.status for n, r in found.items()}, {"c": FAILED})

    def test_program(self) -> None:
        for text, status in (("exit 0", OK), ("exit 3", FAILED), ("echo no root; exit 77", SKIPPED), ("kill $$", FAILED)):
            found = self.results(Job("p", self.script(f"#!/bin/sh\n{text}\n"), 60.0))
            self.assertEqual(found["p"].status, status, text)
        self.assertEqual(self.results(Job("p", [str(self.work / "absent")], 60.0))["p"].status, FAILED)

    def test_what_a_job_left_is_ended(self) -> None:
        """A child that goes on does not hold the run up, and does not outlive it."""
        mark = self.work / "alive"
        text = f"#!/bin/sh\n(sleep 3; touch {mark}) &\nexit 0\n"
        found = self.results(Job("p", self.script(text), 60.0))
        self.assertEqual(found["p"].status, OK)
        self.assertLess(found["p"].seconds, 3)
        self.assertFalse(mark.exists())


class Closing(unittest.TestCase):
    """The last line and the exit status."""

    def close(self, *statuses: str) -> tuple[int, str]:
        report = Report()
        with contextlib.redirect_stdout(io.StringIO()) as out:
            for number, status in enumerate(statuses):
                report.take(Result(f"t{number}", status, 0.0, "why"))
            status = report.close(1.0, "here")
        return status, out.getvalue().splitlines()[-1]

    def test_last_line(self) -> None:
        self.assertEqual(self.close(OK, OK, SKIPPED), (0, "2 passed, 0 failed, 1 skipped"))
        self.assertEqual(self.close(OK, FAILED), (1, "1 passed, 1 failed, 0 skipped"))

    def test_nothing_run_is_a_failure(self) -> None:
        self.assertEqual(self.close(), (1, "0 passed, 0 failed, 0 skipped"))
        self.assertEqual(self.close(SKIPPED), (1, "0 passed, 0 failed, 1 skipped"))


if __name__ == "__main__":
    unittest.main()
