/* SPDX-License-Identifier: BSD-3-Clause */
/* ramjet_info() while a callback of the VMM hangs: each callback here returns
 * only when another thread has been told all about both migrations. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ramjet-dirty.h"
#include "ramjet.h"

#define BYTES (4u << 20)
#define PAGES (BYTES / RAMJET_PAGE_BYTES)
/* A hang, on any machine. */
#define HANGS_S 120

enum who {
	STOP,
	START,
	SAVE,
	LOAD,
	THROTTLE,
	TRACK,
	COLLECT,
	REARM,
	COST,
	UNTRACK,
	LOG,
	NOTIFY,
	WHO_COUNT_
};
static const char *const names[WHO_COUNT_] = {
	"stop",          "start",   "save_state", "load_state",
	"throttle",      "track",   "collect",    "rearm",
	"write_cost_ns", "untrack", "log",        "notifier",
};

struct side {
	struct ramjet_guest *guest;
	struct ramjet_migration *migration;
	struct ramjet_params params;
	void *ram;
	_Atomic unsigned calls[WHO_COUNT_];
	atomic_bool calm; /* nothing is dirtied any more */
};

static void *ask(void *user)
{
	struct side *side = user;
	struct ramjet_info *info = NULL;

	if (!ramjet_info(side->migration, &info) &&
	    info->ram_total_bytes != BYTES)
		abort();
	ramjet_info_free(info);
	return NULL;
}

/* Hang until another thread has been told. */
static void hang(struct side *side, enum who who)
{
	struct timespec end;
	pthread_t thread;

	if (!side->migration) /* its maker logs before there is a handle */
		return;
	atomic_fetch_add(&side->calls[who], 1);
	(void)clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += HANGS_S;
	if (pthread_create(&thread, NULL, ask, side))
		abort();
	if (!pthread_timedjoin_np(thread, NULL, &end))
		return;
	(void)fprintf(stderr, "ramjet_info() waits for %s\n", names[who]);
	_exit(1);
}

static int stop(void *user, struct ramjet_error *err)
{
	(void)err;
	hang(user, STOP);
	return 0;
}

static int start(void *user, struct ramjet_error *err)
{
	(void)err;
	hang(user, START);
	return 0;
}

static int save(void *user, void **ret_data, size_t *ret_bytes,
		struct ramjet_error *err)
{
	(void)err;
	hang(user, SAVE);
	*ret_bytes = 8;
	*ret_data = calloc(1, *ret_bytes);
	return *ret_data ? 0 : -ENOMEM;
}

static int load(void *user, const void *data, size_t bytes,
		struct ramjet_error *err)
{
	(void)err;
	(void)data;
	hang(user, LOAD);
	return bytes == 8 ? 0 : -EINVAL;
}

/* From now on it fits. */
static int throttle(void *user, unsigned percent, struct ramjet_error *err)
{
	struct side *side = user;
	struct ramjet_params params = side->params;

	(void)err;
	(void)percent;
	hang(side, THROTTLE);
	atomic_store(&side->calm, true);
	params.downtime_limit_us = 3600u * 1000000u;
	(void)ramjet_set_params(side->migration, &params, NULL);
	return 0;
}

static int track(void *user, const struct ramjet_dirty_region *regions,
		 unsigned count, struct ramjet_error *err)
{
	(void)regions;
	(void)count;
	(void)err;
	hang(user, TRACK);
	return 0;
}

static int collect(void *user, struct ramjet_dirty_sink *sink,
		   struct ramjet_error *err)
{
	struct side *side = user;

	(void)err;
	hang(side, COLLECT);
	if (!atomic_load(&side->calm))
		ramjet_dirty_mark(sink, 0, 0, PAGES);
	return 0;
}

static int rearm(void *user, unsigned region, uint64_t first_page,
		 const uint64_t *words, size_t count, struct ramjet_error *err)
{
	(void)region;
	(void)first_page;
	(void)words;
	(void)count;
	(void)err;
	hang(user, REARM);
	return 0;
}

static uint64_t cost(void *user)
{
	hang(user, COST);
	return 1;
}

static void untrack(void *user)
{
	hang(user, UNTRACK);
}

static void hear_log(void *user, int level, const char *message)
{
	(void)level;
	(void)message;
	hang(user, LOG);
}

static void notified(void *user, enum ramjet_state old_state,
		     enum ramjet_state new_state,
		     const struct ramjet_error *err,
		     struct ramjet_migration *migration)
{
	(void)old_state;
	(void)new_state;
	(void)err;
	(void)migration;
	hang(user, NOTIFY);
}

static void init(struct side *side)
{
	struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT };
	struct ramjet_block block = { RAMJET_BLOCK_INIT, .name = "ram" };

	*side = (struct side){ .params = { RAMJET_PARAMS_INIT } };
	side->ram = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(side->ram, MAP_FAILED);
	memset(side->ram, 1, BYTES);
	ops.stop = stop;
	ops.start = start;
	ops.save_state = save;
	ops.load_state = load;
	ops.throttle = throttle;
	block.host = side->ram;
	block.bytes = BYTES;
	assert_int_equal(ramjet_guest_new(&ops, side, &side->guest, NULL), 0);
	assert_int_equal(ramjet_guest_add_block(side->guest, &block, NULL), 0);
	assert_true(ramjet_notify(side->guest, notified, side, NULL) > 0);
	side->params.log = hear_log;
	side->params.log_user = side;
	side->params.channels = 1;
}

static void add_source(struct side *side)
{
	struct ramjet_dirty_ops ops = { RAMJET_DIRTY_OPS_INIT };
	struct ramjet_dirty_source *source;

	ops.name = "hangs";
	ops.start = track;
	ops.collect = collect;
	ops.rearm = rearm;
	ops.stop = untrack;
	ops.write_cost_ns = cost;
	assert_int_equal(ramjet_dirty_new(&ops, side, &source, NULL), 0);
	assert_int_equal(
		ramjet_guest_add_dirty_source(side->guest, source, NULL), 0);
	side->params.throttle = true;
	side->params.downtime_limit_us = 1;
}

static void expect_called(const struct side *side, const char *what,
			  const enum who *who, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!atomic_load(&side->calls[who[i]]))
			fail_msg("%s: %s was not called", what, names[who[i]]);
}

static void done(struct side *side)
{
	ramjet_migration_free(side->migration);
	ramjet_guest_free(side->guest);
	(void)munmap(side->ram, BYTES);
}

static void info_waits_for_no_callback(void **state)
{
	static const enum who of_source[] = { STOP,    SAVE,  THROTTLE, TRACK,
					      COLLECT, REARM, COST,     UNTRACK,
					      LOG,     NOTIFY };
	static const enum who of_target[] = { LOAD, START, LOG, NOTIFY };
	struct side source, target;
	struct ramjet_error err = { 0 };

	(void)state;
	init(&source);
	init(&target);
	add_source(&source);
	assert_int_equal(ramjet_incoming(target.guest, "tcp:127.0.0.1:0",
					 &target.params, &target.migration,
					 &err),
			 0);
	assert_int_equal(ramjet_migrate(source.guest,
					ramjet_listen_uri(target.migration),
					&source.params, &source.migration,
					&err),
			 0);
	if (ramjet_wait(source.migration, -1, &err) ||
	    ramjet_wait(target.migration, -1, &err))
		fail_msg("%s", err.message);
	expect_called(&source, "source", of_source,
		      sizeof(of_source) / sizeof(of_source[0]));
	expect_called(&target, "target", of_target,
		      sizeof(of_target) / sizeof(of_target[0]));
	done(&source);
	done(&target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(info_waits_for_no_callback),
	};

	return cmocka_run_group_tests_name("info", tests, NULL, NULL);
}
