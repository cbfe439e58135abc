/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAMJET_PARAMS_H
#define RAMJET_PARAMS_H
/* How a migration is to be: struct ramjet_params. Part of ramjet.h, which
 * includes it; the rules are ramjet.h's. */
#include "ramjet.h"

#ifdef __cplusplus
extern "C" {
#endif

enum ramjet_backend {
	RAMJET_BACKEND_AUTO = 0, /* io_uring, else plain system calls */
	RAMJET_BACKEND_URING,
	RAMJET_BACKEND_SYSCALLS,
};

/*
 * Sends straight from pinned memory, only from blocks that are
 * RAMJET_BLOCK_PINNABLE, over TCP, with io_uring.
 */
enum ramjet_zero_copy {
	/* Huge pages, and only if it proves cheaper on the first frames. */
	RAMJET_ZERO_COPY_AUTO = 0,
	/* All pages, wherever it is to be had, cheaper or not. */
	RAMJET_ZERO_COPY_ON,
	RAMJET_ZERO_COPY_OFF,
};

/* On machines of several NUMA nodes. */
enum ramjet_numa {
	/* Workers run where the memory lies that they read or write. */
	RAMJET_NUMA_AUTO = 0,
	RAMJET_NUMA_OFF, /* wherever the scheduler puts them */
};

/*
 * What else becomes of pages on their way: fewer bytes. Source side; the target
 * says what it takes, and one way nobody asks it. What each saved:
 * ramjet_savings().
 */
enum ramjet_compression {
	/* zstd over tcp: and vsock:, at the level that pays at the moment, or
	 * not at all; elsewhere none. */
	RAMJET_COMPRESSION_AUTO = 0,
	RAMJET_COMPRESSION_NONE,
	RAMJET_COMPRESSION_ZSTD, /* at compression_level, wherever it goes */
};

/* Pages that were sent before go as what has changed in them. */
enum ramjet_deltas {
	RAMJET_DELTAS_AUTO = 0, /* as long as it pays */
	RAMJET_DELTAS_OFF,
};

/* Pages that are written again and again. */
enum ramjet_hot_pages {
	RAMJET_HOT_PAGES_LAST = 0, /* wait until they cool, or for the pause */
	RAMJET_HOT_PAGES_IN_TURN,  /* go like all others */
};

/* What to do when the pause will not fit, throttled or not. */
enum ramjet_on_no_convergence {
	RAMJET_NO_CONVERGENCE_CONTINUE = 0, /* keep trying */
	RAMJET_NO_CONVERGENCE_SWITCH, /* go, at the best moment in sight */
	RAMJET_NO_CONVERGENCE_FAIL,   /* -ETIME; the source guest runs on */
};

struct ramjet_params {
	size_t size;
	/* Data connections, 1 to RAMJET_CHANNELS_MAX. 0: on the source up to
	 * 16, of which as many are active as prove useful (fast path
	 * "channels"); on the target no limit but that. fd:, exec: and
	 * file: always have one. */
	uint32_t channels;
	uint32_t backend; /* enum ramjet_backend */
	/* Cap over all channels; 0 = none. Live. */
	uint64_t bandwidth_bytes_per_s;
	/* Longest pause wanted (the digests of `verify` not counted). 0 =
	 * none: any will do, and it switches as soon as it can. Live. */
	uint64_t downtime_limit_us;
	/* Give up connecting (source) or waiting for a whole session (target,
	 * from its control link on) after this; 0 = never. */
	uint32_t connect_timeout_ms;
	/* The peer must answer handshake, READY, RUNNING within this; 0 = no
	 * limit. Live. */
	uint32_t reply_timeout_ms;
	/* Compare XXH3 digests of all blocks after the stop, before commit.
	 * Source side decides. What was never touched counts as zero. */
	bool verify;
	/* Converge, then stay ready until ramjet_switchover(). Live. */
	bool hold;
	/* Refuse to run rather than fall back to a slower path. */
	bool strict;
	/* Most bytes of device state accepted or sent; 0 = no limit. */
	uint64_t state_bytes_max;
	/* Name of the session in logs; borrowed until return. May be NULL. */
	ramjet_log_fn *log;
	void *log_user;
	/* Taken for the capacity in predictions, instead of what is measured;
	 * 0 = measure. Live. */
	uint64_t switchover_bandwidth_bytes_per_s;
	/* The cap does not hold while the guest is stopped. Live. */
	bool uncapped_switchover;
	/* Slow the vCPUs down, in steps up and down, when the pause would not
	 * fit otherwise. Needs ops.throttle. Percentages of time taken away,
	 * 1 to 99 each; 0: 20, 10, and no limit, which is 99. Live. */
	bool throttle;
	uint32_t throttle_initial_percent;
	uint32_t throttle_step_percent;
	uint32_t throttle_max_percent;
	uint32_t on_no_convergence; /* enum ramjet_on_no_convergence. Live. */
	/* Give up when something is to be sent and no byte has moved for this
	 * long; 0 = never. Live. */
	uint32_t stall_timeout_ms;
	/* Give up when the guest has not been handed over after this; 0 =
	 * never. Live. */
	uint32_t total_timeout_ms;
	/* enum ramjet_zero_copy. With `strict`, the kernel's refusal to pin
	 * memory (memlock limit) is an error. Source side. */
	uint32_t zero_copy;
	uint32_t numa; /* enum ramjet_numa. Each side for itself. */
	/* As `verify`, but every page is read on both sides, whatever the map
	 * of what was touched says: it is proven, too. Costs a read of the
	 * whole size of the guest, and shared memory is populated by it. */
	bool verify_all;
	/* The guest runs on (failed) when READY takes longer, digests not
	 * counted. 0 = never. _AUTO: ten downtime limits, at least 5 s, and
	 * twice what is predicted of a forced pause. Live. */
	uint64_t switchover_timeout_us;
	/* ramjet_incoming() stops looking a name up (-ECANCELED) when this can
	 * be read from; it takes connect_timeout_ms at most. -1: none. */
	int cancel_fd;
	/* What saving, sending and loading the devices' state takes, in all;
	 * 0: not known. It cannot be tried while the guest runs, so the pause
	 * is predicted with this, until a switchover of this guest that came
	 * to nothing has shown it. Live. */
	uint64_t state_hint_us;
	/* The CPUs that this side's threads run on: all of them, workers and
	 * control thread; NULL and 0: where the caller may. Guest operations and
	 * notifiers run where he may all the same. With NUMA, each worker keeps
	 * to those of its node. Borrowed until return. -EINVAL names what is
	 * offline, or not for this process. */
	const uint32_t *cpus;
	size_t cpu_count;
	uint32_t compression; /* enum ramjet_compression */
	/* ZSTD: zstd's level, -7 to 20; 0 is zstd's default, 3. */
	int32_t compression_level;
	/* AUTO: the highest level it may come to, -7 to 20. */
	int32_t compression_level_max;
	/* AUTO: the most of a worker's time that compressing may take, 1 to
	 * 100; 0: no limit. Less where the machine's CPUs are wanted. */
	uint32_t compression_cpu_percent;
	uint32_t deltas;    /* enum ramjet_deltas */
	uint32_t hot_pages; /* enum ramjet_hot_pages */
	/* Most memory for copies of what was sent, taken as it is needed; 0: no
	 * limit. _AUTO: a quarter of the guest's, and an eighth of what the
	 * machine has left, at most. */
	uint64_t delta_cache_bytes;
	/* A connection that is lost may be made anew for so long, and the
	 * migration goes on; then, or at once with 0, it ends. In force is the
	 * smaller one of both sides; fd:, exec: and file: have nothing to
	 * connect anew (fast path "lost connections"). A lost connection found
	 * while the guest stands still does not lengthen the pause: its own
	 * limits hold. Not offered to the peer yet: a lost connection ends the
	 * migration. */
	uint32_t reconnect_ms;
	uint32_t reserved; /* 0 */
};
#define RAMJET_CHANNELS_MAX            256u
#define RAMJET_SWITCHOVER_TIMEOUT_AUTO UINT64_MAX
#define RAMJET_DELTA_CACHE_AUTO        UINT64_MAX
/* In the order of the fields, as C++ wants it. */
#define RAMJET_PARAMS_INIT                                                   \
	.size = sizeof(struct ramjet_params), .channels = 0,                 \
	.downtime_limit_us = 300000, .connect_timeout_ms = 10000,            \
	.reply_timeout_ms = 30000, .state_bytes_max = 256u << 20,            \
	.throttle_initial_percent = 20, .throttle_step_percent = 10,         \
	.throttle_max_percent = 99,                                          \
	.switchover_timeout_us = RAMJET_SWITCHOVER_TIMEOUT_AUTO,             \
	.cancel_fd = -1, .compression_level = 1, .compression_level_max = 3, \
	.delta_cache_bytes = RAMJET_DELTA_CACHE_AUTO, .reconnect_ms = 10000

#ifdef __cplusplus
}
#endif
#endif
