/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_MOVE_H
#define RJ_TESTS_MOVE_H
/*
 * One migration between two small machines of this process, through the public
 * API alone. The target's machine never writes, so that memories compare.
 */
#include "tests/unit/engine/small_vm.h"

enum move_over {
	MOVE_UNIX,
	MOVE_TCP,
	MOVE_SOCKETPAIR,
	MOVE_PIPE,
	/* One after the other, over an older file. */
	MOVE_FILE,
	MOVE_FILE_FD, /* the same, given open */
	MOVE_OVER_COUNT_
};

/* What that file holds; not the beginning of a stream. */
#define MOVE_OLDER "an older file"

struct move {
	struct small_vm source, target;
	struct ramjet_params source_params, target_params;
	char folder[64];
	int fds[2]; /* of a socketpair or pipe: the source's, the target's */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* guarded by lock, for callbacks that come early */
	struct ramjet_migration *outgoing, *incoming;

	/* set by move_await() */
	int source_rc, target_rc;
	struct ramjet_error source_err, target_err;
	struct ramjet_info *info;        /* the source's */
	struct ramjet_info *target_info; /* the target's */

	/* for callbacks that note something */
	uint64_t known_when_active;
	char told[512];
};

/* The usual machines: 6 and 2 MiB and a page, some device state. */
extern const struct small_vm_options move_machine;

/* Both machines as `is`; source filled and running, target full of other
 * things. verify, one channel, and a downtime limit that
 * is always met. */
void move_init(struct move *move, const struct small_vm_options *is);
/* Each side on its own; move_init() sets both up alike. */
void move_init_two(struct move *move, const struct small_vm_options *source,
		   const struct small_vm_options *target);
/* Safe on a zeroed or already done one. */
void move_done(struct move *move);
/* For cmocka: *state is a zeroed struct move, done at the end. */
int move_setup(void **state);
int move_teardown(void **state);
#define MOVE_TEST(test) \
	cmocka_unit_test_setup_teardown(test, move_setup, move_teardown)

/* Begin both sides. */
void move_begin(struct move *move, enum move_over over);
/* The halves of it, unix: only. */
void move_listen(struct move *move);
void move_send(struct move *move);
/* Callable from callbacks: blocks until move_begin() has it. */
struct ramjet_migration *move_handle(struct move *move,
				     const struct small_vm *vm);
/* Until both are over; notes results and frees both. */
void move_await(struct move *move);

/* ---- asserted of a migration that is over -------------------------------- */

void move_expect_done(struct move *move);
/* The source runs, the target does not and never did. */
void move_expect_stayed(struct move *move);
/* The same machines, if nothing disturbs them, can be moved now. */
void move_expect_movable(struct move *move);
/* Part of the message. */
void move_expect_error(const struct ramjet_error *err, int code,
		       const char *part);
#endif
