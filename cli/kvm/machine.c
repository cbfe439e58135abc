/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/machine.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cli/kvm/program_abi.h"
#include "cli/kvm/state.h"
#include "cli/kvm/throttle.h"
#include "util/clock.h"
#include "util/error.h"

/* A paced vCPU asks about this often, so the load is smooth below 10 ms. */
#define TICK_NS UINT64_C(1000000)
/* One held up for longer has lost the time; it does not write faster later. */
#define DEBT_NS UINT64_C(20000000)
/* Credit of a vCPU that never waits: some exits a second are nothing. */
#define UNPACED_CREDIT (1u << 20)
#define CREDIT_MAX     (1u << 24)

/* A vCPU and what its thread needs to serve its exits. */
struct runner {
	struct rj_kvm_vcpu vcpu;
	struct rj_kvm_machine *machine;
	/* owned by the vCPU's thread */
	uint64_t next_ns; /* when the next credit is due */
	/* atomic */
	uint64_t reports;
	uint32_t last_report;
};

struct rj_kvm_machine {
	struct rj_kvm_vm vm;
	struct rj_kvm_vcpu *vcpus[RJ_CLI_THREADS_MAX]; /* each in a runner */
	unsigned vcpu_count; /* that exist; the program may use fewer */
	struct rj_kvm_throttle throttle;
	bool running;
	/* immutable while running */
	struct rj_kvm_program program; /* ram NULL: none yet */
	double writes_per_ns;          /* of each vCPU; 0: unpaced */
	bool idle;
	rj_kvm_ring_full_fn *ring_full;
	void *ring_user;
};

static struct runner *runner_of(struct rj_kvm_vcpu *vcpu)
{
	return rj_container_of(vcpu, struct runner, vcpu);
}

/* ---- exits ---- */

/*
 * How many pages the vCPU may write now; waits until it may. 0 when it is to
 * park meanwhile: the guest then asks again when it goes on, here or on
 * another machine.
 */
static uint32_t credit(struct runner *runner)
{
	const struct rj_kvm_machine *machine = runner->machine;
	uint64_t now = rj_now_ns();
	double batch;

	if (machine->idle) {
		(void)rj_kvm_vcpu_sleep_until(&runner->vcpu, UINT64_MAX);
		return 0;
	}
	if (machine->writes_per_ns == 0)
		return UNPACED_CREDIT;
	if (runner->next_ns + DEBT_NS < now)
		runner->next_ns = now;
	if (runner->next_ns > now &&
	    !rj_kvm_vcpu_sleep_until(&runner->vcpu, runner->next_ns))
		return 0;
	batch = machine->writes_per_ns * (double)TICK_NS;
	if (batch < 1)
		batch = 1;
	if (batch > CREDIT_MAX)
		batch = CREDIT_MAX;
	batch = (double)(uint32_t)batch;
	runner->next_ns += (uint64_t)(batch / machine->writes_per_ns);
	return (uint32_t)batch;
}

/* Where the guest stands, as far as KVM says. */
static unsigned long long instruction_pointer(const struct rj_kvm_vcpu *vcpu)
{
	struct kvm_regs regs = { .rip = 0 };

	(void)ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	return regs.rip;
}

static int bad_exit(const struct rj_kvm_vcpu *vcpu, const struct kvm_run *run,
		    struct ramjet_error *err)
{
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		return rj_fail(
			err, -EFAULT,
			"vcpu %u: the guest crashed (triple fault) at 0x%llx",
			vcpu->id, instruction_pointer(vcpu));
	case KVM_EXIT_INTERNAL_ERROR:
		return rj_fail(err, -EIO,
			       "vcpu %u: KVM gave up (internal error %u)",
			       vcpu->id, run->internal.suberror);
	case KVM_EXIT_MMIO:
		return rj_fail(err, -EFAULT,
			       "vcpu %u: the guest went outside its RAM, to "
			       "0x%llx",
			       vcpu->id,
			       (unsigned long long)run->mmio.phys_addr);
	default:
		return rj_fail(err, -EIO, "vcpu %u: unexpected exit %u",
			       vcpu->id, run->exit_reason);
	}
}

static int on_io(struct runner *runner, struct kvm_run *run,
		 struct ramjet_error *err)
{
	uint8_t *at = (uint8_t *)run + run->io.data_offset;
	bool in = run->io.direction == KVM_EXIT_IO_IN;
	uint32_t value = 0;

	if (run->io.size != sizeof(value) || run->io.count != 1)
		return rj_fail(err, -EIO, "vcpu %u: odd access to port 0x%x",
			       runner->vcpu.id, run->io.port);
	if (in && run->io.port == RJ_KVM_PORT_CREDIT) {
		value = credit(runner);
		memcpy(at, &value, sizeof(value));
		return 0;
	}
	memcpy(&value, at, sizeof(value));
	if (!in && run->io.port == RJ_KVM_PORT_PROGRESS) {
		__atomic_store_n(&runner->last_report, value, __ATOMIC_RELAXED);
		/* release: pairs with the acquire in _reports() */
		__atomic_fetch_add(&runner->reports, 1, __ATOMIC_RELEASE);
		return 0;
	}
	if (!in && run->io.port == RJ_KVM_PORT_BAD)
		return rj_kvm_program_complaint(&runner->machine->program,
						&runner->vcpu, value, err);
	return rj_fail(err, -EIO, "vcpu %u: unknown port 0x%x", runner->vcpu.id,
		       run->io.port);
}

static int on_exit_from_guest(void *user, struct rj_kvm_vcpu *vcpu,
			      struct kvm_run *run, struct ramjet_error *err)
{
	struct rj_kvm_machine *machine = user;

	if (run->exit_reason == KVM_EXIT_IO)
		return on_io(runner_of(vcpu), run, err);
	if (run->exit_reason == KVM_EXIT_DIRTY_RING_FULL && machine->ring_full)
		return machine->ring_full(machine->ring_user, vcpu->id, err);
	return bad_exit(vcpu, run, err);
}

/* ---- life ---- */

static int add_vcpu(struct rj_kvm_machine *machine, struct ramjet_error *err)
{
	struct runner *runner = calloc(1, sizeof(*runner));
	int rc;

	if (!runner)
		return rj_fail(err, -ENOMEM, "guest kvm: out of memory");
	runner->machine = machine;
	rc = rj_kvm_vcpu_init(&runner->vcpu, &machine->vm, machine->vcpu_count,
			      on_exit_from_guest, machine, err);
	if (rc) {
		free(runner);
		return rc;
	}
	machine->vcpus[machine->vcpu_count++] = &runner->vcpu;
	return 0;
}

static int add_vcpus(struct rj_kvm_machine *machine, unsigned count,
		     struct ramjet_error *err)
{
	int rc = 0;

	if (count > RJ_CLI_THREADS_MAX)
		return rj_fail(err, -ERANGE, "guest kvm: %u vCPUs, wanted %u",
			       count, RJ_CLI_THREADS_MAX);
	while (!rc && machine->vcpu_count < count)
		rc = add_vcpu(machine, err);
	return rc;
}

int rj_kvm_machine_new(uint8_t *ram, uint64_t bytes, uint32_t vcpus,
		       uint32_t ring_bytes, struct rj_kvm_machine **ret,
		       struct ramjet_error *err)
{
	struct rj_kvm_machine *machine = calloc(1, sizeof(*machine));
	int rc;

	if (!machine)
		return rj_fail(err, -ENOMEM, "guest kvm: out of memory");
	rj_kvm_throttle_init(&machine->throttle, machine->vcpus);
	rc = rj_kvm_vm_init(&machine->vm, err);
	if (!rc && ring_bytes)
		rc = rj_kvm_vm_enable_ring(&machine->vm, ring_bytes, err);
	if (!rc)
		rc = rj_kvm_vm_map(&machine->vm, ram, bytes, err);
	if (!rc)
		rc = add_vcpus(machine, vcpus, err);
	if (rc) {
		rj_kvm_machine_free(machine);
		return rc;
	}
	*ret = machine;
	return 0;
}

void rj_kvm_machine_free(struct rj_kvm_machine *machine)
{
	if (!machine)
		return;
	(void)rj_kvm_machine_stop(machine, NULL);
	rj_kvm_throttle_done(&machine->throttle);
	for (unsigned i = 0; i < machine->vcpu_count; i++) {
		rj_kvm_vcpu_done(machine->vcpus[i]);
		free(runner_of(machine->vcpus[i]));
	}
	rj_kvm_vm_done(&machine->vm);
	free(machine);
}

void rj_kvm_machine_on_ring_full(struct rj_kvm_machine *machine,
				 rj_kvm_ring_full_fn *fn, void *user)
{
	machine->ring_full = fn;
	machine->ring_user = user;
}

static int take_program(struct rj_kvm_machine *machine,
			const struct rj_kvm_program *program,
			struct ramjet_error *err)
{
	uint64_t rate = program->write_bytes_per_s;

	machine->program = *program;
	machine->idle = !rate;
	machine->writes_per_ns = 0;
	if (rate && rate != RJ_CLI_WRITE_MAX)
		machine->writes_per_ns = (double)rate / RAMJET_PAGE_BYTES /
					 program->threads / 1e9;
	return add_vcpus(machine, program->threads, err);
}

int rj_kvm_machine_boot(struct rj_kvm_machine *machine,
			const struct rj_kvm_program *program,
			struct ramjet_error *err)
{
	int rc = take_program(machine, program, err);

	for (unsigned i = 0; !rc && i < program->threads; i++)
		rc = rj_kvm_program_boot(program, machine->vcpus[i], err);
	return rc;
}

int rj_kvm_machine_load(struct rj_kvm_machine *machine,
			const struct rj_kvm_program *program, const void *data,
			size_t bytes, struct rj_kvm_notes *notes,
			struct ramjet_error *err)
{
	struct rj_kvm_progress progress;
	int rc = take_program(machine, program, err);

	if (!rc)
		rc = rj_kvm_state_load(&machine->vm, machine->vcpus,
				       program->threads, data, bytes, notes,
				       err);
	for (unsigned i = 0; !rc && i < program->threads; i++)
		rc = rj_kvm_program_progress(program, machine->vcpus[i],
					     &progress, err);
	return rc;
}

int rj_kvm_machine_save(struct rj_kvm_machine *machine, void **ret_data,
			size_t *ret_bytes, struct rj_kvm_notes *notes,
			struct ramjet_error *err)
{
	return rj_kvm_state_save(&machine->vm, machine->vcpus,
				 machine->program.threads, ret_data, ret_bytes,
				 notes, err);
}

void rj_kvm_machine_start(struct rj_kvm_machine *machine)
{
	machine->running = true;
	for (unsigned i = 0; i < machine->program.threads; i++)
		rj_kvm_vcpu_run(machine->vcpus[i]);
}

int rj_kvm_machine_stop(struct rj_kvm_machine *machine,
			struct ramjet_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < machine->vcpu_count; i++)
		rj_kvm_vcpu_park(machine->vcpus[i]);
	for (unsigned i = 0; i < machine->vcpu_count; i++) {
		int failed = rj_kvm_vcpu_wait_parked(machine->vcpus[i],
						     rc ? NULL : err);

		if (!rc)
			rc = failed;
	}
	machine->running = false;
	return rc;
}

bool rj_kvm_machine_running(const struct rj_kvm_machine *machine)
{
	return machine->running;
}

int rj_kvm_machine_throttle(struct rj_kvm_machine *machine, unsigned percent,
			    struct ramjet_error *err)
{
	return rj_kvm_throttle_set(&machine->throttle, machine->program.threads,
				   percent, err);
}

int rj_kvm_machine_check(struct rj_kvm_machine *machine, uint64_t *ret_pages,
			 struct ramjet_error *err)
{
	struct rj_kvm_progress progress[RJ_CLI_THREADS_MAX];
	int rc = 0;

	*ret_pages = 0;
	for (unsigned i = 0; !rc && i < machine->program.threads; i++) {
		rc = rj_kvm_vcpu_error(machine->vcpus[i], err);
		if (!rc)
			rc = rj_kvm_program_progress(&machine->program,
						     machine->vcpus[i],
						     &progress[i], err);
	}
	if (rc)
		return rc;
	return rj_kvm_program_check(&machine->program, progress, ret_pages,
				    err);
}

uint64_t rj_kvm_machine_writes(const struct rj_kvm_machine *machine)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < machine->program.threads; i++)
		total += rj_kvm_program_writes(&machine->program, i);
	return total;
}

uint64_t rj_kvm_machine_naps(struct rj_kvm_machine *machine)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < machine->vcpu_count; i++)
		total += rj_kvm_vcpu_naps(machine->vcpus[i]);
	return total;
}

uint64_t rj_kvm_machine_reports(const struct rj_kvm_machine *machine,
				unsigned vcpu, uint32_t *ret_last)
{
	const struct runner *runner =
		rj_container_of(machine->vcpus[vcpu], struct runner, vcpu);
	/* acquire: pairs with the release in on_io() */
	uint64_t reports = __atomic_load_n(&runner->reports, __ATOMIC_ACQUIRE);

	*ret_last = __atomic_load_n(&runner->last_report, __ATOMIC_RELAXED);
	return reports;
}

const struct rj_kvm_vm *rj_kvm_machine_vm(const struct rj_kvm_machine *machine)
{
	return &machine->vm;
}

struct rj_kvm_vcpu *rj_kvm_machine_vcpu(struct rj_kvm_machine *machine,
					unsigned vcpu)
{
	return machine->vcpus[vcpu];
}
