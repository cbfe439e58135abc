/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/ringio/fixture.h"

#define MEMORY_BYTES (8u << 20)
#define LONG_BYTES   (1u << 20)
#define PAGE         4096u
#define NOBODY       65534

/* What the test moves, and the thread that takes it at the other end. */
struct traffic {
	struct fixture f;
	uint8_t *memory;
	pthread_t thread;
	uint8_t *got;
	size_t bytes;
	int received;
};

static uint8_t *memory_new(uint8_t seed)
{
	uint8_t *memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *pattern = pattern_new(MEMORY_BYTES);

	assert_ptr_not_equal(memory, MAP_FAILED);
	for (size_t i = 0; i < MEMORY_BYTES; i++)
		memory[i] = pattern[i] ^ seed;
	free(pattern);
	return memory;
}

static void begin_traffic(void **state, struct traffic *t)
{
	memset(t, 0, sizeof(*t));
	begin(state, &t->f);
	make_source(state, &t->f);
	t->memory = memory_new(0);
}

static void end_traffic(struct traffic *t)
{
	(void)munmap(t->memory, MEMORY_BYTES);
	end(&t->f);
}

static void *take(void *argument)
{
	struct traffic *t = argument;

	t->received = rj_recv_all(&t->f.pair.target, t->got, t->bytes, 0, -1);
	return NULL;
}

static uint8_t *joined(const struct iovec *iov, unsigned count, size_t *bytes)
{
	uint8_t *all;
	size_t at = 0;

	*bytes = 0;
	for (unsigned i = 0; i < count; i++)
		*bytes += iov[i].iov_len;
	all = malloc(*bytes);
	for (unsigned i = 0; i < count; i++) {
		memcpy(all + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	return all;
}

/* Send, and see exactly these bytes arrive. */
static void arrives(struct traffic *t, struct iovec *iov, const int *how,
		    unsigned count)
{
	uint8_t *want = joined(iov, count, &t->bytes);
	int rc;

	t->got = calloc(1, t->bytes);
	assert_int_equal(pthread_create(&t->thread, NULL, take, t), 0);
	rc = rj_channel_send_start_as(t->f.source, iov, how, count);
	if (!rc)
		rc = rj_channel_send_wait(t->f.source);
	assert_int_equal(rc, 0);
	assert_int_equal(pthread_join(t->thread, NULL), 0);
	assert_int_equal(t->received, 0);
	assert_memory_equal(t->got, want, t->bytes);
	assert_int_equal(rj_channel_drain(t->f.source), 0);
	assert_int_equal(rj_channel_zero_copy(t->f.source).pending, 0);
	free(t->got);
	free(want);
}

static void needs_zero_copy(struct traffic *t)
{
	const int rc =
		rj_channel_register(t->f.source, t->memory, MEMORY_BYTES);

	if (rc == -EOPNOTSUPP) {
		print_message("# skipped: no registered buffers here\n");
		end_traffic(t);
		skip();
	}
	assert_int_equal(rc, 0);
}

static void a_registered_buffer_is_sent_in_its_place(void **state)
{
	uint8_t head[40] = "header", tail[32] = "fence";
	struct traffic t;
	const int how[] = { RJ_CHANNEL_PLAIN, 0, RJ_CHANNEL_PLAIN };

	begin_traffic(state, &t);
	needs_zero_copy(&t);
	for (unsigned i = 0; i < 5; i++) {
		struct iovec iov[] = {
			{ head, sizeof(head) },
			{ t.memory + i * LONG_BYTES, LONG_BYTES + i * PAGE },
			{ tail, sizeof(tail) },
		};

		arrives(&t, iov, how, 3);
	}
	assert_int_equal(rj_channel_zero_copy(t.f.source).sends, 5);
	assert_int_equal(rj_channel_zero_copy(t.f.source).refused, 0);
	end_traffic(&t);
}

static void kinds_in_any_order_make_one_stream(void **state)
{
	struct traffic t;
	struct iovec iov[9];
	int how[9];

	begin_traffic(state, &t);
	needs_zero_copy(&t);
	for (unsigned i = 0; i < 9; i++) {
		iov[i] = (struct iovec){ t.memory + i * (700u << 10),
					 i == 4 ? 0 : (i + 1) * 50000 };
		how[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? -2 : -1;
	}
	arrives(&t, iov, how, 9);
	arrives(&t, iov, how, 9);
	arrives(&t, iov, NULL, 9);
	end_traffic(&t);
}

static void unregistered_memory_goes_as_well(void **state)
{
	const int how[] = { RJ_CHANNEL_UNREGISTERED };
	struct traffic t;

	begin_traffic(state, &t);
	needs_zero_copy(&t);
	rj_channel_unregister(t.f.source, 0);
	for (unsigned i = 0; i < 40; i++) {
		struct iovec iov = { t.memory + i * PAGE, LONG_BYTES };

		arrives(&t, &iov, how, 1);
	}
	assert_int_equal(rj_channel_zero_copy(t.f.source).sends, 40);
	end_traffic(&t);
}

static void nothing_stale_is_sent_once_unregistered(void **state)
{
	int how[] = { 0 };
	struct traffic t;
	struct iovec iov;
	uint8_t *fresh;

	begin_traffic(state, &t);
	needs_zero_copy(&t);
	iov = (struct iovec){ t.memory, LONG_BYTES };
	arrives(&t, &iov, how, 1);

	/* A balloon takes the pages, the guest writes others in their place. */
	assert_int_equal(madvise(t.memory, LONG_BYTES, MADV_DONTNEED), 0);
	fresh = memory_new(0x77);
	memcpy(t.memory, fresh, LONG_BYTES);
	rj_channel_unregister(t.f.source, 0);
	assert_int_equal(rj_channel_zero_copy(t.f.source).pinned_bytes, 0);
	how[0] = rj_channel_register(t.f.source, t.memory, MEMORY_BYTES);
	assert_int_equal(how[0], 0);
	arrives(&t, &iov, how, 1);
	(void)munmap(fresh, MEMORY_BYTES);
	end_traffic(&t);
}

static void a_buffer_may_go_while_it_is_being_sent(void **state)
{
	const int how[] = { 0 };
	struct iovec iov;
	struct traffic t;

	begin_traffic(state, &t);
	needs_zero_copy(&t);
	iov = (struct iovec){ t.memory, MEMORY_BYTES };
	t.bytes = MEMORY_BYTES;
	t.got = calloc(1, t.bytes);
	assert_int_equal(rj_channel_send_start_as(t.f.source, &iov, how, 1), 0);
	rj_channel_unregister(t.f.source, 0);
	assert_int_equal(pthread_create(&t.thread, NULL, take, &t), 0);
	assert_int_equal(rj_channel_send_wait(t.f.source), 0);
	assert_int_equal(pthread_join(t.thread, NULL), 0);
	assert_memory_equal(t.got, t.memory, t.bytes);
	free(t.got);
	end_traffic(&t);
}

static void places_are_given_again_and_run_out(void **state)
{
	struct traffic t;

	begin_traffic(state, &t);
	needs_zero_copy(&t);
	for (unsigned i = 1; i < RJ_CHANNEL_BUFFERS_MAX; i++)
		assert_int_equal(
			rj_channel_register(t.f.source, t.memory, PAGE), i);
	assert_int_equal(rj_channel_register(t.f.source, t.memory, PAGE),
			 -ENOSPC);
	rj_channel_unregister(t.f.source, 77);
	assert_int_equal(rj_channel_register(t.f.source, t.memory, PAGE), 77);
	assert_int_equal(rj_channel_zero_copy(t.f.source).pinned_bytes,
			 MEMORY_BYTES + (RJ_CHANNEL_BUFFERS_MAX - 1) * PAGE);
	end_traffic(&t);
}

static void what_cannot_be_pinned_is_refused(void **state)
{
	struct traffic t;

	begin_traffic(state, &t);
	needs_zero_copy(&t);
	assert_int_equal(rj_channel_register(t.f.source, t.memory, 0), -EINVAL);
	assert_int_equal(
		rj_channel_register(t.f.source, t.memory,
				    RJ_CHANNEL_BUFFER_BYTES_MAX + PAGE),
		-EINVAL);
	assert_int_equal(mprotect(t.memory, PAGE, PROT_READ), 0);
	assert_int_equal(rj_channel_register(t.f.source, t.memory, PAGE),
			 -EFAULT);
	end_traffic(&t);
}

/* An end of the buffer, beyond which the kernel will not send from it. */
static void a_refused_send_goes_plain(void **state)
{
	const int how[] = { RJ_CHANNEL_PLAIN, 0, RJ_CHANNEL_PLAIN };
	struct traffic t;

	begin_traffic(state, &t);
	needs_zero_copy(&t);
	rj_channel_unregister(t.f.source, 0);
	assert_int_equal(rj_channel_register(t.f.source, t.memory, PAGE), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct iovec iov[] = { { t.memory, 32 },
				       { t.memory + PAGE, LONG_BYTES },
				       { t.memory, 32 } };

		arrives(&t, iov, how, 3);
		assert_int_equal(rj_channel_zero_copy(t.f.source).refused,
				 -EFAULT);
	}
	end_traffic(&t);
}

/* In a child, since there is no way back. */
static int be_poor(struct traffic *t)
{
	const struct rlimit none = { 65536, 65536 };
	const struct rj_channel_options options = { .wake_fd = -1 };
	const int how[] = { RJ_CHANNEL_UNREGISTERED };
	struct iovec iov = { t->memory, LONG_BYTES };
	struct rj_channel *channel;
	int rc;

	if (setrlimit(RLIMIT_MEMLOCK, &none) ||
	    (!getuid() && setresuid(NOBODY, NOBODY, NOBODY)) ||
	    rj_channel_new(&t->f.pair.source, &options, &channel, NULL))
		return 10;
	if (rj_channel_register(channel, t->memory, MEMORY_BYTES) != -ENOMEM)
		return 11;
	rc = rj_channel_send_start_as(channel, &iov, how, 1);
	if (!rc)
		rc = rj_channel_send_wait(channel);
	if (rc)
		return 12;
	return rj_channel_zero_copy(channel).refused == -ENOMEM ? 0 : 13;
}

static void a_low_memlock_limit_costs_nothing_but_speed(void **state)
{
	struct traffic t;
	int status;
	pid_t child;

	begin_traffic(state, &t);
	needs_zero_copy(&t);
	t.bytes = LONG_BYTES;
	t.got = calloc(1, t.bytes);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(be_poor(&t));
	assert_int_equal(pthread_create(&t.thread, NULL, take, &t), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status)
		(void)shutdown(t.f.pair.source.fd, SHUT_RDWR);
	assert_int_equal(pthread_join(t.thread, NULL), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_memory_equal(t.got, t.memory, t.bytes);
	free(t.got);
	end_traffic(&t);
}

static void a_wake_ends_the_wait_for_the_peer(void **state)
{
	const int how[] = { 0 };
	const uint64_t one = 1;
	struct traffic t;
	struct iovec iov;

	begin_traffic(state, &t);
	needs_zero_copy(&t);
	iov = (struct iovec){ t.memory, MEMORY_BYTES };
	assert_int_equal(rj_channel_send_start_as(t.f.source, &iov, how, 1), 0);
	assert_int_equal(write(t.f.source_wake, &one, sizeof(one)),
			 sizeof(one));
	while (rj_channel_send_pending(t.f.source) &&
	       !rj_channel_zero_copy(t.f.source).pending)
		if (rj_channel_send_wait(t.f.source) == -ECANCELED)
			break;
	if (rj_channel_zero_copy(t.f.source).pending)
		assert_int_equal(rj_channel_drain(t.f.source), -ECANCELED);
	end_traffic(&t);
}

/* Others than io_uring over TCP: nothing to register, all goes plain. */
static void elsewhere_everything_goes_plain(void **state)
{
	const int how[] = { RJ_CHANNEL_PLAIN, RJ_CHANNEL_UNREGISTERED };
	struct traffic t;
	struct iovec iov[2];

	begin_traffic(state, &t);
	assert_int_equal(
		rj_channel_register(t.f.source, t.memory, MEMORY_BYTES),
		-EOPNOTSUPP);
	iov[0] = (struct iovec){ t.memory, 32 };
	iov[1] = (struct iovec){ t.memory + PAGE, LONG_BYTES };
	arrives(&t, iov, how, 2);
	assert_int_equal(rj_channel_zero_copy(t.f.source).sends, 0);
	end_traffic(&t);
}

static struct param tcp = { PAIR_TCP4, RAMJET_BACKEND_URING };
static struct param syscalls = { PAIR_TCP4, RAMJET_BACKEND_SYSCALLS };
static struct param local = { PAIR_UNIX, RAMJET_BACKEND_URING };

#define CASE(test, param) cmocka_unit_test_prestate(test, &(param))

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_registered_buffer_is_sent_in_its_place, tcp),
		CASE(kinds_in_any_order_make_one_stream, tcp),
		CASE(unregistered_memory_goes_as_well, tcp),
		CASE(nothing_stale_is_sent_once_unregistered, tcp),
		CASE(a_buffer_may_go_while_it_is_being_sent, tcp),
		CASE(places_are_given_again_and_run_out, tcp),
		CASE(what_cannot_be_pinned_is_refused, tcp),
		CASE(a_refused_send_goes_plain, tcp),
		CASE(a_low_memlock_limit_costs_nothing_but_speed, tcp),
		CASE(a_wake_ends_the_wait_for_the_peer, tcp),
		CASE(elsewhere_everything_goes_plain, syscalls),
		CASE(elsewhere_everything_goes_plain, local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
