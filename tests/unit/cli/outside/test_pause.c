/* SPDX-License-Identifier: BSD-3-Clause */
/* A source QEMU that others, or its guest, do things to in the pause. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/guardian/watch.h"
#include "cli/outside/pause.h"
#include "tests/unit/cli/qemu/scripted_qemu.h"

struct scene {
	struct scripted script;
	struct rj_qemu_guest guest;
	char folder[32];
};

static int nop(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

/* A QEMU in this state, whatever it is told, that tells of an event each time. */
static struct scene *scene_new(const char *status, const char *before)
{
	static struct answer answers[3];
	static const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
						     .stop = nop,
						     .start = nop };
	struct scene *s = calloc(1, sizeof(*s));
	struct rj_qemu_guest *g = &s->guest;
	struct rj_guardian_order order = { .vmm_pid = getpid() };

	answers[0] = (struct answer){ "query-status", status };
	answers[1] =
		(struct answer){ "query-commands",
				 "[{\"name\": \"blockdev-set-active\"}, "
				 "{\"name\": \"xen-save-devices-state\"}]" };
	s->script.answers = answers;
	s->script.before = before;
	scripted_start(&s->script);
	(void)snprintf(s->folder, sizeof(s->folder), "/tmp/ramjet-gs-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	order.folder = s->folder;
	order.qmp_path = s->script.path;
	g->role = RJ_CLI_SOURCE;
	g->saver = RJ_QEMU_SAVER_NONE;
	rj_mutex_init(&g->lock);
	assert_int_equal(rj_qemu_open(s->script.path, &g->qemu, NULL), 0);
	assert_int_equal(rj_guardian_start(&order, &g->guardian, NULL), 0);
	assert_int_equal(ramjet_guest_new(&ops, NULL, &g->handle, NULL), 0);
	return s;
}

static void scene_free(struct scene *s)
{
	struct rj_qemu_guest *g = &s->guest;

	rj_qemu_saver_done(&g->qemu, &g->saver);
	rj_guardian_running(g->guardian);
	assert_int_equal(rj_guardian_end(g->guardian, NULL), 0);
	assert_int_equal(ramjet_guest_free(g->handle), 0);
	rj_mutex_done(&g->lock);
	assert_int_equal(rmdir(s->folder), 0);
	scripted_free(&s->script);
	free(s);
}

static void end_script(struct scene *s)
{
	struct rj_qemu_guest *g = &s->guest;

	rj_qemu_close(&g->qemu);
	scripted_end(&s->script);
}

/* As its disk is full, or a debugger has it: others see to that, and let it go on
 * when they have. */
static void what_stands_still_by_itself_is_left_so(void **state)
{
	struct scene *s = scene_new("{\"status\": \"io-error\"}", NULL);
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(rj_qemu_source_stop(&s->guest, &err), -EIO);
	assert_non_null(strstr(err.message, "'io-error'"));
	/* The engine's answer to a stop that failed. */
	assert_int_equal(rj_qemu_source_start(&s->guest, NULL), 0);
	end_script(s);
	assert_false(scripted_saw(&s->script, "stop"));
	assert_false(scripted_saw(&s->script, "cont"));
	scene_free(s);
}

static void what_was_stopped_goes_on(void **state)
{
	struct scene *s = scene_new("{\"status\": \"running\"}", NULL);

	(void)state;
	assert_int_equal(rj_qemu_source_stop(&s->guest, NULL), 0);
	assert_true(s->guest.stopped);
	assert_int_equal(rj_qemu_source_start(&s->guest, NULL), 0);
	assert_false(s->guest.stopped);
	end_script(s);
	assert_true(scripted_saw(&s->script, "stop"));
	assert_true(scripted_saw(&s->script, "cont"));
	scene_free(s);
}

/* By ramjet's own monitor: whoever says so means it. */
static void what_its_owner_paused_goes_on_when_told(void **state)
{
	struct scene *s = scene_new("{\"status\": \"paused\"}", NULL);

	(void)state;
	assert_int_equal(rj_qemu_source_stop(&s->guest, NULL), 0);
	assert_int_equal(rj_qemu_source_start(&s->guest, NULL), 0);
	assert_int_equal(ramjet_guest_set_paused(s->guest.handle, false), 0);
	assert_int_equal(rj_qemu_source_start(&s->guest, NULL), 0);
	end_script(s);
	assert_true(scripted_saw(&s->script, "cont"));
	scene_free(s);
}

/* Paused by ramjet's monitor, and let go on by its owner. */
static void what_its_owner_lets_go_on_is_not_paused(void **state)
{
	struct scene *s = scene_new("{\"status\": \"running\"}", NULL);

	(void)state;
	assert_int_equal(ramjet_guest_set_paused(s->guest.handle, true), 0);
	assert_int_equal(rj_qemu_source_stop(&s->guest, NULL), 0);
	assert_true(ramjet_guest_is_paused(s->guest.handle));
	assert_int_equal(rj_qemu_source_stop(&s->guest, NULL), 0);
	assert_false(ramjet_guest_is_paused(s->guest.handle));
	end_script(s);
	scene_free(s);
}

/* Slowed down by short stops, one of which did not end: nobody else's pause. */
static void what_naps_is_not_taken_for_paused(void **state)
{
	struct scene *s = scene_new("{\"status\": \"paused\"}", NULL);

	(void)state;
	s->guest.napping = true;
	assert_int_equal(rj_qemu_source_stop(&s->guest, NULL), 0);
	assert_false(ramjet_guest_is_paused(s->guest.handle));
	assert_true(s->guest.stopped);
	assert_false(s->guest.napping);
	assert_int_equal(rj_qemu_source_start(&s->guest, NULL), 0);
	end_script(s);
	assert_true(scripted_saw(&s->script, "cont"));
	scene_free(s);
}

/* A pause of ours that could not be ended, since `cont` failed: the next one is no
 * owner's either. */
static void what_could_not_go_on_is_not_taken_for_paused(void **state)
{
	struct scene *s = scene_new("{\"status\": \"paused\"}", NULL);

	(void)state;
	s->guest.stopped = true;
	assert_int_equal(rj_qemu_source_stop(&s->guest, NULL), 0);
	assert_false(ramjet_guest_is_paused(s->guest.handle));
	assert_int_equal(rj_qemu_source_start(&s->guest, NULL), 0);
	end_script(s);
	assert_true(scripted_saw(&s->script, "cont"));
	scene_free(s);
}

/* The move has failed after its state was saved. */
static void what_stays_paused_has_its_images_back(void **state)
{
	struct scene *s = scene_new("{\"status\": \"paused\"}", NULL);

	(void)state;
	assert_int_equal(rj_qemu_source_stop(&s->guest, NULL), 0);
	assert_true(ramjet_guest_is_paused(s->guest.handle));
	s->guest.gave_images_up = true;
	assert_int_equal(rj_qemu_source_start(&s->guest, NULL), 0);
	end_script(s);
	assert_false(scripted_saw(&s->script, "cont"));
	assert_true(scripted_saw(&s->script, "blockdev-set-active"));
	scene_free(s);
}

static void what_has_lost_a_device_is_not_handed_over(void **state)
{
	struct scene *s = scene_new("{\"status\": \"paused\"}",
				    "{\"event\": \"DEVICE_DELETED\"}\r\n");
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(rj_qemu_source_stop(&s->guest, NULL), 0);
	assert_int_equal(rj_qemu_source_check_still(&s->guest, &err), -ESTALE);
	assert_non_null(strstr(err.message, "unplugged"));
	end_script(s);
	scene_free(s);
}

/* What is written then is in no collect. */
static void what_runs_in_the_pause_is_not_handed_over(void **state)
{
	static const char *const states[] = { "running", "prelaunch" };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(states); i++) {
		char answer[64];
		struct ramjet_error err = { 0 };
		struct scene *s;

		(void)snprintf(answer, sizeof(answer), "{\"status\": \"%s\"}",
			       states[i]);
		s = scene_new(answer, NULL);
		s->guest.stopped = true;
		assert_int_equal(rj_qemu_source_check_still(&s->guest, &err),
				 -EIO);
		assert_non_null(strstr(err.message, states[i]));
		end_script(s);
		scene_free(s);
	}
}

static void what_has_run_in_the_pause_is_not_handed_over(void **state)
{
	struct scene *s = scene_new("{\"status\": \"paused\"}",
				    "{\"event\": \"RESUME\"}\r\n");
	struct ramjet_error err = { 0 };

	(void)state;
	s->guest.stopped = true;
	assert_int_equal(rj_qemu_source_check_still(&s->guest, &err), -EIO);
	assert_non_null(strstr(err.message, "somebody has let it go on"));
	end_script(s);
	scene_free(s);
}

/* The look is taken after the state was saved: that takes a while. */
static void saving_looks_whether_it_stood_still(void **state)
{
	static const char *const events[] = { "{\"event\": \"STOP\"}\r\n",
					      "{\"event\": \"RESUME\"}\r\n" };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(events); i++) {
		struct scene *s =
			scene_new("{\"status\": \"paused\"}", events[i]);
		struct rj_qemu_guest *g = &s->guest;
		size_t bytes = 0;
		void *data = NULL;

		assert_int_equal(rj_qemu_table_read(&g->qemu, &g->blocks, NULL),
				 0);
		assert_int_equal(rj_qemu_saver_prepare(&g->qemu,
						       RJ_QEMU_BY_SAVE,
						       &g->saver, NULL),
				 0);
		g->stopped = true;
		assert_int_equal(rj_qemu_source_save(g, &data, &bytes, NULL),
				 i ? -EIO : 0);
		assert_int_equal(data != NULL, !i);
		free(data);
		rj_qemu_blocks_done(&g->blocks);
		end_script(s);
		assert_true(scripted_saw(&s->script, "xen-save-devices-state"));
		scene_free(s);
	}
}

static void what_stands_still_is_handed_over(void **state)
{
	struct scene *s = scene_new("{\"status\": \"paused\"}",
				    "{\"event\": \"STOP\"}\r\n");

	(void)state;
	s->guest.stopped = true;
	assert_int_equal(rj_qemu_source_check_still(&s->guest, NULL), 0);
	rj_qemu_source_handed_over(&s->guest);
	assert_false(s->guest.ran_twice);
	end_script(s);
	assert_false(scripted_saw(&s->script, "stop"));
	scene_free(s);
}

static void what_runs_after_it_was_handed_over_is_stopped(void **state)
{
	struct scene *s = scene_new("{\"status\": \"running\"}", NULL);

	(void)state;
	rj_qemu_source_handed_over(&s->guest);
	assert_true(s->guest.ran_twice);
	end_script(s);
	assert_true(scripted_saw(&s->script, "stop"));
	scene_free(s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_still_by_itself_is_left_so),
		cmocka_unit_test(what_was_stopped_goes_on),
		cmocka_unit_test(what_has_lost_a_device_is_not_handed_over),
		cmocka_unit_test(what_its_owner_paused_goes_on_when_told),
		cmocka_unit_test(what_its_owner_lets_go_on_is_not_paused),
		cmocka_unit_test(what_naps_is_not_taken_for_paused),
		cmocka_unit_test(what_could_not_go_on_is_not_taken_for_paused),
		cmocka_unit_test(what_stays_paused_has_its_images_back),
		cmocka_unit_test(what_runs_in_the_pause_is_not_handed_over),
		cmocka_unit_test(what_has_run_in_the_pause_is_not_handed_over),
		cmocka_unit_test(saving_looks_whether_it_stood_still),
		cmocka_unit_test(what_stands_still_is_handed_over),
		cmocka_unit_test(what_runs_after_it_was_handed_over_is_stopped),
	};

	if (rj_guardian_is_meant(argc, argv))
		return rj_guardian_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
