/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_VALGRIND_H
#define RJ_UTIL_VALGRIND_H
/* Whether valgrind runs this process: for what it cannot bear. */
#include <stdbool.h>
#ifdef RJ_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#endif

/* False as well where its header was not there at build time. */
static inline bool rj_in_valgrind(void)
{
#ifdef RJ_HAVE_VALGRIND
	return RUNNING_ON_VALGRIND;
#else
	return false;
#endif
}
#endif
