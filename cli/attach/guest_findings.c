/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/guest_findings.h"

#include <stdio.h>

#include "cli/attach/guest_parts.h"
#include "cli/attach/qemu_checks.h"

struct telling {
	rj_cli_finding_fn *tell;
	void *user;
	bool all_ok;
};

/* `line` when rc is 0, else what the error says. */
static bool tell(struct telling *t, int rc, const char *line,
		 struct ramjet_error *err)
{
	t->tell(t->user, !rc, rc ? err->message : line);
	t->all_ok = t->all_ok && !rc;
	*err = (struct ramjet_error){ 0 };
	return !rc;
}

/* A QEMU that waits for a guest is one to receive it. */
static void look_at_side(struct rj_qemu_guest *g, struct telling *t)
{
	struct rj_qemu_status status = { .text = "" };
	struct ramjet_error err = { 0 };
	char line[128];
	int rc = rj_qemu_status(&g->qemu, &status, &err);

	(void)snprintf(
		line, sizeof(line), "its state is '%s': to be %s", status.text,
		status.run == RJ_QEMU_INCOMING ? "received into" : "sent");
	if (!tell(t, rc, line, &err))
		return;
	if (status.run == RJ_QEMU_INCOMING)
		(void)tell(t, rj_qemu_check_target(&g->qemu, &err),
			   "it waits for a guest, with -incoming defer", &err);
	else
		(void)tell(t, rj_qemu_check_source(&g->qemu, &err),
			   "QEMU names nothing that keeps its guest from "
			   "moving",
			   &err);
}

static void look_at_blocks(struct rj_qemu_guest *g, struct telling *t)
{
	struct ramjet_error err = { 0 };
	size_t unknown = 0;
	uint64_t bytes = 0;
	char line[160];
	int rc = rj_qemu_guest_look(g, &g->blocks, &err);

	for (size_t i = 0; !rc && i < g->blocks.count; i++) {
		bytes += g->blocks.block[i].bytes;
		unknown += !g->blocks.block[i].address;
	}
	(void)snprintf(line, sizeof(line),
		       "%zu memory blocks, %llu MiB; where %zu of them lie is "
		       "not known, they are compared only",
		       g->blocks.count, (unsigned long long)(bytes >> 20),
		       unknown);
	(void)tell(t, rc, line, &err);
}

static void look(struct rj_qemu_guest *g, struct telling *t)
{
	struct ramjet_error err = { 0 };
	char line[160];
	int rc = rj_qemu_open(g->spec.path, &g->qemu, &err);

	(void)snprintf(line, sizeof(line), "QEMU %u.%u.%u, a %s",
		       g->qemu.version[0], g->qemu.version[1],
		       g->qemu.version[2], g->qemu.machine);
	if (!tell(t, rc, line, &err))
		return;
	rc = rj_qemu_guest_find_pid(g, &err);
	(void)snprintf(line, sizeof(line), "process %d", (int)g->pid);
	if (tell(t, rc, line, &err))
		look_at_blocks(g, t);
	look_at_side(g, t);
}

bool rj_qemu_guest_findings(const struct rj_cli_guest_spec *spec,
			    rj_cli_finding_fn *tell_one, void *user)
{
	struct telling telling = { tell_one, user, true };
	struct rj_qemu_guest g = { .spec = *spec, .qemu = RJ_QEMU_NONE };

	look(&g, &telling);
	rj_qemu_blocks_done(&g.blocks);
	rj_qemu_close(&g.qemu);
	return telling.all_ok;
}
