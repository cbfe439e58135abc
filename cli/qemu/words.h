/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_WORDS_H
#define RJ_CLI_QEMU_WORDS_H
/*
 * What a QEMU says on its stderr, where that is a file. A QEMU before 9.1 that
 * can't load a state ends, and only there says why.
 */
#include <stddef.h>
#include <sys/types.h>

struct rj_qemu_words {
	int fd; /* of its stderr; -1: not a file, or not ours to read */
	off_t from;
};
#define RJ_QEMU_WORDS_NONE ((struct rj_qemu_words){ .fd = -1 })

/* From now on. Never fails: then nothing is heard. */
void rj_qemu_words_listen(pid_t pid, struct rj_qemu_words *ret);
/* The last lines since, one after the other with "; ". "" for none. */
void rj_qemu_words_take(const struct rj_qemu_words *words, char *text,
			size_t bytes);
void rj_qemu_words_done(struct rj_qemu_words *words);
#endif
