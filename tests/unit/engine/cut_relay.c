/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/cut_relay.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/link/event.h"
#include "engine/link/hello.h"

#define CHUNK 65536u

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int connect_on(const char *path)
{
	const struct sockaddr_un address = address_of(path);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void close_pair(struct cut_relay_pair *pair)
{
	for (unsigned i = 0; i < 2; i++) {
		if (pair->fds[i] >= 0)
			(void)close(pair->fds[i]);
		pair->fds[i] = -1;
	}
}

static bool send_whole(int fd, const uint8_t *data, size_t bytes)
{
	while (bytes) {
		const ssize_t n = send(fd, data, bytes, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		bytes -= (size_t)n;
	}
	return true;
}

/* Frames are small, and come whole here: so a COMMIT is seen as it passes. */
static void look_for_commit(struct cut_relay *relay, const uint8_t *data,
			    size_t bytes, uint64_t at)
{
	static const uint8_t begins[] = { 'R', 'M', 'J', '1', RJ_FRAME_COMMIT };

	for (size_t i = 0; i + RJ_HEADER_BYTES <= bytes; i++)
		if (!memcmp(data + i, begins, sizeof(begins)))
			atomic_store(&relay->commit_at,
				     at + i + RJ_HEADER_BYTES +
					     RJ_COMMIT_BYTES);
}

static void cut(struct cut_relay *relay, struct cut_relay_pair *pair)
{
	/* Noted before anybody can find out. */
	const unsigned cuts = atomic_fetch_add(&relay->cuts, 1) + 1;

	if (cuts == relay->times && relay->is_the_end) {
		(void)close(relay->listener);
		relay->listener = -1;
		(void)unlink(relay->listens);
	}
	close_pair(pair);
}

static void pass(struct cut_relay *relay, struct cut_relay_pair *pair,
		 unsigned from)
{
	const bool is_cut = pair->is_control && from == relay->way &&
			    atomic_load(&relay->cuts) < relay->times;
	static _Thread_local uint8_t chunk[CHUNK];
	uint64_t most = CHUNK;
	ssize_t n;

	if (is_cut && relay->after - pair->passed[from] < most)
		most = relay->after - pair->passed[from];
	n = most ? recv(pair->fds[from], chunk, most, MSG_DONTWAIT) : 0;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && pair->is_control && from == CUT_TO_TARGET)
		look_for_commit(relay, chunk, (size_t)n, pair->passed[from]);
	if (n > 0 && !send_whole(pair->fds[!from], chunk, (size_t)n))
		n = 0;
	pair->passed[from] += n > 0 ? (uint64_t)n : 0;
	if (is_cut && pair->passed[from] == relay->after)
		cut(relay, pair);
	else if (n <= 0)
		close_pair(pair);
}

static void take_in(struct cut_relay *relay)
{
	struct cut_relay_pair *pair = &relay->pairs[relay->count];
	uint8_t hello[RJ_HELLO_FRAME_BYTES];
	const int fd = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	assert_true(relay->count < CUT_RELAY_CONNS);
	*pair = (struct cut_relay_pair){
		.fds = { fd, connect_on(relay->target) },
	};
	relay->count++;
	if (pair->fds[1] < 0 ||
	    recv(fd, hello, sizeof(hello), MSG_WAITALL) != sizeof(hello) ||
	    !send_whole(pair->fds[1], hello, sizeof(hello))) {
		close_pair(pair);
		return;
	}
	pair->passed[CUT_TO_TARGET] = sizeof(hello);
	pair->is_control = hello[RJ_HEADER_BYTES + 4] == RJ_ROLE_CONTROL;
	if (pair->is_control)
		(void)atomic_fetch_add(&relay->control_links, 1);
}

static void cut_all(struct cut_relay *relay)
{
	relay->times = atomic_load(&relay->cuts) + 1;
	for (unsigned i = 0; i < relay->count; i++)
		if (relay->pairs[i].is_control && relay->pairs[i].fds[0] >= 0)
			cut(relay, &relay->pairs[i]);
}

static void *relay_thread(void *arg)
{
	struct cut_relay *relay = arg;
	struct pollfd fds[2 + 2 * CUT_RELAY_CONNS];

	for (;;) {
		const unsigned count = relay->count;

		fds[0] = (struct pollfd){ .fd = relay->wake_fd,
					  .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = relay->listener,
					  .events = POLLIN };
		for (unsigned i = 0; i < 2 * count; i++)
			fds[2 + i] = (struct pollfd){
				.fd = relay->pairs[i / 2].fds[i % 2],
				.events = POLLIN,
			};
		(void)poll(fds, 2 + 2 * count, -1);
		if (fds[0].revents)
			rj_event_clear(relay->wake_fd);
		if (atomic_load(&relay->ends))
			return NULL;
		if (atomic_exchange(&relay->cuts_now, false))
			cut_all(relay);
		for (unsigned i = 0; i < 2 * count; i++)
			if (fds[2 + i].revents &&
			    relay->pairs[i / 2].fds[i % 2] >= 0)
				pass(relay, &relay->pairs[i / 2], i % 2);
		if (fds[1].revents)
			take_in(relay);
	}
}

void cut_relay_begin(struct cut_relay *relay, const char *folder)
{
	struct sockaddr_un address;

	(void)snprintf(relay->listens, sizeof(relay->listens), "%s/relay",
		       folder);
	(void)snprintf(relay->target, sizeof(relay->target), "%s/socket",
		       folder);
	address = address_of(relay->listens);
	relay->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	relay->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(relay->listener,
			      (const struct sockaddr *)&address,
			      sizeof(address)),
			 0);
	assert_int_equal(listen(relay->listener, 64), 0);
	assert_int_equal(
		pthread_create(&relay->thread, NULL, relay_thread, relay), 0);
	relay->started = true;
}

void cut_relay_cut(struct cut_relay *relay)
{
	const unsigned before = atomic_load(&relay->cuts);

	atomic_store(&relay->cuts_now, true);
	rj_event_signal(relay->wake_fd);
	while (atomic_load(&relay->cuts) == before)
		(void)poll(NULL, 0, 1);
}

void cut_relay_end(struct cut_relay *relay)
{
	if (!relay->started)
		return;
	atomic_store(&relay->ends, true);
	rj_event_signal(relay->wake_fd);
	(void)pthread_join(relay->thread, NULL);
	for (unsigned i = 0; i < relay->count; i++)
		close_pair(&relay->pairs[i]);
	if (relay->listener >= 0)
		(void)close(relay->listener);
	(void)close(relay->wake_fd);
	(void)unlink(relay->listens);
	relay->started = false;
}
