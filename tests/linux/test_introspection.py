#!/usr/bin/python3
"""The guest's kernel known from outside: Debian's kernels, two CPUs, a kernel without BTF, and kexec."""

from __future__ import annotations

import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from labrun import LabCase, Run, fetched  # noqa: E402  (the path must be set first)

SPLIT = "class"
COST = 30.0
TEST_TIMEOUT = 1200.0

# A process with a name, a parent and an end that the events must tell.
WORK = """
uname -a
sh -c 'echo "probe: pid $$ of $PPID"; exec sleep 2'
ls /proc > /dev/null
sleep 1
"""


class Known(LabCase):
    """A kernel is found, and the processes are told by name."""

    def ready(self, run: Run, times: int = 1) -> dict[str, object]:
        """The `introspection` event, of which there are so many."""
        self.good(run)
        told = [e["hypervisor"] for e in run.of("hypervisor", "introspection")]
        self.assertEqual([t["state"] for t in told], ["ready"] * times, told)
        self.assertEqual([t for t in told if t.get("reason")], [])
        self.assertEqual(run.of("hypervisor", "fault"), [])
        self.assertEqual(run.of("process", "hidden"), [])
        self.assertEqual(run.of("integrity"), [])
        body = told[-1]
        release = re.findall(r"Linux \S+ (\S+) ", run.said + run.console)[-1]
        self.assertIn(f"Linux version {release} ", body["kernel"])
        self.assertRegex(body["build_id"], r"^[0-9a-f]{40}$")
        self.assertGreaterEqual(body["hooks"], 15)
        return body

    def probed(self, run: Run) -> None:
        """The process that named itself: its parent, its program, its end."""
        pid, parent = map(int, re.findall(r"probe: pid (\d+) of (\d+)", run.said + run.console)[-1])
        since = run.of("hypervisor", "introspection")[-1]["seq"]  # an earlier kernel had the same numbers
        told = [e["process"] for e in run.of("process") if e["process"].get("pid") == pid and e["seq"] > since]
        self.assertEqual({(p["ppid"], p["tgid"], p["uid"]) for p in told}, {(parent, pid, 0)})
        last = [p for p in told if p["action"] == "exec"][-1]
        self.assertEqual((last["comm"], last["exe"]), ("sleep", "/bin/busybox"))
        self.assertEqual([p["comm"] for p in told if p["action"] == "exit"], ["sleep"])

    def other(self, name: str) -> list[str]:
        """Arguments for a kernel that the lab fetches."""
        kernel = fetched(name)
        if kernel is None:
            self.skipTest(f"{name} cannot be fetched here")
        return ["--kernel", str(kernel / "vmlinuz"), "--modules", str(kernel / "modules")]


class Cloud(Known):
    """Debian's cloud kernel, which the lab boots by default."""

    def test_cloud(self) -> None:
        run = self.lab(WORK)
        self.ready(run)
        self.probed(run)


class TwoCpus(Known):
    """The same on two CPUs: hits come from both."""

    def test_two_cpus(self) -> None:
        both = "for cpu in 1 2; do taskset $cpu sh -c 'i=0; while [ $i -lt 40 ]; do /bin/true; i=$((i + 1)); done' & done\nwait\n"
        run = self.lab(both + WORK, "--smp", "2")
        self.ready(run)
        self.probed(run)
        counters = run.last()["introspection"]
        self.assertGreaterEqual(counters["forks"], 80)
        self.assertEqual(counters["unknown"], 0)


class Full(Known):
    """Debian's full 6.1 kernel."""

    def test_full(self) -> None:
        run = self.lab(WORK, *self.other("kernel-full"))
        self.ready(run)
        self.probed(run)


class Kernel612(Known):
    """The kernel of bookworm-backports: other tables, other structures."""

    def test_kernel_6_12(self) -> None:
        run = self.lab(WORK, *self.other("kernel-6.12"))
        self.ready(run)
        self.probed(run)


class WithoutBtf(LabCase):
    """A kernel whose types are not described: address spaces are followed and the network is inspected."""

    RULES = 'drop udp any any -> any 9 (msg:"dropped"; content:"secret"; sid:1; rev:1;)\n'

    def test_falls_back(self) -> None:
        run = self.good(self.lab(
            WORK + "need udp send $HOST_IP 9 a-secret\nsleep 2\n", *self.without_btf(), "--net", "tap",
        ))
        told = [e["hypervisor"] for e in run.of("hypervisor", "introspection")]
        self.assertEqual([(t["state"], t["reason"]) for t in told], [("fallback", "no BTF in the kernel image")])
        self.assertGreaterEqual(len(run.of("process", "seen")), 3)
        self.assertEqual(len(run.alerts(1)), 1)
        self.assertEqual(run.of("hypervisor", "fault"), [])


class Kexec(Known):
    """Another kernel takes over by kexec: it is found as the first one was."""

    def test_kexec(self) -> None:
        kernel = fetched("kernel-cloud")
        if kernel is None:
            self.skipTest("kernel-cloud cannot be fetched here")
        init = "if grep -qw second /proc/cmdline; then" + WORK + r"""exit 0; fi
tree() { find bin sbin usr etc lib lab dev/console dev/null; printf '%s\n' dev proc sys run tmp; }
cd / && tree | cpio -o -H newc > /tmp/initramfs
need [ -s /tmp/initramfs ]
echo LAB-KEXEC
need kexec /vmlinuz /tmp/initramfs second
"""
        run = self.lab(init, "--append", "nosoftlockup", files={"vmlinuz": kernel / "vmlinuz"})
        self.ready(run, times=2)
        self.probed(run)


if __name__ == "__main__":
    unittest.main()
