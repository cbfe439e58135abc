/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_RINGIO_PAIR_H
#define RJ_TESTS_RINGIO_PAIR_H
/* Two connected ends of every kind, made through the public calls of
 * ringio/endpoint.h; failures end the test. */
#include "ringio/endpoint.h"

enum pair_kind {
	PAIR_TCP4,
	PAIR_TCP6,
	PAIR_UNIX,
	PAIR_SOCKETPAIR,
	PAIR_PIPE,
	PAIR_FILE, /* the reading end must be opened after the writing */
	PAIR_KINDS,
};
extern const char *const pair_names[PAIR_KINDS];

struct pair {
	enum pair_kind kind;
	struct rj_conn source, target;
	char path[64]; /* file, unix */
};

/* False when this machine has no such thing (IPv6). */
bool pair_open(enum pair_kind kind, struct pair *ret);
/* PAIR_FILE: open the target end now. Others: nothing. */
void pair_open_target(struct pair *pair);
void pair_close(struct pair *pair);

/* Until thread `tid` of this process sleeps in the kernel. */
void wait_until_asleep(int tid);
#endif
