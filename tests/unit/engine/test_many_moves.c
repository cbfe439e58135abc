/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * 100 idle guests of 2 MiB move at once inside one process, over TCP and unix
 * sockets, with as many channels as ramjet likes: all arrive, whole.
 * RAMJET_MANY_TURNS: how many times (soak: 20).
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ramjet.h"
#include "util/compiler.h"

#define MOVES 100u
#define BYTES (2u << 20)

struct side {
	uint8_t *ram;
	struct ramjet_guest *guest;
	struct ramjet_migration *migration;
	unsigned started; /* atomic */
};

struct pair {
	struct side source, target;
};

static int stop(void *user RJ_UNUSED, struct ramjet_error *err RJ_UNUSED)
{
	return 0;
}

static int start(void *user, struct ramjet_error *err RJ_UNUSED)
{
	struct side *side = user;

	(void)__atomic_fetch_add(&side->started, 1, __ATOMIC_RELAXED);
	return 0;
}

static void must(int rc, const struct ramjet_error *err)
{
	if (rc < 0)
		fail_msg("%d: %s", rc, err->message);
}

static void side_init(struct side *side, unsigned fill)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = stop, .start = start };
	struct ramjet_block block = { RAMJET_BLOCK_INIT, .name = "ram0",
				      .bytes = BYTES };
	struct ramjet_error err = { 0 };

	memset(side, 0, sizeof(*side));
	side->ram = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(side->ram != MAP_FAILED);
	for (unsigned i = 0; fill && i < BYTES; i += 8)
		memcpy(side->ram + i, &(uint64_t){ fill * UINT64_C(31) + i },
		       8);
	block.host = side->ram;
	must(ramjet_guest_new(&ops, side, &side->guest, &err), &err);
	must(ramjet_guest_add_block(side->guest, &block, &err), &err);
}

static void side_done(struct side *side)
{
	ramjet_migration_free(side->migration);
	ramjet_guest_free(side->guest);
	assert_int_equal(munmap(side->ram, BYTES), 0);
}

static void begin(struct pair *pair, unsigned number, const char *folder)
{
	/* Of so many on few CPUs, some stand still for long. */
	struct ramjet_params params = { RAMJET_PARAMS_INIT, .verify = true };
	struct ramjet_error err = { 0 };
	char uri[128];

	params.switchover_timeout_us = UINT64_C(600000000);
	side_init(&pair->source, number + 1);
	side_init(&pair->target, 0);
	if (number % 2)
		(void)snprintf(uri, sizeof(uri), "unix:%s/%u", folder, number);
	else
		(void)snprintf(uri, sizeof(uri), "tcp:127.0.0.1:0");
	must(ramjet_incoming(pair->target.guest, uri, NULL,
			     &pair->target.migration, &err),
	     &err);
	must(ramjet_migrate(pair->source.guest,
			    ramjet_listen_uri(pair->target.migration), &params,
			    &pair->source.migration, &err),
	     &err);
}

static void end(struct pair *pair)
{
	struct ramjet_error err = { 0 };

	must(ramjet_wait(pair->source.migration, -1, &err), &err);
	must(ramjet_wait(pair->target.migration, -1, &err), &err);
	assert_memory_equal(pair->source.ram, pair->target.ram, BYTES);
	assert_int_equal(pair->source.started, 0);
	assert_int_equal(pair->target.started, 1);
	side_done(&pair->source);
	side_done(&pair->target);
}

static void all_at_once(void **state RJ_UNUSED)
{
	const char *turns = getenv("RAMJET_MANY_TURNS");
	char folder[] = "/tmp/ramjet-many-XXXXXX";
	struct pair *pairs = calloc(MOVES, sizeof(*pairs));

	assert_non_null(pairs);
	assert_non_null(mkdtemp(folder));
	for (long turn = turns ? strtol(turns, NULL, 10) : 1; turn > 0;
	     turn--) {
		for (unsigned i = 0; i < MOVES; i++)
			begin(&pairs[i], i, folder);
		for (unsigned i = 0; i < MOVES; i++)
			end(&pairs[i]);
	}
	assert_int_equal(rmdir(folder), 0);
	free(pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_at_once) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
