/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/guest.h"

#include <errno.h>

#include "cli/base/human.h"
#include "cli/guest/attach.h"
#include "cli/guest/memory.h"
#include "cli/kvm/machine.h"
#include "ramjet-kvm.h"
#include "util/error.h"

/* Of each vCPU, with dirty=ring: 16384 pages until it is full. */
#define RING_BYTES (256u << 10)

struct kvm_guest {
	struct rj_cli_guest base;
	struct rj_cli_guest_spec spec;
	enum rj_cli_role role;
	struct rj_cli_memory memory;
	struct rj_kvm_machine *machine;
	struct rj_kvm_program program;
	bool has_program;      /* target: once RAM and state have arrived */
	uint64_t writes_begun; /* its writes when this process took it over */
	struct rj_kvm_notes notes; /* of the last save or load */
	/* dirty=ring; the engine owns it, and frees it with its handle */
	struct ramjet_dirty_source *ring;
};

static struct kvm_guest *kvm_of(struct rj_cli_guest *base)
{
	return rj_container_of(base, struct kvm_guest, base);
}

static const struct kvm_guest *const_kvm_of(const struct rj_cli_guest *base)
{
	return rj_container_of(base, const struct kvm_guest, base);
}

/* ---- what the engine asks for ---- */

static int kvm_stop(void *user, struct ramjet_error *err)
{
	return rj_kvm_machine_stop(kvm_of(user)->machine, err);
}

static int kvm_start(void *user, struct ramjet_error *err)
{
	struct kvm_guest *guest = kvm_of(user);

	if (!guest->has_program)
		return rj_fail(err, -EBADMSG,
			       "guest kvm: cannot start, no state arrived");
	rj_kvm_machine_start(guest->machine);
	return 0;
}

static int kvm_throttle(void *user, unsigned percent, struct ramjet_error *err)
{
	return rj_kvm_machine_throttle(kvm_of(user)->machine, percent, err);
}

static int kvm_save(void *user, void **ret_data, size_t *ret_bytes,
		    struct ramjet_error *err)
{
	struct kvm_guest *guest = kvm_of(user);

	guest->notes.text[0] = '\0';
	return rj_kvm_machine_save(guest->machine, ret_data, ret_bytes,
				   &guest->notes, err);
}

/* The vCPUs look at each page before they write it, so the full self-check
 * need not lengthen the pause: it follows once the guest has run. */
static int kvm_load(void *user, const void *data, size_t bytes,
		    struct ramjet_error *err)
{
	struct kvm_guest *guest = kvm_of(user);
	int rc;

	/* An earlier session may have got as far as this and failed. */
	guest->has_program = false;
	guest->notes.text[0] = '\0';
	rc = rj_kvm_program_adopt(&guest->program, guest->memory.host,
				  guest->memory.bytes, err);
	if (!rc)
		rc = rj_kvm_machine_load(guest->machine, &guest->program, data,
					 bytes, &guest->notes, err);
	if (rc)
		return rc;
	guest->writes_begun = rj_kvm_machine_writes(guest->machine);
	guest->has_program = true;
	return 0;
}

static const struct ramjet_guest_ops kvm_ops = {
	RAMJET_GUEST_OPS_INIT,  .stop = kvm_stop,
	.start = kvm_start,     .throttle = kvm_throttle,
	.save_state = kvm_save, .load_state = kvm_load,
};

/* ---- life ---- */

static void kvm_free(struct rj_cli_guest *base)
{
	struct kvm_guest *guest = kvm_of(base);

	rj_kvm_machine_free(guest->machine);
	rj_cli_memory_unmap(&guest->memory);
	free(guest);
}

static int make_source(struct kvm_guest *guest, struct ramjet_error *err)
{
	int rc = rj_kvm_program_create(&guest->program, guest->memory.host,
				       &guest->spec, err);

	if (!rc)
		rc = rj_kvm_machine_boot(guest->machine, &guest->program, err);
	guest->has_program = !rc;
	return rc;
}

static uint32_t ring_bytes(const struct kvm_guest *guest)
{
	/* Only a source tracks writes. */
	return guest->role == RJ_CLI_SOURCE &&
			       guest->spec.dirty == RJ_CLI_DIRTY_RING
		       ? RING_BYTES
		       : 0;
}

static int kvm_create(const struct rj_cli_guest_spec *spec,
		      enum rj_cli_role role, struct rj_cli_guest **ret,
		      struct ramjet_error *err)
{
	struct kvm_guest *guest = calloc(1, sizeof(*guest));
	int rc;

	if (!guest)
		return rj_fail(err, -ENOMEM, "guest kvm: out of memory");
	guest->base.kind = &rj_cli_guest_kvm;
	guest->spec = *spec;
	guest->role = role;
	rc = rj_cli_memory_fits(spec, role == RJ_CLI_SOURCE, err);
	if (!rc)
		rc = rj_cli_memory_map(spec->bytes, spec->pages, &guest->memory,
				       err);
	if (!rc)
		rc = rj_kvm_machine_new(guest->memory.host, spec->bytes,
					spec->threads, ring_bytes(guest),
					&guest->machine, err);
	if (!rc && spec->prealloc)
		rc = rj_cli_memory_populate(&guest->memory, err);
	if (!rc && role == RJ_CLI_SOURCE)
		rc = make_source(guest, err);
	if (rc) {
		kvm_free(&guest->base);
		return rc;
	}
	*ret = &guest->base;
	return 0;
}

/* ---- what ramjet is told ---- */

/* A vCPU's thread: tracking ends before the engine frees its source, so
 * there is one whenever a ring can be full. */
static int on_ring_full(void *user, unsigned vcpu, struct ramjet_error *err)
{
	struct kvm_guest *guest = user;

	return ramjet_dirty_kvm_ring_full(guest->ring, vcpu, err);
}

static unsigned fill_slots(const struct rj_kvm_vm *vm,
			   struct ramjet_kvm_slot slots[RJ_KVM_SLOTS_MAX])
{
	for (unsigned i = 0; i < vm->slot_count; i++)
		slots[i] = (struct ramjet_kvm_slot){
			RAMJET_KVM_SLOT_INIT,
			.slot = vm->slots[i].slot,
			.guest_phys_addr = vm->slots[i].gpa,
			.bytes = vm->slots[i].bytes,
			.block = RJ_CLI_BLOCK_NAME,
			.block_offset = vm->slots[i].block_offset,
		};
	return vm->slot_count;
}

static int new_log(struct kvm_guest *guest, struct ramjet_dirty_source **ret,
		   struct ramjet_error *err)
{
	const struct rj_kvm_vm *vm = rj_kvm_machine_vm(guest->machine);
	struct ramjet_kvm_slot slots[RJ_KVM_SLOTS_MAX];
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.vm_fd = vm->vm_fd,
		.slots = slots,
		.slot_count = fill_slots(vm, slots),
	};

	return ramjet_dirty_kvm_log_new(&log, ret, err);
}

static int new_ring(struct kvm_guest *guest, struct ramjet_dirty_source **ret,
		    struct ramjet_error *err)
{
	const struct rj_kvm_vm *vm = rj_kvm_machine_vm(guest->machine);
	struct ramjet_kvm_slot slots[RJ_KVM_SLOTS_MAX];
	int vcpu_fds[RJ_CLI_THREADS_MAX];
	struct ramjet_dirty_kvm_ring ring = {
		RAMJET_DIRTY_KVM_RING_INIT,
		.vm_fd = vm->vm_fd,
		.slots = slots,
		.slot_count = fill_slots(vm, slots),
		.vcpu_fds = vcpu_fds,
		.vcpu_count = guest->program.threads,
		.ring_bytes = vm->ring_bytes,
	};
	int rc;

	for (unsigned i = 0; i < guest->program.threads; i++)
		vcpu_fds[i] = rj_kvm_machine_vcpu(guest->machine, i)->fd;
	rc = ramjet_dirty_kvm_ring_new(&ring, ret, err);
	if (rc < 0)
		return rc;
	guest->ring = *ret;
	rj_kvm_machine_on_ring_full(guest->machine, on_ring_full, guest);
	return 0;
}

static int add_dirty_source(struct kvm_guest *guest,
			    struct ramjet_guest *handle,
			    struct ramjet_error *err)
{
	struct ramjet_dirty_source *source;
	int rc = ring_bytes(guest) ? new_ring(guest, &source, err)
				   : new_log(guest, &source, err);

	return rc < 0 ? rc : rj_cli_attach_dirty(handle, source, err);
}

static int kvm_attach(struct rj_cli_guest *base, struct ramjet_guest *handle,
		      struct ramjet_error *err)
{
	struct kvm_guest *guest = kvm_of(base);
	struct ramjet_block block = {
		RAMJET_BLOCK_INIT,
		.host = guest->memory.host,
		.bytes = guest->memory.bytes,
		.page_bytes = guest->memory.page_bytes,
		.flags = RAMJET_BLOCK_PINNABLE,
	};
	int rc;

	rc = rj_cli_attach_ram(handle, &block, guest->role == RJ_CLI_TARGET,
			       err);
	if (rc < 0 || guest->role == RJ_CLI_TARGET)
		return rc;
	return add_dirty_source(guest, handle, err);
}

/* Its vCPUs have no rings: those are made with them. */
static int kvm_send_on(struct rj_cli_guest *base, struct ramjet_guest *handle,
		       struct ramjet_error *err)
{
	struct kvm_guest *guest = kvm_of(base);
	struct ramjet_dirty_source *source;
	int rc;

	if (guest->role == RJ_CLI_SOURCE)
		return 0;
	rc = new_log(guest, &source, err);
	if (rc >= 0)
		rc = rj_cli_attach_dirty(handle, source, err);
	if (rc >= 0)
		guest->role = RJ_CLI_SOURCE;
	return rc;
}

/* ---- what people ask for ---- */

static void kvm_describe(const struct rj_cli_guest *base, char *text,
			 size_t bytes)
{
	const struct kvm_guest *guest = const_kvm_of(base);
	const struct rj_kvm_program *program = &guest->program;
	char rate[RJ_CLI_HUMAN_BYTES], set[RJ_CLI_HUMAN_BYTES];
	const char *notes = guest->notes.text;

	if (!guest->has_program) {
		(void)snprintf(text, bytes, "kvm, empty memory");
		return;
	}
	if (!program->write_bytes_per_s) {
		(void)snprintf(text, bytes, "kvm, %u vCPU%s, idle",
			       program->threads,
			       program->threads == 1 ? "" : "s");
		return;
	}
	if (program->write_bytes_per_s == RJ_CLI_WRITE_MAX)
		(void)snprintf(rate, sizeof(rate), "as fast as it can");
	else
		rj_cli_human_rate(program->write_bytes_per_s, rate);
	rj_cli_human_size(program->set_pages * RAMJET_PAGE_BYTES, set);
	(void)snprintf(text, bytes, "kvm, %u vCPU%s writing %s over %s, %s%s%s",
		       program->threads, program->threads == 1 ? "" : "s", rate,
		       set, rj_cli_pattern_name(program->pattern),
		       notes[0] ? "; not moved: " : "", notes);
}

static int kvm_run(struct rj_cli_guest *base, struct ramjet_error *err)
{
	return kvm_start(base, err);
}

static uint64_t kvm_writes(const struct rj_cli_guest *base)
{
	const struct kvm_guest *guest = const_kvm_of(base);

	return guest->has_program ? rj_kvm_machine_writes(guest->machine) : 0;
}

static bool kvm_running(const struct rj_cli_guest *base)
{
	return rj_kvm_machine_running(const_kvm_of(base)->machine);
}

static int kvm_check(struct rj_cli_guest *base, struct rj_cli_guest_check *ret,
		     struct ramjet_error *err)
{
	struct kvm_guest *guest = kvm_of(base);
	uint64_t writes = rj_kvm_machine_writes(guest->machine);

	*ret = (struct rj_cli_guest_check){
		.writes = writes,
		.first_write = guest->writes_begun,
		.own_writes = writes - guest->writes_begun,
	};
	return rj_kvm_machine_check(guest->machine, &ret->pages, err);
}

static uint64_t kvm_digest(const struct rj_cli_guest *base)
{
	return rj_kvm_program_digest(&const_kvm_of(base)->program);
}

const struct rj_cli_guest_kind rj_cli_guest_kvm = {
	.name = "kvm",
	.live = true,
	.ops = &kvm_ops,
	.create = kvm_create,
	.attach = kvm_attach,
	.send_on = kvm_send_on,
	.describe = kvm_describe,
	.run = kvm_run,
	.writes = kvm_writes,
	.running = kvm_running,
	.check = kvm_check,
	.digest = kvm_digest,
	.free = kvm_free,
};
