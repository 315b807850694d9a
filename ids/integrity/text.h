/* Shared by text*.c alone: text and read-only data against their baseline. */
#pragma once

#include "ids/integrity/nh.h"
#include "ids/integrity/probed.h"
#include "ids/integrity/sites.h"

#define RODATA_MAX  (20u << 20)
#define TEXT_LINE   NH_LINE /* bytes of text under one hash: a change is told to the line */
#define RODATA_LINE (4 * NH_LINE)
#define TEXT_LINES  (SITES_TEXT_MAX / TEXT_LINE)
#define LINES	    (TEXT_LINES + RODATA_MAX / RODATA_LINE)
#define PAGE_WORDS  (GMEM_PAGE / 8)
#define AHEAD	    8 /* bytes read behind a page, for a site that crosses its end */

enum { AREA_TEXT, AREA_RODATA, AREAS };

struct area {
	uint64_t va, gpa;
	uint32_t pages;
	uint32_t line;	/* bytes */
	uint32_t first; /* index of its first hash */
};

#define REGION	    (2u << 20) /* what the core opens at a write */
#define REGIONS	    32u
#define PAGES_AGAIN 32u
#define WRITES	    16u
#define TABLES	    2u
#define FAULTS	    8u	 /* told in a step: names cost up to 100,000 instructions each */
#define LINES_ODD   64u	 /* looked into in a step: each may be compared with 1,000 probes */
#define TABLE_MAX   512u /* entries of a system-call table that are kept */

/* 2 MiB of guest memory that the guest has written to. */
struct region {
	uint64_t due;	 /* TSC at which it is closed and looked at, 0: it is closed */
	uint64_t closed; /* when it was, the last time */
	uint8_t level;	 /* the busier, the longer it stays open */
};

/* A page that is looked at again soon. */
struct again {
	uint64_t due; /* 0: free */
	uint32_t area, page;
	bool told; /* it is bad, and was told so: wait for it to be good again */
};

/* A write that the core told: what stood there before. */
struct text_write {
	uint64_t gpa, rip, task;
	uint8_t before[ABI_GUARD_BYTES]; /* of the aligned block that holds gpa */
};

struct table_copy {
	uint64_t va;
	uint32_t count;
	uint64_t entry[TABLE_MAX];
};

/* Not zeroed at an attach. */
struct text_memory {
	uint32_t hash[LINES];
	struct sites sites;
	struct probed probed;
	struct table_copy table[TABLES];
	struct {
		uint64_t gpa, size; /* size 0: none */
	} guard[AREAS];		    /* what the core guards */
	uint32_t faults;	    /* findings that may still be told in this step */
	uint32_t lines;		    /* that differ, which may still be looked into in it */
};

enum text_phase {
	TEXT_WAIT,   /* for the kernel to have patched itself */
	TEXT_SITES,  /* its places are learned */
	TEXT_HASH,   /* text is */
	TEXT_BOOTED, /* wait for the kernel's start to end */
	TEXT_RODATA,
	TEXT_WATCH,
};

struct text_state {
	enum text_phase phase;
	struct nh_key key[RODATA_LINE / NH_LINE];
	struct area area[AREAS];
	uint32_t page;	  /* of the phase */
	uint32_t retries; /* of the sites */
	uint64_t deadline;
	int64_t scheduling, running; /* values of system_state */
	bool guarded;
	struct region region[REGIONS];
	uint64_t region_base; /* gpa of region 0 */
	uint32_t open;	      /* region that is being looked at, REGIONS: none */
	uint32_t open_area, open_page;
	struct again again[PAGES_AGAIN];
	uint32_t hooked_at;
	uint64_t hooked_due, sweep_due;
	uint32_t sweep_area, sweep_page;
	struct text_write write[WRITES];
	uint32_t writes;
	/* The page at hand: as it is, and with its sites masked. */
	uint64_t real[PAGE_WORDS + AHEAD / 8], bytes[PAGE_WORDS + AHEAD / 8];
};

/* --- text_page.c --- */

/* Hash an area's page into the baseline. False: it can't be read. */
bool text_learn(struct check_run *run, uint32_t area, uint32_t page);
/* Compare it. False: something is wrong, and it is to be looked at again; what is certain is told.
 */
bool text_look(struct check_run *run, uint32_t area, uint32_t page);
