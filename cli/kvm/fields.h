/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_FIELDS_H
#define RJ_CLI_KVM_FIELDS_H
/*
 * KVM's structs as bytes that do not depend on this compiler: each field
 * little endian, in the order of its table, paddings left out. Tables are
 * part of the saved state's format (state.h): a change is a new version.
 */
#include <stddef.h>
#include <stdint.h>

struct rj_kvm_field {
	uint16_t offset; /* in the struct */
	uint8_t bytes;   /* of one element: 1, 2, 4 or 8 */
	uint16_t count;  /* elements */
	uint16_t stride; /* from one to the next */
};

struct rj_kvm_layout {
	const struct rj_kvm_field *fields;
	size_t field_count;
	size_t struct_bytes;
};

extern const struct rj_kvm_layout rj_kvm_layout_regs;
extern const struct rj_kvm_layout rj_kvm_layout_sregs;
extern const struct rj_kvm_layout rj_kvm_layout_fpu;
extern const struct rj_kvm_layout rj_kvm_layout_xcrs;
extern const struct rj_kvm_layout rj_kvm_layout_events;
extern const struct rj_kvm_layout rj_kvm_layout_debugregs;
extern const struct rj_kvm_layout rj_kvm_layout_mp_state;
extern const struct rj_kvm_layout rj_kvm_layout_clock;
extern const struct rj_kvm_layout rj_kvm_layout_cpuid; /* one entry */
extern const struct rj_kvm_layout rj_kvm_layout_msr;   /* one entry */

/* No struct above is larger, packed or not. */
#define RJ_KVM_STRUCT_BYTES_MAX 512u

/* Packed size. */
size_t rj_kvm_layout_bytes(const struct rj_kvm_layout *layout);
/* `out` has room for rj_kvm_layout_bytes(). */
void rj_kvm_pack(const struct rj_kvm_layout *layout, const void *from,
		 uint8_t *out);
/* `in` holds rj_kvm_layout_bytes(); *to is zeroed first. */
void rj_kvm_unpack(const struct rj_kvm_layout *layout, const uint8_t *in,
		   void *to);

static inline void rj_kvm_put(uint8_t *out, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t rj_kvm_get(const uint8_t *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)in[i] << (8 * i);
	return value;
}
#endif
