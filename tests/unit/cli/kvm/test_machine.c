/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cli/kvm/rig.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "cli/kvm/program_abi.h"
#include "cli/kvm/shadow.h"

/* Real VMs run the built-in program: stopped, moved, slowed down. */

static uint64_t lcg(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *seed >> 33;
}

static void stop_and_go(const char *text)
{
	uint64_t seed = 1;
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, text);
	rig_check(&rig);
	for (unsigned i = 0; i < 60; i++)
		rig_run(&rig, lcg(&seed) % 2000);
	rig_free(&rig);
}

static void sequential_program_counts_every_page(void **state RJ_UNUSED)
{
	stop_and_go("kvm:size=4M,set=1M,write=max");
}

static void random_program_counts_every_page(void **state RJ_UNUSED)
{
	stop_and_go("kvm:size=4M,set=1M,write=max,pattern=random,threads=3");
}

static void hot_program_counts_every_page(void **state RJ_UNUSED)
{
	stop_and_go("kvm:size=4M,set=1M,write=max,pattern=hot,threads=2");
}

/* The least a vCPU may have is a slice of two pages. */
static void smallest_slices_are_counted(void **state RJ_UNUSED)
{
	stop_and_go("kvm:size=4M,set=32K,write=max,pattern=hot,threads=4");
	stop_and_go("kvm:size=4M,set=24K,write=max,pattern=random,threads=2");
}

static void paced_program_keeps_counting(void **state RJ_UNUSED)
{
	stop_and_go("kvm:size=4M,set=1M,write=400M,threads=2");
}

static void idle_guest_writes_nothing(void **state RJ_UNUSED)
{
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, "kvm:size=4M,set=1M,write=0,threads=2");
	for (unsigned i = 0; i < 20; i++) {
		rj_kvm_machine_start(rig.machine);
		rig_stop(&rig);
		rig_check(&rig);
	}
	assert_int_equal(rj_kvm_machine_writes(rig.machine), 0);
	rig_free(&rig);
}

static void progress_is_told_over_a_port(void **state RJ_UNUSED)
{
	uint32_t last = 0;
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, "kvm:size=4M,set=1M,write=max");
	rj_kvm_machine_start(rig.machine);
	while (rj_kvm_machine_reports(rig.machine, 0, &last) < 3) {
		rig_ok(&rig,
		       rj_kvm_vcpu_error(rj_kvm_machine_vcpu(rig.machine, 0),
					 &rig.err));
		(void)sched_yield();
	}
	rig_stop(&rig);
	assert_true(last >= 3 * RJ_KVM_PROGRESS_WRITES);
	assert_int_equal(last % RJ_KVM_PROGRESS_WRITES, 0);
	assert_true(last <= rj_kvm_machine_writes(rig.machine));
	rig_free(&rig);
}

/* cli/kvm/program.S: between the stores of a write, and around them. */
extern const uint8_t rj_kvm_code_tail[], rj_kvm_code_count[];
extern const uint8_t rj_kvm_code_store[], rj_kvm_code_stored[];

/*
 * Let vCPU 0 run into the instruction at `label`, and stop it right before
 * that: for as long, the instruction is a jump to itself.
 */
RJ_GUEST_MEMORY
static struct rj_kvm_progress stop_at(struct rig *rig, const uint8_t *label)
{
	static const uint8_t jump_to_itself[2] = { 0xeb, 0xfe };
	uint64_t address = RAMJET_PAGE_BYTES + (uint64_t)(label - rj_kvm_code);
	struct rj_kvm_vcpu *vcpu = rj_kvm_machine_vcpu(rig->machine, 0);
	uint8_t *at = rig->memory.host + address;
	struct rj_kvm_progress progress;
	struct kvm_regs regs;

	memcpy(at, jump_to_itself, sizeof(jump_to_itself));
	do {
		rj_kvm_machine_start(rig->machine);
		(void)sched_yield();
		rig_stop(rig);
		assert_int_equal(ioctl(vcpu->fd, KVM_GET_REGS, &regs), 0);
	} while (regs.rip != address);
	memcpy(at, label, sizeof(jump_to_itself));
	rig_ok(rig, rj_kvm_program_progress(&rig->program, vcpu, &progress,
					    &rig->err));
	return progress;
}

static const struct {
	const uint8_t *label;
	unsigned step;
} stops[] = {
	{ rj_kvm_code, RJ_KVM_BETWEEN },
	{ rj_kvm_code_tail, RJ_KVM_HEAD_WRITTEN },
	{ rj_kvm_code_count, RJ_KVM_PAGE_WRITTEN },
	{ rj_kvm_code_store, RJ_KVM_PAGE_WRITTEN },
	{ rj_kvm_code_stored, RJ_KVM_BETWEEN },
};

/* Each store of each write must be seen on its own, in every page's place. */
static void stop_between_any_two_stores_is_told(void **state RJ_UNUSED)
{
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, "kvm:size=1M,set=24K,write=max,pattern=hot");
	for (unsigned i = 0; i < 40; i++)
		for (size_t s = 0; s < RJ_ARRAY_SIZE(stops); s++) {
			struct rj_kvm_progress progress =
				stop_at(&rig, stops[s].label);

			assert_int_equal(progress.step, stops[s].step);
			/* Only the last stop comes after the number's store. */
			assert_int_equal(progress.writes,
					 i + (s + 1 == RJ_ARRAY_SIZE(stops)));
			rig_check(&rig);
		}
	rig_free(&rig);
}

/* At each of these points the other possible contents are damage. */
static void half_written_page_is_not_excused(void **state RJ_UNUSED)
{
	struct rj_kvm_progress progress;
	uint64_t pages, index, *words;
	struct rj_cli_walk walk;
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, "kvm:size=1M,set=24K,write=max");
	progress = stop_at(&rig, rj_kvm_code_tail);
	walk = (struct rj_cli_walk){ .pages = rig.program.set_pages };
	index = rig.program.set_first +
		rj_cli_walk_write(&walk, progress.writes).page;
	words = (uint64_t *)(void *)(rig.memory.host +
				     index * RAMJET_PAGE_BYTES);
	words[RJ_KVM_PAGE_TAIL / 8]++;
	assert_int_equal(rj_kvm_machine_check(rig.machine, &pages, &rig.err),
			 -EBADMSG);
	words[RJ_KVM_PAGE_TAIL / 8]--;
	words[RJ_KVM_PAGE_HEAD / 8]--;
	memset(&rig.err, 0, sizeof(rig.err));
	assert_int_equal(rj_kvm_machine_check(rig.machine, &pages, &rig.err),
			 -EBADMSG);
	words[RJ_KVM_PAGE_HEAD / 8]++;
	memset(&rig.err, 0, sizeof(rig.err));
	rig_check(&rig);
	rig_free(&rig);
}

static void move_chain(const char *text, unsigned moves)
{
	uint64_t seed = 7, before = 0;
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, text);
	for (unsigned i = 0; i < moves; i++) {
		rig_run(&rig, lcg(&seed) % 3000);
		before = rj_kvm_machine_writes(rig.machine);
		rig_move(&rig);
		/* Not one write more, not one less, and all pages there. */
		assert_int_equal(rj_kvm_machine_writes(rig.machine), before);
		rig_check(&rig);
	}
	rig_run(&rig, 5000);
	assert_true(rj_kvm_machine_writes(rig.machine) >= before + 5000);
	rig_free(&rig);
}

static void moved_guest_goes_on_from_the_next_instruction(
	void **state RJ_UNUSED)
{
	move_chain("kvm:size=2M,set=512K,write=max", 40);
}

static void moved_guest_of_several_vcpus_goes_on(void **state RJ_UNUSED)
{
	move_chain("kvm:size=2M,set=512K,write=max,pattern=hot,threads=4", 15);
}

static void moved_paced_guest_goes_on(void **state RJ_UNUSED)
{
	move_chain("kvm:size=2M,set=512K,write=200M,pattern=random", 15);
}

/* Moved between two instructions of one write. */
static void half_written_page_moves(void **state RJ_UNUSED)
{
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, "kvm:size=1M,set=128K,write=max");
	for (size_t s = 0; s < RJ_ARRAY_SIZE(stops); s++) {
		struct rj_kvm_progress before, after;

		rig_run(&rig, 100);
		before = stop_at(&rig, stops[s].label);
		rig_move(&rig);
		rig_ok(&rig, rj_kvm_program_progress(
				     &rig.program,
				     rj_kvm_machine_vcpu(rig.machine, 0),
				     &after, &rig.err));
		assert_int_equal(after.step, before.step);
		assert_int_equal(after.writes, before.writes);
		rig_check(&rig);
	}
	rig_run(&rig, 100);
	rig_free(&rig);
}

static void throttle_makes_vcpus_sleep(void **state RJ_UNUSED)
{
	uint64_t naps;
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, "kvm:size=2M,set=512K,write=max,threads=2");
	rj_kvm_machine_start(rig.machine);
	rig_await_writes(&rig, 1000);
	assert_int_equal(rj_kvm_machine_naps(rig.machine), 0);
	rig_ok(&rig, rj_kvm_machine_throttle(rig.machine, 50, &rig.err));
	while (rj_kvm_machine_naps(rig.machine) < 6)
		(void)sched_yield();
	/* A nap of a second would outlast the lifting if that did not end it;
	 * the guest must write on either way. */
	rig_ok(&rig, rj_kvm_machine_throttle(rig.machine, 99, &rig.err));
	rig_ok(&rig, rj_kvm_machine_throttle(rig.machine, 0, &rig.err));
	rig_await_writes(&rig, 100000);
	naps = rj_kvm_machine_naps(rig.machine);
	rig_await_writes(&rig, 100000);
	assert_int_equal(rj_kvm_machine_naps(rig.machine), naps);
	rig_stop(&rig);
	rig_check(&rig);
	assert_int_equal(rj_kvm_machine_throttle(rig.machine, 100, NULL),
			 -ERANGE);
	rig_free(&rig);
}

/* A stop must not wait for the end of a nap, nor a nap outlive it. */
static void stop_ends_a_nap(void **state RJ_UNUSED)
{
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, "kvm:size=2M,set=512K,write=max");
	rj_kvm_machine_start(rig.machine);
	rig_await_writes(&rig, 1);
	rj_kvm_vcpu_nap(rj_kvm_machine_vcpu(rig.machine, 0), UINT64_MAX / 2);
	while (!rj_kvm_machine_naps(rig.machine))
		(void)sched_yield();
	rig_stop(&rig);
	rig_run(&rig, 1000);
	rig_free(&rig);
}

static void ram_is_several_slots_with_a_hole(void **state RJ_UNUSED)
{
	const struct rj_kvm_vm *vm;
	uint64_t offset = 0;
	struct rig rig;

	rig_need_kvm();
	rig_target(&rig, UINT64_C(5) << 30, 1);
	vm = rj_kvm_machine_vm(rig.machine);
	assert_int_equal(vm->slot_count, 3);
	for (unsigned i = 0; i < vm->slot_count; i++) {
		assert_int_equal(vm->slots[i].block_offset, offset);
		assert_int_equal(vm->slots[i].gpa, rj_kvm_gpa(offset));
		offset += vm->slots[i].bytes;
	}
	assert_int_equal(offset, UINT64_C(5) << 30);
	assert_int_equal(vm->slots[2].gpa, UINT64_C(4) << 30);
	rig_free(&rig);
}

/* The set lies on both sides of 3 GiB; zero pages are never touched. */
static void program_runs_across_the_hole(void **state RJ_UNUSED)
{
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, "kvm:size=6G,set=1M,write=max,zero=100,"
			 "pattern=random");
	assert_true(rig.program.set_first * RAMJET_PAGE_BYTES <
		    RJ_KVM_HOLE_START);
	assert_true((rig.program.set_first + rig.program.set_pages) *
			    RAMJET_PAGE_BYTES >
		    RJ_KVM_HOLE_START);
	rig_run(&rig, 3000);
	rig_free(&rig);
}

static void guest_without_room_is_refused(void **state RJ_UNUSED)
{
	struct ramjet_error err = { 0 };
	struct rj_cli_guest_spec spec;
	struct rj_kvm_program program;
	uint64_t page[RAMJET_PAGE_BYTES / 8];

	assert_int_equal(rj_cli_guest_spec_parse("kvm:size=1M,write=0,set=4K,"
						 "threads=64",
						 &spec, &err),
			 0);
	spec.bytes = 64 * RAMJET_PAGE_BYTES;
	assert_int_equal(
		rj_kvm_program_create(&program, (uint8_t *)page, &spec, &err),
		-ERANGE);
	assert_non_null(strstr(err.message, "too small"));
}

/* Where it would cost the kernel all the memory there is. */
static void guest_the_kernel_cannot_bear_is_refused(void **state RJ_UNUSED)
{
	struct ramjet_error err = { 0 };
	int rc = rj_kvm_shadow_fits(UINT64_C(1) << 50, &err);

	if (!rc) {
		print_message("# skipped: this KVM has nested paging\n");
		skip();
	}
	assert_int_equal(rc, -ENOMEM);
	assert_non_null(strstr(err.message, "2097152 MiB for 1073741824 MiB"));
	assert_int_equal(rj_kvm_shadow_fits(UINT64_C(1) << 30, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequential_program_counts_every_page),
		cmocka_unit_test(random_program_counts_every_page),
		cmocka_unit_test(hot_program_counts_every_page),
		cmocka_unit_test(smallest_slices_are_counted),
		cmocka_unit_test(paced_program_keeps_counting),
		cmocka_unit_test(idle_guest_writes_nothing),
		cmocka_unit_test(progress_is_told_over_a_port),
		cmocka_unit_test(stop_between_any_two_stores_is_told),
		cmocka_unit_test(half_written_page_is_not_excused),
		cmocka_unit_test(moved_guest_goes_on_from_the_next_instruction),
		cmocka_unit_test(moved_guest_of_several_vcpus_goes_on),
		cmocka_unit_test(moved_paced_guest_goes_on),
		cmocka_unit_test(half_written_page_moves),
		cmocka_unit_test(throttle_makes_vcpus_sleep),
		cmocka_unit_test(stop_ends_a_nap),
		cmocka_unit_test(ram_is_several_slots_with_a_hole),
		cmocka_unit_test(program_runs_across_the_hole),
		cmocka_unit_test(guest_without_room_is_refused),
		cmocka_unit_test(guest_the_kernel_cannot_bear_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
