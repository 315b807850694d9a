#!/usr/bin/python3
"""The process view: a tree from the event stream, whatever the stream holds."""

from __future__ import annotations

import json
import subprocess
import sys
import unittest
from pathlib import Path

import labtest  # noqa: F401  (sets the path)
from labkit.processes import Processes, table

TOOL = Path(__file__).resolve().parent.parent.parent / "tools" / "vigil-ps"


def told(action: str, pid: int, ppid: int = 1, **more: object) -> dict[str, object]:
    return {"event_type": "process", "process": {"action": action, "pid": pid, "tgid": pid, "ppid": ppid, **more}}


class Tree(unittest.TestCase):
    def rows(self, *events: dict[str, object], gone: bool = False) -> list[tuple[int, int, str]]:
        processes = Processes()
        for event in events:
            processes.event(event)
        return [(depth, p.pid, p.flags()) for depth, p in processes.tree(gone)]

    def test_children_hang_below_their_parents(self) -> None:
        rows = self.rows(told("fork", 30, 20), told("exec", 1, 0), told("fork", 20, 1), told("fork", 21, 1))
        self.assertEqual(rows, [(0, 1, ""), (1, 20, ""), (2, 30, ""), (1, 21, "")])

    def test_the_dead_are_left_out_unless_asked_for(self) -> None:
        events = (told("fork", 5), told("exit", 5), told("fork", 6))
        self.assertEqual(self.rows(*events), [(0, 6, "")])
        self.assertEqual(self.rows(*events, gone=True), [(0, 5, "gone"), (0, 6, "")])

    def test_a_number_used_again_is_a_new_process(self) -> None:
        rows = self.rows(
            told("fork", 5), {"event_type": "integrity", "process": {"pid": 5}}, told("exit", 5), told("fork", 5)
        )
        self.assertEqual(rows, [(0, 5, "")])

    def test_hidden_and_found_again(self) -> None:
        views = {"ran": True, "tasklist": False, "pidtable": True, "proc": False}
        hidden = told("hidden", 7, views=views)
        self.assertEqual(self.rows(told("fork", 7), hidden), [(0, 7, "HIDDEN(proc,tasklist)")])
        self.assertEqual(self.rows(hidden, told("unhidden", 7)), [(0, 7, "")])

    def test_what_it_is_noted_for(self) -> None:
        who = {"pid": 9, "tgid": 9, "comm": "nc"}
        rows = self.rows(
            {"event_type": "syscall", "syscall": {"name": "connect", "denied": True}, "process": who},
            {"event_type": "syscall", "syscall": {"name": "connect", "denied": False}, "process": who},
            {"event_type": "flow", "process": who},
            {"event_type": "alert", "process": who},
        )
        self.assertEqual(rows, [(0, 9, "alert:1 denied:1 network:1 syscall:1")])

    def test_a_forged_loop_of_parents_ends(self) -> None:
        rows = self.rows(told("fork", 2, 3), told("fork", 3, 2), told("fork", 4, 4))
        self.assertEqual(sorted(pid for _, pid, _ in rows), [2, 3, 4])

    def test_nonsense_is_passed_over(self) -> None:
        processes = Processes()
        for body in (None, [], "x", {}, {"pid": "7"}, {"action": 3, "pid": 8, "views": 1}, {"action": "hidden", "pid": 8}):
            processes.event({"event_type": "process", "process": body})
        self.assertEqual([p.pid for _, p in processes.tree()], [8])
        self.assertIn("HIDDEN(?)", "\n".join(table(processes)))

    def test_text_of_the_guest_is_made_printable(self) -> None:
        processes = Processes()
        processes.event(told("fork", 3, comm="a\x1b[2Jb\n"))
        self.assertNotIn("\x1b", "\n".join(table(processes)))


class Tool(unittest.TestCase):
    def run_tool(self, *args: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([str(TOOL), *args], input=given, capture_output=True, check=False, timeout=30)

    def test_reads_a_stream_with_log_lines_and_broken_ones(self) -> None:
        given = b"vigil: hello\n{broken\n" + json.dumps(told("fork", 77, comm="sleepy")).encode()
        done = self.run_tool("-", given=given)
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"sleepy", done.stdout)
        self.assertIn(b"1 broken line", done.stderr)

    def test_a_missing_file_is_said(self) -> None:
        done = self.run_tool("/nonexistent")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No such file", done.stderr)


if __name__ == "__main__":
    unittest.main()
