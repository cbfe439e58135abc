/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A read with O_DIRECT that is under way while its pages are protected: the disk
 * (tests/disk/slow_file.c) delivers when it is told to.
 */
#include "tests/unit/cmocka_all.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/dirty/pagemap_tracker.h"

#define FIRST_PAGE 100u
#define READ_PAGES 256u
#define READ_BYTES (READ_PAGES * RAMJET_PAGE_BYTES)

static struct stage {
	char dir[64], mount_point[96], content[96];
	pid_t disk;
	FILE *say, *hear;
	int file;
	struct tracker t;
	struct ramjet_dirty_source *settling;
	struct ramjet_dirty_source *sources[2];
	uint8_t *copy;
	pthread_t thread;
	ssize_t got;
} stage;

/* ---- the disk ----------------------------------------------------------- */

static void run_disk(const char *program, int in, int out)
{
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		(void)execl(program, program, stage.mount_point, stage.content,
			    (char *)NULL);
	_exit(127);
}

static void write_content(void)
{
	FILE *content = fopen(stage.content, "we");

	assert_non_null(content);
	for (unsigned i = 0; i < READ_BYTES; i++)
		assert_int_equal(fputc(0xd5, content), 0xd5);
	assert_int_equal(fclose(content), 0);
	content = fopen(stage.mount_point, "we");
	assert_non_null(content);
	assert_int_equal(fclose(content), 0);
}

static void hear(const char *begin)
{
	char line[128];

	assert_non_null(fgets(line, sizeof(line), stage.hear));
	assert_memory_equal(line, begin, strlen(begin));
}

static bool start_disk(void)
{
	const char *program = getenv("SLOW_FILE");
	int in[2], out[2];
	char line[128];

	assert_non_null(program);
	write_content();
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	stage.disk = fork();
	if (!stage.disk)
		run_disk(program, in[0], out[1]);
	(void)close(in[0]);
	(void)close(out[1]);
	stage.say = fdopen(in[1], "we");
	stage.hear = fdopen(out[0], "re");
	assert_non_null(stage.say);
	assert_non_null(stage.hear);
	setbuf(stage.say, NULL);
	return fgets(line, sizeof(line), stage.hear) &&
	       !strcmp(line, "ready\n");
}

static void *read_main(void *user)
{
	uint8_t *at =
		stage.t.memory.region.host + FIRST_PAGE * RAMJET_PAGE_BYTES;

	(void)user;
	/* Not pread(): ThreadSanitizer would report what is meant to be, that
	 * the kernel writes while the pages are copied. */
	stage.got = syscall(SYS_pread64, stage.file, at, READ_BYTES, 0);
	return NULL;
}

/* It has its pages, and waits. */
static void begin_read(void)
{
	assert_true(fputs("hold\n", stage.say) >= 0);
	assert_int_equal(pthread_create(&stage.thread, NULL, read_main, NULL),
			 0);
	hear("read 0 1048576");
}

static void end_read(void)
{
	assert_true(fputs("release\n", stage.say) >= 0);
	hear("released 1");
	assert_int_equal(pthread_join(stage.thread, NULL), 0);
	assert_int_equal(stage.got, READ_BYTES);
}

/* ---- the source --------------------------------------------------------- */

static int start(void *user, const struct ramjet_dirty_region *regions,
		 unsigned count, struct ramjet_error *err)
{
	(void)user, (void)regions, (void)count, (void)err;
	return 0;
}

static int collect(void *user, struct ramjet_dirty_sink *sink,
		   struct ramjet_error *err)
{
	(void)user, (void)sink, (void)err;
	return 0;
}

static int settle(void *user, struct ramjet_error *err)
{
	(void)user, (void)err;
	end_read();
	return 0;
}

static void stop(void *user)
{
	(void)user;
}

static const struct ramjet_dirty_ops settling = {
	RAMJET_DIRTY_OPS_INIT, .name = "settling", .start = start,
	.collect = collect,    .stop = stop,       .settle = settle,
};

/* Nothing is armed yet. `count` of the sources: the second settles. */
static void track(enum memory_kind kind, unsigned count)
{
	struct tracker *t = &stage.t;
	int rc;

	tracker_make(t, kind, BYTES);
	for (uint64_t page = 0; page < PAGES; page++)
		tracker_poke(t, page);
	stage.copy = malloc(BYTES);
	assert_non_null(stage.copy);
	assert_int_equal(rj_bitmap_init(&t->map, PAGES, NULL), 0);
	assert_int_equal(ramjet_dirty_pagemap_new(&t->source, NULL), 0);
	assert_int_equal(
		ramjet_dirty_new(&settling, NULL, &stage.settling, NULL), 0);
	stage.sources[0] = t->source;
	stage.sources[1] = stage.settling;
	rc = rj_dirty_set_start(&t->set, stage.sources, count,
				&t->memory.region, 1, &t->err);
	if (!tracker_kernel_can(&t->err, rc))
		skip();
	assert_int_equal(rc, 0);
}

static void copy_marked(void)
{
	const uint8_t *host = stage.t.memory.region.host;

	for (uint64_t page = 0; page < PAGES; page++)
		if (rj_bitmap_clear_run(&stage.t.map, page, 1))
			memcpy(stage.copy + page * RAMJET_PAGE_BYTES,
			       host + page * RAMJET_PAGE_BYTES,
			       RAMJET_PAGE_BYTES);
}

static void copy_all(void)
{
	memcpy(stage.copy, stage.t.memory.region.host, BYTES);
}

/* As if the guest had been stopped. */
static void copy_the_rest(void)
{
	const struct rj_dirty_walk last = { .last = true };

	(void)tracker_collect_as(&stage.t, &last);
	copy_marked();
}

static bool is_equal(void)
{
	return !memcmp(stage.copy, stage.t.memory.region.host, BYTES);
}

/* ---- tests -------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	memset(&stage, 0, sizeof(stage));
	stage.file = -1;
	(void)snprintf(stage.dir, sizeof(stage.dir), "%s",
		       "/tmp/ramjet-settle-XXXXXX");
	if (!mkdtemp(stage.dir))
		return -1;
	(void)snprintf(stage.mount_point, sizeof(stage.mount_point), "%s/disk",
		       stage.dir);
	(void)snprintf(stage.content, sizeof(stage.content), "%s/content",
		       stage.dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rj_dirty_set_stop(&stage.t.set);
	ramjet_dirty_free(stage.settling);
	if (stage.t.memory.map)
		tracker_end(&stage.t);
	free(stage.copy);
	if (stage.file >= 0)
		(void)close(stage.file);
	/* It unmounts when nobody speaks to it any more. */
	if (stage.say)
		(void)fclose(stage.say);
	if (stage.disk > 0)
		(void)waitpid(stage.disk, NULL, 0);
	if (stage.hear)
		(void)fclose(stage.hear);
	(void)unlink(stage.mount_point);
	(void)unlink(stage.content);
	return rmdir(stage.dir);
}

static void begin(enum memory_kind kind, unsigned sources)
{
	if (!start_disk()) {
		puts("# skipped: no file system by /dev/fuse: needs root");
		skip();
	}
	stage.file = open(stage.mount_point, O_RDONLY | O_DIRECT | O_CLOEXEC);
	assert_true(stage.file >= 0);
	track(kind, sources);
}

static void a_read_across_a_collect_is_in_the_copy(void **state)
{
	begin(*(const enum memory_kind *)*state, 2);
	assert_int_equal(tracker_arm_all(&stage.t), 0);
	copy_all();
	begin_read();
	assert_true(tracker_collect(&stage.t) >= READ_PAGES);
	copy_marked();
	copy_the_rest();
	assert_true(is_equal());
}

static void a_read_across_the_arming_is_in_the_copy(void **state)
{
	begin(*(const enum memory_kind *)*state, 2);
	begin_read();
	assert_int_equal(tracker_arm_all(&stage.t), 0);
	assert_int_equal(rj_dirty_set_settle(&stage.t.set, &stage.t.err), 0);
	copy_all();
	copy_the_rest();
	assert_true(is_equal());
}

/* Why all this: nothing but the settling makes the difference. */
static void who_does_not_wait_loses_the_read(void **state)
{
	begin(*(const enum memory_kind *)*state, 1);
	assert_int_equal(tracker_arm_all(&stage.t), 0);
	copy_all();
	begin_read();
	assert_true(tracker_collect(&stage.t) >= READ_PAGES);
	copy_marked();
	end_read();
	copy_the_rest();
	assert_false(is_equal());
}

static const enum memory_kind kinds[] = { MEMORY_ANON, MEMORY_MEMFD };

/* clang-format off */
#define CASE(test, kind) \
	{ #test " " #kind, test, setup, teardown, (void *)(uintptr_t)&kinds[kind] }
/* clang-format on */

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_read_across_a_collect_is_in_the_copy, 0),
		CASE(a_read_across_a_collect_is_in_the_copy, 1),
		CASE(a_read_across_the_arming_is_in_the_copy, 0),
		CASE(a_read_across_the_arming_is_in_the_copy, 1),
		CASE(who_does_not_wait_loses_the_read, 0),
		CASE(who_does_not_wait_loses_the_read, 1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
