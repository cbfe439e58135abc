/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/micro/writing_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define PROGRAM_BYTES 65536u
#define PROGRAM_AT    0x1000u
#define TSS_AT        0xfffbd000ul
#define CPUID_ENTRIES 256u

/* clang-format off */
static const unsigned char program[] = {
	0xff, 0x03,                         /* page: incl  (%ebx)       */
	0x81, 0xc3, 0x00, 0x10, 0x00, 0x00, /*       add   $4096, %ebx  */
	0x49,                               /*       dec   %ecx         */
	0x75, 0xf5,                         /*       jnz   page         */
	0xf4,                               /*       hlt                */
};
/* clang-format on */

static bool no(const char *what)
{
	printf("# skipped: %s: %s\n", what, strerror(errno));
	return false;
}

static bool make_flat(int fd)
{
	const struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = 16,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_sregs sregs;

	if (ioctl(fd, KVM_GET_SREGS, &sregs))
		return no("KVM_GET_SREGS");
	sregs.cr0 |= 1;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cs = data;
	sregs.cs.selector = 8;
	sregs.cs.type = 11;
	return !ioctl(fd, KVM_SET_SREGS, &sregs) || no("KVM_SET_SREGS");
}

static bool set_cpuid(int kvm_fd, int vcpu_fd)
{
	struct kvm_cpuid2 *cpuid = calloc(
		1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	bool good;

	if (!cpuid)
		return no("calloc");
	cpuid->nent = CPUID_ENTRIES;
	good = (!ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) &&
		!ioctl(vcpu_fd, KVM_SET_CPUID2, cpuid)) ||
	       no("KVM_SET_CPUID2");
	free(cpuid);
	return good;
}

bool writing_vm_make(struct writing_vm *vm)
{
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	void *memory = mmap(NULL, PROGRAM_BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int run_bytes;

	if (kvm_fd < 0)
		return no("/dev/kvm");
	if (memory == MAP_FAILED)
		return no("mmap");
	memcpy((char *)memory + PROGRAM_AT, program, sizeof(program));
	vm->vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm->vm_fd < 0)
		return no("KVM_CREATE_VM");
	(void)ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, TSS_AT);
	if (writing_vm_set_slot(vm, 0, 0, memory, PROGRAM_BYTES))
		return no("KVM_SET_USER_MEMORY_REGION");
	vm->vcpu_fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu_fd < 0)
		return no("KVM_CREATE_VCPU");
	run_bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_bytes < 0)
		return no("KVM_GET_VCPU_MMAP_SIZE");
	vm->run = mmap(NULL, (size_t)run_bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED, vm->vcpu_fd, 0);
	if (vm->run == MAP_FAILED)
		return no("struct kvm_run");
	return set_cpuid(kvm_fd, vm->vcpu_fd) && make_flat(vm->vcpu_fd);
}

int writing_vm_set_slot(const struct writing_vm *vm, unsigned slot,
			uint64_t gpa, void *host, uint64_t bytes)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)host,
	};

	return ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

bool writing_vm_write(const struct writing_vm *vm, uint64_t gpa, uint64_t pages)
{
	const struct kvm_regs regs = {
		.rip = PROGRAM_AT,
		.rflags = 2,
		.rbx = gpa,
		.rcx = pages,
	};

	if (ioctl(vm->vcpu_fd, KVM_SET_REGS, &regs))
		return no("KVM_SET_REGS");
	while (ioctl(vm->vcpu_fd, KVM_RUN, 0))
		if (errno != EINTR)
			return no("KVM_RUN");
	if (vm->run->exit_reason == KVM_EXIT_HLT)
		return true;
	printf("# vCPU exit %u\n", vm->run->exit_reason);
	return false;
}
