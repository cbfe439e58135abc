/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QMP_CLIENT_H
#define RJ_CLI_QMP_CLIENT_H
/* A connected client, as its server sees it. One thread; never waits. */
#include <stdint.h>

#include "cli/qmp/dispatch.h"
#include "cli/qmp/outbox.h"
#include "cli/qmp/splitter.h"

struct rj_qmp_client {
	int fd; /* -1: gone, free it */
	struct rj_qmp_peer peer;
	/* Nothing more is read; it goes when its outbox is empty, or at this
	 * time (rj_now_ns() scale). 0: it stays. */
	uint64_t leaves_ns;
	struct rj_qmp_outbox outbox;
	struct rj_qmp_splitter splitter;
};

/* `fd` is *taken*. It is greeted. NULL when out of memory. */
struct rj_qmp_client *rj_qmp_client_new(int fd);
void rj_qmp_client_free(struct rj_qmp_client *client);
/* What poll() shall watch for. */
short rj_qmp_client_events(const struct rj_qmp_client *client);
/* poll() says so: read, and carry out what is complete. */
void rj_qmp_client_read(struct rj_qmp_client *client,
			const struct rj_qmp_commands *commands);
/* Send what can be sent; a client whose time has come is gone afterwards. */
void rj_qmp_client_write(struct rj_qmp_client *client);
/* Queue one line. A client that has let too much lie is gone afterwards. */
void rj_qmp_client_say(struct rj_qmp_client *client, const char *line);
#endif
