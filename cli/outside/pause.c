/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/outside/pause.h"

#include <errno.h>
#include <string.h>

#include "cli/outside/source.h"
#include "cli/outside/way.h"
#include "cli/qemu/checks.h"
#include "util/error.h"

/* QEMU would load the rest without a word, and the guest find it again. */
static int check_unplugged(const struct rj_qemu_guest *g,
			   struct ramjet_error *err)
{
	return g->unplugged
		       ? rj_fail(err, -ESTALE,
				 "qemu %s: a device was unplugged while its "
				 "guest was moved, and the target still has "
				 "it; move it again, to one without it",
				 g->qemu.path)
		       : 0;
}

/* ---- the pause ----------------------------------------------------------------- */

/* Does it stand still because of us alone? After a nap, or a pause, that could not
 * be ended. */
static bool is_ours(const struct rj_qemu_guest *g)
{
	return g->napping || (g->stopped && !ramjet_guest_is_paused(g->handle));
}

/* Others may pause it, or let it go on, at any time: what is so now counts. */
static int stop_locked(struct rj_qemu_guest *g, struct ramjet_error *err)
	RJ_REQUIRES(g->lock)
{
	struct rj_qemu_status status;
	int rc = rj_qemu_status(&g->qemu, &status, err);

	if (rc)
		return rc;
	/* What comes now is rj_qemu_source_check_still()'s. */
	rj_qemu_guest_note_events(g);
	if (rj_qemu_is_paused(&status) && !is_ours(g)) {
		g->found_paused = true;
		return ramjet_guest_set_paused(g->handle, true);
	}
	/* Its owner has let it go on since. */
	if (status.run == RJ_QEMU_RUNNING && (g->found_paused || g->stopped)) {
		g->found_paused = g->stopped = false;
		rc = ramjet_guest_set_paused(g->handle, false);
	}
	if (rc)
		return rc;
	if (status.run != RJ_QEMU_RUNNING && !rj_qemu_is_paused(&status))
		return rj_fail(err, -EIO,
			       "qemu %s: it has gone into state '%s' while it "
			       "was moved",
			       g->qemu.path, status.text);
	/* Whose wish is that it be paused must not find it running because
	 * ramjet died. */
	if (!ramjet_guest_is_paused(g->handle))
		rc = rj_guardian_stopping(g->guardian, err);
	if (rc)
		return rc;
	/* Whatever comes of it: it may be done, and its answer be lost. */
	g->stopped = true;
	rc = rj_qemu_stop(&g->qemu, NULL, err);
	if (rc)
		return rc;
	/* It takes over where a nap has not ended. */
	g->napping = false;
	return rj_guardian_nap(g->guardian, false, err);
}

/* What we have not stopped (its disk is full, its guest has panicked, a debugger
 * has it) must not go on because of us. */
static void undo_stop(struct rj_qemu_guest *g)
{
	if (!g->stopped || ramjet_guest_is_paused(g->handle) ||
	    rj_qemu_cont(&g->qemu, NULL, NULL))
		return;
	g->stopped = false;
	rj_guardian_running(g->guardian);
}

/* Until it goes on here: one level, whoever stops it again. */
static void hold_slow(struct rj_qemu_guest *g)
{
	if (g->slow && !g->held)
		rj_slow_hold(g->slow);
	g->held = true;
}

static void release_slow(struct rj_qemu_guest *g)
{
	if (g->slow && g->held)
		rj_slow_release(g->slow);
	g->held = false;
}

int rj_qemu_source_stop(void *user, struct ramjet_error *err)
{
	struct rj_qemu_guest *g = rj_qemu_guest_of(user);
	int rc;

	hold_slow(g);
	rj_lock(&g->lock);
	rc = rj_qemu_way_prepare(g, err);
	if (!rc)
		rc = stop_locked(g, err);
	if (rc) {
		g->left_alone = !g->stopped;
		undo_stop(g);
		rj_qemu_way_forget(g);
	}
	rj_unlock(&g->lock);
	if (rc)
		release_slow(g);
	return rc;
}

static bool stands_still(const struct rj_qemu_guest *g,
			 const struct rj_qemu_status *status)
{
	if (g->gave_images_up && g->way == RJ_QEMU_BY_MIGRATE)
		return !strcmp(status->text, "postmigrate");
	return g->stopped ? status->run == RJ_QEMU_PAUSED
			  : rj_qemu_is_paused(status);
}

int rj_qemu_source_check_still(struct rj_qemu_guest *g,
			       struct ramjet_error *err)
{
	struct rj_qemu_status status;
	int rc = rj_qemu_status(&g->qemu, &status, err);

	if (rc)
		return rc;
	if (!stands_still(g, &status))
		return rj_fail(err, -EIO,
			       "qemu %s: it is '%s' in the pause, wanted it to "
			       "stand still (its guest was reset, or somebody "
			       "has let it go on)",
			       g->qemu.path, status.text);
	if (rj_qmp_caller_has_heard(&g->qemu.monitor, "RESUME"))
		return rj_fail(err, -EIO,
			       "qemu %s: somebody has let it go on in the "
			       "pause, wanted it to stand still",
			       g->qemu.path);
	rj_qemu_guest_note_events(g);
	return check_unplugged(g, err);
}

static int save_locked(struct rj_qemu_guest *g, struct rj_qemu_state *ret,
		       struct ramjet_error *err) RJ_REQUIRES(g->lock)
{
	int rc = rj_qemu_source_check_blocks(g, err);

	if (!rc)
		rc = rj_qemu_check_stopped(&g->qemu, err);
	/* Its owner may have paused it since. */
	if (!rc)
		rc = rj_qemu_way_check(g, err);
	if (rc)
		return rc;
	g->gave_images_up = true;
	rc = rj_qemu_saver_save(&g->qemu, &g->saver, ret, err);
	if (rc)
		return rc;
	rc = rj_qemu_source_check_still(g, err);
	if (rc)
		rj_qemu_state_done(ret);
	return rc;
}

int rj_qemu_source_save(void *user, void **ret_data, size_t *ret_bytes,
			struct ramjet_error *err)
{
	struct rj_qemu_guest *g = rj_qemu_guest_of(user);
	struct rj_qemu_state state = { 0 };
	int rc;

	rj_lock(&g->lock);
	rc = save_locked(g, &state, err);
	rj_unlock(&g->lock);
	if (rc)
		return rc;
	*ret_data = state.bytes;
	*ret_bytes = state.count;
	return 0;
}

/* One that stays paused has images that it doesn't own any more, as the saver has
 * left them: block jobs, say, would fail. Before QEMU 10 its `cont` alone takes
 * them back. */
static void take_images_back_locked(struct rj_qemu_guest *g)
	RJ_REQUIRES(g->lock)
{
	static const char command[] = "blockdev-set-active";

	if (g->gave_images_up && rj_qemu_knows(&g->qemu, command))
		rj_qemu_tell(&g->qemu, command,
			     json_pack("{s:b}", "active", 1));
}

int rj_qemu_source_start(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	int rc = 0;

	rj_lock(&g->lock);
	if (ramjet_guest_is_paused(g->handle)) {
		take_images_back_locked(g);
	} else if (!g->left_alone) {
		rc = rj_qemu_cont(&g->qemu, NULL, err);
		g->found_paused = false;
		g->stopped &= rc != 0;
	}
	if (!rc) {
		g->left_alone = g->gave_images_up = false;
		rj_guardian_running(g->guardian);
		rj_qemu_way_forget(g);
	}
	rj_unlock(&g->lock);
	release_slow(g);
	return rc;
}

void rj_qemu_source_handed_over(struct rj_qemu_guest *g)
{
	struct rj_qemu_status status;

	rj_lock(&g->lock);
	if (!rj_qemu_status(&g->qemu, &status, NULL) &&
	    status.run == RJ_QEMU_RUNNING)
		g->ran_twice = !rj_qemu_stop(&g->qemu, NULL, NULL);
	rj_unlock(&g->lock);
}
