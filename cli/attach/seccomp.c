/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "cli/attach/peer.h"
#include "cli/attach/proc.h"
#include "util/cleanup.h"
#include "util/error.h"

/* ---- the machine that a filter is for ---------------------------------- */

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#else
#define THIS_ARCH 0
#endif

struct machine {
	struct seccomp_data data;
	uint32_t a;
	uint32_t x;
	uint32_t memory[BPF_MEMWORDS];
};

static uint32_t word_at(const struct machine *m, uint32_t offset)
{
	uint32_t word = 0;

	if (offset <= sizeof(m->data) - sizeof(word))
		memcpy(&word, (const char *)&m->data + offset, sizeof(word));
	return word;
}

static void load(struct machine *m, const struct sock_filter *i)
{
	uint32_t *to = BPF_CLASS(i->code) == BPF_LD ? &m->a : &m->x;

	switch (BPF_MODE(i->code)) {
	case BPF_IMM:
		*to = i->k;
		break;
	case BPF_ABS:
		*to = word_at(m, i->k);
		break;
	case BPF_MEM:
		*to = m->memory[i->k % BPF_MEMWORDS];
		break;
	default: /* BPF_LEN */
		*to = sizeof(m->data);
	}
}

static uint32_t compute(uint32_t a, uint16_t code, uint32_t v)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + v;
	case BPF_SUB:
		return a - v;
	case BPF_MUL:
		return a * v;
	case BPF_DIV:
		return v ? a / v : 0;
	case BPF_OR:
		return a | v;
	case BPF_AND:
		return a & v;
	case BPF_XOR:
		return a ^ v;
	case BPF_LSH:
		return v < 32 ? a << v : 0;
	case BPF_RSH:
		return v < 32 ? a >> v : 0;
	default: /* BPF_NEG */
		return 0 - a;
	}
}

static uint32_t distance(const struct machine *m, const struct sock_filter *i)
{
	const uint32_t v = BPF_SRC(i->code) == BPF_X ? m->x : i->k;
	bool yes;

	switch (BPF_OP(i->code)) {
	case BPF_JA:
		return i->k;
	case BPF_JEQ:
		yes = m->a == v;
		break;
	case BPF_JGT:
		yes = m->a > v;
		break;
	case BPF_JGE:
		yes = m->a >= v;
		break;
	default: /* BPF_JSET */
		yes = m->a & v;
	}
	return yes ? i->jt : i->jf;
}

static void step(struct machine *m, const struct sock_filter *i)
{
	switch (BPF_CLASS(i->code)) {
	case BPF_LD:
	case BPF_LDX:
		load(m, i);
		break;
	case BPF_ST:
		m->memory[i->k % BPF_MEMWORDS] = m->a;
		break;
	case BPF_STX:
		m->memory[i->k % BPF_MEMWORDS] = m->x;
		break;
	case BPF_ALU:
		m->a = compute(m->a, i->code,
			       BPF_SRC(i->code) == BPF_X ? m->x : i->k);
		break;
	default: /* BPF_MISC */
		if (BPF_MISCOP(i->code) == BPF_TAX)
			m->x = m->a;
		else
			m->a = m->x;
	}
}

uint32_t rj_seccomp_run(const struct sock_filter *filter, size_t count,
			const struct rj_seccomp_call *call)
{
	struct machine m = { .data = { .nr = call->number,
				       .arch = THIS_ARCH } };

	for (size_t n = 0; n < RJ_ARRAY_SIZE(call->args); n++)
		m.data.args[n] = call->args[n];
	/* Jumps lead forward only, so this ends. */
	for (size_t at = 0; at < count; at++) {
		const struct sock_filter *i = &filter[at];

		if (BPF_CLASS(i->code) == BPF_RET)
			return BPF_RVAL(i->code) == BPF_A ? m.a : i->k;
		if (BPF_CLASS(i->code) == BPF_JMP)
			at += distance(&m, i);
		else
			step(&m, i);
	}
	return SECCOMP_RET_KILL_PROCESS;
}

/* ---- a process's filters ----------------------------------------------- */

/* linux/ptrace.h, which can't be included beside sys/ptrace.h */
#define GET_FILTER ((enum __ptrace_request)0x420c)

unsigned rj_seccomp_count(pid_t pid)
{
	rj_autofree char *text = NULL;
	size_t bytes = 0;
	uint64_t mode = 0;
	uint64_t count = 1; /* said since Linux 5.11 */

	if (rj_attach_proc_read(pid, "status", &text, &bytes) ||
	    !rj_attach_proc_number(text, "Seccomp", 10, 0, &mode) || !mode)
		return 0;
	(void)rj_attach_proc_number(text, "Seccomp_filters", 10, 0, &count);
	return (unsigned)count;
}

/* `args`: each with a NUL after it. */
static bool has_argument(const char *args, size_t bytes, const char *wanted)
{
	for (size_t at = 0; at < bytes; at += strlen(args + at) + 1)
		if (!strcmp(args + at, wanted))
			return true;
	return false;
}

static bool is_qemus_own(pid_t pid, unsigned count)
{
	rj_autofree char *args = NULL;
	size_t bytes = 0;

	return count == 1 && rj_attach_pid_is_qemu(pid) &&
	       !rj_attach_proc_read(pid, "cmdline", &args, &bytes) &&
	       (has_argument(args, bytes, "-sandbox") ||
		has_argument(args, bytes, "--sandbox"));
}

static int refuse(pid_t pid, const struct rj_seccomp_call *call,
		  struct ramjet_error *err)
{
	return rj_fail(err, -EPERM,
		       "process %d: its seccomp filter forbids system call %d, "
		       "wanted it allowed (or via=preload)",
		       (int)pid, call->number);
}

/* 0: they are known all the same. */
static int refuse_unread(pid_t pid, unsigned filters, struct ramjet_error *err)
{
	if (is_qemus_own(pid, filters))
		return 0;
	return rj_fail(err, -EPERM,
		       "process %d: it has %u seccomp filters that may not be "
		       "read, and might be ended for a userfaultfd(); wanted "
		       "CAP_SYS_ADMIN to read them, or via=preload",
		       (int)pid, filters);
}

/* 1: there is no such filter. */
static int check_one(pid_t pid, unsigned index,
		     const struct rj_seccomp_call *calls, size_t count,
		     struct ramjet_error *err)
{
	rj_autofree struct sock_filter *filter = NULL;
	long length = ptrace(GET_FILTER, pid, (long)index, NULL);

	if (length < 0)
		return errno == ENOENT ? 1 : -errno;
	filter = calloc((size_t)length + 1, sizeof(*filter));
	if (!filter)
		return -ENOMEM;
	if (ptrace(GET_FILTER, pid, (long)index, filter) != length)
		return -EIO;
	for (size_t i = 0; i < count; i++) {
		const uint32_t action =
			rj_seccomp_run(filter, (size_t)length, &calls[i]) &
			SECCOMP_RET_ACTION_FULL;

		if (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG)
			return refuse(pid, &calls[i], err);
	}
	return 0;
}

int rj_seccomp_check(pid_t pid, const struct rj_seccomp_call *calls,
		     size_t count, struct ramjet_error *err)
{
	const unsigned filters = rj_seccomp_count(pid);
	struct ramjet_error said = { 0 };
	int rc = 0;

	if (!filters)
		return 0;
	for (unsigned i = 0; !rc; i++)
		rc = check_one(pid, i, calls, count, &said);
	if (rc == 1)
		return 0;
	if (said.code)
		return rj_fail(err, said.code, "%s", said.message);
	return refuse_unread(pid, filters, err);
}

int rj_seccomp_foreseen(pid_t pid, struct ramjet_error *err)
{
	rj_autofree char *text = NULL;
	size_t bytes = 0;
	uint64_t effective = 0;

	if (!rj_attach_proc_read(getpid(), "status", &text, &bytes) &&
	    rj_attach_proc_number(text, "CapEff", 16, 0, &effective) &&
	    effective >> CAP_SYS_ADMIN & 1 && !rj_seccomp_count(getpid()))
		return 0;
	return refuse_unread(pid, rj_seccomp_count(pid), err);
}
