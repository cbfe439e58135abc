/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/busy_guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "ramjet-dirty.h"

/* Incompressible, and never the same page twice. */
#define STEP UINT64_C(0x9e3779b97f4a7c15)

void give_up(const char *message)
{
	(void)fprintf(stderr, "benchmark: %s\n", message);
	exit(1);
}

void check(int rc, const struct ramjet_error *err)
{
	if (rc < 0)
		give_up(err->message);
}

void pause_ms(long ms)
{
	const struct timespec pause = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&pause, NULL);
}

struct ramjet_info *info_of(const struct ramjet_migration *m)
{
	struct ramjet_info *info = NULL;

	if (ramjet_info(m, &info))
		give_up("no statistics");
	if (ramjet_state_is_final(info->state))
		give_up(info->error ? info->error->message : "");
	return info;
}

static int nothing(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

static int start_dirt(void *user, const struct ramjet_dirty_region *regions,
		      unsigned count, struct ramjet_error *err)
{
	(void)regions;
	(void)count;
	return nothing(user, err);
}

static int mark_strides(void *user, struct ramjet_dirty_sink *sink,
			struct ramjet_error *err)
{
	const struct busy_guest *busy = user;
	const uint64_t pages = busy->bytes / RAMJET_PAGE_BYTES;

	if (busy->stride == 1)
		ramjet_dirty_mark(sink, 0, 0, pages);
	else
		for (uint64_t page = 0; page < pages; page += busy->stride)
			ramjet_dirty_mark(sink, 0, page, 1);
	return nothing(NULL, err);
}

static void stop_dirt(void *user)
{
	(void)user;
}

static void add_dirt(struct ramjet_guest *guest, const struct busy_guest *busy)
{
	const struct ramjet_dirty_ops ops = {
		RAMJET_DIRTY_OPS_INIT, .name = "strides", .start = start_dirt,
		.collect = mark_strides, .stop = stop_dirt
	};
	struct ramjet_dirty_source *dirt = NULL;
	struct ramjet_error err;

	check(ramjet_dirty_new(&ops, (void *)(uintptr_t)busy, &dirt, &err),
	      &err);
	check(ramjet_guest_add_dirty_source(guest, dirt, &err), &err);
}

static void *new_memory(const struct busy_guest *busy)
{
	uint64_t value = 1;
	uint64_t *words = mmap(NULL, busy->bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (words == MAP_FAILED ||
	    (busy->advice && madvise(words, busy->bytes, busy->advice)))
		give_up("no memory");
	for (uint64_t i = 0; i < busy->bytes / sizeof(*words); i++) {
		value += STEP;
		words[i] = value ^ (value >> 29) * STEP;
	}
	return words;
}

struct ramjet_guest *busy_guest_new(const struct busy_guest *busy)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = nothing,
					      .start = nothing };
	const struct ramjet_block block = { RAMJET_BLOCK_INIT, .name = "ram0",
					    .host = new_memory(busy),
					    .bytes = busy->bytes,
					    .flags = RAMJET_BLOCK_PINNABLE };
	struct ramjet_guest *guest = NULL;
	struct ramjet_error err;

	check(ramjet_guest_new(&ops, NULL, &guest, &err), &err);
	check(ramjet_guest_add_block(guest, &block, &err), &err);
	if (busy->stride)
		add_dirt(guest, busy);
	return guest;
}
