/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qmp/server.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "cli/qmp/listen.h"
#include "cli/qmp/message.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/mutex.h"

#define THREAD_NAME "rj/monitor"
/* While a client is on its way out, or no descriptor is left to accept with. */
#define NAP_MS   100
#define FLUSH_NS UINT64_C(1000000000)

enum {
	POLL_WAKE = 0,
	POLL_LISTENER,
	POLL_CLIENTS
};

struct rj_qmp_server {
	/* immutable after _start */
	struct rj_qmp_server_setup setup;
	struct rj_socket_file file;
	int wake_fd;
	pthread_t thread;
	/* any thread */
	atomic_bool stopping;
	atomic_uint client_count_seen;
	struct rj_mutex lock; /* a leaf: nothing else is taken inside it */
	struct rj_qmp_note notes[RJ_QMP_NOTES_MAX] RJ_GUARDED_BY(lock);
	uint64_t notes_begin RJ_GUARDED_BY(lock);
	uint64_t notes_end RJ_GUARDED_BY(lock);
	/* owned by the thread */
	int listen_fd;
	bool out_of_fds;
	struct rj_qmp_client *clients[RJ_QMP_CLIENTS_MAX];
	unsigned client_count;
};

static void wake(struct rj_qmp_server *s)
{
	const uint64_t one = 1;

	/* If the pipe is full, the thread will wake anyway. */
	(void)!write(s->wake_fd, &one, sizeof(one));
}

void rj_qmp_server_note(struct rj_qmp_server *s, int kind, int value)
{
	const struct rj_qmp_note note = {
		.kind = kind,
		.value = value,
		.at_us = rj_clock_ns(CLOCK_REALTIME) / 1000,
	};

	rj_lock(&s->lock);
	s->notes[s->notes_end++ % RJ_QMP_NOTES_MAX] = note;
	if (s->notes_end - s->notes_begin > RJ_QMP_NOTES_MAX)
		s->notes_begin++;
	rj_unlock(&s->lock);
	wake(s);
}

static bool next_note(struct rj_qmp_server *s, struct rj_qmp_note *ret)
{
	bool found;

	rj_lock(&s->lock);
	found = s->notes_begin < s->notes_end;
	if (found)
		*ret = s->notes[s->notes_begin++ % RJ_QMP_NOTES_MAX];
	rj_unlock(&s->lock);
	return found;
}

static void deliver_notes(struct rj_qmp_server *s)
{
	struct rj_qmp_note note;

	while (next_note(s, &note))
		s->setup.note(s->setup.user, &note);
}

void rj_qmp_server_say(struct rj_qmp_server *s, json_t *event)
{
	rj_autofree char *line = rj_qmp_line(event);

	for (unsigned i = 0; i < s->client_count; i++)
		if (s->clients[i]->peer.negotiated)
			rj_qmp_client_say(s->clients[i], line);
}

unsigned rj_qmp_server_clients(const struct rj_qmp_server *s)
{
	return atomic_load(&s->client_count_seen);
}

/* ---- clients come and go ---- */

static void refuse(int fd)
{
	rj_autofree char *line = rj_qmp_line(
		rj_qmp_error(RJ_QMP_GENERIC_ERROR,
			     "too many clients, try again later", NULL));

	if (line)
		(void)send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

static void admit(struct rj_qmp_server *s)
{
	struct rj_qmp_client *client;
	int fd =
		accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	s->out_of_fds = fd < 0 && errno != EAGAIN && errno != ECONNABORTED;
	if (fd < 0)
		return;
	if (s->client_count == RJ_QMP_CLIENTS_MAX) {
		refuse(fd);
		return;
	}
	client = rj_qmp_client_new(fd);
	if (client)
		s->clients[s->client_count++] = client;
	atomic_store(&s->client_count_seen, s->client_count);
}

static void sweep(struct rj_qmp_server *s)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < s->client_count; i++) {
		rj_qmp_client_write(s->clients[i]);
		if (s->clients[i]->fd >= 0)
			s->clients[kept++] = s->clients[i];
		else
			rj_qmp_client_free(s->clients[i]);
	}
	s->client_count = kept;
	atomic_store(&s->client_count_seen, kept);
}

/* ---- the thread ---- */

static nfds_t watch_list(struct rj_qmp_server *s, struct pollfd *fds)
{
	fds[POLL_WAKE] = (struct pollfd){ .fd = s->wake_fd, .events = POLLIN };
	fds[POLL_LISTENER] =
		(struct pollfd){ .fd = s->out_of_fds ? -1 : s->listen_fd,
				 .events = POLLIN };
	for (unsigned i = 0; i < s->client_count; i++)
		fds[POLL_CLIENTS + i] = (struct pollfd){
			.fd = s->clients[i]->fd,
			.events = rj_qmp_client_events(s->clients[i]),
		};
	return POLL_CLIENTS + s->client_count;
}

static int patience_ms(struct rj_qmp_server *s)
{
	int ms = s->setup.tick(s->setup.user);
	bool nap = s->out_of_fds;

	for (unsigned i = 0; i < s->client_count; i++)
		nap = nap || s->clients[i]->leaves_ns;
	return nap && (ms < 0 || ms > NAP_MS) ? NAP_MS : ms;
}

static void turn(struct rj_qmp_server *s)
{
	struct pollfd fds[POLL_CLIENTS + RJ_QMP_CLIENTS_MAX];
	int ms = patience_ms(s);
	/* Clients of now; the tick may have queued something for them. */
	const nfds_t count = watch_list(s, fds);
	uint64_t drained;

	if (poll(fds, count, ms) < 0)
		return;
	if (fds[POLL_WAKE].revents)
		(void)!read(s->wake_fd, &drained, sizeof(drained));
	deliver_notes(s);
	for (nfds_t i = POLL_CLIENTS; i < count; i++)
		if (fds[i].revents & (POLLIN | POLLHUP | POLLERR))
			rj_qmp_client_read(s->clients[i - POLL_CLIENTS],
					   &s->setup.commands);
	s->out_of_fds = false;
	if (fds[POLL_LISTENER].revents)
		admit(s);
	sweep(s);
}

static bool has_waiting(const struct rj_qmp_server *s)
{
	for (unsigned i = 0; i < s->client_count; i++)
		if (!rj_qmp_outbox_is_empty(&s->clients[i]->outbox))
			return true;
	return false;
}

/* Send what is queued to clients that read it soon. */
static void wind_up(struct rj_qmp_server *s)
{
	const uint64_t end_ns = rj_now_ns() + FLUSH_NS;
	struct pollfd fds[POLL_CLIENTS + RJ_QMP_CLIENTS_MAX];

	deliver_notes(s);
	sweep(s);
	while (has_waiting(s) && rj_now_ns() < end_ns) {
		const nfds_t count = watch_list(s, fds);

		for (nfds_t i = 0; i < count; i++)
			fds[i].events = i < POLL_CLIENTS ? 0 : POLLOUT;
		(void)poll(fds + POLL_CLIENTS, count - POLL_CLIENTS, NAP_MS);
		sweep(s);
	}
	for (unsigned i = 0; i < s->client_count; i++)
		rj_qmp_client_free(s->clients[i]);
	s->client_count = 0;
}

static void *serve(void *arg)
{
	struct rj_qmp_server *s = arg;

	while (!atomic_load(&s->stopping))
		turn(s);
	wind_up(s);
	return NULL;
}

static void free_server(struct rj_qmp_server *s)
{
	rj_close_fd(&s->listen_fd);
	rj_close_fd(&s->wake_fd);
	rj_mutex_done(&s->lock);
	free(s);
}

int rj_qmp_server_start(const struct rj_qmp_server_setup *setup,
			struct rj_qmp_server **ret, struct ramjet_error *err)
{
	struct rj_qmp_server *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (!s)
		return rj_fail(err, -ENOMEM, "monitor: out of memory");
	s->setup = *setup;
	rj_mutex_init(&s->lock);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->listen_fd = rj_qmp_listen(setup->path, &s->file, err);
	if (s->listen_fd < 0)
		rc = s->listen_fd;
	else if (s->wake_fd < 0)
		rc = rj_fail_errno(err, -errno, "monitor: eventfd");
	/* Hashing is seeded once; here no other thread uses it yet. */
	json_object_seed(0);
	*ret = s;
	if (!rc)
		rc = -pthread_create(&s->thread, NULL, serve, s);
	if (rc) {
		*ret = NULL;
		rj_socket_file_unlink(&s->file);
		free_server(s);
		return rj_fail_errno(err, rc, "monitor: thread");
	}
	(void)pthread_setname_np(s->thread, THREAD_NAME);
	return 0;
}

void rj_qmp_server_stop(struct rj_qmp_server *s)
{
	if (!s)
		return;
	atomic_store(&s->stopping, true);
	wake(s);
	(void)pthread_join(s->thread, NULL);
	rj_socket_file_unlink(&s->file);
	free_server(s);
}
