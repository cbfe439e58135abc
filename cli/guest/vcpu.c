/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/vcpu.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/mutex.h"
#include "util/thread.h"

/* A paced vCPU wakes this often, so the load is smooth below 10 ms. */
#define TICK_NS 1000000u
/* One that has nothing to write needn't. */
#define IDLE_NS 100000000u
/* A vCPU that was held up this long has lost the time, as a real one would;
 * it doesn't write faster later. */
#define DEBT_NS       20000000u
#define UNPACED_BATCH 64u
/* Below this a throttled vCPU's naps would cost more than they are worth. */
#define NAP_NS_MIN 500000u

enum wanted {
	PARK = 0,
	RUN,
	QUIT
};

struct vcpu {
	/* immutable */
	struct rj_cli_vcpus *all;
	uint32_t index;
	pthread_t thread;
	/* owned by its thread; others read it while it is parked */
	int fault;
	struct ramjet_error error;
};

struct rj_cli_vcpus {
	/* immutable after rj_cli_vcpus_new() */
	const struct rj_cli_program *program;
	uint32_t count;
	double writes_per_ns; /* of each vCPU; 0: unpaced */
	bool idle;
	/* immutable after the first start */
	uint64_t calm_ns; /* when it begins */
	double calm_writes_per_ns;
	struct rj_mutex lock;
	pthread_cond_t changed; /* wanted or parked */
	/* guarded by lock */
	uint32_t parked RJ_GUARDED_BY(lock);
	/* written under lock; a vCPU's loop looks at it before every write,
	 * the lock orders everything else */
	atomic_int wanted;
	atomic_uint throttle;
	struct vcpu vcpus[];
};

static bool shall_run(struct rj_cli_vcpus *all)
{
	return atomic_load_explicit(&all->wanted, memory_order_relaxed) == RUN;
}

/* Until `deadline_ns`, or until something else than running is wanted. */
static void nap_until(struct rj_cli_vcpus *all, uint64_t deadline_ns)
{
	rj_lock(&all->lock);
	while (shall_run(all) && rj_cond_wait_until(&all->changed, &all->lock,
						    deadline_ns) != ETIMEDOUT)
		;
	rj_unlock(&all->lock);
}

/* Returns false when the vCPU can't go on. */
static bool make_writes(struct vcpu *vcpu, uint64_t count)
{
	struct rj_cli_vcpus *all = vcpu->all;

	for (uint64_t i = 0; i < count && shall_run(all); i++) {
		vcpu->fault = rj_cli_program_step(all->program, vcpu->index,
						  &vcpu->error);
		if (vcpu->fault)
			return false;
	}
	return true;
}

static double pace_of(struct rj_cli_vcpus *all, uint64_t now_ns)
{
	const double full = now_ns < all->calm_ns ? all->writes_per_ns
						  : all->calm_writes_per_ns;

	return full * (100 - atomic_load(&all->throttle)) / 100;
}

/* Writes are due at absolute times from `origin` on. */
static void run_paced(struct vcpu *vcpu)
{
	struct rj_cli_vcpus *all = vcpu->all;
	uint64_t origin = 0, done = 0;
	double pace = 0;

	while (shall_run(all)) {
		uint64_t now = rj_now_ns(), due, wake;
		double asked = pace_of(all, now);

		if (asked <= 0) {
			nap_until(all, now + IDLE_NS);
			continue;
		}
		if (asked != pace ||
		    (double)(now - origin) - (double)done / pace > DEBT_NS) {
			pace = asked;
			origin = now;
			done = 0;
		}
		due = (uint64_t)((double)(now - origin) * pace);
		if (due > done && !make_writes(vcpu, due - done))
			return;
		if (due > done)
			done = due;
		wake = origin + (uint64_t)((double)(done + 1) / pace);
		nap_until(all, wake > now + TICK_NS ? wake : now + TICK_NS);
	}
}

static void run_unpaced(struct vcpu *vcpu)
{
	struct rj_cli_vcpus *all = vcpu->all;
	uint64_t owed_ns = 0;

	while (shall_run(all)) {
		unsigned throttle = atomic_load(&all->throttle);
		uint64_t start = rj_now_ns(), now;

		if (!make_writes(vcpu, UNPACED_BATCH))
			return;
		now = rj_now_ns();
		if (!throttle)
			continue;
		owed_ns += (now - start) * throttle / (100 - throttle);
		if (owed_ns < NAP_NS_MIN)
			continue;
		nap_until(all, now + owed_ns);
		owed_ns = 0;
	}
}

/* Waits until running or quitting is wanted; returns which. */
static int park(struct rj_cli_vcpus *all, const struct vcpu *vcpu)
{
	int wanted;

	rj_lock(&all->lock);
	all->parked++;
	(void)pthread_cond_broadcast(&all->changed);
	for (;;) {
		wanted = atomic_load(&all->wanted);
		if (wanted == QUIT)
			break;
		if (wanted == RUN && !vcpu->fault && !all->idle)
			break;
		rj_cond_wait(&all->changed, &all->lock);
	}
	all->parked--;
	rj_unlock(&all->lock);
	return wanted;
}

static void *vcpu_main(void *arg)
{
	struct vcpu *vcpu = arg;
	struct rj_cli_vcpus *all = vcpu->all;

	/* The usual 50 us of timer slack would blur every tick. */
	(void)prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	while (park(all, vcpu) != QUIT) {
		if (all->writes_per_ns > 0)
			run_paced(vcpu);
		else
			run_unpaced(vcpu);
	}
	return NULL;
}

static void want(struct rj_cli_vcpus *all, enum wanted wanted)
{
	rj_lock(&all->lock);
	atomic_store(&all->wanted, wanted);
	(void)pthread_cond_broadcast(&all->changed);
	rj_unlock(&all->lock);
}

static void wait_parked(struct rj_cli_vcpus *all)
{
	rj_lock(&all->lock);
	while (all->parked < all->count)
		rj_cond_wait(&all->changed, &all->lock);
	rj_unlock(&all->lock);
}

/* Its part of what all write. */
static double vcpu_pace(const struct rj_cli_program *program,
			uint64_t bytes_per_s)
{
	return (double)bytes_per_s / RAMJET_PAGE_BYTES / 1e9 / program->threads;
}

int rj_cli_vcpus_new(const struct rj_cli_program *program,
		     struct rj_cli_vcpus **ret, struct ramjet_error *err)
{
	struct rj_cli_vcpus *all;
	char name[24];
	int rc = 0;

	all = calloc(1,
		     sizeof(*all) + program->threads * sizeof(all->vcpus[0]));
	if (!all)
		return rj_fail(err, -ENOMEM, "guest process: out of memory");
	all->program = program;
	all->idle = !program->write_bytes_per_s;
	if (program->write_bytes_per_s != RJ_CLI_WRITE_MAX)
		all->writes_per_ns =
			vcpu_pace(program, program->write_bytes_per_s);
	all->calm_ns = UINT64_MAX;
	rj_mutex_init(&all->lock);
	rj_cond_init(&all->changed);
	for (uint32_t i = 0; i < program->threads && !rc; i++) {
		all->vcpus[i].all = all;
		all->vcpus[i].index = i;
		(void)snprintf(name, sizeof(name), "rj/vcpu/%u", i);
		rc = rj_thread_start(&all->vcpus[i].thread, name, vcpu_main,
				     &all->vcpus[i]);
		if (!rc)
			all->count++;
	}
	if (rc) {
		rj_cli_vcpus_free(all);
		return rj_thread_fail(err, rc, "guest process: a vCPU");
	}
	wait_parked(all);
	*ret = all;
	return 0;
}

void rj_cli_vcpus_free(struct rj_cli_vcpus *all)
{
	if (!all)
		return;
	want(all, QUIT);
	for (uint32_t i = 0; i < all->count; i++)
		(void)pthread_join(all->vcpus[i].thread, NULL);
	(void)pthread_cond_destroy(&all->changed);
	rj_mutex_done(&all->lock);
	free(all);
}

void rj_cli_vcpus_calm_at(struct rj_cli_vcpus *all, uint64_t at_ns,
			  uint64_t bytes_per_s)
{
	all->calm_writes_per_ns = vcpu_pace(all->program, bytes_per_s);
	all->calm_ns = at_ns;
}

void rj_cli_vcpus_start(struct rj_cli_vcpus *all)
{
	want(all, RUN);
}

void rj_cli_vcpus_stop(struct rj_cli_vcpus *all)
{
	want(all, PARK);
	wait_parked(all);
}

bool rj_cli_vcpus_running(struct rj_cli_vcpus *all)
{
	return shall_run(all);
}

void rj_cli_vcpus_throttle(struct rj_cli_vcpus *all, unsigned percent)
{
	atomic_store(&all->throttle, percent > 99 ? 99 : percent);
}

int rj_cli_vcpus_fault(const struct rj_cli_vcpus *all, struct ramjet_error *err)
{
	for (uint32_t i = 0; i < all->count; i++)
		if (all->vcpus[i].fault)
			return rj_fail(err, all->vcpus[i].fault, "%s",
				       all->vcpus[i].error.message);
	return 0;
}
