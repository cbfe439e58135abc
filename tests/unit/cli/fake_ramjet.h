/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_FAKE_RAMJET_H
#define RJ_TESTS_FAKE_RAMJET_H
/*
 * ramjet_* for tests of the command: nothing moves, but the guest's callbacks
 * are called as an engine would, and the migration ends as told. One
 * migration at a time.
 */
#include "ramjet.h"

struct fake_ramjet {
	/* told by the test */
	int begin_rc; /* of ramjet_migrate / _incoming, with `message` */
	enum ramjet_state end;
	int wait_rc;
	const char *message;
	bool stop_guest;    /* the source got as far as the switchover ... */
	bool restart_guest; /* ... and back */
	bool leave_running; /* a broken engine: handed over, not stopped */
	bool endless;       /* until cancelled */
	int raise_signal;   /* comes while it waits; 0: none */
	struct ramjet_info info;
	struct ramjet_savings savings;
	/* target: what "arrives" before load_state; borrowed */
	const void *ram;
	const void *state;
	size_t state_bytes;
	int paused_rc; /* of ramjet_guest_set_paused() */
	/* seen by the fake */
	bool paused;
	struct ramjet_block block;
	struct ramjet_params params;
	char uri[256];
	char bus[256]; /* of the helpers */
	unsigned dirty_sources;
	size_t kvm_slots; /* told to the newest KVM source */
	size_t kvm_rings;
	unsigned cancels;
	unsigned alive; /* handles not yet freed */
};

extern struct fake_ramjet fake;
/* Completes, with a few figures; forgets everything seen. */
void fake_reset(void);
#endif
