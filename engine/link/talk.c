/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/talk.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "util/error.h"

#define BOTH (RJ_TALK_SOURCE | RJ_TALK_TARGET)

#define IN(phase) (1u << RJ_TALK_##phase)
/* Phases in which pages arrive: from ACCEPT until all of them are there. */
#define WHILE_MOVING    (IN(ROUNDS) | IN(RECORD) | IN(RECORDS) | IN(ANNOUNCED))
#define BETWEEN_RECORDS (IN(ROUNDS) | IN(RECORDS))
#define FROM_ACCEPT     (WHILE_MOVING | IN(READY) | IN(COMMITTED))
#define UNTIL_RUNNING   (IN(OFFER) | FROM_ACCEPT)
#define STAYS           (-1)

/* How often a frame may come where it has a place. */
enum often {
	AGAIN,
	ONCE,
	ONCE_A_KIND, /* all of a record counts as one */
};

/*
 * PING and PONG have no row: from ACCEPT on the link deals with them itself,
 * and before they are illegal; so it does with HEARD. Neither has HELLO, which
 * comes before the conversation, as RESUME does before it goes on, nor have PAGES
 * and FENCE, which are no part of it.
 */
static const struct row {
	uint8_t type;
	uint8_t from;
	uint16_t phases; /* when it is legal */
	int next;        /* what it leads to */
	enum often often;
} table[] = {
	/* These lead to where we are: so that they are known to have come. */
	{ RJ_FRAME_OFFER, RJ_TALK_SOURCE, IN(OFFER), RJ_TALK_OFFER, ONCE },
	{ RJ_FRAME_TAKES, RJ_TALK_TARGET, IN(OFFER), RJ_TALK_OFFER, ONCE },
	{ RJ_FRAME_GUEST, RJ_TALK_SOURCE, IN(OFFER), RJ_TALK_OFFER, ONCE },
	/* Each side counts what comes, not what it says: so one of each. */
	{ RJ_FRAME_KEEPS, BOTH, IN(OFFER), RJ_TALK_OFFER, ONCE },
	{ RJ_FRAME_BLOCKS, RJ_TALK_SOURCE, IN(OFFER), STAYS, AGAIN },
	{ RJ_FRAME_ACCEPT, RJ_TALK_TARGET, IN(OFFER), RJ_TALK_ROUNDS, AGAIN },
	{ RJ_FRAME_APPLIED, RJ_TALK_TARGET, WHILE_MOVING, STAYS, AGAIN },
	/* Inside a record only its next piece may come: see fits_record(), and
	 * rj_talk_move() for MORE. */
	{ RJ_FRAME_STATE, RJ_TALK_SOURCE, BETWEEN_RECORDS | IN(RECORD),
	  RJ_TALK_RECORDS, ONCE_A_KIND },
	{ RJ_FRAME_DIGESTS, RJ_TALK_SOURCE, BETWEEN_RECORDS, RJ_TALK_RECORDS,
	  ONCE },
	{ RJ_FRAME_SWITCHOVER, RJ_TALK_SOURCE, BETWEEN_RECORDS,
	  RJ_TALK_ANNOUNCED, AGAIN },
	{ RJ_FRAME_READY, RJ_TALK_TARGET, IN(ANNOUNCED), RJ_TALK_READY, AGAIN },
	/* One way it follows SWITCHOVER at once. */
	{ RJ_FRAME_COMMIT, RJ_TALK_SOURCE, IN(READY), RJ_TALK_COMMITTED,
	  AGAIN },
	{ RJ_FRAME_RUNNING, RJ_TALK_TARGET, IN(COMMITTED), RJ_TALK_RUNNING,
	  AGAIN },
	/* What BACK says of ANNOUNCED: see rj_talk_move(). */
	{ RJ_FRAME_LOST, BOTH, FROM_ACCEPT, STAYS, AGAIN },
	{ RJ_FRAME_BACK, RJ_TALK_SOURCE, FROM_ACCEPT, STAYS, AGAIN },
	{ RJ_FRAME_JOINED, RJ_TALK_TARGET, FROM_ACCEPT, STAYS, AGAIN },
	{ RJ_FRAME_TAKEN, RJ_TALK_TARGET, FROM_ACCEPT, STAYS, AGAIN },
	{ RJ_FRAME_FAILED, BOTH, UNTIL_RUNNING, STAYS, AGAIN },
	{ RJ_FRAME_CANCEL, BOTH, UNTIL_RUNNING, STAYS, AGAIN },
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

static bool is_of_lanes(uint8_t type)
{
	return type == RJ_FRAME_LOST || type == RJ_FRAME_BACK ||
	       type == RJ_FRAME_JOINED || type == RJ_FRAME_TAKEN;
}

static bool may_say(const struct rj_talk *talk, enum rj_talk_side from,
		    const struct row *row)
{
	unsigned phases = row->phases;

	if (talk->one_way && row->type == RJ_FRAME_COMMIT)
		phases |= IN(ANNOUNCED);
	if (is_of_lanes(row->type) && !talk->lanes_may_be_lost)
		return false;
	return row->from & from && phases & 1u << talk->phase;
}

/* Kinds of records that are told apart: the bits below those of ONCE. There are
 * few; one that is not known is OPTIONAL, and may come as often as it likes. */
#define KINDS      40u
#define KINDS_MASK ((UINT64_C(1) << KINDS) - 1)

static_assert(KINDS + RJ_ARRAY_SIZE(table) <= 64, "a bit for each row");

/* The bit of what may come once only, or 0. */
static uint64_t bit_of(const struct row *row, uint32_t kind)
{
	if (row->often == ONCE)
		return UINT64_C(1) << (KINDS + (unsigned)(row - table));
	return row->often == ONCE_A_KIND && kind < KINDS ? UINT64_C(1) << kind
							 : 0;
}

static bool fits_record(const struct rj_talk *talk,
			const struct rj_frame *frame)
{
	return talk->phase != RJ_TALK_RECORD || frame->aux == talk->kind;
}

static bool is_wanted(const struct rj_talk *talk, enum rj_talk_side from,
		      const struct row *row)
{
	return row->from != BOTH && may_say(talk, from, row) &&
	       (row->often != ONCE || !(talk->come & bit_of(row, 0)));
}

static const char *of_which_kind(const struct rj_talk *talk,
				 const struct row *row)
{
	if (row->often != ONCE_A_KIND)
		return "";
	if (talk->phase == RJ_TALK_RECORD)
		return " of the same kind";
	return talk->come & KINDS_MASK ? " of another kind" : "";
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

		if (!end && !is_wanted(talk, from, &table[i]))
			continue;
		if (last) {
			const int n =
				snprintf(text + used, size - used, "%s%s%s",
					 !used ? ""
					 : end ? " or "
					       : ", ",
					 rj_frame_type_name(last->type),
					 of_which_kind(talk, last));

			used += n > 0 ? (size_t)n : 0;
		}
		last = end ? NULL : &table[i];
	}
}

/* "comes a second time", or what else is wrong with it; NULL: nothing. */
static const char *fault_of(const struct rj_talk *talk, enum rj_talk_side from,
			    const struct row *row, const struct rj_frame *frame)
{
	if (!row || !may_say(talk, from, row))
		return "has no place";
	if (!row->often)
		return NULL;
	if (!fits_record(talk, frame))
		return "of another kind has no place";
	if (talk->phase != RJ_TALK_RECORD &&
	    talk->come & bit_of(row, frame->aux))
		return "comes a second time";
	return NULL;
}

int rj_talk_check(const struct rj_talk *talk, enum rj_talk_side from,
		  const struct rj_frame *frame, struct ramjet_error *err)
{
	const struct row *row = row_of(frame->type);
	const char *fault = fault_of(talk, from, row, frame);
	char wanted[96];

	if (!fault)
		return 0;
	name_wanted(talk, from, wanted, sizeof(wanted));
	return rj_fail(err, -EPROTO, "a %s frame from the %s %s %s, wanted %s",
		       rj_frame_type_name(frame->type),
		       from == RJ_TALK_SOURCE ? "source" : "target", fault,
		       moment(talk->phase), *wanted ? wanted : "none");
}

void rj_talk_move(struct rj_talk *talk, const struct rj_frame *frame)
{
	const struct row *row = row_of(frame->type);

	/* The last round was not the last one: it is announced anew. */
	if (frame->type == RJ_FRAME_BACK && talk->phase == RJ_TALK_ANNOUNCED)
		talk->phase = RJ_TALK_RECORDS;
	if (!row || row->next == STAYS)
		return;
	talk->come |= bit_of(row, frame->aux);
	talk->kind = frame->aux;
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
