/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_COMMANDS_DEMO_HELPERS_H
#define RJ_CLI_COMMANDS_DEMO_HELPERS_H
/*
 * The demo's helpers: on each side a private D-Bus with two of them, each
 * `ramjet helper run`. Those here hold random bytes; those there hold nothing
 * until the guest comes.
 */
#include "cli/base/child.h"

enum {
	RJ_CLI_DEMO_HERE = 0,
	RJ_CLI_DEMO_THERE,
	RJ_CLI_DEMO_SIDES
};

#define RJ_CLI_DEMO_HELPERS 2

struct rj_cli_demo_bus {
	char address[160];
	struct rj_cli_child daemon;
	struct rj_cli_child helpers[RJ_CLI_DEMO_HELPERS];
};

struct rj_cli_demo_helpers {
	bool running;
	char folder[96]; /* "": none */
	struct rj_cli_demo_bus buses[RJ_CLI_DEMO_SIDES];
};

/* Never leaves half of them; -EOPNOTSUPP: this machine or build can't. */
RJ_NODISCARD int rj_cli_demo_helpers_start(struct rj_cli_demo_helpers *ret,
					   struct ramjet_error *err);
/* "net" etc. Static. */
const char *rj_cli_demo_helper_id(unsigned index);
/* What the one there holds now is what the one here holds: the bytes. */
int rj_cli_demo_helper_compare(const struct rj_cli_demo_helpers *helpers,
			       unsigned index, struct ramjet_error *err);
/* Ends all, and removes their files. */
void rj_cli_demo_helpers_done(struct rj_cli_demo_helpers *helpers);
#endif
