/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_ROSTER_H
#define RJ_DBUS_ROSTER_H
/*
 * Who is on the bus: every connection that owns or queues for the helpers'
 * name, its Id, and whether it takes part (dbus/judge.h decides).
 *
 * A discovery asks the bus for the queued owners, then every owner not asked
 * before for its Id, all at once. A bus name is never given out twice, so
 * what is known of one stays true while it is on the bus; only newcomers cost
 * anything at switchover. NameOwnerChanged tells of those who leave.
 */
#include <stdbool.h>
#include <stdint.h>

#include "dbus/bus.h"
#include "dbus/id.h"

/* More owners of the name than this is an attack, not a set of helpers. */
#define RJ_ROSTER_OWNERS_MAX 4096u

struct rj_roster;

struct rj_member {
	struct rj_roster *roster;
	char bus_name[RJ_BUS_NAME_MAX + 1];
	char id[RJ_ID_BYTES_MAX + 1]; /* "": none that can be used */
	/* why it has no Id, when it was asked for it */
	char id_trouble[RJ_TEXT_MAX];
	char problem[RJ_TEXT_MAX]; /* by the newest judgement; "": none */
	uint32_t uid;
	bool asked;   /* its Id was asked for */
	bool has_uid; /* the bus told it */
	bool queued;  /* in the newest list of owners */
	bool gone;    /* left the bus or the queue */
	bool takes_part;

	sd_bus_slot *match;
	sd_bus_slot *id_call; /* NULL: not awaited */
	sd_bus_slot *uid_call;

	/* owned by calls.c */
	sd_bus_slot *call;     /* Save or Load under way */
	sd_bus_message *reply; /* of Save; holds `state` */
	const void *state;
	uint64_t bytes;
	uint64_t save_us;
	uint64_t load_us;
	bool loaded;
	bool left_alone; /* nothing to load arrived */
};

struct rj_roster_rules {
	struct rj_id_list list;
	uint32_t helpers_max;
	int64_t uid; /* every helper's, -1: any */
};

struct rj_roster {
	struct rj_bus *bus; /* borrowed */
	struct rj_roster_rules rules;
	/* Each allocated by itself: callbacks hold their addresses. */
	struct rj_member **members;
	size_t count;
	sd_bus_slot *list_call;
	unsigned awaited; /* replies */
	bool first;       /* the next or current discovery starts afresh */
	bool judged;      /* at least once */
	struct ramjet_error failure;
};

/* `rules` (its list) is *taken*. */
void rj_roster_init(struct rj_roster *roster, struct rj_bus *bus,
		    const struct rj_roster_rules *rules);
void rj_roster_done(struct rj_roster *roster);

/* Forget all members: the next discovery asks all of them again. */
void rj_roster_restart(struct rj_roster *roster);

/* Send the questions; answers arrive in rj_bus_dispatch(). */
RJ_NODISCARD int rj_roster_discover(struct rj_roster *roster,
				    struct ramjet_error *err);
/* 1 when all answers are there, 0 when not yet, or the failure. */
RJ_NODISCARD int rj_roster_progress(struct rj_roster *roster,
				    struct ramjet_error *err);
/* The deadline is over: those who did not answer have no Id. Fails when the
 * bus itself did not answer. */
RJ_NODISCARD int rj_roster_expire(struct rj_roster *roster, uint64_t waited_ms,
				  struct ramjet_error *err);

/* The participant with this Id, or NULL. */
struct rj_member *rj_roster_find(const struct rj_roster *roster,
				 const char *id);
#endif
