/* SPDX-License-Identifier: BSD-3-Clause */
/* A library built without D-Bus, for tests of the command. */
#include <errno.h>

#include "ramjet-helper.h"
#include "tests/unit/cli/fake_ramjet.h"
#include "util/error.h"

static int refuse(struct ramjet_error *err)
{
	return rj_fail(err, -EOPNOTSUPP, "helpers: built without libsystemd");
}

int ramjet_guest_set_helpers(struct ramjet_guest *guest,
			     const struct ramjet_helper_options *options,
			     struct ramjet_error *err)
{
	(void)guest;
	(void)err;
	(void)snprintf(fake.bus, sizeof(fake.bus), "%s", options->bus_address);
	return 0;
}

int ramjet_helpers_list(const struct ramjet_helper_options *options,
			struct ramjet_helper_info **ret_helpers,
			size_t *ret_count, struct ramjet_error *err)
{
	(void)options;
	(void)ret_helpers;
	(void)ret_count;
	return refuse(err);
}

int ramjet_helpers_save(const struct ramjet_helper_options *options,
			void **ret_data, size_t *ret_bytes,
			struct ramjet_helper_info **ret_helpers,
			size_t *ret_count, struct ramjet_error *err)
{
	(void)options;
	(void)ret_data;
	(void)ret_bytes;
	(void)ret_helpers;
	(void)ret_count;
	return refuse(err);
}

int ramjet_helpers_load(const struct ramjet_helper_options *options,
			const void *data, size_t bytes,
			struct ramjet_helper_info **ret_helpers,
			size_t *ret_count, struct ramjet_error *err)
{
	(void)options;
	(void)data;
	(void)bytes;
	(void)ret_helpers;
	(void)ret_count;
	return refuse(err);
}

void ramjet_helpers_free(struct ramjet_helper_info *list)
{
	(void)list;
}

int ramjet_helper_new(const char *bus_address, const char *id,
		      ramjet_helper_save_fn *save, ramjet_helper_load_fn *load,
		      void *user, struct ramjet_helper **ret,
		      struct ramjet_error *err)
{
	(void)bus_address;
	(void)id;
	(void)save;
	(void)load;
	(void)user;
	(void)ret;
	return refuse(err);
}

int ramjet_helper_free(struct ramjet_helper *helper)
{
	(void)helper;
	return 0;
}

int ramjet_helper_set_limit(struct ramjet_helper *helper, uint64_t bytes)
{
	(void)helper;
	(void)bytes;
	return -EOPNOTSUPP;
}

const char *ramjet_helper_bus_name(const struct ramjet_helper *helper)
{
	(void)helper;
	return "";
}

int ramjet_helper_run(struct ramjet_helper *helper, int stop_fd,
		      struct ramjet_error *err)
{
	(void)helper;
	(void)stop_fd;
	return refuse(err);
}
