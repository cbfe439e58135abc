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

struct saver {
	const struct rj_kvm_vm *vm;
	struct rj_kvm_blob blob;
	struct rj_kvm_notes *notes;
};

static void blob_done(struct saver *saver)
{
	rj_kvm_blob_done(&saver->blob);
}

static int save_simple(struct saver *saver, const struct rj_kvm_vcpu *vcpu,
		       const struct rj_kvm_simple_item *item,
		       struct ramjet_error *err)
{
	const char *name = rj_kvm_item_name(item->kind);
	union rj_kvm_any_struct state = { .align = 0 };
	uint8_t *out;
	int rc;

	if ((item->extension &&
	     !rj_kvm_vm_extension(saver->vm, item->extension)) ||
	    ioctl(vcpu->fd, item->get, &state)) {
		if (item->required)
			return rj_fail_errno(err, -errno, "vcpu %u: get %s",
					     vcpu->id, name);
		rj_kvm_note(saver->notes, "vcpu %u: %s not saved", vcpu->id,
			    name);
		return 0;
	}
	rc = rj_kvm_blob_add(&saver->blob, item->kind, vcpu->id,
			     rj_kvm_layout_bytes(item->layout), &out, err);
	if (!rc)
		rj_kvm_pack(item->layout, &state, out);
	return rc;
}

static int save_xsave(struct saver *saver, const struct rj_kvm_vcpu *vcpu,
		      struct ramjet_error *err)
{
	size_t bytes = rj_kvm_xsave_bytes(saver->vm);
	rj_autofree void *area = calloc(1, bytes + 1);
	uint8_t *out;
	int rc;

	if (!bytes) {
		rj_kvm_note(saver->notes, "vcpu %u: %s not saved", vcpu->id,
			    rj_kvm_item_name(RJ_KVM_ITEM_XSAVE));
		return 0;
	}
	if (!area)
		return rj_fail(err, -ENOMEM, "kvm state: no memory");
	if (ioctl(vcpu->fd,
		  bytes > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2
						   : KVM_GET_XSAVE,
		  area))
		return rj_fail_errno(err, -errno, "vcpu %u: KVM_GET_XSAVE",
				     vcpu->id);
	/* The processor's own format, the same everywhere. */
	rc = rj_kvm_blob_add(&saver->blob, RJ_KVM_ITEM_XSAVE, vcpu->id, bytes,
			     &out, err);
	if (!rc)
		memcpy(out, area, bytes);
	return rc;
}

static int save_cpuid(struct saver *saver, const struct rj_kvm_vcpu *vcpu,
		      struct ramjet_error *err)
{
	size_t entry_bytes = rj_kvm_layout_bytes(&rj_kvm_layout_cpuid);
	rj_autofree union rj_kvm_cpuid *cpuid = malloc(sizeof(*cpuid));
	uint8_t *out;
	int rc;

	if (!cpuid)
		return rj_fail(err, -ENOMEM, "kvm state: no memory");
	rc = rj_kvm_cpuid_get(vcpu->fd, cpuid, err);
	if (rc)
		return rc;
	rc = rj_kvm_blob_add(&saver->blob, RJ_KVM_ITEM_CPUID, vcpu->id,
			     cpuid->head.nent * entry_bytes, &out, err);
	for (uint32_t i = 0; !rc && i < cpuid->head.nent; i++)
		rj_kvm_pack(&rj_kvm_layout_cpuid,
			    cpuid->room + sizeof(struct kvm_cpuid2) +
				    i * sizeof(struct kvm_cpuid_entry2),
			    out + i * entry_bytes);
	return rc;
}

static int save_tsc_khz(struct saver *saver, const struct rj_kvm_vcpu *vcpu,
			struct ramjet_error *err)
{
	int khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	uint8_t *out;
	int rc;

	if (khz <= 0) {
		rj_kvm_note(saver->notes, "vcpu %u: TSC frequency not saved",
			    vcpu->id);
		return 0;
	}
	rc = rj_kvm_blob_add(&saver->blob, RJ_KVM_ITEM_TSC_KHZ, vcpu->id, 4,
			     &out, err);
	if (!rc)
		rj_kvm_put(out, (uint64_t)khz, 4);
	return rc;
}

static int save_vcpu(struct saver *saver, const struct rj_kvm_vcpu *vcpu,
		     struct ramjet_error *err)
{
	int rc = save_cpuid(saver, vcpu, err);

	if (!rc)
		rc = save_tsc_khz(saver, vcpu, err);
	for (size_t i = 0; !rc && i < RJ_KVM_SIMPLE_ITEMS; i++)
		rc = save_simple(saver, vcpu, &rj_kvm_simple_items[i], err);
	if (!rc)
		rc = save_xsave(saver, vcpu, err);
	if (!rc)
		rc = rj_kvm_msrs_save(saver->vm, vcpu, &saver->blob,
				      saver->notes, err);
	return rc;
}

static int save_clock(struct saver *saver, struct ramjet_error *err)
{
	struct kvm_clock_data clock = { 0 };
	uint8_t *out;
	int rc;

	if (ioctl(saver->vm->vm_fd, KVM_GET_CLOCK, &clock)) {
		rj_kvm_note(saver->notes, "clock not saved");
		return 0;
	}
	rc = rj_kvm_blob_add(&saver->blob, RJ_KVM_ITEM_CLOCK, RJ_KVM_BLOB_VM,
			     rj_kvm_layout_bytes(&rj_kvm_layout_clock), &out,
			     err);
	if (!rc)
		rj_kvm_pack(&rj_kvm_layout_clock, &clock, out);
	return rc;
}

int rj_kvm_state_save(const struct rj_kvm_vm *vm,
		      struct rj_kvm_vcpu *const *vcpus, unsigned count,
		      void **ret, size_t *ret_bytes, struct rj_kvm_notes *notes,
		      struct ramjet_error *err)
{
	rj_cleanup(blob_done) struct saver saver = { .vm = vm, .notes = notes };
	int rc = rj_kvm_blob_begin(&saver.blob, count, err);

	for (unsigned i = 0; !rc && i < count; i++)
		rc = save_vcpu(&saver, vcpus[i], err);
	if (!rc)
		rc = save_clock(&saver, err);
	if (rc)
		return rc;
	rj_kvm_blob_end(&saver.blob);
	*ret_bytes = saver.blob.bytes;
	*ret = rj_steal(saver.blob.data);
	return 0;
}
