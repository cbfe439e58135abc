/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QMP_DISPATCH_H
#define RJ_CLI_QMP_DISPATCH_H
/* From the text of one command to its reply. */
#include "cli/qmp/arguments.h"

/* One command being carried out. */
struct rj_qmp_call {
	void *user;        /* of the commands */
	json_t *arguments; /* borrowed; checked, unless the row checks none */
	/* The newest descriptor that came from this client, or -1; a command
	 * that keeps it takes it with rj_steal_fd(). */
	int *fd;
	json_t *result; /* set by the command, *taken* from it; NULL: {} */
};

/* 0, or a negative errno and err: its message goes to the client. */
typedef int rj_qmp_command_fn(struct rj_qmp_call *call,
			      struct ramjet_error *err);

struct rj_qmp_command {
	const char *name;
	rj_qmp_command_fn *run;
	const struct rj_qmp_argument *arguments; /* NULL: takes none */
	bool checks_itself; /* `arguments` is whatever the client gave */
};

struct rj_qmp_commands {
	const struct rj_qmp_command *rows; /* ends with a name of NULL */
	void *user;
};

/* What the server knows of a client. */
struct rj_qmp_peer {
	bool negotiated;
	int fd; /* see rj_qmp_call; -1: none */
};

/* A command of the rows, called from within; `arguments` (NULL: none) is
 * *taken*, *ret (NULL ok) is *returned*. -ENOENT: there is none such. */
int rj_qmp_execute(const struct rj_qmp_commands *commands, const char *name,
		   json_t *arguments, json_t **ret, struct ramjet_error *err);

/* Carry out text[0 .. bytes). The reply, *returned*; NULL when out of
 * memory. */
json_t *rj_qmp_dispatch(const struct rj_qmp_commands *commands,
			struct rj_qmp_peer *peer, const char *text,
			size_t bytes);
#endif
