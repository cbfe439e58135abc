/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_RINGIO_FIXTURE_H
#define RJ_TESTS_RINGIO_FIXTURE_H
/* A pair of channels of the kind and backend that the test's state names. */
#include "ringio/channel.h"
#include "tests/unit/ringio/pair.h"

#define STREAM_BYTES (4u << 20)

struct fixture {
	struct pair pair;
	struct rj_channel *source, *target;
	int source_wake, target_wake;
};

struct param {
	enum pair_kind kind;
	enum ramjet_backend backend;
};

/* Opens both ends; skips what this machine cannot do. */
void begin(void **state, struct fixture *f);
/* On the thread that will use them. The target of a file: once written. */
void make_source(void **state, struct fixture *f);
void make_target(void **state, struct fixture *f);
void close_source(struct fixture *f);
void end(struct fixture *f);

bool is_kind(void **state, enum pair_kind kind);
/* More than a connection of this kind takes unread. */
size_t stuck_bytes(void **state);
/* Every byte depends on its place, so that no swap goes unseen. free(). */
uint8_t *pattern_new(size_t bytes);

typedef int move_fn(struct rj_channel *channel, struct iovec *iov,
		    unsigned count);
/* Start and wait. */
int send_now(struct rj_channel *channel, struct iovec *iov, unsigned count);
int move_one(struct rj_channel *channel, const void *data, size_t bytes,
	     move_fn *move);
/* In random pieces, some of them empty. */
int move_split(struct rj_channel *channel, uint8_t *data, size_t bytes,
	       uint32_t seed, move_fn *move);
#endif
