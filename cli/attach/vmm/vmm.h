/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_VMM_H
#define RJ_CLI_ATTACH_VMM_H
/*
 * What libramjet-vmm.so and ramjet say to each other, on a stream socket. A
 * peer connects and sends one byte:
 *
 *     RJ_VMM_ASK_ALL     a new userfaultfd and its memory
 *     RJ_VMM_ASK_MEMORY  its memory
 *
 * and gets one message: struct rj_vmm_answer, with the descriptors by
 * SCM_RIGHTS in the order memory, page map, userfaultfd, where error is 0, and
 * none elsewhere. Who sent it is told by the kernel (SO_PASSCRED). Then the
 * connection is closed.
 */
#include <stdint.h>

#define RJ_VMM_ENVIRONMENT "RAMJET_VMM_SOCKET"
#define RJ_VMM_ASK_ALL     'u'
#define RJ_VMM_ASK_MEMORY  'm'
#define RJ_VMM_VERSION     1
#define RJ_VMM_FDS_MAX     3

struct rj_vmm_answer {
	uint32_t version;
	int32_t error; /* a positive errno; 0: descriptors come along */
	uint32_t kernel_faults; /* 1: the userfaultfd serves the kernel, too */
	uint32_t reserved;
};
#endif
