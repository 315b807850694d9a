"""The engine against Suricata's results (run.py), for the test runner."""

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import run  # noqa: E402  (the path must be set first)

if run.shared() is None:

    class Conformance(unittest.TestCase):
        """Nothing to compare with."""

        def test_captures(self) -> None:
            self.skipTest("no conformance data: set VIGIL_SHARED, or put it into ../shared")

else:
    run.add_tests(run.shared(), set())
    Conformance = run.Conformance

if __name__ == "__main__":
    unittest.main()
