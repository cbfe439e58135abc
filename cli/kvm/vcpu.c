/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/kvm/cpuid.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* Real-time signals are the program's own; the first is left to others. */
static int kick_signal(void)
{
	return SIGRTMIN + 1;
}

/* The signal only has to interrupt KVM_RUN. */
static void on_kick(int signal_number RJ_UNUSED)
{
}

static pthread_once_t kick_once = PTHREAD_ONCE_INIT;

static void install_kick(void)
{
	struct sigaction action = { .sa_handler = on_kick };

	if (sigaction(kick_signal(), &action, NULL))
		abort();
}

static void kick_locked(struct rj_kvm_vcpu *vcpu) RJ_REQUIRES(vcpu->lock)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	(void)pthread_kill(vcpu->thread, kick_signal());
}

static void nap_locked(struct rj_kvm_vcpu *vcpu) RJ_REQUIRES(vcpu->lock)
{
	vcpu->naps++;
	while (vcpu->want == RJ_KVM_WANT_RUNNING && vcpu->nap_until_ns)
		if (rj_cond_wait_until(&vcpu->changed, &vcpu->lock,
				       vcpu->nap_until_ns))
			vcpu->nap_until_ns = 0;
}

/* Called after every interrupted run. False: the thread is to end. */
static bool heed(struct rj_kvm_vcpu *vcpu)
{
	bool more;

	rj_lock(&vcpu->lock);
	if (vcpu->nap_until_ns)
		nap_locked(vcpu);
	while (vcpu->want == RJ_KVM_WANT_PARKED) {
		if (!vcpu->parked) {
			vcpu->parked = true;
			pthread_cond_broadcast(&vcpu->changed);
		}
		rj_cond_wait(&vcpu->changed, &vcpu->lock);
	}
	more = vcpu->want == RJ_KVM_WANT_RUNNING;
	if (more) {
		vcpu->parked = false;
		/* Cleared under the lock: a later request takes the lock, and
		 * sets it again. */
		__atomic_store_n(&vcpu->run->immediate_exit, 0,
				 __ATOMIC_SEQ_CST);
	}
	rj_unlock(&vcpu->lock);
	return more;
}

static void fail(struct rj_kvm_vcpu *vcpu, const struct ramjet_error *err)
{
	rj_lock(&vcpu->lock);
	vcpu->error = *err;
	if (vcpu->want == RJ_KVM_WANT_RUNNING)
		vcpu->want = RJ_KVM_WANT_PARKED;
	rj_unlock(&vcpu->lock);
}

/* One entry into the guest. 0: go on; 1: interrupted; negative: the end. */
static int enter(struct rj_kvm_vcpu *vcpu, struct ramjet_error *err)
{
	if (!ioctl(vcpu->fd, KVM_RUN, 0))
		return vcpu->exit(vcpu->user, vcpu, vcpu->run, err);
	if (errno == EINTR)
		return 1;
	if (errno == EAGAIN)
		return 0;
	return rj_fail_errno(err, -errno, "vcpu %u: KVM_RUN", vcpu->id);
}

static void *thread_main(void *arg)
{
	struct rj_kvm_vcpu *vcpu = arg;
	struct ramjet_error err = { 0 };
	int rc;

	while (heed(vcpu)) {
		do
			rc = enter(vcpu, &err);
		while (rc == 0);
		if (rc < 0)
			fail(vcpu, &err);
	}
	return NULL;
}

static int set_cpuid(const struct rj_kvm_vm *vm, int fd,
		     union rj_kvm_cpuid **ret, struct ramjet_error *err)
{
	rj_autofree union rj_kvm_cpuid *cpuid = malloc(sizeof(*cpuid));
	int rc;

	if (!cpuid)
		return rj_fail(err, -ENOMEM, "kvm: no memory");
	rc = rj_kvm_cpuid_host(vm, cpuid, err);
	if (rc)
		return rc;
	if (ioctl(fd, KVM_SET_CPUID2, &cpuid->head))
		return rj_fail_errno(err, -errno, "kvm: KVM_SET_CPUID2");
	rc = rj_kvm_cpuid_get(fd, cpuid, err);
	if (!rc)
		*ret = rj_steal(cpuid);
	return rc;
}

static int start_thread(struct rj_kvm_vcpu *vcpu, struct ramjet_error *err)
{
	char name[16];
	int rc;

	rj_mutex_init(&vcpu->lock);
	rj_cond_init(&vcpu->changed);
	(void)pthread_once(&kick_once, install_kick);
	rc = pthread_create(&vcpu->thread, NULL, thread_main, vcpu);
	if (rc) {
		rj_mutex_done(&vcpu->lock);
		(void)pthread_cond_destroy(&vcpu->changed);
		return rj_fail_errno(err, -rc, "vcpu %u: thread", vcpu->id);
	}
	(void)snprintf(name, sizeof(name), "kvm/cpu/%u", vcpu->id);
	(void)pthread_setname_np(vcpu->thread, name);
	return 0;
}

int rj_kvm_vcpu_init(struct rj_kvm_vcpu *vcpu, const struct rj_kvm_vm *vm,
		     unsigned id, rj_kvm_exit_fn *exit, void *user,
		     struct ramjet_error *err)
{
	rj_autoclose int fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, id);
	rj_autofree union rj_kvm_cpuid *cpuid = NULL;
	void *run;
	int rc;

	if (fd < 0)
		return rj_fail_errno(err, -errno, "vcpu %u: KVM_CREATE_VCPU",
				     id);
	rc = set_cpuid(vm, fd, &cpuid, err);
	if (rc) {
		rj_error_prefix(err, "vcpu %u", id);
		return rc;
	}
	run = mmap(NULL, vm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	if (run == MAP_FAILED)
		return rj_fail_errno(err, -errno, "vcpu %u: mmap", id);
	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->id = id;
	vcpu->fd = fd;
	vcpu->run = run;
	vcpu->run_bytes = vm->run_bytes;
	vcpu->cpuid = cpuid;
	vcpu->exit = exit;
	vcpu->user = user;
	rc = start_thread(vcpu, err);
	if (rc) {
		(void)munmap(run, vm->run_bytes);
		return rc;
	}
	/* *vcpu holds both now. */
	(void)rj_steal_fd(&fd);
	(void)rj_steal(cpuid);
	return 0;
}

static void want(struct rj_kvm_vcpu *vcpu, enum rj_kvm_vcpu_want wanted)
{
	rj_lock(&vcpu->lock);
	if (!(wanted == RJ_KVM_WANT_RUNNING && vcpu->error.code)) {
		vcpu->want = wanted;
		vcpu->nap_until_ns = 0;
		if (wanted != RJ_KVM_WANT_RUNNING)
			kick_locked(vcpu);
		pthread_cond_broadcast(&vcpu->changed);
	}
	rj_unlock(&vcpu->lock);
}

void rj_kvm_vcpu_run(struct rj_kvm_vcpu *vcpu)
{
	want(vcpu, RJ_KVM_WANT_RUNNING);
}

void rj_kvm_vcpu_park(struct rj_kvm_vcpu *vcpu)
{
	want(vcpu, RJ_KVM_WANT_PARKED);
}

int rj_kvm_vcpu_wait_parked(struct rj_kvm_vcpu *vcpu, struct ramjet_error *err)
{
	rj_lock(&vcpu->lock);
	while (!vcpu->parked)
		rj_cond_wait(&vcpu->changed, &vcpu->lock);
	rj_unlock(&vcpu->lock);
	return rj_kvm_vcpu_error(vcpu, err);
}

int rj_kvm_vcpu_error(struct rj_kvm_vcpu *vcpu, struct ramjet_error *err)
{
	int code;

	rj_lock(&vcpu->lock);
	code = vcpu->error.code;
	if (code)
		(void)rj_fail(err, code, "%s", vcpu->error.message);
	rj_unlock(&vcpu->lock);
	return code;
}

void rj_kvm_vcpu_nap(struct rj_kvm_vcpu *vcpu, uint64_t until_ns)
{
	rj_lock(&vcpu->lock);
	if (vcpu->want == RJ_KVM_WANT_RUNNING && !vcpu->parked) {
		vcpu->nap_until_ns = until_ns;
		if (until_ns)
			kick_locked(vcpu);
		pthread_cond_broadcast(&vcpu->changed);
	}
	rj_unlock(&vcpu->lock);
}

uint64_t rj_kvm_vcpu_naps(struct rj_kvm_vcpu *vcpu)
{
	uint64_t naps;

	rj_lock(&vcpu->lock);
	naps = vcpu->naps;
	rj_unlock(&vcpu->lock);
	return naps;
}

bool rj_kvm_vcpu_sleep_until(struct rj_kvm_vcpu *vcpu, uint64_t deadline_ns)
{
	int rc = 0;

	rj_lock(&vcpu->lock);
	while (vcpu->want == RJ_KVM_WANT_RUNNING && !rc)
		rc = rj_cond_wait_until(&vcpu->changed, &vcpu->lock,
					deadline_ns);
	rj_unlock(&vcpu->lock);
	return rc == ETIMEDOUT;
}

void rj_kvm_vcpu_done(struct rj_kvm_vcpu *vcpu)
{
	want(vcpu, RJ_KVM_WANT_GONE);
	(void)pthread_join(vcpu->thread, NULL);
	(void)munmap(vcpu->run, vcpu->run_bytes);
	(void)close(vcpu->fd);
	free(vcpu->cpuid);
	rj_mutex_done(&vcpu->lock);
	(void)pthread_cond_destroy(&vcpu->changed);
}
