/* SPDX-License-Identifier: BSD-3-Clause */
/* Nothing to run: it compiles only while today's structs begin like v0's. */
#include <assert.h>

#include "ramjet-dirty.h"
#include "tests/abi/v0.h"

#define SAME(s, field)                                        \
	static_assert(offsetof(struct ramjet_##s, field) ==   \
			      offsetof(struct v0_##s, field), \
		      "ramjet_" #s "." #field " moved")
#define NOT_SMALLER(s)                                                    \
	static_assert(sizeof(struct ramjet_##s) >= sizeof(struct v0_##s), \
		      "ramjet_" #s " lost a field")

static_assert(sizeof(struct ramjet_error) == 512,
	      "callers own this one, so it can't grow");

NOT_SMALLER(guest_ops);
SAME(guest_ops, stop);
SAME(guest_ops, start);
SAME(guest_ops, throttle);
SAME(guest_ops, save_state);
SAME(guest_ops, load_state);

NOT_SMALLER(block);
SAME(block, name);
SAME(block, host);
SAME(block, bytes);
SAME(block, page_bytes);
SAME(block, fd);
SAME(block, fd_offset);
SAME(block, kind);
SAME(block, flags);

NOT_SMALLER(dirty_ops);
SAME(dirty_ops, name);
SAME(dirty_ops, start);
SAME(dirty_ops, collect);
SAME(dirty_ops, rearm);
SAME(dirty_ops, stop);
SAME(dirty_ops, free);

NOT_SMALLER(dirty_bitmap);
SAME(dirty_bitmap, block);
SAME(dirty_bitmap, bits);
SAME(dirty_bitmap, bytes);

NOT_SMALLER(params);
SAME(params, channels);
SAME(params, backend);
SAME(params, bandwidth_bytes_per_s);
SAME(params, downtime_limit_us);
SAME(params, connect_timeout_ms);
SAME(params, reply_timeout_ms);
SAME(params, verify);
SAME(params, hold);
SAME(params, strict);
SAME(params, state_bytes_max);
SAME(params, log);
SAME(params, log_user);

int main(void)
{
	return 0;
}
