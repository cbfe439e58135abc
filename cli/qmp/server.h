/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QMP_SERVER_H
#define RJ_CLI_QMP_SERVER_H
/*
 * A QMP server on a unix socket: a thread of its own that poll()s and never
 * waits for a client. Whatever else goes on in the process tells it of things
 * by notes: rj_qmp_server_note() puts one into a ring and wakes the thread,
 * and that is all that ever happens on a migration's threads.
 */
#include "cli/qmp/client.h"

/* More are told so, and disconnected. */
#define RJ_QMP_CLIENTS_MAX 16u
/* Notes not yet looked at; the oldest are lost beyond that. */
#define RJ_QMP_NOTES_MAX 1024u

struct rj_qmp_note {
	int kind;
	int value;
	uint64_t at_us; /* since 1970 */
};

struct rj_qmp_server;

/* All functions are called in the server's thread. */
struct rj_qmp_server_setup {
	const char *path; /* of the socket; borrowed until return */
	struct rj_qmp_commands commands; /* borrowed until _stop */
	void (*note)(void *user, const struct rj_qmp_note *note);
	/* Called before each wait; how long that may take, in ms; -1: any. */
	int (*tick)(void *user);
	void *user; /* of these two */
};

RJ_NODISCARD int rj_qmp_server_start(const struct rj_qmp_server_setup *setup,
				     struct rj_qmp_server **ret,
				     struct ramjet_error *err);
/* From any thread; never waits for a client. */
void rj_qmp_server_note(struct rj_qmp_server *server, int kind, int value);
/* In the server's thread: `event` is *taken* and goes to every client that
 * has negotiated. */
void rj_qmp_server_say(struct rj_qmp_server *server, json_t *event);
/* From any thread. */
unsigned rj_qmp_server_clients(const struct rj_qmp_server *server);
/* Clients get what they have been told so far, if they read it soon; then
 * they are disconnected, and the socket's file is gone. NULL ok. */
void rj_qmp_server_stop(struct rj_qmp_server *server);
#endif
