/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_ABI_V0_H
#define RJ_TESTS_ABI_V0_H
/*
 * The structs a caller passes, written down by hand as they were in 0.1: a
 * program built then must work with every later library. Never edit a struct
 * here once released; a field added to ramjet.h goes to its end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct v0_error {
	int code;
	char message[508];
};

struct v0_guest_ops {
	size_t size;
	int (*stop)(void *, struct v0_error *);
	int (*start)(void *, struct v0_error *);
	int (*throttle)(void *, unsigned, struct v0_error *);
	int (*save_state)(void *, void **, size_t *, struct v0_error *);
	int (*load_state)(void *, const void *, size_t, struct v0_error *);
};

struct v0_block {
	size_t size;
	const char *name;
	void *host;
	uint64_t bytes;
	uint32_t page_bytes;
	int fd;
	uint64_t fd_offset;
	uint32_t kind;
	uint32_t flags;
};

struct v0_dirty_ops {
	size_t size;
	const char *name;
	int (*start)(void *, const void *, unsigned, struct v0_error *);
	int (*collect)(void *, void *, struct v0_error *);
	int (*rearm)(void *, unsigned, uint64_t, const uint64_t *, size_t,
		     struct v0_error *);
	void (*stop)(void *);
	void (*free)(void *);
};

struct v0_dirty_bitmap {
	size_t size;
	const char *block;
	void *bits;
	uint64_t bytes;
};

struct v0_params {
	size_t size;
	uint32_t channels;
	uint32_t backend;
	uint64_t bandwidth_bytes_per_s;
	uint64_t downtime_limit_us;
	uint32_t connect_timeout_ms;
	uint32_t reply_timeout_ms;
	bool verify;
	bool hold;
	bool strict;
	uint64_t state_bytes_max;
	void (*log)(void *, int, const char *);
	void *log_user;
};

#endif
