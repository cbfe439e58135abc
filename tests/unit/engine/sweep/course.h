/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_SWEEP_COURSE_H
#define RJ_TESTS_SWEEP_COURSE_H
/*
 * The short migration that faults are put into: two guests of a few pages in this
 * process, a unix socket, two channels, three rounds and a switchover, with
 * digests. What the source's guest writes is written down beside it, so that its
 * memory can be judged whatever becomes of the migration.
 */
#include "tests/unit/engine/small_vm.h"

/* What the guests are like. */
enum course_shape {
	COURSE_PLAIN, /* mapped memory, a dirty source that looks at all of it */
	COURSE_PARTS,  /* a dirty source that arms and collects by parts */
	COURSE_REMOTE, /* memory behind operations */
	COURSE_SHAPES_
};

enum course_side {
	COURSE_SOURCE,
	COURSE_TARGET,
	COURSE_SIDES_
};

/* How one side ended. */
struct course_end {
	enum ramjet_state state; /* NONE: it was refused, or never asked for */
	int rc;
	struct ramjet_error err;
};

enum course_outcome {
	COURSE_COMPLETED,
	COURSE_FAILED,
	COURSE_UNCONFIRMED, /* the target's guest may run, or not */
	COURSE_OUTCOMES_
};

struct course {
	enum course_shape shape;
	struct small_vm vms[COURSE_SIDES_];
	struct ramjet_migration *migrations[COURSE_SIDES_];
	struct course_end ends[COURSE_SIDES_];
	char folder[64];
	uint32_t patience_ms; /* of all timeouts */
	/* What the source's memory must be; of who writes: the test, and during
	 * a migration its control thread. */
	uint8_t *written[SMALL_VM_BLOCKS];
	uint64_t writes;
	unsigned collects;
	/* Bits of pages not reported yet. */
	_Atomic uint64_t dirty[SMALL_VM_BLOCKS];
	/* How many there are of this process's, when nothing is under way. */
	unsigned threads, fds;
	void *furniture; /* whose it is says the one who put it there */
	char problem[1024];
};

void course_init(struct course *course, enum course_shape shape);
/* What ramjet makes once and keeps is made now: to be called before faults. */
void course_warm_up(struct course *course);
void course_done(struct course *course);
/* The source's guest runs, the target's waits with other memory. */
void course_prepare(struct course *course);
/* Prepare, and migrate, until both sides are over and freed. */
void course_run(struct course *course);
/* NULL: all is as it must be after whatever fault. Else what is not. */
const char *course_judge(struct course *course, enum course_outcome *ret);

/* judge.c: so many threads and descriptors are there without a migration. */
void course_note_residue(struct course *course);
/* "source failed: MESSAGE; target ...", of the last run; valid until the next. */
const char *course_ends(struct course *course);

/* ---- the decorators that guests are made with ----------------------------- */

/* dirty.c */
void course_add_dirty(struct course *course);
/* memory.c; over ops_memory */
extern const struct ramjet_memory_ops faulty_memory_ops;
/* guest.c; a small_vm's on_call */
void faulty_guest_call(struct small_vm *vm, enum vm_call call);

/* The guest writes some pages, if it runs: noted in course->dirty. */
void course_write(struct course *course);
/* A collect: after so many the guest may be handed over. */
void course_collected(struct course *course);
#endif
