/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_SCENE_H
#define RJ_TESTS_SCENE_H
/* A bus, helpers on it, and the VMM's handle; gone again after each test. */
#include "ramjet-helper.h"
#include "tests/unit/cmocka_all.h"

#include "dbus/vmstate.h"
#include "tests/unit/dbus/actor.h"
#include "tests/unit/dbus/bus_fixture.h"

#define SCENE_ACTORS_MAX 64u
/* Long enough never to be met by an answer that comes at all. */
#define SCENE_PATIENCE_MS 60000u
/* For an answer that never comes: short, so that the test is. */
#define SCENE_IMPATIENCE_MS 30u
/* The same where other answers must come meanwhile, also on a busy machine. */
#define SCENE_DEADLINE_MS 1000u

struct scene {
	struct test_bus bus;
	struct actor actors[SCENE_ACTORS_MAX];
	unsigned count;
	struct ramjet_helper_options options;
	int wake_fd; /* for scene_open(), an eventfd nobody has written */
	struct rj_helpers *h;
	struct ramjet_error err;
	void *blob;
	size_t bytes;
	char logged[4096]; /* all messages, a line each */
};

int scene_setup(void **state);
int scene_teardown(void **state);

/* Puts a helper on the bus; returns it. */
struct actor *scene_helper(struct scene *s, const struct actor_plan *plan);
struct actor *scene_good_helper(struct scene *s, const char *id, size_t bytes);

int scene_open(struct scene *s, const char *id_list);
/* scene_open() that must succeed. */
void scene_must_open(struct scene *s, const char *id_list);
/* Save everything into s->blob. */
int scene_save(struct scene *s);
int scene_load(struct scene *s, const void *blob, size_t bytes);

/* Is `text` in the error's message? On failure prints the message. */
void scene_message_has(const struct scene *s, const char *text);
void scene_fresh_error(struct scene *s);

/* The state of `id` in s->blob is `bytes` of its pattern. */
void scene_blob_has(const struct scene *s, const char *id, size_t bytes);
size_t scene_blob_count(const struct scene *s);
/* s->blob becomes one of such items, all of their patterns. */
struct scene_item {
	const char *id;
	size_t bytes;
};
void scene_make_blob(struct scene *s, const struct scene_item *items,
		     size_t count);
/* The helper was loaded with its pattern. */
void scene_has_loaded(struct actor *actor, const char *id, size_t bytes);
#endif
