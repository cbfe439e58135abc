/* SPDX-License-Identifier: BSD-3-Clause */
/* How long helpers take inside the pause. Prints; judges nothing. */
#include "tests/unit/dbus/scene.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/clock.h"

#define ROUNDS_MAX 200u

struct setting {
	const char *name;
	unsigned helpers;
	size_t bytes;
	unsigned save_ms;
	unsigned rounds;
};

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_spread(const char *what, uint64_t *us, unsigned count)
{
	qsort(us, count, sizeof(*us), by_value);
	(void)printf("# %-9s p50 %8.3f ms  p90 %8.3f ms  max %8.3f ms\n", what,
		     (double)us[count / 2] / 1e3,
		     (double)us[count * 9 / 10] / 1e3,
		     (double)us[count - 1] / 1e3);
}

static void fill_bus(struct scene *s, const struct setting *setting)
{
	static char ids[SCENE_ACTORS_MAX][16];

	for (unsigned i = 0; i < setting->helpers; i++) {
		const struct actor_plan plan = {
			.id = ids[i],
			.bytes = setting->bytes,
			.save_ms = setting->save_ms,
		};

		(void)snprintf(ids[i], sizeof(ids[i]), "h%u", i);
		scene_helper(s, &plan);
	}
	scene_must_open(s, NULL);
}

static void measure(const struct setting *setting)
{
	uint64_t save[ROUNDS_MAX], own[ROUNDS_MAX], load[ROUNDS_MAX];
	uint64_t began, whole, slowest;
	void *state;
	struct scene *s;

	assert_int_equal(scene_setup(&state), 0);
	s = state;
	fill_bus(s, setting);
	for (unsigned i = 0; i < setting->rounds; i++) {
		began = rj_now_us();
		assert_int_equal(scene_save(s), 0);
		save[i] = rj_now_us() - began;
		rj_helpers_times(s->h, &whole, &slowest);
		own[i] = save[i] - slowest;
		began = rj_now_us();
		assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
		load[i] = rj_now_us() - began;
	}
	(void)printf("# %s, %s\n", test_bus_kind(), setting->name);
	print_spread("save all", save, setting->rounds);
	print_spread("besides", own, setting->rounds);
	print_spread("load all", load, setting->rounds);
	assert_int_equal(scene_teardown(&state), 0);
}

static void figures_are_taken(void **state)
{
	static const struct setting settings[] = {
		{ "8 helpers that take 50 ms each", 8, 65536, 50, 20 },
		{ "8 instant helpers of 64 KiB", 8, 65536, 0, 200 },
		{ "8 instant helpers of 1 MiB", 8, 1u << 20, 0, 40 },
		{ "50 instant helpers of 4 KiB", 50, 4096, 0, 100 },
	};

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(settings); i++)
		measure(&settings[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_are_taken),
	};

	test_bus_choose(argc, argv);
	return cmocka_run_group_tests_name("helpers_figures", tests, NULL,
					   NULL);
}
