/* SPDX-License-Identifier: BSD-3-Clause */
/* ramjet_features(): what this machine offers, each thing tried. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#if defined(__has_include) && __has_include(<linux/kvm.h>)
#include <linux/kvm.h>
#endif

#include "dbus/vmstate.h"
#include "dirty/kvm/trial.h"
#include "dirty/source.h"
#include "engine/page/zstd_version.h"
#include "engine/placement/machine_nodes.h"
#include "engine/receive/populate_ahead.h"
#include "ringio/features.h"
#include "util/cleanup.h"
#include "util/compiler.h"

/* Room for those of this file. */
#define OWN_FEATURES_MAX 7u

/* Track a page of our own for a moment. */
static void probe_pagemap(struct rj_feature *f)
{
	struct ramjet_dirty_region region = { .name = "probe",
					      .page_count = 1,
					      .page_bytes = RAMJET_PAGE_BYTES,
					      .fd = -1 };
	struct ramjet_dirty_source *source = NULL;
	struct rj_dirty_set set = { 0 };
	struct ramjet_error err = { 0 };
	void *page = mmap(NULL, RAMJET_PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*f = (struct rj_feature){
		.name = "pagemap_scan",
		.enables = "dirty tracking without KVM, and finding what "
			   "is populated",
	};
	if (page == MAP_FAILED)
		return;
	region.host = page;
	f->available = !ramjet_dirty_pagemap_new(&source, &err) &&
		       !rj_dirty_set_start(&set, &source, 1, &region, 1, &err);
	if (f->available)
		(void)snprintf(
			f->result, sizeof(f->result),
			"tracks; a first write costs %llu ns",
			(unsigned long long)rj_dirty_set_write_cost_ns(&set));
	else
		(void)snprintf(f->result, sizeof(f->result), "%.239s",
			       err.message);
	rj_dirty_set_stop(&set);
	ramjet_dirty_free(source);
	(void)munmap(page, RAMJET_PAGE_BYTES);
}

#ifdef KVM_CHECK_EXTENSION
/* A kernel may offer rings and lose what is in them. */
static void probe_ring(int kvm, struct rj_feature *f)
{
	const int bytes =
		ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING);
	struct ramjet_error err = { 0 };

	f->available = bytes > 0 && !rj_kvm_trial_rings(kvm, &err);
	if (f->available || bytes <= 0)
		(void)snprintf(f->result, sizeof(f->result),
			       "up to %d bytes a vCPU", bytes > 0 ? bytes : 0);
	else
		(void)snprintf(f->result, sizeof(f->result), "%.*s",
			       (int)sizeof(f->result) - 1, err.message);
}

static void probe_kvm(struct rj_feature *log, struct rj_feature *ring)
{
	rj_autoclose int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int manual = 0;

	*log = (struct rj_feature){ .name = "kvm_dirty_log",
				    .enables = "KVM guests; re-armed piece "
					       "by piece" };
	*ring = (struct rj_feature){ .name = "kvm_dirty_ring",
				     .enables = "cost in proportion to dirt, "
						"where a trial finds it "
						"sound" };
	if (kvm < 0) {
		(void)snprintf(log->result, sizeof(log->result), "/dev/kvm: %s",
			       strerror(errno));
		memcpy(ring->result, log->result, sizeof(ring->result));
		return;
	}
	manual = ioctl(kvm, KVM_CHECK_EXTENSION,
		       KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
	log->available = true;
	(void)snprintf(log->result, sizeof(log->result), "manual protect: %s",
		       manual > 0 ? "yes" : "no");
	probe_ring(kvm, ring);
}
#else
static void probe_kvm(struct rj_feature *log, struct rj_feature *ring)
{
	*log = (struct rj_feature){ .name = "kvm_dirty_log",
				    .result = "built without linux/kvm.h",
				    .enables = "KVM guests" };
	*ring = *log;
	ring->name = "kvm_dirty_ring";
}
#endif

static void probe_dbus(struct rj_feature *f)
{
	*f = (struct rj_feature){
		.name = "dbus_helpers",
		.available = rj_helpers_supported(),
		.enables = "org.qemu.VMState1 helpers",
	};
	(void)snprintf(f->result, sizeof(f->result), "%s",
		       f->available ? "built with sd-bus"
				    : "built without libsystemd");
}

static void probe_numa(struct rj_feature *f)
{
	const struct rj_topology *topology = rj_machine_topology();

	*f = (struct rj_feature){
		.name = "numa",
		.available = topology->node_count > 1,
		.enables = "workers run where the memory lies",
	};
	if (f->available)
		(void)snprintf(f->result, sizeof(f->result), "%u nodes",
			       topology->node_count);
	else
		(void)snprintf(f->result, sizeof(f->result), "%s",
			       topology->reason);
}

static void probe_populate(struct rj_feature *f)
{
	const char *refusal = rj_populate_ahead_refusal();

	*f = (struct rj_feature){
		.name = "populate_write",
		.available = !refusal,
		.enables = "spare CPUs populate what is about to be received",
	};
	(void)snprintf(f->result, sizeof(f->result), "%s",
		       refusal ? refusal : "populates");
}

static void probe_zstd(struct rj_feature *f)
{
	const char *version = rj_zstd_version();

	*f = (struct rj_feature){
		.name = "zstd",
		.available = version != NULL,
		.enables = "compressed pages, and deltas of what has moved",
	};
	(void)snprintf(f->result, sizeof(f->result), "%s",
		       version ? version : "built without libzstd");
}

static int copy_feature(struct ramjet_feature *to,
			const struct rj_feature *from)
{
	char *result = strdup(from->result);

	if (!result)
		return -ENOMEM;
	*to = (struct ramjet_feature){
		.size = sizeof(*to),
		.name = from->name,
		.available = from->available,
		.result = result,
		.enables = from->enables,
	};
	return 0;
}

RAMJET_API int ramjet_features(struct ramjet_feature **ret, size_t *ret_count)
{
	return ramjet_features_with(RAMJET_BACKEND_AUTO, ret, ret_count);
}

RAMJET_API int ramjet_features_with(uint32_t backend,
				    struct ramjet_feature **ret,
				    size_t *ret_count)
{
	struct rj_feature found[RJ_RINGIO_FEATURES_MAX + OWN_FEATURES_MAX];
	struct ramjet_feature *features;
	size_t count;

	if (!ret || !ret_count || backend > RAMJET_BACKEND_SYSCALLS)
		return -EINVAL;
	count = rj_ringio_features((enum ramjet_backend)backend, found);
	probe_pagemap(&found[count++]);
	probe_populate(&found[count++]);
	probe_kvm(&found[count], &found[count + 1]);
	count += 2;
	probe_dbus(&found[count++]);
	probe_numa(&found[count++]);
	probe_zstd(&found[count++]);
	features = calloc(count, sizeof(*features));
	if (!features)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (copy_feature(&features[i], &found[i])) {
			ramjet_features_free(features, i);
			return -ENOMEM;
		}
	}
	*ret = features;
	*ret_count = count;
	return 0;
}

RAMJET_API void ramjet_features_free(struct ramjet_feature *features,
				     size_t count)
{
	for (size_t i = 0; features && i < count; i++)
		free((char *)(uintptr_t)features[i].result);
	free(features);
}
