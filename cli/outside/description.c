/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/outside/description.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/utf8.h"

/* Of this layout: another one is refused. */
#define KIND    "ramjet.qemu"
#define VERSION 1
/* How its state comes, where it isn't saved. */
#define BY_MIGRATE "migrate"
/* Of another kind that is told. */
#define KIND_BYTES_MAX 40u

/* What ramjet carries: include/ramjet.h, `describe`. */
#define BYTES_MAX (512u << 10)

void rj_qemu_description_done(struct rj_qemu_description *description)
{
	free(description->devices);
	rj_qemu_parts_done(&description->parts);
	*description = (struct rj_qemu_description){ 0 };
}

/* ---- writing ----------------------------------------------------------------- */

static json_t *digests_of(const struct rj_qemu_part *part)
{
	json_t *array = json_array();
	char text[33];

	for (unsigned i = 0; i < part->digest_count; i++) {
		(void)snprintf(text, sizeof(text), "%016llx%016llx",
			       (unsigned long long)part->digests[i].high,
			       (unsigned long long)part->digests[i].low);
		(void)json_array_append_new(array, json_string(text));
	}
	return array;
}

static json_t *blocks_of(const struct rj_qemu_parts *parts)
{
	json_t *array = json_array();

	for (size_t i = 0; i < parts->count; i++) {
		const struct rj_qemu_part *part = &parts->list[i];

		(void)json_array_append_new(
			array,
			json_pack("{s:s, s:s, s:I, s:I, s:b, s:o}", "name",
				  part->name, "wire", part->wire, "bytes",
				  (json_int_t)part->bytes, "bytes-max",
				  (json_int_t)part->bytes_max, "known",
				  (int)part->known, "digests",
				  digests_of(part)));
	}
	return array;
}

int rj_qemu_description_write(const char *devices,
			      const struct rj_qemu_parts *parts,
			      enum rj_qemu_way way, char **ret,
			      size_t *ret_bytes, struct ramjet_error *err)
{
	json_t *object = json_pack(
		"{s:s, s:i, s:s, s:o, s:s*}", "kind", KIND, "version", VERSION,
		"devices", devices, "blocks", blocks_of(parts), "state",
		way == RJ_QEMU_BY_MIGRATE ? BY_MIGRATE : NULL);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (!text)
		return rj_fail(err, -EINVAL,
			       "description: the names of its devices and "
			       "blocks can't be written as JSON, or memory is "
			       "short");
	*ret_bytes = strlen(text);
	if (*ret_bytes > BYTES_MAX) {
		free(text);
		return rj_fail(err, -E2BIG,
			       "description: %zu bytes, at most %u are taken: "
			       "too many devices",
			       *ret_bytes, BYTES_MAX);
	}
	*ret = text;
	return 0;
}

/* ---- reading ----------------------------------------------------------------- */

static int read_digests(json_t *array, struct rj_qemu_part *part)
{
	const size_t count = json_array_size(array);

	if (!json_is_array(array) || count > RJ_QEMU_DIGESTS_MAX)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(json_array_get(array, i));
		unsigned long long high, low;

		if (!text || strlen(text) != 32 ||
		    strspn(text, "0123456789abcdef") != 32 ||
		    sscanf(text, "%16llx%16llx", &high, &low) != 2)
			return -1;
		part->digests[i] = (struct rj_qemu_digest){ low, high };
	}
	part->digest_count = (unsigned)count;
	return 0;
}

static bool take_text(const char *text, char *ret, size_t bytes)
{
	const size_t length = strlen(text);

	if (!length || length >= bytes || !rj_utf8_is_printable(text, length))
		return false;
	memcpy(ret, text, length + 1);
	return true;
}

static int read_block(json_t *object, struct rj_qemu_part *part)
{
	const char *name, *wire;
	json_int_t bytes, bytes_max;
	json_t *digests;
	int known;

	if (json_unpack_ex(object, NULL, JSON_STRICT,
			   "{s:s, s:s, s:I, s:I, s:b, s:o}", "name", &name,
			   "wire", &wire, "bytes", &bytes, "bytes-max",
			   &bytes_max, "known", &known, "digests", &digests) ||
	    !take_text(name, part->name, sizeof(part->name)) ||
	    !take_text(wire, part->wire, sizeof(part->wire)) || bytes <= 0 ||
	    bytes_max < bytes)
		return -1;
	part->bytes = (uint64_t)bytes;
	part->bytes_max = (uint64_t)bytes_max;
	part->known = known;
	return read_digests(digests, part);
}

static int read_blocks(json_t *array, struct rj_qemu_parts *ret,
		       struct ramjet_error *err)
{
	const size_t count = json_array_size(array);

	if (!count || count > RJ_QEMU_PARTS_MAX)
		return rj_fail(err, -EPROTO,
			       "description: %zu blocks, wanted 1 to %u", count,
			       RJ_QEMU_PARTS_MAX);
	ret->list = calloc(count, sizeof(*ret->list));
	if (!ret->list)
		return rj_fail(err, -ENOMEM, "description: out of memory");
	ret->count = count;
	for (size_t i = 0; i < count; i++)
		if (read_block(json_array_get(array, i), &ret->list[i]))
			return rj_fail(err, -EPROTO,
				       "description: block %zu is malformed",
				       i);
	return 0;
}

/* It is told to people, so it must not steer their terminals. */
static const char *printable(const char *text, size_t bytes_max)
{
	const size_t bytes = strlen(text);

	return bytes <= bytes_max && rj_utf8_is_printable(text, bytes) ? text
								       : "?";
}

/* Lines that can be printed, as compare.c tells of them. */
static bool is_lines(const char *text)
{
	size_t bytes;

	for (; *text; text += bytes + (text[bytes] == '\n')) {
		bytes = strcspn(text, "\n");
		if (!rj_utf8_is_printable(text, bytes))
			return false;
	}
	return true;
}

static int read_object(json_t *object, struct rj_qemu_description *ret,
		       struct ramjet_error *err)
{
	const char *kind = "", *devices = NULL, *state = NULL;
	json_t *blocks = NULL;
	int version = 0;

	(void)json_unpack(object, "{s:s, s:i}", "kind", &kind, "version",
			  &version);
	if (strcmp(kind, KIND) != 0 || version != VERSION)
		return rj_fail(err, -EPROTO,
			       "description: of kind '%s' and version %d, "
			       "wanted %s of version %d: a QEMU on the source, "
			       "and a ramjet like this one",
			       printable(kind, KIND_BYTES_MAX), version, KIND,
			       VERSION);
	if (json_unpack(object, "{s:s, s:o, s?s}", "devices", &devices,
			"blocks", &blocks, "state", &state) ||
	    !json_is_array(blocks))
		return rj_fail(err, -EPROTO,
			       "description: no devices, or no blocks in it");
	if (state && strcmp(state, BY_MIGRATE) != 0)
		return rj_fail(err, -EPROTO,
			       "description: state by '%s', wanted a way that "
			       "this ramjet knows",
			       printable(state, KIND_BYTES_MAX));
	ret->way = state ? RJ_QEMU_BY_MIGRATE : RJ_QEMU_BY_SAVE;
	if (!is_lines(devices))
		return rj_fail(err, -EPROTO,
			       "description: devices that can't be printed, "
			       "wanted lines of text");
	ret->devices = strdup(devices);
	if (!ret->devices)
		return rj_fail(err, -ENOMEM, "description: out of memory");
	return read_blocks(blocks, &ret->parts, err);
}

int rj_qemu_description_read(const void *data, size_t bytes,
			     struct rj_qemu_description *ret,
			     struct ramjet_error *err)
{
	struct rj_qemu_description read = { 0 };
	json_error_t why;
	json_t *object;
	int rc;

	if (!data)
		return rj_fail(err, -EINVAL,
			       "description: the source's guest is no QEMU, "
			       "wanted 'ramjet send qemu:...'");
	object = json_loadb(data, bytes, JSON_REJECT_DUPLICATES, &why);
	if (!object)
		return rj_fail(
			err, -EPROTO, "description: no JSON at byte %d: %s",
			why.position, printable(why.text, sizeof(why.text)));
	rc = read_object(object, &read, err);
	json_decref(object);
	if (rc)
		rj_qemu_description_done(&read);
	else
		*ret = read;
	return rc;
}
