/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_MACHINE_H
#define RJ_CLI_KVM_MACHINE_H
/*
 * A whole virtual machine that runs the built-in program: VM, vCPUs, pacing,
 * throttle. Its RAM is the caller's.
 *
 * On the source: new, boot, start, stop, save. On the target: new, load,
 * start. Calls come from one thread at a time; the ones marked may come from
 * any. Nothing is running until start, and again after stop.
 */
#include "cli/kvm/notes.h"
#include "cli/kvm/program.h"

struct rj_kvm_machine;

/* A vCPU's dirty ring is full: empty it, so that it can go on. Called on the
 * vCPU's thread. */
typedef int rj_kvm_ring_full_fn(void *user, unsigned vcpu,
				struct ramjet_error *err);

/*
 * `ram` is borrowed until free. `vcpus` are created at once, so that a target
 * need not when it loads; a program with more gets them then. `ring_bytes`:
 * of each vCPU's dirty ring, or 0 for the dirty log.
 */
RJ_NODISCARD int rj_kvm_machine_new(uint8_t *ram, uint64_t bytes,
				    uint32_t vcpus, uint32_t ring_bytes,
				    struct rj_kvm_machine **ret,
				    struct ramjet_error *err);
/* Stops it if need be. NULL ok. */
void rj_kvm_machine_free(struct rj_kvm_machine *machine);

/* Before start. */
void rj_kvm_machine_on_ring_full(struct rj_kvm_machine *machine,
				 rj_kvm_ring_full_fn *fn, void *user);

/* Set all vCPUs to the beginning of the program in RAM. */
RJ_NODISCARD int rj_kvm_machine_boot(struct rj_kvm_machine *machine,
				     const struct rj_kvm_program *program,
				     struct ramjet_error *err);
/* Set all vCPUs as they were saved; `program` is the one found in RAM.
 * -EBADMSG when state and RAM are not of the same moment. `notes` may be
 * NULL. */
RJ_NODISCARD int rj_kvm_machine_load(struct rj_kvm_machine *machine,
				     const struct rj_kvm_program *program,
				     const void *data, size_t bytes,
				     struct rj_kvm_notes *notes,
				     struct ramjet_error *err);
/* Stopped. *ret_data is malloc()ed. */
RJ_NODISCARD int rj_kvm_machine_save(struct rj_kvm_machine *machine,
				     void **ret_data, size_t *ret_bytes,
				     struct rj_kvm_notes *notes,
				     struct ramjet_error *err);

void rj_kvm_machine_start(struct rj_kvm_machine *machine);
/* 0 when all vCPUs are parked, else the error one of them ended with; all are
 * parked also then. */
int rj_kvm_machine_stop(struct rj_kvm_machine *machine,
			struct ramjet_error *err);
bool rj_kvm_machine_running(const struct rj_kvm_machine *machine);
RJ_NODISCARD int rj_kvm_machine_throttle(struct rj_kvm_machine *machine,
					 unsigned percent,
					 struct ramjet_error *err);

/* Stopped. As rj_kvm_program_check(), with this machine's progress. */
RJ_NODISCARD int rj_kvm_machine_check(struct rj_kvm_machine *machine,
				      uint64_t *ret_pages,
				      struct ramjet_error *err);

/* Any thread. Writes of all vCPUs, counted in RAM. */
uint64_t rj_kvm_machine_writes(const struct rj_kvm_machine *machine);
/* Any thread. Naps all vCPUs took for the throttle. */
uint64_t rj_kvm_machine_naps(struct rj_kvm_machine *machine);
/* Any thread. How often vCPU `vcpu` told its progress, and what it said. */
uint64_t rj_kvm_machine_reports(const struct rj_kvm_machine *machine,
				unsigned vcpu, uint32_t *ret_last);

const struct rj_kvm_vm *rj_kvm_machine_vm(const struct rj_kvm_machine *machine);
struct rj_kvm_vcpu *rj_kvm_machine_vcpu(struct rj_kvm_machine *machine,
					unsigned vcpu);
#endif
