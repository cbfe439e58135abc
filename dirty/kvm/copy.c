/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/kvm/copy.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dirty/bit_memory.h"
#include "util/bits.h"
#include "util/error.h"

/* No two slots' words share a cache line: x86-64's, and most of arm64's. */
#define LINE_BYTES 64u

static uint64_t bytes_of(const struct rj_kvm_slot *slot)
{
	uint64_t words = rj_div_round_up(slot->page_count, RJ_WORD_BITS);

	return rj_div_round_up(words * sizeof(uint64_t), LINE_BYTES) *
	       LINE_BYTES;
}

int rj_kvm_copy_init(struct rj_kvm_copy *copy, const struct rj_kvm_slots *slots,
		     struct ramjet_error *err)
{
	uint64_t at = 0;
	int rc;

	*copy = (struct rj_kvm_copy){ .slots = slots };
	copy->copies = calloc(slots->count, sizeof(*copy->copies));
	if (!copy->copies)
		return rj_fail(err, -ENOMEM, "kvm log: out of memory");
	for (size_t i = 0; i < slots->count; i++)
		copy->map_bytes += bytes_of(&slots->slots[i]);
	rc = rj_bit_memory_map("kvm log", copy->map_bytes, &copy->map, err);
	if (rc) {
		free(copy->copies);
		copy->copies = NULL;
		return rc;
	}
	for (size_t i = 0; i < slots->count; i++) {
		copy->copies[i].words = (uint64_t *)((char *)copy->map + at);
		at += bytes_of(&slots->slots[i]);
	}
	rj_mutex_init(&copy->lock);
	rj_cond_init(&copy->fetched);
	return 0;
}

void rj_kvm_copy_done(struct rj_kvm_copy *copy)
{
	if (!copy->copies)
		return;
	rj_bit_memory_unmap(copy->map, copy->map_bytes);
	(void)pthread_cond_destroy(&copy->fetched);
	rj_mutex_done(&copy->lock);
	free(copy->copies);
	*copy = (struct rj_kvm_copy){ .slots = NULL };
}

void rj_kvm_copy_begin(struct rj_kvm_copy *copy)
{
	rj_lock(&copy->lock);
	copy->failure.code = 0;
	rj_unlock(&copy->lock);
	copy->collect++;
}

/* ---- fetching ---------------------------------------------------------- */

static int get_log(const struct rj_kvm_slots *slots,
		   const struct rj_kvm_slot *slot, uint64_t *words,
		   struct ramjet_error *err)
{
	struct kvm_dirty_log log = {
		.slot = slot->slot,
		.dirty_bitmap = words,
	};

	if (!ioctl(slots->vm_fd, KVM_GET_DIRTY_LOG, &log))
		return 0;
	return rj_fail_errno(err, -errno, "KVM_GET_DIRTY_LOG of slot %u",
			     slot->slot);
}

static bool is_fetched(const struct rj_kvm_copy *copy, size_t index)
{
	/* acquire: the words are whole; partner in fetch_locked() */
	return atomic_load_explicit(&copy->copies[index].collect,
				    memory_order_acquire) == copy->collect;
}

/* The slot itself, unless somebody is at it: then the next one that nobody is
 * at, if no other member is ahead already. slots->count: none. */
static size_t choose_locked(const struct rj_kvm_copy *copy, size_t index)
	RJ_REQUIRES(copy->lock)
{
	if (!copy->copies[index].fetching)
		return index;
	if (copy->ahead)
		return copy->slots->count;
	for (index++; index < copy->slots->count; index++)
		if (rj_kvm_slot_logs(&copy->slots->slots[index]) &&
		    !copy->copies[index].fetching && !is_fetched(copy, index))
			break;
	return index;
}

static void fetch_locked(struct rj_kvm_copy *copy, size_t index, bool ahead)
	RJ_REQUIRES(copy->lock)
{
	struct rj_kvm_slot_copy *one = &copy->copies[index];
	struct ramjet_error err = { 0 };
	int rc;

	one->fetching = true;
	copy->ahead = copy->ahead || ahead;
	rj_unlock(&copy->lock);
	rc = get_log(copy->slots, &copy->slots->slots[index], one->words, &err);
	if (!rc)
		/* release: the words are whole; partner in is_fetched() */
		atomic_store_explicit(&one->collect, copy->collect,
				      memory_order_release);
	rj_lock(&copy->lock);
	one->fetching = false;
	if (ahead)
		copy->ahead = false;
	if (rc && !copy->failure.code)
		copy->failure = err;
	(void)pthread_cond_broadcast(&copy->fetched);
}

static int want_locked(struct rj_kvm_copy *copy, size_t index,
		       struct ramjet_error *err) RJ_REQUIRES(copy->lock)
{
	while (!is_fetched(copy, index)) {
		const size_t next = choose_locked(copy, index);

		if (copy->failure.code)
			return rj_fail(err, copy->failure.code, "%s",
				       copy->failure.message);
		if (next < copy->slots->count)
			fetch_locked(copy, next, next != index);
		else
			rj_cond_wait(&copy->fetched, &copy->lock);
	}
	return 0;
}

int rj_kvm_copy_want(struct rj_kvm_copy *copy, size_t index,
		     struct ramjet_error *err)
{
	int rc;

	if (rj_likely(is_fetched(copy, index)))
		return 0;
	rj_lock(&copy->lock);
	rc = want_locked(copy, index, err);
	rj_unlock(&copy->lock);
	return rc;
}

/* ---- forgetting -------------------------------------------------------- */

void rj_kvm_copy_forget(struct rj_kvm_copy *copy, size_t index, uint64_t first,
			uint64_t count)
{
	uint64_t *words = copy->copies[index].words;
	const uint64_t end = first + count;
	uint64_t from = rj_div_round_up(first, RJ_WORD_BITS);
	uint64_t until = end / RJ_WORD_BITS;

	/* relaxed: words that pages of others share; nobody waits for them */
	if (from > until) {
		__atomic_fetch_and(
			&words[until],
			~rj_bit_span(first % RJ_WORD_BITS, (unsigned)count),
			__ATOMIC_RELAXED);
		return;
	}
	if (first % RJ_WORD_BITS)
		__atomic_fetch_and(&words[from - 1],
				   ~(~UINT64_C(0) << first % RJ_WORD_BITS),
				   __ATOMIC_RELAXED);
	if (end % RJ_WORD_BITS)
		__atomic_fetch_and(&words[until],
				   ~UINT64_C(0) << end % RJ_WORD_BITS,
				   __ATOMIC_RELAXED);
	if (until > from)
		memset(&words[from], 0, (until - from) * sizeof(*words));
}
