/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_GUARDIAN_RIG_H
#define RJ_TESTS_GUARDIAN_RIG_H
/* Ramjets that live to some step and die there, and a VMM's monitor, played by
 * the test. */
#include <stdbool.h>
#include <sys/un.h>

#include "cli/guardian/guardian.h"

struct rig {
	char folder[64];
	char path[96];
	struct sockaddr_un address;
	int listener;
	pid_t vmm; /* the process whose monitor it is said to be */
	unsigned patience_ms;
	char said[512];    /* commands that came, "one,two," */
	const char *error; /* what the monitor answers to all of them */
	int copy[2];       /* pipe: closed, the copy of a ramjet ends */
};
extern struct rig rig;

/* For cmocka; a folder and a listener, new for each test. */
int rig_set_up(void **state);
int rig_tear_down(void **state);
void rig_listen(void);
/* The page of rig.vmm. */
void rig_page_path(char *path, size_t bytes);
bool rig_has_page(void);
struct rj_guardian_order rig_order(void);
struct rj_guardian *rig_start(void);
/* A ramjet: everything up to the step that it dies at. */
typedef void life_fn(struct rj_guardian *g);
pid_t rig_live(life_fn *life);
/* In such a life: must be 0. */
void rig_must(int rc);
/* All our children, and those they left us: so guardians have ended. */
void rig_await_all_ends(void);
/* The monitor, for its next client. */
void rig_serve_one(void);
/* Nobody has connected, now that all are gone. */
void rig_nobody_came(void);
/* What the next ramjet is told. */
enum rj_guardian_left rig_left(const char *wanted_words);
#endif
