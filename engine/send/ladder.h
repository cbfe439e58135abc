/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_LADDER_H
#define RJ_ENGINE_SEND_LADDER_H
/*
 * At what level a lane should compress: what bounds it decides.
 *
 * Goal      Never slower than without zstd by more than 1 to 2 %, and near the
 *           best fixed level, whatever the link, the pages and the CPUs.
 * Model     A byte of pages takes CPU time, of which zstd's depends on the rung,
 *           and leaves some bytes for the network. A rung moves as much as the
 *           slower of the two lets through: the CPU, as far as it is the lane's,
 *           and the network's rate, which shows while the lane waits for it.
 *           The best rung by this is the one to try.
 * Samples   While off, a few pages are compressed now and then, where the network
 *           was waited for: they tell what zstd would make of them.
 * Duels     A rung that should be better is judged by what it moves; one that
 *           does not keep its promise, because others share the link or the
 *           CPUs, is left again, and next tried after a while that grows with
 *           what the attempt has cost.
 * CPU       Where the network is not waited for, nothing tells its rate: a rung
 *           less is tried then, and more at a time as long as that is better.
 * Gives way rungs that take more than the share of CPU time that is allowed are
 *           left without a duel.
 * Lanes     each have one. No lane takes a rung for granted that needs more than
 *           its part of the CPUs: all of them rise at once.
 *
 * No clock, no lock: whoever feeds it owns it.
 */
#include "engine/send/rungs.h"

/* What a lane has done so far, all in all; of whole frames, and so in step. */
struct rj_ladder_seen {
	uint64_t ns;      /* while it had pages to send */
	uint64_t wait_ns; /* of it: for the network, off the CPU */
	uint64_t cpu_ns;
	uint64_t page_bytes; /* all that were looked at */
	uint64_t
		data_bytes; /* of them, what zstd may be given: the rest is zero
				pages and their like */
	uint64_t payload_bytes; /* of the data, as it goes */
	/* In all that was sent: given to the connection; and what has left, as
	 * far as that can be told: its buffers hold the rest. */
	uint64_t wire_bytes, left_bytes;
	/* Of the data, given to zstd; what it left; and CPU time. */
	uint64_t zstd_in, zstd_out, zstd_ns;
};

/* What the lane may take. */
struct rj_ladder_room {
	unsigned lanes;    /* that work, of those that share the network */
	double cpus;       /* its part of the CPUs; 1 or more: one of its own */
	double zstd_share; /* of its time, for zstd: 0 to 1 */
};

struct rj_ladder_options {
	int32_t highest; /* level; RJ_LEVEL_OFF: always off */
	unsigned lane;   /* its number: lanes do not try at the same time */
};

enum rj_ladder_reason {
	RJ_LADDER_BEGINS,
	RJ_LADDER_UP,        /* the network is waited for */
	RJ_LADDER_DOWN,      /* the CPU is */
	RJ_LADDER_BACK,      /* what was tried was no better */
	RJ_LADDER_NO_GAIN,   /* these pages hardly get smaller */
	RJ_LADDER_GIVES_WAY, /* others want the CPU */
};

struct rj_ladder {
	struct rj_rungs rungs;
	unsigned at;    /* the rung in force */
	unsigned lanes; /* as the room had it at the latest feed */
	enum {
		RJ_LADDER_SETTLED,
		RJ_LADDER_SETTLING, /* before a duel: what was under way leaves */
		RJ_LADDER_DUEL,
		RJ_LADDER_RETURNING, /* likewise after one that was lost */
	} phase;
	enum rj_ladder_reason reason; /* of the latest change of `at` */
	bool sampling;                /* the next pages, at rung 1 */
	double lane_factor;
	struct rj_ladder_seen seen, window; /* latest; since it began */
	unsigned quick;                     /* short windows left */
	unsigned votes_up, votes_down; /* a bit a window, the latest is 1 */

	double got_cpu;  /* of the time it wanted one: 0 to 1 */
	double other_ns; /* CPU time a byte of data without zstd */
	double moved;    /* data bytes/s at this rung, settled; 0: unknown */
	double waited;   /* share of the latest window */
	/* What the network takes of this lane, bytes/s; 0: not known, more than
	 * is sent. */
	double network;
	unsigned network_at;       /* the rung at which it was seen */
	uint64_t network_until_ns; /* believed as long as it is not seen anew */
	/* all on the scale of seen.ns */
	uint64_t sample_ns;                /* next sample */
	uint64_t retry_ns[RJ_RUNGS_MAX];   /* not before */
	uint64_t down_ns;                  /* down into the unknown, likewise */
	uint64_t up_wait_ns, down_wait_ns; /* after the next loss */
	unsigned down_step;
	/* the duel's */
	unsigned from;
	double from_moved, from_network, from_waited, promised_ratio;
	uint64_t began_ns, under_way; /* of wire_bytes, then */
	bool audit; /* of off, which was not promised to be better */
	uint64_t audit_ns, audit_wait_ns;
	/* how long at each rung, and duels; for reports */
	uint64_t rung_ns[RJ_RUNGS_MAX];
	unsigned duels, duels_lost;
};

void rj_ladder_init(struct rj_ladder *ladder,
		    const struct rj_ladder_options *options);
/* After each frame, or a sample. */
void rj_ladder_feed(struct rj_ladder *ladder, const struct rj_ladder_seen *seen,
		    const struct rj_ladder_room *room);
/* For the next pages. */
int32_t rj_ladder_level(const struct rj_ladder *ladder);
/* So many bytes at this level, then feed it; 0: as it comes. */
uint32_t rj_ladder_sample_bytes(const struct rj_ladder *ladder);
#endif
