/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/program.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "cli/base/parallel.h"
#include "cli/kvm/program_abi.h"
#include "util/error.h"

/* program.S: after which of a write's stores RIP stands. */
extern const uint8_t rj_kvm_code_tail[], rj_kvm_code_count[];
extern const uint8_t rj_kvm_code_store[], rj_kvm_code_stored[];

/* Where the linker put a label, as seen in guest RAM. */
static uint64_t code_address(const uint8_t *label)
{
	return RJ_KVM_CODE_PAGE * RAMJET_PAGE_BYTES +
	       (uint64_t)(label - rj_kvm_code);
}

/* ---- making it ---- */

RJ_GUEST_MEMORY
static void store_words(const struct rj_kvm_program *program, uint64_t index,
			const uint64_t *words, unsigned count)
{
	volatile uint64_t *page = rj_kvm_page_at(program, index);

	for (unsigned i = 0; i < count; i++)
		page[i] = words[i];
}

static void store_system(const struct rj_kvm_program *program)
{
	struct rj_kvm_tables tables = rj_kvm_layout_tables(program);
	uint64_t words[RJ_CLI_PAGE_WORDS] = { 0 };

	rj_kvm_header_encode(program, words);
	store_words(program, RJ_KVM_HEADER_PAGE, words, RJ_KVM_HEADER_WORDS);
	memset(words, 0, sizeof(words));
	memcpy(words, rj_kvm_code, (size_t)(rj_kvm_code_end - rj_kvm_code));
	store_words(program, RJ_KVM_CODE_PAGE, words, RJ_CLI_PAGE_WORDS);
	rj_kvm_task_encode(words);
	store_words(program, RJ_KVM_TASK_PAGE, words, RJ_CLI_PAGE_WORDS);
	for (uint32_t i = 0; i < program->threads; i++) {
		rj_kvm_vcpu_encode(program, i, 0, words);
		store_words(program, RJ_KVM_VCPU_PAGE + i, words,
			    RJ_KVM_VCPU_WORDS);
	}
	rj_kvm_tables_write(&tables);
}

struct fill {
	const struct rj_kvm_program *program;
	uint64_t first; /* page of RAM item 0 is */
	uint32_t owner;
};

static int fill_set(void *user, uint64_t first, uint64_t count,
		    struct ramjet_error *err RJ_UNUSED)
{
	const struct fill *fill = user;

	for (uint64_t i = fill->first + first; i < fill->first + first + count;
	     i++) {
		struct rj_cli_page page =
			rj_kvm_set_page(fill->program, i, fill->owner);

		rj_cli_page_fill(rj_kvm_page_at(fill->program, i), &page);
	}
	return 0;
}

static int fill_static(void *user, uint64_t first, uint64_t count,
		       struct ramjet_error *err RJ_UNUSED)
{
	const struct fill *fill = user;
	const uint64_t end = fill->first + first + count;
	uint64_t i = fill->first + first;

	for (; (i = rj_cli_spread_next(&fill->program->spread, i)) < end; i++) {
		struct rj_cli_page page = rj_kvm_static_page(fill->program, i);

		/* RAM reads as zeros: writing them would only populate it. */
		if (page.filler != RJ_CLI_FILLER_ZERO)
			rj_cli_page_fill(rj_kvm_page_at(fill->program, i),
					 &page);
	}
	return 0;
}

static int fill_slices(const struct rj_kvm_program *program,
		       struct ramjet_error *err)
{
	struct fill fill = { .program = program };
	int rc = 0;

	for (uint32_t i = 0; !rc && i < program->threads; i++) {
		uint64_t end = rj_kvm_slice_first(program, i + 1);

		fill.owner = i;
		fill.first = rj_kvm_slice_first(program, i);
		rc = rj_cli_parallel(end - fill.first, fill_set, &fill, err);
	}
	return rc;
}

static int fill_rest(const struct rj_kvm_program *program,
		     struct ramjet_error *err)
{
	struct fill before = { program, program->system_end, 0 };
	struct fill after = { program, program->set_first + program->set_pages,
			      0 };
	int rc;

	/* Nothing to do, and there may be TiB of it. */
	if (program->zero_percent == 100)
		return 0;
	rc = rj_cli_parallel(program->set_first - before.first, fill_static,
			     &before, err);
	if (!rc)
		rc = rj_cli_parallel(program->page_count - after.first,
				     fill_static, &after, err);
	return rc;
}

int rj_kvm_program_create(struct rj_kvm_program *program, uint8_t *ram,
			  const struct rj_cli_guest_spec *spec,
			  struct ramjet_error *err)
{
	struct rj_kvm_program made = {
		.ram = ram,
		.page_count = spec->bytes / RAMJET_PAGE_BYTES,
		.set_pages = spec->set_bytes / RAMJET_PAGE_BYTES,
		.write_bytes_per_s = spec->write_bytes_per_s,
		.seed = spec->seed,
		.threads = spec->threads,
		.zero_percent = spec->zero_percent,
		.compressible_percent = spec->compressible_percent,
		.pattern = spec->pattern,
	};
	uint64_t room;
	int rc;

	made.system_end = rj_kvm_system_end(made.page_count, made.threads);
	if (made.system_end + 2 * made.threads > made.page_count)
		return rj_fail(err, -ERANGE,
			       "guest kvm: size of %llu bytes is too small for "
			       "%u threads, wanted %llu or more",
			       (unsigned long long)spec->bytes, made.threads,
			       (unsigned long long)(made.system_end +
						    2 * made.threads) *
				       RAMJET_PAGE_BYTES);
	/* set=size means all of it; the program's own pages come off. */
	room = made.page_count - made.system_end;
	if (made.set_pages > room)
		made.set_pages = room;
	made.set_first =
		rj_kvm_set_first(made.page_count, made.threads, made.set_pages);
	made.spread = rj_cli_spread_of(spec, room - made.set_pages,
				       made.system_end + made.set_pages);
	store_system(&made);
	*program = made;
	rc = fill_slices(program, err);
	if (!rc)
		rc = fill_rest(program, err);
	return rc;
}

/* ---- taking it over ---- */

/* RAM that has arrived may hold anything: check all of it. */
static bool is_sound(const struct rj_kvm_program *program)
{
	return program->threads >= 1 &&
	       program->threads <= RJ_CLI_THREADS_MAX &&
	       program->system_end <= program->page_count &&
	       program->set_pages <=
		       program->page_count - program->system_end &&
	       (!program->write_bytes_per_s ||
		program->set_pages >= 2 * (uint64_t)program->threads) &&
	       program->pattern < RJ_CLI_PATTERN_COUNT_ &&
	       rj_cli_spread_is_sound(&program->spread, program->page_count) &&
	       program->zero_percent <= 100 &&
	       program->compressible_percent <= 100;
}

RJ_GUEST_MEMORY
static void load_words(const struct rj_kvm_program *program, uint64_t index,
		       uint64_t *words, unsigned count)
{
	volatile uint64_t *page = rj_kvm_page_at(program, index);

	for (unsigned i = 0; i < count; i++)
		words[i] = page[i];
}

int rj_kvm_program_adopt(struct rj_kvm_program *program, uint8_t *ram,
			 uint64_t bytes, struct ramjet_error *err)
{
	struct rj_kvm_program found = {
		.ram = ram,
		.page_count = bytes / RAMJET_PAGE_BYTES,
	};
	uint64_t words[RJ_KVM_HEADER_WORDS], again[RJ_KVM_HEADER_WORDS];

	load_words(&found, RJ_KVM_HEADER_PAGE, words, RJ_KVM_HEADER_WORDS);
	found.set_pages = words[3];
	found.write_bytes_per_s = words[4];
	found.seed = words[5];
	found.threads = (uint32_t)words[6];
	found.zero_percent = (uint32_t)words[7];
	found.compressible_percent = (uint32_t)words[8];
	found.pattern = (enum rj_cli_pattern)words[9];
	found.spread.unit = words[10];
	found.spread.step = words[11];
	found.system_end = rj_kvm_system_end(found.page_count, found.threads);
	found.set_first = rj_kvm_set_first(found.page_count, found.threads,
					   found.set_pages);
	/* Encoding what was understood must give all that was there. */
	rj_kvm_header_encode(&found, again);
	if (memcmp(words, again, sizeof(words)) || !is_sound(&found))
		return rj_fail(err, -EBADMSG,
			       "guest kvm: page 0 of the RAM that arrived is "
			       "not the header of a kvm guest of this size "
			       "(it begins with %016llx)",
			       (unsigned long long)words[0]);
	*program = found;
	return 0;
}

/* ---- a vCPU in it ---- */

static void long_mode(struct kvm_sregs *sregs, uint64_t root)
{
	const struct kvm_segment code = {
		.limit = ~0u,
		.selector = 0x33,
		.type = 11,
		.present = 1,
		.dpl = 3,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	struct kvm_segment data = code;

	data.selector = 0x2b;
	data.type = 3;
	data.l = 0;
	data.db = 1;
	sregs->cs = code;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.base = RJ_KVM_TASK_PAGE * RAMJET_PAGE_BYTES,
		.limit = RAMJET_PAGE_BYTES - 1,
		.selector = 0x40,
		.type = 11,
		.present = 1,
	};
	sregs->ldt = (struct kvm_segment){ .type = 2, .unusable = 1 };
	sregs->gdt.limit = sregs->idt.limit = 0;
	sregs->cr0 = 0x80050033; /* PG, AM, WP, NE, ET, MP, PE */
	sregs->cr3 = root;
	sregs->cr4 = 0x620;  /* OSXMMEXCPT, OSFXSR, PAE */
	sregs->efer = 0x500; /* LMA, LME */
}

int rj_kvm_program_boot(const struct rj_kvm_program *program,
			struct rj_kvm_vcpu *vcpu, struct ramjet_error *err)
{
	struct kvm_regs regs = {
		.rip = code_address(rj_kvm_code),
		.rflags = 2, /* the bit that is always set */
		.rbx = (RJ_KVM_VCPU_PAGE + vcpu->id) * RAMJET_PAGE_BYTES,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return rj_fail_errno(err, -errno, "vcpu %u: KVM_GET_SREGS",
				     vcpu->id);
	long_mode(&sregs, rj_kvm_gpa(rj_kvm_layout_tables(program).first *
				     RAMJET_PAGE_BYTES));
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		return rj_fail_errno(err, -errno, "vcpu %u: KVM_SET_SREGS",
				     vcpu->id);
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return rj_fail_errno(err, -errno, "vcpu %u: KVM_SET_REGS",
				     vcpu->id);
	return 0;
}

RJ_GUEST_MEMORY
uint64_t rj_kvm_program_writes(const struct rj_kvm_program *program,
			       uint32_t thread)
{
	return rj_kvm_page_at(program, RJ_KVM_VCPU_PAGE +
					       thread)[RJ_KVM_VCPU_WRITES / 8];
}

int rj_kvm_program_progress(const struct rj_kvm_program *program,
			    const struct rj_kvm_vcpu *vcpu,
			    struct rj_kvm_progress *ret,
			    struct ramjet_error *err)
{
	uint64_t writes = rj_kvm_program_writes(program, vcpu->id);
	struct rj_kvm_progress progress = { .writes = writes };
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		return rj_fail_errno(err, -errno, "vcpu %u: KVM_GET_REGS",
				     vcpu->id);
	if (regs.rip == code_address(rj_kvm_code_tail))
		progress.step = RJ_KVM_HEAD_WRITTEN;
	else if (regs.rip == code_address(rj_kvm_code_count) ||
		 regs.rip == code_address(rj_kvm_code_store))
		progress.step = RJ_KVM_PAGE_WRITTEN;
	/* Between counting in R13 and in RAM the register is ahead. */
	if (regs.rip == code_address(rj_kvm_code_store))
		writes++;
	if (regs.r13 != writes || regs.rip < code_address(rj_kvm_code) ||
	    regs.rip >= code_address(rj_kvm_code_end))
		return rj_fail(err, -EBADMSG,
			       "self-check: vCPU %u has made %llu writes by "
			       "its register, RAM says %llu (rip 0x%llx)",
			       vcpu->id, (unsigned long long)regs.r13,
			       (unsigned long long)progress.writes,
			       (unsigned long long)regs.rip);
	*ret = progress;
	return 0;
}
