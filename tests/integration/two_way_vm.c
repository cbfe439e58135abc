/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM that lives on while its guest goes and comes back: one guest, told by lines
 * on standard input what to do, which are answered on standard output. The guest
 * is a thread that writes its pages in turn, each with the number of the write,
 * and looks, before it writes one, that it holds what was written there last.
 *
 *   two_way_vm BYTES pagemap|shared CHANNELS
 *
 *   boot            start the guest here for the first time
 *   listen          "listening URI"; what comes of it, by `await`
 *   await           "arrived", or "nothing came: ..."
 *   send URI        "sent", "unconfirmed: ..." or "stayed: ...": the guest runs on
 *   resume          start a guest of which both sides know that it runs nowhere
 *   check           "steps N", or "CORRUPT: ..." once a page was not what it was
 *   quit
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "ramjet-dirty.h"

/* So fast that rounds have something to send, and a guest on a busy machine is
 * moved all the same. */
#define PAGES_A_NAP 64u
#define NAP_NS      2000000

struct vm {
	uint8_t *ram;
	uint64_t pages;
	uint64_t *bits; /* shared: a bit for each page written */
	uint64_t step;
	atomic_bool stop;
	atomic_bool runs;
	_Atomic uint64_t bad_page; /* + 1; 0: none */
	pthread_t thread;
	struct ramjet_guest *guest;
	struct ramjet_params params;
	struct ramjet_migration *incoming;
};

static struct ramjet_error err;

static void must(int rc)
{
	if (rc >= 0)
		return;
	printf("failed: %s\n", err.message);
	exit(1);
}

/* ---- the guest ---------------------------------------------------------------- */

/* What the page holds after `steps` writes: the number of its last one in every
 * 512th byte; 0 before. */
static uint64_t last_write(const struct vm *vm, uint64_t page, uint64_t steps)
{
	return steps > page
		       ? (steps - 1 - page) / vm->pages * vm->pages + page + 1
		       : 0;
}

static void write_page(struct vm *vm)
{
	const uint64_t page = vm->step % vm->pages;
	uint8_t *at = vm->ram + page * RAMJET_PAGE_BYTES;
	const uint64_t was = last_write(vm, page, vm->step);

	for (unsigned i = 0; i < RAMJET_PAGE_BYTES; i += 512) {
		uint64_t found;
		const uint64_t is = vm->step + 1;

		memcpy(&found, at + i, sizeof(found));
		if (found != was && !atomic_load(&vm->bad_page))
			atomic_store(&vm->bad_page, page + 1);
		memcpy(at + i, &is, sizeof(is));
	}
	if (vm->bits)
		__atomic_fetch_or(&vm->bits[page / 64],
				  UINT64_C(1) << page % 64, __ATOMIC_RELEASE);
	__atomic_store_n(&vm->step, vm->step + 1, __ATOMIC_RELAXED);
}

static void *work(void *user)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	struct vm *vm = user;

	while (!atomic_load(&vm->stop)) {
		for (unsigned i = 0; i < PAGES_A_NAP; i++)
			write_page(vm);
		(void)nanosleep(&nap, NULL);
	}
	return NULL;
}

static int start(void *user, struct ramjet_error *unused)
{
	struct vm *vm = user;

	(void)unused;
	atomic_store(&vm->stop, false);
	atomic_store(&vm->runs, true);
	return -pthread_create(&vm->thread, NULL, work, vm);
}

static int stop(void *user, struct ramjet_error *unused)
{
	struct vm *vm = user;

	(void)unused;
	atomic_store(&vm->stop, true);
	atomic_store(&vm->runs, false);
	return -pthread_join(vm->thread, NULL);
}

static int save(void *user, void **ret_data, size_t *ret_bytes,
		struct ramjet_error *unused)
{
	const struct vm *vm = user;

	(void)unused;
	*ret_bytes = sizeof(vm->step);
	*ret_data = malloc(*ret_bytes);
	if (!*ret_data)
		return -ENOMEM;
	memcpy(*ret_data, &vm->step, *ret_bytes);
	return 0;
}

static int load(void *user, const void *data, size_t bytes,
		struct ramjet_error *unused)
{
	struct vm *vm = user;

	(void)unused;
	if (bytes != sizeof(vm->step))
		return -EPROTO;
	memcpy(&vm->step, data, bytes);
	return 0;
}

/* ---- what ramjet is told -------------------------------------------------------- */

static struct ramjet_dirty_source *shared_source(struct vm *vm)
{
	struct ramjet_dirty_bitmap bitmap;
	struct ramjet_dirty_source *dirty;

	ramjet_dirty_bitmap_init(&bitmap);
	bitmap.block = "ram0";
	bitmap.bytes = (vm->pages + 63) / 64 * 8;
	bitmap.bits = vm->bits = calloc(1, bitmap.bytes);
	must(vm->bits ? 0 : -ENOMEM);
	must(ramjet_dirty_shared_new(&bitmap, &dirty, &err));
	return dirty;
}

static void describe(struct vm *vm, const char *tracking)
{
	struct ramjet_guest_ops ops;
	struct ramjet_block block;
	struct ramjet_dirty_source *dirty;

	ramjet_guest_ops_init(&ops);
	ops.stop = stop;
	ops.start = start;
	ops.save_state = save;
	ops.load_state = load;
	ramjet_block_init(&block);
	block.name = "ram0";
	block.host = vm->ram;
	block.bytes = vm->pages * RAMJET_PAGE_BYTES;
	must(ramjet_guest_new(&ops, vm, &vm->guest, &err));
	must(ramjet_guest_add_block(vm->guest, &block, &err));
	if (!strcmp(tracking, "pagemap"))
		must(ramjet_dirty_pagemap_new(&dirty, &err));
	else
		dirty = shared_source(vm);
	must(ramjet_guest_add_dirty_source(vm->guest, dirty, &err));
}

/* ---- what it is told ------------------------------------------------------------- */

static void listen_for_it(struct vm *vm)
{
	must(ramjet_incoming(vm->guest, "tcp:127.0.0.1:0", &vm->params,
			     &vm->incoming, &err));
	printf("listening %s\n", ramjet_listen_uri(vm->incoming));
}

static void await_it(struct vm *vm)
{
	const int rc = ramjet_wait(vm->incoming, -1, &err);

	must(ramjet_migration_free(vm->incoming));
	vm->incoming = NULL;
	if (rc)
		printf("nothing came: %s\n", err.message);
	else
		printf("arrived\n");
}

static void send_it(struct vm *vm, const char *uri)
{
	struct ramjet_migration *outgoing;
	enum ramjet_state state;
	int rc = ramjet_migrate(vm->guest, uri, &vm->params, &outgoing, &err);

	if (rc) {
		printf("stayed: %s\n", err.message);
		return;
	}
	rc = ramjet_wait(outgoing, -1, &err);
	state = ramjet_migration_state(outgoing);
	must(ramjet_migration_free(outgoing));
	if (!rc)
		printf("sent\n");
	else if (state == RAMJET_STATE_UNCONFIRMED)
		printf("unconfirmed: %s\n", err.message);
	else
		printf("stayed: %s\n", err.message);
}

static void check(const struct vm *vm)
{
	const uint64_t bad = atomic_load(&vm->bad_page);

	if (bad)
		printf("CORRUPT: page %llu is not what it was\n",
		       (unsigned long long)(bad - 1));
	else
		printf("%s, steps %llu\n",
		       atomic_load(&vm->runs) ? "runs" : "stands still",
		       (unsigned long long)__atomic_load_n(&vm->step,
							   __ATOMIC_RELAXED));
}

static int obey(struct vm *vm, const char *order, const char *argument)
{
	if (!strcmp(order, "boot") || !strcmp(order, "resume"))
		printf("%s\n", start(vm, NULL) ? "failed" : "runs");
	else if (!strcmp(order, "listen"))
		listen_for_it(vm);
	else if (!strcmp(order, "await"))
		await_it(vm);
	else if (!strcmp(order, "send"))
		send_it(vm, argument);
	else if (!strcmp(order, "check"))
		check(vm);
	else
		return 0;
	(void)fflush(stdout);
	return 1;
}

int main(int argc, char **argv)
{
	static struct vm vm;
	char line[512], order[16], argument[256];

	if (argc != 4)
		return 2;
	vm.pages = strtoull(argv[1], NULL, 10) / RAMJET_PAGE_BYTES;
	vm.ram =
		mmap(NULL, vm.pages * RAMJET_PAGE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm.ram == MAP_FAILED)
		return 2;
	ramjet_params_init(&vm.params);
	vm.params.verify = true;
	vm.params.channels = (uint32_t)strtoul(argv[3], NULL, 10);
	describe(&vm, argv[2]);
	do {
		if (!fgets(line, sizeof(line), stdin))
			break;
		argument[0] = '\0';
		if (sscanf(line, "%15s %255s", order, argument) < 1)
			break;
	} while (obey(&vm, order, argument));
	if (atomic_load(&vm.runs))
		(void)stop(&vm, NULL);
	must(ramjet_guest_free(vm.guest));
	free(vm.bits);
	(void)munmap(vm.ram, vm.pages * RAMJET_PAGE_BYTES);
	return atomic_load(&vm.bad_page) ? 1 : 0;
}
