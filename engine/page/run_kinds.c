/* SPDX-License-Identifier: BSD-3-Clause */
/* The table alone: a test may put another in its place. */
#include "engine/page/run_kinds.h"

#include "engine/page/delta_run.h"
#include "engine/page/word_run.h"
#include "engine/page/zero_run.h"

const struct rj_run_row rj_run_rows[RJ_RUN_KINDS] = {
	[RJ_RUN_RAW] = {
		.name = "raw",
		.page_bytes = RAMJET_PAGE_BYTES,
		.in_place = true,
		.fills = true,
		.counter = offsetof(struct rj_counters, normal_pages),
	},
	[RJ_RUN_ZERO] = {
		.name = "zero",
		.place = rj_zero_run_place,
		.counter = offsetof(struct rj_counters, zero_pages),
	},
	[RJ_RUN_WORD] = {
		.name = "word",
		.word = true,
		.fills = true,
		.place = rj_word_run_place,
		.counter = offsetof(struct rj_counters, word_pages),
	},
	[RJ_RUN_ZSTD] = {
		.name = "zstd",
		.told = true,
		.fills = true,
		.group = RJ_GROUP_BEGINS,
		.counter = offsetof(struct rj_counters, compressed_pages),
	},
	[RJ_RUN_JOINED] = {
		.name = "joined",
		.fills = true,
		.group = RJ_GROUP_JOINS,
		.counter = offsetof(struct rj_counters, compressed_pages),
	},
	[RJ_RUN_DELTA] = {
		.name = "delta",
		.told = true,
		.fills = true,
		.builds = true,
		.encode = rj_delta_run_encode,
		.check = rj_delta_run_check,
		.place = rj_delta_run_place,
		.counter = offsetof(struct rj_counters, delta_pages),
	},
	[RJ_RUN_SAME] = {
		.name = "same",
		.builds = true,
		.place = rj_same_run_place,
		.counter = offsetof(struct rj_counters, delta_pages),
	},
};
