/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_WIRE_PEER_H
#define RJ_TESTS_WIRE_PEER_H
/*
 * The other side of a migration, played by the test: it speaks the wire format
 * over unix sockets, blocking, and only what it is told to. Asserts that
 * whatever it waits for comes within a minute.
 */
#include <pthread.h>
#include <stdbool.h>

#include "engine/wire/wire.h"

#define WIRE_PEER_CHANNELS 2u

struct wire_peer {
	int listener; /* -1: none, as all of these */
	int control;
	int data[WIRE_PEER_CHANNELS];
	struct rj_hello hello; /* of the control link */

	pthread_t taker;
	bool has_taker;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* guarded by lock */
	uint32_t fences[WIRE_PEER_CHANNELS]; /* seen on each channel */
	uint32_t applied;                    /* rounds reported */
	bool final[WIRE_PEER_CHANNELS];      /* the latest fence was */
	bool reports_final;
};

void wire_peer_init(struct wire_peer *peer);
void wire_peer_done(struct wire_peer *peer);
void wire_peer_close(int *fd);
/* Close the control link, whatever the peer's threads are doing. */
void wire_peer_hang_up(struct wire_peer *peer);

/* ---- connections ------------------------------------------------------------ */

/* `folder`/socket. */
void wire_peer_listen(struct wire_peer *peer, const char *folder);
int wire_peer_accept(struct wire_peer *peer);
int wire_peer_connect(const char *folder);
/* As a target: read and forget what comes on the data channels, on a thread,
 * and report all rounds but the final one as applied. */
void wire_peer_take_pages(struct wire_peer *peer);
/* Wait for the final round, and report it. */
void wire_peer_report_final(struct wire_peer *peer);
/* The other side sees them end. */
void wire_peer_cut_data(struct wire_peer *peer);

/* ---- frames ------------------------------------------------------------------ */

/* False: the connection is closed. */
bool wire_peer_send_bytes(int fd, const void *data, size_t bytes);
bool wire_peer_send(int fd, const struct rj_frame *frame, const void *table,
		    const void *payload);
bool wire_peer_send_type(int fd, enum rj_frame_type type);
bool wire_peer_send_round(int fd, enum rj_frame_type type, uint32_t round,
			  uint8_t flags);
bool wire_peer_send_failed(int fd, int code, const char *text);
bool wire_peer_send_hello(int fd, const struct rj_hello *hello);
bool wire_peer_send_accept(int fd, uint16_t channels);
bool wire_peer_send_ready(int fd, uint32_t verified_blocks);
bool wire_peer_send_running(int fd, uint64_t token);
bool wire_peer_send_commit(int fd, uint64_t token);
bool wire_peer_send_ping(int fd, enum rj_frame_type type, uint64_t token);
/* How long it is on the wire. */
uint64_t wire_peer_frame_bytes(const struct rj_frame *frame);

/* The next frame, its payload cut to `bytes`; false at the end. */
bool wire_peer_read(int fd, struct rj_frame *ret, void *payload, size_t bytes);
/* Read and forget until a frame of this type; false at the end. */
bool wire_peer_await(int fd, enum rj_frame_type type, struct rj_frame *ret);
/* Nothing but frames of these kinds, then the end: FAILED, whose error it
 * returns (code 0: none came). */
void wire_peer_hear_end(int fd, struct ramjet_error *ret);
#endif
