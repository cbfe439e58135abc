/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/outside/way.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/attach/maps.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Since then x-ignore-shared means memory of a file with a name. */
#define NAMED_SINCE 8
/* ROMs are some 400 KiB, a screen 16 MiB. Chosen: it is sent in the pause. */
#define OWN_BYTES_MAX (32u << 20)

/* QEMU leaves it out of its stream. */
static bool is_ignored(const struct rj_qemu *q,
		       const struct rj_attach_mapping *mapping)
{
	static const char memfd[] = "/memfd:";

	if (!mapping || !mapping->shared)
		return false;
	return !rj_qemu_is_from(q, NAMED_SINCE, 0) ||
	       (mapping->path[0] == '/' &&
		strncmp(mapping->path, memfd, strlen(memfd)) != 0);
}

static int check_memory(const struct rj_qemu_guest *g,
			const struct rj_attach_maps *maps,
			struct ramjet_error *err)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < g->blocks.count; i++) {
		const struct rj_qemu_block *block = &g->blocks.block[i];

		if (is_ignored(&g->qemu,
			       rj_attach_maps_at(maps, block->address)))
			continue;
		sum += block->bytes;
		if (sum > OWN_BYTES_MAX)
			return rj_fail(
				err, -EPERM,
				"qemu %s: state by 'migrate' would send RAM "
				"block '%s' in the pause, wanted its memory "
				"with share=on%s",
				g->qemu.path, block->name,
				rj_qemu_is_from(&g->qemu, NAMED_SINCE, 0)
					? ", and of a file "
					  "(memory-backend-file)"
					: "");
	}
	return 0;
}

/* It would end in state 'postmigrate', out of which nothing but `cont` leads. */
static int check_runs(const struct rj_qemu_guest *g, struct ramjet_error *err)
{
	if (!g->found_paused)
		return 0;
	return rj_fail(err, -EPERM,
		       "qemu %s: its guest is paused, and could not stay so "
		       "here should the move fail, as its state is had by "
		       "'migrate'; wanted one that runs",
		       g->qemu.path);
}

int rj_qemu_way_check(const struct rj_qemu_guest *g, struct ramjet_error *err)
{
	return g->way == RJ_QEMU_BY_MIGRATE ? check_runs(g, err) : 0;
}

static int check_way(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	struct rj_attach_maps maps = { 0 };
	int rc = check_runs(g, err);

	if (!rc)
		rc = rj_attach_maps_read(g->pid, &maps, err);
	if (!rc)
		rc = check_memory(g, &maps, err);
	rj_attach_maps_free(&maps);
	return rc;
}

int rj_qemu_way_choose(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	const unsigned wanted = g->spec.qemu.state;
	const bool can_save = rj_qemu_knows(&g->qemu, "xen-save-devices-state");

	g->way = wanted == RJ_CLI_STATE_SAVE || (!wanted && can_save)
			 ? RJ_QEMU_BY_SAVE
			 : RJ_QEMU_BY_MIGRATE;
	return g->way == RJ_QEMU_BY_MIGRATE ? check_way(g, err) : 0;
}

/* The guardian knows what is to be undone, should we die. */
static int remember(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	rj_autofree char *settings = NULL, *all = NULL;
	char saver[128] = "";
	int rc = rj_qemu_settings_undo(&g->settings, &settings, err);

	if (rc)
		return rc;
	if (rj_qemu_saver_is_ready(&g->saver))
		rj_qemu_saver_undo(&g->saver, saver, sizeof(saver));
	if (asprintf(&all, "%s%s", settings, saver) < 0)
		return rj_fail(err, -ENOMEM, "guest qemu: out of memory");
	return rj_guardian_undo(g->guardian, all, err);
}

static bool has_settings(const struct rj_qemu_guest *g)
{
	return g->settings.found || g->settings.tls_creds ||
	       g->settings.bandwidth;
}

int rj_qemu_way_prepare(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	int rc = 0;

	if (rj_qemu_saver_is_ready(&g->saver))
		return 0;
	if (g->way == RJ_QEMU_BY_MIGRATE && !has_settings(g))
		rc = rj_qemu_settings_set_source(&g->qemu, &g->settings, err);
	if (!rc)
		rc = rj_qemu_saver_prepare(&g->qemu, g->way, &g->saver, err);
	return rc ? rc : remember(g, err);
}

void rj_qemu_way_forget(struct rj_qemu_guest *g)
{
	rj_qemu_saver_done(&g->qemu, &g->saver);
	(void)!remember(g, NULL);
}

void rj_qemu_way_end(struct rj_qemu_guest *g)
{
	if (has_settings(g))
		(void)!rj_qemu_settings_put_back(&g->qemu, &g->settings, NULL);
	rj_qemu_way_forget(g);
}
