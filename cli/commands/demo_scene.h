/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_COMMANDS_DEMO_SCENE_H
#define RJ_CLI_COMMANDS_DEMO_SCENE_H
/*
 * What the demo of a guest that is somebody else's needs set up before: two
 * machines of its own, one of which has the guest. Guests that the command makes
 * itself have none.
 */
#include "cli/options/line.h"

struct rj_cli_demo_scene {
	const char *kind; /* of guest */
	/* Both are up, and the guest runs; line->guest is where it is. */
	int (*start)(struct rj_cli_command_line *line, void **ret,
		     struct ramjet_error *err);
	/* Where it is to go, as on a command line. */
	const char *(*target)(const void *scene);
	/* It has moved: it goes on there from where it was. `text`: how that was
	 * seen, for people. */
	int (*prove)(void *scene, char *text, size_t bytes,
		     struct ramjet_error *err);
	void (*done)(void *scene);
};

/* NULL: none is needed. */
const struct rj_cli_demo_scene *rj_cli_demo_scene_of(const char *kind);
#endif
