/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_HANDLE_H
#define RJ_DBUS_HANDLE_H
/* Inside of rj_helpers, for the files of dbus/ that make it up. */
#include "dbus/calls.h"
#include "dbus/roster.h"
#include "dbus/vmstate.h"

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
	/* immutable after rj_helpers_connect() */
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

/* The two halves of rj_helpers_open(). */
RJ_NODISCARD int rj_helpers_connect(const struct ramjet_helper_options *options,
				    const struct rj_log *log, int wake_fd,
				    struct rj_helpers **ret,
				    struct ramjet_error *err);
RJ_NODISCARD int rj_helpers_discover(struct rj_helpers *helpers,
				     struct ramjet_error *err);

/* One operation, step by step: process until 1, or a failure. */
RJ_NODISCARD int rj_helpers_begin(struct rj_helpers *helpers,
				  enum rj_helpers_purpose purpose,
				  uint64_t deadline_ns,
				  struct ramjet_error *err);
RJ_NODISCARD int rj_helpers_finish(struct rj_helpers *helpers,
				   struct ramjet_error *err);

struct rj_blob_limits rj_helpers_blob_limits(const struct rj_helpers *helpers);
/* Every arriving state has its helper, every listed Id its state. */
RJ_NODISCARD int rj_helpers_match(const struct rj_helpers *helpers,
				  const struct rj_blob_item *items,
				  size_t count, struct ramjet_error *err);
/* A warning for each who takes part and whose state did not arrive. */
void rj_helpers_log_left_alone(const struct rj_helpers *helpers,
			       const struct rj_blob_item *items, size_t count);
/* A blob of 0 bytes is an empty one. */
RJ_NODISCARD int rj_helpers_read(const struct rj_blob_limits *limits,
				 const void *blob, size_t bytes,
				 struct rj_blob_item **ret_items,
				 size_t *ret_count, struct ramjet_error *err);
#endif
