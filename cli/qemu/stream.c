/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"

/*
 * QEMU's migration stream, as its migration/savevm.c reads and writes it in
 * all versions since 2.4: numbers are big endian.
 *
 *   u32 magic, u32 version
 *   u8 CONFIGURATION, u32 length, the machine type's name
 *   sections ...
 *   u8 EOF
 *   u8 VMDESCRIPTION, u32 length, JSON for people
 */
#define MAGIC         0x5145564du /* "QEVM" */
#define VERSION       3u
#define HEADER_BYTES  8u
#define CONFIGURATION 0x07u
#define END           0x00u
#define DESCRIPTION   0x06u
#define NUMBER_BYTES  4u

/* What a device writes about itself: nothing, so that QEMU doesn't complain
 * that it is missing. */
static const unsigned char no_description[] = { DESCRIPTION, 0,   0,  0,
						2,           '{', '}' };

void rj_qemu_state_done(struct rj_qemu_state *state)
{
	free(state->bytes);
	*state = (struct rj_qemu_state){ 0 };
}

static uint32_t number_at(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	       (uint32_t)bytes[2] << 8 | bytes[3];
}

static void put_number(unsigned char *bytes, size_t value)
{
	for (unsigned i = 0; i < NUMBER_BYTES; i++)
		bytes[i] = (unsigned char)(value >> (24 - 8 * i));
}

size_t rj_qemu_state_front(const char *machine, unsigned char *out)
{
	const size_t name_bytes = strlen(machine);
	const size_t name_at = HEADER_BYTES + 1 + NUMBER_BYTES;

	if (!out)
		return name_at + name_bytes;
	put_number(out, MAGIC);
	put_number(out + 4, VERSION);
	out[HEADER_BYTES] = CONFIGURATION;
	put_number(out + HEADER_BYTES + 1, name_bytes);
	memcpy(out + name_at, machine, name_bytes);
	return name_at + name_bytes;
}

static int check_header(const unsigned char *bytes, size_t count,
			struct ramjet_error *err)
{
	if (count > RJ_QEMU_STATE_BYTES_MAX)
		return rj_fail(err, -EMSGSIZE,
			       "device state: %zu bytes, wanted at most %u",
			       count, RJ_QEMU_STATE_BYTES_MAX);
	if (count <= HEADER_BYTES)
		return rj_fail(err, -EPROTO,
			       "device state: %zu bytes, wanted a header and "
			       "sections",
			       count);
	if (number_at(bytes) != MAGIC || number_at(bytes + 4) != VERSION)
		return rj_fail(err, -EPROTO,
			       "device state: begins with %08x, version %u, "
			       "wanted %08x, version %u",
			       number_at(bytes), number_at(bytes + 4), MAGIC,
			       VERSION);
	return 0;
}

int rj_qemu_state_splice(const void *saved, size_t count, const char *machine,
			 struct rj_qemu_state *ret, struct ramjet_error *err)
{
	const unsigned char *in = saved;
	const size_t front_bytes = rj_qemu_state_front(machine, NULL);
	const size_t all_bytes =
		front_bytes + (count - HEADER_BYTES) + sizeof(no_description);
	unsigned char *out;
	int rc = check_header(in, count, err);

	if (rc)
		return rc;
	if (in[HEADER_BYTES] == CONFIGURATION)
		return rj_fail(err, -EPROTO,
			       "device state: names a machine type already, "
			       "wanted what xen-save-devices-state writes");
	if (in[count - 1] != END)
		return rj_fail(err, -EPROTO,
			       "device state: no mark at its end, wanted all "
			       "of it");
	out = malloc(all_bytes);
	if (!out)
		return rj_fail(err, -ENOMEM, "device state: out of memory");
	(void)rj_qemu_state_front(machine, out);
	memcpy(out + front_bytes, in + HEADER_BYTES, count - HEADER_BYTES);
	memcpy(out + all_bytes - sizeof(no_description), no_description,
	       sizeof(no_description));
	*ret = (struct rj_qemu_state){ .bytes = out, .count = all_bytes };
	return 0;
}

/* The mark, and a description of any length: QEMU's own is some 200 KiB. */
static bool has_end(const unsigned char *bytes, size_t count)
{
	const size_t least = 1 + sizeof(no_description);
	const size_t before = 2 + NUMBER_BYTES;

	if (count < least || bytes[count - 1] != '}')
		return false;
	for (size_t at = count - least + 1; at-- > 0;)
		if (bytes[at] == END && bytes[at + 1] == DESCRIPTION &&
		    number_at(bytes + at + 2) == count - at - before &&
		    bytes[at + before] == '{')
			return true;
	return false;
}

int rj_qemu_state_check(const void *bytes, size_t count, const char *machine,
			struct ramjet_error *err)
{
	const unsigned char *in = bytes;
	const size_t wanted = strlen(machine);
	const size_t name_at = HEADER_BYTES + 1 + NUMBER_BYTES;
	int rc = check_header(in, count, err);

	if (rc)
		return rc;
	if (count <= name_at + wanted || in[HEADER_BYTES] != CONFIGURATION)
		return rj_fail(err, -EPROTO,
			       "device state: names no machine type, wanted "
			       "'%s'",
			       machine);
	if (number_at(in + HEADER_BYTES + 1) != wanted ||
	    memcmp(in + name_at, machine, wanted))
		return rj_fail(err, -EINVAL,
			       "device state: is of another machine type, "
			       "wanted '%s'",
			       machine);
	if (!has_end(in + name_at + wanted, count - name_at - wanted))
		return rj_fail(err, -EPROTO,
			       "device state: no mark at its end, wanted all "
			       "of it");
	return 0;
}
