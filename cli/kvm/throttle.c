/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/throttle.h"

#include <errno.h>
#include <string.h>

#include "util/clock.h"
#include "util/error.h"

/* A slice of running. Longer ones would make the guest jerk, shorter ones
 * cost it more than they say: each ends in an exit. */
#define SLICE_NS UINT64_C(10000000)

static void nap_all_locked(struct rj_kvm_throttle *throttle, uint64_t until_ns)
	RJ_REQUIRES(throttle->lock)
{
	for (unsigned i = 0; i < throttle->vcpu_count; i++)
		rj_kvm_vcpu_nap(throttle->vcpus[i], until_ns);
}

static void *thread_main(void *arg)
{
	struct rj_kvm_throttle *throttle = arg;
	uint64_t next = 0;

	rj_lock(&throttle->lock);
	while (!throttle->quit) {
		uint64_t percent = throttle->percent;
		uint64_t now = rj_now_ns();

		if (!percent) {
			rj_cond_wait(&throttle->changed, &throttle->lock);
			next = 0;
			continue;
		}
		if (now >= next) {
			uint64_t nap = SLICE_NS * percent / (100 - percent);

			nap_all_locked(throttle, now + nap);
			next = now + nap + SLICE_NS;
		}
		(void)rj_cond_wait_until(&throttle->changed, &throttle->lock,
					 next);
	}
	rj_unlock(&throttle->lock);
	return NULL;
}

void rj_kvm_throttle_init(struct rj_kvm_throttle *throttle,
			  struct rj_kvm_vcpu *const *vcpus)
{
	memset(throttle, 0, sizeof(*throttle));
	throttle->vcpus = vcpus;
	rj_mutex_init(&throttle->lock);
	rj_cond_init(&throttle->changed);
}

void rj_kvm_throttle_done(struct rj_kvm_throttle *throttle)
{
	rj_lock(&throttle->lock);
	throttle->quit = true;
	pthread_cond_broadcast(&throttle->changed);
	rj_unlock(&throttle->lock);
	if (throttle->has_thread)
		(void)pthread_join(throttle->thread, NULL);
	rj_mutex_done(&throttle->lock);
	(void)pthread_cond_destroy(&throttle->changed);
}

int rj_kvm_throttle_set(struct rj_kvm_throttle *throttle, unsigned vcpu_count,
			unsigned percent, struct ramjet_error *err)
{
	int rc = 0;

	if (percent > RJ_KVM_THROTTLE_PERCENT_MAX)
		return rj_fail(err, -ERANGE,
			       "guest kvm: throttle of %u %%, wanted 0 to %u",
			       percent, RJ_KVM_THROTTLE_PERCENT_MAX);
	if (percent && !throttle->has_thread) {
		rc = pthread_create(&throttle->thread, NULL, thread_main,
				    throttle);
		if (rc)
			return rj_fail_errno(err, -rc,
					     "guest kvm: throttle thread");
		(void)pthread_setname_np(throttle->thread, "kvm/throttle");
		throttle->has_thread = true;
	}
	rj_lock(&throttle->lock);
	throttle->vcpu_count = vcpu_count;
	throttle->percent = percent;
	if (!percent)
		nap_all_locked(throttle, 0);
	pthread_cond_broadcast(&throttle->changed);
	rj_unlock(&throttle->lock);
	return 0;
}
