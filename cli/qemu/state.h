/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_STATE_H
#define RJ_CLI_QEMU_STATE_H
/*
 * Device state out of one QEMU and into another. What can be done before the
 * guest stops is in _prepare(): descriptors are passed then.
 */
#include "cli/qemu/settings.h"
#include "cli/qemu/stream.h"
#include "cli/qemu/words.h"

/* The source's side. */
struct rj_qemu_saver {
	enum rj_qemu_way way;
	int fd;     /* to read it: a memfd, or our end of a socket */
	int writer; /* a memfd; QEMU has a duplicate, with one offset */
	int set;    /* QEMU's number of it; -1: none */
};
#define RJ_QEMU_SAVER_NONE \
	((struct rj_qemu_saver){ .fd = -1, .writer = -1, .set = -1 })

/* -ENOSYS when QEMU has no xen-save-devices-state. By a migration it needs
 * rj_qemu_settings_set_source(). */
RJ_NODISCARD int rj_qemu_saver_prepare(struct rj_qemu *source,
				       enum rj_qemu_way way,
				       struct rj_qemu_saver *ret,
				       struct ramjet_error *err);
static inline bool rj_qemu_saver_is_ready(const struct rj_qemu_saver *saver)
{
	return saver->fd >= 0;
}
/* What QEMU is to be told if we die. */
void rj_qemu_saver_undo(const struct rj_qemu_saver *saver, char *text,
			size_t bytes);
/*
 * QEMU is stopped and rj_qemu_check_stopped() found nothing: what a target
 * loads, *returned*. It gives up its locks on images; rj_qemu_cont() takes
 * them back. After that it may be called again; one by a migration has to be done
 * and prepared anew, and leaves QEMU in state 'postmigrate' rather than 'paused'.
 */
RJ_NODISCARD int rj_qemu_saver_save(struct rj_qemu *source,
				    struct rj_qemu_saver *saver,
				    struct rj_qemu_state *ret,
				    struct ramjet_error *err);
/* Have QEMU forget the descriptor. Right for a dead QEMU, and twice. */
void rj_qemu_saver_done(struct rj_qemu *source, struct rj_qemu_saver *saver);

/* The target's side. */
struct rj_qemu_loader {
	int fd;     /* we write here; -1: none */
	bool named; /* QEMU has the other end, by a name */
	size_t given; /* bytes that QEMU has been sent; 0: it wasn't told to load */
	struct rj_qemu_words words;
};
#define RJ_QEMU_LOADER_NONE \
	((struct rj_qemu_loader){ .fd = -1, .words = { .fd = -1 } })

/*
 * Needs rj_qemu_settings_set(). Whether QEMU was started with -S can't be
 * seen, and without it the guest would run as soon as it is loaded: so it is
 * told to `stop`, which means the same while it waits.
 */
RJ_NODISCARD int rj_qemu_loader_prepare(struct rj_qemu *target,
					struct rj_qemu_loader *ret,
					struct ramjet_error *err);
/*
 * QEMU is told to load, and given what comes before all devices: it waits for
 * them, having changed nothing of its machine. From here on it can't be given up
 * and be used for another try: one before 9.1 ends when it is. Before
 * rj_qemu_loader_load(), to save time there; twice does nothing.
 */
RJ_NODISCARD int rj_qemu_loader_begin(struct rj_qemu *target,
				      struct rj_qemu_loader *loader,
				      struct ramjet_error *err);
/*
 * Waits until it is loaded and QEMU is paused, ready for rj_qemu_cont().
 * -EREMOTEIO with QEMU's words when it refuses: one before 9.1 ends then,
 * and its words can be had only where its stderr is a file.
 * -ETIMEDOUT after `timeout_ms`: it must not be let run then.
 */
RJ_NODISCARD int rj_qemu_loader_load(struct rj_qemu *target,
				     struct rj_qemu_loader *loader,
				     const struct rj_qemu_state *state,
				     int timeout_ms, struct ramjet_error *err);
/* The name is taken back. Right for a dead QEMU, and twice. */
void rj_qemu_loader_done(struct rj_qemu *target, struct rj_qemu_loader *loader);
#endif
