/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guests of the command line, KIND:key=value,...: refused with a reason (which may
 * quote them), or every field is in its range; and read again, the text says the same.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/guest/spec.h"
#include "tests/fuzz/fuzz.h"

static struct rj_cli_guest_spec spec, again;

static void must(int ok)
{
	if (!ok)
		abort();
}

static void check(void)
{
	must(memchr(spec.kind, 0, sizeof(spec.kind)) && *spec.kind);
	must(memchr(spec.path, 0, sizeof(spec.path)) != NULL);
	must(memchr(spec.text, 0, sizeof(spec.text)) != NULL);
	must(spec.threads <= RJ_CLI_THREADS_MAX);
	must(spec.zero_percent <= 100 && spec.compressible_percent <= 100);
	must(spec.pattern < RJ_CLI_PATTERN_COUNT_);
	must(spec.pages < RJ_CLI_PAGES_COUNT_);
	must(!spec.touch_bytes || (spec.touch_bytes >= RJ_CLI_TOUCH_MIN &&
				   spec.touch_bytes <= RJ_CLI_TOUCH_MAX));
	must(spec.bytes % RAMJET_PAGE_BYTES == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text = malloc(bytes + 1);
	struct ramjet_error err = { 0 };

	must(text != NULL);
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	if (!rj_cli_guest_spec_parse(text, &spec, &err)) {
		check();
		must(!rj_cli_guest_spec_parse(spec.text, &again, &err));
		must(spec.bytes == again.bytes &&
		     !strcmp(spec.path, again.path));
	} else {
		must(err.code < 0 && *err.message &&
		     memchr(err.message, 0, sizeof(err.message)));
	}
	free(text);
	return 0;
}
