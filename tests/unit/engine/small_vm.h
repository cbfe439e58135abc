/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_SMALL_VM_H
#define RJ_TESTS_SMALL_VM_H
/*
 * A machine to be migrated in tests: guarded memory, a thread that writes it,
 * device state, and operations that count, fail, or call back as told. What
 * happens on ramjet's threads is noted, and asserted later by the test's own.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "ramjet.h"
#include "tests/unit/engine/guarded.h"
#include "tests/unit/engine/ops_memory.h"

#define SMALL_VM_BLOCKS     2u
#define SMALL_VM_STATES_MAX 64u

enum vm_call {
	VM_STOP,
	VM_START,
	VM_SAVE,
	VM_LOAD,
	VM_THROTTLE,
	VM_TRACK, /* these three with VM_DIRTY_SCRIPT only */
	VM_COLLECT,
	VM_UNTRACK,
	VM_CALL_COUNT_
};

enum vm_dirty {
	VM_DIRTY_NONE,   /* never writes while it is moved */
	VM_DIRTY_SHARED, /* a thread writes, and sets bits */
	VM_DIRTY_PAGEMAP,
	VM_DIRTY_SCRIPT, /* nothing writes; `dirt` says what is reported */
};

struct small_vm_options {
	const char *name;
	uint64_t bytes[SMALL_VM_BLOCKS]; /* 0: no such block */
	uint64_t state_bytes;            /* 0: no device state */
	enum vm_dirty dirty;
	bool fresh;
	/* NULL: its blocks are mapped, and ramjet is told where. */
	const struct ramjet_memory_ops *memory;
};

struct small_vm {
	/* immutable while migrations run */
	struct small_vm_options is;
	struct small_vm *other; /* must not run when this one does */
	struct guarded ram[SMALL_VM_BLOCKS];
	struct ops_memory own[SMALL_VM_BLOCKS]; /* with is.memory */
	uint64_t *bits[SMALL_VM_BLOCKS];
	struct ramjet_guest *guest;
	int notifier;
	/* Negative errnos these calls return, 0: success. */
	int fails[VM_CALL_COUNT_];
	/* On ramjet's thread, before the call does anything. */
	void (*on_call)(struct small_vm *vm, enum vm_call call);
	/* On ramjet's thread, once the state is noted. */
	void (*on_state)(struct small_vm *vm, enum ramjet_state state);
	/* VM_DIRTY_SCRIPT: pages of block 0 reported by one collect. */
	uint64_t (*dirt)(struct small_vm *vm);
	void *user;

	pthread_t writer;
	bool has_writer;
	atomic_bool writer_ends;
	_Atomic uint64_t written; /* pages, by the thread */
	atomic_bool running;
	atomic_bool both_ran; /* at the same time */
	atomic_bool state_is_wrong;
	_Atomic unsigned calls[VM_CALL_COUNT_];
	_Atomic unsigned throttle;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* guarded by lock */
	enum ramjet_state states[SMALL_VM_STATES_MAX];
	unsigned state_count;
	bool chain_is_broken; /* an old state was not the last new one */
	bool error_is_wrong;  /* there when it must not be, or missing */
	unsigned throttles[SMALL_VM_STATES_MAX];
	unsigned throttle_count;
};

void small_vm_init(struct small_vm *vm, const struct small_vm_options *is);
/* No migration of it is alive. */
void small_vm_done(struct small_vm *vm);
/* Fill: pages untouched, zero, or full of bytes that depend on `seed`. */
void small_vm_fill(struct small_vm *vm, uint64_t seed);
/* Run, not told by ramjet. */
void small_vm_power_on(struct small_vm *vm);
void small_vm_power_off(struct small_vm *vm);
/* Both memories are equal, byte for byte; neither may run. */
void small_vm_expect_equal(const struct small_vm *a, const struct small_vm *b);
/* "setup active ..." exactly, and nothing else ever went wrong. Forgets them.
 */
void small_vm_expect_states(struct small_vm *vm, const char *wanted);
/* As above, of the last state alone. */
void small_vm_expect_last(struct small_vm *vm, enum ramjet_state wanted);
unsigned small_vm_calls(const struct small_vm *vm, enum vm_call call);
/* Block until the notifier has seen `state`. */
void small_vm_await_state(struct small_vm *vm, enum ramjet_state state);
#endif
