/* The contract between the core (VMX root mode) and the sentry (the tiny VM that parses and
 * decides).
 *
 * Both are built from this header; nothing else is shared. The shared area is mapped read-write in
 * both. The core trusts nothing in it: what the sentry writes is copied once, then checked; indices
 * that the core needs are kept in the core's own memory too. Pure: compiled for the host as well.
 *
 * Layout of the shared area (sizes in bytes, all page aligned):
 *   struct abi_ctl | requests (core -> sentry) | replies (sentry -> core) | output bytes | frames |
 *   record of a failed VM entry
 */
#pragma once

#include <stdint.h>
#include "hv/config.h"

#define ABI_MAGIC   0x5952544e45534756ull
#define ABI_VERSION 2

/* --- frames ------------------------------------------------------------------------------------
 */

#define ABI_FRAME_SIZE	2048 /* bytes of a slot; the frame begins at its start */
#define ABI_FRAME_MIN	14   /* bytes: an Ethernet header */
#define ABI_FRAME_MAX	1518 /* bytes without FCS: 1500 of payload, 14 of header, one VLAN tag */
#define ABI_FRAME_SLOTS 512  /* slots that the core fills */
#define ABI_SEND_SLOTS	32   /* slots, after those, that the sentry fills for frames of its own */
#define ABI_SLOTS	(ABI_FRAME_SLOTS + ABI_SEND_SLOTS)

enum abi_port { ABI_PORT_GUEST, ABI_PORT_WIRE, ABI_PORTS };

/* --- rings: one producer, one consumer, free-running indices
 * -------------------------------------- */

#define ABI_REQUESTS 2048 /* entries, a power of two */
#define ABI_REPLIES  2048
#define ABI_OUTPUT   8192 /* bytes, a power of two; small, so that an alert never waits long */

/* Written by one side only, each on a cache line of its own. `prod` - `cons` entries are filled. */
struct abi_index {
	volatile uint32_t prod;
	uint8_t pad0[60];
	volatile uint32_t cons;
	uint8_t pad1[60];
};

enum abi_request_type {
	ABI_REQ_NONE,
	ABI_REQ_FRAME, /* slot, len, port it came from: decide on it (answer: ABI_REP_VERDICT) */
	ABI_REQ_SENT,  /* slot (of the sentry's own): the frame has left, the slot is free again */
	ABI_REQ_EVENT, /* event kind in `port`, values in a, b, c */
	ABI_REQ_HOOK,  /* hook `slot` was hit on CPU `len`; a: TSC, b: the current task (0:
			  unknown), c: the captured word, arg: the hit. With ABI_HOOK_SYNC `port`
			  is 1 and the guest waits for an ABI_REP_DECIDE with `ticket` */
};

struct abi_request {
	uint8_t type; /* enum abi_request_type */
	uint8_t port; /* enum abi_port, or enum abi_event */
	uint16_t len;
	uint32_t slot;
	uint64_t a, b, c;
	uint64_t arg[5]; /* RDI, RSI, RDX, RCX, R8 at the hooked function's entry */
	uint64_t rsp;	 /* there: the address of its return address */
	uint32_t ticket;
	uint32_t pad;
};

enum abi_reply_type {
	ABI_REP_NONE,
	ABI_REP_VERDICT, /* slot, verdict: each ABI_REQ_FRAME gets exactly one */
	ABI_REP_SEND,	 /* slot (of the sentry's own), len, port to send it to */
	ABI_REP_DECIDE,	 /* ticket, verdict: PASS lets the hooked function run; DROP makes it return
			    -len (an errno, 1 to 4095) to `value`, its return address */
};

enum abi_verdict { ABI_VERDICT_PASS, ABI_VERDICT_DROP, ABI_VERDICTS };

struct abi_reply {
	uint8_t type; /* enum abi_reply_type */
	uint8_t port; /* enum abi_port for ABI_REP_SEND */
	uint8_t verdict;
	uint8_t pad;
	uint16_t len;
	uint16_t slot;
	uint32_t ticket;
	uint32_t pad2;
	uint64_t value;
};

/* --- hooks on functions of the guest's kernel, and guarded memory ----------------------------- */

#define ABI_HOOKS      64
#define ABI_HOOK_BYTES 5 /* of a site: a NOP or a CALL, as the guest's ftrace has it */
#define ABI_ERRNO_MAX  4095

#define ABI_HOOK_SYNC	 1u /* a hit waits for the sentry's decision */
#define ABI_HOOK_CAPTURE 2u /* read 8 bytes of the direct map at argument `base` + `offset` */

/* Written by the sentry for ABI_CALL_HOOK; copied once, checked, then used. */
struct abi_hook {
	uint64_t va;	 /* guest-virtual address of the site: the value of RIP at a hit */
	uint64_t gpa;	 /* guest-physical address of the same */
	uint32_t flags;	 /* ABI_HOOK_* */
	uint16_t offset; /* for ABI_HOOK_CAPTURE */
	uint8_t base;	 /* for ABI_HOOK_CAPTURE: index in abi_request.arg, 5: the current task */
	uint8_t pad;
};

/* What a CPU of the guest's has in its registers, for ABI_CALL_CPU. */
struct abi_cpu {
	uint32_t index;
	uint32_t idt_limit, gdt_limit;
	uint32_t pad;
	uint64_t idt_base, gdt_base;
	uint64_t cr0, cr3, cr4, efer; /* as the guest sees them */
	uint64_t lstar, cstar, star, fmask;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t gs_base; /* the kernel's */
	uint64_t rip;	  /* at which it was interrupted */
	uint64_t cpl;
};

/* --- events that the core tells
 * ------------------------------------------------------------------- */

enum abi_event {
	ABI_EVENT_START,	 /* a: TSC. Once, at the first start (platform text in abi_ctl) */
	ABI_EVENT_READY,	 /* a: TSC. The guest runs under Vigil on all CPUs */
	ABI_EVENT_ROOT_SEEN,	 /* a: page-table root, b: TSC, c: CPU index | ABI_ROOT_KNOWN */
	ABI_EVENT_HIDDEN_ACCESS, /* a: guest-physical address, b: guest RIP, c: writes << 32 | reads
				    since last told */
	ABI_EVENT_NET_FAULT,	 /* a: enum abi_net_fault, b: queue, c: detail */
	ABI_EVENT_SENTRY_RESTART, /* a: enum abi_sentry_fault, b: sentry RIP (offset in its image),
				     c: detail */
	ABI_EVENT_GUEST_FAULT,	  /* a: enum abi_guest_fault, b: guest RIP, c: detail */
	ABI_EVENT_STATS,	  /* counters are up to date: tell them */
	ABI_EVENT_LOST,		  /* a: events lost before they reached the sentry */
	ABI_EVENT_LSTAR,   /* a: what the guest wrote to IA32_LSTAR, b: its CR3, c: CPU index |
			      ABI_LSTAR_LA57 | ABI_LSTAR_AGAIN | ABI_LSTAR_REFUSED */
	ABI_EVENT_SAMPLE,  /* a: the current task (0: unknown), b: CR3, c: CPU index |
			      ABI_SAMPLE_USER */
	ABI_EVENT_GUARD,   /* the guest writes to a guarded page: a: its guest-physical address, b:
			      guest RIP, c: CPU index, rsp: the current task (0: unknown), arg: the
			      ABI_GUARD_BYTES around the address as they were. It is writable until
			      guarded again */
	ABI_EVENT_SITE,	   /* a hooked site has become something else than a NOP or a CALL: a: hook,
			      b: its bytes, c: CPU index. Once for each value */
	ABI_EVENT_CONTROL, /* the guest cleared bits that are watched (ABI_CALL_WATCH): a: its RIP,
			      b: the register's old value << 32 | the new one, lower halves,
			      c: CPU index | enum abi_control << 32 | ABI_CONTROL_REFUSED */
	ABI_EVENTS
};

#define ABI_GUARD_BYTES 32u /* aligned to as many */

/* Set in ABI_EVENT_ROOT_SEEN's `c` when the core repeats a root after a restart of the sentry: it
 * is watched again, but not told a second time (abi_ctl.roots_told). */
#define ABI_ROOT_KNOWN (1ull << 63)

#define ABI_LSTAR_LA57	  (1ull << 62) /* 5-level paging was on */
#define ABI_LSTAR_AGAIN	  (1ull << 63) /* repeated for a restarted sentry */
#define ABI_LSTAR_REFUSED (1ull << 61) /* it is pinned: the write had no effect */
#define ABI_SAMPLE_USER	  (1ull << 63) /* at CPL 3 */

enum abi_control { ABI_CONTROL_CR0, ABI_CONTROL_CR4, ABI_CONTROL_EFER };
#define ABI_CONTROL_REFUSED (1ull << 63) /* the bits that are pinned had no effect */

enum abi_net_fault {
	ABI_NET_RING_ADDRESS, /* a ring or buffer outside of the guest's memory */
	ABI_NET_RING_INDEX, /* avail index moved by more than the queue's size, or head out of range
			     */
	ABI_NET_CHAIN_LOOP, /* descriptor chain longer than the queue */
	ABI_NET_CHAIN_FLAGS, /* wrong direction, or a feature that was not negotiated */
	ABI_NET_LENGTH,	     /* frame shorter than its headers or longer than the largest frame */
	ABI_NET_NIC,	     /* the physical NIC's own rings are inconsistent */
};

enum abi_sentry_fault {
	ABI_SENTRY_EXCEPTION,  /* detail: vector << 32 | error code */
	ABI_SENTRY_MEMORY,     /* EPT violation; detail: guest-physical address */
	ABI_SENTRY_HANG,       /* budget without progress exhausted; detail: microseconds */
	ABI_SENTRY_BAD_REPLY,  /* detail: the reply's first 8 bytes */
	ABI_SENTRY_BAD_CALL,   /* detail: hypercall number */
	ABI_SENTRY_EXIT,       /* it ended itself (abort, failed assertion); detail: its code */
	ABI_SENTRY_UNEXPECTED, /* detail: exit reason */
};

enum abi_guest_fault {
	ABI_GUEST_TRIPLE_FAULT,
	ABI_GUEST_ENTRY_FAILURE,
	ABI_GUEST_UNEXPECTED_EXIT,
	ABI_GUEST_APIC_BASE, /* tried to move the APIC page over Vigil's memory */
	ABI_GUEST_MCE,
};

/* --- named counters
 * -------------------------------------------------------------------------------- */

#define ABI_COUNTERS 128
#define ABI_RAM_MAX  64 /* pieces of RAM in the window */

struct abi_ram {
	uint64_t base, size; /* guest-physical, bytes */
};

/* `name` is "group.name" (exits.cpuid, net.rx_frames, tracking.switches, memory.block_kib). */
struct abi_counter {
	char name[40];
	uint64_t value;
};

/* --- the control structure
 * --------------------------------------------------------------------------- */

struct abi_ctl {
	/* Written by the core before the sentry's first instruction; constant afterwards. */
	uint64_t magic;
	uint32_t version;
	uint32_t ncpu;
	uint64_t tsc_khz;
	uint64_t wall_ns, wall_tsc; /* wall clock at a TSC value; 0: unknown */
	uint64_t boot_id;
	uint64_t heap, heap_size;   /* sentry-virtual */
	uint64_t rules, rules_size; /* sentry-virtual, read-only; size 0: none */
	uint64_t window;      /* sentry-virtual address of guest-physical 0 (read-only window) */
	uint64_t window_size; /* bytes; only what `ram` lists is mapped, the rest faults */
	uint32_t nram;
	struct abi_ram ram[ABI_RAM_MAX];
	uint8_t nic_present;
	uint8_t mac[6]; /* of the NIC, which the guest's virtual NIC has as well */
	uint8_t pad0;
	struct vigil_config config;
	char platform[128]; /* CPU brand and hypervisor below, printable */
	char controls[768]; /* VMX controls in use, printable, space separated names */

	/* Written by the core while the sentry runs. */
	volatile uint64_t restarts; /* how often the sentry was restarted since the start */
	volatile uint32_t ncounter;
	struct abi_counter counter[ABI_COUNTERS]; /* valid at an ABI_EVENT_STATS */

	/* Written by the sentry, kept over its restarts, never read by the core. */
	uint64_t seq;		 /* events numbered so far */
	uint64_t events_sent;	 /* of those, lines put into the output ring */
	uint64_t events_lost[8]; /* by class, events that found no room; [7]: lost with a restart */
	uint64_t events_told[8]; /* of events_lost, how many a `lost` event has told */
	uint64_t roots_told;	 /* TSC: roots known since then or before are told as seen */

	/* Written by the sentry, a wish only: lines wait for room in the output ring; enter it as
	 * soon as fewer than this many bytes wait there. 0: none waits. */
	volatile uint32_t output_low;

	/* Written by the sentry for ABI_CALL_LOG and ABI_CALL_HOOK. */
	char message[256];
	struct abi_hook hook;
	struct abi_cpu cpu; /* written by the core at ABI_CALL_CPU */

	struct abi_index request, reply, output;
};

#define ABI_PAGE	4096ul
#define ABI_ROUND(x)	(((x) + ABI_PAGE - 1) & ~(ABI_PAGE - 1))
#define ABI_OFF_REQ	ABI_ROUND(sizeof(struct abi_ctl))
#define ABI_OFF_REP	(ABI_OFF_REQ + ABI_ROUND(ABI_REQUESTS * sizeof(struct abi_request)))
#define ABI_OFF_OUT	(ABI_OFF_REP + ABI_ROUND(ABI_REPLIES * sizeof(struct abi_reply)))
#define ABI_OFF_FRAMES	(ABI_OFF_OUT + ABI_ROUND(ABI_OUTPUT))
#define ABI_OFF_RECORD	(ABI_OFF_FRAMES + (uint64_t)ABI_SLOTS * ABI_FRAME_SIZE)
#define ABI_RECORD_SIZE 8192 /* room for a struct entry_record (arch/x86/vmx/entry_record.h) */
#define ABI_SHARED_SIZE (ABI_OFF_RECORD + ABI_RECORD_SIZE)

/* --- hypercalls: VMCALL, number in RAX, arguments RDI, RSI, result RAX (RDX)
 * ------------------------- */

enum abi_call {
	ABI_CALL_YIELD,	 /* nothing left to do; RDI: TSC at which to be entered at the latest, 0:
			    none */
	ABI_CALL_LOG,	 /* RDI: bytes of abi_ctl.message to print on the channel as a plain line */
	ABI_CALL_EXIT,	 /* RDI: code. Does not return: the sentry is restarted */
	ABI_CALL_FORGET, /* RDI: page-table root that is gone; RAX: switches to it, RDX: TSC of the
			    last */
	ABI_CALL_GUEST,	 /* What the core must know of the guest's kernel. RDI: virtual address of
			    its direct map, RSI: offset of the current-task pointer from a CPU's
			    kernel GS base. Starts samples and captures; RDI 0 stops them */
	ABI_CALL_HOOK,	 /* RDI: number of a hook, RSI 1: set as abi_ctl.hook says (again: change
			    it), 0: remove. RAX: 0 or negative errno: -ENOTSUP (no execute-only
			    EPT, or memory that can't be hooked), -EINVAL (no such site), -ENOSPC */
	ABI_CALL_GUARD,	 /* Guard guest-physical [RDI, RDI + RSI) against writes (RSI bit 0 set:
			    guard no longer), page granular. RAX as for ABI_CALL_HOOK */
	ABI_CALL_CPU,	 /* Fill abi_ctl.cpu with the registers of the CPU that runs this stay */
	ABI_CALL_WATCH,	 /* RDI: PIN_* (hv/config.h) to watch | those to refuse << 32, RSI: the only
			    value that IA32_LSTAR may be given while PIN_LSTAR is refused */
	ABI_CALL_RESTORE, /* Write RSI bytes (ABI_GUARD_BYTES at most) of abi_ctl.message to guest-
			     physical RDI, which must be guarded. RAX: 0 or negative errno */
	ABI_CALL_FREEZE,  /* The guest's CPUs run no further; the sentry does */
	ABI_CALLS
};

/* --- the sentry's address space (built by the core)
 * --------------------------------------------------- */

#define ABI_SENTRY_BASE	  0x0000010000000000ul /* image (static PIE), then stack, then heap */
#define ABI_SENTRY_SHARED 0x0000020000000000ul /* struct abi_ctl and what follows it */
#define ABI_SENTRY_RULES  0x0000030000000000ul
#define ABI_SENTRY_WINDOW 0x0000400000000000ul /* guest-physical memory, read-only */
#define ABI_SENTRY_STACK  (256 * 1024)	       /* bytes; an unmapped page lies below */

/* Entry: RDI = ABI_SENTRY_SHARED, RSI = enum abi_start, RSP 16-byte aligned less 8, interrupts off,
 * SSE (and AVX where the CPU has it) usable, exceptions kill. A restart begins there again with
 * fresh memory. */
enum abi_start {
	ABI_START_RUN,
	ABI_START_EXPLAIN, /* over whatever the last life has left: name the rule that the VM entry
			      of the record broke (ABI_CALL_LOG), once; nothing comes after it */
};
