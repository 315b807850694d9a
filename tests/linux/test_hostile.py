#!/usr/bin/python3
"""A hostile kernel (tests/guest/kmod): Vigil's memory, forbidden instructions, corrupted rings."""

from __future__ import annotations

import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import kmod  # noqa: E402  (the path must be set first)
from labrun import LabCase, Run, lines_of  # noqa: E402

SPLIT = "class"
COST = 70.0
TEST_TIMEOUT = 1500.0
PIECE = 2 << 20
UD, GP, NONE = 6, 13, -1

MODULE = """
try() {
	dmesg -c > /dev/null
	insmod /vtest.ko "$@" || { dmesg; exit 80; }
	dmesg | grep -o 'vtest: .*'
	rmmod vtest || exit 81
}
"""


class Hostile(LabCase):
    """Runs with the module in the guest."""

    def with_module(self, init: str, *args: str, **more: object) -> Run:
        try:
            module = kmod.build()
        except kmod.LabError as error:
            self.skipTest(f"no kernel module: {str(error).splitlines()[0]}")
        return self.lab(MODULE + init, *args, files={"vtest.ko": module}, **more)  # type: ignore[arg-type]


class Forbidden(Hostile):
    """VMX does not exist in the guest; the alert port is silent; what is unknown faults."""

    VECTORS = {
        "vmxon": UD, "vmclear": UD, "vmptrld": UD, "vmptrst": UD, "vmlaunch": UD, "vmresume": UD, "vmxoff": UD,
        "vmcall": UD, "vmfunc": UD, "vmread": UD, "vmwrite": UD, "invept": UD, "invvpid": UD,
        "rdmsr 480": GP, "rdmsr 48c": GP, "wrmsr 480": GP, "rdmsr 1234": GP, "mov cr4.vmxe": GP,
    }

    def test_vmx_instructions_and_msrs(self) -> None:
        run = self.good(self.with_module("try do=forbidden\nneed [ -d /proc/1 ]\n"))
        got = {m.group(1): int(m.group(2)) for m in lines_of(run.console, r"vtest: (.+): vector (-?\d+)")}
        self.assertEqual(got, self.VECTORS)
        self.assertIn("vtest: cpuid: vmx 0,", run.console)
        self.assertIn("vtest: alert port: ff, line status 60", run.console)
        self.assertFalse("GUEST-WROTE" in run.said)


class Memory(Hostile):
    """Vigil's block, read and written by the guest's kernel."""

    GUEST = """
grep -i reserved /proc/iomem
# Every reserved range that has room for the block, below the PCI hole.
ranges() { sed -n 's/^\\([0-9a-f]*\\)-\\([0-9a-f]*\\) : [Rr]eserved$/\\1 \\2/p' /proc/iomem; }
each() {
	ranges | while read first last; do
		size=$((0x$last - 0x$first + 1))
		[ $size -ge $((8 << 20)) ] && [ $((0x$first)) -lt $((0x80000000)) ] || continue
		try do=$1 base=0x$first size=$size
	done
}
each read
sleep 2
each write
sleep 2
sleep 2
"""

    def test_block_reads_as_ones(self) -> None:
        run = self.good(self.with_module(self.GUEST))
        block = re.search(r"block ([0-9a-f]+), (\d+) KiB", run.said)
        assert block is not None
        first, size = int(block.group(1), 16), int(block.group(2)) << 10
        self.assertGreaterEqual(size, 4 << 20)
        seen: dict[int, list[tuple[int, int, int]]] = {}
        for m in lines_of(run.console, r"vtest: piece ([0-9a-f]+): words (\d+), ones (\d+), writes (\d+)"):
            seen.setdefault(int(m.group(1), 16), []).append((int(m.group(2)), int(m.group(3)), int(m.group(4))))
        reads = writes = 0
        for piece in range((first + PIECE - 1) // PIECE * PIECE, first + size - PIECE + 1, PIECE):
            self.assertEqual(len(seen.get(piece, [])), 2, f"{piece:x} was not tried: is it reserved?")
            for words, ones, written in seen[piece]:
                self.assertEqual(ones, words, f"{piece:x} does not read as ones")
                reads += words
                writes += written
        self.assertGreater(reads, 100)
        memory = run.last()["memory"]
        # Exactly: each word one access; the byte and the long behind the loops are one word more.
        self.assertGreaterEqual(memory["hidden_reads"], reads)
        self.assertGreaterEqual(memory["hidden_writes"], writes)
        self.note(f"{memory['hidden_reads']} reads, {memory['hidden_writes']} writes counted; {reads}, {writes} tried")
        told = [e["hypervisor"] for e in run.of("hypervisor", "fault") if e["hypervisor"]["what"] == "memory"]
        self.assertTrue(told, "no event tells of it")
        self.assertLess(len(told), 50, "an event for each access")
        for event in told:
            self.assertTrue(first <= int(event["address"], 16) < first + size, event)
        self.assertEqual(sum(e["reads"] + e["writes"] for e in told), memory["hidden_reads"] + memory["hidden_writes"])


class Rings(Hostile):
    """Corrupted rings: one event, NEEDS_RESET, the guest alive, the network back after a reset."""

    # What the module does, and the reasons that may be told; None: may also be passed over as a frame
    # that is dropped.
    VARIANTS = {
        "index_far": {"ring_index"}, "head_outside": {"ring_index"}, "next_outside": {"ring_index"},
        "loop": {"chain_loop"}, "direction": {"chain_flags"}, "indirect": {"chain_flags"},
        "outside": {"ring_address"}, "wrap": {"ring_address"},
    }
    HARMLESS = ("huge", "empty")
    GUEST = """
card=$(basename $(readlink -f /sys/class/net/eth0/device))
back() {
	echo $card > /sys/bus/virtio/drivers/virtio_net/unbind || exit 82
	echo $card > /sys/bus/virtio/drivers/virtio_net/bind || exit 83
	nic=$(ls /sys/class/net | grep -v '^lo$' | head -n 1)
	[ "$nic" = eth0 ] || ip link set "$nic" name eth0
	ip addr add 10.77.0.2/24 dev eth0
	ip link set eth0 up
}
need ping -c 1 -W 8 $HOST_IP
for variant in %s; do
	try do=rings variant=$variant
	back
	need ping -c 2 -W 8 $HOST_IP
done
"""

    def test_corrupted_rings(self) -> None:
        names = [*self.VARIANTS, *self.HARMLESS]
        run = self.good(self.with_module(self.GUEST % " ".join(names), "--net", "tap"))
        status = {m.group(1): int(m.group(2), 16) for m in lines_of(run.console, r"vtest: (\w+): status ([0-9a-f]+)")}
        self.assertEqual(sorted(status), sorted(names))
        faults = [e["hypervisor"] for e in run.of("hypervisor", "fault") if e["hypervisor"]["what"] == "net"]
        for name, reasons in self.VARIANTS.items():
            with self.subTest(variant=name):
                self.assertTrue(status[name] & 0x40, f"{name}: NEEDS_RESET is not set: {status[name]:x}")
                self.assertTrue(faults, f"{name}: no event")
                self.assertIn(faults.pop(0)["reason"], reasons)
        self.assertLessEqual(len(faults), len(self.HARMLESS))
        self.assertLessEqual(run.last()["net"]["faults"], len(names))
        self.assertGreaterEqual(run.last()["net"]["faults"], len(self.VARIANTS))


if __name__ == "__main__":
    unittest.main()
