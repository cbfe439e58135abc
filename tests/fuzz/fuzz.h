/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_FUZZ_H
#define RJ_TESTS_FUZZ_H
/* What libFuzzer, or replay.c without it, calls. Aborts on a finding. */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
#endif
