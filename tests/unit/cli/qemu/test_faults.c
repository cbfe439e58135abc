/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever a QEMU answers, or doesn't, is an error that says so. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/qemu/blocks.h"
#include "cli/qemu/checks.h"
#include "cli/qemu/devices.h"
#include "cli/qemu/settings.h"
#include "cli/qemu/state.h"
#include "tests/unit/cli/qemu/scripted_qemu.h"
#include "util/compiler.h"

/* How long a silent one is waited for: no test depends on its length. */
#define SHORT_MS 100
/* As the script's pc.ram. */
#define RAM_BYTES (64u << 20)

static void open_scripted(struct scripted *s, struct rj_qemu *q)
{
	struct ramjet_error err = { 0 };

	scripted_start(s);
	if (rj_qemu_open(s->path, q, &err))
		fail_msg("%s", err.message);
	q->answer_ms = SHORT_MS;
}

static void close_scripted(struct scripted *s, struct rj_qemu *q)
{
	rj_qemu_close(q);
	scripted_end(s);
}

/* ---- what is done to a QEMU ---- */

static int look(struct rj_qemu *q, struct ramjet_error *err)
{
	struct rj_qemu_blocks blocks = { 0 };
	int rc = rj_qemu_blocks_look(q, &blocks, err);

	rj_qemu_blocks_done(&blocks);
	return rc;
}

static int describe(struct rj_qemu *q, struct ramjet_error *err)
{
	char *text = NULL;
	int rc = rj_qemu_devices_describe(q, &text, err);

	free(text);
	return rc;
}

static int list_vcpus(struct rj_qemu *q, struct ramjet_error *err)
{
	pid_t *threads = NULL;
	size_t count = 0;
	int rc = rj_qemu_vcpus(q, &threads, &count, err);

	assert_true(rc || (count == 2 && threads[1] == 12));
	free(threads);
	return rc;
}

static int set(struct rj_qemu *q, struct ramjet_error *err)
{
	struct rj_qemu_settings settings = { 0 };
	int rc = rj_qemu_settings_set(q, RJ_QEMU_BY_SAVE, &settings, err);

	rj_qemu_settings_done(&settings);
	return rc;
}

static int set_source(struct rj_qemu *q, struct ramjet_error *err)
{
	struct rj_qemu_settings settings = { 0 };
	int rc = rj_qemu_settings_set_source(q, &settings, err);

	rj_qemu_settings_done(&settings);
	return rc;
}

static int give_socket(struct rj_qemu *q, struct ramjet_error *err)
{
	struct rj_qemu_saver saver = RJ_QEMU_SAVER_NONE;
	int rc = rj_qemu_saver_prepare(q, RJ_QEMU_BY_MIGRATE, &saver, err);

	rj_qemu_saver_done(q, &saver);
	return rc;
}

static int prepare_saver(struct rj_qemu *q, struct ramjet_error *err)
{
	struct rj_qemu_saver saver = RJ_QEMU_SAVER_NONE;
	int rc = rj_qemu_saver_prepare(q, RJ_QEMU_BY_SAVE, &saver, err);

	rj_qemu_saver_done(q, &saver);
	return rc;
}

static int prepare_loader(struct rj_qemu *q, struct ramjet_error *err)
{
	struct rj_qemu_loader loader = RJ_QEMU_LOADER_NONE;
	int rc = rj_qemu_loader_prepare(q, &loader, err);

	rj_qemu_loader_done(q, &loader);
	return rc;
}

static int begin_to_load(struct rj_qemu *q, struct ramjet_error *err)
{
	struct rj_qemu_loader loader = RJ_QEMU_LOADER_NONE;
	int rc = rj_qemu_loader_prepare(q, &loader, err);

	if (!rc)
		rc = rj_qemu_loader_begin(q, &loader, err);
	/* It has been told. */
	if (!rc)
		rc = rj_qemu_loader_begin(q, &loader, err);
	rj_qemu_loader_done(q, &loader);
	return rc;
}

static int check_status(struct rj_qemu *q, struct ramjet_error *err)
{
	struct rj_qemu_status now;

	return rj_qemu_status(q, &now, err);
}

/* An operation meets each fault at each command that it needs. */
struct needed {
	int (*act)(struct rj_qemu *q, struct ramjet_error *err);
	const char *commands[6];
	bool takes_any; /* a return of another type is none to it */
};

static void meet(const struct needed *needed, const char *command,
		 enum fault fault)
{
	struct scripted s = { .broken = command, .fault = fault };
	struct ramjet_error err = { 0 };
	struct rj_qemu q = RJ_QEMU_NONE;
	int rc;

	open_scripted(&s, &q);
	rc = needed->act(&q, &err);
	if (fault == FAULT_OTHER_TYPE && needed->takes_any)
		rc = 0;
	else if (fault == FAULT_NONE ? rc : rc >= 0 || !*err.message)
		fail_msg("%s with fault %d: %d '%s'", command, (int)fault, rc,
			 err.message);
	if (fault == FAULT_REFUSAL)
		assert_int_equal(rc, -EREMOTEIO);
	if (fault == FAULT_LATE)
		assert_int_equal(rc, -ETIMEDOUT);
	if (fault == FAULT_HANGUP)
		assert_int_equal(rc, -EPIPE);
	close_scripted(&s, &q);
	assert_true(scripted_saw(&s, command));
	scripted_free(&s);
}

static void each_fault_is_told(void **state RJ_UNUSED)
{
	static const struct needed all[] = {
		{ check_status, { "query-status" }, false },
		{ list_vcpus, { "query-cpus-fast" }, false },
		{ rj_qemu_check_target,
		  { "query-target", "query-status", "query-migrate" },
		  false },
		{ rj_qemu_check_stopped, { "query-migrate" }, false },
		{ rj_qemu_check_target, { "query-yank" }, true },
		{ look, { "info ramblock", "info mtree -f" }, false },
		{ describe,
		  { "info qtree", "query-cpus-fast", "/cpu" },
		  false },
		{ set,
		  { "query-migrate-capabilities", "query-migrate-parameters",
		    "migrate-set-capabilities", "migrate-set-parameters" },
		  true },
		{ set_source,
		  { "query-migrate-capabilities", "query-migrate-parameters",
		    "migrate-set-capabilities", "migrate-set-parameters" },
		  true },
		{ give_socket, { "getfd" }, true },
		{ prepare_saver, { "add-fd" }, false },
		{ prepare_loader, { "stop", "getfd" }, true },
		{ begin_to_load, { "migrate-incoming" }, true },
	};

	for (size_t i = 0; i < RJ_ARRAY_SIZE(all); i++)
		for (size_t c = 0;
		     c < RJ_ARRAY_SIZE(all[i].commands) && all[i].commands[c];
		     c++)
			for (int f = FAULT_NONE; f < FAULT_COUNT_; f++)
				meet(&all[i], all[i].commands[c],
				     (enum fault)f);
}

static void opening_fails_at_each_command(void **state RJ_UNUSED)
{
	static const char *const commands[] = { "qmp_capabilities",
						"query-version",
						"query-commands", "/machine" };

	for (size_t c = 0; c < RJ_ARRAY_SIZE(commands); c++) {
		struct scripted s = { .broken = commands[c],
				      .fault = FAULT_HANGUP };
		struct rj_qemu q = RJ_QEMU_NONE;
		struct ramjet_error err = { 0 };

		scripted_start(&s);
		assert_int_equal(rj_qemu_open(s.path, &q, &err), -EPIPE);
		assert_non_null(strstr(err.message, s.path));
		scripted_end(&s);
		scripted_free(&s);
	}
}

/* ---- the connection ---- */

static void who_is_served_already_is_said(void **state RJ_UNUSED)
{
	struct scripted s = { .silent_from_start = true };
	struct rj_qmp_caller caller;
	struct ramjet_error err = { 0 };

	scripted_start(&s);
	assert_int_equal(
		rj_qmp_caller_open_within(s.path, SHORT_MS, &caller, &err),
		-EBUSY);
	assert_non_null(strstr(err.message, "one at a time"));
	scripted_end(&s);
	scripted_free(&s);
}

/* Nobody reads: what comes next must not be taken for its other half. */
static void half_a_command_is_the_last(void **state RJ_UNUSED)
{
	static char much[4u << 20];
	struct rj_qmp_caller caller = RJ_QMP_CALLER_NONE;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	caller.fd = ends[0];
	memset(much, 'x', sizeof(much) - 1);
	assert_int_equal(rj_qmp_caller_call_within(
				 &caller, "x", json_pack("{s:s}", "y", much),
				 -1, SHORT_MS, NULL, NULL),
			 -ETIMEDOUT);
	assert_int_equal(rj_qmp_caller_call(&caller, "x", NULL, NULL, NULL),
			 -EPIPE);
	rj_qmp_caller_close(&caller);
	(void)close(ends[1]);
}

static void another_service_is_no_qemu(void **state RJ_UNUSED)
{
	struct scripted s = { .greeting = "{\"hello\": 1}\r\n" };
	struct rj_qemu q = RJ_QEMU_NONE;
	struct ramjet_error err = { 0 };

	scripted_start(&s);
	assert_int_equal(rj_qemu_open(s.path, &q, &err), -EPROTO);
	scripted_end(&s);
	scripted_free(&s);
	err = (struct ramjet_error){ 0 };
	assert_int_equal(rj_qemu_open(s.path, &q, &err), -ENOENT);
	assert_non_null(strstr(err.message, "-qmp"));
}

static void a_late_answer_is_not_the_next_ones(void **state RJ_UNUSED)
{
	struct scripted s = { .broken = "query-jobs", .fault = FAULT_LATE };
	struct rj_qemu q = RJ_QEMU_NONE;
	struct rj_qemu_status now;
	struct ramjet_error err = { 0 };

	open_scripted(&s, &q);
	assert_int_equal(rj_qemu_call(&q, "query-jobs", NULL, NULL, &err),
			 -ETIMEDOUT);
	q.answer_ms = 0;
	assert_int_equal(rj_qemu_status(&q, &now, NULL), 0);
	assert_int_equal(now.run, RJ_QEMU_INCOMING);
	close_scripted(&s, &q);
	scripted_free(&s);
}

static void events_are_kept_and_awaited(void **state RJ_UNUSED)
{
	struct scripted s = { .before = "{\"event\": \"STOP\"}\r\n"
					"{\"event\": \"MIGRATION\", \"data\": "
					"{\"status\": \"active\"}}\r\n" };
	struct rj_qemu q = RJ_QEMU_NONE;
	json_t *event = NULL;

	open_scripted(&s, &q);
	assert_int_equal(rj_qmp_caller_await(&q.monitor, "MIGRATION", SHORT_MS,
					     &event, NULL),
			 0);
	assert_non_null(json_object_get(event, "data"));
	json_decref(event);
	assert_int_equal(
		rj_qmp_caller_await(&q.monitor, "SHUTDOWN", 1, &event, NULL),
		-ETIMEDOUT);
	close_scripted(&s, &q);
	scripted_free(&s);
}

/* info qtree of a machine with hundreds of devices. */
static void large_answers_are_read(void **state RJ_UNUSED)
{
	enum {
		BYTES = 700000
	};
	char *text = malloc(BYTES + 3), *read = NULL;
	const struct answer answers[] = { { "info qtree", text },
					  { NULL, NULL } };
	struct scripted s = { .answers = answers };
	struct rj_qemu q = RJ_QEMU_NONE;

	assert_non_null(text);
	memset(text, 'x', BYTES + 2);
	text[0] = text[BYTES + 1] = '"';
	text[BYTES + 2] = '\0';
	open_scripted(&s, &q);
	q.answer_ms = 0;
	assert_int_equal(rj_qemu_human(&q, "info qtree", &read, NULL), 0);
	assert_int_equal(strlen(read), BYTES);
	free(read);
	close_scripted(&s, &q);
	scripted_free(&s);
	free(text);
}

/* ---- checks ---- */

static void expect_told(int (*check)(struct rj_qemu *, struct ramjet_error *),
			const char *command, const char *answer, int wanted,
			const char *word)
{
	const struct answer answers[] = { { command, answer },
					  { "query-status",
					    "{\"status\": \"running\"}" },
					  { NULL, NULL } };
	struct scripted s = { .answers = answers };
	struct rj_qemu q = RJ_QEMU_NONE;
	struct ramjet_error err = { 0 };
	int rc;

	open_scripted(&s, &q);
	rc = check(&q, &err);
	if (rc != wanted || (wanted && !strstr(err.message, word)))
		fail_msg("%s %s: %d '%s'", command, answer, rc, err.message);
	close_scripted(&s, &q);
	scripted_free(&s);
}

static void sources_that_cannot_move_are_named(void **state RJ_UNUSED)
{
	static const struct {
		const char *command, *answer;
		int wanted;
		const char *word;
	} cases[] = {
		{ "query-jobs", "[]", 0, "" },
		{ "query-status", "{\"status\": \"paused\"}", 0, "" },
		{ "query-status", "{\"status\": \"inmigrate\"}", -EINVAL,
		  "waits for a migration" },
		{ "query-status", "{\"status\": \"guest-panicked\"}", -EINVAL,
		  "guest-panicked" },
		{ "query-status", "{\"status\": \"postmigrate\"}", -EINVAL,
		  "postmigrate" },
		{ "query-migrate", "{\"status\": \"active\"}", -EBUSY,
		  "active" },
		{ "query-migrate", "{\"status\": \"postcopy-paused\"}", -EBUSY,
		  "postcopy-paused" },
		{ "query-migrate", "{\"status\": \"failed\"}", 0, "" },
		{ "query-migrate",
		  "{\"blocked-reasons\": [\"this\", \"that\"]}", -EPERM,
		  "this; that" },
		{ "query-jobs",
		  "[{\"id\": \"j\", \"type\": \"mirror\", \"status\": "
		  "\"running\"}]",
		  -EBUSY, "'j' (mirror)" },
		{ "query-jobs",
		  "[{\"id\": \"j\", \"type\": \"mirror\", \"status\": "
		  "\"concluded\"}]",
		  0, "" },
		{ "query-dump", "{\"status\": \"active\"}", -EBUSY, "dump" },
		{ "query-target", "{\"arch\": \"aarch64\"}", -ENOSYS,
		  "aarch64" },
		{ "query-version",
		  "{\"qemu\": {\"major\": 5, \"minor\": 2, \"micro\": 0}}",
		  -ENOSYS, "5.2" },
	};

	for (size_t i = 0; i < RJ_ARRAY_SIZE(cases); i++)
		expect_told(rj_qemu_check_source, cases[i].command,
			    cases[i].answer, cases[i].wanted, cases[i].word);
}

static void targets_that_do_not_wait_are_named(void **state RJ_UNUSED)
{
	expect_told(rj_qemu_check_target, "query-status",
		    "{\"status\": \"running\"}", -EINVAL, "-incoming defer");
	expect_told(rj_qemu_check_target, "query-status",
		    "{\"status\": \"prelaunch\"}", -EINVAL, "prelaunch");
	expect_told(prepare_loader, "query-status", "{\"status\": \"paused\"}",
		    -EINVAL, "paused");
}

static void a_build_without_the_command_is_told(void **state RJ_UNUSED)
{
	expect_told(prepare_saver, "query-commands", "[]", -ENOSYS,
		    "xen-save-devices-state");
}

/* ---- descriptors ---- */

static void descriptors_go_along(void **state RJ_UNUSED)
{
	struct scripted s = { 0 };
	struct rj_qemu q = RJ_QEMU_NONE;

	open_scripted(&s, &q);
	assert_int_equal(prepare_saver(&q, NULL), 0);
	assert_int_equal(prepare_loader(&q, NULL), 0);
	close_scripted(&s, &q);
	assert_int_equal(s.fds, 2);
	assert_true(scripted_saw(&s, "remove-fd"));
	assert_true(scripted_saw(&s, "closefd"));
	scripted_free(&s);
}

/* ---- blocks ---- */

static void expect_place(const char *hva, uintptr_t wanted, void *memory)
{
	const struct answer answers[] = { { "gpa2hva 0x0", hva },
					  { NULL, NULL } };
	struct scripted s = { .answers = answers };
	struct rj_qemu q = RJ_QEMU_NONE;
	struct rj_qemu_blocks blocks = { 0 };
	bool is_candidate = false;
	struct ramjet_error err = { 0 };

	open_scripted(&s, &q);
	q.answer_ms = 0;
	if (rj_qemu_blocks_look(&q, &blocks, &err))
		fail_msg("%s", err.message);
	assert_int_equal(blocks.count, 1);
	assert_int_equal(blocks.block[0].bytes, RAM_BYTES);
	assert_int_equal(blocks.block[0].page_bytes, 4096);
	assert_int_equal(blocks.block[0].address, wanted);
	for (size_t i = 0; i < blocks.block[0].candidates_count; i++)
		is_candidate |=
			blocks.block[0].candidates[i] == (uintptr_t)memory;
	assert_int_equal(is_candidate, !wanted);
	rj_qemu_blocks_done(&blocks);
	close_scripted(&s, &q);
	scripted_free(&s);
}

static void expect_line(const char *line, const char *hva, uintptr_t wanted)
{
	char view[256];
	const struct answer answers[] = { { "gpa2hva 0x100000", hva },
					  { "info mtree -f", view },
					  { NULL, NULL } };
	struct scripted s = { .answers = answers };
	struct rj_qemu q = RJ_QEMU_NONE;
	struct rj_qemu_blocks blocks = { 0 };

	(void)snprintf(
		view, sizeof(view),
		"\" AS \\\"memory\\\", root: system\\r\\n%s\\r\\n\\r\\n\"",
		line);
	open_scripted(&s, &q);
	q.answer_ms = 0;
	assert_int_equal(rj_qemu_blocks_look(&q, &blocks, NULL), 0);
	if (blocks.block[0].address != wanted)
		fail_msg("%s", line);
	rj_qemu_blocks_done(&blocks);
	close_scripted(&s, &q);
	scripted_free(&s);
}

/* With offsets, with KVM; and what is no RAM, or too much of it. */
static void lines_of_views_are_read(void **state RJ_UNUSED)
{
	char *memory = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char hva[128];
	uintptr_t at = (uintptr_t)memory;

	assert_true(memory != MAP_FAILED);
	(void)snprintf(hva, sizeof(hva),
		       "\"Host virtual address for 0x100000 (pc.ram) is %p\"",
		       (void *)(memory + 0x100000));
	expect_line("  00100000-001fffff (prio 0, ram): pc.ram @00100000", hva,
		    at);
	expect_line("  00100000-001fffff (prio 0, ram): pc.ram @00100000 KVM",
		    hva, at);
	expect_line("  00100000-001fffff (prio 0, i/o): pc.ram @00100000", hva,
		    0);
	expect_line("  00100000-0fffffff (prio 0, ram): pc.ram @00100000", hva,
		    0);
	expect_line("  00100000-001fffff (prio 0, ram): c.ram @00100000", hva,
		    0);
	(void)snprintf(hva, sizeof(hva),
		       "\"Host virtual address for 0x100000 (pc.ram) is %p\"",
		       (void *)memory);
	expect_line("  00100000-001fffff (prio 0, ram): pc.ram KVM", hva, at);
	assert_int_equal(munmap(memory, RAM_BYTES), 0);
}

/* The "QEMU" is this process. */
static void old_blocks_are_found_or_have_candidates(void **state RJ_UNUSED)
{
	const size_t guard = 4096;
	char *all = mmap(NULL, RAM_BYTES + 2 * guard, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *memory = all + guard, text[128];

	assert_true(all != MAP_FAILED);
	assert_int_equal(mprotect(memory, RAM_BYTES, PROT_READ | PROT_WRITE),
			 0);
	(void)snprintf(text, sizeof(text),
		       "\"Host virtual address for 0x0 (pc.ram) is %p\\r\\n\"",
		       (void *)memory);
	expect_place(text, (uintptr_t)memory, memory);
	/* The guest moved something else there meanwhile. */
	(void)snprintf(text, sizeof(text),
		       "\"Host virtual address for 0x0 (vga.vram) is %p\"",
		       (void *)memory);
	expect_place(text, 0, memory);
	/* Not all of it is mapped there. */
	(void)snprintf(text, sizeof(text),
		       "\"Host virtual address for 0x0 (pc.ram) is %p\"",
		       (void *)(memory + guard));
	expect_place(text, 0, memory);
	expect_place("\"No memory is mapped at address 0x0\"", 0, memory);
	/* Advice has split it. */
	assert_int_equal(madvise(memory, guard, MADV_DONTFORK), 0);
	expect_place("\"No memory is mapped at address 0x0\"", 0, memory);
	assert_int_equal(munmap(all, RAM_BYTES + 2 * guard), 0);
}

static void tables_that_are_none_are_refused(void **state RJ_UNUSED)
{
	static const char *const tables[] = {
		"\"\"",
		"\"unknown command\"",
		"\"Block Name\"",
		"\"Block Name\\r\\n pc.ram 4 KiB\"",
		"\"Block Name\\r\\n pc.ram 4 XB 0x0 0x1000 0x1000\"",
		"\"Block Name\\r\\n pc.ram 4 KiB 0x0 0x2000 0x1000\"",
		("\"Block Name\\r\\n pc.ram 4 KiB 0x0 0x1000 0x1000 "
		 "0xfffffffffffff001 rw\""),
	};

	for (size_t i = 0; i < RJ_ARRAY_SIZE(tables); i++)
		expect_told(look, "info ramblock", tables[i], -EPROTO,
			    "info ramblock");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_fault_is_told),
	cmocka_unit_test(opening_fails_at_each_command),
	cmocka_unit_test(who_is_served_already_is_said),
	cmocka_unit_test(half_a_command_is_the_last),
	cmocka_unit_test(another_service_is_no_qemu),
	cmocka_unit_test(a_late_answer_is_not_the_next_ones),
	cmocka_unit_test(events_are_kept_and_awaited),
	cmocka_unit_test(large_answers_are_read),
	cmocka_unit_test(sources_that_cannot_move_are_named),
	cmocka_unit_test(targets_that_do_not_wait_are_named),
	cmocka_unit_test(a_build_without_the_command_is_told),
	cmocka_unit_test(descriptors_go_along),
	cmocka_unit_test(old_blocks_are_found_or_have_candidates),
	cmocka_unit_test(lines_of_views_are_read),
	cmocka_unit_test(tables_that_are_none_are_refused),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
