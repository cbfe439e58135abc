/* SPDX-License-Identifier: BSD-3-Clause */
/* ramjet-remote.h for tests of the command that move nothing of the kind. */
#include <errno.h>

#include "ramjet-remote.h"

int ramjet_guest_drop_blocks(struct ramjet_guest *guest,
			     struct ramjet_error *err)
{
	(void)guest;
	(void)err;
	return -ENOSYS;
}

int ramjet_process_memory_new(
	const struct ramjet_process_memory_options *options,
	struct ramjet_process_memory **ret, struct ramjet_error *err)
{
	(void)options;
	(void)ret;
	(void)err;
	return -ENOSYS;
}

const struct ramjet_memory_ops *ramjet_process_memory_ops(void)
{
	return NULL;
}

void ramjet_process_memory_free(struct ramjet_process_memory *memory)
{
	(void)memory;
}

int ramjet_dirty_remote_new(const struct ramjet_dirty_remote *remote,
			    struct ramjet_dirty_source **ret,
			    struct ramjet_error *err)
{
	(void)remote;
	(void)ret;
	(void)err;
	return -ENOSYS;
}

int ramjet_dirty_new(const struct ramjet_dirty_ops *ops, void *user,
		     struct ramjet_dirty_source **ret, struct ramjet_error *err)
{
	(void)ops;
	(void)user;
	(void)ret;
	(void)err;
	return -ENOSYS;
}
