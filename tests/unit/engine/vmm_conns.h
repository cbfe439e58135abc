/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_VMM_CONNS_H
#define RJ_TESTS_VMM_CONNS_H
/*
 * A VMM that makes its connections itself, for both machines of a move: its
 * connector makes a pair, gives the target one end and the source the other.
 */
#include "ramjet-connect.h"
#include "tests/unit/engine/move.h"
#include "tests/unit/ringio/xor_conn.h"

#define VMM_REQUESTS_MAX 32u

struct vmm_conns {
	struct move move;
	struct ramjet_connector connector;
	bool by_operations; /* instead of descriptors */
	struct xor_options kind;

	/* Instead of making a pair, for the request of this channel... */
	int special_channel;
	/* ...and what then: */
	int (*special)(struct vmm_conns *vmm,
		       const struct ramjet_connect_request *request,
		       struct ramjet_connection *ret, struct ramjet_error *err);

	/* the control thread's; read when it is over */
	struct ramjet_connect_request requests[VMM_REQUESTS_MAX];
	unsigned request_count;
	_Atomic unsigned opened, closed; /* connections of operations */
	_Atomic bool called;             /* `special` was */
	unsigned fds_before;
};

/* The usual machines, `channels` on the source. */
void vmm_init(struct vmm_conns *vmm, unsigned channels);
/* Begin the target, the source. */
void vmm_listen(struct vmm_conns *vmm);
void vmm_send(struct vmm_conns *vmm);
void vmm_begin(struct vmm_conns *vmm);
/* Done with the move; asserts that nothing is left of it: no connection, no
 * descriptor, no thread. */
void vmm_done(struct vmm_conns *vmm);
/* A connection to be given, of this end; of the kind the VMM has. */
struct ramjet_connection vmm_connection(struct vmm_conns *vmm, int fd);
/* Two connected sockets. */
void vmm_pair(int fds[2]);
/* Give it to the target, which must take it. */
void vmm_give(struct vmm_conns *vmm, int fd);

int vmm_setup(void **state);
int vmm_teardown(void **state);
#define VMM_TEST(test) \
	cmocka_unit_test_setup_teardown(test, vmm_setup, vmm_teardown)
#endif
