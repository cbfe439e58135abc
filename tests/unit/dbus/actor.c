/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dbus/actor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME   "org.qemu.VMState1"
#define OBJECT "/org/qemu/VMState1"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "actor: %s failed\n", what);
	abort();
}

void actor_pattern(const char *id, uint8_t *data, size_t bytes)
{
	uint32_t value = 2166136261u;

	for (; *id; id++)
		value = (value ^ (uint8_t)*id) * 16777619u;
	for (size_t i = 0; i < bytes; i++) {
		value = value * 1664525u + 1013904223u;
		data[i] = (uint8_t)(value >> 24);
	}
}

/* ---- the object ------------------------------------------------------ */

static int answer_save(struct actor *actor, sd_bus_message *call)
{
	sd_bus_message *reply = NULL;
	uint8_t *pattern = malloc(actor->plan.bytes + 1);
	const struct timespec busy = {
		.tv_sec = actor->plan.save_ms / 1000,
		.tv_nsec = (long)(actor->plan.save_ms % 1000) * 1000000,
	};

	/* Not waiting for anything: this helper is slow, as planned. */
	if (actor->plan.save_ms)
		(void)nanosleep(&busy, NULL);
	must(pattern != NULL, "malloc");
	actor_pattern(actor->plan.id, pattern, actor->plan.bytes);
	must(sd_bus_message_new_method_return(call, &reply) >= 0 &&
		     sd_bus_message_append_array(
			     reply, 'y',
			     actor->plan.state ? actor->plan.state : pattern,
			     actor->plan.bytes) >= 0 &&
		     sd_bus_send(NULL, reply, NULL) >= 0,
	     "replying to Save");
	sd_bus_message_unref(reply);
	free(pattern);
	return 1;
}

static int answer(struct actor *actor, sd_bus_message *call)
{
	const char *member = sd_bus_message_get_member(call);

	if (!strcmp(member, "Get"))
		return sd_bus_reply_method_return(call, "v", "s",
						  actor->plan.id);
	if (!strcmp(member, "Save"))
		return answer_save(actor, call);
	return sd_bus_reply_method_return(call, NULL);
}

static void keep_loaded(struct actor *actor, sd_bus_message *call)
{
	const void *data = NULL;
	size_t bytes = 0;

	must(sd_bus_message_read_array(call, 'y', &data, &bytes) >= 0,
	     "reading Load");
	free(actor->loaded);
	actor->loaded = malloc(bytes + 1);
	must(actor->loaded != NULL, "malloc");
	if (bytes)
		memcpy(actor->loaded, data, bytes);
	actor->loaded_bytes = bytes;
	actor->loads++;
}

static enum actor_act note(struct actor *actor, sd_bus_message *call)
{
	const char *member = sd_bus_message_get_member(call);
	enum actor_act act = ACTOR_ANSWER;

	(void)pthread_mutex_lock(&actor->lock);
	if (!strcmp(member, "Get")) {
		act = actor->plan.on_id;
		actor->id_reads++;
	} else if (!strcmp(member, "Save")) {
		act = actor->plan.on_save;
		actor->saves++;
	} else if (!strcmp(member, "Load")) {
		act = actor->plan.on_load;
		keep_loaded(actor, call);
	}
	(void)pthread_cond_broadcast(&actor->changed);
	(void)pthread_mutex_unlock(&actor->lock);
	return act;
}

static int on_call(sd_bus_message *call, void *user, sd_bus_error *error)
{
	struct actor *actor = user;

	if (sd_bus_message_is_method_call(call, NULL, NULL) <= 0)
		return 0;
	switch (note(actor, call)) {
	case ACTOR_ERROR:
		return sd_bus_error_set_const(error, "org.example.Refused",
					      "not \x1b[31mtoday");
	case ACTOR_HOLD:
		actor->held = sd_bus_message_ref(call);
		return 1;
	case ACTOR_LEAVE:
		sd_bus_close(actor->bus);
		return 1;
	case ACTOR_WRONG_TYPE:
		if (!strcmp(sd_bus_message_get_member(call), "Get"))
			return sd_bus_reply_method_return(call, "v", "u", 7);
		return sd_bus_reply_method_return(call, "s", "bytes");
	default:
		return answer(actor, call);
	}
}

/* ---- the thread ------------------------------------------------------ */

static void enter(struct actor *actor)
{
	const char *name;

	must(sd_bus_new(&actor->bus) >= 0 &&
		     sd_bus_set_address(actor->bus, actor->address) >= 0 &&
		     sd_bus_set_bus_client(actor->bus, 1) >= 0 &&
		     sd_bus_start(actor->bus) >= 0,
	     "connecting");
	must(sd_bus_add_object(actor->bus, NULL, OBJECT, on_call, actor) >= 0,
	     "adding the object");
	if (!actor->plan.nameless)
		must(sd_bus_request_name(actor->bus, NAME, SD_BUS_NAME_QUEUE) >=
			     0,
		     "requesting the name");
	must(sd_bus_get_unique_name(actor->bus, &name) >= 0, "naming");
	(void)snprintf(actor->bus_name, sizeof(actor->bus_name), "%s", name);
}

static void set_flag(struct actor *actor, bool *flag)
{
	(void)pthread_mutex_lock(&actor->lock);
	*flag = true;
	(void)pthread_cond_broadcast(&actor->changed);
	(void)pthread_mutex_unlock(&actor->lock);
}

static void wait_flag(struct actor *actor, const bool *flag)
{
	(void)pthread_mutex_lock(&actor->lock);
	while (!*flag)
		(void)pthread_cond_wait(&actor->changed, &actor->lock);
	(void)pthread_mutex_unlock(&actor->lock);
}

/* False: leave. */
static bool obey(struct actor *actor)
{
	char command;

	if (read(actor->commands[0], &command, 1) != 1 || command == 'q')
		return false;
	if (command == 'r' && actor->held) {
		(void)answer(actor, actor->held);
		actor->held = sd_bus_message_unref(actor->held);
	}
	if (command == 'n') {
		must(sd_bus_release_name(actor->bus, NAME) >= 0, "release");
		set_flag(actor, &actor->left);
	}
	return true;
}

/* What the bus wants, at most until it wants to be called again. */
static bool wait_both(struct actor *actor)
{
	struct pollfd fds[] = {
		{ .fd = sd_bus_get_fd(actor->bus),
		  .events = (short)sd_bus_get_events(actor->bus) },
		{ .fd = actor->commands[0], .events = POLLIN },
	};
	uint64_t us = UINT64_MAX;

	if (fds[0].fd < 0 || sd_bus_get_timeout(actor->bus, &us) < 0)
		fds[0] = (struct pollfd){ .fd = -1 };
	(void)poll(fds, 2, us == UINT64_MAX ? -1 : 0);
	return !fds[1].revents || obey(actor);
}

static void *live(void *user)
{
	struct actor *actor = user;
	bool staying = true;

	enter(actor);
	set_flag(actor, &actor->ready);
	while (staying) {
		while (sd_bus_process(actor->bus, NULL) > 0)
			;
		staying = wait_both(actor);
	}
	sd_bus_message_unref(actor->held);
	/* The bus has answered, so it knows; a mere hangup it sees some time.
	 */
	if (!actor->plan.nameless)
		(void)sd_bus_release_name(actor->bus, NAME);
	actor->bus = sd_bus_close_unref(actor->bus);
	return NULL;
}

void actor_start(struct actor *actor, const char *address,
		 const struct actor_plan *plan)
{
	*actor = (struct actor){ .plan = *plan, .address = address };
	must(!pthread_mutex_init(&actor->lock, NULL) &&
		     !pthread_cond_init(&actor->changed, NULL) &&
		     !pipe2(actor->commands, O_CLOEXEC) &&
		     !pthread_create(&actor->thread, NULL, live, actor),
	     "starting");
	wait_flag(actor, &actor->ready);
}

static void command(struct actor *actor, char what)
{
	must(write(actor->commands[1], &what, 1) == 1, "commanding");
}

void actor_stop(struct actor *actor)
{
	if (!actor->address)
		return;
	command(actor, 'q');
	(void)pthread_join(actor->thread, NULL);
	(void)close(actor->commands[0]);
	(void)close(actor->commands[1]);
	(void)pthread_mutex_destroy(&actor->lock);
	(void)pthread_cond_destroy(&actor->changed);
	free(actor->loaded);
	actor->address = NULL;
}

void actor_drop_name(struct actor *actor)
{
	command(actor, 'n');
	wait_flag(actor, &actor->left);
}

void actor_release(struct actor *actor)
{
	command(actor, 'r');
}

void actor_set_acts(struct actor *actor, enum actor_act on_save,
		    enum actor_act on_load)
{
	(void)pthread_mutex_lock(&actor->lock);
	actor->plan.on_save = on_save;
	actor->plan.on_load = on_load;
	(void)pthread_mutex_unlock(&actor->lock);
}

static void wait_count(struct actor *actor, const unsigned *count,
		       unsigned wanted)
{
	(void)pthread_mutex_lock(&actor->lock);
	while (*count < wanted)
		(void)pthread_cond_wait(&actor->changed, &actor->lock);
	(void)pthread_mutex_unlock(&actor->lock);
}

void actor_wait_saves(struct actor *actor, unsigned count)
{
	wait_count(actor, &actor->saves, count);
}

void actor_wait_loads(struct actor *actor, unsigned count)
{
	wait_count(actor, &actor->loads, count);
}

static unsigned read_locked(struct actor *actor, const unsigned *count)
{
	unsigned value;

	(void)pthread_mutex_lock(&actor->lock);
	value = *count;
	(void)pthread_mutex_unlock(&actor->lock);
	return value;
}

unsigned actor_saves(struct actor *actor)
{
	return read_locked(actor, &actor->saves);
}

unsigned actor_loads(struct actor *actor)
{
	return read_locked(actor, &actor->loads);
}

bool actor_has_loaded(struct actor *actor, const void *data, size_t bytes)
{
	bool same;

	(void)pthread_mutex_lock(&actor->lock);
	same = actor->loads == 1 && actor->loaded_bytes == bytes &&
	       (!bytes || !memcmp(actor->loaded, data, bytes));
	(void)pthread_mutex_unlock(&actor->lock);
	return same;
}
