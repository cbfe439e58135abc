/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/wire/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "engine/wire/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/utf8.h"

/*
 * HELLO: 0 version_min u16, 2 version_max u16, 4 role u8, 5 reserved[3],
 * 8 channel_index u16, 10 channel_count u16, 12 page_bytes u32,
 * 16 session[16], 32 epoch u32, 36 reserved u32.
 */
void rj_hello_encode(const struct rj_hello *hello, uint8_t out[RJ_HELLO_BYTES])
{
	memset(out, 0, RJ_HELLO_BYTES);
	rj_put16(out, hello->version_min);
	rj_put16(out + 2, hello->version_max);
	out[4] = hello->role;
	rj_put16(out + 8, hello->channel_index);
	rj_put16(out + 10, hello->channel_count);
	rj_put32(out + 12, RAMJET_PAGE_BYTES);
	memcpy(out + 16, hello->session, RJ_SESSION_BYTES);
	rj_put32(out + 32, hello->epoch);
}

static bool all_zero(const uint8_t *bytes, size_t count)
{
	uint8_t seen = 0;

	for (size_t i = 0; i < count; i++)
		seen |= bytes[i];
	return !seen;
}

static int refuse_version(const struct rj_hello *hello,
			  struct ramjet_error *err)
{
	if (hello->version_min == hello->version_max)
		return rj_fail(err, -EPROTONOSUPPORT,
			       "HELLO: peer speaks protocol version %u, this "
			       "side speaks %u",
			       hello->version_min, RJ_WIRE_VERSION);
	return rj_fail(err, -EPROTONOSUPPORT,
		       "HELLO: peer speaks protocol versions %u to %u, "
		       "this side speaks %u",
		       hello->version_min, hello->version_max, RJ_WIRE_VERSION);
}

int rj_hello_decode(const uint8_t *in, size_t bytes, struct rj_hello *ret,
		    struct ramjet_error *err)
{
	struct rj_hello hello = { 0 };

	if (bytes != RJ_HELLO_BYTES)
		return rj_fail(err, -EPROTO, "HELLO: %zu bytes, wanted %u",
			       bytes, RJ_HELLO_BYTES);
	hello.version_min = rj_get16(in);
	hello.version_max = rj_get16(in + 2);
	hello.role = in[4];
	hello.channel_index = rj_get16(in + 8);
	hello.channel_count = rj_get16(in + 10);
	memcpy(hello.session, in + 16, RJ_SESSION_BYTES);
	hello.epoch = rj_get32(in + 32);
	if (hello.version_min > RJ_WIRE_VERSION ||
	    hello.version_max < RJ_WIRE_VERSION)
		return refuse_version(&hello, err);
	if (!all_zero(in + 5, 3) || rj_get32(in + 36))
		return rj_fail(err, -EPROTO, "HELLO: reserved bytes not 0");
	if (hello.role > RJ_ROLE_ONE_WAY)
		return rj_fail(err, -EPROTO, "HELLO: unknown role %u",
			       hello.role);
	if (rj_get32(in + 12) != RAMJET_PAGE_BYTES)
		return rj_fail(err, -EPROTO, "HELLO: pages of %u bytes, not %u",
			       rj_get32(in + 12), RAMJET_PAGE_BYTES);
	if (!hello.channel_count || hello.channel_count > RAMJET_CHANNELS_MAX ||
	    hello.channel_index >= hello.channel_count)
		return rj_fail(err, -EPROTO,
			       "HELLO: channel %u of %u, at most %u allowed",
			       hello.channel_index, hello.channel_count,
			       RAMJET_CHANNELS_MAX);
	if ((hello.role != RJ_ROLE_DATA && hello.channel_index) ||
	    (hello.role > RJ_ROLE_DATA && hello.channel_count != 1))
		return rj_fail(err, -EPROTO,
			       "HELLO: role %u as channel %u of %u: only data "
			       "connections are numbered",
			       hello.role, hello.channel_index,
			       hello.channel_count);
	if (hello.role > RJ_ROLE_DATA && hello.epoch)
		return rj_fail(err, -EPROTO,
			       "HELLO: role %u of epoch %u: only connections "
			       "of their own return",
			       hello.role, hello.epoch);
	*ret = hello;
	return 0;
}

/*
 * BLOCKS: 0 count u32, 4 reserved u32, then each block: 0 bytes u64,
 * 8 page_bytes u32, 12 kind u32, 16 name_length u16, 18 reserved[6],
 * 24 name.
 */
#define BLOCKS_HEAD 8u
#define BLOCK_HEAD  24u

size_t rj_blocks_encode(const struct rj_wire_block *blocks, uint32_t count,
			uint8_t *out)
{
	size_t at = BLOCKS_HEAD;

	if (out) {
		rj_put32(out, count);
		rj_put32(out + 4, 0);
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct rj_wire_block *block = &blocks[i];
		const size_t length = strlen(block->name);

		if (out) {
			memset(out + at, 0, BLOCK_HEAD);
			rj_put64(out + at, block->bytes);
			rj_put32(out + at + 8, block->page_bytes);
			rj_put32(out + at + 12, block->kind);
			rj_put16(out + at + 16, (uint16_t)length);
			memcpy(out + at + BLOCK_HEAD, block->name, length);
		}
		at += BLOCK_HEAD + length;
	}
	return at;
}

/* Sizes that page numbers of runs can express, in pages that exist. */
static int check_block(const struct rj_wire_block *block,
		       struct ramjet_error *err)
{
	const uint32_t page_bytes = block->page_bytes;

	if (page_bytes < RAMJET_PAGE_BYTES || page_bytes & (page_bytes - 1))
		return rj_fail(err, -EPROTO,
			       "BLOCKS: block %s: backing pages of %u bytes, "
			       "wanted a power of two from %u",
			       block->name, page_bytes, RAMJET_PAGE_BYTES);
	if (!block->bytes || block->bytes % RAMJET_PAGE_BYTES ||
	    block->bytes / RAMJET_PAGE_BYTES > UINT64_C(1) << RJ_RUN_PAGE_BITS)
		return rj_fail(err, -EPROTO,
			       "BLOCKS: block %s: %llu bytes, wanted whole "
			       "pages, 1 to 2^%u of them",
			       block->name, (unsigned long long)block->bytes,
			       RJ_RUN_PAGE_BITS);
	return 0;
}

static int decode_block(const uint8_t *in, size_t left, uint32_t index,
			struct rj_wire_block *ret, size_t *ret_used,
			struct ramjet_error *err)
{
	size_t length;

	if (left < BLOCK_HEAD)
		return rj_fail(err, -EPROTO, "BLOCKS: block %u is cut short",
			       index);
	length = rj_get16(in + 16);
	if (!length || length > RJ_BLOCK_NAME_MAX || length > left - BLOCK_HEAD)
		return rj_fail(err, -EPROTO,
			       "BLOCKS: block %u: name of %zu bytes, "
			       "wanted 1 to %u within the message",
			       index, length, RJ_BLOCK_NAME_MAX);
	if (!all_zero(in + 18, 6))
		return rj_fail(err, -EPROTO,
			       "BLOCKS: block %u: reserved bytes not 0", index);
	if (!rj_utf8_is_printable(in + BLOCK_HEAD, length))
		return rj_fail(err, -EPROTO,
			       "BLOCKS: block %u: its name is not printable "
			       "UTF-8",
			       index);
	memset(ret, 0, sizeof(*ret));
	ret->bytes = rj_get64(in);
	ret->page_bytes = rj_get32(in + 8);
	ret->kind = rj_get32(in + 12);
	memcpy(ret->name, in + BLOCK_HEAD, length);
	*ret_used = BLOCK_HEAD + length;
	return check_block(ret, err);
}

/* Else two indices would name the same memory. */
static int check_unique(const struct rj_wire_block *blocks, uint32_t count,
			struct ramjet_error *err)
{
	for (uint32_t i = 1; i < count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(blocks[i].name, blocks[j].name))
				return rj_fail(err, -EPROTO,
					       "BLOCKS: blocks %u and %u are "
					       "both named %s",
					       j, i, blocks[i].name);
	return 0;
}

int rj_blocks_decode(const uint8_t *in, size_t bytes,
		     struct rj_wire_block **ret, uint32_t *ret_count,
		     struct ramjet_error *err)
{
	rj_autofree struct rj_wire_block *blocks = NULL;
	size_t at = BLOCKS_HEAD, used = 0;
	uint32_t count;
	int rc;

	if (bytes < BLOCKS_HEAD || rj_get32(in + 4))
		return rj_fail(err, -EPROTO, "BLOCKS: malformed head");
	count = rj_get32(in);
	if (!count || count > RJ_BLOCKS_MAX)
		return rj_fail(err, -EPROTO,
			       "BLOCKS: %u blocks, wanted 1 to %u", count,
			       RJ_BLOCKS_MAX);
	blocks = calloc(count, sizeof(*blocks));
	if (!blocks)
		return rj_fail(err, -ENOMEM, "BLOCKS: out of memory");
	for (uint32_t i = 0; i < count; i++) {
		rc = decode_block(in + at, bytes - at, i, &blocks[i], &used,
				  err);
		if (rc)
			return rc;
		at += used;
	}
	if (at != bytes)
		return rj_fail(err, -EPROTO,
			       "BLOCKS: %zu bytes after the last block",
			       bytes - at);
	rc = check_unique(blocks, count, err);
	if (rc)
		return rc;
	*ret = rj_steal(blocks);
	*ret_count = count;
	return 0;
}

#define ERRNO_MAX 4095

static_assert(RJ_FAILED_BYTES_MAX - 8 <
		      sizeof(((struct ramjet_error *)0)->message),
	      "every text on the wire fits an error");

/* FAILED: 0 code u32 (positive errno), 4 reserved u32, 8 text (no NUL). */
size_t rj_failed_encode(const struct ramjet_error *error,
			uint8_t out[RJ_FAILED_BYTES_MAX])
{
	size_t length = strlen(error->message);
	uint32_t code = EIO;

	if (length > RJ_FAILED_BYTES_MAX - 8)
		length = RJ_FAILED_BYTES_MAX - 8;
	/* A failure without a proper errno is a failure all the same. */
	if (error->code < 0 && error->code >= -ERRNO_MAX)
		code = (uint32_t)-error->code;
	rj_put32(out, code);
	rj_put32(out + 4, 0);
	memcpy(out + 8, error->message, length);
	return 8 + length;
}

int rj_failed_decode(const uint8_t *in, size_t bytes, struct ramjet_error *ret,
		     struct ramjet_error *err)
{
	uint32_t code;
	size_t length = bytes - 8, used;

	if (bytes < 8 || bytes > RJ_FAILED_BYTES_MAX || rj_get32(in + 4))
		return rj_fail(err, -EPROTO, "FAILED: malformed");
	code = rj_get32(in);
	if (!code || code > ERRNO_MAX)
		return rj_fail(err, -EPROTO, "FAILED: code %u, wanted an errno",
			       code);
	ret->code = -(int)code;
	memcpy(ret->message, in + 8, length);
	ret->message[length] = '\0';
	for (size_t at = 0; at < length; at += used) {
		used = rj_utf8_printable_width(in + 8 + at, length - at);
		if (used)
			continue;
		ret->message[at] = '?';
		used = 1;
	}
	return 0;
}
