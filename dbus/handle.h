/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_HANDLE_H
#define RJ_DBUS_HANDLE_H
/* Inside of rj_helpers, for the files of dbus/ that make it up. They are built
 * on this; their face is dbus/vmstate.h. */
#include "dbus/calls.h"
#include "dbus/roster.h"
#include "ramjet-helper.h"
#include "util/log.h"

enum rj_helpers_purpose {
	RJ_HELPERS_START,
	RJ_HELPERS_SAVE,
	RJ_HELPERS_LOAD,
};

enum rj_helpers_stage {
	RJ_HELPERS_IDLE,
	RJ_HELPERS_DISCOVERING,
	RJ_HELPERS_CALLING,
};

struct rj_limit {
	uint64_t at_ns;
	uint64_t ms; /* the figure for messages */
};

struct rj_helpers {
	/* immutable after rj_handle_connect() */
	struct ramjet_helper_options options; /* its strings are not kept */
	struct rj_log log;
	int wake_fd;

	struct rj_bus bus;
	struct rj_roster roster;
	struct rj_calls calls;
	enum rj_helpers_purpose purpose;
	enum rj_helpers_stage stage;
	bool asked_ids; /* of this discovery: the owners are known */
	bool saved;     /* states are held, for rj_helpers_finish_save() */
	uint64_t began_ns;
	uint64_t caller_deadline_ns; /* 0: none */
	struct rj_limit limit;       /* of the stage */
	uint64_t whole_us;
	/* Load: what arrived; points into the caller's blob */
	struct rj_blob_item *items;
	size_t item_count;
};

/* Begins to connect; no helper is asked anything yet. Arguments as those of
 * rj_helpers_open(). */
RJ_NODISCARD int rj_handle_connect(const struct ramjet_helper_options *options,
				   const struct rj_log *log, int wake_fd,
				   struct rj_helpers **ret,
				   struct ramjet_error *err);
/* NULL ok. */
void rj_handle_free(struct rj_helpers *helpers);
struct rj_blob_limits rj_handle_blob_limits(const struct rj_helpers *helpers);
#endif
