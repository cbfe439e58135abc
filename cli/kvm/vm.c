/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/kvm/shadow.h"
#include "util/bits.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Intel without unrestricted guest mode keeps three pages here; inside the
 * hole, so it never meets a slot. */
#define TSS_ADDRESS 0xfffbd000ul

static const struct {
	unsigned extension;
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
};

static int open_kvm(int *ret, struct ramjet_error *err)
{
	rj_autoclose int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0)
		return rj_fail_errno(err, -errno, "kvm: /dev/kvm");
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return rj_fail(err, -ENOTSUP,
			       "kvm: /dev/kvm speaks API version %d, wanted %d",
			       version, KVM_API_VERSION);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(needed); i++)
		if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].extension) <= 0)
			return rj_fail(err, -ENOTSUP, "kvm: no %s",
				       needed[i].name);
	*ret = rj_steal_fd(&fd);
	return 0;
}

static int create_vm(int kvm_fd, int *ret, struct ramjet_error *err)
{
	int fd;

	/* A signal (the kick of another VM's vCPU, say) interrupts this. */
	do
		fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return rj_fail_errno(err, -errno, "kvm: KVM_CREATE_VM");
	*ret = fd;
	return 0;
}

int rj_kvm_available(struct ramjet_error *err)
{
	rj_autoclose int kvm_fd = -1;
	rj_autoclose int vm_fd = -1;
	int rc = open_kvm(&kvm_fd, err);

	if (rc)
		return rc;
	return create_vm(kvm_fd, &vm_fd, err);
}

int rj_kvm_vm_init(struct rj_kvm_vm *vm, struct ramjet_error *err)
{
	rj_autoclose int kvm_fd = -1;
	rj_autoclose int vm_fd = -1;
	int run_bytes, rc;

	rc = open_kvm(&kvm_fd, err);
	if (rc)
		return rc;
	rc = create_vm(kvm_fd, &vm_fd, err);
	if (rc)
		return rc;
	run_bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_bytes < (int)sizeof(struct kvm_run))
		return rj_fail(err, -ENOTSUP,
			       "kvm: struct kvm_run has %d bytes, wanted %zu",
			       run_bytes, sizeof(struct kvm_run));
	if (ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_TSS_ADDR) > 0 &&
	    ioctl(vm_fd, KVM_SET_TSS_ADDR, TSS_ADDRESS))
		return rj_fail_errno(err, -errno, "kvm: KVM_SET_TSS_ADDR");
	memset(vm, 0, sizeof(*vm));
	vm->run_bytes = (size_t)run_bytes;
	vm->kvm_fd = rj_steal_fd(&kvm_fd);
	vm->vm_fd = rj_steal_fd(&vm_fd);
	return 0;
}

void rj_kvm_vm_done(struct rj_kvm_vm *vm)
{
	if (!vm->run_bytes)
		return;
	rj_close_fd(&vm->vm_fd);
	rj_close_fd(&vm->kvm_fd);
	vm->run_bytes = 0;
}

int rj_kvm_vm_extension(const struct rj_kvm_vm *vm, unsigned extension)
{
	int value = ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, extension);

	return value < 0 ? 0 : value;
}

int rj_kvm_vm_enable_ring(struct rj_kvm_vm *vm, uint32_t bytes,
			  struct ramjet_error *err)
{
	struct kvm_enable_cap cap = { .args = { bytes } };
	int most;

	cap.cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL;
	most = rj_kvm_vm_extension(vm, cap.cap);
	if (!most) {
		cap.cap = KVM_CAP_DIRTY_LOG_RING;
		most = rj_kvm_vm_extension(vm, cap.cap);
	}
	if (!most || bytes > (uint32_t)most || !rj_is_power_of_two(bytes))
		return rj_fail(err, -ENOTSUP,
			       "kvm: dirty ring of %u bytes refused, this "
			       "kernel has rings of up to %d bytes",
			       bytes, most);
	if (ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap))
		return rj_fail_errno(err, -errno, "kvm: dirty ring");
	vm->ring_bytes = bytes;
	return 0;
}

static int add_slot(struct rj_kvm_vm *vm, uint8_t *host, uint64_t offset,
		    uint64_t bytes, struct ramjet_error *err)
{
	struct rj_kvm_slot *slot;
	struct kvm_userspace_memory_region region = { 0 };

	if (vm->slot_count == RJ_KVM_SLOTS_MAX)
		return rj_fail(err, -E2BIG, "kvm: RAM needs over %u slots",
			       RJ_KVM_SLOTS_MAX);
	slot = &vm->slots[vm->slot_count];
	*slot = (struct rj_kvm_slot){
		.slot = vm->slot_count,
		.gpa = rj_kvm_gpa(offset),
		.block_offset = offset,
		.bytes = bytes,
	};
	region.slot = slot->slot;
	region.guest_phys_addr = slot->gpa;
	region.memory_size = bytes;
	region.userspace_addr = (uintptr_t)(host + offset);
	if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		return rj_fail_errno(err, -errno,
				     "kvm: slot %u at 0x%llx, %llu bytes",
				     slot->slot, (unsigned long long)slot->gpa,
				     (unsigned long long)bytes);
	vm->slot_count++;
	return 0;
}

/* The end of the slot that starts at `offset`. */
static uint64_t slot_end(uint64_t offset, uint64_t bytes)
{
	uint64_t below = bytes < RJ_KVM_HOLE_START ? bytes : RJ_KVM_HOLE_START;
	uint64_t half = below / 2 / RJ_KVM_LARGE_PAGE * RJ_KVM_LARGE_PAGE;

	if (offset < half)
		return half;
	if (offset < below)
		return below;
	if (bytes - offset > RJ_KVM_SLOT_BYTES_MAX)
		return offset + RJ_KVM_SLOT_BYTES_MAX;
	return bytes;
}

int rj_kvm_vm_map(struct rj_kvm_vm *vm, void *host, uint64_t bytes,
		  struct ramjet_error *err)
{
	int rc;

	if (vm->slot_count || !bytes || bytes % RAMJET_PAGE_BYTES)
		return rj_fail(err, -EINVAL,
			       "kvm: cannot map %llu bytes, wanted whole pages "
			       "and only once",
			       (unsigned long long)bytes);
	rc = rj_kvm_shadow_fits(bytes, err);
	if (rc)
		return rc;
	for (uint64_t offset = 0, end; offset < bytes; offset = end) {
		end = slot_end(offset, bytes);
		rc = add_slot(vm, host, offset, end - offset, err);
		if (rc)
			return rc;
	}
	return 0;
}
