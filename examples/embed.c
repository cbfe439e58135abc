/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The least a program has to do to move its own memory while it is being
 * written: here a "guest" is a thread that never stops writing 64 MiB, and
 * all it is outside its memory is one number, the step it is at. A second
 * guest in the same program takes it over, through a socket; nothing would
 * change if it sat on another host, but the address.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ramjet.h"

#define PAGES 16384u
#define BYTES (PAGES * (size_t)RAMJET_PAGE_BYTES)

struct machine {
	const char *name;
	uint8_t *ram;
	uint64_t dirty[PAGES / 64]; /* a bit for each page written */
	uint64_t step;
	int stop; /* atomic */
	pthread_t thread;
	struct ramjet_guest *guest;
};

/* ---- the program as it was: it writes, can stop and go on --------------- */

static uint64_t page_of(uint64_t step)
{
	return step * 7919 % PAGES; /* each page once in PAGES steps */
}

static void *work(void *arg)
{
	struct machine *m = arg;

	while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
		const uint64_t page = page_of(m->step);

		memcpy(m->ram + page * RAMJET_PAGE_BYTES, &m->step, 8);
		/* After the write: so no write is ever missed. */
		__atomic_fetch_or(&m->dirty[page / 64],
				  UINT64_C(1) << page % 64, __ATOMIC_RELEASE);
		__atomic_store_n(&m->step, m->step + 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int start(void *user, struct ramjet_error *err)
{
	struct machine *m = user;

	(void)err; /* ramjet words the errno, unless we know better */
	__atomic_store_n(&m->stop, 0, __ATOMIC_RELAXED);
	return -pthread_create(&m->thread, NULL, work, m);
}

static int stop(void *user, struct ramjet_error *err)
{
	struct machine *m = user;

	(void)err;
	__atomic_store_n(&m->stop, 1, __ATOMIC_RELAXED);
	return -pthread_join(m->thread, NULL);
}

/* ---- its state besides memory ------------------------------------------- */

static int save(void *user, void **ret_data, size_t *ret_bytes,
		struct ramjet_error *err)
{
	const struct machine *m = user;

	(void)err;
	*ret_bytes = sizeof(m->step);
	*ret_data = malloc(*ret_bytes); /* ramjet frees it */
	if (!*ret_data)
		return -ENOMEM;
	memcpy(*ret_data, &m->step, *ret_bytes);
	return 0;
}

static int load(void *user, const void *data, size_t bytes,
		struct ramjet_error *err)
{
	struct machine *m = user;

	(void)err;
	if (bytes != sizeof(m->step))
		return -EPROTO;
	memcpy(&m->step, data, bytes);
	return 0;
}

/* ---- what ramjet is told ------------------------------------------------ */

static void must(int rc, const struct ramjet_error *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static void describe(struct machine *m)
{
	const struct ramjet_guest_ops ops = {
		RAMJET_GUEST_OPS_INIT, .stop = stop,       .start = start,
		.save_state = save,    .load_state = load,
	};
	struct ramjet_block block = { RAMJET_BLOCK_INIT, .name = "ram0",
				      .bytes = BYTES };
	struct ramjet_dirty_bitmap bitmap = {
		RAMJET_DIRTY_BITMAP_INIT,
		.block = "ram0",
		.bits = m->dirty,
		.bytes = sizeof(m->dirty),
	};
	struct ramjet_dirty_source *dirty;
	struct ramjet_error err = { 0 };

	m->ram = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->ram == MAP_FAILED)
		exit(1);
	block.host = m->ram;
	must(ramjet_guest_new(&ops, m, &m->guest, &err), &err);
	must(ramjet_guest_add_block(m->guest, &block, &err), &err);
	/* A program that cannot note its writes lets the kernel do it, with
	 * ramjet_dirty_pagemap_new(). */
	must(ramjet_dirty_shared_new(&bitmap, &dirty, &err), &err);
	must(ramjet_guest_add_dirty_source(m->guest, dirty, &err), &err);
}

/* ---- moving -------------------------------------------------------------- */

static void move(struct machine *source, struct machine *target,
		 const char *uri)
{
	const struct ramjet_params params = { RAMJET_PARAMS_INIT,
					      .verify = true };
	struct ramjet_migration *incoming, *outgoing;
	struct ramjet_error err = { 0 };
	struct ramjet_info *info;

	must(ramjet_incoming(target->guest, uri, &params, &incoming, &err),
	     &err);
	must(ramjet_migrate(source->guest, uri, &params, &outgoing, &err),
	     &err);
	must(ramjet_wait(outgoing, -1, &err), &err);
	must(ramjet_wait(incoming, -1, &err), &err);
	must(ramjet_info(outgoing, &info), &err);
	printf("moved %.1f MiB in %.1f ms and %llu rounds; paused for %.2f ms; "
	       "memory %s\n",
	       (double)info->ram.transferred_bytes / 1048576.0,
	       (double)info->total_us / 1000.0,
	       (unsigned long long)info->rounds_total,
	       (double)info->downtime_us / 1000.0,
	       info->verified ? "proven equal" : "not compared");
	ramjet_info_free(info);
	ramjet_migration_free(outgoing);
	ramjet_migration_free(incoming);
}

/* ---- the proof ----------------------------------------------------------- */

static void await_step(const struct machine *m, uint64_t step)
{
	while (__atomic_load_n(&m->step, __ATOMIC_RELAXED) < step)
		(void)usleep(1000);
}

/* Each page must carry the last step that wrote it, on whichever side. */
static int check(const struct machine *m)
{
	uint64_t found;

	for (uint64_t step = m->step - PAGES; step < m->step; step++) {
		const uint64_t page = page_of(step);

		memcpy(&found, m->ram + page * RAMJET_PAGE_BYTES, 8);
		if (found == step)
			continue;
		printf("%s: page %llu carries step %llu, wanted %llu\n",
		       m->name, (unsigned long long)page,
		       (unsigned long long)found, (unsigned long long)step);
		return 1;
	}
	printf("%s: stands at step %llu, and every page agrees\n", m->name,
	       (unsigned long long)m->step);
	return 0;
}

int main(void)
{
	static struct machine source = { .name = "source" };
	static struct machine target = { .name = "target" };
	char folder[] = "/tmp/ramjet-embed-XXXXXX", uri[64];
	int wrong;

	if (!mkdtemp(folder))
		return 1;
	(void)snprintf(uri, sizeof(uri), "unix:%s/socket", folder);
	describe(&source);
	describe(&target);
	if (start(&source, NULL))
		return 1;
	await_step(&source, 2 * PAGES);

	move(&source, &target, uri);
	(void)rmdir(folder);

	await_step(&target, source.step + PAGES / 2);
	(void)stop(&target, NULL);
	wrong = check(&source) | check(&target);
	ramjet_guest_free(source.guest);
	ramjet_guest_free(target.guest);
	return wrong;
}
