/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/ringio/fixture.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Of TCP, tcp_wmem and tcp_rmem. */
#define TCP_STUCK_BYTES   (40u << 20)
#define LOCAL_STUCK_BYTES (4u << 20)

static struct rj_channel *channel_of(const struct rj_conn *conn,
				     enum ramjet_backend backend, int wake_fd)
{
	struct rj_channel_options options = {
		.backend = backend,
		.wake_fd = wake_fd,
	};
	struct ramjet_error err = { 0 };
	struct rj_channel *channel;

	if (rj_channel_new(conn, &options, &channel, &err))
		fail_msg("%s", err.message);
	assert_int_equal(rj_channel_backend(channel), backend);
	assert_true(*rj_channel_reason(channel));
	return channel;
}

static bool have_uring(void)
{
	struct rj_conn conn = rj_conn_bare(STDIN_FILENO, RJ_CONN_PIPE);
	struct rj_channel_options options = {
		.backend = RAMJET_BACKEND_URING,
		.wake_fd = -1,
	};
	struct ramjet_error err = { 0 };
	struct rj_channel *channel;

	if (rj_channel_new(&conn, &options, &channel, &err)) {
		print_message("# skipped: %s\n", err.message);
		return false;
	}
	rj_channel_free(channel);
	return true;
}

void begin(void **state, struct fixture *f)
{
	const struct param *param = *state;

	memset(f, 0, sizeof(*f));
	if (param->backend == RAMJET_BACKEND_URING && !have_uring())
		skip();
	if (!pair_open(param->kind, &f->pair)) {
		print_message("# skipped: no %s here\n",
			      pair_names[param->kind]);
		skip();
	}
	f->source_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->target_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(f->source_wake >= 0 && f->target_wake >= 0);
}

void make_source(void **state, struct fixture *f)
{
	const struct param *param = *state;

	f->source = channel_of(&f->pair.source, param->backend, f->source_wake);
}

void make_target(void **state, struct fixture *f)
{
	const struct param *param = *state;

	pair_open_target(&f->pair);
	f->target = channel_of(&f->pair.target, param->backend, f->target_wake);
}

void close_source(struct fixture *f)
{
	rj_channel_free(f->source);
	f->source = NULL;
	assert_int_equal(rj_conn_close(&f->pair.source, 0, NULL), 0);
}

void end(struct fixture *f)
{
	rj_channel_free(f->source);
	rj_channel_free(f->target);
	pair_close(&f->pair);
	(void)close(f->source_wake);
	(void)close(f->target_wake);
}

bool is_kind(void **state, enum pair_kind kind)
{
	return ((const struct param *)*state)->kind == kind;
}

size_t stuck_bytes(void **state)
{
	return is_kind(state, PAIR_TCP4) || is_kind(state, PAIR_TCP6)
		       ? TCP_STUCK_BYTES
		       : LOCAL_STUCK_BYTES;
}

static uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

uint8_t *pattern_new(size_t bytes)
{
	uint8_t *data = malloc(bytes);
	uint32_t seed = 7;

	assert_non_null(data);
	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)random_next(&seed);
	return data;
}

/* Cut [data, data + bytes) into random pieces, some of them empty. */
static unsigned split(uint8_t *data, size_t bytes, uint32_t *seed,
		      struct iovec *iov, size_t *ret_bytes)
{
	unsigned count = 1 + random_next(seed) % RJ_CHANNEL_IOV_MAX;
	size_t largest = 1u << (random_next(seed) % 17);
	size_t done = 0;

	for (unsigned i = 0; i < count; i++) {
		size_t piece = random_next(seed) % (largest + 1);

		if (piece > bytes - done)
			piece = bytes - done;
		iov[i] = (struct iovec){ data + done, piece };
		done += piece;
	}
	*ret_bytes = done;
	return count;
}

int send_now(struct rj_channel *channel, struct iovec *iov, unsigned count)
{
	int rc = rj_channel_send_start(channel, iov, count);

	return rc ? rc : rj_channel_send_wait(channel);
}

int move_split(struct rj_channel *channel, uint8_t *data, size_t bytes,
	       uint32_t seed, move_fn *move)
{
	struct iovec *iov = calloc(RJ_CHANNEL_IOV_MAX, sizeof(*iov));
	int rc = iov ? 0 : -ENOMEM;

	while (!rc && bytes) {
		size_t piece;
		unsigned count = split(data, bytes, &seed, iov, &piece);

		rc = move(channel, iov, count);
		data += piece;
		bytes -= piece;
	}
	free(iov);
	return rc;
}

int move_one(struct rj_channel *channel, const void *data, size_t bytes,
	     move_fn *move)
{
	struct iovec iov = { (void *)data, bytes };

	return move(channel, &iov, 1);
}
