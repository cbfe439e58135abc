/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_ATTACH_H
#define RJ_CLI_GUEST_ATTACH_H
/* What every kind of guest tells ramjet of itself, in kind->attach. */
#include "cli/guest/guest.h"

#define RJ_CLI_BLOCK_NAME "ram0"

/* `ram` becomes the guest's only block, ram0: where it is, how large, and its
 * flags are there. `fresh`: nothing is in it yet, as in a new target. */
RJ_NODISCARD int rj_cli_attach_ram(struct ramjet_guest *handle,
				   struct ramjet_block *ram, bool fresh,
				   struct ramjet_error *err);
/* `source` is *taken*, also on failure. */
RJ_NODISCARD int rj_cli_attach_dirty(struct ramjet_guest *handle,
				     struct ramjet_dirty_source *source,
				     struct ramjet_error *err);
#endif
