/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_UNIT_ENGINE_BUS_HANDLER_H
#define RJ_TESTS_UNIT_ENGINE_BUS_HANDLER_H
/* The handler of SIGBUS that a VMM has, which asks ramjet first. */
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

/* Where a fault of the test's own goes on; set before it. */
extern sigjmp_buf bus_handler_back;
/* So often the page was not ramjet's, and the handler was called. */
extern volatile sig_atomic_t bus_handler_own;
extern _Atomic unsigned bus_handler_asked;

/* In the test itself: cmocka has one of its own, from before it to after it.
 * Both figures are 0 then. */
void bus_handler_install(void);
#endif
