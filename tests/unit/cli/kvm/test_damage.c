/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cli/kvm/rig.h"

#include <errno.h>

#include "cli/kvm/layout.h"
#include "cli/kvm/program_abi.h"

/*
 * The check must be able to fail: each test damages the RAM of a VM that ran,
 * in one way, and wants that damage named; put right, all is well again.
 */

static uint64_t *words_of(const struct rig *rig, uint64_t page)
{
	return (uint64_t *)(void *)(rig->memory.host +
				    page * RAMJET_PAGE_BYTES);
}

static void make(struct rig *rig)
{
	rig_need_kvm();
	rig_source(rig, "kvm:size=2M,set=512K,write=max,threads=2,zero=30,"
			"pattern=random");
	rig_run(rig, 1000);
}

static void expect_damage(struct rig *rig, const char *named)
{
	uint64_t pages;

	memset(&rig->err, 0, sizeof(rig->err));
	assert_int_equal(rj_kvm_machine_check(rig->machine, &pages, &rig->err),
			 -EBADMSG);
	if (!strstr(rig->err.message, named))
		fail_msg("'%s' does not name '%s'", rig->err.message, named);
	memset(&rig->err, 0, sizeof(rig->err));
}

/* One word of one page differs by `bits`. */
static void expect_word_counts(struct rig *rig, uint64_t page,
			       unsigned byte_offset, uint64_t bits,
			       const char *named)
{
	words_of(rig, page)[byte_offset / 8] ^= bits;
	expect_damage(rig, named);
	words_of(rig, page)[byte_offset / 8] ^= bits;
	rig_check(rig);
}

static void lost_page_is_found(void **state RJ_UNUSED)
{
	uint8_t copy[RAMJET_PAGE_BYTES];
	struct rig rig;
	void *page;

	make(&rig);
	page = words_of(&rig, rig.program.set_first + 7);
	memcpy(copy, page, sizeof(copy));
	memset(page, 0, sizeof(copy));
	expect_damage(&rig, "lost page");
	memcpy(page, copy, sizeof(copy));
	rig_check(&rig);
	rig_free(&rig);
}

/* What a migration that misses the last write to a page leaves behind. */
static void stale_page_is_found(void **state RJ_UNUSED)
{
	uint8_t *before = malloc(2u << 20);
	struct rig rig;
	uint64_t page;

	make(&rig);
	assert_non_null(before);
	memcpy(before, rig.memory.host, 2u << 20);
	/* Two passes over all, so every page was written since. */
	rig_run(&rig, 4 * rig.program.set_pages);
	for (page = rig.program.set_first;
	     page < rig.program.set_first + rig.program.set_pages; page += 13) {
		uint8_t copy[RAMJET_PAGE_BYTES];

		/* A vCPU that was not scheduled has written nothing new. */
		if (!memcmp(words_of(&rig, page),
			    before + page * RAMJET_PAGE_BYTES, sizeof(copy)))
			continue;
		memcpy(copy, words_of(&rig, page), sizeof(copy));
		memcpy(words_of(&rig, page), before + page * RAMJET_PAGE_BYTES,
		       sizeof(copy));
		expect_damage(&rig, "stale page");
		memcpy(words_of(&rig, page), copy, sizeof(copy));
	}
	rig_check(&rig);
	free(before);
	rig_free(&rig);
}

/* The vCPUs' pages are old, the working set is new. */
static void stale_vcpu_page_is_found(void **state RJ_UNUSED)
{
	struct rig rig;

	make(&rig);
	words_of(&rig, RJ_KVM_VCPU_PAGE)[RJ_KVM_VCPU_WRITES / 8] -= 1;
	expect_damage(&rig, "by its register");
	rig_free(&rig);
}

static void foreign_page_is_found(void **state RJ_UNUSED)
{
	uint8_t copy[RAMJET_PAGE_BYTES];
	struct rig rig;
	void *page;

	make(&rig);
	page = words_of(&rig, rig.program.set_first + 5);
	memcpy(copy, page, sizeof(copy));
	memcpy(page, words_of(&rig, rig.program.set_first + 6), sizeof(copy));
	expect_damage(&rig, "foreign page");
	memcpy(page, copy, sizeof(copy));
	rig_check(&rig);
	rig_free(&rig);
}

static void torn_page_is_found(void **state RJ_UNUSED)
{
	struct rig rig;

	make(&rig);
	for (uint64_t i = 0; i < rig.program.set_pages; i += 11) {
		expect_word_counts(&rig, rig.program.set_first + i,
				   RJ_KVM_PAGE_TAIL, 1u << 20, "torn page");
		expect_word_counts(&rig, rig.program.set_first + i,
				   RJ_KVM_PAGE_HEAD, 1u << 20, "torn page");
	}
	rig_free(&rig);
}

static void changed_content_is_found(void **state RJ_UNUSED)
{
	uint64_t set_end;
	struct rig rig;

	make(&rig);
	set_end = rig.program.set_first + rig.program.set_pages;
	expect_word_counts(&rig, rig.program.set_first + 3, 2048, 1,
			   "changed content");
	/* Static pages before and after the set, zero ones too. */
	for (uint64_t i = 0; i < 10; i++) {
		expect_word_counts(&rig, rig.program.system_end + i, 4088, 1,
				   "changed content");
		expect_word_counts(&rig, set_end + i, 4088, 1,
				   "changed content");
	}
	rig_free(&rig);
}

static void changed_system_page_is_found(void **state RJ_UNUSED)
{
	struct rig rig;

	make(&rig);
	expect_word_counts(&rig, RJ_KVM_HEADER_PAGE, 24, 1, "the header");
	expect_word_counts(&rig, RJ_KVM_CODE_PAGE, 4088, 1, "the code");
	expect_word_counts(&rig, RJ_KVM_TASK_PAGE, 512, 1, "the task state");
	expect_word_counts(&rig, RJ_KVM_VCPU_PAGE + 1, RJ_KVM_VCPU_SEED, 1,
			   "a vCPU's state");
	expect_word_counts(&rig, RJ_KVM_VCPU_PAGE + 1, 2048, 1,
			   "a vCPU's state");
	expect_word_counts(&rig, RJ_KVM_VCPU_PAGE + 2, 4088, 1,
			   "page table entry");
	rig_free(&rig);
}

/* The program itself looks before it writes, also on a target that nobody
 * has checked in full. */
static void guest_complains_of_damage_itself(void **state RJ_UNUSED)
{
	struct rj_kvm_vcpu *vcpu;
	struct rig rig;

	make(&rig);
	vcpu = rj_kvm_machine_vcpu(rig.machine, 1);
	words_of(&rig, rj_kvm_slice_first(&rig.program, 1) +
			       4)[RJ_KVM_PAGE_TAIL / 8] -= 1;
	rj_kvm_machine_start(rig.machine);
	while (!rj_kvm_vcpu_error(vcpu, &rig.err))
		(void)sched_yield();
	assert_non_null(strstr(rig.err.message, "vcpu 1: the guest itself"));
	assert_non_null(strstr(rig.err.message, "torn page"));
	/* The others run on; the stop reports it, and so does the check. */
	assert_int_equal(rj_kvm_machine_stop(rig.machine, NULL), -EBADMSG);
	expect_damage(&rig, "the guest itself");
	rig_free(&rig);
}

static void foreign_header_is_not_adopted(void **state RJ_UNUSED)
{
	struct rj_kvm_program program;
	struct ramjet_error err = { 0 };
	uint64_t saved[RJ_KVM_HEADER_WORDS];
	struct rig rig;

	make(&rig);
	memcpy(saved, words_of(&rig, 0), sizeof(saved));
	for (unsigned i = 0; i < RJ_KVM_HEADER_WORDS; i++) {
		words_of(&rig, 0)[i] ^= UINT64_C(1) << 40;
		assert_int_equal(rj_kvm_program_adopt(&program, rig.memory.host,
						      2u << 20, &err),
				 -EBADMSG);
		words_of(&rig, 0)[i] = saved[i];
	}
	/* Sealed, but for other RAM. */
	assert_int_equal(
		rj_kvm_program_adopt(&program, rig.memory.host, 1u << 20, NULL),
		-EBADMSG);
	/* Sealed, and impossible: more set than RAM, no vCPU, ... */
	program = rig.program;
	program.set_pages = UINT64_MAX / 2;
	rj_kvm_header_encode(&program, words_of(&rig, 0));
	assert_int_equal(
		rj_kvm_program_adopt(&program, rig.memory.host, 2u << 20, NULL),
		-EBADMSG);
	program = rig.program;
	program.threads = 0;
	rj_kvm_header_encode(&program, words_of(&rig, 0));
	assert_int_equal(
		rj_kvm_program_adopt(&program, rig.memory.host, 2u << 20, NULL),
		-EBADMSG);
	program = rig.program;
	program.threads = 4000000000u;
	rj_kvm_header_encode(&program, words_of(&rig, 0));
	assert_int_equal(
		rj_kvm_program_adopt(&program, rig.memory.host, 2u << 20, NULL),
		-EBADMSG);
	memcpy(words_of(&rig, 0), saved, sizeof(saved));
	assert_int_equal(
		rj_kvm_program_adopt(&program, rig.memory.host, 2u << 20, NULL),
		0);
	rig_free(&rig);
}

static void digest_follows_every_counter(void **state RJ_UNUSED)
{
	uint64_t digest;
	struct rig rig;

	make(&rig);
	digest = rj_kvm_program_digest(&rig.program);
	assert_int_equal(rj_kvm_program_digest(&rig.program), digest);
	for (uint64_t i = 0; i < rig.program.set_pages; i++) {
		uint64_t *words = words_of(&rig, rig.program.set_first + i);

		words[RJ_KVM_PAGE_HEAD / 8]++;
		assert_int_not_equal(rj_kvm_program_digest(&rig.program),
				     digest);
		words[RJ_KVM_PAGE_HEAD / 8]--;
	}
	words_of(&rig, RJ_KVM_VCPU_PAGE)[RJ_KVM_VCPU_WRITES / 8]++;
	assert_int_not_equal(rj_kvm_program_digest(&rig.program), digest);
	rig_free(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_page_is_found),
		cmocka_unit_test(stale_page_is_found),
		cmocka_unit_test(stale_vcpu_page_is_found),
		cmocka_unit_test(foreign_page_is_found),
		cmocka_unit_test(torn_page_is_found),
		cmocka_unit_test(changed_content_is_found),
		cmocka_unit_test(changed_system_page_is_found),
		cmocka_unit_test(guest_complains_of_damage_itself),
		cmocka_unit_test(foreign_header_is_not_adopted),
		cmocka_unit_test(digest_follows_every_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
