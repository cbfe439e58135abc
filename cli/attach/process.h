/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_PROCESS_H
#define RJ_CLI_ATTACH_PROCESS_H
/*
 * Another process whose memory is moved: what ramjet holds of it. Nothing in
 * it is changed but that a userfaultfd of its address space comes into being,
 * of which ramjet's descriptor is the only one: when ramjet ends, however,
 * all write protection is gone at once.
 *
 * Two ways lead there (docs/decisions/038-attaching.md): ptrace, which makes one system call in
 * the process's main thread (inject.h), or libramjet-vmm.so, with which the
 * process was started (preload.h).
 */
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

enum rj_attach_via {
	RJ_ATTACH_AUTO, /* preload where its socket is there, else ptrace */
	RJ_ATTACH_PTRACE,
	RJ_ATTACH_PRELOAD,
};

struct rj_attach_order {
	pid_t pid;
	enum rj_attach_via via;
	/* The socket of libramjet-vmm.so, "%p" is the pid; NULL: where it lies
	 * unless told otherwise (preload.h). */
	const char *socket_path;
	/* The source's end tracks writes; the target's has no need to, and then
	 * the process is not held. */
	bool want_uffd;
};

struct rj_attach_process {
	pid_t pid;
	enum rj_attach_via via; /* how it came about; never AUTO */
	int pidfd;              /* readable as soon as the process has ended */
	int uffd;       /* before its UFFDIO_API handshake; -1: not wanted */
	int pagemap_fd; /* /proc/PID/pagemap: PAGEMAP_SCAN protects through it */
	int mem_fd;     /* /proc/PID/mem, for pread() and pwrite() */
	/* process_vm_readv() and process_vm_writev() may be used as well, which
	 * is faster. Never without ptrace's rights. */
	bool vm_calls;
	/* Faults of the kernel itself (KVM's among them) come to the uffd. Where
	 * not, synchronous protection must not be used: the process would get
	 * SIGBUS or EFAULT. Asynchronous protection needs no faults. */
	bool kernel_faults;
	uint64_t held_us; /* its main thread stood still; 0: it did not */
	char name[64];    /* for people: "qemu-system-x86" */
};
#define RJ_ATTACH_PROCESS_NONE                                          \
	{                                                               \
		.pidfd = -1, .uffd = -1, .pagemap_fd = -1, .mem_fd = -1 \
	}

/* On failure nothing is open, and the message says what is missing: -ESRCH it
 * has ended, -EPERM and -EACCES rights, -EBUSY another debugger has it. */
RJ_NODISCARD int rj_attach_process_open(const struct rj_attach_order *order,
					struct rj_attach_process *ret,
					struct ramjet_error *err);
/* Safe on one that is not open, and twice. */
void rj_attach_process_close(struct rj_attach_process *process);
/* False once it has ended. */
bool rj_attach_process_lives(const struct rj_attach_process *process);
#endif
