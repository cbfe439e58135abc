/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/wide_vm.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"
#include "util/clock.h"
#include "util/compiler.h"

#define WAIT_MS 60000

static int stop(void *user, struct ramjet_error *err)
{
	struct wide_vm *vm = user;

	(void)err;
	vm->running = false;
	return 0;
}

static int start(void *user, struct ramjet_error *err)
{
	struct wide_vm *vm = user;

	(void)err;
	vm->running = true;
	return 0;
}

static const char *map_block(struct wide_block *block)
{
	const uint64_t bytes = block->pages * RAMJET_PAGE_BYTES;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *map;

	block->fd = -1;
	if (block->shared) {
		flags = MAP_SHARED | MAP_NORESERVE;
		block->fd = memfd_create("wide", MFD_CLOEXEC);
		if (block->fd < 0 || ftruncate(block->fd, (off_t)bytes))
			return "no memfd of this size";
	}
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, block->fd, 0);
	if (map == MAP_FAILED)
		return "no address space of this size";
	block->host = map;
	/* Else one touch populates 2 MiB. */
	(void)madvise(map, bytes, MADV_NOHUGEPAGE);
	return NULL;
}

static void add_block(struct wide_vm *vm, unsigned index)
{
	const struct wide_block *from = &vm->blocks[index];
	struct ramjet_block block;
	struct ramjet_error err;
	char name[32];

	(void)snprintf(name, sizeof(name), "dimm%u", index);
	ramjet_block_init(&block);
	block.name = name;
	block.host = from->host;
	block.bytes = from->pages * RAMJET_PAGE_BYTES;
	block.fd = from->fd;
	block.flags = RAMJET_BLOCK_FRESH;
	if (ramjet_guest_add_block(vm->guest, &block, &err) != (int)index)
		fail_msg("%s", err.message);
}

static void add_source(struct wide_vm *vm)
{
	struct ramjet_dirty_source *source = NULL;

	assert_int_equal(ramjet_dirty_pagemap_new(&source, NULL), 0);
	assert_int_equal(ramjet_guest_add_dirty_source(vm->guest, source, NULL),
			 0);
}

const char *wide_vm_init(struct wide_vm *vm, const struct wide_block *blocks,
			 unsigned count, bool tracked)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = stop, .start = start };
	const char *refused = NULL;

	*vm = (struct wide_vm){ .count = count };
	vm->blocks = calloc(count, sizeof(*blocks));
	assert_non_null(vm->blocks);
	memcpy(vm->blocks, blocks, count * sizeof(*blocks));
	assert_int_equal(ramjet_guest_new(&ops, vm, &vm->guest, NULL), 0);
	for (unsigned i = 0; i < count && !refused; i++) {
		refused = map_block(&vm->blocks[i]);
		if (!refused)
			add_block(vm, i);
	}
	if (tracked)
		add_source(vm);
	return refused;
}

void wide_vm_done(struct wide_vm *vm)
{
	assert_int_equal(ramjet_guest_free(vm->guest), 0);
	for (unsigned i = 0; i < vm->count; i++) {
		const struct wide_block *block = &vm->blocks[i];

		if (block->host)
			(void)munmap(block->host,
				     block->pages * RAMJET_PAGE_BYTES);
		if (block->shared && block->fd >= 0)
			(void)close(block->fd);
	}
	free(vm->blocks);
	*vm = (struct wide_vm){ 0 };
}

RJ_GUEST_MEMORY void wide_vm_write(struct wide_vm *vm, unsigned block,
				   uint64_t page, uint64_t seed)
{
	uint64_t *words =
		(uint64_t *)(vm->blocks[block].host + page * RAMJET_PAGE_BYTES);
	const uint64_t x = (seed << 40 ^ (uint64_t)block << 32 ^ page) << 1 | 1;

	for (unsigned i = 0; i < RAMJET_PAGE_BYTES / sizeof(*words); i++)
		words[i] = x + 2 * (uint64_t)i;
}

/* ---- moving -------------------------------------------------------------- */

static struct ramjet_migration *begin(struct wide_move *move,
				      struct ramjet_migration **ret_in)
{
	struct ramjet_migration *out = NULL;
	struct ramjet_params here;
	struct ramjet_error err;

	move->params.verify = true;
	move->params.hold = true;
	move->params.downtime_limit_us = UINT64_C(60000000);
	here = move->params;
	if (ramjet_incoming(move->target.guest, "tcp:127.0.0.1:0", &here,
			    ret_in, &err) ||
	    ramjet_migrate(move->source.guest, ramjet_listen_uri(*ret_in),
			   &move->params, &out, &err))
		fail_msg("%s", err.message);
	return out;
}

/* Until it is held, or all is over. */
static void await_held(struct ramjet_migration *m)
{
	const int fd = ramjet_migration_fd(m);
	enum ramjet_state state;

	assert_true(fd >= 0);
	do {
		struct pollfd changed = { .fd = fd, .events = POLLIN };

		assert_int_equal(poll(&changed, 1, WAIT_MS), 1);
		assert_int_equal(ramjet_migration_ack(m), 0);
		state = ramjet_migration_state(m);
	} while (state < RAMJET_STATE_HELD);
}

static void await_end(struct ramjet_migration *m)
{
	struct ramjet_error err;

	if (ramjet_wait(m, WAIT_MS, &err))
		fail_msg("%s", err.message);
}

void wide_move(struct wide_move *move)
{
	const uint64_t began_us = rj_now_us();
	struct ramjet_migration *in = NULL, *out = begin(move, &in);

	await_held(out);
	if (move->meanwhile)
		move->meanwhile(&move->source);
	(void)ramjet_switchover(out);
	await_end(out);
	await_end(in);
	move->us = rj_now_us() - began_us;
	assert_int_equal(ramjet_info(out, &move->info), 0);
	ramjet_migration_free(out);
	ramjet_migration_free(in);
	assert_true(move->info->verified);
	assert_true(move->target.running && !move->source.running);
}

void wide_move_done(struct wide_move *move)
{
	ramjet_info_free(move->info);
	move->info = NULL;
	wide_vm_done(&move->source);
	wide_vm_done(&move->target);
}

void wide_move_expect(const struct wide_move *move, unsigned block,
		      uint64_t page)
{
	const uint64_t at = page * RAMJET_PAGE_BYTES;

	if (memcmp(move->source.blocks[block].host + at,
		   move->target.blocks[block].host + at, RAMJET_PAGE_BYTES))
		fail_msg("block %u, page %llu differs", block,
			 (unsigned long long)page);
}
