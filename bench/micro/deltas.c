/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deltas, alone: what a changed page's takes, in bytes and time, made of
 * stretches and by zstd with the old page as its prefix; and how often a cache of
 * an eighth or a sixteenth of a guest has the page, by who makes room in it. One
 * JSON object a line; times are the least of several. Decision 041.
 *
 *	bench-deltas [--quick]
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/page/delta.h"
#include "util/clock.h"

#define PAGE  RAMJET_PAGE_BYTES
#define PAGES 512u

static uint8_t base[PAGES][PAGE], page[PAGES][PAGE];
static uint8_t coded[PAGES][RJ_DELTA_BYTES_MAX];
static uint32_t bytes[PAGES];
static uint64_t random_state = 88172645463325252u;

static uint32_t any(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % below;
}

static void fill(uint8_t *at, size_t count)
{
	while (count--)
		*at++ = (uint8_t)any(256);
}

static const char *word(void)
{
	static const char *const words[] = {
		"the ",   "page ", "of ",   "memory ", "is ",  "written ",
		"by ",    "guest", " and ", "sent ",   "when", " its ",
		"round ", "ends.", "\nA ",  "again ",
	};

	return words[any(16)];
}

static void text(uint8_t *at)
{
	for (size_t used = 0; used < PAGE;) {
		const char *w = word();
		size_t more = strlen(w);

		more = more < PAGE - used ? more : PAGE - used;
		memcpy(at + used, w, more);
		used += more;
		if (used < PAGE && !any(4))
			at[used++] = (uint8_t)('0' + any(10));
	}
}

static void some_bytes(uint8_t *p)
{
	fill(p + any(63) * 64, 64);
}

static void a_word_a_line(uint8_t *p)
{
	for (uint32_t line = 0; line < PAGE / 64; line++)
		fill(p + line * 64 + any(8) * 8, 8);
}

static void a_third(uint8_t *p)
{
	fill(p + any(PAGE - PAGE / 3), PAGE / 3);
}

static void all(uint8_t *p)
{
	fill(p, PAGE);
}

static void counters(uint8_t *p)
{
	for (uint32_t at = 0; at < PAGE; at += 16)
		p[at]++;
}

static void words_over_others(uint8_t *p)
{
	for (unsigned i = 0; i < 20; i++) {
		const char *w = word();

		memcpy(p + any(PAGE - 10), w, strlen(w));
	}
}

static void words_put_in(uint8_t *p)
{
	for (unsigned i = 0; i < 3; i++) {
		const char *w = word();
		const size_t more = strlen(w), at = any(PAGE - 20);

		memmove(p + at + more, p + at, PAGE - at - more);
		memcpy(p + at, w, more);
	}
}

static void code(const char *change, bool zstd, unsigned repeats)
{
	struct rj_delta_coder coder = { 0 };
	uint64_t best = UINT64_MAX, back = UINT64_MAX, total = 0, raw = 0;
	uint8_t out[PAGE];

	while (repeats--) {
		uint64_t ns = rj_now_ns();

		for (unsigned i = 0; i < PAGES; i++)
			bytes[i] = rj_delta_encode(&coder, base[i], page[i],
						   zstd, coded[i]);
		ns = rj_now_ns() - ns;
		best = ns < best ? ns : best;
		ns = rj_now_ns();
		for (unsigned i = 0; i < PAGES; i++)
			if (bytes[i])
				(void)!rj_delta_apply(&coder, base[i], coded[i],
						      bytes[i], out, NULL);
		ns = rj_now_ns() - ns;
		back = ns < back ? ns : back;
	}
	for (unsigned i = 0; i < PAGES; i++) {
		raw += !bytes[i];
		total += bytes[i] ? bytes[i] : PAGE;
	}
	printf("{\"bench\": \"delta\", \"change\": \"%s\", \"zstd\": %s, "
	       "\"bytes\": %" PRIu64 ", \"raw_percent\": %" PRIu64
	       ", \"encode_ns\": %" PRIu64 ", \"apply_ns\": %" PRIu64 "}\n",
	       change, zstd ? "true" : "false", total / PAGES,
	       raw * 100 / PAGES, best / PAGES, back / PAGES);
	rj_delta_coder_done(&coder);
}

static void code_all(unsigned repeats)
{
	static const struct {
		const char *name;
		bool text;
		void (*change)(uint8_t *p);
	} changes[] = {
		{ "64 bytes", false, some_bytes },
		{ "a word in each cache line", false, a_word_a_line },
		{ "a third rewritten", false, a_third },
		{ "256 counters", false, counters },
		{ "all rewritten", false, all },
		{ "text: 20 words over others", true, words_over_others },
		{ "text: 3 words put in", true, words_put_in },
	};

	for (size_t c = 0; c < RJ_ARRAY_SIZE(changes); c++) {
		for (unsigned i = 0; i < PAGES; i++) {
			if (changes[c].text)
				text(base[i]);
			else
				fill(base[i], PAGE);
			memcpy(page[i], base[i], PAGE);
			changes[c].change(page[i]);
		}
		code(changes[c].name, false, repeats);
		code(changes[c].name, true, repeats);
	}
}

/* ---- who makes room: a model of the sets, without pages ------------------- */

#define GUEST 65536u
#define WAYS  8u

enum policy {
	CLOCK,
	RANDOM,
	OLDEST,
	COLD
};

static struct {
	uint32_t page[WAYS], round[WAYS]; /* page + 1 */
	bool seen[WAYS];
	unsigned hand;
} sets[GUEST / WAYS];
static bool sent[GUEST], dirty[GUEST];

static unsigned victim(uint32_t set, enum policy policy, uint32_t round)
{
	unsigned oldest = 0;

	for (unsigned w = 0; w < WAYS; w++) {
		if (!sets[set].page[w])
			return w;
		if (sets[set].round[w] < sets[set].round[oldest])
			oldest = w;
	}
	switch (policy) {
	case CLOCK:
		while (sets[set].seen[sets[set].hand % WAYS])
			sets[set].seen[sets[set].hand++ % WAYS] = false;
		return sets[set].hand++ % WAYS;
	case RANDOM:
		return any(WAYS);
	case OLDEST:
		return oldest;
	case COLD:
		break;
	}
	return sets[set].round[oldest] + 1 < round ? oldest : WAYS;
}

static bool hits(uint32_t p, uint32_t count, enum policy policy, uint32_t round)
{
	const uint32_t set = p % count;
	unsigned way = 0;

	while (way < WAYS && sets[set].page[way] != p + 1)
		way++;
	if (way < WAYS) {
		sets[set].round[way] = round;
		return sets[set].seen[way] = true;
	}
	way = sent[p] ? victim(set, policy, round) : WAYS;
	sent[p] = true;
	if (way < WAYS) {
		sets[set].page[way] = p + 1;
		sets[set].round[way] = round;
		sets[set].seen[way] = false;
	}
	return false;
}

/* Which pages a round has: so many of the same each time, and so many others. */
struct load {
	const char *name;
	uint32_t hot, others;
	bool moves; /* the hot ones are others after six rounds */
};

static void write_pages(const struct load *load, uint32_t round)
{
	const uint32_t from = load->moves ? round / 6 * (GUEST / 13) : 0;

	memset(dirty, !round, sizeof(dirty));
	for (uint32_t i = 0; i < load->hot; i++)
		dirty[load->moves ? (from + i) % GUEST : i * 5 % GUEST] = true;
	for (uint32_t i = 0; i < load->others; i++)
		dirty[any(GUEST)] = true;
}

static void evict(const struct load *load, uint32_t share, enum policy policy)
{
	static const char *const names[] = { "clock", "random", "oldest",
					     "oldest if cold" };
	const uint32_t count = (GUEST / share / WAYS - 1) | 1;
	uint64_t found = 0, asked = 0;

	memset(sets, 0, sizeof(sets));
	memset(sent, 0, sizeof(sent));
	for (uint32_t round = 0; round < 40; round++) {
		write_pages(load, round);
		for (uint32_t p = 0; p < GUEST; p++) {
			if (!dirty[p])
				continue;
			asked += round > 2;
			found += hits(p, count, policy, round) && round > 2;
		}
	}
	printf("{\"bench\": \"evict\", \"load\": \"%s\", \"cache\": \"1/%u\", "
	       "\"policy\": \"%s\", \"hit_percent\": %.1f}\n",
	       load->name, share, names[policy],
	       100.0 * (double)found / (double)asked);
}

static void evict_all(void)
{
	static const struct load loads[] = {
		{ "all, each round", GUEST, 0, false },
		{ "1/8 hot, 1/8 any", GUEST / 8, GUEST / 8, false },
		{ "1/16 hot, 1/4 any", GUEST / 16, GUEST / 4, false },
		{ "1/16 hot, moves on", GUEST / 16, GUEST / 64, true },
	};

	for (size_t l = 0; l < RJ_ARRAY_SIZE(loads); l++)
		for (uint32_t share = 16; share >= 8; share /= 2)
			for (unsigned p = CLOCK; p <= COLD; p++)
				evict(&loads[l], share, p);
}

int main(int argc, char **argv)
{
	code_all(argc > 1 && !strcmp(argv[1], "--quick") ? 1 : 9);
	evict_all();
	return 0;
}
