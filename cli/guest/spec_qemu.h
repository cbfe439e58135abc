/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_SPEC_QEMU_H
#define RJ_CLI_GUEST_SPEC_QEMU_H
/* qemu:QMP_SOCKET[,pid=N][,via=auto|ptrace|preload][,also=PID]...
 * [,state=auto|save|migrate]: a running QEMU beside which ramjet works. */
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

/* Chosen: vhost-user back ends of one virtual machine. */
#define RJ_CLI_ALSO_MAX 16u

enum rj_cli_via {
	RJ_CLI_VIA_AUTO = 0,
	RJ_CLI_VIA_PTRACE,
	RJ_CLI_VIA_PRELOAD,
	RJ_CLI_VIA_COUNT_
};

/* How the state of its devices is had. */
enum rj_cli_qemu_state {
	RJ_CLI_STATE_AUTO = 0, /* save, where that QEMU can */
	RJ_CLI_STATE_SAVE,
	RJ_CLI_STATE_MIGRATE,
	RJ_CLI_STATE_COUNT_
};

struct rj_cli_qemu_spec {
	pid_t pid;                   /* 0: whoever listens on the socket */
	unsigned via;                /* enum rj_cli_via */
	pid_t also[RJ_CLI_ALSO_MAX]; /* others that write its memory */
	unsigned also_count;
	unsigned state; /* enum rj_cli_qemu_state */
	/* demo: what it boots; "": what the set-up script has brought */
	char kernel[1024];
	char initrd[1024];
};

/* The value of a key; `what` begins messages: "guest qemu: pid". */
RJ_NODISCARD int rj_cli_qemu_pid(struct rj_cli_qemu_spec *spec,
				 const char *what, const char *value,
				 struct ramjet_error *err);
RJ_NODISCARD int rj_cli_qemu_via(struct rj_cli_qemu_spec *spec,
				 const char *what, const char *value,
				 struct ramjet_error *err);
RJ_NODISCARD int rj_cli_qemu_state(struct rj_cli_qemu_spec *spec,
				   const char *what, const char *value,
				   struct ramjet_error *err);
/* May come again. */
RJ_NODISCARD int rj_cli_qemu_also(struct rj_cli_qemu_spec *spec,
				  const char *what, const char *value,
				  struct ramjet_error *err);
RJ_NODISCARD int rj_cli_qemu_file(char *ret, size_t bytes, const char *what,
				  const char *value, struct ramjet_error *err);
#endif
