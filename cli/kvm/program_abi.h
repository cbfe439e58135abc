/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_PROGRAM_ABI_H
#define RJ_CLI_KVM_PROGRAM_ABI_H
/* What the guest program (program.S) and its VMM agree on. Plain macros:
 * the assembler reads this too. */

/* Ports. A vCPU reads from CREDIT how many pages it may write now, tells its
 * number of writes to PROGRESS now and then, and a damage code to BAD. */
#define RJ_KVM_PORT_CREDIT   0x510
#define RJ_KVM_PORT_PROGRESS 0x514
#define RJ_KVM_PORT_BAD      0x518

#define RJ_KVM_BAD_PAGE 1 /* RDI: the page, R12: the counter it was to get */
#define RJ_KVM_BAD_FPU  2 /* XMM0 and R13 differ */

/* PROGRESS every this many writes; a power of two. */
#define RJ_KVM_PROGRESS_WRITES 0x10000

/* A vCPU's page, byte offsets. Only WRITES ever changes. */
#define RJ_KVM_VCPU_MAGIC    0
#define RJ_KVM_VCPU_OWNER    8
#define RJ_KVM_VCPU_WRITES   16
#define RJ_KVM_VCPU_FIRST    24 /* page the slice begins with */
#define RJ_KVM_VCPU_PAGES    32 /* in the slice */
#define RJ_KVM_VCPU_HOT      40 /* of these, hot ones; all unless HOT */
#define RJ_KVM_VCPU_SEED     48 /* of the walk */
#define RJ_KVM_VCPU_HOT_KEY  56
#define RJ_KVM_VCPU_COLD_KEY 64
#define RJ_KVM_VCPU_PATTERN  72 /* enum rj_cli_pattern */
#define RJ_KVM_VCPU_WORDS    10

/* A counted page (cli/guest/ram_page.c), byte offsets. */
#define RJ_KVM_PAGE_MAGIC 0
#define RJ_KVM_PAGE_INDEX 8
#define RJ_KVM_PAGE_OWNER 16
#define RJ_KVM_PAGE_HEAD  24
#define RJ_KVM_PAGE_TAIL  4088

/* enum rj_cli_pattern, for the assembler. */
#define RJ_KVM_PATTERN_SEQUENTIAL 0
#define RJ_KVM_PATTERN_HOT        2

/* cli/guest/pattern.c: one in this many HOT writes goes to the cold pages. */
#define RJ_KVM_COLD_PERIOD 10
#define RJ_KVM_HOT_SHARE   10
#endif
