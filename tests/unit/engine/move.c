/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/move.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS 60000

const struct small_vm_options move_machine = {
	.bytes = { 6u << 20, (2u << 20) + RAMJET_PAGE_BYTES },
	.state_bytes = 5000,
	.dirty = VM_DIRTY_SHARED,
};

void move_init_two(struct move *move, const struct small_vm_options *source,
		   const struct small_vm_options *target)
{
	struct small_vm_options half = *source;

	memset(move, 0, sizeof(*move));
	move->fds[0] = move->fds[1] = -1;
	(void)pthread_mutex_init(&move->lock, NULL);
	(void)pthread_cond_init(&move->changed, NULL);
	(void)snprintf(move->folder, sizeof(move->folder),
		       "/tmp/ramjet-test-XXXXXX");
	assert_non_null(mkdtemp(move->folder));
	half.name = "source";
	half.fresh = false;
	small_vm_init(&move->source, &half);
	half = *target;
	half.name = "target";
	half.dirty = VM_DIRTY_NONE;
	small_vm_init(&move->target, &half);
	move->source.other = &move->target;
	move->target.other = &move->source;
	move->source.user = move->target.user = move;
	move->source_params = (struct ramjet_params){ RAMJET_PARAMS_INIT };
	move->source_params.channels = 1;
	move->source_params.downtime_limit_us = 20000000;
	move->source_params.verify = true;
	/* So that no switchover is called off on a machine that is busy. */
	move->source_params.switchover_bandwidth_bytes_per_s = 1u << 30;
	move->target_params = (struct ramjet_params){ RAMJET_PARAMS_INIT };
	small_vm_fill(&move->source, 1);
	if (!half.fresh)
		small_vm_fill(&move->target, 100);
	small_vm_power_on(&move->source);
}

void move_init(struct move *move, const struct small_vm_options *is)
{
	move_init_two(move, is, is);
}

static void remove_file(const struct move *move, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", move->folder, name);
	(void)unlink(path);
}

static void close_fds(struct move *move)
{
	for (unsigned i = 0; i < 2; i++)
		if (move->fds[i] >= 0)
			(void)close(move->fds[i]);
	move->fds[0] = move->fds[1] = -1;
}

int move_setup(void **state)
{
	*state = calloc(1, sizeof(struct move));
	return *state ? 0 : -1;
}

int move_teardown(void **state)
{
	move_done(*state);
	free(*state);
	return 0;
}

void move_done(struct move *move)
{
	if (!move->folder[0])
		return;
	ramjet_migration_free(move->outgoing);
	ramjet_migration_free(move->incoming);
	ramjet_info_free(move->info);
	ramjet_info_free(move->target_info);
	small_vm_power_off(&move->source);
	small_vm_done(&move->source);
	small_vm_done(&move->target);
	close_fds(move);
	remove_file(move, "socket");
	remove_file(move, "image");
	(void)rmdir(move->folder);
	(void)pthread_cond_destroy(&move->changed);
	(void)pthread_mutex_destroy(&move->lock);
	memset(move, 0, sizeof(*move));
}

static void set_handle(struct move *move, struct ramjet_migration **at,
		       struct ramjet_migration *handle)
{
	(void)pthread_mutex_lock(&move->lock);
	*at = handle;
	(void)pthread_cond_broadcast(&move->changed);
	(void)pthread_mutex_unlock(&move->lock);
}

struct ramjet_migration *move_handle(struct move *move,
				     const struct small_vm *vm)
{
	struct ramjet_migration **at =
		vm == &move->source ? &move->outgoing : &move->incoming;
	struct ramjet_migration *handle;

	(void)pthread_mutex_lock(&move->lock);
	while (!*at)
		(void)pthread_cond_wait(&move->changed, &move->lock);
	handle = *at;
	(void)pthread_mutex_unlock(&move->lock);
	return handle;
}

static void begin_target(struct move *move, const char *uri)
{
	struct ramjet_migration *handle = NULL;
	struct ramjet_error err = { 0 };

	if (ramjet_incoming(move->target.guest, uri, &move->target_params,
			    &handle, &err))
		fail_msg("incoming: %s", err.message);
	set_handle(move, &move->incoming, handle);
}

static void begin_source(struct move *move, const char *uri)
{
	struct ramjet_migration *handle = NULL;
	struct ramjet_error err = { 0 };

	if (ramjet_migrate(move->source.guest, uri, &move->source_params,
			   &handle, &err))
		fail_msg("migrate: %s", err.message);
	set_handle(move, &move->outgoing, handle);
}

static const char *uri_in(const struct move *move, const char *scheme,
			  const char *name, char buffer[128])
{
	(void)snprintf(buffer, 128, "%s:%s/%s", scheme, move->folder, name);
	return buffer;
}

void move_listen(struct move *move)
{
	char uri[128];

	begin_target(move, uri_in(move, "unix", "socket", uri));
}

void move_send(struct move *move)
{
	char uri[128];

	begin_source(move, uri_in(move, "unix", "socket", uri));
}

static void begin_on_fds(struct move *move)
{
	char uri[32];

	(void)snprintf(uri, sizeof(uri), "fd:%d", move->fds[1]);
	begin_target(move, uri);
	(void)snprintf(uri, sizeof(uri), "fd:%d", move->fds[0]);
	begin_source(move, uri);
	/* ramjet has its own copies: an end of stream must be seen. */
	close_fds(move);
}

static void begin_on_file(struct move *move, enum move_over over)
{
	char path[128], uri[128], given[32];

	(void)uri_in(move, "file", "image", uri);
	(void)snprintf(path, sizeof(path), "%s/image", move->folder);
	move->fds[0] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(move->fds[0], MOVE_OLDER, sizeof(MOVE_OLDER)),
			 sizeof(MOVE_OLDER));
	assert_int_equal(lseek(move->fds[0], 0, SEEK_SET), 0);
	(void)snprintf(given, sizeof(given), "fd:%d", move->fds[0]);
	begin_source(move, over == MOVE_FILE_FD ? given : uri);
	close_fds(move);
	(void)ramjet_wait(move->outgoing, WAIT_MS, NULL);
	begin_target(move, uri);
}

void move_begin(struct move *move, enum move_over over)
{
	int ends[2];

	switch (over) {
	case MOVE_UNIX:
		move_listen(move);
		move_send(move);
		break;
	case MOVE_TCP:
		begin_target(move, "tcp:127.0.0.1:0");
		begin_source(move, ramjet_listen_uri(move->incoming));
		break;
	case MOVE_SOCKETPAIR:
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC,
					    0, move->fds),
				 0);
		begin_on_fds(move);
		break;
	case MOVE_PIPE:
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		move->fds[0] = ends[1];
		move->fds[1] = ends[0];
		begin_on_fds(move);
		break;
	default:
		begin_on_file(move, over);
		break;
	}
}

void move_await(struct move *move)
{
	ramjet_info_free(move->info);
	ramjet_info_free(move->target_info);
	move->info = move->target_info = NULL;
	move->source_rc =
		ramjet_wait(move->outgoing, WAIT_MS, &move->source_err);
	move->target_rc =
		ramjet_wait(move->incoming, WAIT_MS, &move->target_err);
	if (!ramjet_state_is_final(ramjet_migration_state(move->outgoing)) ||
	    !ramjet_state_is_final(ramjet_migration_state(move->incoming)))
		fail_msg("hangs: source %s, target %s",
			 move->source_err.message, move->target_err.message);
	assert_int_equal(ramjet_info(move->outgoing, &move->info), 0);
	assert_int_equal(ramjet_info(move->incoming, &move->target_info), 0);
	ramjet_migration_free(move->outgoing);
	ramjet_migration_free(move->incoming);
	set_handle(move, &move->outgoing, NULL);
	set_handle(move, &move->incoming, NULL);
}

static void expect_good_end(int rc, const struct ramjet_error *err,
			    const char *who)
{
	if (rc)
		fail_msg("%s: %d: %s", who, rc, err->message);
}

/* What lies in arrays can be walked by programs that know less, or more. */
static void expect_sizes(const struct ramjet_info *info)
{
	assert_true(RAMJET_HAS(info, guest_downtime_us));
	for (size_t i = 0; i < info->round_count; i++)
		assert_int_equal(RAMJET_AT(info->rounds, i)->size,
				 sizeof(*info->rounds));
	for (size_t i = 0; i < info->channel_count; i++)
		assert_int_equal(RAMJET_AT(info->channels, i)->size,
				 sizeof(*info->channels));
	for (size_t i = 0; i < info->term_count; i++)
		assert_int_equal(RAMJET_AT(info->terms, i)->size,
				 sizeof(*info->terms));
	for (size_t i = 0; i < info->fast_path_count; i++)
		assert_int_equal(RAMJET_AT(info->fast_paths, i)->size,
				 sizeof(*info->fast_paths));
}

void move_expect_done(struct move *move)
{
	expect_sizes(move->info);
	expect_sizes(move->target_info);
	expect_good_end(move->source_rc, &move->source_err, "source");
	expect_good_end(move->target_rc, &move->target_err, "target");
	assert_int_equal(move->info->state, RAMJET_STATE_COMPLETED);
	assert_int_equal(move->target_info->state, RAMJET_STATE_COMPLETED);
	assert_false(atomic_load(&move->source.running));
	assert_true(atomic_load(&move->target.running));
	assert_int_equal(small_vm_calls(&move->target, VM_START), 1);
	small_vm_expect_equal(&move->source, &move->target);
}

void move_expect_stayed(struct move *move)
{
	assert_true(move->source_rc < 0);
	assert_true(move->target_rc < 0);
	assert_true(atomic_load(&move->source.running));
	assert_false(atomic_load(&move->target.running));
	assert_int_equal(small_vm_calls(&move->target, VM_START), 0);
	assert_int_equal(small_vm_calls(&move->source, VM_STOP),
			 small_vm_calls(&move->source, VM_START));
	assert_non_null(move->info->error);
	assert_int_equal(move->info->error->code, move->source_rc);
	assert_string_equal(move->info->error->message,
			    move->source_err.message);
}

void move_expect_movable(struct move *move)
{
	struct small_vm *ends[] = { &move->source, &move->target };

	for (unsigned i = 0; i < 2; i++) {
		ends[i]->on_call = NULL;
		ends[i]->on_state = NULL;
		ends[i]->dirt = NULL;
		memset(ends[i]->fails, 0, sizeof(ends[i]->fails));
		ends[i]->state_count = 0;
	}
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
}

void move_expect_error(const struct ramjet_error *err, int code,
		       const char *part)
{
	if (err->code != code || !strstr(err->message, part))
		fail_msg("error %d \"%s\", wanted %d with \"%s\"", err->code,
			 err->message, code, part);
}
