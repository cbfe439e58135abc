/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dbus/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dbus/blob.h"

static const struct rj_blob_limits wide = {
	.items_max = 4096,
	.item_bytes_max = 256u << 20,
	.total_bytes_max = 256u << 20,
};

int scene_setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	test_bus_start(&s->bus);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->options = (struct ramjet_helper_options){
		RAMJET_HELPER_OPTIONS_INIT,
		.bus_address = s->bus.address,
	};
	s->options.start_timeout_ms = SCENE_PATIENCE_MS;
	s->options.gather_timeout_ms = SCENE_PATIENCE_MS;
	s->options.helper_timeout_ms = SCENE_PATIENCE_MS;
	*state = s;
	return 0;
}

int scene_teardown(void **state)
{
	struct scene *s = *state;

	rj_helpers_free(s->h);
	for (unsigned i = 0; i < s->count; i++)
		actor_stop(&s->actors[i]);
	test_bus_stop(&s->bus);
	(void)close(s->wake_fd);
	free(s->blob);
	free(s);
	return 0;
}

struct actor *scene_helper(struct scene *s, const struct actor_plan *plan)
{
	struct actor *actor = &s->actors[s->count++];

	assert_in_range(s->count, 1, SCENE_ACTORS_MAX);
	actor_start(actor, s->bus.address, plan);
	return actor;
}

struct actor *scene_good_helper(struct scene *s, const char *id, size_t bytes)
{
	const struct actor_plan plan = { .id = id, .bytes = bytes };

	return scene_helper(s, &plan);
}

static void keep_log(void *user, int level, const char *message)
{
	struct scene *s = user;
	size_t used = strlen(s->logged);

	(void)level;
	(void)snprintf(s->logged + used, sizeof(s->logged) - used, "%s\n",
		       message);
}

int scene_open(struct scene *s, const char *id_list)
{
	const struct rj_log log = { .fn = keep_log, .user = s };

	s->options.id_list = id_list;
	scene_fresh_error(s);
	rj_helpers_free(s->h);
	s->h = NULL;
	return rj_helpers_open(&s->options, &log, s->wake_fd, &s->h, &s->err);
}

void scene_must_open(struct scene *s, const char *id_list)
{
	if (scene_open(s, id_list) < 0)
		fail_msg("open: %s", s->err.message);
}

int scene_save(struct scene *s)
{
	scene_fresh_error(s);
	free(s->blob);
	s->blob = NULL;
	return rj_helpers_save_all(s->h, 0, &s->blob, &s->bytes, &s->err);
}

int scene_load(struct scene *s, const void *blob, size_t bytes)
{
	scene_fresh_error(s);
	return rj_helpers_load_all(s->h, blob, bytes, 0, &s->err);
}

void scene_message_has(const struct scene *s, const char *text)
{
	if (!strstr(s->err.message, text))
		fail_msg("\"%s\" is not in \"%s\"", text, s->err.message);
}

void scene_fresh_error(struct scene *s)
{
	s->err = (struct ramjet_error){ 0 };
}

static struct rj_blob_item *read_blob(const struct scene *s, size_t *count)
{
	struct ramjet_error err = { 0 };
	struct rj_blob_item *items;

	if (rj_blob_read(s->blob, s->bytes, &wide, &items, count, &err) < 0)
		fail_msg("blob: %s", err.message);
	return items;
}

size_t scene_blob_count(const struct scene *s)
{
	size_t count;

	free(read_blob(s, &count));
	return count;
}

void scene_blob_has(const struct scene *s, const char *id, size_t bytes)
{
	uint8_t *wanted = malloc(bytes + 1);
	size_t count, found = 0;
	struct rj_blob_item *items = read_blob(s, &count);

	assert_non_null(wanted);
	actor_pattern(id, wanted, bytes);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(items[i].id, id))
			continue;
		found++;
		assert_int_equal(items[i].bytes, bytes);
		assert_true(!bytes || !memcmp(items[i].data, wanted, bytes));
	}
	assert_int_equal(found, 1);
	free(wanted);
	free(items);
}

void scene_make_blob(struct scene *s, const struct scene_item *from,
		     size_t count)
{
	struct rj_blob_item *items = calloc(count + 1, sizeof(*items));
	uint8_t *data[SCENE_ACTORS_MAX] = { 0 };

	assert_non_null(items);
	for (size_t i = 0; i < count; i++) {
		data[i] = malloc(from[i].bytes + 1);
		assert_non_null(data[i]);
		actor_pattern(from[i].id, data[i], from[i].bytes);
		(void)snprintf(items[i].id, sizeof(items[i].id), "%s",
			       from[i].id);
		items[i].data = data[i];
		items[i].bytes = from[i].bytes;
	}
	free(s->blob);
	assert_int_equal(
		rj_blob_write(items, count, &wide, &s->blob, &s->bytes, NULL),
		0);
	for (size_t i = 0; i < count; i++)
		free(data[i]);
	free(items);
}

void scene_has_loaded(struct actor *actor, const char *id, size_t bytes)
{
	uint8_t *wanted = malloc(bytes + 1);

	assert_non_null(wanted);
	actor_pattern(id, wanted, bytes);
	assert_true(actor_has_loaded(actor, wanted, bytes));
	free(wanted);
}
