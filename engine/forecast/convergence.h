/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_FORECAST_CONVERGENCE_H
#define RJ_ENGINE_FORECAST_CONVERGENCE_H
/*
 * What to do about a guest that writes as fast as the wire carries: slow it
 * down in steps, speed it up again when it calms down, and say when nothing
 * helps. Pure decisions on what each round has shown.
 */
#include <stdbool.h>
#include <stdint.h>

#include "ramjet.h"

struct rj_convergence {
	unsigned stuck; /* rounds in a row that did not shrink what is left */
	unsigned calm;  /* rounds in a row that would do with less throttle */
	unsigned polished;  /* rounds spent on a shorter pause than needed */
	uint64_t polish_us; /* the shortest pause they gave; 0: none */
	unsigned in_vain;   /* of them in a row that gave no shorter one */
	unsigned hopeless;  /* stuck rounds with nothing more to try */
	uint32_t throttle_percent;
	uint64_t best_us; /* shortest pause seen lately */
	unsigned best_age;
};

struct rj_round_outcome {
	double sent_bytes, dirtied_bytes;
	double room_bytes;        /* that could have been sent meanwhile */
	uint64_t p50_us, next_us; /* the pause now, and a round later */
	bool known;               /* the pause; else nothing is concluded */
	bool fits;
	bool caught_up;    /* the target is not behind */
	bool wanted;       /* to switch as soon as it fits */
	bool can_throttle; /* wanted, and the guest can do it */
};

enum rj_advice {
	RJ_ADVICE_GO_ON,
	RJ_ADVICE_THROTTLE,  /* throttle_percent has changed */
	RJ_ADVICE_SWITCH,    /* fits */
	RJ_ADVICE_GO_ANYWAY, /* policy "switch", and a good moment */
	RJ_ADVICE_GIVE_UP,   /* policy "fail" */
};
enum rj_advice rj_convergence_advise(struct rj_convergence *convergence,
				     const struct rj_round_outcome *outcome,
				     const struct ramjet_params *params);
#endif
