/* SPDX-License-Identifier: BSD-3-Clause */
/* dbus/vmstate.h without libsystemd. */
#include "dbus/absent.h"

#include <errno.h>
#include <string.h>

#include "dbus/vmstate.h"
#include "util/error.h"

int rj_helpers_absent(struct ramjet_error *err)
{
	return rj_fail(err, -EOPNOTSUPP,
		       "helpers: this ramjet was built without D-Bus "
		       "(libsystemd)");
}

bool rj_helpers_supported(void)
{
	return false;
}

int rj_helpers_open(RJ_UNUSED const struct ramjet_helper_options *options,
		    RJ_UNUSED const struct rj_log *log, RJ_UNUSED int wake_fd,
		    RJ_UNUSED struct rj_helpers **ret, struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

void rj_helpers_free(RJ_UNUSED struct rj_helpers *helpers)
{
}

size_t rj_helpers_count(RJ_UNUSED const struct rj_helpers *helpers)
{
	return 0;
}

int rj_helpers_check(RJ_UNUSED struct rj_helpers *helpers,
		     struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

int rj_helpers_begin_save(RJ_UNUSED struct rj_helpers *helpers,
			  RJ_UNUSED uint64_t deadline_ns,
			  struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

int rj_helpers_process(RJ_UNUSED struct rj_helpers *helpers,
		       struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

void rj_helpers_abort(RJ_UNUSED struct rj_helpers *helpers)
{
}

int rj_helpers_poll(RJ_UNUSED struct rj_helpers *helpers,
		    RJ_UNUSED struct pollfd *ret,
		    RJ_UNUSED uint64_t *ret_deadline_ns)
{
	return rj_helpers_absent(NULL);
}

int rj_helpers_finish_save(RJ_UNUSED struct rj_helpers *helpers,
			   RJ_UNUSED void **ret_blob,
			   RJ_UNUSED size_t *ret_bytes,
			   struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

int rj_helpers_save_all(RJ_UNUSED struct rj_helpers *helpers,
			RJ_UNUSED uint64_t deadline_ns,
			RJ_UNUSED void **ret_blob, RJ_UNUSED size_t *ret_bytes,
			struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

int rj_helpers_rehearse(RJ_UNUSED struct rj_helpers *helpers,
			RJ_UNUSED uint64_t deadline_ns,
			struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

/* A blob that carries nothing needs no D-Bus. */
int rj_helpers_check_arriving(RJ_UNUSED struct rj_helpers *helpers,
			      const void *blob, size_t bytes,
			      struct ramjet_error *err)
{
	static const unsigned char empty[4];

	if (!bytes || (bytes == sizeof(empty) && !memcmp(blob, empty, bytes)))
		return 0;
	return rj_helpers_absent(err);
}

int rj_helpers_load_all(RJ_UNUSED struct rj_helpers *helpers,
			RJ_UNUSED const void *blob, RJ_UNUSED size_t bytes,
			RJ_UNUSED uint64_t deadline_ns,
			struct ramjet_error *err)
{
	return rj_helpers_absent(err);
}

int rj_helpers_results(RJ_UNUSED const struct rj_helpers *helpers,
		       RJ_UNUSED struct rj_helper_result **ret,
		       RJ_UNUSED size_t *ret_count)
{
	return rj_helpers_absent(NULL);
}

void rj_helpers_times(RJ_UNUSED const struct rj_helpers *helpers,
		      uint64_t *ret_whole_us, uint64_t *ret_slowest_us)
{
	*ret_whole_us = *ret_slowest_us = 0;
}
