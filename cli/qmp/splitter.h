/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QMP_SPLITTER_H
#define RJ_CLI_QMP_SPLITTER_H
/*
 * Finds whole JSON values in a stream of bytes that comes in any pieces.
 * Objects and arrays end where their brackets close, with no line end needed;
 * whatever else stands between them is one value a line. It finds ends and
 * nothing more: whether a value is sound is the parser's to say.
 *
 * As in QEMU, a byte that can't occur in JSON (a control character, 0xff) gives
 * up the value it stands in: a peer that lost its place finds it again that
 * way. What follows is skipped, up to the next line or the next object.
 */
#include <stdbool.h>
#include <stddef.h>

/* Most bytes of one value. */
#define RJ_QMP_VALUE_BYTES_MAX 65536u

enum rj_qmp_piece {
	RJ_QMP_MORE = 0, /* all taken, no value is complete yet */
	RJ_QMP_VALUE,    /* text[0 .. used) is one */
	RJ_QMP_BROKEN,   /* a value was given up, see above */
	RJ_QMP_TOO_LONG, /* for good: the rest can't be told apart */
};

struct rj_qmp_splitter {
	size_t used;
	unsigned depth;
	enum {
		RJ_QMP_BETWEEN = 0,
		RJ_QMP_BRACKETS,
		RJ_QMP_STRING,
		RJ_QMP_ESCAPE,
		RJ_QMP_LINE,
		RJ_QMP_SKIP,
		RJ_QMP_DONE, /* a value was handed out, the next call drops it */
		RJ_QMP_DROPPED, /* so was a broken one */
	} where;
	char text[RJ_QMP_VALUE_BYTES_MAX];
};

void rj_qmp_splitter_init(struct rj_qmp_splitter *splitter);
/*
 * Take from bytes[0 .. count), at most up to the end of one value; *ret_taken
 * says how much. Call again with the rest until RJ_QMP_MORE comes with all of
 * it taken. A value stays in text until the next call.
 */
enum rj_qmp_piece rj_qmp_splitter_take(struct rj_qmp_splitter *splitter,
				       const char *bytes, size_t count,
				       size_t *ret_taken);
#endif
