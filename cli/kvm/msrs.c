/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/msrs.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cli/kvm/fields.h"
#include "cli/kvm/notes.h"
#include "util/cleanup.h"
#include "util/error.h"

#define MSRS_MAX 4096u

/* One at a time: a call with many stops at the first that fails. */
union one_msr {
	struct kvm_msrs head;
	uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

static bool msr_call(const struct rj_kvm_vcpu *vcpu, unsigned long request,
		     struct kvm_msr_entry *entry)
{
	union one_msr msr = { .head = { .nmsrs = 1 } };
	uint8_t *at = msr.room + sizeof(struct kvm_msrs);
	bool done;

	memcpy(at, entry, sizeof(*entry));
	done = ioctl(vcpu->fd, request, &msr.head) == 1;
	memcpy(entry, at, sizeof(*entry));
	return done;
}

static int list_msrs(const struct rj_kvm_vm *vm, struct kvm_msr_list **ret,
		     struct ramjet_error *err)
{
	rj_autofree struct kvm_msr_list *list =
		calloc(1, sizeof(*list) + MSRS_MAX * sizeof(uint32_t));

	if (!list)
		return rj_fail(err, -ENOMEM, "kvm state: no memory");
	list->nmsrs = MSRS_MAX;
	if (ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, list))
		return rj_fail_errno(err, -errno,
				     "kvm: KVM_GET_MSR_INDEX_LIST");
	*ret = rj_steal(list);
	return 0;
}

int rj_kvm_msrs_save(const struct rj_kvm_vm *vm, const struct rj_kvm_vcpu *vcpu,
		     struct rj_kvm_blob *blob, struct rj_kvm_notes *notes,
		     struct ramjet_error *err)
{
	size_t entry_bytes = rj_kvm_layout_bytes(&rj_kvm_layout_msr);
	rj_autofree struct kvm_msr_list *list = NULL;
	rj_autofree struct kvm_msr_entry *read = NULL;
	unsigned count = 0;
	uint8_t *out;
	int rc;

	rc = list_msrs(vm, &list, err);
	if (rc)
		return rc;
	read = calloc(list->nmsrs + 1u, sizeof(*read));
	if (!read)
		return rj_fail(err, -ENOMEM, "kvm state: no memory");
	for (unsigned i = 0; i < list->nmsrs; i++) {
		read[count].index = list->indices[i];
		if (msr_call(vcpu, KVM_GET_MSRS, &read[count]))
			count++;
		else
			rj_kvm_note(notes, "vcpu %u: MSR 0x%x not saved",
				    vcpu->id, list->indices[i]);
	}
	rc = rj_kvm_blob_add(blob, RJ_KVM_ITEM_MSRS, vcpu->id,
			     count * entry_bytes, &out, err);
	if (rc)
		return rc;
	for (unsigned i = 0; i < count; i++)
		rj_kvm_pack(&rj_kvm_layout_msr, &read[i],
			    out + i * entry_bytes);
	return 0;
}

int rj_kvm_msrs_load(const struct rj_kvm_vcpu *vcpu, struct rj_kvm_item item,
		     struct rj_kvm_notes *notes, struct ramjet_error *err)
{
	size_t entry_bytes = rj_kvm_layout_bytes(&rj_kvm_layout_msr);

	if (item.bytes % entry_bytes || item.bytes / entry_bytes > MSRS_MAX)
		return rj_fail(err, -EPROTO,
			       "kvm state: %zu bytes of MSRs, wanted %zu each "
			       "and at most %u",
			       item.bytes, entry_bytes, MSRS_MAX);
	for (size_t at = 0; at < item.bytes; at += entry_bytes) {
		struct kvm_msr_entry entry, now;

		rj_kvm_unpack(&rj_kvm_layout_msr, item.data + at, &entry);
		if (msr_call(vcpu, KVM_SET_MSRS, &entry))
			continue;
		/* Some can be read but not written; nothing is lost when the
		 * value is there already. */
		now.index = entry.index;
		if (!msr_call(vcpu, KVM_GET_MSRS, &now) ||
		    now.data != entry.data)
			rj_kvm_note(notes, "vcpu %u: MSR 0x%x not loaded",
				    vcpu->id, entry.index);
	}
	return 0;
}
