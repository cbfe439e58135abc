/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_VCPU_H
#define RJ_CLI_GUEST_VCPU_H
/*
 * The threads that play the vCPUs of a process guest. Each makes the writes
 * of its own slice (cli/guest/program.h), paced, and stops only between two
 * writes.
 * Calls come from one thread at a time, except _throttle and _running.
 */
#include "cli/guest/program.h"

struct rj_cli_vcpus;

/* Threads are created here, and parked. `program` is borrowed. */
RJ_NODISCARD int rj_cli_vcpus_new(const struct rj_cli_program *program,
				  struct rj_cli_vcpus **ret,
				  struct ramjet_error *err);
/* Stops them first. NULL ok. */
void rj_cli_vcpus_free(struct rj_cli_vcpus *vcpus);

void rj_cli_vcpus_start(struct rj_cli_vcpus *vcpus);
/* On return no vCPU writes. */
void rj_cli_vcpus_stop(struct rj_cli_vcpus *vcpus);
bool rj_cli_vcpus_running(struct rj_cli_vcpus *vcpus);
/* Before the first start: from `at_ns` on (util/clock.h) they write this much
 * in place of what the program says. For vCPUs that are paced. */
void rj_cli_vcpus_calm_at(struct rj_cli_vcpus *vcpus, uint64_t at_ns,
			  uint64_t bytes_per_s);
/* Leave them (100 - percent) % of their pace; percent 0..99. */
void rj_cli_vcpus_throttle(struct rj_cli_vcpus *vcpus, unsigned percent);
/* Stopped. 0, or -EBADMSG with what a vCPU stumbled over. */
int rj_cli_vcpus_fault(const struct rj_cli_vcpus *vcpus,
		       struct ramjet_error *err);
#endif
