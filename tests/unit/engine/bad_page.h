/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_UNIT_ENGINE_BAD_PAGE_H
#define RJ_TESTS_UNIT_ENGINE_BAD_PAGE_H
/* A page that the kernel takes for broken memory, without any memory lost:
 * whoever touches it gets a SIGBUS, a system call EFAULT. */
#include <stdbool.h>
#include <stdint.h>

/* The page at `host`, of private memory; what it held is lost. False: this
 * kernel can't (before 6.6, or userfaultfd is forbidden). */
bool bad_page_make(uint8_t *host);
#endif
