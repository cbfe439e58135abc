/* SPDX-License-Identifier: BSD-3-Clause */
/* ramjet_helpers_*() and ramjet_helper_*() without libsystemd. */
#include "dbus/absent.h"
#include "util/compiler.h"

RAMJET_API int ramjet_helpers_list(
	RJ_UNUSED const struct ramjet_helper_options *options,
	RJ_UNUSED struct ramjet_helper_info **ret_helpers,
	RJ_UNUSED size_t *ret_count, struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

RAMJET_API int ramjet_helpers_save(
	RJ_UNUSED const struct ramjet_helper_options *options,
	RJ_UNUSED void **ret_data, RJ_UNUSED size_t *ret_bytes,
	RJ_UNUSED struct ramjet_helper_info **ret_helpers,
	RJ_UNUSED size_t *ret_count, struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

RAMJET_API int ramjet_helpers_load(
	RJ_UNUSED const struct ramjet_helper_options *options,
	RJ_UNUSED const void *data, RJ_UNUSED size_t bytes,
	RJ_UNUSED struct ramjet_helper_info **ret_helpers,
	RJ_UNUSED size_t *ret_count, struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

RAMJET_API void ramjet_helpers_free(
	RJ_UNUSED struct ramjet_helper_info *helpers)
{
}

RAMJET_API int ramjet_helper_new(RJ_UNUSED const char *bus_address,
				 RJ_UNUSED const char *id,
				 RJ_UNUSED ramjet_helper_save_fn *save,
				 RJ_UNUSED ramjet_helper_load_fn *load,
				 RJ_UNUSED void *user,
				 RJ_UNUSED struct ramjet_helper **ret,
				 struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

RAMJET_API int ramjet_helper_free(RJ_UNUSED struct ramjet_helper *helper)
{
	return 0;
}

RAMJET_API int ramjet_helper_set_limit(RJ_UNUSED struct ramjet_helper *helper,
				       RJ_UNUSED uint64_t bytes)
{
	return rj_helpers_absent(NULL);
}

RAMJET_API const char *ramjet_helper_bus_name(
	RJ_UNUSED const struct ramjet_helper *helper)
{
	return "";
}

RAMJET_API int ramjet_helper_run(RJ_UNUSED struct ramjet_helper *helper,
				 RJ_UNUSED int stop_fd,
				 struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

RAMJET_API int ramjet_helper_fd(RJ_UNUSED struct ramjet_helper *helper)
{
	return rj_helpers_absent(NULL);
}

RAMJET_API int ramjet_helper_events(RJ_UNUSED struct ramjet_helper *helper)
{
	return rj_helpers_absent(NULL);
}

RAMJET_API int ramjet_helper_timeout_ms(RJ_UNUSED struct ramjet_helper *helper)
{
	return rj_helpers_absent(NULL);
}

RAMJET_API int ramjet_helper_process(RJ_UNUSED struct ramjet_helper *helper,
				     struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}
