/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_GUEST_H
#define RJ_CLI_GUEST_GUEST_H
/*
 * The seam between the command and the guests it can move: file, process,
 * kvm, qemu. A kind embeds `struct rj_cli_guest` as its first member.
 *
 * Life on the source: create (memory is filled), attach, run; then the
 * engine calls ops->stop, save_state and, after a failure, start.
 * Life on the target: create (empty memory), attach; then the engine calls
 * ops->load_state and start.
 * Calls come from one thread at a time; ops from the engine's control thread,
 * with the guest's struct rj_cli_guest * as `user`.
 */
#include "cli/guest/spec.h"

enum rj_cli_role {
	RJ_CLI_SOURCE,
	RJ_CLI_TARGET
};

struct rj_cli_guest_kind;

struct rj_cli_guest {
	const struct rj_cli_guest_kind *kind;
};

/* What a self-check looked at, and how far the program has come. */
struct rj_cli_guest_check {
	uint64_t pages;        /* compared in full */
	uint64_t writes;       /* page writes since the guest was born */
	uint64_t own_writes;   /* of these, made by this process */
	uint64_t first_write;  /* number of this process's first one */
	uint64_t trial_writes; /* during rj_cli_guest_trial() */
};

/* `ok`: nothing is missing there. `line` is borrowed. */
typedef void rj_cli_finding_fn(void *user, bool ok, const char *line);

struct rj_cli_guest_kind {
	const char *name; /* "process" */
	/* Its program runs, keeps its state in guest RAM, checks itself. */
	bool live;
	const struct ramjet_guest_ops *ops;
	int (*create)(const struct rj_cli_guest_spec *spec,
		      enum rj_cli_role role, struct rj_cli_guest **ret,
		      struct ramjet_error *err);
	/* Add the blocks and the dirty source to `handle`. */
	int (*attach)(struct rj_cli_guest *guest, struct ramjet_guest *handle,
		      struct ramjet_error *err);
	/* One line for people: what it is and does. */
	void (*describe)(const struct rj_cli_guest *guest, char *text,
			 size_t bytes);
	/* Target, once it has run: what the guest leaves behind is on disk on
	 * return. NULL: it leaves nothing. */
	int (*settle)(struct rj_cli_guest *guest, struct ramjet_error *err);
	/* Target: what has arrived is to be moved on from here: as a source's
	 * from now on. NULL: it is not done. Again: nothing. */
	int (*send_on)(struct rj_cli_guest *guest, struct ramjet_guest *handle,
		       struct ramjet_error *err);
	/* The rest is for live guests, NULL otherwise. */
	/* Source: let the program go for the first time. */
	int (*run)(struct rj_cli_guest *guest, struct ramjet_error *err);
	/* Page writes since the guest was born; also while it runs. */
	uint64_t (*writes)(const struct rj_cli_guest *guest);
	/* Its program runs now (was not stopped). */
	bool (*running)(const struct rj_cli_guest *guest);
	/* Guest is stopped. Compare all its memory with what its program must
	 * have left there: 0, or -EBADMSG and the first damage: where, what
	 * was found, what was wanted. *ret is filled also then. */
	int (*check)(struct rj_cli_guest *guest, struct rj_cli_guest_check *ret,
		     struct ramjet_error *err);
	/* Guest is stopped. A digest of whatever its program changes: equal
	 * digests, quiet memory. */
	uint64_t (*digest)(const struct rj_cli_guest *guest);
	/* The rest is for guests that are somebody else's, NULL or 0 otherwise. */
	/* Others stop it and let it go on, too, at any time: so `stop` is called
	 * of one that is paused as well, and says how it is by
	 * ramjet_guest_set_paused(). */
	bool has_owner;
	/* What saving and loading the devices takes, until it is known. */
	uint64_t state_hint_us;
	/* What a person should know before it is moved; "": nothing. */
	const char *(*notice)(const struct rj_cli_guest *guest);
	/* Its migration has ended so. What there is to be known of it here, for
	 * people; "": nothing. `dismiss`: a source that has been handed over is
	 * to end; if it can't be ended that is an error. */
	int (*outcome)(struct rj_cli_guest *guest, enum ramjet_state state,
		       bool dismiss, char *text, size_t bytes,
		       struct ramjet_error *err);
	/* Tell what stands in the way of moving such a guest; nothing is
	 * changed by it. False: something does. */
	bool (*findings)(const struct rj_cli_guest_spec *spec,
			 rj_cli_finding_fn *tell, void *user);
	/* Stops it if need be. NULL ok. */
	void (*free)(struct rj_cli_guest *guest);
};

/* How a guest of any kind is made (cli/guest_kinds.h). */
typedef int rj_cli_guest_new_fn(const struct rj_cli_guest_spec *spec,
				enum rj_cli_role role,
				struct rj_cli_guest **ret,
				struct ramjet_error *err);

/* NULL ok. */
void rj_cli_guest_free(struct rj_cli_guest *guest);

/* Live guests, running: let it run on for `run_us`, stop it, check it. -EIO
 * when it doesn't run. */
int rj_cli_guest_trial(struct rj_cli_guest *guest, uint64_t run_us,
		       struct rj_cli_guest_check *ret,
		       struct ramjet_error *err);
/* Live guests, stopped: its memory must not change for `watch_us`; -EBUSY
 * when it does. */
int rj_cli_guest_watch_quiet(struct rj_cli_guest *guest, uint64_t watch_us,
			     struct ramjet_error *err);
#endif
