/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a source says of its QEMU before memory moves (cli/outside/description.h).
 * Whatever comes: it is refused with a message that can be printed; or what was
 * read can be written and read again, and compared with this side's, block by
 * block and device by device.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/outside/description.h"
#include "cli/qemu/devices.h"
#include "tests/fuzz/fuzz.h"
#include "util/utf8.h"

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_message(const struct ramjet_error *err)
{
	const size_t bytes = strnlen(err->message, sizeof(err->message));

	require(err->code < 0 && bytes && bytes < sizeof(err->message) &&
		rj_utf8_is_printable(err->message, bytes));
}

static void check_same(const struct rj_qemu_description *a,
		       const struct rj_qemu_description *b)
{
	require(!strcmp(a->devices, b->devices) && a->way == b->way &&
		a->parts.count == b->parts.count);
	require(!memcmp(a->parts.list, b->parts.list,
			a->parts.count * sizeof(*a->parts.list)));
}

static void write_again(const struct rj_qemu_description *read)
{
	struct rj_qemu_description again = { 0 };
	struct ramjet_error err = { 0 };
	size_t bytes = 0;
	char *text = NULL;

	if (rj_qemu_description_write(read->devices, &read->parts, read->way,
				      &text, &bytes, &err)) {
		check_message(&err);
		return;
	}
	require(!rj_qemu_description_read(text, bytes, &again, NULL));
	check_same(read, &again);
	rj_qemu_description_done(&again);
	free(text);
}

/* No part has two partners, and all of the target's are real. */
static void check_pairs(const struct rj_qemu_pair *pairs, size_t count,
			size_t target_count)
{
	for (size_t i = 0; i < count; i++) {
		require(pairs[i].target < target_count);
		for (size_t j = 0; j < i; j++)
			require(pairs[j].target != pairs[i].target);
	}
}

static void match(const struct rj_qemu_parts *source,
		  const struct rj_qemu_parts *target)
{
	struct rj_qemu_pair *pairs = calloc(source->count, sizeof(*pairs));
	struct ramjet_error err = { 0 };

	require(pairs != NULL);
	if (rj_qemu_match(source, target, pairs, &err))
		check_message(&err);
	else
		check_pairs(pairs, source->count, target->count);
	free(pairs);
}

static void compare_blocks(const struct rj_qemu_parts *theirs)
{
	static struct rj_qemu_part own[] = {
		{ .name = "pc.ram",
		  .wire = "pc.ram",
		  .bytes = 1u << 28,
		  .bytes_max = 1u << 28,
		  .known = true },
		{ .name = "/rom@etc/acpi/rsdp",
		  .wire = "/rom@etc/acpi/rsdp",
		  .bytes = 4096,
		  .bytes_max = 4096,
		  .digests = { { 1, 2 } },
		  .digest_count = 1 },
	};
	const struct rj_qemu_parts ours = { own, 2 };

	match(theirs, theirs);
	match(theirs, &ours);
	match(&ours, theirs);
}

static void compare_devices(const char *theirs)
{
	static const char ours[] =
		"qemu 7.2.22\nmachine pc-q35-7.2\ncpus 2 qemu64-x86_64-cpu\n"
		"cpuid 1.EDX=78bfbfd 7.0.EBX=0\n"
		"device /System/q35-pcihost/PCIE/VGA@02.0 pci=1234:1111\n";
	struct ramjet_error err = { 0 };

	if (rj_qemu_devices_compare(theirs, ours, &err))
		check_message(&err);
	err = (struct ramjet_error){ 0 };
	if (rj_qemu_devices_compare(theirs, theirs, &err))
		check_message(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct rj_qemu_description read = { 0 };
	struct ramjet_error err = { 0 };

	if (rj_qemu_description_read(data, bytes, &read, &err)) {
		check_message(&err);
		require(!read.devices && !read.parts.list);
		return 0;
	}
	write_again(&read);
	compare_blocks(&read.parts);
	compare_devices(read.devices);
	rj_qemu_description_done(&read);
	return 0;
}
