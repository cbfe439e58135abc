/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/player.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

/* Chosen: longer than an answer takes on an idle machine. Where it is too short, a
 * play goes less deep than its script: no finding is made of that. */
#define AWAIT_NS (20 * UINT64_C(1000000))
/* A script whose waits are in vain goes on without. */
#define IN_VAIN_MAX 2u
/* Sides end at once when their connections do: this is for machines that are busy. */
#define END_NS (30 * UINT64_C(1000000000))

void player_init(struct player *player, const uint8_t *data, size_t bytes,
		 size_t head_bytes)
{
	const size_t script_bytes = bytes > head_bytes ? bytes - head_bytes : 0;

	memset(player, 0, sizeof(*player));
	for (unsigned i = 0; i < PLAYER_CONNS; i++)
		player->conns[i].fd = -1;
	/* Exactly as large: a byte too far is found. */
	player->copy = malloc(script_bytes ? script_bytes : 1);
	if (!player->copy)
		abort();
	if (script_bytes)
		memcpy(player->copy, data + head_bytes, script_bytes);
	player->script = (struct script){ player->copy, script_bytes, 0 };
	(void)pthread_mutex_init(&player->lock, NULL);
	(void)pthread_cond_init(&player->changed, NULL);
}

void player_done(struct player *player)
{
	for (unsigned i = 0; i < PLAYER_CONNS; i++)
		if (player->conns[i].fd >= 0)
			(void)close(player->conns[i].fd);
	(void)pthread_cond_destroy(&player->changed);
	(void)pthread_mutex_destroy(&player->lock);
	free(player->copy);
}

int player_connect(struct player *player, unsigned index)
{
	int fds[2] = { -1, -1 };

	(void)pthread_mutex_lock(&player->lock);
	if (player->conns[index].fd < 0) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
			abort();
		player->conns[index] = (struct player_conn){ .fd = fds[0] };
		(void)pthread_cond_broadcast(&player->changed);
	}
	(void)pthread_mutex_unlock(&player->lock);
	return fds[1];
}

void player_adopt(struct player *player, unsigned index, int fd)
{
	(void)pthread_mutex_lock(&player->lock);
	player->conns[index] = (struct player_conn){ .fd = fd };
	(void)pthread_mutex_unlock(&player->lock);
}

bool player_has(struct player *player, unsigned index)
{
	bool has;

	(void)pthread_mutex_lock(&player->lock);
	has = player->conns[index].fd >= 0;
	(void)pthread_mutex_unlock(&player->lock);
	return has;
}

static int fd_of(struct player *player, unsigned index)
{
	int fd;

	(void)pthread_mutex_lock(&player->lock);
	fd = player->conns[index].ended ? -1 : player->conns[index].fd;
	(void)pthread_mutex_unlock(&player->lock);
	return fd;
}

void player_hang_up(struct player *player, unsigned index)
{
	const int fd = fd_of(player, index);

	if (fd >= 0)
		(void)shutdown(fd, SHUT_WR);
}

bool player_await_connection(struct player *player, unsigned index)
{
	struct timespec until;
	int rc = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += AWAIT_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	(void)pthread_mutex_lock(&player->lock);
	while (!rc && player->conns[index].fd < 0)
		rc = pthread_cond_timedwait(&player->changed, &player->lock,
					    &until);
	rc = player->conns[index].fd < 0;
	(void)pthread_mutex_unlock(&player->lock);
	return !rc;
}

/* Fences that have come on all channels; in band, on the control link. */
static uint32_t whole_rounds(const struct player *player)
{
	const bool many = player->conns[1].fd >= 0;
	uint32_t least = UINT32_MAX;

	for (unsigned i = many; i < PLAYER_CONNS; i++)
		if (player->conns[i].fd >= 0 && player->conns[i].fences < least)
			least = player->conns[i].fences;
	return least;
}

/* A frame of the other side is there, its body as far as it fits. */
static void take(struct player *player, struct player_conn *conn)
{
	const uint8_t type = conn->header[4];

	if (getenv("FUZZ_STORY"))
		(void)fprintf(stderr, "%s %u on %u\n", rj_frame_type_name(type),
			      rj_get32(conn->header + 8),
			      (unsigned)(conn - player->conns));
	player->seen[type]++;
	conn->fences += type == RJ_FRAME_FENCE;
	if (type == RJ_FRAME_FENCE)
		player->seen[type] = whole_rounds(player);
	if (type == RJ_FRAME_HELLO &&
	    rj_hello_decode(conn->body, RJ_HELLO_BYTES, &player->hello, NULL))
		abort();
	if (type == RJ_FRAME_COMMIT)
		player->token = rj_get64(conn->body);
}

static size_t frame_bytes(const struct player_conn *conn)
{
	struct rj_frame frame;

	/* What this side says is always well formed. */
	if (rj_frame_decode(conn->header, &frame, NULL))
		abort();
	return RJ_HEADER_BYTES + (size_t)frame.run_count * RJ_RUN_BYTES +
	       frame.payload_bytes;
}

static void put(struct player *player, struct player_conn *conn,
		const uint8_t *data, size_t bytes)
{
	while (bytes) {
		size_t wanted = conn->have < RJ_HEADER_BYTES
					? RJ_HEADER_BYTES - conn->have
					: conn->frame_bytes - conn->have;
		const size_t piece = bytes < wanted ? bytes : wanted;

		for (size_t i = 0; i < piece; i++) {
			const size_t at = conn->have + i;

			if (at < RJ_HEADER_BYTES)
				conn->header[at] = data[i];
			else if (at - RJ_HEADER_BYTES < sizeof(conn->body))
				conn->body[at - RJ_HEADER_BYTES] = data[i];
			else
				break;
		}
		conn->have += piece;
		data += piece;
		bytes -= piece;
		if (conn->have == RJ_HEADER_BYTES)
			conn->frame_bytes = frame_bytes(conn);
		if (conn->have >= RJ_HEADER_BYTES &&
		    conn->have == conn->frame_bytes) {
			take(player, conn);
			conn->have = 0;
		}
	}
}

/* What is there on any connection; waits for the first until then. False: nothing came,
 * or all have ended. */
static bool hear(struct player *player, uint64_t deadline_ns)
{
	struct pollfd fds[PLAYER_CONNS];
	static uint8_t scratch[65536];
	const uint64_t now = rj_now_ns();
	const int left_ms = deadline_ns > now
				    ? (int)((deadline_ns - now) / 1000000) + 1
				    : 0;
	unsigned open_count = 0;

	for (unsigned i = 0; i < PLAYER_CONNS; i++) {
		fds[i] = (struct pollfd){ .fd = fd_of(player, i),
					  .events = POLLIN };
		open_count += fds[i].fd >= 0;
	}
	if (!open_count || poll(fds, PLAYER_CONNS, left_ms) <= 0)
		return false;
	for (unsigned i = 0; i < PLAYER_CONNS; i++) {
		ssize_t n;

		if (!fds[i].revents)
			continue;
		n = recv(fds[i].fd, scratch, sizeof(scratch), MSG_DONTWAIT);
		if (n > 0) {
			put(player, &player->conns[i], scratch, (size_t)n);
		} else if (!n || errno != EAGAIN) {
			(void)pthread_mutex_lock(&player->lock);
			player->conns[i].ended = true;
			(void)pthread_mutex_unlock(&player->lock);
		}
	}
	return true;
}

void player_await(struct player *player, unsigned code)
{
	const uint64_t deadline_ns = rj_now_ns() + AWAIT_NS;
	const uint8_t type = player->awaits[code];
	const uint32_t wanted = ++player->awaited[code];

	if (!type || player->in_vain == IN_VAIN_MAX)
		return;
	while (player->seen[type] < wanted)
		if (rj_now_ns() >= deadline_ns || !hear(player, deadline_ns)) {
			player->in_vain++;
			return;
		}
}

void player_send(struct player *player, unsigned index, const uint8_t *wire,
		 size_t bytes)
{
	const uint64_t deadline_ns = rj_now_ns() + END_NS;
	const int fd = fd_of(player, index);

	while (fd >= 0 && bytes && !player->conns[index].ended) {
		const ssize_t n =
			send(fd, wire, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n > 0) {
			wire += n;
			bytes -= (size_t)n;
		} else {
			/* It may wait for us to read. */
			struct pollfd room = { .fd = fd, .events = POLLOUT };

			(void)hear(player, 0);
			(void)poll(&room, 1, 1);
			if (rj_now_ns() > deadline_ns)
				abort();
		}
	}
}

void player_hear_all(struct player *player)
{
	const uint64_t deadline_ns = rj_now_ns() + END_NS;

	for (unsigned i = 0; i < PLAYER_CONNS; i++)
		player_hang_up(player, i);
	while (hear(player, deadline_ns))
		if (rj_now_ns() > deadline_ns)
			abort();
}

/* ---- traces ----------------------------------------------------------------- */

static unsigned entries(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned count = 0;

	if (!dir)
		abort();
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

struct player_traces player_look(void)
{
	return (struct player_traces){ entries("/proc/self/fd"),
				       entries("/proc/self/task") };
}

void player_expect_no_traces(const struct player_traces *before)
{
	const uint64_t deadline_ns = rj_now_ns() + END_NS;
	struct player_traces now = player_look();

	while (now.fds > before->fds || now.threads > before->threads) {
		if (now.fds > before->fds || rj_now_ns() > deadline_ns)
			abort();
		(void)usleep(100);
		now = player_look();
	}
}
