/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/layout.h"

#include <assert.h>

#include "cli/kvm/program_abi.h"
#include "util/bits.h"

#define HEADER_MAGIC   UINT64_C(0x6d6172676f72704b) /* "Kprogram" */
#define HEADER_VERSION 2u
#define VCPU_MAGIC     UINT64_C(0x7570637620206b72)

static_assert(RJ_KVM_PATTERN_HOT == RJ_CLI_PATTERN_HOT &&
		      RJ_KVM_PATTERN_SEQUENTIAL == RJ_CLI_PATTERN_SEQUENTIAL,
	      "the assembler's patterns are the spec's");

uint64_t rj_kvm_system_end(uint64_t page_count, uint32_t threads)
{
	return RJ_KVM_VCPU_PAGE + threads +
	       rj_kvm_tables_pages(page_count * RAMJET_PAGE_BYTES);
}

uint64_t rj_kvm_set_first(uint64_t page_count, uint32_t threads,
			  uint64_t set_pages)
{
	uint64_t system_end = rj_kvm_system_end(page_count, threads);
	uint64_t first = (page_count - set_pages) / 2;

	return first > system_end ? first : system_end;
}

struct rj_kvm_tables rj_kvm_layout_tables(const struct rj_kvm_program *program)
{
	return (struct rj_kvm_tables){
		.ram = program->ram,
		.bytes = program->page_count * RAMJET_PAGE_BYTES,
		.first = RJ_KVM_VCPU_PAGE + program->threads,
	};
}

uint64_t rj_kvm_slice_first(const struct rj_kvm_program *program,
			    uint32_t thread)
{
	uint64_t each = program->set_pages / program->threads;
	uint64_t more = program->set_pages % program->threads;

	return program->set_first + each * thread +
	       (thread < more ? thread : more);
}

struct rj_cli_walk rj_kvm_slice_walk(const struct rj_kvm_program *program,
				     uint32_t thread)
{
	return (struct rj_cli_walk){
		.pages = rj_kvm_slice_first(program, thread + 1) -
			 rj_kvm_slice_first(program, thread),
		.seed = rj_cli_mix(program->seed, 1 + (uint64_t)thread),
		.pattern = program->pattern,
	};
}

static uint64_t dice(const struct rj_kvm_program *program, uint64_t index)
{
	return rj_cli_mix(program->seed ^ HEADER_MAGIC, index);
}

struct rj_cli_page rj_kvm_set_page(const struct rj_kvm_program *program,
				   uint64_t index, uint32_t owner)
{
	uint64_t rolled = dice(program, index);

	return (struct rj_cli_page){
		.index = index,
		.seed = program->seed,
		.owner = owner,
		.counted = true,
		.filler = (rolled >> 32) % 100 < program->compressible_percent
				  ? RJ_CLI_FILLER_TEXT
				  : RJ_CLI_FILLER_RANDOM,
	};
}

struct rj_cli_page rj_kvm_static_page(const struct rj_kvm_program *program,
				      uint64_t index)
{
	struct rj_cli_page page = rj_kvm_set_page(program, index, 0);

	page.counted = false;
	if (!rj_cli_spread_has(&program->spread, index) ||
	    (uint32_t)dice(program, index) % 100 < program->zero_percent)
		page.filler = RJ_CLI_FILLER_ZERO;
	return page;
}

void rj_kvm_header_encode(const struct rj_kvm_program *program,
			  uint64_t words[RJ_KVM_HEADER_WORDS])
{
	const uint64_t header[RJ_KVM_HEADER_WORDS - 1] = {
		HEADER_MAGIC,
		HEADER_VERSION,
		program->page_count,
		program->set_pages,
		program->write_bytes_per_s,
		program->seed,
		program->threads,
		program->zero_percent,
		program->compressible_percent,
		program->pattern,
		program->spread.unit,
		program->spread.step,
	};
	uint64_t sum = HEADER_MAGIC;

	for (unsigned i = 0; i < RJ_KVM_HEADER_WORDS - 1; i++) {
		words[i] = header[i];
		sum = rj_cli_mix(sum, header[i]);
	}
	words[RJ_KVM_HEADER_WORDS - 1] = sum;
}

void rj_kvm_task_encode(uint64_t words[RJ_CLI_PAGE_WORDS])
{
	/* Offset of the bitmap, at byte 102: right behind the segment's
	 * fixed part. */
	const uint64_t bitmap_offset = 104;

	memset(words, 0, RAMJET_PAGE_BYTES);
	words[96 / 8] = bitmap_offset << 48;
}

/* As cli/guest/pattern.c cuts a slice into hot and cold pages. */
static uint64_t hot_pages(const struct rj_cli_walk *walk)
{
	if (walk->pattern == RJ_CLI_PATTERN_HOT && walk->pages > 1)
		return rj_div_round_up(walk->pages, RJ_KVM_HOT_SHARE);
	return walk->pages;
}

void rj_kvm_vcpu_encode(const struct rj_kvm_program *program, uint32_t thread,
			uint64_t writes, uint64_t *words)
{
	struct rj_cli_walk walk = rj_kvm_slice_walk(program, thread);

	words[RJ_KVM_VCPU_MAGIC / 8] = VCPU_MAGIC;
	words[RJ_KVM_VCPU_OWNER / 8] = thread;
	words[RJ_KVM_VCPU_WRITES / 8] = writes;
	words[RJ_KVM_VCPU_FIRST / 8] = rj_kvm_slice_first(program, thread);
	words[RJ_KVM_VCPU_PAGES / 8] = walk.pages;
	words[RJ_KVM_VCPU_HOT / 8] = hot_pages(&walk);
	words[RJ_KVM_VCPU_SEED / 8] = walk.seed;
	words[RJ_KVM_VCPU_HOT_KEY / 8] = rj_cli_mix(walk.seed, 0);
	words[RJ_KVM_VCPU_COLD_KEY / 8] = rj_cli_mix(walk.seed, 1);
	words[RJ_KVM_VCPU_PATTERN / 8] = walk.pattern;
}
