/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/wire_peer.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/wire/bytes.h"

#define PATIENCE_MS 60000

void wire_peer_init(struct wire_peer *peer)
{
	memset(peer, 0, sizeof(*peer));
	peer->listener = peer->control = -1;
	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++)
		peer->data[i] = -1;
	(void)pthread_mutex_init(&peer->lock, NULL);
	(void)pthread_cond_init(&peer->changed, NULL);
}

void wire_peer_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void wire_peer_hang_up(struct wire_peer *peer)
{
	/* A round may be about to be reported. */
	(void)pthread_mutex_lock(&peer->lock);
	wire_peer_close(&peer->control);
	(void)pthread_mutex_unlock(&peer->lock);
}

void wire_peer_cut_data(struct wire_peer *peer)
{
	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++)
		if (peer->data[i] >= 0)
			(void)shutdown(peer->data[i], SHUT_RDWR);
}

static bool receive(int fd, void *data, size_t bytes)
{
	return !bytes || recv(fd, data, bytes, MSG_WAITALL) == (ssize_t)bytes;
}

/* 1: a fence; 0: another frame; -1: the end. */
static int take_frame(int fd, struct rj_frame *ret)
{
	uint8_t header[RJ_HEADER_BYTES], scratch[4096];
	size_t left;

	if (!receive(fd, header, sizeof(header)) ||
	    rj_frame_decode(header, ret, NULL))
		return -1;
	left = (size_t)wire_peer_frame_bytes(ret) - RJ_HEADER_BYTES;
	while (left) {
		const size_t piece =
			left < sizeof(scratch) ? left : sizeof(scratch);

		if (!receive(fd, scratch, piece))
			return -1;
		left -= piece;
	}
	return ret->type == RJ_FRAME_FENCE;
}

static bool may_report_locked(const struct wire_peer *peer)
{
	bool final = false;

	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++) {
		if (peer->fences[i] <= peer->applied)
			return false;
		final = final || (peer->final[i] &&
				  peer->fences[i] == peer->applied + 1);
	}
	return !final || peer->reports_final;
}

static void report_locked(struct wire_peer *peer)
{
	while (may_report_locked(peer)) {
		(void)wire_peer_send_round(peer->control, RJ_FRAME_APPLIED,
					   peer->applied, 0);
		peer->applied++;
		(void)pthread_cond_broadcast(&peer->changed);
	}
}

static bool take_from(struct wire_peer *peer, unsigned channel)
{
	struct rj_frame frame;
	const int rc = take_frame(peer->data[channel], &frame);

	if (rc <= 0)
		return !rc;
	(void)pthread_mutex_lock(&peer->lock);
	peer->fences[channel]++;
	peer->final[channel] = frame.flags & RJ_FLAG_FINAL;
	report_locked(peer);
	(void)pthread_mutex_unlock(&peer->lock);
	return true;
}

static void *take_pages(void *user)
{
	struct wire_peer *peer = user;
	struct pollfd fds[WIRE_PEER_CHANNELS];
	unsigned open_count = WIRE_PEER_CHANNELS;

	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++)
		fds[i] = (struct pollfd){ .fd = peer->data[i],
					  .events = POLLIN };
	while (open_count) {
		(void)poll(fds, WIRE_PEER_CHANNELS, -1);
		for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++) {
			if (fds[i].fd < 0 || !fds[i].revents ||
			    take_from(peer, i))
				continue;
			fds[i].fd = -1;
			open_count--;
		}
	}
	return NULL;
}

void wire_peer_take_pages(struct wire_peer *peer)
{
	assert_int_equal(pthread_create(&peer->taker, NULL, take_pages, peer),
			 0);
	peer->has_taker = true;
}

static bool final_is_reported_locked(const struct wire_peer *peer)
{
	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++)
		if (!peer->final[i] || peer->fences[i] != peer->applied)
			return false;
	return true;
}

void wire_peer_report_final(struct wire_peer *peer)
{
	(void)pthread_mutex_lock(&peer->lock);
	peer->reports_final = true;
	report_locked(peer);
	while (!final_is_reported_locked(peer))
		(void)pthread_cond_wait(&peer->changed, &peer->lock);
	(void)pthread_mutex_unlock(&peer->lock);
}

void wire_peer_done(struct wire_peer *peer)
{
	wire_peer_cut_data(peer);
	if (peer->has_taker)
		(void)pthread_join(peer->taker, NULL);
	peer->has_taker = false;
	wire_peer_close(&peer->listener);
	wire_peer_close(&peer->control);
	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++)
		wire_peer_close(&peer->data[i]);
}

static struct sockaddr_un address_in(const char *folder)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket",
		       folder);
	return address;
}

void wire_peer_listen(struct wire_peer *peer, const char *folder)
{
	const struct sockaddr_un address = address_in(folder);

	(void)unlink(address.sun_path);
	peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(peer->listener, (const void *)&address, sizeof(address)),
		0);
	assert_int_equal(listen(peer->listener, 16), 0);
}

static void await_readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	if (poll(&poll_fd, 1, PATIENCE_MS) != 1)
		fail_msg("the other side says nothing");
}

int wire_peer_accept(struct wire_peer *peer)
{
	int fd;

	await_readable(peer->listener);
	fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

int wire_peer_connect(const char *folder)
{
	const struct sockaddr_un address = address_in(folder);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const void *)&address, sizeof(address)),
			 0);
	return fd;
}

bool wire_peer_send_bytes(int fd, const void *data, size_t bytes)
{
	size_t at = 0;

	while (at < bytes) {
		const ssize_t n = send(fd, (const char *)data + at, bytes - at,
				       MSG_NOSIGNAL);

		if (n < 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* With one call: another thread may send on the same connection. */
bool wire_peer_send(int fd, const struct rj_frame *frame, const void *table,
		    const void *payload)
{
	const size_t table_bytes = (size_t)frame->run_count * RJ_RUN_BYTES;
	uint8_t *wire = malloc(wire_peer_frame_bytes(frame));
	bool sent;

	rj_frame_encode(frame, table, payload, wire);
	if (table_bytes)
		memcpy(wire + RJ_HEADER_BYTES, table, table_bytes);
	if (frame->payload_bytes)
		memcpy(wire + RJ_HEADER_BYTES + table_bytes, payload,
		       frame->payload_bytes);
	sent = wire_peer_send_bytes(fd, wire, wire_peer_frame_bytes(frame));
	free(wire);
	return sent;
}

bool wire_peer_send_type(int fd, enum rj_frame_type type)
{
	return wire_peer_send_round(fd, type, 0, 0);
}

bool wire_peer_send_round(int fd, enum rj_frame_type type, uint32_t round,
			  uint8_t flags)
{
	const struct rj_frame frame = {
		.type = (uint8_t)type,
		.round = round,
		.flags = flags,
	};

	return wire_peer_send(fd, &frame, NULL, NULL);
}

bool wire_peer_send_failed(int fd, int code, const char *text)
{
	struct ramjet_error error = { .code = code };
	struct rj_frame frame = { .type = RJ_FRAME_FAILED };
	uint8_t body[RJ_FAILED_BYTES_MAX];

	(void)snprintf(error.message, sizeof(error.message), "%s", text);
	frame.payload_bytes = (uint32_t)rj_failed_encode(&error, body);
	return wire_peer_send(fd, &frame, NULL, body);
}

bool wire_peer_send_hello(int fd, const struct rj_hello *hello)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_HELLO,
		.payload_bytes = RJ_HELLO_BYTES,
	};
	uint8_t body[RJ_HELLO_BYTES];

	rj_hello_encode(hello, body);
	return wire_peer_send(fd, &frame, NULL, body);
}

static bool send_body(int fd, enum rj_frame_type type, const void *body,
		      uint32_t bytes)
{
	const struct rj_frame frame = {
		.type = (uint8_t)type,
		.payload_bytes = bytes,
	};

	return wire_peer_send(fd, &frame, NULL, body);
}

bool wire_peer_send_accept(int fd, uint16_t channels)
{
	uint8_t body[RJ_ACCEPT_BYTES];

	rj_accept_encode(channels, body);
	return send_body(fd, RJ_FRAME_ACCEPT, body, sizeof(body));
}

bool wire_peer_send_ready(int fd, uint32_t verified_blocks)
{
	const struct rj_ready ready = { .verified_blocks = verified_blocks };
	uint8_t body[RJ_READY_BYTES];

	rj_ready_encode(&ready, body);
	return send_body(fd, RJ_FRAME_READY, body, sizeof(body));
}

bool wire_peer_send_running(int fd, uint64_t token)
{
	const struct rj_running running = { .start_us = 1, .token = token };
	uint8_t body[RJ_RUNNING_BYTES];

	rj_running_encode(&running, body);
	return send_body(fd, RJ_FRAME_RUNNING, body, sizeof(body));
}

bool wire_peer_send_commit(int fd, uint64_t token)
{
	uint8_t body[RJ_COMMIT_BYTES];

	rj_put64(body, token);
	return send_body(fd, RJ_FRAME_COMMIT, body, sizeof(body));
}

bool wire_peer_send_ping(int fd, enum rj_frame_type type, uint64_t token)
{
	uint8_t body[RJ_PING_BYTES];

	rj_put64(body, token);
	return send_body(fd, type, body, sizeof(body));
}

uint64_t wire_peer_frame_bytes(const struct rj_frame *frame)
{
	return RJ_HEADER_BYTES + (uint64_t)frame->run_count * RJ_RUN_BYTES +
	       frame->payload_bytes;
}

static bool read_bytes(int fd, void *data, size_t bytes)
{
	size_t at = 0;

	while (at < bytes) {
		ssize_t n;

		await_readable(fd);
		n = read(fd, (char *)data + at, bytes - at);
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static bool skip_bytes(int fd, size_t bytes)
{
	uint8_t scratch[4096];

	while (bytes) {
		const size_t piece =
			bytes < sizeof(scratch) ? bytes : sizeof(scratch);

		if (!read_bytes(fd, scratch, piece))
			return false;
		bytes -= piece;
	}
	return true;
}

bool wire_peer_read(int fd, struct rj_frame *ret, void *payload, size_t bytes)
{
	uint8_t header[RJ_HEADER_BYTES];
	struct ramjet_error err = { 0 };

	if (!read_bytes(fd, header, sizeof(header)))
		return false;
	if (rj_frame_decode(header, ret, &err))
		fail_msg("the other side sends: %s", err.message);
	if (bytes > ret->payload_bytes)
		bytes = ret->payload_bytes;
	return skip_bytes(fd, (size_t)ret->run_count * RJ_RUN_BYTES) &&
	       read_bytes(fd, payload, bytes) &&
	       skip_bytes(fd, ret->payload_bytes - bytes);
}

bool wire_peer_await(int fd, enum rj_frame_type type, struct rj_frame *ret)
{
	do {
		if (!wire_peer_read(fd, ret, NULL, 0))
			return false;
	} while (ret->type != type);
	return true;
}

void wire_peer_hear_end(int fd, struct ramjet_error *ret)
{
	uint8_t body[RJ_FAILED_BYTES_MAX];
	struct rj_frame frame;

	*ret = (struct ramjet_error){ 0 };
	while (wire_peer_read(fd, &frame, body, sizeof(body)))
		if (frame.type == RJ_FRAME_FAILED)
			assert_int_equal(rj_failed_decode(body,
							  frame.payload_bytes,
							  ret, NULL),
					 0);
		else if (frame.type == RJ_FRAME_CANCEL)
			ret->code = -ECONNABORTED;
}
