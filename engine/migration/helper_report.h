/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_HELPER_REPORT_H
#define RJ_ENGINE_MIGRATION_HELPER_REPORT_H
/* What the guest's helpers are, and what ramjet_info() says of them. */
#include "dbus/vmstate.h"
#include "engine/migration/migration.h"

/* False when the guest has no helpers. Strings are borrowed from the guest,
 * unchanged while it is migrated. */
bool rj_guest_helper_options(struct ramjet_guest *guest,
			     struct ramjet_helper_options *ret);
/* Put the newest sizes and times into the migration's statistics. */
void rj_report_helpers(struct ramjet_migration *m,
		       const struct rj_helpers *helpers);
#endif
