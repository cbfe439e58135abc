/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/outside/findings.h"

#include <errno.h>
#include <stdio.h>

#include "cli/attach/findings.h"
#include "cli/outside/guest_parts.h"
#include "cli/qemu/checks.h"
#include "util/error.h"

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

static int call(void *user, const char *command, json_t *arguments,
		json_t **ret, struct ramjet_error *err)
{
	return rj_qemu_call(user, command, arguments, ret, err);
}

/* Asked for by looking only. */
static int no_quiet(void *user, struct ramjet_error *err)
{
	(void)user;
	return rj_fail(err, -EINVAL, "pinned pages: nothing is to be stopped");
}

static void look_at_pinned(struct rj_qemu_guest *g, struct telling *t)
{
	const struct rj_pinned_order order = { .call = call,
					       .quiet = no_quiet,
					       .user = &g->qemu };
	struct rj_pinned *pinned = NULL;
	struct ramjet_error err = { 0 };
	int rc = rj_pinned_new(&order, &pinned, &err);
	const char *words = rc ? "" : rj_pinned_words(pinned);

	(void)tell(t, rc,
		   *words ? words
			  : "no disk or device writes past write protection",
		   &err);
	rj_pinned_free(pinned);
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
	if (status.run == RJ_QEMU_INCOMING) {
		(void)tell(t, rj_qemu_check_target(&g->qemu, &err),
			   "it waits for a guest, with -incoming defer", &err);
		return;
	}
	(void)tell(t, rj_qemu_check_source(&g->qemu, &err),
		   "QEMU names nothing that keeps its guest from moving", &err);
	look_at_pinned(g, t);
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
		       unknown ? "memory: %zu blocks, %llu MiB; where %zu of "
				 "them lie is not known, they are compared only"
			       : "memory: %zu blocks, %llu MiB",
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
	if (rc) {
		(void)tell(t, rc, "", &err);
	} else {
		/* Each of them is told by itself. */
		t->all_ok &=
			rj_attach_findings_tell(g->pid, NULL, t->tell, t->user);
		look_at_blocks(g, t);
	}
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
