/* SPDX-License-Identifier: BSD-3-Clause */
/* What is set at a QEMU is put back. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/qemu/settings.h"
#include "tests/unit/cli/qemu/scripted_qemu.h"
#include "util/compiler.h"

/* Those of a source that is saved by a migration: what puts them back says all. */
static void a_sources_settings_can_be_put_back(void **state RJ_UNUSED)
{
	static const struct answer answers[] = {
		{ "query-migrate-parameters",
		  "{\"tls-creds\": \"tls0\", \"max-bandwidth\": 1000}" },
		{ NULL, NULL },
	};
	struct scripted s = { .answers = answers };
	struct rj_qemu q = RJ_QEMU_NONE;
	struct rj_qemu_settings settings = { 0 };
	char *text = NULL;

	scripted_start(&s);
	assert_int_equal(rj_qemu_open(s.path, &q, NULL), 0);
	assert_int_equal(rj_qemu_settings_set_source(&q, &settings, NULL), 0);
	assert_int_equal(settings.bandwidth, 1000);
	assert_int_equal(rj_qemu_settings_undo(&settings, &text, NULL), 0);
	assert_non_null(strstr(text, "{\"capability\":\"events\","
				     "\"state\":false}"));
	assert_non_null(strstr(text, "{\"tls-creds\":\"tls0\"}}\n"));
	assert_non_null(strstr(text, "{\"max-bandwidth\":1000}}\n"));
	free(text);
	rj_qemu_settings_done(&settings);
	rj_qemu_close(&q);
	scripted_end(&s);
	/* It was on already. */
	assert_null(json_object_get(s.capabilities, "x-ignore-shared"));
	scripted_free(&s);
}

static void settings_are_put_back(void **state RJ_UNUSED)
{
	static const char *const broken[] = { NULL, "migrate-set-parameters",
					      "query-migrate-parameters" };

	for (size_t i = 0; i < RJ_ARRAY_SIZE(broken); i++) {
		struct scripted s = { .broken = broken[i],
				      .fault = FAULT_REFUSAL };
		struct rj_qemu q = RJ_QEMU_NONE;
		struct rj_qemu_settings settings = { 0 };
		int rc;

		scripted_start(&s);
		assert_int_equal(rj_qemu_open(s.path, &q, NULL), 0);
		rc = rj_qemu_settings_set(&q, RJ_QEMU_BY_SAVE, &settings, NULL);
		assert_int_equal(rc, broken[i] ? -EREMOTEIO : 0);
		assert_int_equal(rj_qemu_settings_put_back(&q, &settings, NULL),
				 0);
		rj_qemu_close(&q);
		scripted_end(&s);
		/* multifd was off and isn't touched. */
		assert_int_equal(json_object_size(s.capabilities), 3);
		assert_true(json_is_true(
			json_object_get(s.capabilities, "x-ignore-shared")));
		assert_true(json_is_false(
			json_object_get(s.capabilities, "events")));
		assert_true(json_is_false(json_object_get(
			s.capabilities, "late-block-activate")));
		scripted_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_put_back),
		cmocka_unit_test(a_sources_settings_can_be_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
