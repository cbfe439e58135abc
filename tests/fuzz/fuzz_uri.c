/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses, as users and managers write them: refused with a reason (which may quote
 * them), or every field is in its range, and no text runs over its end.
 */
#include <stdlib.h>
#include <string.h>

#include "ringio/uri.h"
#include "tests/fuzz/fuzz.h"

static void must(int ok)
{
	if (!ok)
		abort();
}

static void check(const struct rj_uri *uri)
{
	must(memchr(uri->host, 0, sizeof(uri->host)) != NULL);
	must(memchr(uri->path, 0, sizeof(uri->path)) != NULL);
	must(uri->scheme < RJ_URI_VMM && !uri->single);
	if (uri->scheme == RJ_URI_FD)
		must(uri->fd >= 0);
	if (uri->scheme == RJ_URI_UNIX || uri->scheme == RJ_URI_FILE ||
	    uri->scheme == RJ_URI_EXEC)
		must(*uri->path != 0);
	must(rj_uri_is_multi(uri) == (uri->scheme <= RJ_URI_VSOCK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text = malloc(bytes + 1);
	struct ramjet_error err = { 0 };
	struct rj_uri uri;

	must(text != NULL);
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	memset(&uri, 0xee, sizeof(uri));
	if (!rj_uri_parse(text, &uri, &err))
		check(&uri);
	else
		must(err.code < 0 && *err.message &&
		     memchr(err.message, 0, sizeof(err.message)));
	free(text);
	return 0;
}
