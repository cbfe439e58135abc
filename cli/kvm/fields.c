/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/fields.h"

#include <assert.h>
#include <linux/kvm.h>
#include <string.h>

#include "util/compiler.h"

#define WIDTH(type, member) sizeof(((type *)0)->member)

/* One number. */
#define ONE(type, member)                                       \
	{                                                       \
		offsetof(type, member), WIDTH(type, member), 1, \
			WIDTH(type, member)                     \
	}
/* An array of numbers. */
#define MANY(type, member)                                            \
	{                                                             \
		offsetof(type, member), WIDTH(type, member[0]),       \
			WIDTH(type, member) / WIDTH(type, member[0]), \
			WIDTH(type, member[0])                        \
	}
/* The same member of each struct of an array. */
#define EACH(type, array, member)                                              \
	{                                                                      \
		offsetof(type, array[0].member), WIDTH(type, array[0].member), \
			WIDTH(type, array) / WIDTH(type, array[0]),            \
			WIDTH(type, array[0])                                  \
	}

#define LAYOUT(name, type)                                                \
	const struct rj_kvm_layout rj_kvm_layout_##name = {               \
		name##_fields, RJ_ARRAY_SIZE(name##_fields), sizeof(type) \
	};                                                                \
	static_assert(sizeof(type) <= RJ_KVM_STRUCT_BYTES_MAX,            \
		      #type " outgrew RJ_KVM_STRUCT_BYTES_MAX")

/* clang-format off */
#define R(m) ONE(struct kvm_regs, m)
static const struct rj_kvm_field regs_fields[] = {
	R(rax), R(rbx), R(rcx), R(rdx), R(rsi), R(rdi), R(rsp), R(rbp),
	R(r8), R(r9), R(r10), R(r11), R(r12), R(r13), R(r14), R(r15),
	R(rip), R(rflags),
};

#define S(m) ONE(struct kvm_sregs, m)
#define SEGMENT(m)                                                      \
	S(m.base), S(m.limit), S(m.selector), S(m.type), S(m.present),  \
	S(m.dpl), S(m.db), S(m.s), S(m.l), S(m.g), S(m.avl), S(m.unusable)
static const struct rj_kvm_field sregs_fields[] = {
	SEGMENT(cs), SEGMENT(ds), SEGMENT(es), SEGMENT(fs), SEGMENT(gs),
	SEGMENT(ss), SEGMENT(tr), SEGMENT(ldt),
	S(gdt.base), S(gdt.limit), S(idt.base), S(idt.limit),
	S(cr0), S(cr2), S(cr3), S(cr4), S(cr8), S(efer), S(apic_base),
	MANY(struct kvm_sregs, interrupt_bitmap),
};

#define F(m) ONE(struct kvm_fpu, m)
static const struct rj_kvm_field fpu_fields[] = {
	/* Arrays of arrays of bytes: as one run of bytes each. */
	{ offsetof(struct kvm_fpu, fpr), 1, WIDTH(struct kvm_fpu, fpr), 1 },
	F(fcw), F(fsw), F(ftwx), F(last_opcode), F(last_ip), F(last_dp),
	{ offsetof(struct kvm_fpu, xmm), 1, WIDTH(struct kvm_fpu, xmm), 1 },
	F(mxcsr),
};

static const struct rj_kvm_field xcrs_fields[] = {
	ONE(struct kvm_xcrs, nr_xcrs), ONE(struct kvm_xcrs, flags),
	EACH(struct kvm_xcrs, xcrs, xcr), EACH(struct kvm_xcrs, xcrs, value),
};

#define E(m) ONE(struct kvm_vcpu_events, m)
static const struct rj_kvm_field events_fields[] = {
	E(exception.injected), E(exception.nr), E(exception.has_error_code),
	E(exception.pending), E(exception.error_code),
	E(interrupt.injected), E(interrupt.nr), E(interrupt.soft),
	E(interrupt.shadow),
	E(nmi.injected), E(nmi.pending), E(nmi.masked),
	E(sipi_vector), E(flags),
	E(smi.smm), E(smi.pending), E(smi.smm_inside_nmi),
	E(smi.latched_init), E(triple_fault.pending),
	E(exception_has_payload), E(exception_payload),
};

static const struct rj_kvm_field debugregs_fields[] = {
	MANY(struct kvm_debugregs, db), ONE(struct kvm_debugregs, dr6),
	ONE(struct kvm_debugregs, dr7), ONE(struct kvm_debugregs, flags),
};

static const struct rj_kvm_field mp_state_fields[] = {
	ONE(struct kvm_mp_state, mp_state),
};

static const struct rj_kvm_field clock_fields[] = {
	ONE(struct kvm_clock_data, clock), ONE(struct kvm_clock_data, flags),
	ONE(struct kvm_clock_data, realtime),
};

#define C(m) ONE(struct kvm_cpuid_entry2, m)
static const struct rj_kvm_field cpuid_fields[] = {
	C(function), C(index), C(flags), C(eax), C(ebx), C(ecx), C(edx),
};

static const struct rj_kvm_field msr_fields[] = {
	ONE(struct kvm_msr_entry, index), ONE(struct kvm_msr_entry, data),
};
/* clang-format on */

LAYOUT(regs, struct kvm_regs);
LAYOUT(sregs, struct kvm_sregs);
LAYOUT(fpu, struct kvm_fpu);
LAYOUT(xcrs, struct kvm_xcrs);
LAYOUT(events, struct kvm_vcpu_events);
LAYOUT(debugregs, struct kvm_debugregs);
LAYOUT(mp_state, struct kvm_mp_state);
LAYOUT(clock, struct kvm_clock_data);
LAYOUT(cpuid, struct kvm_cpuid_entry2);
LAYOUT(msr, struct kvm_msr_entry);

size_t rj_kvm_layout_bytes(const struct rj_kvm_layout *layout)
{
	size_t bytes = 0;

	for (size_t i = 0; i < layout->field_count; i++)
		bytes += (size_t)layout->fields[i].bytes *
			 layout->fields[i].count;
	return bytes;
}

/* A number of 1, 2, 4 or 8 bytes as this machine keeps it. */
static uint64_t load(const void *at, unsigned bytes)
{
	uint8_t b1;
	uint16_t b2;
	uint32_t b4;
	uint64_t b8;

	switch (bytes) {
	case 1:
		memcpy(&b1, at, 1);
		return b1;
	case 2:
		memcpy(&b2, at, 2);
		return b2;
	case 4:
		memcpy(&b4, at, 4);
		return b4;
	default:
		memcpy(&b8, at, 8);
		return b8;
	}
}

static void store(void *at, uint64_t value, unsigned bytes)
{
	const uint8_t b1 = (uint8_t)value;
	const uint16_t b2 = (uint16_t)value;
	const uint32_t b4 = (uint32_t)value;

	switch (bytes) {
	case 1:
		memcpy(at, &b1, 1);
		break;
	case 2:
		memcpy(at, &b2, 2);
		break;
	case 4:
		memcpy(at, &b4, 4);
		break;
	default:
		memcpy(at, &value, 8);
	}
}

void rj_kvm_pack(const struct rj_kvm_layout *layout, const void *from,
		 uint8_t *out)
{
	for (size_t i = 0; i < layout->field_count; i++) {
		const struct rj_kvm_field *f = &layout->fields[i];
		const uint8_t *at = (const uint8_t *)from + f->offset;

		for (unsigned n = 0; n < f->count; n++) {
			rj_kvm_put(out, load(at, f->bytes), f->bytes);
			out += f->bytes;
			at += f->stride;
		}
	}
}

void rj_kvm_unpack(const struct rj_kvm_layout *layout, const uint8_t *in,
		   void *to)
{
	memset(to, 0, layout->struct_bytes);
	for (size_t i = 0; i < layout->field_count; i++) {
		const struct rj_kvm_field *f = &layout->fields[i];
		uint8_t *at = (uint8_t *)to + f->offset;

		for (unsigned n = 0; n < f->count; n++) {
			store(at, rj_kvm_get(in, f->bytes), f->bytes);
			in += f->bytes;
			at += f->stride;
		}
	}
}
