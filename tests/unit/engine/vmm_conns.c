/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/vmm_conns.h"

#include "tests/unit/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ringio/conn_ops.h"
#include "util/compiler.h"

/* ---- operations -------------------------------------------------------- */

struct operated {
	struct vmm_conns *vmm;
	struct rj_conn conn;
};

static ssize_t op_send(void *user, const struct iovec *iov, unsigned count)
{
	const struct operated *o = user;

	return o->conn.ops->send(&o->conn, iov, count);
}

static ssize_t op_receive(void *user, const struct iovec *iov, unsigned count)
{
	const struct operated *o = user;

	return o->conn.ops->receive(&o->conn, iov, count);
}

static void op_close(void *user)
{
	struct operated *o = user;

	(void)rj_conn_close(&o->conn, 0, NULL);
	atomic_fetch_add(&o->vmm->closed, 1);
	free(o);
}

static int op_poll_fd(void *user, short *events)
{
	const struct operated *o = user;

	return o->conn.ops->poll_fd(&o->conn, events);
}

static bool op_is_pending(void *user)
{
	const struct operated *o = user;

	return o->conn.ops->is_pending(&o->conn);
}

static uint64_t op_outstanding(void *user)
{
	const struct operated *o = user;

	return rj_conn_outstanding(&o->conn);
}

static void op_shut_down(void *user)
{
	const struct operated *o = user;

	rj_conn_shut_down(&o->conn);
}

static void op_describe(void *user, char *buffer, size_t bytes)
{
	const struct operated *o = user;

	rj_conn_describe(&o->conn, buffer, bytes);
}

static const struct ramjet_connection_ops operations = {
	RAMJET_CONNECTION_OPS_INIT,    .send = op_send,
	.receive = op_receive,         .close = op_close,
	.poll_fd = op_poll_fd,         .is_pending = op_is_pending,
	.outstanding = op_outstanding, .shut_down = op_shut_down,
	.describe = op_describe,
};

/* What is not needed is not there. */
static const struct ramjet_connection_ops least = {
	RAMJET_CONNECTION_OPS_INIT,
	.send = op_send,
	.receive = op_receive,
	.close = op_close,
};

struct ramjet_connection vmm_connection(struct vmm_conns *vmm, int fd)
{
	struct ramjet_connection c = { RAMJET_CONNECTION_INIT };
	struct operated *o;
	struct rj_conn below;

	if (!vmm->by_operations) {
		c.fd = fd;
		return c;
	}
	o = malloc(sizeof(*o));
	if (!o || fcntl(fd, F_SETFL, O_NONBLOCK))
		abort();
	below = rj_conn_bare(fd, RJ_CONN_UNIX);
	*o = (struct operated){ vmm, xor_conn_over(&below, &vmm->kind) };
	atomic_fetch_add(&vmm->opened, 1);
	c.ops = vmm->kind.blind ? &least : &operations;
	c.user = o;
	return c;
}

/* ---- the VMM ----------------------------------------------------------- */

void vmm_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		abort();
}

void vmm_give(struct vmm_conns *vmm, int fd)
{
	const struct ramjet_connection given = vmm_connection(vmm, fd);
	struct ramjet_error err = { 0 };

	if (ramjet_incoming_give(vmm->move.incoming, &given, &err))
		fail_msg("give: %s", err.message);
}

static int connect_pair(struct vmm_conns *vmm, struct ramjet_connection *ret,
			struct ramjet_error *err)
{
	struct ramjet_connection given;
	int fds[2], rc;

	vmm_pair(fds);
	given = vmm_connection(vmm, fds[1]);
	rc = ramjet_incoming_give(vmm->move.incoming, &given, err);
	if (rc)
		abort();
	*ret = vmm_connection(vmm, fds[0]);
	return 0;
}

static int vmm_connect(void *user, const struct ramjet_connect_request *request,
		       struct ramjet_connection *ret, struct ramjet_error *err)
{
	struct vmm_conns *vmm = user;

	if (vmm->request_count < VMM_REQUESTS_MAX)
		vmm->requests[vmm->request_count++] = *request;
	if (!vmm->special || request->channel != vmm->special_channel)
		return connect_pair(vmm, ret, err);
	atomic_store(&vmm->called, true);
	return vmm->special(vmm, request, ret, err);
}

void vmm_init(struct vmm_conns *vmm, unsigned channels)
{
	move_init(&vmm->move, &move_machine);
	vmm->move.source_params.channels = channels;
	vmm->special_channel = -2;
	ramjet_connector_init(&vmm->connector);
	vmm->connector.name = "test";
	vmm->connector.connect = vmm_connect;
	vmm->connector.user = vmm;
}

void vmm_listen(struct vmm_conns *vmm)
{
	struct ramjet_error err = { 0 };

	if (ramjet_incoming_over(vmm->move.target.guest, "test",
				 &vmm->move.target_params, &vmm->move.incoming,
				 &err))
		fail_msg("incoming: %s", err.message);
}

void vmm_send(struct vmm_conns *vmm)
{
	struct ramjet_error err = { 0 };

	if (ramjet_migrate_over(vmm->move.source.guest, &vmm->connector,
				&vmm->move.source_params, &vmm->move.outgoing,
				&err))
		fail_msg("migrate: %s", err.message);
}

void vmm_begin(struct vmm_conns *vmm)
{
	vmm_listen(vmm);
	vmm_send(vmm);
}

/* ---- nothing is left --------------------------------------------------- */

/* Descriptors. ThreadSanitizer opens some of its own, at the first report, even
 * of what is suppressed (ringio/ring.c): other builds count them. */
static unsigned descriptors(void)
{
	unsigned count = 0;
#ifndef RJ_TSAN
	DIR *folder = opendir("/proc/self/fd");

	if (!folder)
		abort();
	while (readdir(folder))
		count++;
	(void)closedir(folder);
#endif
	return count;
}

/* ramjet's threads; a sanitizer has some of its own. */
static unsigned threads(void)
{
	DIR *folder = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned count = 0;

	if (!folder)
		abort();
	while ((entry = readdir(folder))) {
		char path[300], name[16] = "";
		FILE *file;

		(void)snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			       entry->d_name);
		file = fopen(path, "re");
		if (file && fgets(name, sizeof(name), file))
			count += !strncmp(name, "rj/", 3);
		if (file)
			(void)fclose(file);
	}
	(void)closedir(folder);
	return count;
}

void vmm_done(struct vmm_conns *vmm)
{
	move_done(&vmm->move);
	assert_int_equal(atomic_load(&vmm->opened), atomic_load(&vmm->closed));
	assert_int_equal(descriptors(), vmm->fds_before);
	/* One that was joined may be listed for a moment. */
	while (threads())
		(void)sched_yield();
	memset(vmm, 0, sizeof(*vmm));
	vmm->fds_before = descriptors();
}

int vmm_setup(void **state)
{
	struct vmm_conns *vmm = calloc(1, sizeof(*vmm));

	*state = vmm;
	if (!vmm)
		return -1;
	vmm->fds_before = descriptors();
	return 0;
}

int vmm_teardown(void **state)
{
	vmm_done(*state);
	free(*state);
	return 0;
}
