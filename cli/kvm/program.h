/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_PROGRAM_H
#define RJ_CLI_KVM_PROGRAM_H
/*
 * What the KVM guest runs, seen from its VMM: where it lies in RAM, what it
 * starts from, and what RAM must hold when it is stopped.
 *
 * A vCPU's number of writes says where its next write goes and what every
 * page of its slice carries (cli/guest/pattern.h). A write is three stores: the
 * counter at the page's start, at its end, and the number. A vCPU stopped
 * between them is told by its RIP, so every page has exactly one legal content
 * at every instruction.
 */
#include "cli/guest/spec.h"
#include "cli/kvm/layout.h"
#include "cli/kvm/vcpu.h"

/* Its code, as linked (program.S). */
extern const uint8_t rj_kvm_code[], rj_kvm_code_end[];

/* How far a vCPU has come, from its registers. */
struct rj_kvm_progress {
	uint64_t writes; /* whole ones, the number of them stored in RAM */
	enum {
		RJ_KVM_BETWEEN = 0, /* no write under way */
		RJ_KVM_HEAD_WRITTEN,
		RJ_KVM_PAGE_WRITTEN, /* but not counted in RAM */
	} step;
};

/* Write the program of `spec` and all content into `ram`, which reads as
 * zeros: zero pages are not touched. Several threads. -ERANGE when spec's
 * size has no room for the program. */
RJ_NODISCARD int rj_kvm_program_create(struct rj_kvm_program *program,
				       uint8_t *ram,
				       const struct rj_cli_guest_spec *spec,
				       struct ramjet_error *err);
/* Take over the program that `ram` holds. -EBADMSG when the header is not
 * one that rj_kvm_program_create() can have written. */
RJ_NODISCARD int rj_kvm_program_adopt(struct rj_kvm_program *program,
				      uint8_t *ram, uint64_t bytes,
				      struct ramjet_error *err);

/* Set a parked vCPU to the program's first instruction. */
RJ_NODISCARD int rj_kvm_program_boot(const struct rj_kvm_program *program,
				     struct rj_kvm_vcpu *vcpu,
				     struct ramjet_error *err);
/* A parked vCPU's progress. -EBADMSG when its registers and RAM disagree. */
RJ_NODISCARD int rj_kvm_program_progress(const struct rj_kvm_program *program,
					 const struct rj_kvm_vcpu *vcpu,
					 struct rj_kvm_progress *ret,
					 struct ramjet_error *err);

/* Writes vCPU `thread` has counted in RAM; it may run. */
uint64_t rj_kvm_program_writes(const struct rj_kvm_program *program,
			       uint32_t thread);

/* All vCPUs parked; progress[] is one a vCPU. Compare every page of RAM with
 * what it must be; several threads. Static zero pages that are not resident
 * are not read, so that they stay so. -EBADMSG: the first damage. *ret_pages
 * is how many were compared, also then. */
RJ_NODISCARD int rj_kvm_program_check(const struct rj_kvm_program *program,
				      const struct rj_kvm_progress *progress,
				      uint64_t *ret_pages,
				      struct ramjet_error *err);
/* Of everything the program writes. */
uint64_t rj_kvm_program_digest(const struct rj_kvm_program *program);
/* What the guest itself complained of at RJ_KVM_PORT_BAD, as an error. */
int rj_kvm_program_complaint(const struct rj_kvm_program *program,
			     const struct rj_kvm_vcpu *vcpu, uint32_t code,
			     struct ramjet_error *err);
#endif
