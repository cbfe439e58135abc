/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_HELPER_REPORT_H
#define RJ_ENGINE_MIGRATION_HELPER_REPORT_H
/* What ramjet_info() says of the guest's helpers. */
#include "dbus/vmstate.h"
#include "engine/migration/env.h"

/* Put the newest sizes and times into the migration's statistics. */
void rj_report_helpers(const struct rj_env *env,
		       const struct rj_helpers *helpers);
#endif
