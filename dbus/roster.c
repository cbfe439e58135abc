/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/roster.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"

static void member_free(struct rj_member *member)
{
	sd_bus_slot_unref(member->match);
	sd_bus_slot_unref(member->id_call);
	sd_bus_slot_unref(member->uid_call);
	sd_bus_slot_unref(member->call);
	sd_bus_message_unref(member->reply);
	free(member);
}

void rj_roster_init(struct rj_roster *roster, struct rj_bus *bus,
		    const struct rj_roster_rules *rules)
{
	*roster = (struct rj_roster){ .bus = bus,
				      .rules = *rules,
				      .first = true };
}

void rj_roster_restart(struct rj_roster *roster)
{
	for (size_t i = 0; i < roster->count; i++)
		member_free(roster->members[i]);
	free(roster->members);
	roster->members = NULL;
	roster->count = 0;
	roster->list_call = sd_bus_slot_unref(roster->list_call);
	roster->awaited = 0;
	roster->first = true;
}

void rj_roster_done(struct rj_roster *roster)
{
	rj_roster_restart(roster);
	rj_id_list_done(&roster->rules.list);
}

/* ---- one member ------------------------------------------------------ */

/* Errors by which the bus says that nothing has that name. */
static bool tells_gone(sd_bus_message *reply)
{
	return sd_bus_message_is_method_error(
		       reply, SD_BUS_ERROR_SERVICE_UNKNOWN) > 0 ||
	       sd_bus_message_is_method_error(
		       reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER) > 0;
}

/* NameOwnerChanged of the member's own bus name. */
static int on_left(sd_bus_message *signal, void *user,
		   RJ_UNUSED sd_bus_error *error)
{
	struct rj_member *member = user;
	const char *name, *before, *after;

	if (sd_bus_message_read(signal, "sss", &name, &before, &after) >= 0 &&
	    !strcmp(name, member->bus_name) && !*after)
		member->gone = true;
	return 0;
}

/* If the bus refuses the match, members that leave are only noticed by the
 * second discovery. Without this callback sd-bus would close the connection. */
static int on_match_installed(RJ_UNUSED sd_bus_message *reply,
			      RJ_UNUSED void *user,
			      RJ_UNUSED sd_bus_error *error)
{
	return 0;
}

static void take_id(struct rj_member *member, sd_bus_message *reply)
{
	const char *contents, *id = NULL, *problem = NULL;
	char type;

	if (sd_bus_message_peek_type(reply, &type, &contents) <= 0 ||
	    type != 'v')
		problem = "is no variant";
	else if (strcmp(contents, "s"))
		problem = "is not of type s";
	else if (sd_bus_message_read(reply, "v", "s", &id) < 0)
		problem = "cannot be parsed";
	else
		problem = rj_id_problem(id, strlen(id));
	if (problem)
		(void)snprintf(member->id_trouble, sizeof(member->id_trouble),
			       "its Id %s", problem);
	else
		memcpy(member->id, id, strlen(id) + 1);
}

static int on_id(sd_bus_message *reply, void *user,
		 RJ_UNUSED sd_bus_error *error)
{
	struct rj_member *member = user;
	struct rj_text text;
	const char *problem =
		rj_bus_reply_problem(reply, member->bus_name, &text);

	member->id_call = sd_bus_slot_unref(member->id_call);
	member->roster->awaited--;
	if (tells_gone(reply))
		member->gone = true;
	if (problem)
		(void)snprintf(member->id_trouble, sizeof(member->id_trouble),
			       "its Id cannot be read: %.280s", problem);
	else
		take_id(member, reply);
	return 0;
}

static int on_uid(sd_bus_message *reply, void *user,
		  RJ_UNUSED sd_bus_error *error)
{
	struct rj_member *member = user;
	struct rj_text text;

	member->uid_call = sd_bus_slot_unref(member->uid_call);
	member->roster->awaited--;
	if (!rj_bus_reply_problem(reply, RJ_BUS_DRIVER_NAME, &text) &&
	    sd_bus_message_read(reply, "u", &member->uid) >= 0)
		member->has_uid = true;
	return 0;
}

static int watch(struct rj_member *member)
{
	char rule[RJ_BUS_NAME_MAX + 200];

	(void)snprintf(rule, sizeof(rule),
		       "type='signal',sender='org.freedesktop.DBus',"
		       "path='/org/freedesktop/DBus',"
		       "interface='org.freedesktop.DBus',"
		       "member='NameOwnerChanged',arg0='%s'",
		       member->bus_name);
	return sd_bus_add_match_async(member->roster->bus->sd, &member->match,
				      rule, on_left, on_match_installed,
				      member);
}

static int ask_id(struct rj_member *member)
{
	rj_cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	sd_bus *sd = member->roster->bus->sd;
	int rc;

	rc = sd_bus_message_new_method_call(
		sd, &call, member->bus_name, RJ_VMSTATE_PATH,
		"org.freedesktop.DBus.Properties", "Get");
	if (rc < 0)
		return rc;
	rc = sd_bus_message_set_auto_start(call, 0);
	if (rc < 0)
		return rc;
	rc = sd_bus_message_append(call, "ss", RJ_VMSTATE_INTERFACE, "Id");
	if (rc < 0)
		return rc;
	rc = sd_bus_call_async(sd, &member->id_call, call, on_id, member,
			       UINT64_MAX);
	if (rc >= 0)
		member->roster->awaited++;
	return rc;
}

static int ask_uid(struct rj_member *member)
{
	rj_cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int rc = rj_bus_driver_call(member->roster->bus,
				    "GetConnectionUnixUser", &call);

	if (rc < 0)
		return rc;
	rc = sd_bus_message_append(call, "s", member->bus_name);
	if (rc < 0)
		return rc;
	rc = sd_bus_call_async(member->roster->bus->sd, &member->uid_call, call,
			       on_uid, member, UINT64_MAX);
	if (rc >= 0)
		member->roster->awaited++;
	return rc;
}

/* The match is sent first: so the bus reports every member that leaves from
 * here on. */
static int ask(struct rj_member *member)
{
	int rc = watch(member);

	member->asked = true;
	if (rc >= 0)
		rc = ask_id(member);
	if (rc >= 0)
		rc = ask_uid(member);
	return rc;
}

/* ---- all of them ----------------------------------------------------- */

static struct rj_member *find_bus_name(struct rj_roster *roster,
				       const char *bus_name)
{
	for (size_t i = 0; i < roster->count; i++) {
		if (!strcmp(roster->members[i]->bus_name, bus_name))
			return roster->members[i];
	}
	return NULL;
}

static int add_member(struct rj_roster *roster, const char *bus_name)
{
	struct rj_member *member, **grown;

	if (roster->count >= RJ_ROSTER_OWNERS_MAX ||
	    strlen(bus_name) > RJ_BUS_NAME_MAX)
		return -E2BIG;
	grown = realloc(roster->members,
			(roster->count + 1) * sizeof(*roster->members));
	if (!grown)
		return -ENOMEM;
	roster->members = grown;
	member = calloc(1, sizeof(*member));
	if (!member)
		return -ENOMEM;
	member->roster = roster;
	member->queued = true;
	memcpy(member->bus_name, bus_name, strlen(bus_name) + 1);
	roster->members[roster->count++] = member;
	/* With an id-list newcomers at switchover are not needed: all that are
	 * listed were there at start. */
	if (roster->first || !roster->rules.list.given)
		return ask(member);
	return 0;
}

static int take_owners(struct rj_roster *roster, sd_bus_message *reply)
{
	const char *name;
	int rc = sd_bus_message_enter_container(reply, 'a', "s");

	if (rc < 0)
		return rc;
	while ((rc = sd_bus_message_read_basic(reply, 's', &name)) > 0) {
		struct rj_member *known = find_bus_name(roster, name);

		if (known)
			known->queued = true;
		else
			rc = add_member(roster, name);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int on_owners(sd_bus_message *reply, void *user,
		     RJ_UNUSED sd_bus_error *error)
{
	struct rj_roster *roster = user;
	struct rj_text text;
	const char *problem =
		rj_bus_reply_problem(reply, RJ_BUS_DRIVER_NAME, &text);
	int rc = 0;

	roster->list_call = sd_bus_slot_unref(roster->list_call);
	roster->awaited--;
	if (!problem)
		rc = take_owners(roster, reply);
	else if (!tells_gone(reply))
		(void)rj_fail(&roster->failure, -EREMOTEIO,
			      "helpers: the bus does not list the owners of "
			      "%s: %s",
			      RJ_VMSTATE_NAME, problem);
	if (rc < 0)
		(void)rj_fail_errno(&roster->failure, rc,
				    "helpers: cannot take the list of %s",
				    RJ_VMSTATE_NAME);
	for (size_t i = 0; i < roster->count; i++) {
		if (!roster->members[i]->queued)
			roster->members[i]->gone = true;
	}
	return 0;
}

/* Free members that have left and take no part. */
static void drop_gone(struct rj_roster *roster)
{
	size_t kept = 0;

	for (size_t i = 0; i < roster->count; i++) {
		struct rj_member *member = roster->members[i];

		if (member->gone && !member->takes_part)
			member_free(member);
		else
			roster->members[kept++] = member;
	}
	roster->count = kept;
}

int rj_roster_discover(struct rj_roster *roster, struct ramjet_error *err)
{
	rj_cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int rc;

	rj_error_clear(&roster->failure);
	drop_gone(roster);
	for (size_t i = 0; i < roster->count; i++)
		roster->members[i]->queued = false;
	/* Drop a discovery that was cancelled. Questions for Ids that are under
	 * way are kept. */
	roster->awaited -= roster->list_call != NULL;
	roster->list_call = sd_bus_slot_unref(roster->list_call);
	rc = rj_bus_driver_call(roster->bus, "ListQueuedOwners", &call);
	if (rc >= 0)
		rc = sd_bus_message_append(call, "s", RJ_VMSTATE_NAME);
	if (rc >= 0)
		rc = sd_bus_call_async(roster->bus->sd, &roster->list_call,
				       call, on_owners, roster, UINT64_MAX);
	if (rc < 0)
		return rj_fail_errno(err, rc, "helpers: asking the bus '%s'",
				     roster->bus->address);
	roster->awaited++;
	return 0;
}

int rj_roster_progress(struct rj_roster *roster, struct ramjet_error *err)
{
	if (roster->failure.code)
		return rj_fail(err, roster->failure.code, "%s",
			       roster->failure.message);
	return roster->awaited == 0;
}

int rj_roster_expire(struct rj_roster *roster, uint64_t waited_ms,
		     struct ramjet_error *err)
{
	roster->awaited = 0;
	if (roster->list_call) {
		roster->list_call = sd_bus_slot_unref(roster->list_call);
		return rj_fail(err, -ETIMEDOUT,
			       "helpers: the bus '%s' did not answer within "
			       "%" PRIu64 " ms",
			       roster->bus->address, waited_ms);
	}
	for (size_t i = 0; i < roster->count; i++) {
		struct rj_member *member = roster->members[i];

		if (member->id_call)
			(void)snprintf(
				member->id_trouble, sizeof(member->id_trouble),
				"gave no Id within %" PRIu64 " ms", waited_ms);
		member->id_call = sd_bus_slot_unref(member->id_call);
		member->uid_call = sd_bus_slot_unref(member->uid_call);
	}
	return 0;
}

struct rj_member *rj_roster_find(const struct rj_roster *roster, const char *id)
{
	for (size_t i = 0; i < roster->count; i++) {
		struct rj_member *member = roster->members[i];

		if (member->takes_part && !strcmp(member->id, id))
			return member;
	}
	return NULL;
}
