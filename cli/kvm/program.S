/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest program, copied into guest RAM and run there: 64-bit code in
 * user mode (a paravirtual KVM runs only that natively; there is no kernel),
 * with open I/O ports and no stack, no interrupts, no relocations.
 *
 * It does what cli/guest/pattern.c and rj_cli_page_write() say: write number n
 * of a vCPU goes to one page, which must carry counter c - 1 at both ends and
 * gets c. All it needs to know is n, so a stop at any instruction can be
 * judged from RIP, R13 and RAM: see the labels at the end.
 *
 *   RBX   the vCPU's page, by its block offset: RAM is mapped linearly
 *   R13   n, the writes made so far; XMM0 holds it too, so that an FPU left
 *         behind is noticed
 *   R14D  credit: pages that may be written before asking again
 */
#include "cli/kvm/program_abi.h"

#define GOLDEN    0x9e3779b97f4a7c15
#define MIX_1     0xbf58476d1ce4e5b9
#define MIX_2     0x94d049bb133111eb

	.section .rodata
	.globl	rj_kvm_code, rj_kvm_code_end
	.globl	rj_kvm_code_tail, rj_kvm_code_count, rj_kvm_code_store
	.globl	rj_kvm_code_stored
	.balign	64
rj_kvm_code:
next:
	testl	%r14d, %r14d
	jnz	check_fpu
	movw	$RJ_KVM_PORT_CREDIT, %dx
	inl	%dx, %eax
	movl	%eax, %r14d
	jmp	next

check_fpu:
	movq	%xmm0, %rax
	cmpq	%rax, %r13
	jne	bad_fpu

/* Which ring: R8 = writes to it, R9 = its pages, R10 = where it begins,
 * R11 = its key. */
	movq	%r13, %r8
	movq	RJ_KVM_VCPU_HOT(%rbx), %r9
	xorl	%r10d, %r10d
	movq	RJ_KVM_VCPU_HOT_KEY(%rbx), %r11
	cmpq	$RJ_KVM_PATTERN_HOT, RJ_KVM_VCPU_PATTERN(%rbx)
	jne	ring_known
	movq	%r13, %rax
	xorl	%edx, %edx
	movl	$RJ_KVM_COLD_PERIOD, %ecx
	divq	%rcx
	subq	%rax, %r8
	cmpq	$RJ_KVM_COLD_PERIOD - 1, %rdx
	jne	ring_known
	movq	%rax, %r8
	movq	%r9, %r10
	movq	RJ_KVM_VCPU_PAGES(%rbx), %r9
	subq	%r10, %r9
	movq	RJ_KVM_VCPU_COLD_KEY(%rbx), %r11

/* Pass and place in it; R12 = the counter to write, RSI = the page. */
ring_known:
	movq	%r8, %rax
	xorl	%edx, %edx
	divq	%r9
	leaq	1(%rax), %r12
	movq	%rdx, %rsi
	cmpq	$RJ_KVM_PATTERN_SEQUENTIAL, RJ_KVM_VCPU_PATTERN(%rbx)
	je	page_known

/* Key of the pass: rj_cli_mix(ring key, pass). */
	movabsq	$GOLDEN, %rcx
	imulq	%rcx, %r11
	addq	%rax, %r11
	movq	%r11, %rax
	shrq	$30, %rax
	xorq	%rax, %r11
	movabsq	$MIX_1, %rcx
	imulq	%rcx, %r11
	movq	%r11, %rax
	shrq	$27, %rax
	xorq	%rax, %r11
	movabsq	$MIX_2, %rcx
	imulq	%rcx, %r11
	movq	%r11, %rax
	shrq	$31, %rax
	xorq	%rax, %r11

	leaq	in_ring(%rip), %rbp
	jmp	permute
in_ring:
	addq	%r10, %rsi
	cmpq	$RJ_KVM_PATTERN_HOT, RJ_KVM_VCPU_PATTERN(%rbx)
	jne	page_known
	movq	RJ_KVM_VCPU_PAGES(%rbx), %r9
	movq	RJ_KVM_VCPU_SEED(%rbx), %r11
	leaq	page_known(%rip), %rbp
	jmp	permute

/* Look before writing. RDI = address of the page. */
page_known:
	addq	RJ_KVM_VCPU_FIRST(%rbx), %rsi
	movq	%rsi, %rdi
	shlq	$12, %rdi
	cmpq	%rsi, RJ_KVM_PAGE_INDEX(%rdi)
	jne	bad_page
	movq	RJ_KVM_VCPU_OWNER(%rbx), %rax
	cmpq	%rax, RJ_KVM_PAGE_OWNER(%rdi)
	jne	bad_page
	leaq	-1(%r12), %rax
	cmpq	%rax, RJ_KVM_PAGE_HEAD(%rdi)
	jne	bad_page
	cmpq	%rax, RJ_KVM_PAGE_TAIL(%rdi)
	jne	bad_page

/* Three stores. Stopped with RIP at a label, what is above it is done. */
	movq	%r12, RJ_KVM_PAGE_HEAD(%rdi)
rj_kvm_code_tail:
	movq	%r12, RJ_KVM_PAGE_TAIL(%rdi)
rj_kvm_code_count:
	incq	%r13
rj_kvm_code_store:
	movq	%r13, RJ_KVM_VCPU_WRITES(%rbx)
rj_kvm_code_stored:
	movq	%r13, %xmm0
	decl	%r14d
	testq	$RJ_KVM_PROGRESS_WRITES - 1, %r13
	jnz	next
	movw	$RJ_KVM_PORT_PROGRESS, %dx
	movl	%r13d, %eax
	outl	%eax, %dx
	jmp	next

/* rj_cli_permute(RSI, R9 pages, key R11) -> RSI, back to RBP. */
permute:
	cmpq	$2, %r9
	jb	permuted
	leaq	-1(%r9), %rax
	bsrq	%rax, %rcx
	incl	%ecx
	movl	$1, %r8d
	shlq	%cl, %r8
	decq	%r8
	shrl	$1, %ecx
	incl	%ecx
	movabsq	$MIX_1, %rdi
scramble:
	movq	%r11, %rdx
	.rept	3
	imulq	%rdi, %rsi
	addq	%rdx, %rsi
	andq	%r8, %rsi
	movq	%rsi, %rax
	shrq	%cl, %rax
	xorq	%rax, %rsi
	rorq	$17, %rdx
	.endr
	cmpq	%r9, %rsi
	jae	scramble
permuted:
	jmpq	*%rbp

bad_page:
	movl	$RJ_KVM_BAD_PAGE, %eax
	jmp	bad
bad_fpu:
	movl	$RJ_KVM_BAD_FPU, %eax
bad:
	movw	$RJ_KVM_PORT_BAD, %dx
	outl	%eax, %dx
	jmp	bad
rj_kvm_code_end:

	.section .note.GNU-stack, "", @progbits
