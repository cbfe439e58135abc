/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/guest/sigbus.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

#include "engine/guest/backing.h"
#include "util/error.h"

struct rj_sigbus_guard {
	sigjmp_buf back;
	const uint8_t *begin, *end;
	/* Written by the handler, on this thread. */
	const uint8_t *volatile at;
	volatile int code;
};

/* The one that this thread is inside of. */
static RJ_SIGNAL_SAFE _Thread_local struct rj_sigbus_guard *volatile current;

static void set_current(struct rj_sigbus_guard *guard)
{
	/* What is before it, and what is after it, stay there for a handler. */
	atomic_signal_fence(memory_order_seq_cst);
	current = guard;
	atomic_signal_fence(memory_order_seq_cst);
}

struct rj_sigbus_guard *rj_sigbus_lift(void)
{
	struct rj_sigbus_guard *guard = current;

	set_current(NULL);
	return guard;
}

void rj_sigbus_lower(struct rj_sigbus_guard *guard)
{
	set_current(guard);
}

static int explain(const struct rj_block *block,
		   const struct rj_sigbus_guard *guard,
		   struct ramjet_error *err)
{
	const uint64_t offset = (uint64_t)(guard->at - guard->begin) &
				~(uint64_t)(RAMJET_PAGE_BYTES - 1);
	const struct iovec page = { block->host + offset, RAMJET_PAGE_BYTES };
	int rc = 0;

	/* Of what `fn` was about to say, the memory is the reason. */
	rj_error_clear(err);
	if (guard->code != BUS_MCEERR_AR)
		rc = rj_backing_blame_read(block, &page, 1, err);
	return rc ? rc
		  : rj_backing_explain(block, offset,
				       guard->code == BUS_MCEERR_AR ? EHWPOISON
								    : EFAULT,
				       err);
}

int rj_sigbus_run(const struct rj_block *block, rj_sigbus_fn *fn, void *user,
		  struct ramjet_error *err)
{
	struct rj_sigbus_guard *const outer = current;
	struct rj_sigbus_guard guard = {
		.begin = block->host,
		.end = block->host + block->bytes,
	};
	int rc;

	if (!block->host)
		return fn(user, err);
	/* With the signal mask: the handler's is not to stay. */
	if (sigsetjmp(guard.back, 1)) {
		set_current(outer);
		return explain(block, &guard, err);
	}
	set_current(&guard);
	rc = fn(user, err);
	set_current(outer);
	return rc;
}

struct chunk {
	uint64_t base;
	const uint64_t *words;
	rj_sigbus_pages_fn *fn;
	void *user;
};

static int each_run(void *user, struct ramjet_error *err)
{
	const struct chunk *chunk = user;
	uint64_t from = 0;
	struct rj_run run;
	int rc = 0;

	while (!rc &&
	       (run = rj_words_next_run(chunk->words, RJ_CHUNK_PAGES, from))
		       .count) {
		from = run.first + run.count;
		rc = chunk->fn(chunk->user, chunk->base + run.first, run.count,
			       err);
	}
	return rc;
}

int rj_sigbus_run_chunk(const struct rj_block *block, uint64_t base,
			const uint64_t words[RJ_CHUNK_WORDS],
			rj_sigbus_pages_fn *fn, void *user,
			struct ramjet_error *err)
{
	struct chunk chunk = { base, words, fn, user };

	return rj_sigbus_run(block, each_run, &chunk, err);
}

RAMJET_API bool ramjet_sigbus(const void *siginfo)
{
	struct rj_sigbus_guard *const guard = current;
	const siginfo_t *info = siginfo;
	const uint8_t *at = info->si_addr;

	/* What a program sends, or the kernel says of memory that nobody asked
	 * for, has no fault behind it. */
	if (!guard || info->si_signo != SIGBUS ||
	    (info->si_code != BUS_ADRERR && info->si_code != BUS_MCEERR_AR) ||
	    at < guard->begin || at >= guard->end)
		return false;
	guard->at = at;
	guard->code = info->si_code;
	siglongjmp(guard->back, 1);
}
