/* SPDX-License-Identifier: BSD-3-Clause */
/* What the VMM says of pages by index: it is heard or refused, never lost, and
 * waits for no lock, whoever comes and goes. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/guest/guest.h"
#include "tests/unit/engine/move.h"

#define PAGE    ((uint64_t)RAMJET_PAGE_BYTES)
#define TELLERS 3u
#define TURNS   100u
#define MOVES   4u

/* ---- one listener --------------------------------------------------------- */

/* Gone after each turn: what is heard then is heard by freed memory. */
struct ear {
	_Atomic uint64_t heard;
	_Atomic bool has_more;
};

static void hear(void *user, unsigned block, uint64_t first_page,
		 uint64_t pages)
{
	struct ear *ear = user;

	(void)block;
	(void)first_page;
	atomic_fetch_add_explicit(&ear->heard, pages, memory_order_relaxed);
	atomic_store(&ear->has_more, false);
}

static bool has_more(void *user)
{
	return atomic_load(&((struct ear *)user)->has_more);
}

static const struct rj_page_listener listener = {
	.mark = hear,
	.discard = hear,
	.has_more = has_more,
};

static uint64_t heard(const struct ear *ear)
{
	return atomic_load(&ear->heard);
}

static void ranges_and_indexes_are_checked(void **state)
{
	struct rj_hearing *hearing = *state;
	struct ear ear = { 0 };
	uint64_t bytes = 0;

	rj_hearing_add_block(hearing, 4 * PAGE);
	rj_hearing_listen(hearing, &listener, &ear);
	assert_int_equal(
		rj_hearing_tell(hearing, RJ_NOTE_MARK, 0, 4095, 2, &bytes), 0);
	assert_int_equal(heard(&ear), 2);
	assert_int_equal(
		rj_hearing_tell(hearing, RJ_NOTE_MARK, 0, 4 * PAGE, 0, &bytes),
		0);
	assert_int_equal(heard(&ear), 2);
	assert_int_equal(bytes, 0);
	assert_int_equal(rj_hearing_tell(hearing, RJ_NOTE_MARK, 0, PAGE,
					 4 * PAGE, &bytes),
			 -ERANGE);
	assert_int_equal(bytes, 4 * PAGE);
	assert_int_equal(
		rj_hearing_tell(hearing, RJ_NOTE_MARK, 1, 0, PAGE, &bytes),
		-ENOENT);
	rj_hearing_listen(hearing, NULL, NULL);
	assert_int_equal(
		rj_hearing_tell(hearing, RJ_NOTE_DISCARD, 0, 0, PAGE, &bytes),
		0);
	assert_int_equal(heard(&ear), 2);
}

static void a_seal_refuses_and_fails_when_something_is_left(void **state)
{
	struct rj_hearing *hearing = *state;
	struct ear ear = { .has_more = true };
	uint64_t bytes;

	rj_hearing_add_block(hearing, PAGE);
	rj_hearing_listen(hearing, &listener, &ear);
	assert_false(rj_hearing_seal(hearing));
	assert_int_equal(
		rj_hearing_tell(hearing, RJ_NOTE_DISCARD, 0, 0, PAGE, &bytes),
		0);
	assert_true(rj_hearing_seal(hearing));
	assert_int_equal(
		rj_hearing_tell(hearing, RJ_NOTE_DISCARD, 0, 0, PAGE, &bytes),
		-EALREADY);
	rj_hearing_listen(hearing, NULL, NULL);
	assert_int_equal(
		rj_hearing_tell(hearing, RJ_NOTE_DISCARD, 0, 0, PAGE, &bytes),
		-EALREADY);
	rj_hearing_unseal(hearing);
	assert_int_equal(
		rj_hearing_tell(hearing, RJ_NOTE_DISCARD, 0, 0, PAGE, &bytes),
		0);
	assert_int_equal(heard(&ear), 1);
}

/* ---- threads -------------------------------------------------------------- */

struct teller {
	struct rj_hearing *hearing;
	pthread_t thread;
	atomic_bool *ends;
	_Atomic uint64_t accepted, refused;
};

static void *tell(void *user)
{
	struct teller *teller = user;
	uint64_t bytes;

	while (!atomic_load(teller->ends)) {
		const int rc = rj_hearing_tell(teller->hearing, RJ_NOTE_DISCARD,
					       0, 0, PAGE, &bytes);

		atomic_fetch_add(rc ? &teller->refused : &teller->accepted, 1);
	}
	return NULL;
}

static uint64_t accepted_by(const struct teller *tellers)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < TELLERS; i++)
		sum += atomic_load(&tellers[i].accepted);
	return sum;
}

/* Until each of them has been refused once more. */
static void await_refusals(const struct teller *tellers)
{
	for (unsigned i = 0; i < TELLERS; i++) {
		const uint64_t before = atomic_load(&tellers[i].refused);

		while (atomic_load(&tellers[i].refused) < before + 2)
			(void)sched_yield();
	}
}

/*
 * Sealed all the time but while an ear listens: so whatever was accepted was
 * heard by one of them, before the seal returned.
 */
static void what_is_accepted_was_heard_whoever_comes_and_goes(void **state)
{
	struct rj_hearing *hearing = *state;
	struct teller tellers[TELLERS];
	atomic_bool ends = false;
	uint64_t total = 0;

	rj_hearing_add_block(hearing, PAGE);
	atomic_store(&hearing->sealed, true);
	for (unsigned i = 0; i < TELLERS; i++) {
		tellers[i] =
			(struct teller){ .hearing = hearing, .ends = &ends };
		assert_int_equal(pthread_create(&tellers[i].thread, NULL, tell,
						&tellers[i]),
				 0);
	}
	for (unsigned turn = 0; turn < TURNS; turn++) {
		struct ear *ear = calloc(1, sizeof(*ear));

		rj_hearing_listen(hearing, &listener, ear);
		rj_hearing_unseal(hearing);
		while (!heard(ear))
			(void)sched_yield();
		assert_true(rj_hearing_seal(hearing));
		total += heard(ear);
		await_refusals(tellers);
		assert_int_equal(accepted_by(tellers), total);
		rj_hearing_listen(hearing, NULL, NULL);
		free(ear);
	}
	atomic_store(&ends, true);
	for (unsigned i = 0; i < TELLERS; i++)
		assert_int_equal(pthread_join(tellers[i].thread, NULL), 0);
	assert_int_equal(accepted_by(tellers), total);
}

/* ---- a whole guest -------------------------------------------------------- */

struct balloon {
	struct small_vm *vm;
	pthread_t thread;
	pthread_rwlock_t stopping; /* the VMM's own duty: none while stopped */
	bool stopped;
	atomic_bool ends;
	_Atomic uint64_t discards;
};

static void *inflate(void *user)
{
	struct balloon *balloon = user;
	uint64_t page = 0;

	while (!atomic_load(&balloon->ends)) {
		(void)pthread_rwlock_rdlock(&balloon->stopping);
		if (!balloon->stopped &&
		    !ramjet_guest_discard_at(balloon->vm->guest, 0,
					     page++ % 1000 * PAGE, 8 * PAGE,
					     NULL))
			atomic_fetch_add(&balloon->discards, 1);
		(void)pthread_rwlock_unlock(&balloon->stopping);
		/* Or the lock's writer may never have his turn. */
		(void)sched_yield();
	}
	return NULL;
}

static void stop_balloon(struct small_vm *vm, enum vm_call call)
{
	struct balloon *balloon = vm->user;

	if (call != VM_STOP)
		return;
	(void)pthread_rwlock_wrlock(&balloon->stopping);
	balloon->stopped = true;
	(void)pthread_rwlock_unlock(&balloon->stopping);
}

static void move_with_balloon(struct move *move, bool cancelled)
{
	struct balloon balloon = { .stopping = PTHREAD_RWLOCK_INITIALIZER };
	struct small_vm_options is = move_machine;

	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	balloon.vm = &move->source;
	move->source.user = &balloon;
	move->source.on_call = stop_balloon;
	move->source_params.hold = cancelled;
	assert_int_equal(
		pthread_create(&balloon.thread, NULL, inflate, &balloon), 0);
	move_begin(move, MOVE_UNIX);
	if (cancelled) {
		small_vm_await_state(&move->source, RAMJET_STATE_ACTIVE);
		assert_int_equal(ramjet_cancel(move->outgoing), 0);
	}
	move_await(move);
	atomic_store(&balloon.ends, true);
	assert_int_equal(pthread_join(balloon.thread, NULL), 0);
	if (cancelled)
		move_expect_stayed(move);
	else
		move_expect_done(move);
	move_done(move);
}

static void a_balloon_lives_through_migrations_that_come_and_go(void **state)
{
	for (unsigned i = 0; i < MOVES; i++)
		move_with_balloon(*state, i % 2);
}

static void no_lock_is_taken(void **state)
{
	struct move *move = *state;
	struct ramjet_error err;

	move_init(move, &move_machine);
	rj_lock(&move->source.guest->lock);
	assert_int_equal(
		ramjet_guest_discard_at(move->source.guest, 1, 0, PAGE, &err),
		0);
	assert_int_equal(
		ramjet_guest_mark_at(move->source.guest, 0, 1, 1, &err), 0);
	assert_int_equal(
		ramjet_guest_discard_at(move->source.guest, 2, 0, PAGE, &err),
		-ENOENT);
	move_expect_error(&err, -ENOENT, "discard: no block number 2");
	assert_int_equal(
		ramjet_guest_discard_at(move->source.guest, 0, 1, PAGE, &err),
		-EINVAL);
	move_expect_error(&err, -EINVAL, "wanted whole pages");
	assert_int_equal(ramjet_guest_mark_at(move->source.guest, 0, UINT64_MAX,
					      2, &err),
			 -ERANGE);
	move_expect_error(&err, -ERANGE, "block number 0 has");
	assert_int_equal(ramjet_guest_mark_at(NULL, 0, 0, 1, &err), -EINVAL);
	rj_unlock(&move->source.guest->lock);
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct rj_hearing));
	return !*state;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(ranges_and_indexes_are_checked),
		CASE(a_seal_refuses_and_fails_when_something_is_left),
		CASE(what_is_accepted_was_heard_whoever_comes_and_goes),
		MOVE_TEST(a_balloon_lives_through_migrations_that_come_and_go),
		MOVE_TEST(no_lock_is_taken),
	};

	return cmocka_run_group_tests_name("guest_hearing", tests, NULL, NULL);
}
