/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/lanes.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/mutex.h"
#include "util/thread.h"

/* A connection and a ring. */
#define FDS_EACH 2u
/* Left over for everything else, such as the thread that reads the control
 * link: the means of so many channels. */
#define RESERVED 2u
/* Address space for buffers and a ring. */
#define BYTES_EACH ((size_t)6 << 20)

/* What one worker takes. */
struct lane {
	int fds[FDS_EACH];
	void *memory;
	pthread_t thread;
	bool started;
};

/* All must exist at the same time, or the trial would prove nothing. */
struct trial {
	struct rj_mutex over; /* held until it is */
	struct lane *lanes;
};

static void *wait_for_the_end(void *arg)
{
	struct trial *trial = arg;

	rj_lock(&trial->over);
	rj_unlock(&trial->over);
	return NULL;
}

static int take(struct trial *trial, struct lane *lane,
		struct ramjet_error *why)
{
	int rc;

	for (unsigned i = 0; i < FDS_EACH; i++) {
		lane->fds[i] = eventfd(0, EFD_CLOEXEC);
		if (lane->fds[i] < 0)
			return rj_fail_errno(why, -errno, "descriptors");
	}
	lane->memory = mmap(NULL, BYTES_EACH, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (lane->memory == MAP_FAILED)
		return rj_fail_errno(why, -errno, "memory");
	rc = rj_thread_start(&lane->thread, "rj/trial", wait_for_the_end,
			     trial);
	lane->started = !rc;
	return rc ? rj_thread_fail(why, rc, "threads") : 0;
}

static void give_back(struct lane *lane)
{
	if (lane->started)
		(void)pthread_join(lane->thread, NULL);
	if (lane->memory != MAP_FAILED)
		(void)munmap(lane->memory, BYTES_EACH);
	for (unsigned i = 0; i < FDS_EACH; i++)
		rj_close_fd(&lane->fds[i]);
}

unsigned rj_lanes_available(unsigned wished, struct ramjet_error *why)
{
	const unsigned most = wished + RESERVED;
	struct trial trial = { .lanes = calloc(most, sizeof(struct lane)) };
	unsigned taken = 0;

	if (!trial.lanes || wished < 2) {
		free(trial.lanes);
		return 1;
	}
	for (unsigned i = 0; i < most; i++)
		trial.lanes[i] = (struct lane){ .fds = { -1, -1 },
						.memory = MAP_FAILED };
	rj_mutex_init(&trial.over);
	rj_lock(&trial.over);
	while (taken < most && !take(&trial, &trial.lanes[taken], why))
		taken++;
	rj_unlock(&trial.over);
	for (unsigned i = 0; i < most; i++)
		give_back(&trial.lanes[i]);
	rj_mutex_done(&trial.over);
	free(trial.lanes);
	return taken > RESERVED ? taken - RESERVED : 1;
}
