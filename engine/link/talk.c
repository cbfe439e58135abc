/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/talk.h"

#include <errno.h>
#include <stdio.h>

#include "util/error.h"

#define BOTH (RJ_TALK_SOURCE | RJ_TALK_TARGET)

#define IN(phase) (1u << RJ_TALK_##phase)
/* Phases in which pages arrive: from ACCEPT until all of them are there. */
#define WHILE_MOVING    (IN(ROUNDS) | IN(RECORD) | IN(RECORDS) | IN(ANNOUNCED))
#define BETWEEN_RECORDS (IN(ROUNDS) | IN(RECORDS))
#define UNTIL_RUNNING   (IN(OFFER) | WHILE_MOVING | IN(READY) | IN(COMMITTED))
#define STAYS           (-1)

/*
 * PING and PONG have no row: from ACCEPT on the link deals with them itself,
 * and before they are illegal. Neither has HELLO, which comes before the
 * conversation, nor have PAGES and FENCE, which are no part of it.
 */
static const struct row {
	uint8_t type;
	uint8_t from;
	uint16_t phases; /* when it is legal */
	int next;        /* what it leads to */
} table[] = {
	{ RJ_FRAME_BLOCKS, RJ_TALK_SOURCE, IN(OFFER), STAYS },
	{ RJ_FRAME_ACCEPT, RJ_TALK_TARGET, IN(OFFER), RJ_TALK_ROUNDS },
	{ RJ_FRAME_APPLIED, RJ_TALK_TARGET, WHILE_MOVING, STAYS },
	/* Inside a record only its next piece may come; see rj_talk_move() for
	 * MORE. */
	{ RJ_FRAME_STATE, RJ_TALK_SOURCE, BETWEEN_RECORDS | IN(RECORD),
	  RJ_TALK_RECORDS },
	{ RJ_FRAME_DIGESTS, RJ_TALK_SOURCE, BETWEEN_RECORDS, RJ_TALK_RECORDS },
	{ RJ_FRAME_SWITCHOVER, RJ_TALK_SOURCE, BETWEEN_RECORDS,
	  RJ_TALK_ANNOUNCED },
	{ RJ_FRAME_READY, RJ_TALK_TARGET, IN(ANNOUNCED), RJ_TALK_READY },
	/* One way it follows SWITCHOVER at once. */
	{ RJ_FRAME_COMMIT, RJ_TALK_SOURCE, IN(READY), RJ_TALK_COMMITTED },
	{ RJ_FRAME_RUNNING, RJ_TALK_TARGET, IN(COMMITTED), RJ_TALK_RUNNING },
	{ RJ_FRAME_FAILED, BOTH, UNTIL_RUNNING, STAYS },
	{ RJ_FRAME_CANCEL, BOTH, UNTIL_RUNNING, STAYS },
};

static const struct row *row_of(uint8_t type)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(table); i++)
		if (table[i].type == type)
			return &table[i];
	return NULL;
}

static const char *moment(enum rj_talk_phase phase)
{
	static const char *const moments[] = {
		[RJ_TALK_OFFER] = "before ACCEPT",
		[RJ_TALK_ROUNDS] = "while rounds are sent",
		[RJ_TALK_RECORD] = "inside a record",
		[RJ_TALK_RECORDS] = "after a record",
		[RJ_TALK_ANNOUNCED] = "after SWITCHOVER",
		[RJ_TALK_READY] = "after READY",
		[RJ_TALK_COMMITTED] = "after COMMIT",
		[RJ_TALK_RUNNING] = "after RUNNING",
	};

	return moments[phase];
}

static bool may_say(const struct rj_talk *talk, enum rj_talk_side from,
		    const struct row *row)
{
	unsigned phases = row->phases;

	if (talk->one_way && row->type == RJ_FRAME_COMMIT)
		phases |= IN(ANNOUNCED);
	return row->from & from && phases & 1u << talk->phase;
}

/* "STATE, DIGESTS or SWITCHOVER": what may come in this phase. FAILED and
 * CANCEL always may, so they are left out. */
static void name_wanted(const struct rj_talk *talk, enum rj_talk_side from,
			char *text, size_t size)
{
	const struct row *last = NULL;
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i <= RJ_ARRAY_SIZE(table) && used < size; i++) {
		const bool end = i == RJ_ARRAY_SIZE(table);
		int n;

		if (!end &&
		    (table[i].from == BOTH || !may_say(talk, from, &table[i])))
			continue;
		if (last) {
			n = snprintf(text + used, size - used, "%s%s",
				     !used ? ""
				     : end ? " or "
					   : ", ",
				     rj_frame_type_name(last->type));
			used += n > 0 ? (size_t)n : 0;
		}
		last = end ? NULL : &table[i];
	}
}

int rj_talk_check(const struct rj_talk *talk, enum rj_talk_side from,
		  const struct rj_frame *frame, struct ramjet_error *err)
{
	const struct row *row = row_of(frame->type);
	char wanted[96];

	if (row && may_say(talk, from, row))
		return 0;
	name_wanted(talk, from, wanted, sizeof(wanted));
	return rj_fail(err, -EPROTO,
		       "a %s frame from the %s has no place %s, wanted %s",
		       rj_frame_type_name(frame->type),
		       from == RJ_TALK_SOURCE ? "source" : "target",
		       moment(talk->phase), *wanted ? wanted : "none");
}

void rj_talk_move(struct rj_talk *talk, const struct rj_frame *frame)
{
	const struct row *row = row_of(frame->type);

	if (!row || row->next == STAYS)
		return;
	talk->phase =
		frame->type == RJ_FRAME_STATE && frame->flags & RJ_FLAG_MORE
			? RJ_TALK_RECORD
			: (enum rj_talk_phase)row->next;
}

void rj_talk_said(struct rj_talk *talk, enum rj_frame_type type)
{
	const struct rj_frame frame = { .type = (uint8_t)type };

	rj_talk_move(talk, &frame);
}
