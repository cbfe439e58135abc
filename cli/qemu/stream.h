/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_STREAM_H
#define RJ_CLI_QEMU_STREAM_H
/*
 * The bytes of a QEMU's device state. xen-save-devices-state writes a header,
 * sections and an end mark; migrate-incoming also wants to be told the machine
 * type in between, and a description after the end.
 */
#include <stddef.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

/* Most bytes of a state; 32 KiB are usual, a GPU or a nested guest has more.
 * Chosen: what a guest may reasonably have to wait for in its pause. */
#define RJ_QEMU_STATE_BYTES_MAX (64u << 20)

struct rj_qemu_state {
	unsigned char *bytes; /* malloc()ed */
	size_t count;
};

void rj_qemu_state_done(struct rj_qemu_state *state);
/* The bytes that come before all devices, whatever these are; as many are
 * returned. `out` may be NULL. */
size_t rj_qemu_state_front(const char *machine, unsigned char *out);
/* What was saved becomes what can be loaded by a QEMU of that machine type.
 * -EPROTO when it isn't what xen-save-devices-state writes. */
RJ_NODISCARD int rj_qemu_state_splice(const void *saved, size_t count,
				      const char *machine,
				      struct rj_qemu_state *ret,
				      struct ramjet_error *err);
/* Of a state from outside: size, header, that it is for `machine`, end. Its
 * sections are QEMU's to judge. */
RJ_NODISCARD int rj_qemu_state_check(const void *bytes, size_t count,
				     const char *machine,
				     struct ramjet_error *err);
#endif
