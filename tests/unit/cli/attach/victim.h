/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_VICTIM_H
#define RJ_TESTS_VICTIM_H
/* Another process, whose main thread does one thing all the time and writes
 * down whether anything ever went wrong with it. What fails fails the test. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* In memory that both see. */
struct victim_board {
	atomic_uint ready;   /* it is where the body is */
	atomic_uint rounds;  /* how often round its loop */
	atomic_uint signals; /* handlers that were run, of SIGUSR1 */
	atomic_uint queued;  /* and of SIGRTMIN */
	atomic_uint wrong;   /* results that can't be */
	atomic_uint returns; /* of a system call that it waited in */
	int error;           /* of the last of these */
	int pipe_fds[2];
};

#define NOBODY 65534

typedef void victim_body(struct victim_board *board);

struct victim {
	pid_t pid;
	int pidfd;
	struct victim_board *board;
};

void victim_start(struct victim *victim, victim_body *body);
/* Kill it; it must have lived. */
void victim_end(struct victim *victim);
/* Until `counter` is at least `wanted`; fails when the victim ends. */
void victim_await(const struct victim *victim, atomic_uint *counter,
		  unsigned wanted);
/* Until its main thread sleeps in system call `number`. */
void victim_await_call(const struct victim *victim, long number);
/* 'R', 'S', 'T' (stopped), 't' (traced), ... */
char victim_state(const struct victim *victim);
/* Descriptors of it that are userfaultfds. */
unsigned victim_uffds(const struct victim *victim);

/* Runs `fn` in a child that is this user and group (with no capabilities then),
 * and hands back what it returned and wrote. */
int as_user(unsigned id, int (*fn)(void *user, char *text, size_t bytes),
	    void *user, char *text, size_t bytes);
/* For bodies: become this user; dumpable or not. */
void become_user(unsigned id, bool dumpable);

/* ---- bodies ------------------------------------------------------------ */

/* The same sums over and over, in all kinds of registers. */
void victim_computes(struct victim_board *board);
/* Waits, once, in one system call; writes down that it returned. */
void victim_in_ppoll(struct victim_board *board);
void victim_in_poll(struct victim_board *board);
void victim_in_read(struct victim_board *board);
void victim_in_nanosleep(struct victim_board *board);
void victim_in_futex(struct victim_board *board);
/* Of another user, dumpable or not (as one is that has changed its user). */
void victim_of_nobody(struct victim_board *board);
void victim_hidden(struct victim_board *board);
/* Signals are blocked but while it waits in ppoll(), which ends with EINTR for
 * each one. */
void victim_takes_signals(struct victim_board *board);
#endif
