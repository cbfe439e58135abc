/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_BENCH_CONTENT_H
#define RJ_BENCH_CONTENT_H
/* What it costs to find out what pages hold (engine/page/content.h), against
 * doing without: bench-pages' figures `ratio`. */
void register_content(void);
#endif
