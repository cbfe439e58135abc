/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_PLAYER_H
#define RJ_TESTS_PLAYER_H
/*
 * Plays a script (script.h) to one side of a migration in this process, over socket
 * pairs, and reads what that side answers. It waits for answers where the script says so,
 * but never long: what does not come ends the waiting, not the play.
 */
#include <pthread.h>

#include "ramjet-connect.h"
#include "tests/fuzz/script.h"

#define PLAYER_CONNS 4u

struct player {
	struct script script;
	uint8_t *copy; /* of the input: script.data */
	/* Which frame each SCRIPT_AWAIT() waits for, the first time for the first
	 * one, and so on; 0: for none. Of fences, those of all channels are one. */
	uint8_t awaits[8];
	uint32_t awaited[8];
	unsigned in_vain;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* guarded by lock */
	struct player_conn {
		int fd; /* the player's end; -1: none */
		bool ended;
		/* of the frame that is being read */
		uint8_t header[RJ_HEADER_BYTES];
		uint8_t body[64];
		size_t have;
		uint64_t frame_bytes;
		uint32_t fences;
	} conns[PLAYER_CONNS];

	/* What has come. */
	uint32_t seen[256]; /* frames by type */
	struct rj_hello hello;
	uint64_t token;   /* of COMMIT */
	uint32_t applied; /* rounds that the script has said are */
};

/* The script is what comes after `head_bytes` of the input. */
void player_init(struct player *player, const uint8_t *data, size_t bytes,
		 size_t head_bytes);
void player_done(struct player *player);
/* A new connection number `index`: the other side's end, or -1 when the player has that
 * one already. Any thread. */
int player_connect(struct player *player, unsigned index);
/* The same, made by the script's side: `fd` is its end from now on. */
void player_adopt(struct player *player, unsigned index, int fd);
bool player_has(struct player *player, unsigned index);
/* Let go of it: the other side sees its end once it has read all. */
void player_hang_up(struct player *player, unsigned index);
/* Wait until that connection is there. False: it did not come. */
bool player_await_connection(struct player *player, unsigned index);
/* As the step's lead byte says. */
void player_await(struct player *player, unsigned code);
/* All of it; what the peer does not take is dropped. */
void player_send(struct player *player, unsigned index, const uint8_t *wire,
		 size_t bytes);
/* Say no more, and read until the other side has closed everything. */
void player_hear_all(struct player *player);

/* ---- what a play leaves behind -------------------------------------------- */

/* Descriptors and threads of this process: the same before and after. */
struct player_traces {
	unsigned fds, threads;
};
struct player_traces player_look(void);
/* Aborts when there are more than before. Threads that are joined are gone a moment
 * later. */
void player_expect_no_traces(const struct player_traces *before);
#endif
