/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_FUZZ_H
#define RJ_TESTS_FUZZ_H
/* What libFuzzer, or replay.c without it, calls. Aborts on a finding. */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* mutate.c, of targets that have it. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t room,
			       unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes,
				 const uint8_t *b, size_t b_bytes, uint8_t *out,
				 size_t room, unsigned seed);
/* libFuzzer's own mutations, and replay.c's. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t room);
#endif
