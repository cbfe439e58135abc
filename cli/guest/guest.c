/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/guest.h"

#include <errno.h>
#include <time.h>

#include "util/error.h"

void rj_cli_guest_free(struct rj_cli_guest *guest)
{
	if (guest)
		guest->kind->free(guest);
}

/* A signal cuts it short. */
static void pause_us(uint64_t us)
{
	const struct timespec span = {
		.tv_sec = (time_t)(us / 1000000),
		.tv_nsec = (long)(us % 1000000) * 1000,
	};

	(void)nanosleep(&span, NULL);
}

int rj_cli_guest_trial(struct rj_cli_guest *guest, uint64_t run_us,
		       struct rj_cli_guest_check *ret, struct ramjet_error *err)
{
	const struct rj_cli_guest_kind *kind = guest->kind;
	uint64_t before = kind->writes(guest), during;
	int rc;

	*ret = (struct rj_cli_guest_check){ 0 };
	if (!kind->running(guest))
		return rj_fail(err, -EIO, "guest %s: it doesn't run",
			       kind->name);
	pause_us(run_us);
	rc = kind->ops->stop(guest, err);
	if (rc)
		return rc;
	during = kind->writes(guest) - before;
	rc = kind->check(guest, ret, err);
	ret->trial_writes = during;
	return rc;
}

int rj_cli_guest_watch_quiet(struct rj_cli_guest *guest, uint64_t watch_us,
			     struct ramjet_error *err)
{
	uint64_t before = guest->kind->digest(guest);

	pause_us(watch_us);
	if (guest->kind->digest(guest) != before)
		return rj_fail(err, -EBUSY,
			       "guest %s: memory changed after the guest "
			       "had been handed over",
			       guest->kind->name);
	return 0;
}
