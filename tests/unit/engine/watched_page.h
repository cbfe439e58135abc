/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_WATCHED_PAGE_H
#define RJ_TESTS_WATCHED_PAGE_H
/* A page whose first writer stands still, in the middle of his write, until he
 * is let go: userfaultfd's write protection. */
#include <stdbool.h>
#include <stdint.h>

struct watched_page {
	int uffd;
	uint8_t *at;
};

/* The page at `at` must be there. False, having said why: not here. */
bool watched_page_begin(struct watched_page *page, uint8_t *at);
/* Until somebody writes it. */
void watched_page_await(const struct watched_page *page);
/* He goes on, and nobody is stopped any more. */
void watched_page_release(struct watched_page *page);
#endif
