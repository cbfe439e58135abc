/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_CLI_KVM_RIG_H
#define RJ_TESTS_CLI_KVM_RIG_H
/* KVM machines for tests: RAM, a program from a spec, ways to let it run and
 * to move it. Each fails the test when something it needs goes wrong. */
#include "tests/unit/cmocka_all.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/guest/memory.h"
#include "cli/kvm/machine.h"

/* A VM, its RAM and its program. */
struct rig {
	struct rj_cli_memory memory;
	struct rj_kvm_machine *machine;
	struct rj_kvm_program program;
	struct ramjet_error err;
};

#define rig_ok(rig, call)                                      \
	do {                                                   \
		int rig_rc_ = (call);                          \
                                                               \
		if (rig_rc_)                                   \
			fail_msg("%s: %d, %s", #call, rig_rc_, \
				 (rig)->err.message);          \
	} while (0)

/* The machine lacks KVM: say so and leave the test. */
static inline void rig_need_kvm(void)
{
	struct ramjet_error err = { 0 };

	if (rj_kvm_available(&err)) {
		print_message("# skipped: %s\n", err.message);
		skip();
	}
}

/* Empty RAM and parked vCPUs, as a target has them. */
static inline void rig_target(struct rig *rig, uint64_t bytes, uint32_t vcpus)
{
	memset(rig, 0, sizeof(*rig));
	rig_ok(rig, rj_cli_memory_map(bytes, RJ_CLI_PAGES_4K, &rig->memory,
				      &rig->err));
	rig_ok(rig, rj_kvm_machine_new(rig->memory.host, bytes, vcpus, 0,
				       &rig->machine, &rig->err));
}

/* The program of `text`, at its first instruction. */
static inline void rig_source(struct rig *rig, const char *text)
{
	struct rj_cli_guest_spec spec;

	memset(rig, 0, sizeof(*rig));
	rig_ok(rig, rj_cli_guest_spec_parse(text, &spec, &rig->err));
	rig_target(rig, spec.bytes, spec.threads);
	rig_ok(rig, rj_kvm_program_create(&rig->program, rig->memory.host,
					  &spec, &rig->err));
	rig_ok(rig,
	       rj_kvm_machine_boot(rig->machine, &rig->program, &rig->err));
}

static inline void rig_free(struct rig *rig)
{
	rj_kvm_machine_free(rig->machine);
	rj_cli_memory_unmap(&rig->memory);
}

/* Running: until `writes` more than now were made, or a vCPU has ended. */
static inline void rig_await_writes(struct rig *rig, uint64_t writes)
{
	uint64_t until = rj_kvm_machine_writes(rig->machine) + writes;

	while (rj_kvm_machine_writes(rig->machine) < until) {
		for (uint32_t i = 0; i < rig->program.threads; i++)
			rig_ok(rig, rj_kvm_vcpu_error(rj_kvm_machine_vcpu(
							      rig->machine, i),
						      &rig->err));
		(void)sched_yield();
	}
}

static inline void rig_stop(struct rig *rig)
{
	rig_ok(rig, rj_kvm_machine_stop(rig->machine, &rig->err));
}

static inline void rig_check(struct rig *rig)
{
	uint64_t pages;

	rig_ok(rig, rj_kvm_machine_check(rig->machine, &pages, &rig->err));
	assert_true(pages >= rig->program.system_end + rig->program.set_pages);
}

/* Start, some writes, stop at whatever instruction, check. */
static inline void rig_run(struct rig *rig, uint64_t writes)
{
	rj_kvm_machine_start(rig->machine);
	rig_await_writes(rig, writes);
	rig_stop(rig);
	rig_check(rig);
}

/* A stopped machine's RAM and state into a new one; the old one goes. */
static inline void rig_move(struct rig *rig)
{
	struct rig target;
	void *data = NULL;
	size_t bytes = 0;

	rig_ok(rig, rj_kvm_machine_save(rig->machine, &data, &bytes, NULL,
					&rig->err));
	rig_target(&target, rig->memory.bytes, rig->program.threads);
	memcpy(target.memory.host, rig->memory.host, rig->memory.bytes);
	rig_free(rig);
	rig_ok(&target,
	       rj_kvm_program_adopt(&target.program, target.memory.host,
				    target.memory.bytes, &target.err));
	rig_ok(&target, rj_kvm_machine_load(target.machine, &target.program,
					    data, bytes, NULL, &target.err));
	free(data);
	*rig = target;
}
#endif
