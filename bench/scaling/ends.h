/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_SCALING_ENDS_H
#define BENCH_SCALING_ENDS_H
/* The source, in this process, and the target, in a child of it, so that they
 * have page tables of their own. Errors end the program. */
#include <ramjet.h>

#include "bench/scaling/writer.h"

enum target_memory {
	TARGET_POPULATED, /* zeros, before the source connects */
	TARGET_UNTOUCHED,
	TARGET_OTHER, /* other content, which has to go */
};

struct ends {
	struct memory memory; /* both have such */
	struct writer writer; /* the source's */
	enum target_memory target;
	unsigned hold_ms; /* with params.hold: so long after the first round */
	struct ramjet_params params;
};

/* What is not in a ramjet_info. */
struct seen {
	double first_ms; /* from ramjet_migrate() until a page has gone */
	/* Pages a second that the guest wrote: before, while everything is sent
	 * for the first time, and while it is held after that. */
	double before, first_round, later;
	double own_mib; /* most memory that a migration took beside the guest's */
};

/* Forks: call it before there are threads. Waits for connections until the
 * child has written its address, which is *returned*; the child prints its
 * report to `report`, when it is over. */
char *target_start(struct ends *ends, int report);
/* The guest runs already, and its memory is filled. */
struct ramjet_info *source_run(struct ends *ends, const char *uri,
			       struct seen *ret_seen);
void print_terms(int fd, const struct ramjet_info *info);
#endif
