/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/outside/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/outside/description.h"
#include "cli/qemu/checks.h"
#include "cli/qemu/devices.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/memory_limit.h"

/* Chosen: the source has given up long before, at its switchover's timeout. */
#define LOAD_MS 60000

int rj_qemu_target_open(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	const struct rj_attach_order order = {
		.pid = g->pid,
		.via = (enum rj_attach_via)g->spec.qemu.via,
	};
	int rc = rj_qemu_check_target(&g->qemu, err);

	return rc ? rc : rj_attach_process_open(&order, &g->process, err);
}

/* ---- do the two fit ------------------------------------------------------------- */

static int add_block(struct rj_qemu_guest *g, const struct rj_attach_maps *maps,
		     const char *wire, const struct rj_qemu_block *block,
		     struct ramjet_error *err)
{
	struct rj_attach_memory *memory = &g->memory[g->memory_count];
	int rc;

	*memory = RJ_ATTACH_MEMORY_NONE;
	memcpy(memory->name, wire, sizeof(memory->name));
	memory->address = block->address;
	memory->bytes = block->bytes;
	memory->page_bytes = block->page_bytes;
	rc = rj_attach_memory_open(&g->process, maps, memory, err);
	if (rc)
		return rc;
	g->memory_count++;
	return rj_attach_memory_add(memory, g->handle, err);
}

static int add_blocks(struct rj_qemu_guest *g,
		      const struct rj_qemu_parts *source,
		      const struct rj_qemu_pair *pairs,
		      const struct rj_qemu_blocks *blocks,
		      struct ramjet_error *err)
{
	struct rj_attach_maps maps = { 0 };
	int rc = ramjet_guest_drop_blocks(g->handle, err);

	if (rc)
		return rc;
	rj_qemu_guest_drop_memory(g);
	g->memory = calloc(source->count + 1, sizeof(*g->memory));
	if (!g->memory)
		return rj_fail(err, -ENOMEM, "guest qemu: out of memory");
	rc = rj_attach_maps_read(g->pid, &maps, err);
	for (size_t i = 0; !rc && i < source->count; i++)
		if (pairs[i].is_moved)
			rc = add_block(g, &maps, source->list[i].wire,
				       &blocks->block[pairs[i].target], err);
	rj_attach_maps_free(&maps);
	return rc;
}

/* QEMU's own stream knows its blocks by name alone. */
static int check_names(const struct rj_qemu_parts *source,
		       const struct rj_qemu_parts *target,
		       const struct rj_qemu_pair *pairs,
		       struct ramjet_error *err)
{
	for (size_t i = 0; i < source->count; i++) {
		const char *here = target->list[pairs[i].target].name;

		if (strcmp(source->list[i].name, here) != 0)
			return rj_fail(err, -EINVAL,
				       "RAM block '%s' is called '%s' here, "
				       "wanted the same name, as the source's "
				       "state comes by 'migrate'",
				       source->list[i].name, here);
	}
	return 0;
}

static int match(struct rj_qemu_guest *g,
		 const struct rj_qemu_description *theirs,
		 struct ramjet_error *err)
{
	const struct rj_qemu_parts *source = &theirs->parts;
	rj_autofree struct rj_qemu_pair *pairs =
		calloc(source->count, sizeof(*pairs));
	struct rj_qemu_blocks blocks = { 0 };
	struct rj_qemu_parts parts = { 0 };
	int rc;

	if (!pairs)
		return rj_fail(err, -ENOMEM, "guest qemu: out of memory");
	rc = rj_qemu_guest_look(g, &blocks, err);
	if (!rc)
		rc = rj_qemu_parts_look(&g->process, &blocks, &parts, err);
	if (!rc)
		rc = rj_qemu_match(source, &parts, pairs, err);
	if (!rc && theirs->way == RJ_QEMU_BY_MIGRATE)
		rc = check_names(source, &parts, pairs, err);
	if (!rc)
		rc = add_blocks(g, source, pairs, &blocks, err);
	rj_qemu_parts_done(&parts);
	rj_qemu_blocks_done(&blocks);
	return rc;
}

/* ---- a session ------------------------------------------------------------------- */

/* For the guardian, should we die. */
static int remember_settings(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	rj_autofree char *text = NULL;
	int rc = rj_qemu_settings_undo(&g->settings, &text, err);

	return rc ? rc : rj_guardian_undo(g->guardian, text, err);
}

static void put_back_locked(struct rj_qemu_guest *g) RJ_REQUIRES(g->lock)
{
	rj_qemu_loader_done(&g->qemu, &g->loader);
	g->loader = RJ_QEMU_LOADER_NONE;
	(void)!rj_qemu_settings_put_back(&g->qemu, &g->settings, NULL);
	(void)!rj_guardian_undo(g->guardian, "", NULL);
}

void rj_qemu_target_put_back(struct rj_qemu_guest *g)
{
	rj_lock(&g->lock);
	put_back_locked(g);
	rj_unlock(&g->lock);
}

static int accept_locked(struct rj_qemu_guest *g,
			 const struct rj_qemu_description *theirs,
			 struct ramjet_error *err) RJ_REQUIRES(g->lock)
{
	rj_autofree char *devices = NULL;
	int rc = rj_qemu_check_target(&g->qemu, err);

	put_back_locked(g);
	if (!rc)
		rc = rj_qemu_devices_describe(&g->qemu, &devices, err);
	if (!rc)
		rc = rj_qemu_devices_compare(theirs->devices, devices, err);
	if (!rc)
		rc = match(g, theirs, err);
	if (!rc)
		rc = rj_qemu_settings_set(&g->qemu, theirs->way, &g->settings,
					  err);
	if (!rc)
		rc = remember_settings(g, err);
	if (!rc)
		rc = rj_qemu_loader_prepare(&g->qemu, &g->loader, err);
	if (rc)
		put_back_locked(g);
	return rc;
}

int rj_qemu_target_accept(void *user, const void *data, size_t bytes,
			  struct ramjet_error *err)
{
	struct rj_qemu_guest *g = rj_qemu_guest_of(user);
	struct rj_qemu_description theirs = { 0 };
	int rc = rj_qemu_description_read(data, bytes, &theirs, err);

	if (rc)
		return rc;
	rj_lock(&g->lock);
	rc = accept_locked(g, &theirs, err);
	rj_unlock(&g->lock);
	rj_qemu_description_done(&theirs);
	return rc;
}

/* What fails now fails again when it is to be loaded, and is said then. */
void rj_qemu_target_expect(struct rj_qemu_guest *g)
{
	rj_lock(&g->lock);
	g->has_state = true;
	(void)!rj_qemu_loader_begin(&g->qemu, &g->loader, NULL);
	rj_unlock(&g->lock);
}

int rj_qemu_target_load(void *user, const void *data, size_t bytes,
			struct ramjet_error *err)
{
	struct rj_qemu_guest *g = rj_qemu_guest_of(user);
	const struct rj_qemu_state state = {
		.bytes = (unsigned char *)(uintptr_t)data,
		.count = bytes,
	};
	int rc;

	rj_lock(&g->lock);
	rc = rj_qemu_state_check(data, bytes, g->qemu.machine, err);
	if (!rc) {
		/* Also if it succeeds: should the source go on after all, a
		 * guest lies here that must not. */
		g->has_state = true;
		rc = rj_qemu_loader_load(&g->qemu, &g->loader, &state, LOAD_MS,
					 err);
	}
	rj_unlock(&g->lock);
	return rc;
}

int rj_qemu_target_start(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	int rc;

	rj_lock(&g->lock);
	rj_guardian_starting(g->guardian);
	/* From here on it is the guest, whatever comes of it. */
	g->has_state = false;
	rc = rj_qemu_cont(&g->qemu, NULL, err);
	if (!rc) {
		rj_guardian_running(g->guardian);
		g->stopped = false;
	}
	rj_unlock(&g->lock);
	return rc;
}
