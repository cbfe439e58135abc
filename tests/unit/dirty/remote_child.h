/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_REMOTE_CHILD_H
#define RJ_TESTS_REMOTE_CHILD_H
/* Another process, whose memory is tracked: it does what it is told. */
#include <sys/types.h>

#include "tests/unit/dirty/memory_kinds.h"

enum child_order {
	CHILD_WRITE,        /* the first byte of each page becomes `value` */
	CHILD_KERNEL_WRITE, /* the same by read() from a pipe */
	CHILD_READ,         /* a byte of each page */
	CHILD_DONTNEED,     /* MADV_DONTNEED */
	CHILD_REMOVE,       /* MADV_REMOVE */
	CHILD_PUNCH,        /* a hole in the file */
	CHILD_PAGEOUT,      /* MADV_PAGEOUT */
	CHILD_MERGEABLE,
	CHILD_UNMAP,
	CHILD_MAP_ANEW, /* private memory, over what was there */
	CHILD_MOVE,     /* mremap() to elsewhere */
	CHILD_FORK,     /* a child that writes all pages, and ends */
	CHILD_REGISTER, /* with a userfaultfd of its own */
	/* `count` orders at random within these pages; answers when begun, goes
	 * on until the next order comes. */
	CHILD_MISBEHAVE,
	CHILD_STOP, /* doing so */
	CHILD_END,
};

struct child {
	pid_t pid;
	int socket;
	int uffd; /* of its address space; whose it is says its user */
	int pagemap_fd;
	struct ramjet_dirty_region region; /* host: ours, of what has a fd */
	uint64_t address;                  /* there */
	uint64_t bytes;
	uint64_t unit_pages;
};

/* Children that are started have a userfaultfd that is not told of the kernel's
 * own faults. */
extern bool child_user_mode_only;

/* False, having said why, where this machine cannot. `fd` -1: memory of its
 * own. */
bool child_start(struct child *child, enum memory_kind kind, uint64_t bytes,
		 int fd);
/* Done when it returns. */
void child_do(struct child *child, enum child_order order, uint64_t page,
	      uint64_t count, unsigned value);
/* The two halves of that; whether it was done after `timeout_ms`. */
void child_begin(struct child *child, enum child_order order, uint64_t page,
		 uint64_t count, unsigned value);
bool child_is_done(struct child *child, int timeout_ms);
/* The contents of its page, as it has it; does not populate what is absent more
 * than reading does. False: it is gone. */
bool child_read(const struct child *child, uint64_t page, void *ret);
void child_kill(struct child *child);
/* Ends it, unless it was killed. */
void child_end(struct child *child);
#endif
