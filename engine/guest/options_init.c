/* SPDX-License-Identifier: BSD-3-Clause */
#include "ramjet-connect.h"
#include "ramjet-dirty.h"
#include "ramjet-helper.h"
#include "ramjet-kvm.h"
#include "ramjet-remote.h"
#include "util/options.h"

/* In brackets, since a macro of the same name adds the size. */
#define INIT(name, defaults)                                                  \
	RAMJET_API void(ramjet_##name##_init)(struct ramjet_##name * options, \
					      size_t size)                    \
	{                                                                     \
		static const struct ramjet_##name known = { defaults };       \
                                                                              \
		rj_options_init(options, size, &known, sizeof(known));        \
	}

INIT(guest_ops, RAMJET_GUEST_OPS_INIT)
INIT(block, RAMJET_BLOCK_INIT)
INIT(dirty_ops, RAMJET_DIRTY_OPS_INIT)
INIT(dirty_bitmap, RAMJET_DIRTY_BITMAP_INIT)
INIT(kvm_slot, RAMJET_KVM_SLOT_INIT)
INIT(dirty_kvm_log, RAMJET_DIRTY_KVM_LOG_INIT)
INIT(dirty_kvm_ring, RAMJET_DIRTY_KVM_RING_INIT)
INIT(memory_ops, RAMJET_MEMORY_OPS_INIT)
INIT(process_memory_options, RAMJET_PROCESS_MEMORY_OPTIONS_INIT)
INIT(remote_range, RAMJET_REMOTE_RANGE_INIT)
INIT(dirty_remote, RAMJET_DIRTY_REMOTE_INIT)
INIT(log_range, RAMJET_LOG_RANGE_INIT)
INIT(dirty_log, RAMJET_DIRTY_LOG_INIT)
INIT(connection_ops, RAMJET_CONNECTION_OPS_INIT)
INIT(connection, RAMJET_CONNECTION_INIT)
INIT(connector, RAMJET_CONNECTOR_INIT)
INIT(params, RAMJET_PARAMS_INIT)
INIT(helper_options, RAMJET_HELPER_OPTIONS_INIT)
