/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_CMOCKA_ALL_H
#define RJ_TESTS_CMOCKA_ALL_H
/* cmocka wants these four first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#endif
