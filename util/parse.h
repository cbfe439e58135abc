/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_PARSE_H
#define RJ_UTIL_PARSE_H
/* Sizes, rates, durations and numbers as people write them. Each returns 0 or
 * -EINVAL / -ERANGE with a message that names `what` and the text. Nothing
 * may follow the value; *ret is written only on success. */
#include "ramjet.h"
#include "util/compiler.h"

/* Decimal, in [min, max]. */
RJ_NODISCARD int rj_parse_uint(const char *what, const char *text, uint64_t min,
			       uint64_t max, uint64_t *ret,
			       struct ramjet_error *err);
/* "4G", "512MiB", "1.5G", "4096": bytes; K M G T (powers of 1024), optional
 * "iB" or "B". */
RJ_NODISCARD int rj_parse_size(const char *what, const char *text,
			       uint64_t *ret, struct ramjet_error *err);
/* As a size, optional "/s"; or bit/s: "10gbit", "800mbit", "64kbit" (powers
 * of 1000). Bytes per second. */
RJ_NODISCARD int rj_parse_rate(const char *what, const char *text,
			       uint64_t *ret, struct ramjet_error *err);
/* "300ms", "1.5s", "20us", "100ns", "2m", "1h"; without a unit only "0".
 * Microseconds. */
RJ_NODISCARD int rj_parse_duration_us(const char *what, const char *text,
				      uint64_t *ret, struct ramjet_error *err);
/* "30%" or "30": 0..100. */
RJ_NODISCARD int rj_parse_percent(const char *what, const char *text,
				  unsigned *ret, struct ramjet_error *err);
#endif
