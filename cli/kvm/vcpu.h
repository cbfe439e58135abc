/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_VCPU_H
#define RJ_CLI_KVM_VCPU_H
/*
 * One vCPU and the thread that runs it.
 *
 * A vCPU is born parked. rj_kvm_vcpu_run() lets it go; rj_kvm_vcpu_park() asks
 * it to stop and returns at once, rj_kvm_vcpu_wait_parked() waits until it
 * has: so a VMM parks all first and then waits for each.
 *
 * A parked vCPU's state is whole: KVM finishes an I/O instruction only when
 * KVM_RUN is entered again, so the thread parks only after a KVM_RUN that was
 * interrupted, never right after handling an exit.
 *
 * No kick is lost: the kicker sets kvm_run.immediate_exit before it sends the
 * signal. A thread on its way into KVM_RUN finds the flag, a thread in the
 * guest the signal.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/kvm/vm.h"
#include "util/mutex.h"

struct kvm_run;
union rj_kvm_cpuid;
struct rj_kvm_vcpu;

/*
 * Called on the vCPU's thread for every exit that is not an interrupted run.
 * 0 goes on; a negative errno (with err filled) ends the vCPU: it parks, and
 * rj_kvm_vcpu_wait_parked() reports the error.
 */
typedef int rj_kvm_exit_fn(void *user, struct rj_kvm_vcpu *vcpu,
			   struct kvm_run *run, struct ramjet_error *err);

enum rj_kvm_vcpu_want {
	RJ_KVM_WANT_PARKED = 0,
	RJ_KVM_WANT_RUNNING,
	RJ_KVM_WANT_GONE,
};

struct rj_kvm_vcpu {
	/* immutable after init */
	unsigned id;
	int fd;
	struct kvm_run *run; /* shared with the kernel */
	size_t run_bytes;
	union rj_kvm_cpuid *cpuid; /* what this host offers it */
	rj_kvm_exit_fn *exit;
	void *user;
	pthread_t thread;
	struct rj_mutex lock;
	pthread_cond_t changed;
	/* guarded by lock */
	enum rj_kvm_vcpu_want want RJ_GUARDED_BY(lock);
	bool parked RJ_GUARDED_BY(lock);
	uint64_t nap_until_ns RJ_GUARDED_BY(lock);     /* 0: no nap is due */
	uint64_t naps RJ_GUARDED_BY(lock);             /* naps taken */
	struct ramjet_error error RJ_GUARDED_BY(lock); /* why it ended */
};

/* Creates the vCPU with what CPUID this host's KVM supports, and its thread
 * (kvm/cpu/ID), parked. `user` is borrowed until done. */
RJ_NODISCARD int rj_kvm_vcpu_init(struct rj_kvm_vcpu *vcpu,
				  const struct rj_kvm_vm *vm, unsigned id,
				  rj_kvm_exit_fn *exit, void *user,
				  struct ramjet_error *err);
/* Stops and joins the thread, frees everything. Once for every init. */
void rj_kvm_vcpu_done(struct rj_kvm_vcpu *vcpu);

/* Any thread. A vCPU that ended by an error stays parked. */
void rj_kvm_vcpu_run(struct rj_kvm_vcpu *vcpu);
void rj_kvm_vcpu_park(struct rj_kvm_vcpu *vcpu);
/* After park. 0, or the error the vCPU ended with. */
int rj_kvm_vcpu_wait_parked(struct rj_kvm_vcpu *vcpu, struct ramjet_error *err);
/* The error the vCPU ended with, or 0; any time. */
int rj_kvm_vcpu_error(struct rj_kvm_vcpu *vcpu, struct ramjet_error *err);

/* Make a running vCPU leave the guest and sleep until then (rj_now_ns()); 0
 * ends a nap. */
void rj_kvm_vcpu_nap(struct rj_kvm_vcpu *vcpu, uint64_t until_ns);
uint64_t rj_kvm_vcpu_naps(struct rj_kvm_vcpu *vcpu);

/* For the exit function: sleep until `deadline_ns` (rj_now_ns(), UINT64_MAX:
 * for ever) or until the vCPU is to park. True when the deadline came. */
bool rj_kvm_vcpu_sleep_until(struct rj_kvm_vcpu *vcpu, uint64_t deadline_ns);
#endif
