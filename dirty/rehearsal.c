/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/rehearsal.h"

#include "util/clock.h"
#include "util/error.h"

/* Pieces for each of the crew: 4 GiB, some 2 ms of each CPU. Chosen: the guest
 * is to feel nothing, and 2 ms are long beside the waking of a thread. */
#define PIECES_EACH 16u

struct rehearsal {
	const struct rj_dirty_set *set;
	struct ramjet_dirty_source *source;
	uint64_t pieces; /* of all */
	uint64_t sample; /* looked at, spread evenly */
};

bool rj_rehearsal_is_useful(const struct rj_dirty_set *set)
{
	for (unsigned i = 0; i < set->started; i++)
		if (set->sources[i]->last_differs)
			return true;
	return false;
}

static int look(void *user, RJ_UNUSED unsigned member, uint64_t i,
		struct ramjet_error *err)
{
	const struct rehearsal *r = user;
	struct ramjet_dirty_part part =
		rj_dirty_set_piece(r->set, i * r->pieces / r->sample);
	/* Of no region: marks go nowhere. */
	struct ramjet_dirty_sink sink = { .count = 0 };

	part.flags = RAMJET_DIRTY_LAST;
	return r->source->ops.collect_part(r->source->user, &part, &sink, err);
}

int rj_rehearse_last(struct rj_dirty_set *set, struct rj_crew *crew,
		     uint64_t *ret_ns, struct ramjet_error *err)
{
	const uint64_t most = (uint64_t)PIECES_EACH * rj_crew_size(crew);
	struct rehearsal r = {
		.set = set,
		.pieces = rj_dirty_set_pieces(set),
	};
	double ns = 0;
	int rc = 0;

	r.sample = r.pieces < most ? r.pieces : most;
	for (unsigned i = 0; !rc && r.sample && i < set->started; i++) {
		const uint64_t began_ns = rj_now_ns();

		r.source = set->sources[i];
		if (!r.source->last_differs)
			continue;
		rc = rj_crew_run(crew, r.sample, look, &r, err);
		if (rc)
			rj_error_prefix(err, "dirty source %s",
					r.source->ops.name);
		ns += (double)(rj_now_ns() - began_ns) * (double)r.pieces /
		      (double)r.sample;
	}
	*ret_ns = (uint64_t)ns;
	return rc;
}
