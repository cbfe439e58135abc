/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/calls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

static const char *verb(const struct rj_calls *calls)
{
	return calls->loading ? "Load" : "Save";
}

RJ_PRINTF(4, 5)
static void fail_member(struct rj_calls *calls, const struct rj_member *member,
			int code, const char *format, ...)
{
	char why[RJ_TEXT_MAX];
	struct rj_text id;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	rj_text_print(id.s, 160, member->id);
	calls->failed++;
	(void)rj_fail(&calls->failure, code, "helper '%s' (%.24s): %s: %.280s",
		      id.s, member->bus_name, verb(calls), why);
}

/* A reply to Save or Load. `user` is the rj_calls; the member is found by the
 * slot of the call. */
static struct rj_member *answered(struct rj_calls *calls, sd_bus *sd)
{
	sd_bus_slot *slot = sd_bus_get_current_slot(sd);

	for (size_t i = 0; i < calls->roster->count; i++) {
		if (calls->roster->members[i]->call == slot)
			return calls->roster->members[i];
	}
	return NULL;
}

static bool is_answer(struct rj_calls *calls, struct rj_member *member,
		      sd_bus_message *reply)
{
	struct rj_text text;
	const char *problem =
		rj_bus_reply_problem(reply, member->bus_name, &text);

	if (!problem)
		return true;
	if (member->gone ||
	    sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NO_REPLY) > 0)
		fail_member(calls, member, -EREMOTEIO,
			    "it left the bus without answering");
	else
		fail_member(calls, member, -EREMOTEIO, "%s", problem);
	return false;
}

static int on_saved(sd_bus_message *reply, void *user,
		    RJ_UNUSED sd_bus_error *error)
{
	struct rj_calls *calls = user;
	struct rj_member *member =
		answered(calls, sd_bus_message_get_bus(reply));
	size_t bytes = 0;

	if (!member)
		return 0;
	member->save_us = (rj_now_ns() - calls->started_ns) / 1000;
	member->call = sd_bus_slot_unref(member->call);
	calls->awaited--;
	if (!is_answer(calls, member, reply))
		return 0;
	if (!sd_bus_message_has_signature(reply, "ay") ||
	    sd_bus_message_read_array(reply, 'y', &member->state, &bytes) < 0) {
		fail_member(calls, member, -EBADMSG,
			    "its reply is not a byte array");
		return 0;
	}
	member->bytes = bytes;
	member->reply = sd_bus_message_ref(reply);
	if (bytes > calls->state_bytes_max)
		fail_member(calls, member, -EMSGSIZE,
			    "%zu bytes of state, the limit is %" PRIu64, bytes,
			    calls->state_bytes_max);
	return 0;
}

static int on_loaded(sd_bus_message *reply, void *user,
		     RJ_UNUSED sd_bus_error *error)
{
	struct rj_calls *calls = user;
	struct rj_member *member =
		answered(calls, sd_bus_message_get_bus(reply));

	if (!member)
		return 0;
	member->load_us = (rj_now_ns() - calls->started_ns) / 1000;
	member->call = sd_bus_slot_unref(member->call);
	calls->awaited--;
	member->loaded = is_answer(calls, member, reply);
	return 0;
}

static int new_call(struct rj_calls *calls, const struct rj_member *member,
		    sd_bus_message **ret)
{
	int rc = sd_bus_message_new_method_call(
		calls->roster->bus->sd, ret, member->bus_name, RJ_VMSTATE_PATH,
		RJ_VMSTATE_INTERFACE, verb(calls));

	if (rc < 0)
		return rc;
	return sd_bus_message_set_auto_start(*ret, 0);
}

static int send_call(struct rj_calls *calls, struct rj_member *member,
		     const struct rj_blob_item *item, struct ramjet_error *err)
{
	rj_cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	struct rj_text id;
	int rc = new_call(calls, member, &call);

	if (rc >= 0 && item)
		rc = sd_bus_message_append_array(call, 'y', item->data,
						 item->bytes);
	if (rc >= 0)
		rc = sd_bus_call_async(calls->roster->bus->sd, &member->call,
				       call, item ? on_loaded : on_saved, calls,
				       UINT64_MAX);
	if (rc < 0)
		return rj_fail_errno(err, rc, "helper '%s': sending %s",
				     rj_text_printable(&id, member->id),
				     verb(calls));
	calls->awaited++;
	return 0;
}

static void begin(struct rj_calls *calls, struct rj_roster *roster,
		  bool loading)
{
	rj_calls_drop(roster);
	*calls = (struct rj_calls){ .roster = roster, .loading = loading };
	for (size_t i = 0; i < roster->count; i++) {
		struct rj_member *member = roster->members[i];

		member->bytes = 0;
		member->save_us = member->load_us = 0;
		member->loaded = false;
		member->left_alone = loading;
	}
	calls->started_ns = rj_now_ns();
}

int rj_calls_save(struct rj_calls *calls, struct rj_roster *roster,
		  uint64_t state_bytes_max, struct ramjet_error *err)
{
	int rc = 0;

	begin(calls, roster, false);
	calls->state_bytes_max = state_bytes_max;
	for (size_t i = 0; i < roster->count && rc >= 0; i++) {
		if (roster->members[i]->takes_part)
			rc = send_call(calls, roster->members[i], NULL, err);
	}
	return rc;
}

int rj_calls_load(struct rj_calls *calls, struct rj_roster *roster,
		  const struct rj_blob_item *items, size_t count,
		  struct ramjet_error *err)
{
	int rc = 0;

	begin(calls, roster, true);
	for (size_t i = 0; i < count && rc >= 0; i++) {
		struct rj_member *member = rj_roster_find(roster, items[i].id);

		if (!member)
			return rj_fail(err, -EINVAL,
				       "helpers: a state "
				       "without its helper");
		member->bytes = items[i].bytes;
		member->left_alone = false;
		rc = send_call(calls, member, &items[i], err);
	}
	return rc;
}

/* The failure, and which helpers have loaded already, since that can't be
 * undone. */
static int fail_calls(struct rj_calls *calls, struct ramjet_error *err)
{
	struct rj_text_list loaded = { 0 };

	if (!calls->loading)
		return rj_fail(err, calls->failure.code, "%s",
			       calls->failure.message);
	for (size_t i = 0; i < calls->roster->count; i++) {
		if (calls->roster->members[i]->loaded)
			rj_text_list_add(&loaded,
					 calls->roster->members[i]->id);
	}
	return rj_fail(err, calls->failure.code, "%.300s; already loaded: %s",
		       calls->failure.message, rj_text_list_end(&loaded));
}

int rj_calls_progress(struct rj_calls *calls, struct ramjet_error *err)
{
	if (calls->failed && (!calls->loading || !calls->awaited))
		return fail_calls(calls, err);
	return calls->awaited == 0;
}

int rj_calls_expire(struct rj_calls *calls, uint64_t waited_ms,
		    struct ramjet_error *err)
{
	struct rj_text_list silent = { 0 };

	for (size_t i = 0; i < calls->roster->count; i++) {
		if (calls->roster->members[i]->call)
			rj_text_list_add(&silent,
					 calls->roster->members[i]->id);
	}
	(void)rj_fail(&calls->failure, -ETIMEDOUT,
		      "helpers: %s did not answer %s within %" PRIu64 " ms",
		      rj_text_list_end(&silent), verb(calls), waited_ms);
	return fail_calls(calls, err);
}

void rj_calls_drop(struct rj_roster *roster)
{
	for (size_t i = 0; i < roster->count; i++) {
		struct rj_member *member = roster->members[i];

		member->call = sd_bus_slot_unref(member->call);
		member->reply = sd_bus_message_unref(member->reply);
		member->state = NULL;
	}
}
