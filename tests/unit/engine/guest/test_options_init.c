/* SPDX-License-Identifier: BSD-3-Clause */
#include "ramjet-helper.h"
#include "ramjet-kvm.h"
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "ramjet-connect.h"
#include "ramjet-dirty.h"

/* The functions say what the macros say, byte for byte. */
#define SAME(name, MACRO)                                             \
	do {                                                          \
		static const struct ramjet_##name wanted = { MACRO }; \
		struct ramjet_##name found;                           \
                                                                      \
		memset(&found, 0xa5, sizeof(found));                  \
		ramjet_##name##_init(&found);                         \
		assert_int_equal(found.size, sizeof(found));          \
		assert_memory_equal(&found, &wanted, sizeof(found));  \
	} while (0)

static void functions_and_macros_agree(void **state)
{
	(void)state;
	SAME(guest_ops, RAMJET_GUEST_OPS_INIT);
	SAME(block, RAMJET_BLOCK_INIT);
	SAME(dirty_ops, RAMJET_DIRTY_OPS_INIT);
	SAME(dirty_bitmap, RAMJET_DIRTY_BITMAP_INIT);
	SAME(dirty_kvm_log, RAMJET_DIRTY_KVM_LOG_INIT);
	SAME(dirty_kvm_ring, RAMJET_DIRTY_KVM_RING_INIT);
	SAME(connection_ops, RAMJET_CONNECTION_OPS_INIT);
	SAME(connection, RAMJET_CONNECTION_INIT);
	SAME(connector, RAMJET_CONNECTOR_INIT);
	SAME(params, RAMJET_PARAMS_INIT);
	SAME(helper_options, RAMJET_HELPER_OPTIONS_INIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_and_macros_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
