/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_WIRE_WIRE_H
#define RJ_ENGINE_WIRE_WIRE_H
/*
 * Protocol v2, as docs/protocol.md lays it down: frames, and the bodies of
 * control messages. Everything is little endian, decoded byte by byte and
 * never cast; decoders accept exactly what encoders can make.
 *
 * frame = header (32 bytes), table (run_count * 8 bytes), payload
 */
#include <stddef.h>
#include <stdint.h>

#include "engine/wire/bytes.h"
#include "ramjet.h"
#include "util/compiler.h"

#define RJ_WIRE_VERSION 2u
/* "RMJ1" as bytes on the wire: the same in all versions */
#define RJ_WIRE_MAGIC 0x314a4d52u

/* What docs/protocol.md fixes. 1023 runs and a header are as many pieces as the
 * kernel takes in one call (UIO_MAXIOV, 1024). 4 MiB of pages, 1 MiB of control
 * message and half of it to describe a guest are what a receiver must have room
 * for: chosen. */
#define RJ_HEADER_BYTES      32u
#define RJ_RUN_BYTES         8u
#define RJ_RUNS_MAX          1023u
#define RJ_TABLE_BYTES_MAX   (RJ_RUNS_MAX * RJ_RUN_BYTES)
#define RJ_PAGES_PAYLOAD_MAX (4u << 20)
#define RJ_CONTROL_BODY_MAX  (1u << 20)
#define RJ_GUEST_BODY_MAX    (512u << 10)
#define RJ_BLOCKS_MAX        1024u
#define RJ_BLOCK_NAME_MAX    63u
#define RJ_RUN_PAGE_BITS     40u
#define RJ_RUN_COUNT_MAX     0xfffffu
#define RJ_SESSION_BYTES     16u
/* Of pages that are compressed together. */
#define RJ_GROUP_PAGES        32u
#define RJ_GROUP_WINDOW_BYTES (128u << 10)

enum rj_frame_type {
	RJ_FRAME_HELLO = 0x01,
	RJ_FRAME_BLOCKS = 0x02,
	RJ_FRAME_ACCEPT = 0x03,
	RJ_FRAME_FAILED = 0x04,
	RJ_FRAME_CANCEL = 0x05,
	RJ_FRAME_PING = 0x06,
	RJ_FRAME_PONG = 0x07,
	RJ_FRAME_OFFER = 0x08,
	RJ_FRAME_TAKES = 0x09,
	RJ_FRAME_GUEST = 0x0a,
	RJ_FRAME_PAGES = 0x10,
	RJ_FRAME_FENCE = 0x14,
	RJ_FRAME_STATE = 0x20,
	RJ_FRAME_DIGESTS = 0x21,
	RJ_FRAME_APPLIED = 0x30,
	RJ_FRAME_SWITCHOVER = 0x31,
	RJ_FRAME_READY = 0x32,
	RJ_FRAME_COMMIT = 0x33,
	RJ_FRAME_RUNNING = 0x34,
	RJ_FRAME_LOST = 0x38, /* this and the next: engine/wire/lanes.h */
	RJ_FRAME_BACK = 0x39,
	RJ_FRAME_JOINED = 0x3a,
	RJ_FRAME_TAKEN = 0x3b,
	RJ_FRAME_RESUME = 0x3c, /* these: engine/wire/resume.h */
	RJ_FRAME_KEEPS = 0x3d,
	RJ_FRAME_HEARD = 0x3e,
};
/* "PAGES", or "unknown". */
const char *rj_frame_type_name(uint8_t type);

enum rj_frame_flags {
	RJ_FLAG_OPTIONAL = 1 << 0, /* skip the frame if its type is unknown */
	RJ_FLAG_MORE = 1 << 1,     /* STATE: the record goes on */
	RJ_FLAG_FINAL = 1 << 2,    /* FENCE: no page follows */
	RJ_FLAG_CHECKED = 1 << 3,  /* PAGES: payload_sum is there */
	RJ_FLAG_PAUSED = 1 << 5,   /* COMMIT: the guest shall not start yet */
};
#define RJ_FLAGS_KNOWN 0x2fu

/* What each is: engine/page/run_kinds.c */
enum rj_run_kind {
	RJ_RUN_RAW = 0,
	RJ_RUN_ZERO = 1,
	RJ_RUN_WORD = 2,   /* one word of 8 bytes, again and again */
	RJ_RUN_ZSTD = 3,   /* a group begins: its pages, compressed together */
	RJ_RUN_JOINED = 4, /* further pages of the group that began before */
	RJ_RUN_DELTA = 5,  /* what has changed since they were sent last */
	RJ_RUN_SAME = 6,   /* nothing has: the target has them */
};

enum rj_state_kind {
	RJ_STATE_DEVICE = 1,
	RJ_STATE_HELPERS = 2,
	RJ_STATE_PARTS = 3, /* OPTIONAL: engine/wire/digest_parts.h */
};

struct rj_frame {
	uint8_t type;
	uint8_t flags;
	uint16_t block;
	uint32_t round;
	uint32_t run_count;
	uint32_t payload_bytes;
	uint32_t aux; /* STATE: enum rj_state_kind; DIGESTS: below */
	uint32_t check;
	uint64_t payload_sum; /* PAGES that are CHECKED: XXH3 of the payload */
};

struct rj_wire_run {
	uint64_t page;
	uint32_t count;
	enum rj_run_kind kind;
};

/*
 * Headers. `check` covers header and table, and the payload of every frame
 * but PAGES (whose payload is live memory, unless it is CHECKED): encode takes
 * table and the covered payload, which may be empty.
 */
void rj_frame_encode(const struct rj_frame *frame, const void *table,
		     const void *covered, uint8_t out[RJ_HEADER_BYTES]);
/* Checks magic, flags, reserved bytes, and that counts are legal for the type;
 * unknown types pass when flagged optional. Not the check word. */
RJ_NODISCARD int rj_frame_decode(const uint8_t in[RJ_HEADER_BYTES],
				 struct rj_frame *ret,
				 struct ramjet_error *err);
/* Call when table and covered payload are there. */
RJ_NODISCARD int rj_frame_verify(const uint8_t header[RJ_HEADER_BYTES],
				 const struct rj_frame *frame,
				 const void *table, const void *covered,
				 struct ramjet_error *err);
static inline uint32_t rj_frame_covered_bytes(const struct rj_frame *frame)
{
	return frame->type == RJ_FRAME_PAGES ? 0 : frame->payload_bytes;
}

void rj_run_encode(const struct rj_wire_run *run, uint8_t out[RJ_RUN_BYTES]);
/* Its fields, whatever they say: engine/page/run_table.h judges them. */
static inline struct rj_wire_run rj_run_unpack(const uint8_t in[RJ_RUN_BYTES])
{
	const uint64_t word = rj_get64(in);

	return (struct rj_wire_run){
		.page = word & ((UINT64_C(1) << RJ_RUN_PAGE_BITS) - 1),
		.count =
			(uint32_t)(word >> RJ_RUN_PAGE_BITS) & RJ_RUN_COUNT_MAX,
		.kind = (enum rj_run_kind)(word >> 60),
	};
}

/* ---- bodies ------------------------------------------------------------ */

enum rj_hello_role {
	RJ_ROLE_CONTROL = 0,
	RJ_ROLE_DATA = 1,
	RJ_ROLE_BOTH = 2,    /* one two-way connection carries all */
	RJ_ROLE_ONE_WAY = 3, /* as both, but nothing ever comes back */
};

#define RJ_HELLO_BYTES 40u
struct rj_hello {
	uint16_t version_min, version_max;
	uint8_t role;
	uint16_t channel_index, channel_count;
	uint8_t session[RJ_SESSION_BYTES];
	/* how often this connection of the session was made anew */
	uint32_t epoch;
};
void rj_hello_encode(const struct rj_hello *hello, uint8_t out[RJ_HELLO_BYTES]);
RJ_NODISCARD int rj_hello_decode(const uint8_t *in, size_t bytes,
				 struct rj_hello *ret,
				 struct ramjet_error *err);

/* A block as both sides compare it. */
struct rj_wire_block {
	char name[RJ_BLOCK_NAME_MAX + 1];
	uint64_t bytes;
	uint32_t page_bytes;
	uint32_t kind;
};
/* Returns the body size; out may be NULL to measure. */
size_t rj_blocks_encode(const struct rj_wire_block *blocks, uint32_t count,
			uint8_t *out);
/* At most RJ_BLOCKS_MAX; *ret is malloc()ed. */
RJ_NODISCARD int rj_blocks_decode(const uint8_t *in, size_t bytes,
				  struct rj_wire_block **ret,
				  uint32_t *ret_count,
				  struct ramjet_error *err);

/* FAILED: code is a positive errno. Returns the body size. */
#define RJ_FAILED_BYTES_MAX 512u
size_t rj_failed_encode(const struct ramjet_error *error,
			uint8_t out[RJ_FAILED_BYTES_MAX]);
RJ_NODISCARD int rj_failed_decode(const uint8_t *in, size_t bytes,
				  struct ramjet_error *ret,
				  struct ramjet_error *err);

/* ACCEPT: how many data channels the target takes, 1 to what HELLO wished. */
#define RJ_ACCEPT_BYTES 16u
void rj_accept_encode(uint16_t channel_count, uint8_t out[RJ_ACCEPT_BYTES]);
RJ_NODISCARD int rj_accept_decode(const uint8_t *in, size_t bytes,
				  uint16_t wished, uint16_t *ret_channel_count,
				  struct ramjet_error *err);

/* OFFER: the kinds of runs that the source would send beside RAW and ZERO, a
 * bit each; TAKES: those of them that the target takes. */
#define RJ_KINDS_BYTES 16u
#define RJ_KINDS_MASK  0xfffcu
void rj_kinds_encode(uint32_t kinds, uint8_t out[RJ_KINDS_BYTES]);
/* `type` is for the message. Kinds that this side does not know are none of
 * its concern. */
RJ_NODISCARD int rj_kinds_decode(enum rj_frame_type type, const uint8_t *in,
				 size_t bytes, uint32_t *ret,
				 struct ramjet_error *err);

/* PING, and the PONG that answers it. */
#define RJ_PING_BYTES 8u

/* DIGESTS: one of 16 bytes a block. */
#define RJ_DIGEST_BYTES 16u
/* aux: enum rj_digest_of (engine/page/digest.h) */
#define RJ_DIGESTS_AUX_MAX 1u
struct rj_digest {
	uint64_t low, high;
};
void rj_digest_encode(const struct rj_digest *digest,
		      uint8_t out[RJ_DIGEST_BYTES]);
void rj_digest_decode(const uint8_t in[RJ_DIGEST_BYTES], struct rj_digest *ret);

/* READY: what was verified, and what took the target so long. */
#define RJ_READY_BYTES 48u
struct rj_ready {
	uint32_t verified_blocks;
	uint64_t apply_us;   /* SWITCHOVER read, to the last page applied */
	uint64_t digests_us; /* comparing them; 0: none were sent */
	uint64_t load_us;    /* load_state */
	uint64_t helpers_us; /* checking and loading helpers' state */
};
void rj_ready_encode(const struct rj_ready *ready, uint8_t out[RJ_READY_BYTES]);
RJ_NODISCARD int rj_ready_decode(const uint8_t *in, size_t bytes,
				 struct rj_ready *ret,
				 struct ramjet_error *err);

/* COMMIT: a token nobody can know before, which RUNNING returns. */
#define RJ_COMMIT_BYTES 8u

/* RUNNING: microseconds from reading COMMIT until the guest ran. */
#define RJ_RUNNING_BYTES 16u
struct rj_running {
	uint64_t start_us;
	uint64_t token; /* that of COMMIT */
};
void rj_running_encode(const struct rj_running *running,
		       uint8_t out[RJ_RUNNING_BYTES]);
RJ_NODISCARD int rj_running_decode(const uint8_t *in, size_t bytes,
				   struct rj_running *ret,
				   struct ramjet_error *err);

/* Of bodies that engine/wire/lanes.h and engine/wire/resume.h have; TAKEN: of
 * each lane. */
#define RJ_LOST_BYTES       24u
#define RJ_LANE_ROUND_BYTES 16u
#define RJ_TAKEN_BYTES      16u
#define RJ_RESUME_BYTES     16u
#define RJ_KEEPS_BYTES      16u
#define RJ_HEARD_BYTES      8u
#endif
