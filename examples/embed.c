/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The least a program has to do to move its own memory while it is being
 * written. The "guest" is a thread that never stops writing 64 MiB; all it is
 * besides its memory is one number, the step it is at. A second guest in the
 * same program takes it over, through a socket; nothing would change if it sat
 * on another host, but the address.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ramjet-dirty.h"

#define PAGES 16384u
#define BYTES (PAGES * (size_t)RAMJET_PAGE_BYTES)

struct machine {
	_Alignas(RAMJET_PAGE_BYTES) uint8_t ram[BYTES];
	uint64_t dirty[PAGES / 64]; /* a bit for each page written */
	uint64_t step;
	int stop; /* atomic */
	pthread_t thread;
	struct ramjet_guest *guest;
};

static struct ramjet_error err;

static void must(int rc)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "%s\n", err.message);
	exit(1);
}

/* ---- the program as it was: it writes, can stop and go on --------------- */

static void *work(void *arg)
{
	struct machine *m = arg;

	while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
		const uint64_t page = m->step % PAGES;

		memcpy(m->ram + page * RAMJET_PAGE_BYTES, &m->step, 8);
		/* After the write: so no write is ever missed. */
		__atomic_fetch_or(&m->dirty[page / 64],
				  UINT64_C(1) << page % 64, __ATOMIC_RELEASE);
		__atomic_store_n(&m->step, m->step + 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* All of these leave the words to ramjet, which knows the errno. */
static int start(void *user, struct ramjet_error *unused)
{
	struct machine *m = user;

	(void)unused;
	m->stop = 0;
	return -pthread_create(&m->thread, NULL, work, m);
}

static int stop(void *user, struct ramjet_error *unused)
{
	struct machine *m = user;

	(void)unused;
	__atomic_store_n(&m->stop, 1, __ATOMIC_RELAXED);
	return -pthread_join(m->thread, NULL);
}

/* ---- its state besides memory ------------------------------------------- */

static int save(void *user, void **ret_data, size_t *ret_bytes,
		struct ramjet_error *unused)
{
	const struct machine *m = user;

	(void)unused;
	*ret_bytes = sizeof(m->step);
	*ret_data = malloc(*ret_bytes); /* ramjet frees it */
	if (!*ret_data)
		return -ENOMEM;
	memcpy(*ret_data, &m->step, *ret_bytes);
	return 0;
}

static int load(void *user, const void *data, size_t bytes,
		struct ramjet_error *unused)
{
	struct machine *m = user;

	(void)unused;
	if (bytes != sizeof(m->step))
		return -EPROTO;
	memcpy(&m->step, data, bytes);
	return 0;
}

/* ---- what ramjet is told ------------------------------------------------ */

static void describe(struct machine *m)
{
	struct ramjet_guest_ops ops;
	struct ramjet_block block;
	struct ramjet_dirty_bitmap bitmap;
	struct ramjet_dirty_source *dirty;

	ramjet_guest_ops_init(&ops);
	ops.stop = stop;
	ops.start = start;
	ops.save_state = save;
	ops.load_state = load;
	ramjet_block_init(&block);
	block.name = "ram0";
	block.host = m->ram;
	block.bytes = BYTES;
	ramjet_dirty_bitmap_init(&bitmap);
	bitmap.block = "ram0";
	bitmap.bits = m->dirty;
	bitmap.bytes = sizeof(m->dirty);
	must(ramjet_guest_new(&ops, m, &m->guest, &err));
	must(ramjet_guest_add_block(m->guest, &block, &err));
	/* A program that cannot note its writes lets the kernel do it, with
	 * ramjet_dirty_pagemap_new(). */
	must(ramjet_dirty_shared_new(&bitmap, &dirty, &err));
	must(ramjet_guest_add_dirty_source(m->guest, dirty, &err));
}

/* ---- moving: on two hosts, each would do its half ----------------------- */

static void move(struct machine *source, struct machine *target)
{
	struct ramjet_migration *incoming, *outgoing;
	struct ramjet_params params;
	struct ramjet_info *info;

	ramjet_params_init(&params);
	params.verify = true;
	must(ramjet_incoming(target->guest, "tcp:127.0.0.1:0", &params,
			     &incoming, &err));
	must(ramjet_migrate(source->guest, ramjet_listen_uri(incoming), &params,
			    &outgoing, &err));
	must(ramjet_wait(outgoing, -1, &err));
	must(ramjet_wait(incoming, -1, &err));
	must(ramjet_info(outgoing, &info));
	printf("moved in %llu us and %llu rounds, stood still for %llu us\n",
	       (unsigned long long)info->total_us,
	       (unsigned long long)info->rounds_total,
	       (unsigned long long)info->downtime_us);
	ramjet_info_free(info);
	ramjet_migration_free(outgoing);
	ramjet_migration_free(incoming);
}

/* ---- the proof: each page carries the last step that wrote it ----------- */

static void await_step(const struct machine *m, uint64_t step)
{
	while (__atomic_load_n(&m->step, __ATOMIC_RELAXED) < step)
		(void)usleep(1000);
}

static int check(const struct machine *m)
{
	for (uint64_t step = m->step - PAGES; step < m->step; step++)
		if (memcmp(m->ram + step % PAGES * RAMJET_PAGE_BYTES, &step, 8))
			return 1;
	return 0;
}

int main(void)
{
	static struct machine source, target;
	int wrong;

	describe(&source);
	describe(&target);
	must(start(&source, &err));
	await_step(&source, 2 * PAGES);
	move(&source, &target);
	await_step(&target, source.step + PAGES / 2);
	must(stop(&target, &err));
	wrong = check(&source) | check(&target);
	printf("the source stopped at step %llu, the target went on to %llu: "
	       "%s\n",
	       (unsigned long long)source.step, (unsigned long long)target.step,
	       wrong ? "PAGES ARE WRONG" : "every page agrees");
	ramjet_guest_free(source.guest);
	ramjet_guest_free(target.guest);
	return wrong;
}
