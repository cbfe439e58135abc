/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/base/parallel.h"

#include <pthread.h>

#include "util/compiler.h"
#include "util/cpus.h"
#include "util/error.h"

/* Less than this is not worth a thread. */
#define ITEMS_MIN 64u

struct part {
	rj_cli_part_fn *fn;
	void *user;
	uint64_t first;
	uint64_t count;
	pthread_t thread;
	bool has_thread;
	int rc;
	struct ramjet_error err;
};

static unsigned cpu_count(void)
{
	const unsigned count = rj_allowed_cpus();

	return count < RJ_CLI_PARALLEL_MAX ? count : RJ_CLI_PARALLEL_MAX;
}

static void *part_main(void *arg)
{
	struct part *part = arg;

	(void)pthread_setname_np(pthread_self(), "rj/part");
	part->rc = part->fn(part->user, part->first, part->count, &part->err);
	return NULL;
}

int rj_cli_parallel(uint64_t count, rj_cli_part_fn *fn, void *user,
		    struct ramjet_error *err)
{
	struct part parts[RJ_CLI_PARALLEL_MAX] = { 0 };
	unsigned part_count = count < ITEMS_MIN ? 1 : cpu_count();
	int rc = 0;

	for (unsigned i = 0; i < part_count; i++) {
		parts[i].fn = fn;
		parts[i].user = user;
		parts[i].first = count / part_count * i;
		parts[i].count = i + 1 == part_count ? count - parts[i].first
						     : count / part_count;
		/* The last part is this thread's own. */
		parts[i].has_thread = i + 1 < part_count &&
				      !pthread_create(&parts[i].thread, NULL,
						      part_main, &parts[i]);
	}
	for (unsigned i = 0; i < part_count; i++)
		if (!parts[i].has_thread)
			parts[i].rc = fn(user, parts[i].first, parts[i].count,
					 &parts[i].err);
	for (unsigned i = 0; i < part_count; i++) {
		if (parts[i].has_thread)
			(void)pthread_join(parts[i].thread, NULL);
		if (parts[i].rc && !rc)
			rc = rj_fail(err, parts[i].rc, "%s",
				     parts[i].err.message);
	}
	return rc;
}
