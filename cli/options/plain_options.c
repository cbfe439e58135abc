/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options/plain_options.h"

#include <errno.h>

#include "util/error.h"

int rj_cli_plain_options(int argc, char **argv, const struct option *options,
			 rj_cli_plain_option_fn *take, void *user,
			 struct ramjet_error *err)
{
	int option, rc = 0;

	optind = 0; /* glibc: begin anew, with all its state */
	opterr = 0;
	while (rc >= 0 &&
	       (option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == ':' || option == '?')
			rc = rj_fail(err, -EINVAL, "'%s' %s", argv[optind - 1],
				     option == ':'
					     ? "wants a value"
					     : "is not an option here, "
					       "wanted one of the help's");
		else
			rc = take(option, optarg, user, err);
	}
	return rc;
}
