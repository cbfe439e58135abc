/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cli/kvm/rig.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "cli/kvm/blob.h"
#include "cli/kvm/cpuid.h"
#include "cli/kvm/fields.h"
#include "cli/kvm/state.h"

/* A VM's state outside its memory: all of it arrives, and nothing else is
 * taken for it. */

#define STAR      0xc0000081u
#define KERNEL_GS 0xc0000102u

/* ---- bytes; no KVM needed ---- */

static const struct rj_kvm_layout *const layouts[] = {
	&rj_kvm_layout_regs,     &rj_kvm_layout_sregs,
	&rj_kvm_layout_fpu,      &rj_kvm_layout_xcrs,
	&rj_kvm_layout_events,   &rj_kvm_layout_debugregs,
	&rj_kvm_layout_mp_state, &rj_kvm_layout_clock,
	&rj_kvm_layout_cpuid,    &rj_kvm_layout_msr,
};

static void packed_structs_come_back(void **state RJ_UNUSED)
{
	uint8_t packed[RJ_KVM_STRUCT_BYTES_MAX];
	uint8_t again[RJ_KVM_STRUCT_BYTES_MAX];
	uint8_t unpacked[RJ_KVM_STRUCT_BYTES_MAX];

	for (size_t i = 0; i < RJ_ARRAY_SIZE(layouts); i++) {
		size_t bytes = rj_kvm_layout_bytes(layouts[i]);

		assert_true(bytes > 0 && bytes <= layouts[i]->struct_bytes);
		assert_true(layouts[i]->struct_bytes <= sizeof(unpacked));
		/* Every packed byte has a place of its own in the struct. */
		for (size_t b = 0; b < bytes; b++)
			packed[b] = (uint8_t)(b * 37 + i + 1);
		rj_kvm_unpack(layouts[i], packed, unpacked);
		rj_kvm_pack(layouts[i], unpacked, again);
		assert_memory_equal(packed, again, bytes);
	}
}

/* The format must not change by accident: sizes and one known value. */
static void packed_form_is_fixed(void **state RJ_UNUSED)
{
	static const size_t sizes[] = { 144, 292, 411, 200, 37,
					56,  4,   20,  28,  12 };
	struct kvm_regs regs = { .rbx = UINT64_C(0x1122334455667788) };
	uint8_t packed[RJ_KVM_STRUCT_BYTES_MAX];

	for (size_t i = 0; i < RJ_ARRAY_SIZE(layouts); i++)
		assert_int_equal(rj_kvm_layout_bytes(layouts[i]), sizes[i]);
	rj_kvm_pack(&rj_kvm_layout_regs, &regs, packed);
	assert_int_equal(packed[8], 0x88);
	assert_int_equal(packed[15], 0x11);
}

static void notes_that_do_not_fit_say_so(void **state RJ_UNUSED)
{
	struct rj_kvm_notes notes = { 0 };

	rj_kvm_note(&notes, "MSR 0x%x not saved", 0x10);
	rj_kvm_note(&notes, "clock not saved");
	assert_string_equal(notes.text, "MSR 0x10 not saved; clock not saved");
	for (unsigned i = 0; i < 200; i++)
		rj_kvm_note(&notes, "vcpu %u: XCRs not loaded", i);
	assert_true(strlen(notes.text) < sizeof(notes.text));
	assert_true(strlen(notes.text) > sizeof(notes.text) / 2);
	assert_string_equal(notes.text + strlen(notes.text) - 3, "...");
	rj_kvm_note(NULL, "nobody listens");
}

static void missing_cpu_feature_is_named(void **state RJ_UNUSED)
{
	static union rj_kvm_cpuid host, guest;
	struct kvm_cpuid_entry2 leaf = { .function = 7, .ebx = 0x20 };
	struct ramjet_error err = { 0 };
	uint8_t *host_leaf = host.room + sizeof(struct kvm_cpuid2);
	uint8_t *guest_leaf = guest.room + sizeof(struct kvm_cpuid2);

	host.head.nent = guest.head.nent = 1;
	memcpy(host_leaf, &leaf, sizeof(leaf));
	memcpy(guest_leaf, &leaf, sizeof(leaf));
	assert_int_equal(rj_kvm_cpuid_covers(&host, &guest, &err), 0);
	leaf.ebx = 0x10020;
	memcpy(guest_leaf, &leaf, sizeof(leaf));
	assert_int_equal(rj_kvm_cpuid_covers(&host, &guest, &err), -ENOTSUP);
	assert_non_null(strstr(err.message, "CPUID 0x7 EBX bits 0x10000"));
	/* More than the guest knows of does no harm. */
	assert_int_equal(rj_kvm_cpuid_covers(&guest, &host, &err), 0);
}

/* ---- a blob, built by hand ---- */

static void add(struct rj_kvm_blob *blob, enum rj_kvm_item_kind kind,
		unsigned vcpu, size_t bytes)
{
	uint8_t *out;

	assert_int_equal(rj_kvm_blob_add(blob, kind, vcpu, bytes, &out, NULL),
			 0);
	memset(out, (int)kind, bytes);
}

static void refused(const struct rj_kvm_blob *blob, unsigned vcpus,
		    const char *named)
{
	struct ramjet_error err = { 0 };

	assert_int_equal(
		rj_kvm_blob_check(blob->data, blob->bytes, vcpus, &err),
		-EPROTO);
	if (!strstr(err.message, named))
		fail_msg("'%s' does not name '%s'", err.message, named);
}

static void begin(struct rj_kvm_blob *blob)
{
	memset(blob, 0, sizeof(*blob));
	assert_int_equal(rj_kvm_blob_begin(blob, 2, NULL), 0);
	add(blob, RJ_KVM_ITEM_REGS, 0, 144);
	add(blob, RJ_KVM_ITEM_REGS, 1, 144);
	add(blob, RJ_KVM_ITEM_CLOCK, RJ_KVM_BLOB_VM, 0);
	rj_kvm_blob_end(blob);
}

static void items_are_found_again(void **state RJ_UNUSED)
{
	struct rj_kvm_blob blob;
	struct rj_kvm_item item;

	begin(&blob);
	assert_int_equal(rj_kvm_blob_check(blob.data, blob.bytes, 2, NULL), 0);
	item = rj_kvm_blob_find(blob.data, blob.bytes, RJ_KVM_ITEM_REGS, 1);
	assert_int_equal(item.bytes, 144);
	assert_int_equal(item.data[143], RJ_KVM_ITEM_REGS);
	item = rj_kvm_blob_find(blob.data, blob.bytes, RJ_KVM_ITEM_CLOCK,
				RJ_KVM_BLOB_VM);
	assert_non_null(item.data);
	assert_int_equal(item.bytes, 0);
	item = rj_kvm_blob_find(blob.data, blob.bytes, RJ_KVM_ITEM_FPU, 0);
	assert_null(item.data);
	rj_kvm_blob_done(&blob);
}

static void misshapen_blobs_are_refused(void **state RJ_UNUSED)
{
	struct rj_kvm_blob blob;
	size_t whole;

	begin(&blob);
	refused(&blob, 3, "vCPUs");
	whole = blob.bytes;
	for (blob.bytes = 0; blob.bytes < whole; blob.bytes++)
		refused(&blob, 2, "kvm state:");
	/* The size in the header agrees, the items do not. */
	for (blob.bytes = 17; blob.bytes < whole; blob.bytes++) {
		rj_kvm_blob_end(&blob);
		if (blob.bytes != 16 + 152 && blob.bytes != 16 + 304)
			refused(&blob, 2, "cut short");
	}
	rj_kvm_blob_done(&blob);
	begin(&blob);
	blob.data[0] ^= 1;
	refused(&blob, 2, "not the state of a kvm guest");
	blob.data[0] ^= 1;
	blob.data[4] = 2;
	refused(&blob, 2, "version 2, wanted 1");
	blob.data[4] = 1;
	blob.data[13] = 1;
	refused(&blob, 2, "not the state of a kvm guest");
	rj_kvm_blob_done(&blob);
}

static void unknown_and_double_items_are_refused(void **state RJ_UNUSED)
{
	struct rj_kvm_blob blob;

	begin(&blob);
	add(&blob, RJ_KVM_ITEM_REGS, 1, 144);
	rj_kvm_blob_end(&blob);
	refused(&blob, 2, "registers of vCPU 1 twice");
	rj_kvm_blob_done(&blob);
	begin(&blob);
	add(&blob, RJ_KVM_ITEM_COUNT_, 0, 3);
	rj_kvm_blob_end(&blob);
	refused(&blob, 2, "unknown item");
	rj_kvm_blob_done(&blob);
	begin(&blob);
	add(&blob, RJ_KVM_ITEM_FPU, 2, 3);
	rj_kvm_blob_end(&blob);
	refused(&blob, 2, "of vCPU 2");
	rj_kvm_blob_done(&blob);
}

/* ---- a VM's ---- */

static bool msr(struct rj_kvm_vcpu *vcpu, unsigned long request, uint32_t index,
		uint64_t *value)
{
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) +
			     sizeof(struct kvm_msr_entry)];
	} msrs = { .head = { .nmsrs = 1 } };
	struct kvm_msr_entry entry = { .index = index, .data = *value };
	bool done;

	memcpy(msrs.room + sizeof(struct kvm_msrs), &entry, sizeof(entry));
	done = ioctl(vcpu->fd, request, &msrs.head) == 1;
	memcpy(&entry, msrs.room + sizeof(struct kvm_msrs), sizeof(entry));
	*value = entry.data;
	return done;
}

/* Where the area of KVM_GET_XSAVE holds what: SDM volume 1, 13.4. */
#define XSAVE_ST3          (32 + 3 * 16)
#define XSAVE_XMM9         (160 + 9 * 16)
#define XSAVE_XSTATE_BV    512
#define XSTATE_X87_AND_SSE 3

/*
 * By KVM_SET_XSAVE, since KVM_SET_FPU leaves XSTATE_BV as it was: registers
 * the processor calls unused (in their first state) would stay so, whatever
 * was written into their place.
 */
static void mark_fpu(struct rj_kvm_vcpu *vcpu)
{
	struct kvm_xsave xsave;
	uint8_t *area = (uint8_t *)xsave.region;

	assert_int_equal(ioctl(vcpu->fd, KVM_GET_XSAVE, &xsave), 0);
	memset(area + XSAVE_XMM9, 0x5a, 16);
	memset(area + XSAVE_ST3, 0x3c, 10);
	area[XSAVE_XSTATE_BV] |= XSTATE_X87_AND_SSE;
	assert_int_equal(ioctl(vcpu->fd, KVM_SET_XSAVE, &xsave), 0);
}

/* What the program does not use, set to values of no other origin. */
static void mark(struct rj_kvm_vcpu *vcpu)
{
	struct kvm_debugregs debug;
	struct kvm_sregs sregs;
	uint64_t star = 0x0023001000000000, gs = 0x7fffdeadb000;

	assert_int_equal(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &debug), 0);
	debug.db[2] = 0x123456;
	assert_int_equal(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &debug), 0);
	assert_int_equal(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs), 0);
	sregs.cr2 = 0xabc000;
	sregs.fs.base = 0x5000;
	assert_int_equal(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs), 0);
	mark_fpu(vcpu);
	assert_true(msr(vcpu, KVM_SET_MSRS, STAR, &star));
	assert_true(msr(vcpu, KVM_SET_MSRS, KERNEL_GS, &gs));
}

static void assert_marked(struct rj_kvm_vcpu *vcpu)
{
	static const uint8_t xmm[16] = { 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a,
					 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a,
					 0x5a, 0x5a, 0x5a, 0x5a };
	struct kvm_debugregs debug;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	uint64_t value = 0;

	assert_int_equal(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &debug), 0);
	assert_int_equal(debug.db[2], 0x123456);
	assert_int_equal(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs), 0);
	assert_int_equal(sregs.cr2, 0xabc000);
	assert_int_equal(sregs.fs.base, 0x5000);
	assert_int_equal(sregs.cs.dpl, 3);
	assert_int_equal(ioctl(vcpu->fd, KVM_GET_FPU, &fpu), 0);
	assert_memory_equal(fpu.xmm[9], xmm, sizeof(xmm));
	assert_int_equal(fpu.fpr[3][9], 0x3c);
	assert_true(msr(vcpu, KVM_GET_MSRS, STAR, &value));
	assert_int_equal(value, 0x0023001000000000);
	assert_true(msr(vcpu, KVM_GET_MSRS, KERNEL_GS, &value));
	assert_int_equal(value, 0x7fffdeadb000);
}

static void all_kinds_of_state_arrive(void **state RJ_UNUSED)
{
	struct kvm_regs before, after;
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, "kvm:size=2M,set=512K,write=max,threads=2");
	rig_run(&rig, 1000);
	mark(rj_kvm_machine_vcpu(rig.machine, 1));
	assert_int_equal(ioctl(rj_kvm_machine_vcpu(rig.machine, 1)->fd,
			       KVM_GET_REGS, &before),
			 0);
	rig_move(&rig);
	assert_int_equal(ioctl(rj_kvm_machine_vcpu(rig.machine, 1)->fd,
			       KVM_GET_REGS, &after),
			 0);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_marked(rj_kvm_machine_vcpu(rig.machine, 1));
	/* Running on changes none of it either. */
	rig_run(&rig, 1000);
	rig_move(&rig);
	assert_marked(rj_kvm_machine_vcpu(rig.machine, 1));
	rig_free(&rig);
}

static void guest_time_does_not_go_back(void **state RJ_UNUSED)
{
	struct kvm_clock_data clock = { 0 };
	uint64_t before, tsc_before = 0, tsc_after = 0;
	struct rig rig;

	rig_need_kvm();
	rig_source(&rig, "kvm:size=2M,set=512K,write=max");
	rig_run(&rig, 1000);
	assert_int_equal(ioctl(rj_kvm_machine_vm(rig.machine)->vm_fd,
			       KVM_GET_CLOCK, &clock),
			 0);
	before = clock.clock;
	assert_true(msr(rj_kvm_machine_vcpu(rig.machine, 0), KVM_GET_MSRS, 0x10,
			&tsc_before));
	rig_move(&rig);
	assert_int_equal(ioctl(rj_kvm_machine_vm(rig.machine)->vm_fd,
			       KVM_GET_CLOCK, &clock),
			 0);
	assert_true(clock.clock >= before);
	assert_true(msr(rj_kvm_machine_vcpu(rig.machine, 0), KVM_GET_MSRS, 0x10,
			&tsc_after));
	assert_true(tsc_after >= tsc_before);
	rig_free(&rig);
}

static void state_of_another_moment_is_refused(void **state RJ_UNUSED)
{
	struct rig source, target;
	size_t bytes = 0;
	void *data = NULL;

	rig_need_kvm();
	rig_source(&source, "kvm:size=2M,set=512K,write=max");
	rig_run(&source, 1000);
	rig_ok(&source, rj_kvm_machine_save(source.machine, &data, &bytes, NULL,
					    &source.err));
	rig_run(&source, 1000);
	rig_target(&target, 2u << 20, 1);
	memcpy(target.memory.host, source.memory.host, 2u << 20);
	rig_ok(&target,
	       rj_kvm_program_adopt(&target.program, target.memory.host,
				    2u << 20, &target.err));
	assert_int_equal(rj_kvm_machine_load(target.machine, &target.program,
					     data, bytes, NULL, &target.err),
			 -EBADMSG);
	free(data);
	rig_free(&target);
	rig_free(&source);
}

/* The bytes come from the network: whatever they say, an error is the worst
 * that happens. */
static void state_with_any_byte_changed_does_no_harm(void **state RJ_UNUSED)
{
	struct rig source, target;
	size_t bytes = 0, at;
	uint8_t *data = NULL;
	void *saved = NULL;
	unsigned refusals = 0;

	rig_need_kvm();
	rig_source(&source, "kvm:size=1M,set=128K,write=max");
	rig_run(&source, 500);
	rig_ok(&source, rj_kvm_machine_save(source.machine, &saved, &bytes,
					    NULL, &source.err));
	data = saved;
	rig_target(&target, 1u << 20, 1);
	memcpy(target.memory.host, source.memory.host, 1u << 20);
	rig_ok(&target,
	       rj_kvm_program_adopt(&target.program, target.memory.host,
				    1u << 20, &target.err));
	for (at = 0; at < bytes; at += at < 3000 ? 1 : 7) {
		data[at] ^= 0xff;
		if (rj_kvm_machine_load(target.machine, &target.program, data,
					bytes, NULL, NULL))
			refusals++;
		data[at] ^= 0xff;
	}
	assert_true(refusals > 100);
	/* A changed byte may have told KVM where the guest wants the time of
	 * day written (MSR_KVM_WALL_CLOCK): a lawful wish, granted at once. */
	memcpy(target.memory.host, source.memory.host, 1u << 20);
	rig_ok(&target, rj_kvm_machine_load(target.machine, &target.program,
					    data, bytes, NULL, &target.err));
	rig_check(&target);
	rig_run(&target, 500);
	free(saved);
	rig_free(&target);
	rig_free(&source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packed_structs_come_back),
		cmocka_unit_test(packed_form_is_fixed),
		cmocka_unit_test(notes_that_do_not_fit_say_so),
		cmocka_unit_test(missing_cpu_feature_is_named),
		cmocka_unit_test(items_are_found_again),
		cmocka_unit_test(misshapen_blobs_are_refused),
		cmocka_unit_test(unknown_and_double_items_are_refused),
		cmocka_unit_test(all_kinds_of_state_arrive),
		cmocka_unit_test(guest_time_does_not_go_back),
		cmocka_unit_test(state_of_another_moment_is_refused),
		cmocka_unit_test(state_with_any_byte_changed_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
