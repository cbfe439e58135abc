/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_MONITOR_H
#define RJ_CLI_QEMU_MONITOR_H
/*
 * A running QEMU, as its QMP socket shows it. One thread; every command has a
 * deadline. Errors name the socket.
 *
 * Nothing of QEMU's is changed by looking at it. Who stopped it must cont it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "cli/qmp/caller.h"

struct rj_qemu {
	struct rj_qmp_caller monitor;
	char *path; /* of the socket */
	pid_t pid;  /* who made the socket listen, see rj_qmp_caller_peer() */
	unsigned version[3]; /* 7, 2, 22 */
	char machine[64];    /* its type: "pc-q35-7.2" */
	json_t *commands;    /* an object: its keys are known commands */
	int answer_ms;       /* for an answer; 0: RJ_QMP_ANSWER_MS */
};
#define RJ_QEMU_NONE ((struct rj_qemu){ .monitor = { .fd = -1 } })

enum rj_qemu_run {
	RJ_QEMU_RUNNING = 0,
	RJ_QEMU_PAUSED,    /* by a person or by us: cont goes on */
	RJ_QEMU_INCOMING,  /* "inmigrate": -incoming, nothing has come in */
	RJ_QEMU_PRELAUNCH, /* -S, never ran */
	RJ_QEMU_OTHER,     /* shutdown, io-error, ...: see the text */
};

struct rj_qemu_status {
	enum rj_qemu_run run;
	char text[32]; /* QEMU's word */
};
static inline bool rj_qemu_is_paused(const struct rj_qemu_status *status)
{
	return status->run == RJ_QEMU_PAUSED ||
	       status->run == RJ_QEMU_PRELAUNCH;
}

/* -EBUSY when its one client slot is taken. rj_qemu_close() is right for
 * RJ_QEMU_NONE and twice. */
RJ_NODISCARD int rj_qemu_open(const char *path, struct rj_qemu *ret,
			      struct ramjet_error *err);
void rj_qemu_close(struct rj_qemu *qemu);
/* As rj_qmp_caller_call(), and errors name the socket and the command. */
RJ_NODISCARD int rj_qemu_call(struct rj_qemu *qemu, const char *command,
			      json_t *arguments, json_t **ret,
			      struct ramjet_error *err);
/* As above, with a descriptor (-1: none) that goes along, borrowed, and a
 * deadline of its own; 0: qemu->answer_ms. */
RJ_NODISCARD int rj_qemu_call_within(struct rj_qemu *qemu, const char *command,
				     json_t *arguments, int fd, int timeout_ms,
				     json_t **ret, struct ramjet_error *err);
/* As the first one, on a way out, where an error could be told to nobody. */
void rj_qemu_tell(struct rj_qemu *qemu, const char *command, json_t *arguments);
/* What HMP prints for `line`, *returned*, to be freed. Its errors are text
 * like any other. */
RJ_NODISCARD int rj_qemu_human(struct rj_qemu *qemu, const char *line,
			       char **ret, struct ramjet_error *err);
/* A property of an object, "type" of "/machine" say; *returned*. */
RJ_NODISCARD int rj_qemu_property(struct rj_qemu *qemu, const char *object,
				  const char *name, json_t **ret,
				  struct ramjet_error *err);
/* Its version is that one or a later one. */
bool rj_qemu_is_from(const struct rj_qemu *qemu, unsigned major,
		     unsigned minor);
bool rj_qemu_knows(const struct rj_qemu *qemu, const char *command);
RJ_NODISCARD int rj_qemu_status(struct rj_qemu *qemu,
				struct rj_qemu_status *ret,
				struct ramjet_error *err);
/* What it took in *ret_us (NULL ok). After `stop` no vCPU runs and no request
 * to a disk is in flight. */
RJ_NODISCARD int rj_qemu_stop(struct rj_qemu *qemu, uint64_t *ret_us,
			      struct ramjet_error *err);
RJ_NODISCARD int rj_qemu_cont(struct rj_qemu *qemu, uint64_t *ret_us,
			      struct ramjet_error *err);
/* It ends; 0 also when it went without an answer. */
RJ_NODISCARD int rj_qemu_quit(struct rj_qemu *qemu, struct ramjet_error *err);
/* Have its network cards tell the switches where they are now. */
RJ_NODISCARD int rj_qemu_announce(struct rj_qemu *qemu,
				  struct ramjet_error *err);
/* The vCPUs' threads, *returned*, to be freed: TIDs in QEMU's own PID
 * namespace. 0 for one that isn't known. */
RJ_NODISCARD int rj_qemu_vcpus(struct rj_qemu *qemu, pid_t **ret,
			       size_t *ret_count, struct ramjet_error *err);
#endif
