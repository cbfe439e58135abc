/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_MEMORY_H
#define RJ_CLI_GUEST_MEMORY_H
/* Anonymous RAM for guests, backed as the spec asks. */
#include "cli/guest/spec.h"

struct rj_cli_memory {
	uint8_t *host; /* aligned to 2 MiB */
	uint64_t bytes;
	uint32_t page_bytes; /* backing page, as in struct ramjet_block */
	void *mapping;
	uint64_t mapping_bytes;
};

/* Is there room for this guest, as it is going to be filled? -ENOMEM with the
 * figures: better than to be killed half-way. */
RJ_NODISCARD int rj_cli_memory_fits(const struct rj_cli_guest_spec *spec,
				    bool source, struct ramjet_error *err);
/* Nothing is touched yet. -ENOMEM says what was missing. */
RJ_NODISCARD int rj_cli_memory_map(uint64_t bytes, enum rj_cli_pages pages,
				   struct rj_cli_memory *ret,
				   struct ramjet_error *err);
/* Populate every page, still reading zeros; on several threads. */
RJ_NODISCARD int rj_cli_memory_populate(const struct rj_cli_memory *memory,
					struct ramjet_error *err);
/* Zeroed and already unmapped ones are fine. */
void rj_cli_memory_unmap(struct rj_cli_memory *memory);
#endif
