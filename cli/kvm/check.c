/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "cli/base/parallel.h"
#include "cli/kvm/program.h"
#include "cli/kvm/program_abi.h"
#include "util/error.h"

#define RESIDENT_PAGES 4096u /* asked for at once */

/* One of the program's own pages: `words`, and zeros to the end. */
RJ_GUEST_MEMORY
static int check_words(const struct rj_kvm_program *program, uint64_t index,
		       const char *what, const uint64_t *words, unsigned count,
		       struct ramjet_error *err)
{
	volatile uint64_t *page = rj_kvm_page_at(program, index);

	for (unsigned i = 0; i < RJ_CLI_PAGE_WORDS; i++) {
		uint64_t wanted = i < count ? words[i] : 0;
		uint64_t found = page[i];

		if (found != wanted)
			return rj_fail(err, -EBADMSG,
				       "self-check: page %llu (%s): the word "
				       "at byte %u is %016llx, wanted %016llx",
				       (unsigned long long)index, what, i * 8,
				       (unsigned long long)found,
				       (unsigned long long)wanted);
	}
	return 0;
}

static int check_system(const struct rj_kvm_program *program,
			const struct rj_kvm_progress *progress,
			struct ramjet_error *err)
{
	struct rj_kvm_tables tables = rj_kvm_layout_tables(program);
	uint64_t words[RJ_CLI_PAGE_WORDS] = { 0 };
	int rc;

	rj_kvm_header_encode(program, words);
	rc = check_words(program, RJ_KVM_HEADER_PAGE, "the header", words,
			 RJ_KVM_HEADER_WORDS, err);
	memset(words, 0, sizeof(words));
	memcpy(words, rj_kvm_code, (size_t)(rj_kvm_code_end - rj_kvm_code));
	if (!rc)
		rc = check_words(program, RJ_KVM_CODE_PAGE, "the code", words,
				 RJ_CLI_PAGE_WORDS, err);
	rj_kvm_task_encode(words);
	if (!rc)
		rc = check_words(program, RJ_KVM_TASK_PAGE, "the task state",
				 words, RJ_CLI_PAGE_WORDS, err);
	for (uint32_t i = 0; !rc && i < program->threads; i++) {
		rj_kvm_vcpu_encode(program, i, progress[i].writes, words);
		rc = check_words(program, RJ_KVM_VCPU_PAGE + i,
				 "a vCPU's state", words, RJ_KVM_VCPU_WORDS,
				 err);
	}
	if (!rc)
		rc = rj_kvm_tables_check(&tables, err);
	return rc;
}

/* A slice, for the parallel loop. */
struct slice {
	const struct rj_kvm_program *program;
	struct rj_kvm_progress progress;
	struct rj_cli_walk walk;
	struct rj_cli_visit open; /* the write under way, if any */
	uint64_t first;
	uint32_t thread;
};

/*
 * The page of a write that was cut short after its first store carries the
 * new counter at its start and the old one at its end. Compare a copy that
 * has the end put right.
 */
RJ_GUEST_MEMORY
static int check_half_written(const struct slice *slice,
			      struct rj_cli_page *page,
			      struct ramjet_error *err)
{
	volatile uint64_t *words = rj_kvm_page_at(slice->program, page->index);
	uint64_t copy[RJ_CLI_PAGE_WORDS];

	for (unsigned i = 0; i < RJ_CLI_PAGE_WORDS; i++)
		copy[i] = words[i];
	if (copy[RJ_KVM_PAGE_TAIL / 8] == slice->open.counter - 1)
		copy[RJ_KVM_PAGE_TAIL / 8]++;
	else
		copy[RJ_KVM_PAGE_TAIL / 8] = 0;
	page->counter = slice->open.counter;
	return rj_cli_page_check(copy, page, err) ? -EBADMSG : 0;
}

static int check_slice(void *user, uint64_t first, uint64_t count,
		       struct ramjet_error *err)
{
	const struct slice *slice = user;

	for (uint64_t i = first; i < first + count; i++) {
		struct rj_cli_visit visit = rj_cli_walk_expect(
			&slice->walk, slice->progress.writes, i);
		uint64_t index = slice->first + visit.page;
		struct rj_cli_page page =
			rj_kvm_set_page(slice->program, index, slice->thread);
		bool open = slice->progress.step != RJ_KVM_BETWEEN &&
			    visit.page == slice->open.page;

		page.counter = open ? slice->open.counter : visit.counter;
		if (open && slice->progress.step == RJ_KVM_HEAD_WRITTEN) {
			int rc = check_half_written(slice, &page, err);

			if (rc)
				return rc;
		} else if (rj_cli_page_check(
				   rj_kvm_page_at(slice->program, index), &page,
				   err)) {
			return -EBADMSG;
		}
	}
	return 0;
}

static int check_set(const struct rj_kvm_program *program, uint32_t thread,
		     const struct rj_kvm_progress *progress,
		     struct ramjet_error *err)
{
	struct slice slice = {
		.program = program,
		.progress = *progress,
		.walk = rj_kvm_slice_walk(program, thread),
		.first = rj_kvm_slice_first(program, thread),
		.thread = thread,
	};

	if (!slice.walk.pages)
		return 0;
	if (progress->step != RJ_KVM_BETWEEN)
		slice.open = rj_cli_walk_write(&slice.walk, progress->writes);
	return rj_cli_parallel(slice.walk.pages, check_slice, &slice, err);
}

struct rest {
	const struct rj_kvm_program *program;
	uint64_t first;
	uint64_t compared; /* atomic */
};

static int check_static_page(struct rest *rest, uint64_t index, bool resident,
			     struct ramjet_error *err)
{
	struct rj_cli_page page = rj_kvm_static_page(rest->program, index);

	if (page.filler == RJ_CLI_FILLER_ZERO && !resident)
		return 0;
	if (rj_cli_page_check(rj_kvm_page_at(rest->program, index), &page, err))
		return -EBADMSG;
	(void)__atomic_fetch_add(&rest->compared, 1, __ATOMIC_RELAXED);
	return 0;
}

static int check_static(void *user, uint64_t first, uint64_t count,
			struct ramjet_error *err)
{
	struct rest *rest = user;
	unsigned char resident[RESIDENT_PAGES];
	uint64_t end = rest->first + first + count;
	uint64_t next;

	for (uint64_t i = rest->first + first; i < end; i = next) {
		next = i + RESIDENT_PAGES < end ? i + RESIDENT_PAGES : end;
		/* What cannot be asked is read. */
		if (mincore(rest->program->ram + i * RAMJET_PAGE_BYTES,
			    (next - i) * RAMJET_PAGE_BYTES, resident))
			memset(resident, 1, sizeof(resident));
		/* There may be TiB that were never touched. */
		if ((rest->program->zero_percent == 100 ||
		     rj_cli_spread_next(&rest->program->spread, i) >= next) &&
		    !memchr(resident, 1, next - i))
			continue;
		for (uint64_t page = i; page < next; page++) {
			int rc = check_static_page(rest, page,
						   resident[page - i] & 1, err);

			if (rc)
				return rc;
		}
	}
	return 0;
}

/* Static pages [first, end). */
static int check_rest(const struct rj_kvm_program *program, uint64_t first,
		      uint64_t end, uint64_t *compared,
		      struct ramjet_error *err)
{
	struct rest rest = { .program = program, .first = first };
	int rc = rj_cli_parallel(end - first, check_static, &rest, err);

	*compared += rest.compared;
	return rc;
}

int rj_kvm_program_check(const struct rj_kvm_program *program,
			 const struct rj_kvm_progress *progress,
			 uint64_t *ret_pages, struct ramjet_error *err)
{
	uint64_t set_end = program->set_first + program->set_pages;
	int rc = check_system(program, progress, err);

	*ret_pages = program->system_end + program->set_pages;
	for (uint32_t i = 0; !rc && i < program->threads; i++)
		rc = check_set(program, i, &progress[i], err);
	if (!rc)
		rc = check_rest(program, program->system_end,
				program->set_first, ret_pages, err);
	if (!rc)
		rc = check_rest(program, set_end, program->page_count,
				ret_pages, err);
	return rc;
}

uint64_t rj_kvm_program_digest(const struct rj_kvm_program *program)
{
	uint64_t end = rj_kvm_slice_first(program, program->threads);
	uint64_t digest = 0, head, tail;

	for (uint32_t i = 0; i < program->threads; i++)
		digest = rj_cli_mix(digest, rj_kvm_program_writes(program, i));
	for (uint64_t i = program->set_first; i < end; i++) {
		rj_cli_page_counters(rj_kvm_page_at(program, i), &head, &tail);
		digest = rj_cli_mix(digest ^ head, tail);
	}
	return digest;
}

int rj_kvm_program_complaint(const struct rj_kvm_program *program,
			     const struct rj_kvm_vcpu *vcpu, uint32_t code,
			     struct ramjet_error *err)
{
	struct rj_cli_page page;
	struct kvm_regs regs;
	uint64_t index;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		return rj_fail_errno(err, -errno, "vcpu %u: KVM_GET_REGS",
				     vcpu->id);
	if (code != RJ_KVM_BAD_PAGE)
		return rj_fail(err, -EBADMSG,
			       "vcpu %u: the guest found its FPU and its "
			       "registers at odds after %llu writes",
			       vcpu->id, (unsigned long long)regs.r13);
	index = regs.rdi / RAMJET_PAGE_BYTES;
	if (index >= program->page_count)
		return rj_fail(err, -EBADMSG,
			       "vcpu %u: the guest lost its way to page %llu",
			       vcpu->id, (unsigned long long)index);
	page = rj_kvm_set_page(program, index, vcpu->id);
	page.counter = regs.r12 - 1;
	if (!rj_cli_page_check(rj_kvm_page_at(program, index), &page, err))
		(void)rj_fail(err, -EBADMSG, "page %llu is damaged",
			      (unsigned long long)index);
	rj_error_prefix(err, "vcpu %u: the guest itself", vcpu->id);
	return -EBADMSG;
}
