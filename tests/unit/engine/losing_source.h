/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_LOSING_SOURCE_H
#define RJ_TESTS_LOSING_SOURCE_H
/* A source played by the test (fake_source.h) whose lanes may be lost. */
#include "engine/wire/lanes.h"
#include "tests/unit/engine/fake_source.h"

#define LOSING_TOKEN UINT64_C(0x1122334455667788)

/* The target and its two lanes, which may be lost. */
void losing_begin_with(struct fake_source *s, uint32_t reconnect_ms);
void losing_begin_on(struct fake_source *s, enum ramjet_backend backend);
/* Over connections that the VMM gives, and that are not bare. */
void losing_begin_given(struct fake_source *s);
void losing_begin(struct fake_source *s);
/* A frame of one raw page, all of one byte: `bytes` of it. */
void losing_send_part(int fd, uint32_t round, uint64_t page, uint8_t fill,
		      size_t bytes);
void losing_send_page(struct fake_source *s, unsigned lane, uint32_t round,
		      uint64_t page, uint8_t fill);
void losing_fence(struct fake_source *s, unsigned lane, uint32_t round,
		  bool final);
void losing_switchover(struct fake_source *s, uint32_t round);
void losing_say_lost(struct fake_source *s, const struct rj_lost *lost);
void losing_say_back(struct fake_source *s, unsigned lane, uint32_t epoch,
		     uint32_t round);
/* Another connection of this lane; the one before is closed. */
void losing_come_back(struct fake_source *s, unsigned lane, uint32_t epoch);
/* Of the control link, forgetting what comes before but READY, which must not. */
void losing_await_body(struct fake_source *s, enum rj_frame_type type,
		       uint8_t *body, size_t bytes);
void losing_expect_lost(struct fake_source *s, unsigned lane, uint32_t epoch,
			uint64_t frames, bool finished);
void losing_expect_joined(struct fake_source *s, unsigned lane, uint32_t epoch,
			  uint32_t round);
void losing_expect_applied(struct fake_source *s, uint32_t round);
/* Until TAKEN tells of so many frames of a lane, and whether it waits. */
void losing_await_taken(struct fake_source *s, unsigned lane, uint64_t frames,
			bool waits);
void losing_expect_page(const struct fake_source *s, uint64_t page,
			uint8_t fill);
/* READY may come now, and everything is there. */
void losing_expect_done(struct fake_source *s);
void losing_expect_failed(struct fake_source *s, int code, const char *words);
#endif
