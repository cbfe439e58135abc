/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_LIVE_QEMU_H
#define RJ_TESTS_LIVE_QEMU_H
/* Real QEMUs without a guest: TCG, -S, nothing to boot. */
#include "tests/unit/cmocka_all.h"

#include "cli/base/child.h"
#include "cli/qemu/blocks.h"

struct live {
	struct rj_cli_child child;
	char socket[108];
	struct rj_qemu qemu;
};

/* The test is skipped where it isn't there. */
void live_need(const char *version);
/* Started with -S and connected to. `more` ends with NULL. */
void live_start(struct live *live, const char *version, const char *machine,
		const char *const *more);
/* It runs no more. */
bool live_is_gone(const struct live *live);
void live_end(struct live *live);
/* Its /proc/PID/mem. */
int live_open_memory(const struct rj_qemu *qemu);
/* The test fails where there is none. */
const struct rj_qemu_block *live_block_called(
	const struct rj_qemu_blocks *blocks, const char *name);
/* Assert that rc is 0, with the error's words where it isn't. */
#define live_ok(rc, err)                                \
	do {                                            \
		if (rc)                                 \
			fail_msg("%s", (err)->message); \
	} while (0)
#endif
