/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/pacing.h"

#include "util/bits.h"

#define NS_PER_S UINT64_C(1000000000)
/* Keeps burst x 1e9 below 2^64: 256 GiB/s, faster than any pipe or socket that
 * is not TCP. */
#define RATE_MAX (UINT64_C(1) << 38)
/* Chosen, as the governor's slices are (decision 024): so much is let go at a
 * time, not less than is worth a system call; and a rest saves this much. */
#define QUANTA_PER_S 200u /* 5 ms */
#define QUANTUM_MIN  1024u
#define BURSTS_PER_S 25u /* 40 ms */
#define QUANTA_BURST 2u

static uint64_t max_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void fill(struct rj_pacing *pacing, uint64_t now_ns)
{
	uint64_t full = pacing->burst * NS_PER_S;
	uint64_t missing = full - pacing->credit;
	uint64_t elapsed = now_ns - pacing->filled_ns;

	pacing->filled_ns = now_ns;
	/* compared as times: the product could overflow */
	if (elapsed >= rj_div_round_up(missing, pacing->rate))
		pacing->credit = full;
	else
		pacing->credit += elapsed * pacing->rate;
}

void rj_pacing_set(struct rj_pacing *pacing, uint64_t bytes_per_s,
		   uint64_t now_ns)
{
	if (pacing->rate)
		fill(pacing, now_ns);
	else
		pacing->credit = 0;
	pacing->filled_ns = now_ns;
	pacing->rate = min_of(bytes_per_s, RATE_MAX);
	pacing->quantum = max_of(pacing->rate / QUANTA_PER_S, QUANTUM_MIN);
	pacing->burst = max_of(pacing->rate / BURSTS_PER_S,
			       QUANTA_BURST * pacing->quantum);
	pacing->credit = min_of(pacing->credit, pacing->burst * NS_PER_S);
}

uint64_t rj_pacing_allow(struct rj_pacing *pacing, uint64_t wanted,
			 uint64_t now_ns)
{
	uint64_t held;

	if (!pacing->rate)
		return wanted;
	fill(pacing, now_ns);
	held = pacing->credit / NS_PER_S;
	return held >= min_of(wanted, pacing->quantum) ? min_of(wanted, held)
						       : 0;
}

void rj_pacing_take(struct rj_pacing *pacing, uint64_t bytes)
{
	uint64_t held = pacing->credit / NS_PER_S;

	if (pacing->rate)
		pacing->credit -= min_of(bytes, held) * NS_PER_S;
}

uint64_t rj_pacing_ready_ns(const struct rj_pacing *pacing, uint64_t wanted,
			    uint64_t now_ns)
{
	uint64_t need = min_of(wanted, pacing->quantum) * NS_PER_S;

	if (!pacing->rate || pacing->credit >= need)
		return now_ns;
	return pacing->filled_ns +
	       rj_div_round_up(need - pacing->credit, pacing->rate);
}
