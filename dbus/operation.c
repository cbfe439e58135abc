/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/operation.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "dbus/arriving.h"
#include "dbus/judge.h"
#include "util/clock.h"
#include "util/error.h"

static uint64_t ms_between(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (to_ns - from_ns + 999999) / 1000000 : 0;
}

/* No later than ms (0: no limit) from `from_ns`, the limit so far, and the
 * caller's. */
static void tighten(struct rj_helpers *h, uint64_t from_ns, uint64_t ms)
{
	const uint64_t at_ns = ms ? from_ns + ms * 1000000 : UINT64_MAX;

	if (at_ns < h->limit.at_ns)
		h->limit = (struct rj_limit){ .at_ns = at_ns, .ms = ms };
	if (h->caller_deadline_ns && h->caller_deadline_ns < h->limit.at_ns)
		h->limit = (struct rj_limit){
			.at_ns = h->caller_deadline_ns,
			.ms = ms_between(h->began_ns, h->caller_deadline_ns),
		};
}

static bool is_late(const struct rj_helpers *h)
{
	return rj_now_ns() >= h->limit.at_ns;
}

int rj_operation_begin(struct rj_helpers *h, enum rj_helpers_purpose purpose,
		       uint64_t deadline_ns, struct ramjet_error *err)
{
	int rc;

	if (h->stage != RJ_HELPERS_IDLE)
		return rj_fail(err, -EBUSY,
			       "helpers: another operation is under way");
	rj_calls_drop(&h->roster);
	h->saved = false;
	h->purpose = purpose;
	h->began_ns = rj_now_ns();
	h->caller_deadline_ns = deadline_ns;
	h->limit = (struct rj_limit){ .at_ns = UINT64_MAX };
	tighten(h, h->began_ns,
		purpose == RJ_HELPERS_START ? h->options.start_timeout_ms
					    : h->options.gather_timeout_ms);
	rc = rj_bus_dispatch(&h->bus, err);
	if (rc >= 0)
		rc = rj_roster_discover(&h->roster, err);
	if (rc < 0)
		return rc;
	h->asked_ids = false;
	h->stage = RJ_HELPERS_DISCOVERING;
	return 0;
}

static int begin_calls(struct rj_helpers *h, struct ramjet_error *err)
{
	int rc;

	if (h->purpose == RJ_HELPERS_SAVE) {
		rc = rj_calls_save(&h->calls, &h->roster,
				   h->options.state_bytes_max, err);
	} else {
		rc = rj_arriving_match(h, h->items, h->item_count, err);
		/* Warned of here, before Load; not where a blob is only looked
		 * at. */
		if (rc >= 0)
			rj_arriving_log_left_alone(h, h->items, h->item_count);
		if (rc >= 0)
			rc = rj_calls_load(&h->calls, &h->roster, h->items,
					   h->item_count, err);
	}
	if (rc < 0)
		return rc;
	h->stage = RJ_HELPERS_CALLING;
	tighten(h, h->calls.started_ns, h->options.helper_timeout_ms);
	return 0;
}

static int judge(struct rj_helpers *h, struct ramjet_error *err)
{
	int rc = 0;

	if (!h->roster.first)
		rc = rj_roster_check_gone(&h->roster, err);
	if (rc >= 0)
		rc = rj_roster_judge(&h->roster, err);
	/* The next attempt discovers anew. Only a start that fails keeps its
	 * members, so that the caller can ask what was wrong with them. */
	if (rc < 0 && h->purpose != RJ_HELPERS_START)
		rj_roster_restart(&h->roster);
	return rc;
}

static int step_discovery(struct rj_helpers *h, struct ramjet_error *err)
{
	int rc = rj_roster_progress(&h->roster, err);

	if (!rc && !h->asked_ids && !h->roster.list_call) {
		h->asked_ids = true;
		tighten(h, rj_now_ns(), h->options.helper_timeout_ms);
	}
	if (!rc && !is_late(h))
		return 0;
	if (!rc)
		rc = rj_roster_expire(&h->roster, h->limit.ms, err);
	if (rc >= 0)
		rc = judge(h, err);
	if (rc < 0)
		return rc;
	if (h->purpose == RJ_HELPERS_START) {
		h->stage = RJ_HELPERS_IDLE;
		return 1;
	}
	return begin_calls(h, err);
}

static int step_calls(struct rj_helpers *h, struct ramjet_error *err)
{
	int rc = rj_calls_progress(&h->calls, err);

	if (!rc && is_late(h))
		rc = rj_calls_expire(&h->calls, h->limit.ms, err);
	if (rc <= 0)
		return rc;
	h->whole_us = (rj_now_ns() - h->began_ns) / 1000;
	h->saved = h->purpose == RJ_HELPERS_SAVE;
	h->stage = RJ_HELPERS_IDLE;
	return 1;
}

/* The operation has failed. Which helpers have loaded stays known, for the
 * report. */
static void give_up(struct rj_helpers *h)
{
	for (size_t i = 0; i < h->roster.count; i++) {
		struct rj_member *member = h->roster.members[i];

		member->call = sd_bus_slot_unref(member->call);
	}
	h->whole_us = (rj_now_ns() - h->began_ns) / 1000;
	h->stage = RJ_HELPERS_IDLE;
}

int rj_operation_process(struct rj_helpers *h, struct ramjet_error *err)
{
	int rc;

	if (h->stage == RJ_HELPERS_IDLE)
		return 1;
	rc = rj_bus_dispatch(&h->bus, err);
	if (rc >= 0 && h->stage == RJ_HELPERS_DISCOVERING)
		rc = step_discovery(h, err);
	if (rc >= 0 && h->stage == RJ_HELPERS_CALLING)
		rc = step_calls(h, err);
	if (rc < 0)
		give_up(h);
	return rc;
}

int rj_operation_poll(struct rj_helpers *h, struct pollfd *ret,
		      uint64_t *ret_deadline_ns)
{
	uint64_t us, until = UINT64_MAX;
	int rc = rj_bus_poll(&h->bus, ret);

	if (rc < 0)
		return rc;
	if (h->stage != RJ_HELPERS_IDLE)
		until = h->limit.at_ns;
	if (sd_bus_get_timeout(h->bus.sd, &us) >= 0 && us < until / 1000)
		until = us * 1000;
	*ret_deadline_ns = until;
	return 0;
}

int rj_operation_finish(struct rj_helpers *h, struct ramjet_error *err)
{
	int rc;

	while (!(rc = rj_operation_process(h, err))) {
		rc = rj_bus_wait(&h->bus, h->limit.at_ns, h->wake_fd);
		if (rc == -ECANCELED) {
			give_up(h);
			return rj_fail(err, rc, "helpers: cancelled");
		}
	}
	return rc < 0 ? rc : 0;
}

int rj_operation_discover(struct rj_helpers *h, struct ramjet_error *err)
{
	int rc = rj_operation_begin(h, RJ_HELPERS_START, 0, err);

	return rc < 0 ? rc : rj_operation_finish(h, err);
}

void rj_operation_abort(struct rj_helpers *h)
{
	if (h->stage != RJ_HELPERS_IDLE)
		give_up(h);
	/* Free states that rj_helpers_finish_save() will not fetch any more. */
	rj_calls_drop(&h->roster);
	h->saved = false;
}
