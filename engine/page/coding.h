/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_CODING_H
#define RJ_ENGINE_PAGE_CODING_H
/* Pages become payload, and payload pages, as the kind of their run says. */
#include "engine/page/codec.h"
#include "engine/page/run_kinds.h"

struct rj_page_payload {
	const uint8_t *from; /* the pages, or a buffer of the lane's */
	uint32_t bytes;
	enum rj_run_kind kind; /* which may be raw after all */
};
static inline struct rj_page_payload rj_page_payload_raw(const uint8_t *pages,
							 uint32_t count,
							 enum rj_run_kind kind)
{
	return (struct rj_page_payload){ pages, count * RAMJET_PAGE_BYTES,
					 kind };
}
/* Of a kind that encodes. */
struct rj_page_payload rj_page_encode(struct rj_page_codec *codec,
				      unsigned frame, uint32_t used,
				      const uint8_t *pages, uint32_t count,
				      enum rj_run_kind kind);
/* What is sent for `count` pages as a run of `kind`. Coded, it lies behind the
 * `used` bytes of coded payload the frame has already; and where that is not
 * worth it, or there is no memory for it, the pages go raw. */
static inline struct rj_page_payload rj_page_payload_of(
	struct rj_page_codec *codec, unsigned frame, uint32_t used,
	const uint8_t *pages, uint32_t count, enum rj_run_kind kind)
{
	const struct rj_run_row *row = &rj_run_rows[kind];

	if (row->in_place)
		return rj_page_payload_raw(pages, count, kind);
	if (row->encode)
		return rj_page_encode(codec, frame, used, pages, count, kind);
	return (struct rj_page_payload){ .kind = kind };
}

/* The payload of all runs that rj_page_codec_expect() noted has come: check
 * each, and only then place them. */
RJ_NODISCARD int rj_page_place(struct rj_page_codec *codec,
			       struct ramjet_error *err);
#endif
