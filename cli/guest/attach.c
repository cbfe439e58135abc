/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/attach.h"

int rj_cli_attach_ram(struct ramjet_guest *handle, struct ramjet_block *ram,
		      bool fresh, struct ramjet_error *err)
{
	int rc;

	ram->name = RJ_CLI_BLOCK_NAME;
	if (fresh)
		ram->flags |= RAMJET_BLOCK_FRESH;
	rc = ramjet_guest_add_block(handle, ram, err);
	return rc < 0 ? rc : 0;
}

int rj_cli_attach_dirty(struct ramjet_guest *handle,
			struct ramjet_dirty_source *source,
			struct ramjet_error *err)
{
	int rc = ramjet_guest_add_dirty_source(handle, source, err);

	if (rc < 0)
		ramjet_dirty_free(source);
	return rc < 0 ? rc : 0;
}
