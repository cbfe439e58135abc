/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dirty/tiny_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROGRAM_BYTES 65536u
#define PROGRAM_AT    0x1000u
#define TSS_AT        0xfffbd000ul
#define CPUID_ENTRIES 256u

/* clang-format off */
static const unsigned char program[] = {
	0xed,                               /* next: in    (%dx), %eax  */
	0x89, 0xc3,                         /*       mov   %eax, %ebx   */
	0xed,                               /*       in    (%dx), %eax  */
	0x89, 0xc1,                         /*       mov   %eax, %ecx   */
	0x85, 0xc9,                         /*       test  %ecx, %ecx   */
	0x74, 0x0d,                         /*       jz    stop         */
	0xff, 0x03,                         /* page: incl  (%ebx)       */
	0x81, 0xc3, 0x00, 0x10, 0x00, 0x00, /*       add   $4096, %ebx  */
	0x49,                               /*       dec   %ecx         */
	0x75, 0xf5,                         /*       jnz   page         */
	0xeb, 0xe9,                         /*       jmp   next         */
	0xf4,                               /* stop: hlt                */
	0xeb, 0xe6,                         /*       jmp   next         */
};
/* clang-format on */

static bool no(const char *what)
{
	printf("# skipped: %s: %s\n", what, strerror(errno));
	return false;
}

static bool enable_ring(struct tiny_vm *vm, uint32_t bytes)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DIRTY_LOG_RING,
		.args = { bytes },
	};

	return !ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap) || no("dirty ring");
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
	struct kvm_regs regs = {
		.rip = PROGRAM_AT,
		.rflags = 2,
		.rdx = 0x10,
	};
	struct kvm_sregs sregs;

	if (ioctl(fd, KVM_GET_SREGS, &sregs))
		return no("KVM_GET_SREGS");
	sregs.cr0 |= 1;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cs = data;
	sregs.cs.selector = 8;
	sregs.cs.type = 11;
	if (ioctl(fd, KVM_SET_SREGS, &sregs))
		return no("KVM_SET_SREGS");
	return !ioctl(fd, KVM_SET_REGS, &regs) || no("KVM_SET_REGS");
}

static bool set_cpuid(struct tiny_vm *vm, int fd)
{
	struct kvm_cpuid2 *cpuid = calloc(
		1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	bool good;

	if (!cpuid)
		return no("calloc");
	cpuid->nent = CPUID_ENTRIES;
	good = !ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) &&
	       !ioctl(fd, KVM_SET_CPUID2, cpuid);
	if (!good)
		(void)no("KVM_SET_CPUID2");
	free(cpuid);
	return good;
}

static bool make_vcpu(struct tiny_vm *vm, unsigned i)
{
	int fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, i);
	void *run;

	vm->vcpu_fds[i] = fd;
	if (fd < 0)
		return no("KVM_CREATE_VCPU");
	run = mmap(NULL, vm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	if (run == MAP_FAILED)
		return no("struct kvm_run");
	vm->runs[i] = run;
	return set_cpuid(vm, fd) && make_flat(fd);
}

static bool make(struct tiny_vm *vm, uint32_t ring_bytes)
{
	int run_bytes;

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		return no("/dev/kvm");
	vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->vm_fd < 0)
		return no("KVM_CREATE_VM");
	if (ring_bytes && !enable_ring(vm, ring_bytes))
		return false;
	run_bytes = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_bytes < 0)
		return no("KVM_GET_VCPU_MMAP_SIZE");
	vm->run_bytes = (size_t)run_bytes;
	(void)ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, TSS_AT);
	vm->program = mmap(NULL, PROGRAM_BYTES, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vm->program == MAP_FAILED)
		return no("mmap");
	memcpy((char *)vm->program + PROGRAM_AT, program, sizeof(program));
	if (tiny_vm_set_slot(vm, 0, 0, vm->program, PROGRAM_BYTES))
		return no("KVM_SET_USER_MEMORY_REGION");
	for (unsigned i = 0; i < TINY_VCPUS; i++)
		if (!make_vcpu(vm, i))
			return false;
	return true;
}

bool tiny_vm_make(struct tiny_vm *vm, uint32_t ring_bytes)
{
	*vm = (struct tiny_vm){ .kvm_fd = -1, .vm_fd = -1 };
	for (unsigned i = 0; i < TINY_VCPUS; i++)
		vm->vcpu_fds[i] = -1;
	if (make(vm, ring_bytes))
		return true;
	tiny_vm_free(vm);
	return false;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

void tiny_vm_free(struct tiny_vm *vm)
{
	for (unsigned i = 0; i < TINY_VCPUS; i++) {
		if (vm->runs[i])
			(void)munmap(vm->runs[i], vm->run_bytes);
		close_if_open(vm->vcpu_fds[i]);
	}
	close_if_open(vm->vm_fd);
	close_if_open(vm->kvm_fd);
	if (vm->program && vm->program != MAP_FAILED)
		(void)munmap(vm->program, PROGRAM_BYTES);
	*vm = (struct tiny_vm){ .kvm_fd = -1, .vm_fd = -1 };
}

int tiny_vm_set_slot(struct tiny_vm *vm, unsigned slot, uint64_t gpa,
		     void *host, uint64_t bytes)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)host,
	};

	return ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno
								     : 0;
}

static void answer(struct kvm_run *run, uint32_t value)
{
	memcpy((char *)run + run->io.data_offset, &value, sizeof(value));
}

bool tiny_vm_write(struct tiny_vm *vm, unsigned vcpu, uint64_t gpa,
		   uint32_t pages)
{
	const uint32_t answers[] = { (uint32_t)gpa, pages, 0, 0 };
	struct kvm_run *run = vm->runs[vcpu];
	unsigned asked = 0;

	for (;;) {
		if (ioctl(vm->vcpu_fds[vcpu], KVM_RUN, 0) && errno != EINTR)
			return no("KVM_RUN");
		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			answer(run, answers[asked < 4 ? asked++ : 3]);
			break;
		case KVM_EXIT_HLT:
			return true;
		case KVM_EXIT_INTR:
			break;
		case KVM_EXIT_DIRTY_RING_FULL:
			vm->rings_full[vcpu]++;
			if (!vm->on_ring_full)
				return false;
			vm->on_ring_full(vm->ring_user, vcpu);
			break;
		default:
			printf("# vCPU exit %u\n", run->exit_reason);
			return false;
		}
	}
}
