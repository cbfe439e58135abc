/* SPDX-License-Identifier: BSD-3-Clause */
/* A main loop that waits for nothing but descriptors. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/engine/move.h"

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	assert_true(poll(&poll_fd, 1, timeout_ms) >= 0);
	return poll_fd.revents == POLLIN;
}

static void there_is_one_descriptor_a_migration(void **state)
{
	struct move *move = *state;
	int fd;

	move_init(move, &move_machine);
	assert_int_equal(ramjet_migration_fd(NULL), -EINVAL);
	assert_int_equal(ramjet_migration_ack(NULL), -EINVAL);
	move_listen(move);
	assert_int_equal(ramjet_migration_ack(move->incoming), -EBADF);
	fd = ramjet_migration_fd(move->incoming);
	assert_true(fd >= 0);
	assert_int_equal(ramjet_migration_fd(move->incoming), fd);
	assert_true(is_readable(fd, 0));
	/* Gone with the handle, and its number free again. */
	ramjet_migration_free(move->incoming);
	move->incoming = NULL;
	errno = 0;
	assert_int_equal(write(fd, "12345678", 8), -1);
	assert_int_equal(errno, EBADF);
}

/* Somebody who does not speak the protocol: a warning. */
static void knock(const struct move *move)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const char *uri = ramjet_listen_uri(move->incoming);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_memory_equal(uri, "unix:", 5);
	assert_true(strlen(uri + 5) < sizeof(at.sun_path));
	memcpy(at.sun_path, uri + 5, strlen(uri + 5) + 1);
	assert_int_equal(connect(fd, (void *)&at, sizeof(at)), 0);
	assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL),
			 18);
	assert_int_equal(close(fd), 0);
}

static void it_is_readable_until_acknowledged(void **state)
{
	struct move *move = *state;
	int fd;

	move_init(move, &move_machine);
	move_listen(move);
	fd = ramjet_migration_fd(move->incoming);
	/* Notifiers come after the change is told. */
	small_vm_await_state(&move->target, RAMJET_STATE_SETUP);
	assert_true(is_readable(fd, 0));
	assert_true(is_readable(fd, 0));
	assert_int_equal(ramjet_migration_ack(move->incoming), 0);
	assert_false(is_readable(fd, 0));
	assert_int_equal(ramjet_migration_ack(move->incoming), 0);
	knock(move);
	assert_true(is_readable(fd, -1));
	ramjet_migration_free(move->incoming);
	move->incoming = NULL;
}

/* As a VMM that moves one guest out and another one in. */
struct loop {
	struct pollfd fds[2];
	struct ramjet_migration **migrations[2];
	unsigned turns[2];
	int results[2];
	uint64_t rounds;
};

static void turn(struct loop *loop, unsigned i)
{
	struct ramjet_migration *migration = *loop->migrations[i];
	struct ramjet_error err;
	struct ramjet_info *info;

	loop->turns[i]++;
	assert_int_equal(ramjet_migration_ack(migration), 0);
	loop->results[i] = ramjet_wait(migration, 0, &err);
	assert_int_equal(ramjet_info(migration, &info), 0);
	if (!i)
		loop->rounds = info->rounds_total;
	if (info->state == RAMJET_STATE_HELD)
		(void)ramjet_switchover(migration);
	ramjet_info_free(info);
	if (loop->results[i] == -ETIMEDOUT)
		return;
	ramjet_migration_free(migration);
	*loop->migrations[i] = NULL;
	loop->fds[i].fd = -1;
}

static void a_main_loop_moves_a_guest(void **state)
{
	struct move *move = *state;
	struct loop loop = {
		.migrations = { &move->outgoing, &move->incoming },
	};

	move_init(move, &move_machine);
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	for (unsigned i = 0; i < 2; i++)
		loop.fds[i] = (struct pollfd){
			.fd = ramjet_migration_fd(*loop.migrations[i]),
			.events = POLLIN,
		};
	while (loop.fds[0].fd >= 0 || loop.fds[1].fd >= 0) {
		assert_true(poll(loop.fds, 2, -1) > 0);
		for (unsigned i = 0; i < 2; i++)
			if (loop.fds[i].fd >= 0 && loop.fds[i].revents)
				turn(&loop, i);
	}
	assert_int_equal(loop.results[0], 0);
	assert_int_equal(loop.results[1], 0);
	assert_true(loop.rounds >= 2);
	small_vm_expect_last(&move->source, RAMJET_STATE_COMPLETED);
	small_vm_expect_last(&move->target, RAMJET_STATE_COMPLETED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(there_is_one_descriptor_a_migration),
		MOVE_TEST(it_is_readable_until_acknowledged),
		MOVE_TEST(a_main_loop_moves_a_guest),
	};

	return cmocka_run_group_tests_name("news", tests, NULL, NULL);
}
