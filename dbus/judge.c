/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/error.h"

RJ_PRINTF(4, 5)
static int refuse(struct rj_member *member, int code, struct ramjet_error *err,
		  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(member->problem, sizeof(member->problem), format, args);
	va_end(args);
	return rj_fail(err, code, "%s", member->problem);
}

static int judge_id(struct rj_member *member, struct ramjet_error *err)
{
	if (member->id[0])
		return 0;
	return refuse(member, -EBADMSG, err, "helper %.60s: %.240s",
		      member->bus_name, member->id_trouble);
}

static int judge_uid(struct rj_member *member, struct ramjet_error *err)
{
	int64_t wanted = member->roster->rules.uid;
	struct rj_text id;

	if (wanted < 0 || (member->has_uid && member->uid == wanted))
		return 0;
	rj_text_print(id.s, 160, member->id);
	if (!member->has_uid)
		return refuse(member, -EPERM, err,
			      "helper '%s' (%.60s): the bus does not tell its "
			      "uid, wanted %" PRId64,
			      id.s, member->bus_name, wanted);
	return refuse(member, -EPERM, err,
		      "helper '%s' (%.60s): runs as uid %" PRIu32
		      ", wanted %" PRId64,
		      id.s, member->bus_name, member->uid, wanted);
}

/* Against all members before it. */
static int judge_unique(const struct rj_roster *roster, size_t index,
			struct ramjet_error *err)
{
	struct rj_member *member = roster->members[index];
	struct rj_text id;

	for (size_t i = 0; i < index; i++) {
		struct rj_member *other = roster->members[i];

		if (!other->takes_part || strcmp(other->id, member->id))
			continue;
		rj_text_print(id.s, 160, member->id);
		return refuse(member, -EEXIST, err,
			      "helpers %.60s and %.60s have the same Id '%s'",
			      other->bus_name, member->bus_name, id.s);
	}
	return 0;
}

static int judge_member(struct rj_roster *roster, size_t index,
			struct ramjet_error *err)
{
	struct rj_member *member = roster->members[index];
	const struct rj_id_list *list = &roster->rules.list;
	int rc;

	member->problem[0] = '\0';
	member->takes_part = false;
	if (member->gone || (list->given && !rj_id_list_has(list, member->id)))
		return 0;
	rc = judge_id(member, err);
	if (rc >= 0)
		rc = judge_unique(roster, index, err);
	if (rc >= 0)
		rc = judge_uid(member, err);
	member->takes_part = rc >= 0;
	return rc;
}

static int judge_missing(const struct rj_roster *roster,
			 struct ramjet_error *err)
{
	const struct rj_id_list *list = &roster->rules.list;
	struct rj_text_list missing = { 0 };

	for (size_t i = 0; i < list->count; i++) {
		if (!rj_roster_find(roster, list->ids[i]))
			rj_text_list_add(&missing, list->ids[i]);
	}
	if (!missing.shown && !missing.hidden)
		return 0;
	return rj_fail(err, -ENOENT,
		       "helpers: the id-list names %s, which no helper on the "
		       "bus has",
		       rj_text_list_end(&missing));
}

/* Those beyond the limit, so that a list of them shows it too. */
static int judge_count(struct rj_roster *roster, struct ramjet_error *err)
{
	const uint32_t limit = roster->rules.helpers_max;
	uint32_t count = 0, seen = 0;

	for (size_t i = 0; i < roster->count; i++)
		count += roster->members[i]->takes_part;
	if (count <= limit)
		return 0;
	for (size_t i = 0; i < roster->count; i++) {
		struct rj_member *member = roster->members[i];

		if (member->takes_part && ++seen > limit)
			(void)refuse(member, -E2BIG, NULL,
				     "one of %" PRIu32 " helpers, the limit is "
				     "%" PRIu32,
				     count, limit);
	}
	return rj_fail(err, -E2BIG,
		       "helpers: %" PRIu32 " are on the bus, the limit is "
		       "%" PRIu32 ", wanted an id-list of those that matter",
		       count, limit);
}

int rj_roster_judge(struct rj_roster *roster, struct ramjet_error *err)
{
	int first = 0, rc;

	roster->judged = true;
	for (size_t i = 0; i < roster->count; i++) {
		rc = judge_member(roster, i, err);
		first = first < 0 ? first : rc;
	}
	if (first >= 0)
		first = judge_missing(roster, err);
	if (first >= 0)
		first = judge_count(roster, err);
	if (first >= 0)
		roster->first = false;
	return first;
}

int rj_roster_check_gone(struct rj_roster *roster, struct ramjet_error *err)
{
	struct rj_text_list gone = { 0 };

	for (size_t i = 0; i < roster->count; i++) {
		const struct rj_member *member = roster->members[i];

		if (member->takes_part && member->gone)
			rj_text_list_add(&gone, member->id);
	}
	if (!gone.shown)
		return 0;
	return rj_fail(err, -ENXIO,
		       "helpers: %s took part at the start and left the bus",
		       rj_text_list_end(&gone));
}
