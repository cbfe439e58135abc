/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/inject_net.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "cli/attach/maps.h"
#include "util/cleanup.h"
#include "util/error.h"

/* ---- the code ---------------------------------------------------------- */

static const uint8_t call_code[] = { 0x0f, 0x05, 0xc3 };
static const uint8_t return_code[] = { 0x48, 0xc7, 0xc0, 0x0f, 0,
				       0,    0,    0x0f, 0x05 };

/* Read at a time; a megabyte of code is looked through in less than one ms. */
#define CODE_BYTES (1u << 20)

static void look_in(const uint8_t *code, size_t bytes, uint64_t address,
		    struct rj_inject_net *net)
{
	const uint8_t *at;

	at = net->call_at ? NULL
			  : memmem(code, bytes, call_code, sizeof(call_code));
	if (at)
		net->call_at = address + (uint64_t)(at - code);
	at = net->return_at
		     ? NULL
		     : memmem(code, bytes, return_code, sizeof(return_code));
	if (at)
		net->return_at = address + (uint64_t)(at - code);
}

static void look_through(const struct rj_attach_mapping *m, int mem_fd,
			 uint8_t *code, struct rj_inject_net *net)
{
	uint64_t at = m->start;

	while (at < m->end && !(net->call_at && net->return_at)) {
		const size_t want =
			m->end - at < CODE_BYTES ? m->end - at : CODE_BYTES;
		const ssize_t got = pread(mem_fd, code, want, (off_t)at);

		if (got <= 0)
			return;
		look_in(code, (size_t)got, at, net);
		if (at + (uint64_t)got >= m->end)
			return;
		/* What lies across the border is seen the next time. */
		at += (uint64_t)got > sizeof(return_code)
			      ? (uint64_t)got - sizeof(return_code)
			      : (uint64_t)got;
	}
}

int rj_inject_net_find(pid_t pid, int mem_fd, struct rj_inject_net *ret,
		       struct ramjet_error *err)
{
	rj_autofree uint8_t *code = malloc(CODE_BYTES);
	struct rj_attach_maps maps = { 0 };
	struct rj_inject_net net = { 0 };
	int rc = rj_attach_maps_read(pid, &maps, err);

	if (rc)
		return rc;
	/* From the top: libraries lie above the program, which is larger. */
	for (size_t i = maps.count; code && i--;)
		if (maps.list[i].executable && maps.list[i].readable)
			look_through(&maps.list[i], mem_fd, code, &net);
	rj_attach_maps_free(&maps);
	if (!code)
		return rj_fail(err, -ENOMEM, "ptrace: no memory");
	if (!net.call_at || !net.return_at)
		return rj_fail(err, -EOPNOTSUPP,
			       "ptrace of process %d: its code has no %s, "
			       "wanted a C library with one (or via=preload)",
			       (int)pid,
			       net.call_at ? "rt_sigreturn" : "system call");
	*ret = net;
	return 0;
}

/* ---- the frame --------------------------------------------------------- */

/* What code may use below the stack pointer (System V ABI). */
#define RED_ZONE 128
/* Larger than the 64-bit part of any processor's state but for AMX's tiles
 * (8 KiB), which fit, too. */
#define STATE_BYTES 16384
#define STATE_ALIGN 64
#define STATE_AT    1024 /* in the frame, behind the ucontext */
/* asm/sigcontext.h, which can't be included beside glibc's */
#define SW_AT       464
#define MAGIC1      0x46505853u
#define MAGIC2      0x46505845u
#define MAGIC_BYTES sizeof(uint32_t)
/* asm/ucontext.h: there is state in xsave's format; ss is to be restored. */
#define UC_FLAGS     0x7
#define AMX_MASK     (UINT64_C(3) << 17)
#define XSTATE_LEAF  0xd
#define XSTATE_BV    512
#define LEGACY_BYTES (512 + 64)
/* No such flag: sigreturn leaves the alternate stack alone. */
#define NO_ALTSTACK 0x5a
#define CODE64      0x33

struct frame {
	uint64_t return_at;
	ucontext_t context;
	uint8_t pad[STATE_AT - sizeof(uint64_t) - sizeof(ucontext_t)];
	uint8_t state[STATE_BYTES];
};

struct software {
	uint32_t magic1;
	uint32_t extended_size;
	uint64_t features;
	uint32_t state_size;
	uint32_t padding[7];
};

/* The kernel takes no state that is longer than the thread's own, which has no
 * room for AMX's tiles before they are used. */
static size_t state_size(uint64_t features)
{
	size_t end = LEGACY_BYTES;

	for (unsigned i = 2; i < 63; i++) {
		unsigned eax, ebx, ecx, edx;

		if (!(features >> i & 1))
			continue;
		__cpuid_count(XSTATE_LEAF, i, eax, ebx, ecx, edx);
		if (end < (size_t)ebx + eax)
			end = (size_t)ebx + eax;
	}
	return end;
}

static int get_state(struct frame *f, pid_t pid, size_t *ret_bytes)
{
	/* A multiple of eight bytes is asked for. */
	struct iovec io = { f->state, STATE_BYTES - sizeof(uint64_t) };
	const uint32_t magic2 = MAGIC2;
	struct software sw = { .magic1 = MAGIC1 };
	uint64_t used;
	size_t bytes;

	if (ptrace(PTRACE_GETREGSET, pid, (long)NT_X86_XSTATE, &io))
		return -errno;
	if (io.iov_len < LEGACY_BYTES)
		return -EOPNOTSUPP;
	memcpy(&sw.features, f->state + SW_AT, sizeof(sw.features));
	memcpy(&used, f->state + XSTATE_BV, sizeof(used));
	if (!(used & AMX_MASK))
		sw.features &= ~AMX_MASK;
	bytes = state_size(sw.features);
	if (bytes > io.iov_len)
		return -EOPNOTSUPP;
	sw.state_size = (uint32_t)bytes;
	sw.extended_size = (uint32_t)(bytes + MAGIC_BYTES);
	memcpy(f->state + SW_AT, &sw, sizeof(sw));
	memcpy(f->state + bytes, &magic2, MAGIC_BYTES);
	*ret_bytes = bytes + MAGIC_BYTES;
	return 0;
}

/* include/linux/errno.h of the kernel: never seen by programs */
#define ERESTARTSYS           512
#define ERESTARTNOINTR        513
#define ERESTARTNOHAND        514
#define ERESTART_RESTARTBLOCK 516
#define SYSCALL_CODE_BYTES    2
#define MOV_EAX               0xb8 /* and four bytes */

/* Those that wait for a time are continued by restart_syscall(), which sigreturn
 * makes fail with EINTR. Their own number is then in the code alone. */
static uint64_t number_before(const struct user_regs_struct *r, int mem_fd)
{
	static const uint32_t numbers[] = { SYS_poll, SYS_nanosleep,
					    SYS_clock_nanosleep, SYS_futex };
	uint32_t number;
	uint8_t code[1 + sizeof(number) + SYSCALL_CODE_BYTES];

	if (pread(mem_fd, code, sizeof(code), (off_t)(r->rip - sizeof(code))) !=
		    sizeof(code) ||
	    code[0] != MOV_EAX)
		return r->orig_rax;
	memcpy(&number, code + 1, sizeof(number));
	for (size_t i = 0; i < RJ_ARRAY_SIZE(numbers); i++)
		if (number == numbers[i])
			return number;
	return r->orig_rax;
}

/* As the kernel does it: sigreturn won't, so the call is made again from its
 * beginning. */
static void restart(struct user_regs_struct *r, int mem_fd)
{
	const long result = -(long)r->rax;

	if ((long)r->orig_rax < 0 ||
	    (result != ERESTARTSYS && result != ERESTARTNOINTR &&
	     result != ERESTARTNOHAND && result != ERESTART_RESTARTBLOCK))
		return;
	r->rax = r->orig_rax == SYS_restart_syscall ? number_before(r, mem_fd)
						    : r->orig_rax;
	r->rip -= SYSCALL_CODE_BYTES;
}

static void put_registers(ucontext_t *context, const struct user_regs_struct *r)
{
	greg_t *g = context->uc_mcontext.gregs;

	g[REG_R8] = (greg_t)r->r8;
	g[REG_R9] = (greg_t)r->r9;
	g[REG_R10] = (greg_t)r->r10;
	g[REG_R11] = (greg_t)r->r11;
	g[REG_R12] = (greg_t)r->r12;
	g[REG_R13] = (greg_t)r->r13;
	g[REG_R14] = (greg_t)r->r14;
	g[REG_R15] = (greg_t)r->r15;
	g[REG_RDI] = (greg_t)r->rdi;
	g[REG_RSI] = (greg_t)r->rsi;
	g[REG_RBP] = (greg_t)r->rbp;
	g[REG_RBX] = (greg_t)r->rbx;
	g[REG_RDX] = (greg_t)r->rdx;
	g[REG_RAX] = (greg_t)r->rax;
	g[REG_RCX] = (greg_t)r->rcx;
	g[REG_RSP] = (greg_t)r->rsp;
	g[REG_RIP] = (greg_t)r->rip;
	g[REG_EFL] = (greg_t)r->eflags;
	g[REG_CSGSFS] =
		(greg_t)((r->cs & 0xffff) | (uint64_t)(r->ss & 0xffff) << 48);
}

static int fill(struct frame *f, const struct rj_inject_net *net, pid_t pid,
		int mem_fd, size_t *ret_bytes)
{
	struct user_regs_struct regs = net->found;
	uint64_t mask = 0;
	size_t bytes = 0;
	int rc = get_state(f, pid, &bytes);

	if (rc)
		return rc;
	if (ptrace(PTRACE_GETSIGMASK, pid, (long)sizeof(mask), &mask))
		return -errno;
	restart(&regs, mem_fd);
	f->return_at = net->return_at;
	f->context.uc_flags = UC_FLAGS;
	f->context.uc_stack.ss_flags = NO_ALTSTACK;
	put_registers(&f->context, &regs);
	memcpy(&f->context.uc_sigmask, &mask, sizeof(mask));
	*ret_bytes = offsetof(struct frame, state) + bytes;
	return 0;
}

int rj_inject_net_lay(struct rj_inject_net *net, const struct rj_tracee *tracee,
		      int mem_fd, struct ramjet_error *err)
{
	rj_autofree struct frame *f = calloc(1, sizeof(*f));
	size_t bytes = 0;
	int rc;

	if (!f)
		return rj_fail(err, -ENOMEM, "ptrace: no memory");
	if (ptrace(PTRACE_GETREGS, tracee->pid, NULL, &net->found))
		return rj_fail_errno(err, -errno, "ptrace: registers of %d",
				     (int)tracee->pid);
	if (net->found.cs != CODE64)
		return rj_fail(err, -EOPNOTSUPP,
			       "ptrace of process %d: it runs 32-bit code, "
			       "wanted 64-bit (or via=preload)",
			       (int)tracee->pid);
	rc = fill(f, net, tracee->pid, mem_fd, &bytes);
	if (rc)
		return rj_fail_errno(err, rc, "ptrace: state of %d",
				     (int)tracee->pid);
	net->frame = (net->found.rsp - RED_ZONE - bytes) &
		     ~(uint64_t)(STATE_ALIGN - 1);
	f->context.uc_mcontext.fpregs = (void *)(net->frame + STATE_AT);
	if (pwrite(mem_fd, f, bytes, (off_t)net->frame) == (ssize_t)bytes)
		return 0;
	return rj_fail(err, -EAGAIN,
		       "ptrace of process %d: its main thread has less than "
		       "%zu bytes of stack left, wanted room for a frame; try "
		       "again, or via=preload",
		       (int)tracee->pid, bytes);
}

/* ---- the registers ----------------------------------------------------- */

int rj_inject_net_aim(const struct rj_inject_net *net,
		      const struct rj_tracee *tracee, long number,
		      long argument)
{
	struct user_regs_struct regs = net->found;

	regs.rip = net->call_at;
	regs.rsp = net->frame;
	regs.rax = (unsigned long)number;
	regs.rdi = (unsigned long)argument;
	regs.orig_rax = ~0ul; /* not in a system call that could be restarted */
	return ptrace(PTRACE_SETREGS, tracee->pid, NULL, &regs) ? -errno : 0;
}

int rj_inject_net_result(const struct rj_tracee *tracee, long *ret)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tracee->pid, NULL, &regs))
		return -errno;
	*ret = (long)regs.rax;
	return 0;
}

int rj_inject_net_restore(const struct rj_inject_net *net,
			  const struct rj_tracee *tracee)
{
	return ptrace(PTRACE_SETREGS, tracee->pid, NULL, &net->found) ? -errno
								      : 0;
}
