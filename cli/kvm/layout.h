/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_LAYOUT_H
#define RJ_CLI_KVM_LAYOUT_H
/*
 * Where the KVM guest's program lies in RAM and what its pages are.
 *
 * RAM, in pages: 0 the header (what the program is, written once), 1 the code,
 * 2 the task state segment, one page a vCPU, the page tables; in the middle
 * the working set, cut into one slice a vCPU; before and after it static
 * pages.
 *
 * A `struct rj_kvm_program` is a view of such RAM, cheap and safe to share.
 */
#include "cli/guest/pattern.h"
#include "cli/guest/ram_page.h"
#include "cli/guest/spread.h"
#include "cli/kvm/tables.h"

#define RJ_KVM_HEADER_PAGE  UINT64_C(0)
#define RJ_KVM_CODE_PAGE    UINT64_C(1)
#define RJ_KVM_TASK_PAGE    UINT64_C(2) /* task state segment */
#define RJ_KVM_VCPU_PAGE    UINT64_C(3) /* the first vCPU's */
#define RJ_KVM_HEADER_WORDS 13u

struct rj_kvm_program {
	uint8_t *ram; /* borrowed */
	uint64_t page_count;
	uint64_t system_end; /* follows from size and threads */
	uint64_t set_first;  /* follows from these and set_pages */
	/* from the header */
	uint64_t set_pages;
	uint64_t write_bytes_per_s;
	uint64_t seed;
	uint32_t threads;
	uint32_t zero_percent;
	uint32_t compressible_percent;
	enum rj_cli_pattern pattern;
	struct rj_cli_spread spread; /* of static pages */
};

static inline volatile uint64_t *rj_kvm_page_at(
	const struct rj_kvm_program *program, uint64_t index)
{
	return (volatile uint64_t *)(void *)(program->ram +
					     index * RAMJET_PAGE_BYTES);
}

struct rj_kvm_tables rj_kvm_layout_tables(const struct rj_kvm_program *program);

/* vCPU `thread`'s slice: its first page (of RAM; `threads` gives the end of
 * the set), and its walk. */
uint64_t rj_kvm_slice_first(const struct rj_kvm_program *program,
			    uint32_t thread);
struct rj_cli_walk rj_kvm_slice_walk(const struct rj_kvm_program *program,
				     uint32_t thread);

/* What page `index` is made of; a counted page's counter is the caller's. */
struct rj_cli_page rj_kvm_set_page(const struct rj_kvm_program *program,
				   uint64_t index, uint32_t owner);
struct rj_cli_page rj_kvm_static_page(const struct rj_kvm_program *program,
				      uint64_t index);

/* Page 0's words for this program. */
void rj_kvm_header_encode(const struct rj_kvm_program *program,
			  uint64_t words[RJ_KVM_HEADER_WORDS]);
/*
 * The whole task state segment, in words. It is there for its I/O bitmap, all
 * zeros, which opens every port below 0x7c00 to user mode: a paravirtual KVM
 * does not honour IOPL.
 */
void rj_kvm_task_encode(uint64_t words[RJ_CLI_PAGE_WORDS]);
/* A vCPU page's words (RJ_KVM_VCPU_WORDS of them). */
void rj_kvm_vcpu_encode(const struct rj_kvm_program *program, uint32_t thread,
			uint64_t writes, uint64_t *words);
/* The first page that is not the program's own, from the size and vCPUs. */
uint64_t rj_kvm_system_end(uint64_t page_count, uint32_t threads);
/* The working set lies in the middle of RAM, so that it spans slots. */
uint64_t rj_kvm_set_first(uint64_t page_count, uint32_t threads,
			  uint64_t set_pages);
#endif
