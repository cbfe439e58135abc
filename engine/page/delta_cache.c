/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why no delta is ever built on another copy than the target has. "In r": by a
 * lane that has entered round r and not left it; a page is sent in the round its
 * lane is in, once a round at most (engine/send/rounds_claim.c), and the target has
 * applied all rounds before r when it applies one of r (fences). So at the target
 * the base of what is sent in r is the copy that was sent last in rounds < r.
 * 1. Whoever is going to send a page in r first takes out its copy, unless that
 *    is of a newer round; this holds for every kind of run, since
 *    engine/page/cut.h gives no page a kind otherwise. He may put one back with
 *    round r, and only what he sends, byte by byte: private copies.
 * 2. Who sends a page in s, while lanes are in rounds < s, says so in its set: no
 *    copy of a round < s comes back there. All under the page's lock, so if somebody
 *    in r puts its copy back, it is before any such s is said: then who sends
 *    the page in s takes it out, by 1. Or nobody has sent the page in
 *    a later round. So: the copy in the cache is the one sent last in the
 *    rounds up to its own, and whoever has sent the page in a later one since has
 *    taken it out.
 * 3. A copy of round q is built on in r only if q < r and every lane has left all
 *    rounds < r. Then nobody sends the page any more in a round between q and
 *    r, and whoever did has, by 1 and 2, taken out the copy of q.
 *    So the copy is the one sent last in rounds < r.
 * 4. All this holds in the rounds in which copies are kept, as each lane finds out
 *    when it enters one. Who is in j may have them kept from f = j + 1 on: a lane
 *    may have entered f before that, and takes nothing out there; but all enter
 *    f + 1 after he has left j, and so know. What is missed so are copies of rounds
 *    < f, and none of these is built on. And he may have that end with e = j + 2,
 *    which all enter after he has left j: whoever keeps copies in a round < e
 *    is not let down. Once somebody is in e, it may begin again, so that a lane
 *    that enters e - 1 only now takes nothing out there: nobody builds on what
 *    it sends before that new beginning, and then on nothing that old.
 * 5. A lane that is lost has sent what never arrives. So, where lanes may be lost,
 *    a copy of q is built on only once q is applied as well. What the target has
 *    not of a lost lane's is forgotten, all rounds of it, once the lane has ended,
 *    and before the source hears of any round that the target applies without that
 *    lane: so a copy of its own is forgotten, or had arrived. A page of which it
 *    had received a part has no copy then, and gets one only from who sends it
 *    again. A lane that comes back sends nothing in rounds that all have left
 *    (rj_rounds_join()): 1 to 4 hold for it as for one that was late.
 * What follows: two lanes in r and r + 1 may send the same page at once (parts of
 * chunks, rounds.h): the one in r + 1 does not build, as not all have left r; the
 * one in r builds on a copy of a round < r, if one is there, and puts none back if
 * he is the later one.
 * The last round is like any other; a round that is stopped ends the migration,
 * and with it the cache; one that was called off before it was opened has sent
 * nothing. A page that is discarded, or marked by the VMM, is sent like others.
 * The target checks the base's sum all the same.
 */
#include "engine/page/delta_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dirty/bitmap.h"
#include "engine/page/delta_sum.h"
#include "util/bits.h"
#include "util/error.h"
#include "util/memory_limit.h"
#include "util/mutex.h"

/* RAMJET_DELTA_CACHE_AUTO: at most these shares. What holds less than a guest's
 * working set brings little (decision 041): of a GiB that changes 64 bytes a page
 * in 200 MiB, at 1 Gbit/s, deltas are 1.85 times as fast as none with a quarter,
 * and 1.38 times with a sixteenth. But the machine has other things to do. */
#define GUEST_SHARE     4u
#define AVAILABLE_SHARE 8u
/* Chosen: more than there are lanes (256), so that they rarely meet. */
#define LOCKS 1024u
/* So many sets one after another have the same lock. */
#define LOCK_SETS 64u

struct set {
	uint64_t pages[RJ_DELTA_WAYS]; /* their numbers + 1; 0: free */
	uint64_t sums[RJ_DELTA_WAYS];
	uint32_t rounds[RJ_DELTA_WAYS]; /* in which they were sent */
	uint32_t least; /* no copies of older rounds come in: rule 2 */
};

struct shard {
	struct rj_mutex lock; /* lock order: 9, no other is taken in it */
	/* changed under the lock, read by anybody */
	_Atomic uint64_t copies, hits, misses, evictions;
} RJ_CACHE_ALIGNED;

struct rj_delta_cache {
	/* immutable */
	struct rj_delta_cache_options options;
	uint64_t *first; /* per block: its first page's number */
	uint64_t set_count;
	void *map; /* of the sets and the copies; MAP_FAILED: none */
	size_t map_bytes;
	uint8_t *copies; /* RJ_DELTA_WAYS pages a set */

	struct set *sets;       /* guarded by their shard's lock */
	struct rj_bitmap *sent; /* per block: sent before; atomic */
	/* Copies are kept in rounds from the upper half's to the one before the
	 * lower half's. */
	_Atomic uint64_t on;
	_Atomic unsigned ended; /* so often */
	_Atomic uint64_t saved_bytes;
	struct shard shards[LOCKS];
};

/* A page's set, locked. */
struct place {
	struct shard *shard;
	struct set *set;
	uint8_t *copies;
	uint64_t name; /* as in the set */
};

#define NEVER UINT32_MAX

static uint64_t span(uint32_t from, uint32_t to)
{
	return (uint64_t)from << 32 | to;
}

uint64_t rj_delta_cache_budget(uint64_t guest_bytes, uint64_t wish,
			       const struct rj_memory_limit *limit)
{
	uint64_t bytes = guest_bytes / GUEST_SHARE;

	if (!wish)
		return UINT64_MAX;
	if (wish != RAMJET_DELTA_CACHE_AUTO)
		return wish;
	return bytes < limit->available / AVAILABLE_SHARE
		       ? bytes
		       : limit->available / AVAILABLE_SHARE;
}

/* Numbers of all blocks' pages; and which of them have been sent. */
static int count_pages(struct rj_delta_cache *cache, uint64_t *ret,
		       struct ramjet_error *err)
{
	const unsigned count = cache->options.block_count;
	uint64_t pages = 0;
	int rc = 0;

	cache->first = calloc(count, sizeof(*cache->first));
	cache->sent = calloc(count, sizeof(*cache->sent));
	if (!cache->first || !cache->sent)
		return rj_fail(err, -ENOMEM, "delta cache: out of memory");
	for (unsigned i = 0; !rc && i < count; i++) {
		cache->first[i] = pages;
		pages += cache->options.blocks[i].page_count;
		rc = rj_bitmap_init(&cache->sent[i],
				    cache->options.blocks[i].page_count, err);
	}
	*ret = pages;
	return rc;
}

/* Enough for all, or as many as the bytes hold: then an odd number, so that
 * pages in regular distances are not all in the same set. */
static uint64_t sets_of(uint64_t bytes, uint64_t pages)
{
	const uint64_t set_bytes = sizeof(struct set) +
				   (uint64_t)RJ_DELTA_WAYS * RAMJET_PAGE_BYTES;
	const uint64_t enough = rj_div_round_up(pages, RJ_DELTA_WAYS);
	const uint64_t held = bytes / set_bytes;

	if (held >= enough)
		return enough;
	return held ? held - !(held & 1) : 0;
}

static int map_sets(struct rj_delta_cache *cache, struct ramjet_error *err)
{
	const size_t head =
		rj_div_round_up(cache->set_count * sizeof(struct set),
				RAMJET_PAGE_BYTES) *
		RAMJET_PAGE_BYTES;

	cache->map_bytes = head + cache->set_count * RJ_DELTA_WAYS *
					  (size_t)RAMJET_PAGE_BYTES;
	cache->map = mmap(NULL, cache->map_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cache->map == MAP_FAILED)
		return rj_fail_errno(err, -errno, "delta cache: %zu bytes",
				     cache->map_bytes);
	/* Else the kernel might take 512 pages for the first one. */
	(void)madvise(cache->map, cache->map_bytes, MADV_NOHUGEPAGE);
	(void)madvise(cache->map, cache->map_bytes, MADV_DONTDUMP);
	cache->sets = cache->map;
	cache->copies = (uint8_t *)cache->map + head;
	return 0;
}

static int init(struct rj_delta_cache *cache, struct ramjet_error *err)
{
	uint64_t pages = 0;
	int rc = count_pages(cache, &pages, err);

	if (rc)
		return rc;
	cache->set_count = sets_of(cache->options.bytes, pages);
	if (!cache->set_count)
		return rj_fail(err, -EINVAL,
			       "delta cache: %llu bytes, wanted %zu at least",
			       (unsigned long long)cache->options.bytes,
			       sizeof(struct set) +
				       RJ_DELTA_WAYS *
					       (size_t)RAMJET_PAGE_BYTES);
	return map_sets(cache, err);
}

int rj_delta_cache_new(const struct rj_delta_cache_options *options,
		       struct rj_delta_cache **ret, struct ramjet_error *err)
{
	struct rj_delta_cache *cache = aligned_alloc(64, sizeof(*cache));
	int rc;

	if (!cache)
		return rj_fail(err, -ENOMEM, "delta cache: out of memory");
	memset(cache, 0, sizeof(*cache));
	cache->options = *options;
	cache->map = MAP_FAILED;
	atomic_init(&cache->on, span(NEVER, NEVER));
	for (unsigned i = 0; i < LOCKS; i++)
		rj_mutex_init(&cache->shards[i].lock);
	rc = init(cache, err);
	if (rc) {
		rj_delta_cache_free(cache);
		return rc;
	}
	*ret = cache;
	return 0;
}

void rj_delta_cache_free(struct rj_delta_cache *cache)
{
	if (!cache)
		return;
	for (unsigned i = 0; i < LOCKS; i++)
		rj_mutex_done(&cache->shards[i].lock);
	for (unsigned i = 0; cache->sent && i < cache->options.block_count; i++)
		rj_bitmap_done(&cache->sent[i]);
	if (cache->map != MAP_FAILED)
		(void)munmap(cache->map, cache->map_bytes);
	free(cache->sent);
	free(cache->first);
	free(cache);
}

static struct place place_of(struct rj_delta_cache *cache, unsigned block,
			     uint64_t page)
{
	const uint64_t number = cache->first[block] + page;
	const uint64_t set = number % cache->set_count;

	return (struct place){
		.shard = &cache->shards[set / LOCK_SETS % LOCKS],
		.set = &cache->sets[set],
		.copies =
			cache->copies + set * RJ_DELTA_WAYS * RAMJET_PAGE_BYTES,
		.name = number + 1,
	};
}

static void count(_Atomic uint64_t *figure, uint64_t more)
{
	/* relaxed: written under the lock */
	atomic_store_explicit(
		figure,
		atomic_load_explicit(figure, memory_order_relaxed) + more,
		memory_order_relaxed);
}

/* Where the page is, or RJ_DELTA_WAYS. */
static unsigned find(const struct place *at)
{
	unsigned way = 0;

	while (way < RJ_DELTA_WAYS && at->set->pages[way] != at->name)
		way++;
	return way;
}

/* Where there is room for a page that is sent in `round`, or could be made; else
 * RJ_DELTA_WAYS. */
static unsigned find_room(const struct place *at, uint32_t round)
{
	unsigned oldest = 0;

	for (unsigned way = 0; way < RJ_DELTA_WAYS; way++) {
		if (!at->set->pages[way])
			return way;
		if (at->set->rounds[way] < at->set->rounds[oldest])
			oldest = way;
	}
	return (uint64_t)at->set->rounds[oldest] + 1 < round ? oldest
							     : RJ_DELTA_WAYS;
}

/* Has every lane left the rounds before? */
static bool is_last(const struct rj_delta_cache *cache, uint32_t round)
{
	return atomic_load_explicit(cache->options.left_by_all,
				    memory_order_acquire) >= round;
}

/* Rule 2: a page of the set is sent in `round`. */
static void say_sent(const struct rj_delta_cache *cache, const struct place *at,
		     uint32_t round)
{
	if (at->set->least < round && !is_last(cache, round))
		at->set->least = round;
}

/* Has it arrived, if it might not? */
static bool is_there(const struct rj_delta_cache *cache, uint32_t sent)
{
	/* Acquire: what was forgotten before is not found any more. */
	return !cache->options.applied ||
	       atomic_load_explicit(cache->options.applied,
				    memory_order_acquire) > sent;
}

/* May what is sent in `round` be built on a copy of `sent`? Rules 3, 4 and 5. */
static bool is_base(const struct rj_delta_cache *cache, uint32_t sent,
		    uint32_t from, uint32_t round)
{
	return from <= sent && sent < round && is_last(cache, round) &&
	       is_there(cache, sent);
}

/* Rule 1: unless it is of a newer round. */
static bool take_out(const struct place *at, unsigned way, uint32_t round)
{
	if (at->set->rounds[way] > round)
		return false;
	at->set->pages[way] = 0;
	count(&at->shard->copies, UINT64_MAX);
	return true;
}

static enum rj_delta_use take(const struct rj_delta_cache *cache,
			      const struct place *at, uint32_t round,
			      uint32_t from, uint8_t *base, uint64_t *sum)
{
	const unsigned way = find(at);

	if (way == RJ_DELTA_WAYS) {
		count(&at->shard->misses, 1);
		return find_room(at, round) == RJ_DELTA_WAYS ? RJ_DELTA_PASS
							     : RJ_DELTA_KEEP;
	}
	if (!take_out(at, way, round))
		return RJ_DELTA_PASS;
	if (!is_base(cache, at->set->rounds[way], from, round)) {
		count(&at->shard->misses, 1);
		return RJ_DELTA_KEEP;
	}
	count(&at->shard->hits, 1);
	memcpy(base, at->copies + (size_t)way * RAMJET_PAGE_BYTES,
	       RAMJET_PAGE_BYTES);
	*sum = at->set->sums[way];
	return RJ_DELTA_BASE;
}

enum rj_delta_use rj_delta_cache_take(struct rj_delta_cache *cache,
				      unsigned block, uint64_t page,
				      uint32_t round, uint32_t from,
				      uint8_t *base, uint64_t *sum)
{
	const struct place at = place_of(cache, block, page);
	enum rj_delta_use use;
	unsigned way;

	/* Nothing is kept of what is sent for the first time. But who is behind,
	 * and sends it at the same time, finds it sent before, and may have put a
	 * copy there before we come to the lock: that is taken out (rule 1). */
	if (rj_bitmap_set_run(&cache->sent[block], page, 1)) {
		if (is_last(cache, round))
			return RJ_DELTA_PASS;
		rj_lock(&at.shard->lock);
		say_sent(cache, &at, round);
		way = find(&at);
		if (way < RJ_DELTA_WAYS)
			(void)take_out(&at, way, round);
		rj_unlock(&at.shard->lock);
		return RJ_DELTA_PASS;
	}
	rj_lock(&at.shard->lock);
	say_sent(cache, &at, round);
	use = take(cache, &at, round, from, base, sum);
	rj_unlock(&at.shard->lock);
	return use;
}

void rj_delta_cache_drop(struct rj_delta_cache *cache, unsigned block,
			 uint64_t page, uint64_t pages, uint32_t round)
{
	for (uint64_t end = page + pages; page < end; page++) {
		const struct place at = place_of(cache, block, page);
		unsigned way;

		/* Of what was not sent in a round that all have left, nobody
		 * who is behind keeps a copy: who sends it next, is first. */
		if (!rj_bitmap_test(&cache->sent[block], page))
			continue;
		rj_lock(&at.shard->lock);
		say_sent(cache, &at, round);
		way = find(&at);
		if (way < RJ_DELTA_WAYS)
			(void)take_out(&at, way, round);
		rj_unlock(&at.shard->lock);
	}
}

static void put(const struct place *at, uint32_t round, const uint8_t *copy,
		uint64_t sum)
{
	const unsigned way = find_room(at, round);

	/* Taken out before: if it is there, it is of a newer round, and ours
	 * would not have come so far. */
	if (way == RJ_DELTA_WAYS || find(at) != RJ_DELTA_WAYS)
		return;
	if (at->set->pages[way])
		count(&at->shard->evictions, 1);
	else
		count(&at->shard->copies, 1);
	at->set->pages[way] = at->name;
	at->set->rounds[way] = round;
	at->set->sums[way] = sum;
	memcpy(at->copies + (size_t)way * RAMJET_PAGE_BYTES, copy,
	       RAMJET_PAGE_BYTES);
}

void rj_delta_cache_keep(struct rj_delta_cache *cache, unsigned block,
			 uint64_t page, uint32_t round, const uint8_t *copy)
{
	const struct place at = place_of(cache, block, page);
	const uint64_t sum = rj_delta_sum(copy);

	rj_lock(&at.shard->lock);
	if (at.set->least <= round)
		put(&at, round, copy, sum);
	rj_unlock(&at.shard->lock);
}

void rj_delta_cache_pass(struct rj_delta_cache *cache, unsigned block,
			 uint64_t page, uint64_t pages)
{
	if (pages)
		(void)rj_bitmap_set_run(&cache->sent[block], page, pages);
}

void rj_delta_cache_forget(struct rj_delta_cache *cache, unsigned block,
			   uint64_t page, uint64_t pages)
{
	for (uint64_t end = page + pages; page < end; page++) {
		const struct place at = place_of(cache, block, page);
		unsigned way;

		rj_lock(&at.shard->lock);
		way = find(&at);
		if (way < RJ_DELTA_WAYS)
			(void)take_out(&at, way, UINT32_MAX);
		rj_unlock(&at.shard->lock);
	}
}

bool rj_delta_cache_is_on(const struct rj_delta_cache *cache, uint32_t round,
			  uint32_t *from)
{
	const uint64_t on =
		atomic_load_explicit(&cache->on, memory_order_relaxed);

	*from = (uint32_t)(on >> 32);
	return *from <= round && round < (uint32_t)on;
}

static bool set_on(struct rj_delta_cache *cache, uint64_t was, uint64_t is)
{
	/* relaxed: rule 4 */
	return atomic_compare_exchange_strong_explicit(&cache->on, &was, is,
						       memory_order_relaxed,
						       memory_order_relaxed);
}

bool rj_delta_cache_begin(struct rj_delta_cache *cache, uint32_t round)
{
	const uint64_t was =
		atomic_load_explicit(&cache->on, memory_order_relaxed);
	const uint32_t to = (uint32_t)was;

	/* Never begun, or over. */
	if (was != span(NEVER, NEVER) && (to == NEVER || round < to))
		return false;
	return set_on(cache, was, span(round + 1, NEVER));
}

bool rj_delta_cache_end(struct rj_delta_cache *cache, uint32_t round)
{
	const uint64_t was =
		atomic_load_explicit(&cache->on, memory_order_relaxed);
	const uint32_t from = (uint32_t)(was >> 32);

	if (from > round || (uint32_t)was != NEVER)
		return false;
	if (!set_on(cache, was, span(from, round + 2)))
		return false;
	(void)atomic_fetch_add_explicit(&cache->ended, 1, memory_order_relaxed);
	return true;
}

double rj_delta_cache_begun(const struct rj_delta_cache *cache)
{
	const unsigned ended =
		atomic_load_explicit(&cache->ended, memory_order_relaxed);

	return (double)(UINT64_C(1) << (ended < 32 ? ended : 32));
}

void rj_delta_cache_saved(struct rj_delta_cache *cache, uint64_t bytes)
{
	(void)atomic_fetch_add_explicit(&cache->saved_bytes, bytes,
					memory_order_relaxed);
}

void rj_delta_cache_figures(const struct rj_delta_cache *cache,
			    struct rj_delta_cache_figures *ret)
{
	*ret = (struct rj_delta_cache_figures){
		.bytes = cache->map_bytes,
		.saved_bytes = atomic_load_explicit(&cache->saved_bytes,
						    memory_order_relaxed),
	};
	for (unsigned i = 0; i < LOCKS; i++) {
		const struct shard *shard = &cache->shards[i];

		ret->copies += atomic_load_explicit(&shard->copies,
						    memory_order_relaxed);
		ret->hits += atomic_load_explicit(&shard->hits,
						  memory_order_relaxed);
		ret->misses += atomic_load_explicit(&shard->misses,
						    memory_order_relaxed);
		ret->evictions += atomic_load_explicit(&shard->evictions,
						       memory_order_relaxed);
	}
}
