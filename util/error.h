/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_ERROR_H
#define RJ_UTIL_ERROR_H
#include "ramjet.h"
#include "util/compiler.h"

/*
 * Fill err (may be NULL) with code (negative errno) and a message, unless it
 * holds an error already: the first one wins. Returns code, so that failing
 * is one line. Message grammar: "where: what happened, what was wanted".
 */
RJ_COLD RJ_PRINTF(3, 4) int rj_fail(struct ramjet_error *err, int code,
				    const char *format, ...);
/* As rj_fail, and appends ": " and the text of the errno. */
RJ_COLD RJ_PRINTF(3, 4) int rj_fail_errno(struct ramjet_error *err, int code,
					  const char *format, ...);
/* As rj_fail_errno, and what was wanted after it: `wanted`, unless the errno
 * itself says what is missing, such as descriptors. */
RJ_COLD RJ_PRINTF(4, 5) int rj_fail_wanted(struct ramjet_error *err, int code,
					   const char *wanted,
					   const char *format, ...);
/* The last words of that. */
const char *rj_wanted(int code, const char *otherwise);
/* Put "prefix: " before the message of err, if there is one. */
RJ_PRINTF(2, 3)
void rj_error_prefix(struct ramjet_error *err, const char *format, ...);
/*
 * What became of a callback of the VMM that returned `rc`. 0, or a negative
 * errno with err (not NULL) filled: callbacks may fail without a word, or with
 * a message but no code, and a positive number, which is no errno of ours, must
 * not be taken for success. `what` names the callback.
 */
RJ_NODISCARD int rj_callback_result(struct ramjet_error *err, const char *what,
				    int rc);
static inline void rj_error_clear(struct ramjet_error *err)
{
	if (err) {
		err->code = 0;
		err->message[0] = '\0';
	}
}
#endif
