/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_RINGIO_XOR_CONN_H
#define RJ_TESTS_RINGIO_XOR_CONN_H
/*
 * A connection that is not bare: every byte is changed according to its place in
 * the stream, so that none may be lost, doubled or left as it was. As TLS does,
 * it reads ahead of what is asked for.
 */
#include "ringio/endpoint.h"

struct xor_options {
	size_t piece; /* moves no more at a time; 0: as much as fits */
	bool blind;   /* has no descriptor to poll */
	/* -errno that send, or receive, fails with once so many bytes were
	 * moved; 0: neither does */
	int fails;
	uint64_t sound_bytes;
};

/* Takes `below`, which both ends must have wrapped so. */
struct rj_conn xor_conn_over(const struct rj_conn *below,
			     const struct xor_options *is);
#endif
