/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_THROTTLE_H
#define RJ_CLI_KVM_THROTTLE_H
/*
 * Slows vCPUs down: a thread (kvm/throttle) that lets them run for a slice
 * and then sends all of them to sleep, so that they sleep `percent` of the
 * time. It exists only while there is something to slow down.
 */
#include "cli/kvm/vcpu.h"

struct rj_kvm_throttle {
	/* immutable after init */
	struct rj_kvm_vcpu *const *vcpus;
	struct rj_mutex lock;
	pthread_cond_t changed;
	/* owned by the one who calls set and done */
	pthread_t thread;
	bool has_thread;
	/* guarded by lock */
	unsigned vcpu_count RJ_GUARDED_BY(lock);
	unsigned percent RJ_GUARDED_BY(lock);
	bool quit RJ_GUARDED_BY(lock);
};

#define RJ_KVM_THROTTLE_PERCENT_MAX 99u

/* `vcpus` is borrowed until done. */
void rj_kvm_throttle_init(struct rj_kvm_throttle *throttle,
			  struct rj_kvm_vcpu *const *vcpus);
/* Before the vCPUs go. */
void rj_kvm_throttle_done(struct rj_kvm_throttle *throttle);
/* Of the first `vcpu_count` vCPUs; 0 % lifts it at once. One thread at a
 * time. -ERANGE above RJ_KVM_THROTTLE_PERCENT_MAX. */
RJ_NODISCARD int rj_kvm_throttle_set(struct rj_kvm_throttle *throttle,
				     unsigned vcpu_count, unsigned percent,
				     struct ramjet_error *err);
#endif
