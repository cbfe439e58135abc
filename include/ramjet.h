/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAMJET_H
#define RAMJET_H
/*
 * libramjet: moves the memory of a running virtual machine from one process
 * to another, fast, with a short and predictable pause.
 *
 * Rules that hold for every call:
 *
 * Errors     0 or a positive number is success, a negative errno is failure.
 *            `struct ramjet_error *err` may be NULL; on failure it receives a
 *            message fit to be printed alone.
 * Structs    Begin with `size` and grow at their end, so that old and new
 *            callers and libraries mix; ramjet_error alone is what it is for ever. One
 *            that you pass is set up with its *_INIT macro or *_init()
 *            function; beyond what the library knows it must be zero (-E2BIG).
 *            One that you are given is as long as its `size`: ask RAMJET_HAS()
 *            before a field that is newer than the library may be. In an array
 *            elements lie `size` apart: RAMJET_AT(array, i), never array[i].
 * None       No descriptor is -1, no pointer NULL. What limits (a timeout, a
 *            rate, a most) limits nothing when it is 0, without exception.
 * Ownership  *borrowed*: stays the caller's, must live as long as stated.
 *            *taken*: belongs to ramjet from a successful call on.
 *            *returned*: belongs to the caller from now on.
 * Threads    Calls on different handles never interfere. Calls on the same
 *            handle are safe from any thread unless stated otherwise.
 *            Callbacks come from the migration's control thread unless
 *            stated otherwise; they may call anything. What would wait for
 *            them, as ramjet_wait() and ramjet_migration_free() of their own
 *            migration do, is refused there: -EDEADLK, and nothing is freed.
 * Freeing    A handle that something still needs stays: -EBUSY. NULL is 0.
 * Signals    Guest operations and notifiers run with the signal mask that the
 *            caller of ramjet_migrate() or ramjet_incoming() had; all else of
 *            ramjet's threads with all blocked but those of faults.
 * Units      Are in the names. A page is 4096 bytes whatever backs it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RAMJET_PAGE_BYTES 4096u

/* Is the field there in what `p` points to? E.g. RAMJET_HAS(info, known). */
#define RAMJET_HAS(p, field) \
	((p)->size >= offsetof(__typeof__(*(p)), field) + sizeof((p)->field))
/* A pointer to the element, e.g. RAMJET_AT(info->rounds, i)->pages. */
#define RAMJET_AT(array, i)                                            \
	((__typeof__(&*(array)))(const void *)((const char *)(array) + \
					       (i) * (array)->size))

/* ---- errors and logging ------------------------------------------------ */

struct ramjet_error {
	int code; /* negative errno, 0 when no error happened */
	char message[508];
};

/* Levels as in syslog(3): 3 error, 4 warning, 6 info, 7 debug. `message` is
 * borrowed until return. May come from any thread of the migration. */
typedef void ramjet_log_fn(void *user, int level, const char *message);

/* The library's version, e.g. "0.1.0". Static. */
const char *ramjet_version(void);

/* ---- guests ------------------------------------------------------------ */

struct ramjet_guest;
struct ramjet_memory_ops; /* ramjet-remote.h */

/* Given to save_state_stream() and load_state_stream(), for their own thread
 * and until they return. Writing: 0, or a negative errno, to be returned in
 * turn. Reading: how many bytes were read, fewer than wanted only at the end. */
typedef int ramjet_write_fn(void *context, const void *data, size_t bytes);
typedef size_t ramjet_read_fn(void *context, void *data, size_t bytes);

/*
 * What ramjet asks of the VMM. Every function returns 0 or a negative errno
 * (and fills err, or its message alone; anything positive fails, too). `stop`
 * and `start` are required, others may be NULL.
 */
struct ramjet_guest_ops {
	size_t size;
	/* Stop all vCPUs and devices; on return nothing writes guest memory,
	 * but what is told with ramjet_guest_mark(), and no
	 * ramjet_guest_discard() is under way or will come. */
	int (*stop)(void *user, struct ramjet_error *err);
	/* Source: go on after a switchover that failed. Target: go, after
	 * commit. */
	int (*start)(void *user, struct ramjet_error *err);
	/* Slow vCPUs down to (100 - percent) % of their time. 0 lifts it. */
	int (*throttle)(void *user, unsigned percent, struct ramjet_error *err);
	/* Guest is stopped. Return the devices' state in malloc()ed memory,
	 * *returned* to ramjet, which frees it. */
	int (*save_state)(void *user, void **ret_data, size_t *ret_bytes,
			  struct ramjet_error *err);
	/* All memory has arrived, guest not yet started. `data` is borrowed
	 * until return. */
	int (*load_state)(void *user, const void *data, size_t bytes,
			  struct ramjet_error *err);
	/* Instead of save_state, and used if both are given: hand the state
	 * over in pieces of any size, which are sent as they come. One side may
	 * stream and the other not. */
	int (*save_state_stream)(void *user, ramjet_write_fn *write,
				 void *context, struct ramjet_error *err);
	/* Instead of load_state, and used if both are given. All has arrived
	 * by then. */
	int (*load_state_stream)(void *user, ramjet_read_fn *read,
				 void *context, struct ramjet_error *err);
	/* Source, as a session begins, guest running: what the target's VMM must
	 * know before memory moves, malloc()ed, *returned*; at most 512 KiB. */
	int (*describe)(void *user, void **ret_data, size_t *ret_bytes,
			struct ramjet_error *err);
	/* Target: what `describe` gave (borrowed; NULL and 0: nothing), and not 0
	 * refuses the session. Blocks may be added here, and dropped
	 * (ramjet-remote.h), to name them as the source does: there need be
	 * none before. */
	int (*accept)(void *user, const void *data, size_t bytes,
		      struct ramjet_error *err);
};
#define RAMJET_GUEST_OPS_INIT .size = sizeof(struct ramjet_guest_ops)

/* `ops` is copied; `user` is borrowed until ramjet_guest_free(). */
int ramjet_guest_new(const struct ramjet_guest_ops *ops, void *user,
		     struct ramjet_guest **ret, struct ramjet_error *err);
/*
 * This guest is paused, or goes on: what its VMM has done, or is about to do. A
 * paused guest is moved as any other, and stays paused where it arrives: the
 * target, or one that was told so itself, completes without a call of `start`.
 * (A source calls `stop` and, on failure, `start` all the same.) At any time;
 * -EALREADY once COMMIT has said it, until the migration ends.
 */
int ramjet_guest_set_paused(struct ramjet_guest *guest, bool paused);
bool ramjet_guest_is_paused(struct ramjet_guest *guest);
/* Frees its dirty sources, too. -EBUSY, and nothing is freed, before
 * ramjet_migration_free() of all its migrations. NULL ok. */
int ramjet_guest_free(struct ramjet_guest *guest);

enum ramjet_block_flags {
	/* The memory reads as zero wherever no page is populated, and no page
	 * is populated yet (target side: zero pages then need no write). */
	RAMJET_BLOCK_FRESH = 1 << 0,
	/* The VMM never discards pages of this block (no balloon, no
	 * MADV_DONTNEED, no hole punching) without ramjet_guest_discard(), so
	 * it may be pinned for zero-copy sends. */
	RAMJET_BLOCK_PINNABLE = 1 << 1,
};

enum ramjet_block_kind {
	RAMJET_BLOCK_RAM = 0,
	/* 1 is reserved for disks. */
};

struct ramjet_block {
	size_t size;
	const char *name; /* copied; 1..63 bytes, unique in the guest */
	void *host;       /* borrowed until the guest is freed; page aligned */
	uint64_t bytes;   /* multiple of page_bytes */
	uint32_t page_bytes; /* backing page: 4096, 2 MiB or 1 GiB; 0: 4096 */
	int fd;              /* memfd or file behind `host` (borrowed), or -1 */
	uint64_t fd_offset;  /* where in fd the block starts */
	uint32_t kind;       /* enum ramjet_block_kind */
	uint32_t flags;      /* enum ramjet_block_flags */
	/* Instead of `host`, for memory that is not mapped here: how it is
	 * reached (ramjet-remote.h), borrowed as `host`. Then host is NULL, fd
	 * -1, fd_offset 0, and not RAMJET_BLOCK_PINNABLE. */
	const struct ramjet_memory_ops *memory;
	void *memory_user;
};
#define RAMJET_BLOCK_INIT .size = sizeof(struct ramjet_block), .fd = -1

/* Returns the block's index (0, 1, ...). Not while a migration is alive
 * (-EBUSY), but in `accept`. Blocks share no memory (-EINVAL, naming both). */
int ramjet_guest_add_block(struct ramjet_guest *guest,
			   const struct ramjet_block *block,
			   struct ramjet_error *err);

/*
 * Tell ramjet that [offset, offset + bytes) of a block was discarded
 * (balloon, free page reporting, unplug). Call after the discard. Safe at any
 * time and from any thread; the range is sent (as zeros, unless written
 * again) by a migration under way. Whole pages only. Errors as below.
 */
int ramjet_guest_discard(struct ramjet_guest *guest, const char *block,
			 uint64_t offset, uint64_t bytes,
			 struct ramjet_error *err);
/*
 * The same, of the block with the index that ramjet_guest_add_block() returned
 * (-ENOENT: none). Takes no lock and waits for nobody, whatever begins or ends:
 * for vCPU and balloon threads. Some atomic ORs a 2 MiB. Any thread, also beside
 * ramjet_guest_add_block(); the guest must not be freed meanwhile.
 */
int ramjet_guest_discard_at(struct ramjet_guest *guest, unsigned block,
			    uint64_t offset, uint64_t bytes,
			    struct ramjet_error *err);

/*
 * Tell ramjet that [offset, offset + bytes) of a block was written where no
 * dirty source sees it: by the kernel or a device, into pages pinned before
 * (docs/dirty-sources.md). Call once the write has ended; at any time, from any
 * thread. Sent by a migration under way, also when the guest has stopped; once
 * the target was told that all is sent, the switchover fails (-EBUSY) instead.
 * -EALREADY: the guest was, or is about to be, handed over without it.
 */
int ramjet_guest_mark(struct ramjet_guest *guest, const char *block,
		      uint64_t offset, uint64_t bytes,
		      struct ramjet_error *err);
/* The same by index, as ramjet_guest_discard_at(). */
int ramjet_guest_mark_at(struct ramjet_guest *guest, unsigned block,
			 uint64_t offset, uint64_t bytes,
			 struct ramjet_error *err);

/*
 * For the VMM's own handler of SIGBUS (SA_SIGINFO; `siginfo` is its siginfo_t),
 * on the thread that the signal came to: was it one of ramjet's that read or
 * wrote a block's memory? Then this does not return (or returns true, and so
 * shall the handler): the thread goes on to its error, and the migration fails,
 * naming block and offset; a source's guest runs on. False: nothing of ramjet's,
 * and nothing was done. Async-signal-safe. To be called before the handler takes
 * anything it would have to give back (docs/embedding.md). Any number of
 * migrations; ramjet installs no handler of its own.
 */
bool ramjet_sigbus(const void *siginfo);

/* Reasons why this guest must not migrate now; checked at start and again at
 * switchover, all are reported. `reason` is copied; equal reasons count. */
int ramjet_guest_add_blocker(struct ramjet_guest *guest, const char *reason,
			     struct ramjet_error *err);
/* -ENOENT when there is no such blocker. */
int ramjet_guest_del_blocker(struct ramjet_guest *guest, const char *reason);

/* ---- dirty sources: what tells which pages were written ---------------- */

struct ramjet_dirty_source;

/* Built in: userfaultfd write protection read with PAGEMAP_SCAN (Linux 6.7).
 * Sees writes through the block's own mapping in this process. */
int ramjet_dirty_pagemap_new(struct ramjet_dirty_source **ret,
			     struct ramjet_error *err);

/* -EBUSY: a guest has taken it, and frees it. NULL ok. */
int ramjet_dirty_free(struct ramjet_dirty_source *source);

/* *taken*, by one guest (-EBUSY). Several sources are OR-ed. A guest without any
 * is taken as idle: its memory must not change during a migration. -EBUSY while
 * migrating. KVM's sources: ramjet-kvm.h; your own, or bitmaps that others set:
 * ramjet-dirty.h. */
int ramjet_guest_add_dirty_source(struct ramjet_guest *guest,
				  struct ramjet_dirty_source *source,
				  struct ramjet_error *err);

/* ---- parameters: struct ramjet_params ----------------------------------- */

struct ramjet_params;
#include "ramjet-params.h"

/* ---- migrations -------------------------------------------------------- */

struct ramjet_migration;

enum ramjet_state {
	RAMJET_STATE_NONE = 0,    /* created, not begun */
	RAMJET_STATE_SETUP,       /* connecting, handshake */
	RAMJET_STATE_ACTIVE,      /* memory moves, the guest runs */
	RAMJET_STATE_HELD,        /* converged; waits for ramjet_switchover */
	RAMJET_STATE_SWITCHOVER,  /* guest stopped, last pages and state */
	RAMJET_STATE_COMMITTED,   /* point of no return passed */
	RAMJET_STATE_COMPLETED,   /* the target's guest runs */
	RAMJET_STATE_FAILED,      /* source guest runs on, or target unused */
	RAMJET_STATE_CANCELLING,  /* cancel asked for, unwinding */
	RAMJET_STATE_CANCELLED,   /* as failed, by request */
	RAMJET_STATE_UNCONFIRMED, /* committed, but RUNNING never came */
	RAMJET_STATE_COUNT_
};
/* "active" etc.; "invalid" when out of range. Static. */
const char *ramjet_state_name(enum ramjet_state state);
/* completed, failed, cancelled or unconfirmed: will not change again. */
bool ramjet_state_is_final(enum ramjet_state state);

/*
 * Begin moving `guest` to `uri`; returns at once, work is done by threads of
 * its own. `guest` is borrowed until ramjet_migration_free(). One migration a
 * guest at a time (-EBUSY); -EPERM with all reasons while blockers exist. *ret
 * is written before that thread starts (NULL if it then does not): callbacks
 * may run before this returns.
 *
 * uri: tcp:HOST:PORT | unix:PATH | vsock:CID:PORT | fd:N | exec:COMMAND |
 *      file:PATH. fd: the number is *dup'd*. exec:, file: and pipes carry one
 *      stream one way: the target's answers are then implied. exec: may be
 *      used whatever this process does with SIGCHLD and wait(). A process
 *      forked without exec keeps copies of ramjet's connections, and the peer
 *      sees no end of them before that ends, too.
 */
int ramjet_migrate(struct ramjet_guest *guest, const char *uri,
		   const struct ramjet_params *params,
		   struct ramjet_migration **ret, struct ramjet_error *err);
/* The target's side: listens (bound on return), refuses strangers (a warning
 * in the log), takes one session. Starts the guest on commit. tcp port 0 binds
 * a free one, see ramjet_listen_uri(). */
int ramjet_incoming(struct ramjet_guest *guest, const char *uri,
		    const struct ramjet_params *params,
		    struct ramjet_migration **ret, struct ramjet_error *err);

/* The address really bound, e.g. "tcp:127.0.0.1:41234"; valid until
 * ramjet_migration_free(). */
const char *ramjet_listen_uri(const struct ramjet_migration *migration);
/* All of them, where a name has several: index 0, 1, ...; NULL beyond. */
const char *ramjet_listen_uri_at(const struct ramjet_migration *migration,
				 size_t index);

/* Block until the migration reaches a final state, or timeout_ms is over
 * (-ETIMEDOUT; negative = for ever). 0 when completed; otherwise the negative
 * errno of the failure, and its message. -ECANCELED after a cancel. -EDEADLK
 * at once in a callback of this migration, whatever the timeout. */
int ramjet_wait(struct ramjet_migration *migration, int timeout_ms,
		struct ramjet_error *err);

/* Give up: the source guest runs on. Takes effect in every state before
 * committed (else -EALREADY), also while the peer hangs. Returns at once.
 * -EBUSY on a target that has told the source it is ready: the source commits
 * or gives up now, and a lost connection ends it as well. One way, it also
 * ends the wait for a committed stream to be taken: unconfirmed, and the
 * command of exec: is killed. */
int ramjet_cancel(struct ramjet_migration *migration);
/* As ramjet_cancel(), and both sides' errors say why: for a guest that has
 * powered itself off or was reset, and what else ends a migration that nobody
 * called off. `reason` is copied, up to 200 bytes. The first one stays. */
int ramjet_cancel_reason(struct ramjet_migration *migration,
			 const char *reason);

/* States: held (switch now), or before (do not hold). -EALREADY after. */
int ramjet_switchover(struct ramjet_migration *migration);

/* Change the parameters marked "Live" above; others must be as they were
 * (-EINVAL), except `log`, `log_user` and `cpus`, which are not looked at.
 * States: all but final ones (-EALREADY). */
int ramjet_set_params(struct ramjet_migration *migration,
		      const struct ramjet_params *params,
		      struct ramjet_error *err);

enum ramjet_state ramjet_migration_state(
	const struct ramjet_migration *migration);

/*
 * For a main loop: a descriptor to poll for reading, this migration's until it
 * is freed; not to be read or closed. It is readable from the start, and then
 * from any change of state, each round, each warning in the log and the very
 * end on, until ramjet_migration_ack(): so acknowledge first, then look with
 * ramjet_info(); what changes after that makes it readable again. Once
 * ramjet_wait(migration, 0) is not -ETIMEDOUT no notifier is running any more,
 * and nothing follows. Negative errno: -EMFILE, ...
 */
int ramjet_migration_fd(struct ramjet_migration *migration);
/* -EBADF: there was no ramjet_migration_fd(). Never blocks. */
int ramjet_migration_ack(struct ramjet_migration *migration);

/* When not final, ends it as the process's death would: cancels, even where
 * ramjet_cancel() may not, or leaves a commit unconfirmed. Joins all threads.
 * -EDEADLK in a callback of this migration: nothing is freed. NULL ok. */
int ramjet_migration_free(struct ramjet_migration *migration);

/*
 * Called on every state change, once, in order, from the thread that makes
 * it (the control thread). `err` is NULL unless new is failed, cancelled or
 * unconfirmed. `migration` is the handle, borrowed, which the caller of
 * ramjet_migrate() or ramjet_incoming() may not have seen returned yet.
 * Notifiers may be added and removed at any time, also inside a callback. The
 * source's of `committed` have returned before COMMIT leaves.
 */
typedef void ramjet_notify_fn(void *user, enum ramjet_state old_state,
			      enum ramjet_state new_state,
			      const struct ramjet_error *err,
			      struct ramjet_migration *migration);
/* Returns a positive id. On a guest: notifiers serve all its migrations. */
int ramjet_notify(struct ramjet_guest *guest, ramjet_notify_fn *fn, void *user,
		  struct ramjet_error *err);
/* After return the callback is not running (unless called from inside it). */
int ramjet_unnotify(struct ramjet_guest *guest, int id);

/* ---- information ------------------------------------------------------- */

struct ramjet_helper_info; /* ramjet-helper.h */

struct ramjet_round_info {
	size_t size;
	uint64_t pages;         /* sent in this round, zero pages included */
	uint64_t bytes;         /* payload */
	uint64_t dirtied_pages; /* found by the sync that ended it */
	uint64_t us;
};

struct ramjet_channel_info {
	size_t size;
	uint64_t bytes;
	uint32_t rtt_us; /* 0 when unknown */
	/* "connecting", "open", "idle" (open, not to send now), "draining" (after
	 * its last page), "closed", "lost", "rejoining" (connected anew, the
	 * target has not taken it yet) */
	const char *state;
	uint32_t epoch;    /* how often it was connected anew */
	uint32_t reserved; /* 0 */
};

/* One term of the pause; the terms add up to the whole. */
struct ramjet_term_info {
	size_t size;
	const char *name; /* "stop", "last sync", "pages", ... */
	uint64_t predicted_us;
	uint64_t actual_us;
};

struct ramjet_fast_path_info {
	size_t size;
	const char *name;   /* e.g. "io_uring", "defer taskrun" */
	const char *chosen; /* "yes", "no", or which */
	const char *reason; /* e.g. "EPERM from io_uring_setup" */
};

/* Which figures of a ramjet_info are known: a 0 that was measured is one with
 * its bit, a 0 without it says nothing. */
enum ramjet_known {
	RAMJET_KNOWN_REMAINING = 1 << 0,  /* ram_remaining_bytes */
	RAMJET_KNOWN_DOWNTIME = 1 << 1,   /* downtime_us, failed or not */
	RAMJET_KNOWN_PREDICTION = 1 << 2, /* downtime_p50_us, downtime_p90_us */
	/* convergence_us: UINT64_MAX then is never */
	RAMJET_KNOWN_CONVERGENCE = 1 << 3,
	RAMJET_KNOWN_CAPACITY = 1 << 4,   /* capacity_bytes_per_s, its spread */
	RAMJET_KNOWN_THROUGHPUT = 1 << 5, /* throughput_bytes_per_s */
	/* current_bytes_per_s: not before half a second, not after the end */
	RAMJET_KNOWN_CURRENT_RATE = 1 << 6,
	RAMJET_KNOWN_DIRTY_RATE = 1 << 7,     /* dirty_pages_per_s */
	RAMJET_KNOWN_PATH_RTT = 1 << 8,       /* path_rtt_us */
	RAMJET_KNOWN_GUEST_DOWNTIME = 1 << 9, /* guest_downtime_us */
};

struct ramjet_info {
	size_t size;
	enum ramjet_state state;
	bool outgoing;
	const struct ramjet_error *error; /* NULL: none */
	char uri[256];
	uint64_t total_us;
	uint64_t setup_us;
	uint64_t downtime_us;       /* 0 until the switchover is over */
	uint64_t downtime_limit_us; /* 0: none */
	uint64_t downtime_p50_us;   /* predicted pause, if it began now */
	uint64_t downtime_p90_us;
	uint64_t ram_total_bytes;       /* size of all blocks */
	uint64_t ram_transferred_bytes; /* page payload sent (or received) */
	uint64_t ram_wire_bytes;        /* all bytes on all connections */
	uint64_t ram_remaining_bytes;   /* dirty and unsent; at first a guess */
	uint64_t ram_normal_pages;      /* sent raw */
	uint64_t ram_zero_pages;        /* sent as zero runs */
	uint64_t ram_unpopulated_pages; /* found untouched: not sent */
	uint64_t ram_compressed_pages;
	uint64_t ram_delta_pages;
	uint64_t ram_resent_pages;       /* sent again after a lost channel */
	uint64_t throughput_bytes_per_s; /* mean, RAM payload */
	uint64_t current_bytes_per_s;    /* last second or so; 0 at the end */
	uint64_t dirty_pages_per_s;
	uint32_t throttle_percent; /* now: 0 once it is over, however */
	uint64_t control_cpu_us;
	uint64_t workers_cpu_us;
	bool verified; /* digests were compared and are identical */
	uint32_t verify_blocks;
	const struct ramjet_round_info *rounds;
	size_t round_count; /* the newest RAMJET_ROUNDS_MAX at most */
	const struct ramjet_channel_info *channels;
	size_t channel_count;
	const struct ramjet_term_info *terms;
	size_t term_count;
	const struct ramjet_fast_path_info *fast_paths;
	size_t fast_path_count;
	const char *const *blockers;
	size_t blocker_count;
	uint64_t rounds_total;
	/* What the wire gives, from acknowledged bytes, and its spread. */
	uint64_t capacity_bytes_per_s;
	uint64_t capacity_spread_bytes_per_s;
	/* When the limit will be met at this pace, from now on: 0 = now,
	 * UINT64_MAX = never, or not known yet. */
	uint64_t convergence_us;
	uint32_t called_off;     /* switchovers given up as too long */
	uint64_t guest_stall_us; /* vCPU time lost to dirty tracking */
	uint64_t throttled_us;   /* vCPU time taken away by throttling */
	const struct ramjet_helper_info *helpers;
	size_t helper_count;
	uint64_t known; /* enum ramjet_known */
	/* The limit has been out of reach for some seconds, and the pause does
	 * not become shorter: with this one it would switch. Else 0. */
	uint64_t limit_needed_us;
	/* The path's round trip, end to end, proxies and relays included. */
	uint64_t path_rtt_us;
	/* downtime_us is over when the source hears that the target's guest
	 * runs. The guest itself ran before: this is its own pause. */
	uint64_t guest_downtime_us;
	uint64_t control_reconnects; /* a lost control link came back */
	/* Channels that broke while the others went on, and those of them that
	 * came back; each time. */
	uint32_t lanes_lost, lanes_rejoined;
};
#define RAMJET_ROUNDS_MAX 1024u

/* A consistent snapshot, *returned*; free with ramjet_info_free(). Legal in
 * every state, also after failure. Takes microseconds, from any thread: it waits
 * for no callback, whatever hangs there, nor for the peer. */
int ramjet_info(const struct ramjet_migration *migration,
		struct ramjet_info **ret);
void ramjet_info_free(struct ramjet_info *info);

/* What this side has sent, or received, of one block. May grow at its end. */
struct ramjet_block_figures {
	size_t size; /* set by the caller: sizeof *ret */
	char name[64];
	uint64_t bytes;
	uint64_t normal_pages; /* with content, by whatever means; each time */
	uint64_t zero_pages;
	uint64_t untouched_pages; /* source: found in its first round, so far */
};
/* By the index that ramjet_guest_add_block() returned; -ENOENT beyond. Legal in
 * every state; the guest must not have been freed. */
int ramjet_block_figures(const struct ramjet_migration *migration,
			 unsigned index, struct ramjet_block_figures *ret);

/* ---- options, in any language ------------------------------------------- */

/*
 * All defaults, to be changed by assignment: what the *_INIT macros do, for C++
 * and under -Woverride-init, e.g. ramjet_params_init(&params). The functions
 * take the struct's size as the caller knows it, so that a newer library writes
 * no further: in C and C++ the macros add it, other languages pass it.
 */
void ramjet_guest_ops_init(struct ramjet_guest_ops *o, size_t size);
void ramjet_block_init(struct ramjet_block *o, size_t size);
void ramjet_params_init(struct ramjet_params *o, size_t size);
#define ramjet_guest_ops_init(o) ramjet_guest_ops_init(o, sizeof *(o))
#define ramjet_block_init(o)     ramjet_block_init(o, sizeof *(o))
#define ramjet_params_init(o)    ramjet_params_init(o, sizeof *(o))

#ifdef __cplusplus
}
#endif

#include "ramjet-features.h"
#include "ramjet-savings.h"
#endif
