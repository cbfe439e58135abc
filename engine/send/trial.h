/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_TRIAL_H
#define RJ_ENGINE_SEND_TRIAL_H
/*
 * A contest of two ways to send, on real frames: a few to get going, then
 * groups of frames in turn. A group's time is what counts, since a socket
 * swallows some frames at once and makes others wait for them; and the best
 * group of each way, since other work on the machine only ever makes it slower.
 */
#include <stdbool.h>
#include <stdint.h>

/* Chosen: some 140 MB a worker, which a guest of a few GiB does not notice; with
 * fewer frames the scheduler decides who wins. */
#define RJ_TRIAL_LEAD    4u  /* frames that do not count, sent the way 0 */
#define RJ_TRIAL_GROUP   16u /* frames in a row that go the same way */
#define RJ_TRIAL_WARM_UP 6u  /* of these, not counted: both ways overlap */
#define RJ_TRIAL_GROUPS  4u  /* of way 1, 0, 1, 0, ... */
#define RJ_TRIAL_FRAMES  (RJ_TRIAL_LEAD + RJ_TRIAL_GROUPS * RJ_TRIAL_GROUP)

struct rj_trial {
	unsigned frames;
	uint64_t ns, bytes;     /* of the group, so far */
	uint64_t ns_per_mib[2]; /* best group; 0: none yet */
};

static inline bool rj_trial_is_over(const struct rj_trial *trial)
{
	return trial->frames == RJ_TRIAL_FRAMES;
}
/* Which way the next frame goes, 0 or 1. Not when it is over. */
unsigned rj_trial_turn(const struct rj_trial *trial);
/* How long the frame whose turn it was has taken; bytes not 0. */
void rj_trial_add(struct rj_trial *trial, uint64_t ns, uint64_t bytes);
/* True when 1 was the faster one. Only when it is over. */
bool rj_trial_won(const struct rj_trial *trial);
#endif
