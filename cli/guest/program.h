/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_PROGRAM_H
#define RJ_CLI_GUEST_PROGRAM_H
/*
 * What the process guest runs: a program whose whole state lies in guest RAM.
 *
 * RAM is: page 0 the header (what the program is, written once), one page for
 * each vCPU (how many pages it has written), the working set cut into one
 * slice a vCPU, and static pages up to the end. A vCPU's number of writes
 * says where its next write goes and what every page of its slice carries
 * (cli/guest/pattern.h), so a target that has nothing but the RAM goes on
 * with the very next write, and can check every page.
 *
 * A `struct rj_cli_program` is a view of such RAM: cheap, and safe to share,
 * as long as vCPU t's pages are written by one thread.
 */
#include "cli/guest/pattern.h"
#include "cli/guest/spec.h"
#include "cli/guest/spread.h"

struct rj_cli_program {
	uint8_t *ram; /* borrowed */
	uint64_t page_count;
	/* from the header */
	uint64_t set_pages;
	uint64_t write_bytes_per_s;
	uint64_t seed;
	uint32_t threads;
	uint32_t zero_percent;
	uint32_t compressible_percent;
	uint32_t touched; /* words a write changes beside the counters */
	enum rj_cli_pattern pattern;
	struct rj_cli_spread spread; /* of static pages */
};

/* Write the program of `spec` and all content into `ram`; several threads. */
RJ_NODISCARD int rj_cli_program_create(struct rj_cli_program *program,
				       uint8_t *ram,
				       const struct rj_cli_guest_spec *spec,
				       struct ramjet_error *err);
/* Take over the program that `ram` holds. -EBADMSG when the header isn't one
 * that rj_cli_program_create() can have written. */
RJ_NODISCARD int rj_cli_program_adopt(struct rj_cli_program *program,
				      uint8_t *ram, uint64_t bytes,
				      struct ramjet_error *err);

/* vCPU `thread` makes its next write. -EBADMSG, nothing written, when the
 * page isn't as its last write left it. */
int rj_cli_program_step(const struct rj_cli_program *program, uint32_t thread,
			struct ramjet_error *err);
/* How many writes vCPU `thread` has made, as its page says. */
uint64_t rj_cli_program_writes(const struct rj_cli_program *program,
			       uint32_t thread);
uint64_t rj_cli_program_writes_total(const struct rj_cli_program *program);

/* The rest wants all vCPUs stopped. */
/* Compare every page with what it must be; several threads. -EBADMSG: the
 * first damage. */
RJ_NODISCARD int rj_cli_program_check(const struct rj_cli_program *program,
				      struct ramjet_error *err);
/* Of everything the program writes. */
uint64_t rj_cli_program_digest(const struct rj_cli_program *program);

/* The "device state": what RAM must say on the other side, in brief.
 * *ret_data is malloc()ed. */
RJ_NODISCARD int rj_cli_program_save(const struct rj_cli_program *program,
				     void **ret_data, size_t *ret_bytes,
				     struct ramjet_error *err);
/* -EBADMSG when `data` isn't such a state, or RAM says something else. */
RJ_NODISCARD int rj_cli_program_compare(const struct rj_cli_program *program,
					const void *data, size_t bytes,
					struct ramjet_error *err);
#endif
