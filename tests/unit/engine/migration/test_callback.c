/* SPDX-License-Identifier: BSD-3-Clause */
/* What the VMM's callbacks find when they run, and what their results come
 * to. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "tests/unit/engine/move.h"
#include "util/thread.h"

/* ---- signal masks ---- */

#define CALLS_MAX 16u

struct masks {
	/* guarded by nothing: read once the migrations are over */
	sigset_t of[CALLS_MAX];
	unsigned count;
	sigset_t tracking; /* of the latest call about dirty memory */
};
static struct masks seen[2]; /* the source's and the target's */

static void note_mask(struct masks *masks)
{
	if (masks->count < CALLS_MAX)
		(void)pthread_sigmask(SIG_BLOCK, NULL,
				      &masks->of[masks->count++]);
}

static void note_call(struct small_vm *vm, enum vm_call call)
{
	struct masks *masks = vm->user;

	if (call == VM_TRACK || call == VM_COLLECT || call == VM_UNTRACK)
		(void)pthread_sigmask(SIG_BLOCK, NULL, &masks->tracking);
	else
		note_mask(masks);
}

static void note_state(struct small_vm *vm, enum ramjet_state state)
{
	(void)state;
	note_mask(vm->user);
}

static void expect_mask(const sigset_t *mask, const sigset_t *wanted)
{
	for (int number = 1; number < NSIG; number++)
		/* 32 and 33 are the C library's own */
		if ((number < 32 || number > 33) && number != SIGKILL &&
		    number != SIGSTOP &&
		    sigismember(mask, number) != sigismember(wanted, number))
			fail_msg("signal %d is %s", number,
				 sigismember(mask, number) ? "blocked"
							   : "open");
}

static void the_vmm_is_called_with_its_own_signal_mask(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;
	sigset_t callers, before, ours;

	is.dirty = VM_DIRTY_SCRIPT;
	move_init(move, &is);
	memset(seen, 0, sizeof(seen));
	move->source.user = &seen[0];
	move->target.user = &seen[1];
	move->source.on_call = move->target.on_call = note_call;
	move->source.on_state = move->target.on_state = note_state;
	(void)sigemptyset(&callers);
	(void)sigaddset(&callers, SIGUSR2);
	(void)pthread_sigmask(SIG_SETMASK, &callers, &before);
	move_begin(move, MOVE_UNIX);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	move_await(move);
	move_expect_done(move);
	/* setup, active, switchover, committed, completed; stop, save; or load,
	 * start */
	for (unsigned side = 0; side < 2; side++) {
		assert_int_equal(seen[side].count, 7);
		for (unsigned i = 0; i < seen[side].count; i++)
			expect_mask(&seen[side].of[i], &callers);
	}
	rj_thread_mask(&ours);
	expect_mask(&seen[0].tracking, &ours);
}

/* ---- the handle ---- */

struct witness {
	struct ramjet_migration **handle; /* where the caller will find it */
	unsigned count;
	unsigned wrong;
};

static void compare_handle(void *user, enum ramjet_state old_state,
			   enum ramjet_state new_state,
			   const struct ramjet_error *err,
			   struct ramjet_migration *migration)
{
	struct witness *w = user;

	(void)old_state;
	(void)err;
	w->count++;
	if (!migration || *w->handle != migration ||
	    ramjet_migration_state(migration) != new_state)
		w->wrong++;
}

static void notifiers_get_the_handle_that_is_there_already(void **state)
{
	struct move *move = *state;

	/* The thread may win against its maker's return, or not. */
	for (unsigned i = 0; i < 50; i++) {
		struct ramjet_migration *migration = NULL;
		struct witness w = { .handle = &migration };
		int id;

		move_init(move, &move_machine);
		id = ramjet_notify(move->source.guest, compare_handle, &w,
				   NULL);
		assert_true(id > 0);
		assert_int_equal(ramjet_migrate(move->source.guest,
						"unix:/nowhere/at/all",
						&move->source_params,
						&migration, NULL),
				 0);
		assert_true(ramjet_wait(migration, -1, NULL) < 0);
		assert_int_equal(w.count, 2); /* setup, failed */
		assert_int_equal(w.wrong, 0);
		ramjet_migration_free(migration);
		move_done(move);
	}
}

/* ---- what would wait for itself ---- */

/* Of one side: what it tried inside of its callbacks. */
struct trial {
	struct move *move;
	struct small_vm *vm;
	_Atomic(struct ramjet_migration *) handle;
	_Atomic unsigned count, logged;
	atomic_bool waited, freed, guest_freed;
};

static void try_to_end(struct trial *trial, struct ramjet_migration *migration)
{
	struct ramjet_error err = { 0 };

	atomic_fetch_add(&trial->count, 1);
	if (ramjet_wait(migration, -1, &err) != -EDEADLK ||
	    ramjet_wait(migration, 0, NULL) != -EDEADLK)
		atomic_store(&trial->waited, true);
	if (ramjet_migration_free(migration) != -EDEADLK)
		atomic_store(&trial->freed, true);
	if (ramjet_guest_free(trial->vm->guest) != -EBUSY)
		atomic_store(&trial->guest_freed, true);
	if (err.code != -EDEADLK || !strstr(err.message, "in a callback"))
		atomic_store(&trial->waited, true);
}

static void try_in_call(struct small_vm *vm, enum vm_call call)
{
	struct trial *trial = vm->user;

	(void)call;
	try_to_end(trial, move_handle(trial->move, vm));
}

static void try_in_state(struct small_vm *vm, enum ramjet_state state)
{
	struct trial *trial = vm->user;

	(void)state;
	try_to_end(trial, move_handle(trial->move, vm));
}

/* From any thread of the migration, and from ramjet_migrate(). */
static void try_in_log(void *user, int level, const char *message)
{
	struct trial *trial = user;
	struct ramjet_migration *migration = atomic_load(&trial->handle);

	(void)level;
	(void)message;
	if (!migration)
		return;
	atomic_fetch_add(&trial->logged, 1);
	try_to_end(trial, migration);
}

/* The first notifier of a side: from here on its log has a handle to try. */
static void show_handle(void *user, enum ramjet_state old_state,
			enum ramjet_state new_state,
			const struct ramjet_error *err,
			struct ramjet_migration *migration)
{
	struct trial *trial = user;

	(void)old_state;
	(void)new_state;
	(void)err;
	atomic_store(&trial->handle, migration);
}

static void begin_trial(struct trial *trial, struct move *move,
			struct small_vm *vm, struct ramjet_params *params)
{
	*trial = (struct trial){ .move = move, .vm = vm };
	vm->user = trial;
	vm->on_call = try_in_call;
	vm->on_state = try_in_state;
	params->log = try_in_log;
	params->log_user = trial;
	assert_true(ramjet_notify(vm->guest, show_handle, trial, NULL) > 0);
}

static void no_callback_waits_for_itself(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;
	struct trial trials[2];

	is.dirty = VM_DIRTY_SCRIPT;
	move_init(move, &is);
	begin_trial(&trials[0], move, &move->source, &move->source_params);
	begin_trial(&trials[1], move, &move->target, &move->target_params);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	for (unsigned i = 0; i < 2; i++) {
		/* five states, and two calls at least */
		assert_true(atomic_load(&trials[i].count) > 7);
		assert_true(atomic_load(&trials[i].logged) > 0);
		assert_false(atomic_load(&trials[i].waited));
		assert_false(atomic_load(&trials[i].freed));
		assert_false(atomic_load(&trials[i].guest_freed));
	}
}

/* Threads that ramjet makes for a migration are the migration's as well. */
static void *try_on_a_thread(void *user)
{
	struct trial *trial = user;

	try_to_end(trial, atomic_load(&trial->handle));
	return NULL;
}

static void try_beside(struct small_vm *vm, enum ramjet_state state)
{
	struct trial *trial = vm->user;
	pthread_t thread;

	if (state != RAMJET_STATE_ACTIVE)
		return;
	atomic_store(&trial->handle, move_handle(trial->move, vm));
	if (!rj_thread_start(&thread, "worker", try_on_a_thread, trial))
		(void)pthread_join(thread, NULL);
}

static void no_worker_waits_for_itself(void **state)
{
	struct move *move = *state;
	struct trial trial;

	move_init(move, &move_machine);
	trial = (struct trial){ .move = move, .vm = &move->source };
	move->source.user = &trial;
	move->source.on_state = try_beside;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(atomic_load(&trial.count), 1);
	assert_false(atomic_load(&trial.waited));
	assert_false(atomic_load(&trial.freed));
	assert_false(atomic_load(&trial.guest_freed));
}

static void a_guest_outlives_its_handles(void **state)
{
	struct ramjet_migration *migration = NULL;
	struct move *move = *state;

	move_init(move, &move_machine);
	assert_int_equal(ramjet_incoming(move->target.guest, "tcp:127.0.0.1:0",
					 NULL, &migration, NULL),
			 0);
	assert_int_equal(ramjet_guest_free(move->target.guest), -EBUSY);
	assert_int_equal(ramjet_cancel(migration), 0);
	assert_int_equal(ramjet_wait(migration, -1, NULL), -ECANCELED);
	assert_int_equal(ramjet_guest_free(move->target.guest), -EBUSY);
	assert_int_equal(ramjet_migration_free(migration), 0);
	assert_int_equal(ramjet_migration_free(NULL), 0);
	assert_int_equal(ramjet_guest_free(NULL), 0);
	/* move_done() wants 0 of it now. */
}

/* ---- results ---- */

struct answers {
	int rc;
	struct ramjet_error err; /* what the callback fills in */
};

static int answer(void *user, struct ramjet_error *err)
{
	const struct answers *answers = user;

	if (answers->err.code || answers->err.message[0])
		*err = answers->err;
	return answers->rc;
}

static int start(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

/* A source whose guest, told to stop, answers thus. */
static struct ramjet_error stop_with(struct move *move,
				     const struct answers *answers)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = answer, .start = start };
	struct ramjet_block block = { RAMJET_BLOCK_INIT };
	struct ramjet_migration *outgoing = NULL;
	struct ramjet_guest *guest = NULL;
	struct ramjet_error err = { 0 };
	char uri[128];

	move_init(move, &move_machine);
	assert_int_equal(ramjet_guest_new(&ops, (void *)(uintptr_t)answers,
					  &guest, NULL),
			 0);
	block.name = "ram";
	block.host = move->source.ram[0].host;
	block.bytes = move->source.ram[0].bytes;
	assert_true(ramjet_guest_add_block(guest, &block, NULL) >= 0);
	/* Nobody is asked for anything before the guest is told to stop. */
	(void)snprintf(uri, sizeof(uri), "file:%s/stream", move->folder);
	assert_int_equal(ramjet_migrate(guest, uri, &move->source_params,
					&outgoing, NULL),
			 0);
	assert_true(ramjet_wait(outgoing, -1, &err) < 0);
	ramjet_migration_free(outgoing);
	ramjet_guest_free(guest);
	move_done(move);
	return err;
}

static void a_failing_callback_is_heard_whatever_it_fills_in(void **state)
{
	static const struct {
		struct answers answers;
		int code;
		const char *message;
	} cases[] = {
		{ { -EBUSY, { -ENODEV, "disk 1 hangs" } },
		  -ENODEV,
		  "disk 1 hangs" },
		{ { -EBUSY, { 0, "disk 2 hangs" } }, -EBUSY, "disk 2 hangs" },
		{ { -EBUSY, { 5, "disk 3 hangs" } }, -EBUSY, "disk 3 hangs" },
		{ { -EBUSY, { 0, "" } },
		  -EBUSY,
		  "guest: stop: Device or resource busy" },
		{ { -EBUSY, { -ENODEV, "" } },
		  -EBUSY,
		  "guest: stop: Device or resource busy" },
		{ { EBUSY, { 0, "" } },
		  -EIO,
		  "guest: stop: returned 16, wanted 0 or a negative errno" },
		{ { EBUSY, { 0, "disk 4 hangs" } }, -EIO, "disk 4 hangs" },
	};
	struct move *move = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct ramjet_error err =
			stop_with(move, &cases[i].answers);

		assert_string_equal(err.message, cases[i].message);
		assert_int_equal(err.code, cases[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(the_vmm_is_called_with_its_own_signal_mask),
		MOVE_TEST(notifiers_get_the_handle_that_is_there_already),
		MOVE_TEST(no_callback_waits_for_itself),
		MOVE_TEST(no_worker_waits_for_itself),
		MOVE_TEST(a_guest_outlives_its_handles),
		MOVE_TEST(a_failing_callback_is_heard_whatever_it_fills_in),
	};

	return cmocka_run_group_tests_name("callback", tests, NULL, NULL);
}
