#!/usr/bin/python3
"""Debian's kernels boot under Vigil: CPU models, one and two CPUs, another kernel, and without Vigil."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from labrun import LabCase, Run, fetched  # noqa: E402  (the path must be set first)

SPLIT = "class"
COST = 80.0
TEST_TIMEOUT = 1500.0

WORK = """
grep -c ^processor /proc/cpuinfo
need sh -c 'grep -q "model name" /proc/cpuinfo'
need sh -c '! grep -qw vmx /proc/cpuinfo'
i=0
while [ $i -lt 15 ]; do
	seq $i $((i + 30)) | sort -rn | md5sum > /tmp/$i || exit 1
	i=$((i + 1))
done
[ "$(cat /tmp/* | wc -l)" = 15 ] || exit 2
"""
# Both CPUs at once, each pinned; then /proc/stat must show that both have worked.
TWO = """
need [ "$(grep -c ^processor /proc/cpuinfo)" = 2 ]
need [ "$(cat /sys/devices/system/cpu/online)" = 0-1 ]
work() { i=0; while [ $i -lt 300 ]; do i=$((i + 1)); done; seq 1 400 | sort -rn | md5sum; }
used() { awk -v c="cpu$1" '$1 == c { print $2 + $3 + $4 }' /proc/stat; }
a0=$(used 0) a1=$(used 1)
for cpu in 0 1; do
	(taskset -p $((1 << cpu)) $(exec sh -c 'echo $PPID') > /dev/null || exit 1
	 work > /tmp/sum$cpu; work >> /tmp/sum$cpu; cut -d' ' -f39 /proc/self/stat > /tmp/cpu$cpu) &
	eval pid$cpu=$!
done
need wait $pid0
need wait $pid1
need cmp /tmp/sum0 /tmp/sum1
echo "cpu of each: $(cat /tmp/cpu0) $(cat /tmp/cpu1)"
need [ "$(cat /tmp/cpu0)" = 0 ]
need [ "$(cat /tmp/cpu1)" = 1 ]
b0=$(used 0) b1=$(used 1)
echo "time used: $((b0 - a0)) $((b1 - a1))"
need [ $((b0 - a0)) -gt 0 ]
need [ $((b1 - a1)) -gt 0 ]
"""


class Boot(LabCase):
    """A boot, some work, address spaces seen."""

    def booted(self, run: Run, cpus: int = 1) -> None:
        self.good(run)
        start = run.of("hypervisor", "start")[0]["hypervisor"]
        self.assertEqual(start["cpus"], cpus)
        self.assertTrue(start["platform"])
        for control in ("ept", "vpid", "preemption-timer", "msr-bitmaps"):
            self.assertIn(control, start["controls"])
        self.assertEqual(run.of("hypervisor", "ready")[0]["hypervisor"]["cpus"], cpus)
        self.assertEqual(run.of("hypervisor", "fault"), [])
        self.assertGreaterEqual(len(run.of("process")), 20)  # most are too short to be `seen`
        self.assertGreaterEqual(len(run.of("process", "exit")), 5)
        self.assertGreater(run.last()["exits"]["cpuid"], 0)
        self.assertGreater(run.last()["introspection"]["forks"], 40)
        self.assertEqual(run.last()["memory"]["hidden_reads"], 0)

    def test_haswell(self) -> None:
        self.booted(self.lab(WORK, "--cpu", "corei7_haswell_4770"))


class Skylake(Boot):
    """Announces its TSC's frequency; mode-based execute control."""

    test_haswell = None  # type: ignore[assignment]

    def test_skylake_x(self) -> None:
        self.booted(self.lab(WORK, "--cpu", "corei7_skylake_x"))


class Tigerlake(Boot):
    """The newest model that Bochs 2.7 and 3.0 share."""

    test_haswell = None  # type: ignore[assignment]

    def test_tigerlake(self) -> None:
        self.booted(self.lab(WORK, "--cpu", "tigerlake"))


class TwoCpus(Boot):
    """Two CPUs, both virtualized, both at work."""

    test_haswell = None  # type: ignore[assignment]

    def test_haswell_two_cpus(self) -> None:
        run = self.lab(WORK + TWO, "--smp", "2", "--cpu", "corei7_haswell_4770")
        self.booted(run, cpus=2)
        self.assertEqual({e["process"].get("cpu", 0) for e in run.of("process")}, {0, 1})


class TwoCpusSkylake(Boot):
    """The same on another model, with the network half."""

    test_haswell = None  # type: ignore[assignment]

    def test_skylake_two_cpus_with_network(self) -> None:
        init = WORK + TWO + "need ping -c 3 -W 8 $HOST_IP\n"
        run = self.lab(init, "--smp", "2", "--cpu", "corei7_skylake_x", "--net", "tap")
        self.booted(run, cpus=2)


class Kernel612(Boot):
    """The kernel of bookworm-backports."""

    test_haswell = None  # type: ignore[assignment]

    def test_kernel_6_12(self) -> None:
        kernel = fetched("kernel-6.12")
        if kernel is None:
            self.skipTest("the 6.12 kernel of bookworm-backports cannot be fetched here")
        init = WORK + 'uname -r\nneed sh -c "uname -r | grep -q ^6\\.12"\nneed ping -c 3 -W 8 $HOST_IP\n'
        run = self.lab(init, "--kernel", str(kernel / "vmlinuz"), "--modules", str(kernel / "modules"), "--net", "tap")
        self.booted(run)


class WithoutVigil(LabCase):
    """The same image, Vigil switched off, for comparison."""

    def test_boots_and_talks(self) -> None:
        init = WORK.replace("'! grep -qw vmx", "'grep -qw vmx") + "need ping -c 3 -W 8 $HOST_IP\n"
        run = self.good(self.lab(init, "--no-vigil", "--net", "tap"))
        self.assertEqual(run.events, [])
        self.assertEqual(run.summary["guest_status"], 0)


class WithoutCard(LabCase):
    """`nic = none`: everything but the network half."""

    def test_nic_none(self) -> None:
        run = self.good(self.lab(WORK, "--net", "tap", config="nic = none\n"))
        start = run.of("hypervisor", "start")[0]["hypervisor"]
        self.assertIs(start["nic"], False)
        self.assertGreaterEqual(len(run.of("process")), 20)  # most are too short to be `seen`


if __name__ == "__main__":
    unittest.main()
