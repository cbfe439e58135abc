/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUARDIAN_PAGE_H
#define RJ_CLI_GUARDIAN_PAGE_H
/*
 * What ramjet and its guardian both see: a file, mapped by both, named after
 * the VMM's process. It is locked (flock) by whoever of them lives, so a page
 * that can be locked belongs to nobody; what is marked there was left.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_guardian_order {
	const char *qmp_path; /* the VMM's monitor, a unix socket */
	pid_t vmm_pid;
	const char *folder;   /* of the page; NULL: rj_guardian_folder() */
	unsigned patience_ms; /* for the monitor to be free; 0: the usual */
	/* What this program is to be called to become the guardian; NULL:
	 * /proc/self/exe, whose main() asks watch.h. */
	const char *program;
};

/* What an earlier ramjet left of the same VMM. */
enum rj_guardian_left {
	RJ_GUARDIAN_LEFT_NOTHING,
	RJ_GUARDIAN_LEFT_RESUMED, /* it died in the pause; the guest went on */
	RJ_GUARDIAN_LEFT_PAUSED,  /* it died in the pause; nobody resumed it */
	RJ_GUARDIAN_LEFT_COMMITTED, /* a person has to decide where it runs */
};

/* What the guardian is called, by name of program. */
#define RJ_GUARDIAN_NAME       "ramjet-guardian"
#define RJ_GUARDIAN_MAGIC      UINT64_C(0x314452475f4a52)
#define RJ_GUARDIAN_UNDO_BYTES 16384u

enum rj_guardian_mark {
	RJ_GUARDIAN_STOPPED = 1 << 0,   /* by the migration, or about to be */
	RJ_GUARDIAN_NAPPING = 1 << 1,   /* by a throttle */
	RJ_GUARDIAN_COMMITTED = 1 << 2, /* COMMIT has left, or may have */
	RJ_GUARDIAN_STARTING = 1 << 3,  /* target: COMMIT came, `cont` is due */
	RJ_GUARDIAN_DISMISSED = 1 << 4, /* ramjet needs none any more */
};
/* Any of these: the guest is to go on. */
#define RJ_GUARDIAN_OWED \
	(RJ_GUARDIAN_STOPPED | RJ_GUARDIAN_NAPPING | RJ_GUARDIAN_STARTING)

enum rj_guardian_outcome {
	RJ_GUARDIAN_NOTHING_YET,
	RJ_GUARDIAN_RESUMED,
	RJ_GUARDIAN_GAVE_UP,   /* the words say why */
	RJ_GUARDIAN_VMM_ENDED, /* nothing is left to be resumed */
	RJ_GUARDIAN_TOLD,      /* COMMIT had left: nothing was done */
};

struct rj_guardian_page {
	uint64_t magic;
	/* immutable once the guardian runs */
	int32_t ramjet_pid;
	int32_t vmm_pid;
	uint64_t vmm_born; /* clock ticks since the machine's boot */
	uint32_t patience_ms;
	char qmp_path[108];
	/* written by ramjet. Their order among each other is all that counts,
	 * and it is that of the program: whoever reads them for good does so
	 * after ramjet's death. */
	_Atomic uint32_t marks;    /* enum rj_guardian_mark */
	_Atomic uint32_t undo_now; /* which of the two holds */
	char undo[2][RJ_GUARDIAN_UNDO_BYTES];
	/* written by the guardian */
	_Atomic uint32_t outcome; /* enum rj_guardian_outcome */
	char words[640];
};

struct rj_guardian_file {
	struct rj_guardian_page *page;
	int fd; /* holds the lock */
	char path[4096];
};

/* Where pages lie: /run/ramjet for root, $XDG_RUNTIME_DIR/ramjet, else
 * /tmp/ramjet-UID. */
void rj_guardian_folder(char *path, size_t bytes);
/* When the process was born, clock ticks since boot; 0: there is none. */
uint64_t rj_guardian_born(pid_t pid);
/*
 * Makes or finds the page of order's VMM, and locks it: -EBUSY if another
 * has. What the last owner left of the same process is said in *ret_left and
 * `words`; then the page is as new.
 */
RJ_NODISCARD int rj_guardian_file_open(const struct rj_guardian_order *order,
				       struct rj_guardian_file *ret,
				       enum rj_guardian_left *ret_left,
				       char *words, size_t words_bytes,
				       struct ramjet_error *err);
/* The guardian's side, of a descriptor it was given. */
RJ_NODISCARD int rj_guardian_file_take(int fd, struct rj_guardian_file *ret);
/* Nobody needs to know any more: the file goes. */
void rj_guardian_file_remove(struct rj_guardian_file *file);
void rj_guardian_file_close(struct rj_guardian_file *file);
#endif
