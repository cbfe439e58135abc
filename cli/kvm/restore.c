/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/state.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cli/kvm/cpuid.h"
#include "cli/kvm/items.h"
#include "cli/kvm/msrs.h"
#include "util/cleanup.h"
#include "util/error.h"

struct loader {
	const struct rj_kvm_vm *vm;
	const void *data;
	size_t bytes;
	struct rj_kvm_notes *notes;
};

static struct rj_kvm_item find_item(const struct loader *loader,
				    enum rj_kvm_item_kind kind, unsigned id)
{
	return rj_kvm_blob_find(loader->data, loader->bytes, kind, id);
}

static int bad_size(enum rj_kvm_item_kind kind, unsigned id, size_t found,
		    size_t wanted, struct ramjet_error *err)
{
	return rj_fail(err, -EPROTO,
		       "kvm state: %s of vCPU %u: %zu bytes, wanted %zu",
		       rj_kvm_item_name(kind), id, found, wanted);
}

static int load_simple(struct loader *loader, const struct rj_kvm_vcpu *vcpu,
		       const struct rj_kvm_simple_item *simple,
		       struct ramjet_error *err)
{
	struct rj_kvm_item item = find_item(loader, simple->kind, vcpu->id);
	const char *name = rj_kvm_item_name(simple->kind);
	size_t bytes = rj_kvm_layout_bytes(simple->layout);
	union rj_kvm_any_struct state;

	if (!item.data && simple->required)
		return rj_fail(err, -EPROTO, "kvm state: no %s of vCPU %u",
			       name, vcpu->id);
	if (!item.data) {
		rj_kvm_note(loader->notes, "vcpu %u: %s not sent", vcpu->id,
			    name);
		return 0;
	}
	if (item.bytes != bytes)
		return bad_size(simple->kind, vcpu->id, item.bytes, bytes, err);
	rj_kvm_unpack(simple->layout, item.data, &state);
	if (!ioctl(vcpu->fd, simple->set, &state))
		return 0;
	if (simple->required)
		return rj_fail_errno(err, -errno, "vcpu %u: set %s", vcpu->id,
				     name);
	rj_kvm_note(loader->notes, "vcpu %u: %s not loaded", vcpu->id, name);
	return 0;
}

/* The guest keeps the CPU it began with, if this host can play it. */
static int load_cpuid(struct loader *loader, const struct rj_kvm_vcpu *vcpu,
		      struct ramjet_error *err)
{
	struct rj_kvm_item item =
		find_item(loader, RJ_KVM_ITEM_CPUID, vcpu->id);
	size_t entry_bytes = rj_kvm_layout_bytes(&rj_kvm_layout_cpuid);
	rj_autofree union rj_kvm_cpuid *wanted = calloc(1, sizeof(*wanted));
	int rc;

	if (!item.data) {
		rj_kvm_note(loader->notes, "vcpu %u: CPUID not sent", vcpu->id);
		return 0;
	}
	if (!wanted)
		return rj_fail(err, -ENOMEM, "kvm state: no memory");
	if (item.bytes % entry_bytes ||
	    item.bytes / entry_bytes > RJ_KVM_CPUID_ENTRIES_MAX)
		return bad_size(RJ_KVM_ITEM_CPUID, vcpu->id, item.bytes,
				entry_bytes, err);
	wanted->head.nent = (uint32_t)(item.bytes / entry_bytes);
	for (uint32_t i = 0; i < wanted->head.nent; i++)
		rj_kvm_unpack(&rj_kvm_layout_cpuid, item.data + i * entry_bytes,
			      wanted->room + sizeof(struct kvm_cpuid2) +
				      i * sizeof(struct kvm_cpuid_entry2));
	rc = rj_kvm_cpuid_covers(vcpu->cpuid, wanted, err);
	if (rc)
		return rc;
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, &wanted->head))
		rj_kvm_note(loader->notes, "vcpu %u: CPUID not loaded",
			    vcpu->id);
	return 0;
}

static int load_xsave(struct loader *loader, const struct rj_kvm_vcpu *vcpu,
		      struct ramjet_error *err)
{
	struct rj_kvm_item item =
		find_item(loader, RJ_KVM_ITEM_XSAVE, vcpu->id);
	size_t bytes = rj_kvm_xsave_bytes(loader->vm);
	rj_autofree uint8_t *area = calloc(1, bytes + item.bytes + 1);

	if (!item.data || !bytes) {
		/* The FPU item has what every CPU has. */
		rj_kvm_note(loader->notes, "vcpu %u: XSAVE area not %s",
			    vcpu->id, bytes ? "sent" : "loaded");
		return 0;
	}
	if (!area)
		return rj_fail(err, -ENOMEM, "kvm state: no memory");
	/* The kernel reads `bytes`; an area of another size is of a CPU with
	 * other features, and what is beyond must be unused. */
	memcpy(area, item.data, item.bytes);
	for (size_t i = bytes; i < item.bytes; i++)
		if (area[i])
			return bad_size(RJ_KVM_ITEM_XSAVE, vcpu->id, item.bytes,
					bytes, err);
	if (ioctl(vcpu->fd, KVM_SET_XSAVE, area))
		return rj_fail_errno(err, -errno, "vcpu %u: KVM_SET_XSAVE",
				     vcpu->id);
	return 0;
}

static int load_tsc_khz(struct loader *loader, const struct rj_kvm_vcpu *vcpu,
			struct ramjet_error *err)
{
	struct rj_kvm_item item =
		find_item(loader, RJ_KVM_ITEM_TSC_KHZ, vcpu->id);
	int here = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	uint64_t there;

	if (!item.data)
		return 0;
	if (item.bytes != 4)
		return bad_size(RJ_KVM_ITEM_TSC_KHZ, vcpu->id, item.bytes, 4,
				err);
	there = rj_kvm_get(item.data, 4);
	if (here > 0 && there == (uint64_t)here)
		return 0;
	if (rj_kvm_vm_extension(loader->vm, KVM_CAP_TSC_CONTROL) &&
	    !ioctl(vcpu->fd, KVM_SET_TSC_KHZ, there))
		return 0;
	rj_kvm_note(loader->notes, "vcpu %u: TSC runs at %d kHz, not at %llu",
		    vcpu->id, here, (unsigned long long)there);
	return 0;
}

static int load_msrs(struct loader *loader, const struct rj_kvm_vcpu *vcpu,
		     struct ramjet_error *err)
{
	struct rj_kvm_item item = find_item(loader, RJ_KVM_ITEM_MSRS, vcpu->id);

	if (item.data)
		return rj_kvm_msrs_load(vcpu, item, loader->notes, err);
	rj_kvm_note(loader->notes, "vcpu %u: MSRs not sent", vcpu->id);
	return 0;
}

static int load_kind(struct loader *loader, const struct rj_kvm_vcpu *vcpu,
		     enum rj_kvm_item_kind kind, struct ramjet_error *err)
{
	for (size_t i = 0; i < RJ_KVM_SIMPLE_ITEMS; i++)
		if (rj_kvm_simple_items[i].kind == kind)
			return load_simple(loader, vcpu,
					   &rj_kvm_simple_items[i], err);
	switch (kind) {
	case RJ_KVM_ITEM_CPUID:
		return load_cpuid(loader, vcpu, err);
	case RJ_KVM_ITEM_TSC_KHZ:
		return load_tsc_khz(loader, vcpu, err);
	case RJ_KVM_ITEM_XSAVE:
		return load_xsave(loader, vcpu, err);
	default:
		return load_msrs(loader, vcpu, err);
	}
}

static void load_clock(struct loader *loader)
{
	struct rj_kvm_item item =
		find_item(loader, RJ_KVM_ITEM_CLOCK, RJ_KVM_BLOB_VM);
	struct kvm_clock_data clock;

	if (item.bytes == rj_kvm_layout_bytes(&rj_kvm_layout_clock)) {
		rj_kvm_unpack(&rj_kvm_layout_clock, item.data, &clock);
		/* Go on where it stood: the pause did not happen. */
		clock.flags = 0;
		if (!ioctl(loader->vm->vm_fd, KVM_SET_CLOCK, &clock))
			return;
	}
	rj_kvm_note(loader->notes, "clock not loaded");
}

/* What later items depend on comes first: CPUID says which bits and MSRs are
 * legal, system registers put the CPU in its mode, and KVM's events are last
 * but the debug registers, since setting registers drops a pending one. */
static const enum rj_kvm_item_kind load_order[] = {
	RJ_KVM_ITEM_CPUID,  RJ_KVM_ITEM_TSC_KHZ,   RJ_KVM_ITEM_SREGS,
	RJ_KVM_ITEM_FPU,    RJ_KVM_ITEM_XCRS,      RJ_KVM_ITEM_XSAVE,
	RJ_KVM_ITEM_MSRS,   RJ_KVM_ITEM_REGS,      RJ_KVM_ITEM_MP_STATE,
	RJ_KVM_ITEM_EVENTS, RJ_KVM_ITEM_DEBUGREGS,
};

int rj_kvm_state_load(const struct rj_kvm_vm *vm,
		      struct rj_kvm_vcpu *const *vcpus, unsigned count,
		      const void *data, size_t bytes,
		      struct rj_kvm_notes *notes, struct ramjet_error *err)
{
	struct loader loader = {
		.vm = vm, .data = data, .bytes = bytes, .notes = notes
	};
	int rc = rj_kvm_blob_check(data, bytes, count, err);

	if (rc)
		return rc;
	for (unsigned v = 0; v < count; v++)
		for (size_t i = 0; i < RJ_ARRAY_SIZE(load_order); i++) {
			rc = load_kind(&loader, vcpus[v], load_order[i], err);
			if (rc)
				return rc;
		}
	load_clock(&loader);
	return 0;
}
