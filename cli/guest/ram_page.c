/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/ram_page.h"

#include <errno.h>

#include "cli/guest/pattern.h"
#include "util/error.h"

#define MAGIC_COUNTED UINT64_C(0x64656e74756f432e) /* ".Counted" */
#define MAGIC_STATIC  UINT64_C(0x2e63697461745320) /* " Static." */

enum {
	WORD_MAGIC = 0,
	WORD_INDEX,
	WORD_OWNER, /* counted pages from here on */
	WORD_HEAD,
	WORD_TAIL = RJ_CLI_PAGE_WORDS - 1,
};

static const char *const damage_names[] = {
	[RJ_CLI_DAMAGE_NONE] = "none",
	[RJ_CLI_DAMAGE_LOST] = "lost page",
	[RJ_CLI_DAMAGE_FOREIGN] = "foreign page",
	[RJ_CLI_DAMAGE_TORN] = "torn page",
	[RJ_CLI_DAMAGE_STALE] = "lost write or stale page",
	[RJ_CLI_DAMAGE_AHEAD] = "counter from nowhere",
	[RJ_CLI_DAMAGE_CONTENT] = "changed content",
};

const char *rj_cli_damage_name(unsigned damage)
{
	return damage < RJ_CLI_DAMAGE_COUNT_ ? damage_names[damage] : "invalid";
}

static uint64_t random_word(uint64_t key, unsigned word)
{
	uint64_t x = key + word * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return x ^ x >> 29;
}

/* Reads like a log: three words of a small vocabulary, then a number. */
static uint64_t text_word(uint64_t key, unsigned word)
{
	/* Eight bytes each, and no terminator. */
	static const char words[32][9] = {
		"guest   ", "vcpu    ", "page    ", "queue   ", "disk    ",
		"net     ", "timer   ", "irq     ", "request ", "reply   ",
		"done in ", "retry   ", "opened  ", "closed  ", "started ",
		"stopped ", "session ", "worker  ", "cache   ", "hit     ",
		"miss    ", "flush   ", "commit  ", "at line ", "bytes   ",
		"from    ", "to      ", "is      ", "was not ", "and     ",
		"info:   ", "warning:",
	};
	uint64_t x = random_word(key, word);
	uint64_t text;

	if (word % 4 != 3) {
		memcpy(&text, words[x >> 59], sizeof(text));
		return text;
	}
	/* Eight nibbles, one to a byte, written as the letters a to p. */
	x &= UINT64_C(0xffffffff);
	x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
	x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return x + UINT64_C(0x6161616161616161);
}

static uint64_t filler_key(const struct rj_cli_page *page)
{
	return rj_cli_mix(page->seed, page->index);
}

/* Of counter `counter`, between the counters; never the same twice running. */
static uint64_t touched_word(const struct rj_cli_page *page, uint64_t counter,
			     unsigned word)
{
	return random_word(rj_cli_mix(filler_key(page), counter), word);
}

static unsigned touched_end(const struct rj_cli_page *page)
{
	return WORD_HEAD + 1 + page->touched;
}

/* The words of a page that are filler: [first, end). */
static unsigned filler_first(const struct rj_cli_page *page)
{
	return page->counted ? touched_end(page) : WORD_INDEX + 1;
}

static unsigned filler_end(const struct rj_cli_page *page)
{
	return page->counted ? WORD_TAIL : RJ_CLI_PAGE_WORDS;
}

RJ_GUEST_MEMORY
static void fill_zero(volatile uint64_t *words)
{
	for (unsigned i = 0; i < RJ_CLI_PAGE_WORDS; i++)
		words[i] = 0;
}

RJ_GUEST_MEMORY
static void store_touched(volatile uint64_t *words,
			  const struct rj_cli_page *page)
{
	for (unsigned i = WORD_HEAD + 1; i < touched_end(page); i++)
		words[i] = touched_word(page, page->counter, i);
}

RJ_GUEST_MEMORY
void rj_cli_page_fill(volatile uint64_t *words, const struct rj_cli_page *page)
{
	unsigned end = filler_end(page);
	uint64_t key = filler_key(page);

	if (page->filler == RJ_CLI_FILLER_ZERO) {
		fill_zero(words);
		return;
	}
	words[WORD_MAGIC] = page->counted ? MAGIC_COUNTED : MAGIC_STATIC;
	words[WORD_INDEX] = page->index;
	if (page->counted) {
		words[WORD_OWNER] = page->owner;
		words[WORD_HEAD] = page->counter;
		words[WORD_TAIL] = page->counter;
		store_touched(words, page);
	}
	for (unsigned i = filler_first(page); i < end; i++)
		words[i] = page->filler == RJ_CLI_FILLER_TEXT
				   ? text_word(key, i)
				   : random_word(key, i);
}

/* What filler word `i` must be. */
static uint64_t wanted_word(const struct rj_cli_page *page, uint64_t key,
			    unsigned i)
{
	switch (page->filler) {
	case RJ_CLI_FILLER_TEXT:
		return text_word(key, i);
	case RJ_CLI_FILLER_ZERO:
		return 0;
	default:
		return random_word(key, i);
	}
}

RJ_GUEST_MEMORY
static bool all_zero(const volatile uint64_t *words)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < RJ_CLI_PAGE_WORDS; i++)
		seen |= words[i];
	return !seen;
}

static void report(const struct rj_cli_page *page, enum rj_cli_damage damage,
		   struct ramjet_error *err, const char *found)
{
	(void)rj_fail(err, -EBADMSG, "self-check: page %llu (%s): %s: %s",
		      (unsigned long long)page->index,
		      page->counted ? "of the working set" : "static",
		      rj_cli_damage_name(damage), found);
}

/* The words that say which page this is. */
RJ_GUEST_MEMORY
static enum rj_cli_damage check_identity(const volatile uint64_t *words,
					 const struct rj_cli_page *page,
					 struct ramjet_error *err)
{
	uint64_t magic = page->counted ? MAGIC_COUNTED : MAGIC_STATIC;
	enum rj_cli_damage damage = RJ_CLI_DAMAGE_FOREIGN;
	char found[160];

	if (words[WORD_MAGIC] == magic && words[WORD_INDEX] == page->index &&
	    (!page->counted || words[WORD_OWNER] == page->owner))
		return RJ_CLI_DAMAGE_NONE;
	if (all_zero(words)) {
		damage = RJ_CLI_DAMAGE_LOST;
		(void)snprintf(found, sizeof(found),
			       "it is all zeros, wanted content");
	} else {
		(void)snprintf(found, sizeof(found),
			       "it says it is page %llu (magic %016llx), "
			       "wanted page %llu (magic %016llx)",
			       (unsigned long long)words[WORD_INDEX],
			       (unsigned long long)words[WORD_MAGIC],
			       (unsigned long long)page->index,
			       (unsigned long long)magic);
	}
	report(page, damage, err, found);
	return damage;
}

/* Both ends must carry `wanted`. */
RJ_GUEST_MEMORY
static enum rj_cli_damage check_counters(const volatile uint64_t *words,
					 const struct rj_cli_page *page,
					 uint64_t wanted,
					 struct ramjet_error *err)
{
	uint64_t head = words[WORD_HEAD], tail = words[WORD_TAIL];
	enum rj_cli_damage damage;
	char found[160];

	if (head == wanted && tail == wanted)
		return RJ_CLI_DAMAGE_NONE;
	if (head != tail)
		damage = RJ_CLI_DAMAGE_TORN;
	else
		damage = head < wanted ? RJ_CLI_DAMAGE_STALE
				       : RJ_CLI_DAMAGE_AHEAD;
	(void)snprintf(found, sizeof(found),
		       "vCPU %u's counter is %llu at its start and %llu at "
		       "its end, wanted %llu",
		       page->owner, (unsigned long long)head,
		       (unsigned long long)tail, (unsigned long long)wanted);
	report(page, damage, err, found);
	return damage;
}

/* The counters are right: so must be what was written with them. */
RJ_GUEST_MEMORY
static enum rj_cli_damage check_touched(const volatile uint64_t *words,
					const struct rj_cli_page *page,
					struct ramjet_error *err)
{
	for (unsigned i = WORD_HEAD + 1; i < touched_end(page); i++) {
		uint64_t found = words[i];
		uint64_t wanted = touched_word(page, page->counter, i);
		char said[160];

		if (found == wanted)
			continue;
		(void)snprintf(said, sizeof(said),
			       "the word at byte %u is %016llx, with counter "
			       "%llu wanted %016llx",
			       i * 8, (unsigned long long)found,
			       (unsigned long long)page->counter,
			       (unsigned long long)wanted);
		report(page, RJ_CLI_DAMAGE_TORN, err, said);
		return RJ_CLI_DAMAGE_TORN;
	}
	return RJ_CLI_DAMAGE_NONE;
}

/* Whether all filler is as it must be; one plain loop, for speed. */
RJ_GUEST_MEMORY
static bool filler_intact(const volatile uint64_t *words,
			  const struct rj_cli_page *page, uint64_t key)
{
	unsigned i = filler_first(page), end = filler_end(page);
	uint64_t differs = 0;

	switch (page->filler) {
	case RJ_CLI_FILLER_ZERO:
		return all_zero(words);
	case RJ_CLI_FILLER_TEXT:
		for (; i < end; i++)
			differs |= words[i] ^ text_word(key, i);
		return !differs;
	default:
		for (; i < end; i++)
			differs |= words[i] ^ random_word(key, i);
		return !differs;
	}
}

RJ_GUEST_MEMORY
static enum rj_cli_damage check_filler(const volatile uint64_t *words,
				       const struct rj_cli_page *page,
				       struct ramjet_error *err)
{
	bool zero = page->filler == RJ_CLI_FILLER_ZERO;
	unsigned i = zero ? 0 : filler_first(page);
	uint64_t key = filler_key(page);
	uint64_t wanted;
	char found[160];

	if (filler_intact(words, page, key))
		return RJ_CLI_DAMAGE_NONE;
	while (i + 1 < RJ_CLI_PAGE_WORDS &&
	       words[i] == wanted_word(page, key, i))
		i++;
	wanted = wanted_word(page, key, i);
	(void)snprintf(found, sizeof(found),
		       "the word at byte %u is %016llx, wanted %016llx", i * 8,
		       (unsigned long long)words[i],
		       (unsigned long long)wanted);
	report(page, RJ_CLI_DAMAGE_CONTENT, err, found);
	return RJ_CLI_DAMAGE_CONTENT;
}

enum rj_cli_damage rj_cli_page_check(const volatile uint64_t *words,
				     const struct rj_cli_page *page,
				     struct ramjet_error *err)
{
	enum rj_cli_damage damage = RJ_CLI_DAMAGE_NONE;

	if (page->filler != RJ_CLI_FILLER_ZERO)
		damage = check_identity(words, page, err);
	if (!damage && page->counted)
		damage = check_counters(words, page, page->counter, err);
	if (!damage && page->counted)
		damage = check_touched(words, page, err);
	if (!damage)
		damage = check_filler(words, page, err);
	return damage;
}

RJ_GUEST_MEMORY
enum rj_cli_damage rj_cli_page_write(volatile uint64_t *words,
				     const struct rj_cli_page *page,
				     struct ramjet_error *err)
{
	enum rj_cli_damage damage = check_identity(words, page, err);

	if (!damage)
		damage = check_counters(words, page, page->counter - 1, err);
	if (damage)
		return damage;
	words[WORD_HEAD] = page->counter;
	store_touched(words, page);
	words[WORD_TAIL] = page->counter;
	return RJ_CLI_DAMAGE_NONE;
}

RJ_GUEST_MEMORY
void rj_cli_page_counters(const volatile uint64_t *words, uint64_t *ret_head,
			  uint64_t *ret_tail)
{
	*ret_head = words[WORD_HEAD];
	*ret_tail = words[WORD_TAIL];
}
