/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_SPEC_H
#define RJ_CLI_GUEST_SPEC_H
/* KIND:key=value,... of the command line, parsed (docs/man/ramjet.1,
 * GUESTS). */
#include "cli/guest/spec_qemu.h"
#include "ramjet.h"
#include "util/compiler.h"

enum rj_cli_pattern {
	RJ_CLI_PATTERN_SEQUENTIAL = 0,
	RJ_CLI_PATTERN_RANDOM,
	RJ_CLI_PATTERN_HOT,
	RJ_CLI_PATTERN_COUNT_
};
/* "sequential" etc.; "invalid" when out of range. Static. */
const char *rj_cli_pattern_name(unsigned pattern);

enum rj_cli_pages {
	RJ_CLI_PAGES_4K = 0, /* never transparent huge pages */
	RJ_CLI_PAGES_THP,
	RJ_CLI_PAGES_2M, /* from the hugetlb pool */
	RJ_CLI_PAGES_COUNT_
};
const char *rj_cli_pages_name(unsigned pages);

enum rj_cli_dirty {
	RJ_CLI_DIRTY_LOG = 0,
	RJ_CLI_DIRTY_RING,
};

/* `write_bytes_per_s` of "max": as fast as the guest can. */
#define RJ_CLI_WRITE_MAX   UINT64_MAX
#define RJ_CLI_THREADS_MAX 64u
/* Bytes a write changes: two counters (cli/guest/ram_page.h), or all from the
 * first to the last. */
#define RJ_CLI_TOUCH_MIN 16u
#define RJ_CLI_TOUCH_MAX 4072u

struct rj_cli_guest_spec {
	char kind[16];   /* "file", "process", "kvm", "qemu" */
	char path[4096]; /* file:, and the socket of qemu: */
	char text[4352]; /* as it was given */
	bool unlocked;   /* file: no lock on it */
	uint64_t bytes;  /* 0: not given (file: its size; else 1 GiB) */
	uint64_t write_bytes_per_s; /* dirtied memory; 0: idle */
	uint64_t set_bytes;         /* the working set; pages of 4096 */
	uint64_t seed;
	uint32_t threads; /* vCPUs */
	unsigned zero_percent;
	unsigned compressible_percent;
	enum rj_cli_pattern pattern;
	enum rj_cli_pages pages;
	enum rj_cli_dirty dirty; /* kvm: */
	bool prealloc;           /* populate before the clock starts */
	/* process:, for tests: the source's first `bursts` stops write this
	 * many bytes more before they return. */
	uint64_t burst_bytes;
	uint32_t bursts;
	/* process:, for tests: the source writes at its rate for this long
	 * after it was let go, and at the other from then on; 0: for ever. */
	uint64_t storm_us;
	uint64_t calm_bytes_per_s;
	uint64_t used_bytes;  /* live: so much holds anything; 0: all */
	uint32_t touch_bytes; /* process: that a write changes in its page */
	struct rj_cli_qemu_spec qemu;
};

/* -EINVAL or -ERANGE with a message that names the key and what was wanted.
 * *ret is complete on success: every default is filled in. */
RJ_NODISCARD int rj_cli_guest_spec_parse(const char *text,
					 struct rj_cli_guest_spec *ret,
					 struct ramjet_error *err);
#endif
