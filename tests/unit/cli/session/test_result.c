/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/session/result.h"
#include "util/compiler.h"

static void fast_paths_are_told_whole(void **state)
{
	static const struct ramjet_fast_path_info paths[] = {
		{ .size = sizeof(paths[0]),
		  .name = "compression",
		  .chosen = "auto: off",
		  .reason = "off 100 % of the time; 0 tries, 0 in vain; at "
			    "last: the network was not waited for" },
		{ .size = sizeof(paths[0]),
		  .name = "numa",
		  .chosen = "off",
		  .reason = "one node" },
		{ .size = sizeof(paths[0]),
		  .name = "populated map",
		  .chosen = "pagemap_scan",
		  .reason = "" },
	};
	const struct ramjet_info info = {
		.size = sizeof(info),
		.fast_paths = paths,
		.fast_path_count = RJ_ARRAY_SIZE(paths),
	};
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	(void)state;
	assert_non_null(out);
	rj_cli_result_paths(&info, out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(
		text,
		"  fast paths compression: auto: off (off 100 % of the time; 0 "
		"tries, 0 in vain;\n"
		"             at last: the network was not waited for); numa: "
		"off (one node)\n"
		"             populated map: pagemap_scan\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fast_paths_are_told_whole),
	};

	return cmocka_run_group_tests_name("session_result", tests, NULL, NULL);
}
