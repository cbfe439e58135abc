/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/resume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/error.h"

struct rj_said {
	struct rj_said *next;
	uint64_t number;
	size_t bytes;
	uint8_t wire[];
};

void rj_resume_init(struct rj_resume *resume, uint64_t said)
{
	*resume = (struct rj_resume){
		.said = said,
		.begun = said,
		.written = said,
		.known = said,
	};
	rj_mutex_init(&resume->lock);
}

static void forget_first_locked(struct rj_resume *resume)
	RJ_REQUIRES(resume->lock)
{
	struct rj_said *first = resume->first;

	resume->first = first->next;
	if (!resume->first)
		resume->last = NULL;
	resume->bytes -= first->bytes;
	free(first);
}

void rj_resume_done(struct rj_resume *resume)
{
	rj_lock(&resume->lock);
	while (resume->first)
		forget_first_locked(resume);
	rj_unlock(&resume->lock);
	rj_mutex_done(&resume->lock);
}

bool rj_resume_has_room(struct rj_resume *resume, size_t bytes)
{
	bool room;

	rj_lock(&resume->lock);
	room = !resume->bytes || resume->bytes + bytes <= RJ_RESUME_KEPT_MAX;
	rj_unlock(&resume->lock);
	return room;
}

static void append_locked(struct rj_resume *resume, struct rj_said *said)
	RJ_REQUIRES(resume->lock)
{
	if (resume->last)
		resume->last->next = said;
	else
		resume->first = said;
	resume->last = said;
	resume->bytes += said->bytes;
	said->number = ++resume->said;
}

int rj_resume_say(struct rj_resume *resume,
		  const uint8_t header[RJ_HEADER_BYTES], const void *payload,
		  size_t payload_bytes, uint64_t *ret_number,
		  struct ramjet_error *err)
{
	const size_t bytes = RJ_HEADER_BYTES + payload_bytes;
	struct rj_said *said = malloc(sizeof(*said) + bytes);
	bool is_lost;

	if (!said)
		return rj_fail(err, -ENOMEM,
			       "control link: out of memory to keep what is "
			       "said");
	said->next = NULL;
	said->bytes = bytes;
	memcpy(said->wire, header, RJ_HEADER_BYTES);
	if (payload_bytes)
		memcpy(said->wire + RJ_HEADER_BYTES, payload, payload_bytes);
	rj_lock(&resume->lock);
	append_locked(resume, said);
	*ret_number = resume->said;
	is_lost = resume->lost;
	rj_unlock(&resume->lock);
	return !is_lost;
}

static void begin_locked(struct rj_resume *resume, uint64_t number)
	RJ_REQUIRES(resume->lock)
{
	if (resume->begun < number)
		resume->begun = number;
}

bool rj_resume_begin(struct rj_resume *resume, uint64_t number)
{
	bool is_due;

	rj_lock(&resume->lock);
	is_due = !resume->lost && resume->written < number;
	if (is_due)
		begin_locked(resume, number);
	rj_unlock(&resume->lock);
	return is_due;
}

void rj_resume_wrote(struct rj_resume *resume, uint64_t number)
{
	rj_lock(&resume->lock);
	resume->written = number;
	rj_unlock(&resume->lock);
}

/* Begun is enough: the last byte may have arrived before this side could note
 * that it was written, or although its write failed. */
static int check_heard_locked(const struct rj_resume *resume, uint64_t heard,
			      struct ramjet_error *err)
	RJ_REQUIRES(resume->lock)
{
	if (heard >= resume->known && heard <= resume->begun)
		return 0;
	return rj_fail(err, -EPROTO,
		       "the peer has heard %llu frames, it says, wanted %llu "
		       "to %llu",
		       (unsigned long long)heard,
		       (unsigned long long)resume->known,
		       (unsigned long long)resume->begun);
}

static void know_locked(struct rj_resume *resume, uint64_t heard)
	RJ_REQUIRES(resume->lock)
{
	while (resume->first && resume->first->number <= heard)
		forget_first_locked(resume);
	resume->known = heard;
}

int rj_resume_heard(struct rj_resume *resume, uint64_t heard,
		    struct ramjet_error *err)
{
	int rc;

	rj_lock(&resume->lock);
	rc = check_heard_locked(resume, heard, err);
	if (!rc)
		know_locked(resume, heard);
	rj_unlock(&resume->lock);
	return rc;
}

int rj_resume_return(struct rj_resume *resume, uint64_t heard,
		     struct ramjet_error *err)
{
	int rc;

	rj_lock(&resume->lock);
	rc = check_heard_locked(resume, heard, err);
	if (!rc) {
		know_locked(resume, heard);
		resume->written = heard;
		resume->returns++;
		resume->returned_ns = rj_now_ns();
		resume->why = (struct ramjet_error){ 0 };
	}
	rj_unlock(&resume->lock);
	return rc;
}

const uint8_t *rj_resume_next(struct rj_resume *resume, size_t *ret_bytes,
			      uint64_t *ret_number)
{
	const struct rj_said *said;

	rj_lock(&resume->lock);
	said = resume->first;
	while (said && said->number <= resume->written)
		said = said->next;
	if (said)
		begin_locked(resume, said->number);
	else
		resume->lost = false;
	rj_unlock(&resume->lock);
	if (!said)
		return NULL;
	*ret_bytes = said->bytes;
	*ret_number = said->number;
	return said->wire;
}

void rj_resume_lose(struct rj_resume *resume, const struct ramjet_error *why)
{
	rj_lock(&resume->lock);
	if (why && !resume->lost)
		resume->why = *why;
	resume->lost = true;
	rj_unlock(&resume->lock);
}

struct ramjet_error rj_resume_why(struct rj_resume *resume)
{
	struct ramjet_error why;

	rj_lock(&resume->lock);
	why = resume->why;
	rj_unlock(&resume->lock);
	return why;
}

uint64_t rj_resume_returns(struct rj_resume *resume)
{
	uint64_t returns;

	rj_lock(&resume->lock);
	returns = resume->returns;
	rj_unlock(&resume->lock);
	return returns;
}

uint64_t rj_resume_lost_since(struct rj_resume *resume, uint64_t heard,
			      uint64_t now_ns)
{
	uint64_t since_ns, progress;

	rj_lock(&resume->lock);
	progress = resume->known + heard;
	if (!resume->since_ns || progress != resume->progress ||
	    now_ns - resume->returned_ns >= RJ_RESUME_LASTED_NS)
		resume->since_ns = now_ns;
	resume->progress = progress;
	since_ns = resume->since_ns;
	rj_unlock(&resume->lock);
	return since_ns;
}

bool rj_resume_is_lost(struct rj_resume *resume)
{
	bool is_lost;

	rj_lock(&resume->lock);
	is_lost = resume->lost;
	rj_unlock(&resume->lock);
	return is_lost;
}

void rj_resume_end(struct rj_resume *resume)
{
	rj_lock(&resume->lock);
	resume->over = true;
	rj_unlock(&resume->lock);
}

bool rj_resume_is_over(struct rj_resume *resume)
{
	bool is_over;

	rj_lock(&resume->lock);
	is_over = resume->over;
	rj_unlock(&resume->lock);
	return is_over;
}

bool rj_resume_is_all_known(struct rj_resume *resume)
{
	bool all;

	rj_lock(&resume->lock);
	all = resume->known == resume->said;
	rj_unlock(&resume->lock);
	return all;
}
