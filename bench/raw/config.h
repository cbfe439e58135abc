/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_BENCH_RAW_CONFIG_H
#define RJ_BENCH_RAW_CONFIG_H
#include <stddef.h>

#define RAW_PAGE_BYTES   4096u
#define RAW_CHANNELS_MAX 256u
#define RAW_VALUES_MAX   16u

enum raw_memory {
	RAW_4K,
	RAW_THP,
	RAW_MEMFD,
	RAW_MEMORY_KINDS
};
enum raw_send {
	RAW_PLAIN,
	RAW_ZC,
	RAW_REGISTERED,
	RAW_SEND_KINDS
};
enum raw_target {
	RAW_PREALLOC,
	RAW_UNTOUCHED,
	RAW_TARGET_KINDS
};
enum raw_transport {
	RAW_TCP,
	RAW_UNIX,
	RAW_TRANSPORTS
};

extern const char *const raw_memory_names[RAW_MEMORY_KINDS];
extern const char *const raw_send_names[RAW_SEND_KINDS];
extern const char *const raw_target_names[RAW_TARGET_KINDS];
extern const char *const raw_transport_names[RAW_TRANSPORTS];

/* One run. */
struct raw_config {
	size_t bytes;   /* of the image */
	size_t payload; /* a send */
	size_t stride;  /* 1: all pages, 2: every second one */
	size_t channels;
	size_t memory, target_memory; /* enum raw_memory */
	size_t send, target, transport;
};

/* The values of an option; the runs are all combinations. */
struct raw_values {
	size_t value[RAW_VALUES_MAX];
	size_t count;
};

struct raw_grid {
	struct raw_values payload, stride, channels, memory, target_memory,
		send, target, transport;
	size_t bytes, repeat;
	const char *file; /* source memory instead of `memory`, or NULL */
};

/* Exits with usage on anything it does not know. */
void raw_grid_parse(int argc, char **argv, struct raw_grid *ret);
/* Why this run makes no sense, or NULL. */
const char *raw_config_refusal(const struct raw_config *config);
#endif
