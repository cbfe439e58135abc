/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole VMM in one file: one vCPU, 1 MiB of RAM, and live migration with
 * libramjet. It runs a tiny guest in one VM, moves it into another while it
 * runs, and shows that it went on there. docs/embedding.md walks through it.
 *
 * Both VMs are in this process, to keep it short; nothing below would change
 * if the second were on another host, but the address.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ramjet-kvm.h"

#define RAM_BYTES  (1u << 20)
#define FIRST_PAGE 0x10u /* the guest counts in pages 16 to 143 */
#define END_PAGE   0x90u
#define PORT       0x10 /* written to after each pass over these pages */

/* The guest, in real mode: adds 1 to the first word of each page, for ever. */
static const uint8_t program[] = {
	0xb8, 0x00, 0x10,             /* pass: mov  ax, 0x1000 (page 16) */
	0x8e, 0xd8,                   /* next: mov  ds, ax */
	0x66, 0xff, 0x06, 0x00, 0x00, /*       inc  dword [0] */
	0x05, 0x00, 0x01,             /*       add  ax, 0x100 (one page) */
	0x3d, 0x00, 0x90,             /*       cmp  ax, 0x9000 (page 144) */
	0x75, 0xf1,                   /*       jne  next */
	0xe6, PORT,                   /*       out  PORT, al */
	0xeb, 0xea,                   /*       jmp  pass */
};

struct vm {
	_Alignas(RAMJET_PAGE_BYTES) uint8_t ram[RAM_BYTES];
	int fd, vcpu;
	struct kvm_run *run;
	pthread_t thread;
	int stop; /* atomic: the thread is to end */
	unsigned passes;
	struct ramjet_guest *guest;
};

/* All a vCPU is outside its memory. A real VMM has more (FPU, MSRs, events,
 * debug registers, clock, devices) and gives its bytes a version. */
struct vm_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

/* ---- the VMM as it was before ramjet ----------------------------------- */

static long need(long rc, const char *what)
{
	if (rc >= 0)
		return rc;
	perror(what);
	exit(1);
}

static void vm_create(struct vm *vm, int kvm)
{
	const struct kvm_userspace_memory_region slot = {
		.memory_size = RAM_BYTES,
		.userspace_addr = (uintptr_t)vm->ram,
	};
	const long run_bytes =
		need(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "vCPU");

	vm->fd = (int)need(ioctl(kvm, KVM_CREATE_VM, 0), "virtual machine");
	(void)ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	need(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot), "memory");
	vm->vcpu = (int)need(ioctl(vm->fd, KVM_CREATE_VCPU, 0), "vCPU");
	vm->run = mmap(NULL, (size_t)run_bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED, vm->vcpu, 0);
	need(vm->run == MAP_FAILED ? -1 : 0, "vCPU");
}

/* The program at address 0, and the vCPU in front of it. */
static void vm_boot(struct vm *vm)
{
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;

	memcpy(vm->ram, program, sizeof(program));
	need(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs), "vCPU");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	need(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs), "vCPU");
	need(ioctl(vm->vcpu, KVM_SET_REGS, &regs), "vCPU");
}

static void *vcpu_main(void *arg)
{
	struct vm *vm = arg;

	for (;;) {
		const int rc = ioctl(vm->vcpu, KVM_RUN, 0);

		/* The OUT that ends a pass is done only once KVM_RUN is
		 * entered again: so the thread never ends after an exit. */
		if (!rc && vm->run->exit_reason == KVM_EXIT_IO)
			__atomic_fetch_add(&vm->passes, 1, __ATOMIC_RELAXED);
		else if (!rc || errno != EINTR)
			need(-1, "KVM_RUN");
		else if (__atomic_load_n(&vm->stop, __ATOMIC_ACQUIRE))
			return NULL;
	}
}

static void on_kick(int number)
{
	(void)number; /* it only has to interrupt KVM_RUN */
}

/* ---- what ramjet asks of it: stop, start, save, load ------------------- */

static int vm_stop(void *user, struct ramjet_error *unused)
{
	struct vm *vm = user;

	(void)unused;
	/* The flag catches a thread on its way into the guest, the signal one
	 * that is there already. */
	__atomic_store_n(&vm->stop, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&vm->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	(void)pthread_kill(vm->thread, SIGUSR1);
	return -pthread_join(vm->thread, NULL);
}

static int vm_start(void *user, struct ramjet_error *unused)
{
	struct vm *vm = user;

	(void)unused;
	vm->stop = 0;
	vm->run->immediate_exit = 0;
	return -pthread_create(&vm->thread, NULL, vcpu_main, vm);
}

static int vm_save(void *user, void **ret_data, size_t *ret_bytes,
		   struct ramjet_error *unused)
{
	struct vm *vm = user;
	struct vm_state *state = malloc(sizeof(*state));

	(void)unused;
	if (!state)
		return -ENOMEM;
	if (ioctl(vm->vcpu, KVM_GET_REGS, &state->regs) ||
	    ioctl(vm->vcpu, KVM_GET_SREGS, &state->sregs)) {
		free(state);
		return -EIO;
	}
	*ret_data = state; /* ramjet frees it */
	*ret_bytes = sizeof(*state);
	return 0;
}

static int vm_load(void *user, const void *data, size_t bytes,
		   struct ramjet_error *unused)
{
	struct vm *vm = user;
	struct vm_state state;

	(void)unused;
	if (bytes != sizeof(state))
		return -EPROTO;
	memcpy(&state, data, bytes);
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &state.sregs) ||
	    ioctl(vm->vcpu, KVM_SET_REGS, &state.regs))
		return -EIO;
	return 0;
}

/* ---- what the VMM tells ramjet ----------------------------------------- */

static struct ramjet_error err;

static void must(int rc)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "%s\n", err.message);
	exit(1);
}

static void vm_describe(struct vm *vm, int is_source)
{
	const struct ramjet_kvm_slot slot = {
		RAMJET_KVM_SLOT_INIT, .slot = 0,          .flags = 0,
		.guest_phys_addr = 0, .bytes = RAM_BYTES, .block = "ram0",
		.block_offset = 0,
	};
	struct ramjet_dirty_source *dirty;
	struct ramjet_dirty_kvm_log log;
	struct ramjet_guest_ops ops;
	struct ramjet_block block;

	ramjet_guest_ops_init(&ops);
	ops.stop = vm_stop;
	ops.start = vm_start;
	ops.save_state = vm_save;
	ops.load_state = vm_load;
	must(ramjet_guest_new(&ops, vm, &vm->guest, &err));

	ramjet_block_init(&block);
	block.name = "ram0";
	block.host = vm->ram;
	block.bytes = RAM_BYTES;
	block.flags = is_source ? 0 : RAMJET_BLOCK_FRESH;
	must(ramjet_guest_add_block(vm->guest, &block, &err));
	if (!is_source)
		return;

	ramjet_dirty_kvm_log_init(&log);
	log.vm_fd = vm->fd;
	log.slots = &slot;
	log.slot_count = 1;
	must(ramjet_dirty_kvm_log_new(&log, &dirty, &err));
	must(ramjet_guest_add_dirty_source(vm->guest, dirty, &err));
}

/* Source and target at once. On two hosts, each would do its half. */
static void move(struct vm *source, struct vm *target)
{
	struct ramjet_migration *incoming, *outgoing;
	struct ramjet_params params;
	struct ramjet_info *info;

	ramjet_params_init(&params);
	params.verify = true;
	must(ramjet_incoming(target->guest, "tcp:127.0.0.1:0", &params,
			     &incoming, &err));
	must(ramjet_migrate(source->guest, ramjet_listen_uri(incoming), &params,
			    &outgoing, &err));
	must(ramjet_wait(outgoing, -1, &err));
	must(ramjet_wait(incoming, -1, &err));
	must(ramjet_info(outgoing, &info));
	printf("moved in %llu us, the guest stood still for %llu us, memory "
	       "%s\n",
	       (unsigned long long)info->total_us,
	       (unsigned long long)info->downtime_us,
	       info->verified ? "proven equal" : "not compared");
	ramjet_info_free(info);
	ramjet_migration_free(outgoing);
	ramjet_migration_free(incoming);
}

/* ---- the proof --------------------------------------------------------- */

static void await_passes(const struct vm *vm, unsigned passes)
{
	while (__atomic_load_n(&vm->passes, __ATOMIC_RELAXED) < passes)
		(void)usleep(1000);
}

/* Stopped anywhere, the pages before some point carry the count of the pass
 * under way and the others one less: nothing else is right. */
static uint32_t check(const struct vm *vm, const char *who)
{
	uint32_t first, last, found;

	memcpy(&first, vm->ram + FIRST_PAGE * 4096, sizeof(first));
	last = first;
	for (uint32_t page = FIRST_PAGE; page < END_PAGE; page++) {
		memcpy(&found, vm->ram + page * 4096, sizeof(found));
		if (found != last && found != first - 1) {
			printf("%s: page %u carries %u after one with %u\n",
			       who, page, found, last);
			exit(1);
		}
		last = found;
	}
	printf("%s: %u passes, and every page agrees\n", who, first);
	return first;
}

int main(void)
{
	const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	const struct sigaction kick = { .sa_handler = on_kick };
	static struct vm source, target;
	uint32_t before, after;

	if (kvm < 0) {
		perror("skipped: /dev/kvm");
		return 77;
	}
	(void)sigaction(SIGUSR1, &kick, NULL);
	vm_create(&source, kvm);
	vm_create(&target, kvm);
	vm_describe(&source, 1);
	vm_describe(&target, 0);

	vm_boot(&source);
	must(vm_start(&source, &err));
	await_passes(&source, 20);
	move(&source, &target);

	await_passes(&target, 20);
	must(vm_stop(&target, &err));
	before = check(&source, "source");
	after = check(&target, "target");
	ramjet_guest_free(source.guest);
	ramjet_guest_free(target.guest);
	/* 20 passes here at least, and none was lost or made twice. */
	return after < before + 20 || after > before + target.passes + 1;
}
