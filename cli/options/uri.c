/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options/uri.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "util/error.h"

int rj_cli_check_unix(const char *what, const char *text,
		      struct ramjet_error *err)
{
	const size_t limit = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	const size_t bytes = strlen(text + strlen("unix:"));

	if (bytes <= limit)
		return 0;
	return rj_fail(err, -ERANGE,
		       "%s: the path after unix: has %zu bytes, wanted at most "
		       "%zu",
		       what, bytes, limit);
}

/* Only a target may leave the port to the system (0). */
static int check_tcp(const char *what, const char *text,
		     const struct rj_cli_command_line *line,
		     struct ramjet_error *err)
{
	const char *colon = strrchr(text, ':');

	if (line->command != RJ_CLI_SEND || !colon[1] ||
	    colon[1 + strspn(colon + 1, "0")])
		return 0;
	return rj_fail(err, -EINVAL,
		       "%s: '%s' has port 0, wanted the one where the target "
		       "listens",
		       what, text);
}

/* Checked here, since the library only checks it when it connects. */
static int check(const char *what, const char *text,
		 const struct rj_cli_command_line *line,
		 struct ramjet_error *err)
{
	if (!strncmp(text, "unix:", 5))
		return rj_cli_check_unix(what, text, err);
	if (!strncmp(text, "tcp:", 4))
		return check_tcp(what, text, line, err);
	return 0;
}

static const char *const schemes[] = { "tcp:", "unix:", "vsock:",
				       "fd:",  "exec:", "file:" };
#define LISTENING 3 /* the first so many: what a target can be reached at */

int rj_cli_uri(const char *what, const char *text,
	       struct rj_cli_command_line *line, struct ramjet_error *err)
{
	const bool demo = line->command == RJ_CLI_DEMO;
	const size_t count = demo ? LISTENING : RJ_ARRAY_SIZE(schemes);

	if (line->command == RJ_CLI_RECV && !strcmp(text, "defer")) {
		line->uri = NULL;
		line->defer = true;
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(schemes[i]);

		if (strncmp(text, schemes[i], length) || !text[length])
			continue;
		line->uri = text;
		return check(what, text, line, err);
	}
	if (demo)
		return rj_fail(err, -EINVAL,
			       "%s: '%s' is not where demo's own target can "
			       "listen, wanted tcp:HOST:PORT, unix:PATH or "
			       "vsock:CID:PORT",
			       what, text);
	return rj_fail(err, -EINVAL,
		       "%s: '%s' is not a URI, wanted tcp:HOST:PORT, "
		       "unix:PATH, vsock:CID:PORT, fd:N, exec:COMMAND or "
		       "file:PATH",
		       what, text);
}
