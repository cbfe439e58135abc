/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/blob.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/kvm/fields.h"
#include "util/error.h"

#define MAGIC UINT32_C(0x564b4a52) /* "RJKV" */

static const char *const item_names[] = {
	[RJ_KVM_ITEM_CPUID] = "CPUID",
	[RJ_KVM_ITEM_TSC_KHZ] = "TSC frequency",
	[RJ_KVM_ITEM_REGS] = "registers",
	[RJ_KVM_ITEM_SREGS] = "system registers",
	[RJ_KVM_ITEM_FPU] = "FPU",
	[RJ_KVM_ITEM_XSAVE] = "XSAVE area",
	[RJ_KVM_ITEM_XCRS] = "XCRs",
	[RJ_KVM_ITEM_MSRS] = "MSRs",
	[RJ_KVM_ITEM_EVENTS] = "events",
	[RJ_KVM_ITEM_MP_STATE] = "MP state",
	[RJ_KVM_ITEM_DEBUGREGS] = "debug registers",
	[RJ_KVM_ITEM_CLOCK] = "clock",
};
static_assert(RJ_ARRAY_SIZE(item_names) == RJ_KVM_ITEM_COUNT_, "name it");

const char *rj_kvm_item_name(unsigned kind)
{
	return kind && kind < RJ_KVM_ITEM_COUNT_ ? item_names[kind] : "invalid";
}

static int reserve(struct rj_kvm_blob *blob, size_t bytes,
		   struct ramjet_error *err)
{
	size_t capacity = blob->capacity ? blob->capacity : 4096;
	uint8_t *data;

	if (bytes > RJ_KVM_BLOB_BYTES_MAX - blob->bytes)
		return rj_fail(err, -E2BIG, "kvm state: over %u bytes",
			       RJ_KVM_BLOB_BYTES_MAX);
	while (capacity < blob->bytes + bytes)
		capacity *= 2;
	if (capacity == blob->capacity)
		return 0;
	data = realloc(blob->data, capacity);
	if (!data)
		return rj_fail(err, -ENOMEM, "kvm state: no memory");
	blob->data = data;
	blob->capacity = capacity;
	return 0;
}

int rj_kvm_blob_begin(struct rj_kvm_blob *blob, unsigned vcpus,
		      struct ramjet_error *err)
{
	int rc = reserve(blob, RJ_KVM_BLOB_HEAD_BYTES, err);

	if (rc)
		return rc;
	rj_kvm_put(blob->data, MAGIC, 4);
	rj_kvm_put(blob->data + 4, RJ_KVM_BLOB_VERSION, 2);
	rj_kvm_put(blob->data + 6, vcpus, 2);
	rj_kvm_put(blob->data + 8, 0, 8);
	blob->bytes = RJ_KVM_BLOB_HEAD_BYTES;
	return 0;
}

int rj_kvm_blob_add(struct rj_kvm_blob *blob, enum rj_kvm_item_kind kind,
		    unsigned vcpu, size_t bytes, uint8_t **ret,
		    struct ramjet_error *err)
{
	uint8_t *head;
	int rc;

	if (bytes > RJ_KVM_BLOB_BYTES_MAX - RJ_KVM_ITEM_HEAD_BYTES)
		return rj_fail(err, -E2BIG, "kvm state: %s has %zu bytes",
			       rj_kvm_item_name(kind), bytes);
	rc = reserve(blob, RJ_KVM_ITEM_HEAD_BYTES + bytes, err);
	if (rc)
		return rc;
	head = blob->data + blob->bytes;
	rj_kvm_put(head, kind, 2);
	rj_kvm_put(head + 2, vcpu, 2);
	rj_kvm_put(head + 4, bytes, 4);
	*ret = head + RJ_KVM_ITEM_HEAD_BYTES;
	memset(*ret, 0, bytes);
	blob->bytes += RJ_KVM_ITEM_HEAD_BYTES + bytes;
	return 0;
}

void rj_kvm_blob_end(struct rj_kvm_blob *blob)
{
	rj_kvm_put(blob->data + 8, blob->bytes, 4);
}

void rj_kvm_blob_done(struct rj_kvm_blob *blob)
{
	free(blob->data);
	memset(blob, 0, sizeof(*blob));
}

static int check_head(const uint8_t *data, size_t bytes, unsigned vcpus,
		      struct ramjet_error *err)
{
	uint64_t version, found;

	if (bytes < RJ_KVM_BLOB_HEAD_BYTES || bytes > RJ_KVM_BLOB_BYTES_MAX)
		return rj_fail(err, -EPROTO,
			       "kvm state: %zu bytes, wanted %u to %u", bytes,
			       RJ_KVM_BLOB_HEAD_BYTES, RJ_KVM_BLOB_BYTES_MAX);
	if (rj_kvm_get(data, 4) != MAGIC || rj_kvm_get(data + 12, 4))
		return rj_fail(err, -EPROTO,
			       "kvm state: not the state of a kvm guest");
	version = rj_kvm_get(data + 4, 2);
	if (version != RJ_KVM_BLOB_VERSION)
		return rj_fail(err, -EPROTO, "kvm state: version %u, wanted %u",
			       (unsigned)version, RJ_KVM_BLOB_VERSION);
	if (rj_kvm_get(data + 8, 4) != bytes)
		return rj_fail(err, -EPROTO,
			       "kvm state: %zu bytes arrived, wanted %u", bytes,
			       (unsigned)rj_kvm_get(data + 8, 4));
	found = rj_kvm_get(data + 6, 2);
	if (found != vcpus)
		return rj_fail(err, -EPROTO,
			       "kvm state: of %u vCPUs, this guest has %u",
			       (unsigned)found, vcpus);
	return 0;
}

int rj_kvm_blob_check(const void *data, size_t bytes, unsigned vcpus,
		      struct ramjet_error *err)
{
	const uint8_t *at = data;
	size_t left;
	int rc = check_head(at, bytes, vcpus, err);

	if (rc)
		return rc;
	at += RJ_KVM_BLOB_HEAD_BYTES;
	left = bytes - RJ_KVM_BLOB_HEAD_BYTES;
	while (left) {
		uint64_t kind, vcpu, length;

		if (left < RJ_KVM_ITEM_HEAD_BYTES)
			return rj_fail(err, -EPROTO,
				       "kvm state: cut short in an item");
		kind = rj_kvm_get(at, 2);
		vcpu = rj_kvm_get(at + 2, 2);
		length = rj_kvm_get(at + 4, 4);
		if (!kind || kind >= RJ_KVM_ITEM_COUNT_ ||
		    (vcpu >= vcpus && vcpu != RJ_KVM_BLOB_VM))
			return rj_fail(err, -EPROTO,
				       "kvm state: unknown item %u of vCPU %u",
				       (unsigned)kind, (unsigned)vcpu);
		if (length > left - RJ_KVM_ITEM_HEAD_BYTES)
			return rj_fail(err, -EPROTO,
				       "kvm state: cut short in %s",
				       rj_kvm_item_name((unsigned)kind));
		/* find() gives the first of its kind. */
		if (rj_kvm_blob_find(data, bytes, (unsigned)kind,
				     (unsigned)vcpu)
			    .data != at + RJ_KVM_ITEM_HEAD_BYTES)
			return rj_fail(err, -EPROTO,
				       "kvm state: %s of vCPU %u twice",
				       rj_kvm_item_name((unsigned)kind),
				       (unsigned)vcpu);
		at += RJ_KVM_ITEM_HEAD_BYTES + length;
		left -= RJ_KVM_ITEM_HEAD_BYTES + length;
	}
	return 0;
}

struct rj_kvm_item rj_kvm_blob_find(const void *data, size_t bytes,
				    enum rj_kvm_item_kind kind, unsigned vcpu)
{
	const uint8_t *at = (const uint8_t *)data + RJ_KVM_BLOB_HEAD_BYTES;
	size_t left = bytes - RJ_KVM_BLOB_HEAD_BYTES;

	while (left >= RJ_KVM_ITEM_HEAD_BYTES) {
		size_t length = rj_kvm_get(at + 4, 4);

		if (rj_kvm_get(at, 2) == kind && rj_kvm_get(at + 2, 2) == vcpu)
			return (struct rj_kvm_item){
				at + RJ_KVM_ITEM_HEAD_BYTES, length
			};
		at += RJ_KVM_ITEM_HEAD_BYTES + length;
		left -= RJ_KVM_ITEM_HEAD_BYTES + length;
	}
	return (struct rj_kvm_item){ NULL, 0 };
}
