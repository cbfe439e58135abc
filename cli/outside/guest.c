/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/outside/guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/outside/findings.h"
#include "cli/outside/pause.h"
#include "cli/outside/source.h"
#include "cli/outside/target.h"
#include "cli/outside/way.h"
#include "util/error.h"

/* ---- operations ----------------------------------------------------------------- */

static int start(void *user, struct ramjet_error *err)
{
	struct rj_qemu_guest *g = rj_qemu_guest_of(user);

	return g->role == RJ_CLI_SOURCE ? rj_qemu_source_start(g, err)
					: rj_qemu_target_start(g, err);
}

/* Both sides: the engine asks each only for its own. */
static const struct ramjet_guest_ops qemu_ops = {
	RAMJET_GUEST_OPS_INIT,
	.stop = rj_qemu_source_stop,
	.start = start,
	.throttle = rj_qemu_source_throttle,
	.save_state = rj_qemu_source_save,
	.load_state = rj_qemu_target_load,
	.describe = rj_qemu_source_describe,
	.accept = rj_qemu_target_accept,
};

/* ---- life ----------------------------------------------------------------------- */

static void qemu_free(struct rj_cli_guest *base)
{
	struct rj_qemu_guest *g = rj_qemu_guest_of(base);

	rj_slow_free(g->slow);
	rj_pinned_free(g->pinned);
	if (g->role == RJ_CLI_TARGET && g->guardian)
		rj_qemu_target_put_back(g);
	if (g->role == RJ_CLI_SOURCE && g->guardian)
		rj_qemu_way_end(g);
	rj_qemu_guest_drop_memory(g);
	rj_qemu_parts_done(&g->parts);
	rj_qemu_blocks_done(&g->blocks);
	for (size_t i = 0; i < g->also_count; i++)
		rj_attach_process_close(&g->also[i]);
	free(g->also);
	rj_attach_process_close(&g->process);
	/* It serves one client: the guardian may need it now. */
	rj_qemu_close(&g->qemu);
	(void)!rj_guardian_end(g->guardian, NULL);
	rj_mutex_done(&g->lock);
	free(g);
}

static int watch_over(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	const struct rj_guardian_order order = {
		.qmp_path = g->spec.path,
		.vmm_pid = g->pid,
	};
	const char *words = "";
	int rc = rj_guardian_start(&order, &g->guardian, err);

	if (rc)
		return rc;
	if (rj_guardian_earlier(g->guardian, &words) !=
	    RJ_GUARDIAN_LEFT_NOTHING)
		(void)snprintf(g->notice, sizeof(g->notice), "%s", words);
	rc = rj_slow_mend(g->pid, err);
	return rc < 0 ? rc : 0;
}

/* What is wrong now is that QEMU, not the command line. */
static int not_usage(int rc, struct ramjet_error *err)
{
	if (rc == -EINVAL || rc == -ERANGE || rc == -ENOTSUP)
		rc = err->code = -ENODEV;
	return rc;
}

static int open_all(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	int rc = rj_qemu_open(g->spec.path, &g->qemu, err);

	if (!rc)
		rc = rj_qemu_guest_find_pid(g, err);
	if (!rc)
		rc = watch_over(g, err);
	if (rc)
		return rc;
	rc = g->role == RJ_CLI_SOURCE ? rj_qemu_source_open(g, err)
				      : rj_qemu_target_open(g, err);
	return not_usage(rc, err);
}

static int qemu_create(const struct rj_cli_guest_spec *spec,
		       enum rj_cli_role role, struct rj_cli_guest **ret,
		       struct ramjet_error *err)
{
	struct rj_qemu_guest *g;
	int rc;

	if (!*spec->path)
		return rj_fail(err, -EINVAL,
			       "guest 'qemu:': wanted qemu:QMP_SOCKET, the "
			       "socket of -qmp unix:PATH,server=on");
	if (role == RJ_CLI_TARGET && spec->qemu.also_count)
		return rj_fail(err, -EINVAL,
			       "guest qemu: also=%d means nothing at a target, "
			       "where nobody writes yet",
			       (int)spec->qemu.also[0]);
	g = calloc(1, sizeof(*g));
	if (!g)
		return rj_fail(err, -ENOMEM, "guest qemu: out of memory");
	g->base.kind = &rj_cli_guest_qemu;
	g->role = role;
	g->spec = *spec;
	g->qemu = RJ_QEMU_NONE;
	g->process = (struct rj_attach_process)RJ_ATTACH_PROCESS_NONE;
	g->saver = RJ_QEMU_SAVER_NONE;
	g->loader = RJ_QEMU_LOADER_NONE;
	rj_mutex_init(&g->lock);
	rc = open_all(g, err);
	if (rc) {
		qemu_free(&g->base);
		return rc;
	}
	*ret = &g->base;
	return 0;
}

/* ---- what ramjet tells ------------------------------------------------------------- */

static void on_state(void *user, enum ramjet_state old_state,
		     enum ramjet_state new_state,
		     const struct ramjet_error *err,
		     struct ramjet_migration *migration)
{
	struct rj_qemu_guest *g = user;

	(void)old_state;
	(void)err;
	(void)migration;
	/* Before COMMIT leaves: from here on only a person starts it. */
	if (g->role == RJ_CLI_SOURCE && new_state == RAMJET_STATE_COMMITTED)
		rj_guardian_committing(g->guardian);
	if (g->role == RJ_CLI_SOURCE && new_state == RAMJET_STATE_COMPLETED) {
		rj_guardian_handed_over(g->guardian);
		rj_qemu_source_handed_over(g);
	}
	if (g->role == RJ_CLI_TARGET && new_state == RAMJET_STATE_SWITCHOVER)
		rj_qemu_target_expect(g);
	if (g->role == RJ_CLI_SOURCE || !ramjet_state_is_final(new_state))
		return;
	rj_qemu_target_put_back(g);
	if (new_state != RAMJET_STATE_COMPLETED ||
	    ramjet_guest_is_paused(g->handle))
		return;
	rj_lock(&g->lock);
	(void)!rj_qemu_announce(&g->qemu, NULL);
	rj_unlock(&g->lock);
}

static int qemu_attach(struct rj_cli_guest *base, struct ramjet_guest *handle,
		       struct ramjet_error *err)
{
	struct rj_qemu_guest *g = rj_qemu_guest_of(base);
	int rc = ramjet_notify(handle, on_state, g, err);

	if (rc < 0)
		return rc;
	g->handle = handle;
	return g->role == RJ_CLI_SOURCE
		       ? not_usage(rj_qemu_source_attach(g, err), err)
		       : 0;
}

static void qemu_describe(const struct rj_cli_guest *base, char *text,
			  size_t bytes)
{
	const struct rj_qemu_guest *g = rj_qemu_guest_of((void *)base);

	(void)snprintf(text, bytes, "QEMU %u.%u.%u, process %d, a %s",
		       g->qemu.version[0], g->qemu.version[1],
		       g->qemu.version[2], (int)g->pid, g->qemu.machine);
}

static const char *qemu_notice(const struct rj_cli_guest *base)
{
	return rj_qemu_guest_of((void *)base)->notice;
}

/* ---- what is left here -------------------------------------------------------------- */

static void source_outcome(const struct rj_qemu_guest *g,
			   enum ramjet_state state, char *text, size_t bytes)
{
	const bool paused = g->handle && ramjet_guest_is_paused(g->handle);

	if (state == RAMJET_STATE_COMPLETED)
		(void)snprintf(
			text, bytes,
			"the source QEMU (process %d) stays, paused: end "
			"it with 'quit'; its guest must not go on here%s",
			(int)g->pid,
			g->ran_twice ? " (somebody had let it go on: it was "
				       "stopped again, and what it did is not "
				       "at the target)"
				     : "");
	else if (state == RAMJET_STATE_UNCONFIRMED)
		(void)snprintf(
			text, bytes,
			"the source QEMU (process %d) stays paused: find "
			"out whether the guest runs at the target; if "
			"surely not, 'cont' lets it go on here",
			(int)g->pid);
	else if (ramjet_state_is_final(state) && paused)
		(void)snprintf(text, bytes,
			       "the source QEMU (process %d) is paused, as it "
			       "was",
			       (int)g->pid);
}

static void target_outcome(const struct rj_qemu_guest *g,
			   enum ramjet_state state, char *text, size_t bytes)
{
	if (state == RAMJET_STATE_COMPLETED &&
	    ramjet_guest_is_paused(g->handle))
		(void)snprintf(
			text, bytes,
			"the guest has arrived paused, 'cont' lets it go "
			"on in QEMU (process %d)",
			(int)g->pid);
	else if (state != RAMJET_STATE_COMPLETED && g->has_state)
		(void)snprintf(text, bytes,
			       "the target QEMU (process %d) %s: start another "
			       "one before the next try",
			       (int)g->pid,
			       rj_attach_process_lives(&g->process)
				       ? "has been given a state that is of no "
					 "use; 'quit' it, since its guest must "
					 "not run"
				       : "has ended");
}

static int dismiss(struct rj_qemu_guest *g, char *text, size_t bytes,
		   struct ramjet_error *err)
{
	int rc;

	rj_lock(&g->lock);
	rc = rj_qemu_quit(&g->qemu, err);
	rj_unlock(&g->lock);
	if (!rc)
		(void)snprintf(text, bytes,
			       "the source QEMU (process %d) was told to quit",
			       (int)g->pid);
	return rc;
}

static int qemu_outcome(struct rj_cli_guest *base, enum ramjet_state state,
			bool quit, char *text, size_t bytes,
			struct ramjet_error *err)
{
	struct rj_qemu_guest *g = rj_qemu_guest_of(base);

	if (g->role == RJ_CLI_TARGET) {
		target_outcome(g, state, text, bytes);
		return 0;
	}
	source_outcome(g, state, text, bytes);
	return quit && state == RAMJET_STATE_COMPLETED
		       ? dismiss(g, text, bytes, err)
		       : 0;
}

/* As seen: xen-save-devices-state takes 1.3 to 4 ms, migrate-incoming 2.4 to 6;
 * of a q35 with a few disks. What a try shows counts from then on. */
#define STATE_US 6000

const struct rj_cli_guest_kind rj_cli_guest_qemu = {
	.name = "qemu",
	.ops = &qemu_ops,
	.create = qemu_create,
	.attach = qemu_attach,
	.describe = qemu_describe,
	.notice = qemu_notice,
	.outcome = qemu_outcome,
	.findings = rj_qemu_guest_findings,
	.has_owner = true,
	.state_hint_us = STATE_US,
	.free = qemu_free,
};
