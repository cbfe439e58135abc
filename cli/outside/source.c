/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/outside/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/outside/description.h"
#include "cli/outside/way.h"
#include "cli/qemu/checks.h"
#include "cli/qemu/devices.h"
#include "util/cleanup.h"
#include "util/error.h"

/* ---- beginning ---------------------------------------------------------------- */

static int check_status(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	struct rj_qemu_status status;
	int rc = rj_qemu_status(&g->qemu, &status, err);

	if (rc || status.run == RJ_QEMU_RUNNING || rj_qemu_is_paused(&status))
		return rc;
	return rj_fail(err, -EINVAL,
		       "qemu %s: it is in state '%s', wanted one whose guest "
		       "runs, or is paused%s",
		       g->qemu.path, status.text,
		       status.run == RJ_QEMU_INCOMING
			       ? " (a target is for 'ramjet recv')"
			       : "");
}

static int attach_also(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	const struct rj_cli_qemu_spec *spec = &g->spec.qemu;
	int rc = 0;

	g->also = calloc(spec->also_count + 1, sizeof(*g->also));
	if (!g->also)
		return rj_fail(err, -ENOMEM, "guest qemu: out of memory");
	for (unsigned i = 0; !rc && i < spec->also_count; i++) {
		const struct rj_attach_order order = {
			.pid = spec->also[i],
			.via = (enum rj_attach_via)spec->via,
			.want_uffd = true,
		};
		struct ramjet_error why = { 0 };

		rc = rj_attach_process_open(&order, &g->also[i], &why);
		if (rc)
			return rj_fail(err, rc, "also=%d: %s",
				       (int)spec->also[i], why.message);
		g->also_count++;
	}
	return rc;
}

int rj_qemu_source_open(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	const struct rj_attach_order order = {
		.pid = g->pid,
		.via = (enum rj_attach_via)g->spec.qemu.via,
		.want_uffd = true,
	};
	int rc = check_status(g, err);

	if (!rc)
		rc = rj_qemu_check_source(&g->qemu, err);
	if (!rc)
		rc = rj_attach_process_open(&order, &g->process, err);
	if (!rc)
		rc = attach_also(g, err);
	if (!rc)
		rc = rj_qemu_guest_look(g, &g->blocks, err);
	if (!rc)
		rc = rj_qemu_parts_look(&g->process, &g->blocks, &g->parts,
					err);
	return rc;
}

static int open_memory(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	struct rj_attach_maps maps = { 0 };
	int rc;

	g->memory = calloc(g->blocks.count + 1, sizeof(*g->memory));
	if (!g->memory)
		return rj_fail(err, -ENOMEM, "guest qemu: out of memory");
	rc = rj_attach_maps_read(g->pid, &maps, err);
	for (size_t i = 0; !rc && i < g->blocks.count; i++) {
		const struct rj_qemu_block *block = &g->blocks.block[i];
		struct rj_attach_memory *memory = &g->memory[g->memory_count];

		if (!g->parts.list[i].known)
			continue;
		*memory = RJ_ATTACH_MEMORY_NONE;
		memcpy(memory->name, g->parts.list[i].wire,
		       sizeof(memory->name));
		memory->address = block->address;
		memory->bytes = block->bytes;
		memory->page_bytes = block->page_bytes;
		rc = rj_attach_memory_open(&g->process, &maps, memory, err);
		if (rc)
			break;
		g->memory_count++;
		rc = rj_attach_memory_add(memory, g->handle, err);
	}
	rj_attach_maps_free(&maps);
	return rc;
}

static int end_nap_locked(struct rj_qemu_guest *g, struct ramjet_error *err)
	RJ_REQUIRES(g->lock)
{
	const int rc = rj_qemu_cont(&g->qemu, NULL, err);

	if (!rc) {
		g->napping = false;
		(void)!rj_guardian_nap(g->guardian, false, NULL);
	}
	return rc;
}

/* One that doesn't run is somebody else's: it must not go on because of us. But
 * one that should have gone on, and has not been heard to, is ours. */
static int begin_nap_locked(struct rj_qemu_guest *g, struct ramjet_error *err)
	RJ_REQUIRES(g->lock)
{
	struct rj_qemu_status status;
	int rc = g->napping ? end_nap_locked(g, err) : 0;

	/* Each nap tells of itself: they would push out all else. */
	rj_qemu_guest_note_events(g);
	if (!rc)
		rc = rj_qemu_status(&g->qemu, &status, err);
	if (rc)
		return rc;
	if (status.run != RJ_QEMU_RUNNING)
		return rj_fail(err, -EAGAIN, "qemu %s: it is '%s'",
			       g->qemu.path, status.text);
	rc = rj_guardian_nap(g->guardian, true, err);
	if (rc)
		return rc;
	g->napping = true;
	rc = rj_qemu_stop(&g->qemu, NULL, err);
	/* It may have been done, and the answer be lost. */
	if (rc)
		(void)!end_nap_locked(g, NULL);
	return rc;
}

static int stop_briefly(void *user, struct ramjet_error *err)
{
	struct rj_qemu_guest *g = user;
	int rc;

	rj_lock(&g->lock);
	rc = begin_nap_locked(g, err);
	rj_unlock(&g->lock);
	return rc;
}

static int go_on(void *user, struct ramjet_error *err)
{
	struct rj_qemu_guest *g = user;
	int rc;

	rj_lock(&g->lock);
	rc = end_nap_locked(g, err);
	rj_unlock(&g->lock);
	return rc;
}

/* ---- writes that no write protection sees -------------------------------------- */

/* A drain, or `stop`, ends when the slowest disk has answered. Chosen: some time
 * after the kernel's own limit for a request, 30 s. */
#define DISK_MS 45000

static int call_for_pinned(void *user, const char *command, json_t *arguments,
			   json_t **ret, struct ramjet_error *err)
{
	struct rj_qemu_guest *g = user;
	int rc;

	rj_lock(&g->lock);
	rc = rj_qemu_call_within(&g->qemu, command, arguments, -1, DISK_MS, ret,
				 err);
	rj_unlock(&g->lock);
	return rc;
}

static int quiet_locked(struct rj_qemu_guest *g, struct ramjet_error *err)
	RJ_REQUIRES(g->lock)
{
	struct rj_qemu_status status;
	int rc = rj_qemu_status(&g->qemu, &status, err);

	if (rc || (status.run != RJ_QEMU_RUNNING && !g->napping))
		return rc;
	rc = begin_nap_locked(g, err);
	return rc ? rc : end_nap_locked(g, err);
}

/* The engine's control thread alone sets `stopped`, and calls this. */
static int quiet(void *user, struct ramjet_error *err)
{
	struct rj_qemu_guest *g = user;
	const bool holds = g->slow && !g->held;
	int rc;

	if (holds)
		rj_slow_hold(g->slow);
	rj_lock(&g->lock);
	rc = quiet_locked(g, err);
	rj_unlock(&g->lock);
	if (holds)
		rj_slow_release(g->slow);
	return rc;
}

static int see_pinned(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	const struct rj_pinned_order order = {
		.call = call_for_pinned,
		.quiet = quiet,
		.user = g,
	};
	struct ramjet_dirty_source *source = NULL;
	int rc = rj_pinned_new(&order, &g->pinned, err);

	if (!rc)
		rc = rj_pinned_source(g->pinned, &source, err);
	if (!rc)
		rc = ramjet_guest_add_dirty_source(g->handle, source, err);
	if (rc)
		ramjet_dirty_free(source);
	return rc;
}

/* ---- its vCPUs slowed down ------------------------------------------------------ */

/* Without a way to slow it down it is moved all the same. */
static void find_slow(struct rj_qemu_guest *g)
{
	struct rj_slow_order order = {
		.what = "guest qemu",
		.pid = g->pid,
		.stop = stop_briefly,
		.go_on = go_on,
		.user = g,
	};
	rj_autofree pid_t *threads = NULL;
	size_t count = 0;

	if (!rj_qemu_vcpus(&g->qemu, &threads, &count, NULL)) {
		order.threads = threads;
		order.thread_count = (unsigned)count;
	}
	if (rj_slow_new(&order, &g->slow, &g->no_slow))
		g->slow = NULL;
}

int rj_qemu_source_attach(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	struct rj_attach_tracked tracked = { .process = &g->process,
					     .also = g->also,
					     .also_count = g->also_count };
	struct rj_qemu_status status;
	int rc = open_memory(g, err);

	tracked.memory = g->memory;
	tracked.memory_count = g->memory_count;
	if (!rc)
		rc = rj_attach_track(&tracked, g->handle, &g->unread, err);
	if (!rc)
		rc = see_pinned(g, err);
	if (!rc)
		rc = rj_qemu_status(&g->qemu, &status, err);
	if (rc)
		return rc;
	find_slow(g);
	g->found_paused = rj_qemu_is_paused(&status);
	return g->found_paused ? ramjet_guest_set_paused(g->handle, true) : 0;
}

/* ---- a session ----------------------------------------------------------------- */

/* Memory may have been plugged in or out since. */
int rj_qemu_source_check_blocks(struct rj_qemu_guest *g,
				struct ramjet_error *err)
{
	struct rj_qemu_parts now = { 0 };
	int rc = rj_qemu_blocks_check(&g->qemu, &g->blocks, err);

	if (rc || rj_qemu_parts_are_known(&g->parts))
		return rc;
	rc = rj_qemu_parts_look(&g->process, &g->blocks, &now, err);
	if (!rc)
		rc = rj_qemu_parts_unchanged(&g->parts, &now, err);
	rj_qemu_parts_done(&now);
	return rc;
}

static int describe_locked(struct rj_qemu_guest *g, char **ret,
			   size_t *ret_bytes, struct ramjet_error *err)
	RJ_REQUIRES(g->lock)
{
	rj_autofree char *devices = NULL;
	int rc = check_status(g, err);

	if (!rc)
		rc = rj_qemu_check_source(&g->qemu, err);
	if (!rc)
		rc = rj_qemu_source_check_blocks(g, err);
	rj_qemu_guest_note_events(g);
	g->unplugged = false;
	if (!rc)
		rc = rj_qemu_devices_describe(&g->qemu, &devices, err);
	if (!rc)
		rc = rj_qemu_way_choose(g, err);
	if (!rc)
		rc = rj_qemu_way_prepare(g, err);
	return rc ? rc
		  : rj_qemu_description_write(devices, &g->parts, g->way, ret,
					      ret_bytes, err);
}

int rj_qemu_source_describe(void *user, void **ret_data, size_t *ret_bytes,
			    struct ramjet_error *err)
{
	struct rj_qemu_guest *g = rj_qemu_guest_of(user);
	char *text = NULL;
	int rc;

	rj_lock(&g->lock);
	rc = describe_locked(g, &text, ret_bytes, err);
	rj_unlock(&g->lock);
	if (!rc)
		*ret_data = text;
	return rc;
}

int rj_qemu_source_throttle(void *user, unsigned percent,
			    struct ramjet_error *err)
{
	struct rj_qemu_guest *g = rj_qemu_guest_of(user);

	if (!g->slow)
		return rj_fail(err, g->no_slow.code,
			       "its vCPUs can't be slowed down: %s",
			       g->no_slow.message);
	return rj_slow_set(g->slow, percent, err);
}
