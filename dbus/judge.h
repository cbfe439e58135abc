/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_JUDGE_H
#define RJ_DBUS_JUDGE_H
/* The rules of taking part (docs/helpers.md): with an id-list the listed Ids,
 * without one all helpers. This is the only place that knows them. */
#include "dbus/roster.h"

/* Decide who takes part, refuse as docs/helpers.md says. Every member's
 * `problem` is set, also when it fails (with the first of them). */
RJ_NODISCARD int rj_roster_judge(struct rj_roster *roster,
				 struct ramjet_error *err);
/* -ENXIO, naming them, when participants of the last judgement are gone. */
RJ_NODISCARD int rj_roster_check_gone(struct rj_roster *roster,
				      struct ramjet_error *err);
#endif
