/* SPDX-License-Identifier: BSD-3-Clause */
/* Device state, settings, checks and devices of real QEMUs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/qemu/blocks.h"
#include "cli/qemu/checks.h"
#include "cli/qemu/devices.h"
#include "cli/qemu/settings.h"
#include "cli/qemu/state.h"
#include "tests/unit/cli/qemu/live_qemu.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define COMMON      "pc-q35-7.2"
#define COPY_BYTES  (1u << 20)
#define PATIENCE_MS 60000

static const char *const plain[] = { "-m", "64", NULL };
static const char *const plain_target[] = { "-m", "64", "-incoming", "defer",
					    NULL };

static void copy_block(int from, int to, const struct rj_qemu_block *a,
		       const struct rj_qemu_block *b)
{
	rj_autofree char *bytes = malloc(COPY_BYTES);

	assert_non_null(bytes);
	assert_true(a->bytes == b->bytes);
	for (uint64_t at = 0; at < a->bytes; at += COPY_BYTES) {
		size_t count =
			a->bytes - at < COPY_BYTES ? a->bytes - at : COPY_BYTES;

		assert_int_equal(
			pread(from, bytes, count, (off_t)(a->address + at)),
			count);
		assert_int_equal(
			pwrite(to, bytes, count, (off_t)(b->address + at)),
			count);
	}
}

/* What lies at a known place on both sides; ROMs are alike anyway. */
static void copy_memory(struct rj_qemu *source, struct rj_qemu *target)
{
	struct rj_qemu_blocks a = { 0 }, b = { 0 };
	struct ramjet_error err = { 0 };
	int from = live_open_memory(source), to = live_open_memory(target);

	live_ok(rj_qemu_blocks_look(source, &a, &err), &err);
	live_ok(rj_qemu_blocks_look(target, &b, &err), &err);
	assert_int_equal(a.count, b.count);
	for (size_t i = 0; i < a.count; i++) {
		const struct rj_qemu_block *there =
			live_block_called(&b, a.block[i].name);

		if (a.block[i].address && there->address)
			copy_block(from, to, &a.block[i], there);
	}
	rj_qemu_blocks_done(&a);
	rj_qemu_blocks_done(&b);
	(void)close(from);
	(void)close(to);
}

/* A guest that never booted has no timers; one that ran for a while has. */
static void run_a_little(struct rj_qemu *q)
{
	struct ramjet_error err = { 0 };

	live_ok(rj_qemu_cont(q, NULL, &err), &err);
}

static void save(struct rj_qemu *q, struct rj_qemu_saver *saver,
		 struct rj_qemu_state *ret)
{
	struct ramjet_error err = { 0 };
	uint64_t stop_us = 0, begin_us;

	live_ok(rj_qemu_stop(q, &stop_us, &err), &err);
	begin_us = rj_now_us();
	live_ok(rj_qemu_check_stopped(q, &err), &err);
	live_ok(rj_qemu_saver_save(q, saver, ret, &err), &err);
	print_message("# %zu bytes; stop %llu us, check and save %llu us\n",
		      ret->count, (unsigned long long)stop_us,
		      (unsigned long long)(rj_now_us() - begin_us));
}

static void expect_status(struct rj_qemu *q, enum rj_qemu_run wanted)
{
	struct rj_qemu_status now;
	struct ramjet_error err = { 0 };

	live_ok(rj_qemu_status(q, &now, &err), &err);
	assert_int_equal(now.run, wanted);
}

static char *capabilities(struct rj_qemu *q)
{
	json_t *answer = NULL;
	struct ramjet_error err = { 0 };
	char *text;

	live_ok(rj_qemu_call(q, "query-migrate-capabilities", NULL, &answer,
			     &err),
		&err);
	text = json_dumps(answer, 0);
	json_decref(answer);
	assert_non_null(text);
	return text;
}

struct move {
	struct live source;
	struct live target;
	struct rj_qemu_saver saver;
	struct rj_qemu_loader loader;
	struct rj_qemu_settings settings;
	struct rj_qemu_state state;
	char *before; /* the target's capabilities */
};

static void begin_move(struct move *m, const char *from, const char *to,
		       const char *const *options,
		       const char *const *target_options)
{
	struct ramjet_error err = { 0 };

	live_need(from);
	live_need(to);
	*m = (struct move){ .saver = RJ_QEMU_SAVER_NONE,
			    .loader = RJ_QEMU_LOADER_NONE };
	live_start(&m->source, from, COMMON, options);
	live_start(&m->target, to, COMMON, target_options);
	run_a_little(&m->source.qemu);
	live_ok(rj_qemu_check_source(&m->source.qemu, &err), &err);
	live_ok(rj_qemu_check_target(&m->target.qemu, &err), &err);
	m->before = capabilities(&m->target.qemu);
	live_ok(rj_qemu_settings_set(&m->target.qemu, RJ_QEMU_BY_SAVE,
				     &m->settings, &err),
		&err);
	live_ok(rj_qemu_saver_prepare(&m->source.qemu, RJ_QEMU_BY_SAVE,
				      &m->saver, &err),
		&err);
	live_ok(rj_qemu_loader_prepare(&m->target.qemu, &m->loader, &err),
		&err);
}

static void end_move(struct move *m)
{
	rj_qemu_settings_done(&m->settings);
	rj_qemu_saver_done(&m->source.qemu, &m->saver);
	rj_qemu_loader_done(&m->target.qemu, &m->loader);
	rj_qemu_state_done(&m->state);
	free(m->before);
	live_end(&m->source);
	live_end(&m->target);
}

static void expect_settings_back(struct move *m)
{
	struct ramjet_error err = { 0 };
	rj_autofree char *after = NULL;

	live_ok(rj_qemu_settings_put_back(&m->target.qemu, &m->settings, &err),
		&err);
	after = capabilities(&m->target.qemu);
	assert_string_equal(m->before, after);
}

static void move(const char *from, const char *to)
{
	struct move m;
	struct ramjet_error err = { 0 };
	uint64_t begin_us;

	begin_move(&m, from, to, plain, plain_target);
	save(&m.source.qemu, &m.saver, &m.state);
	copy_memory(&m.source.qemu, &m.target.qemu);
	begin_us = rj_now_us();
	live_ok(rj_qemu_loader_load(&m.target.qemu, &m.loader, &m.state,
				    PATIENCE_MS, &err),
		&err);
	print_message("# load %llu us\n",
		      (unsigned long long)(rj_now_us() - begin_us));
	expect_settings_back(&m);
	live_ok(rj_qemu_cont(&m.target.qemu, NULL, &err), &err);
	live_ok(rj_qemu_announce(&m.target.qemu, &err), &err);
	expect_status(&m.target.qemu, RJ_QEMU_RUNNING);
	live_ok(rj_qemu_quit(&m.source.qemu, &err), &err);
	assert_true(live_is_gone(&m.source));
	end_move(&m);
}

static void old_to_old(void **state RJ_UNUSED)
{
	move("7.2", "7.2");
}

static void new_to_new(void **state RJ_UNUSED)
{
	move("10", "10");
}

static void old_to_new(void **state RJ_UNUSED)
{
	move("7.2", "10");
}

/* The source has a card that the target lacks. */
static void refused(const char *version)
{
	static const char *const with_card[] = { "-m", "64", "-device",
						 "virtio-net-pci", NULL };
	struct move m;
	struct ramjet_error err = { 0 };

	begin_move(&m, version, version, with_card, plain_target);
	save(&m.source.qemu, &m.saver, &m.state);
	assert_int_equal(rj_qemu_loader_load(&m.target.qemu, &m.loader,
					     &m.state, PATIENCE_MS, &err),
			 -EREMOTEIO);
	print_message("# %s\n", err.message);
	assert_non_null(strstr(err.message, "virtio-net"));
	live_ok(rj_qemu_cont(&m.source.qemu, NULL, &err), &err);
	expect_status(&m.source.qemu, RJ_QEMU_RUNNING);
	/* It can be saved again. */
	rj_qemu_state_done(&m.state);
	save(&m.source.qemu, &m.saver, &m.state);
	live_ok(rj_qemu_cont(&m.source.qemu, NULL, &err), &err);
	if (!strcmp(version, "10"))
		expect_settings_back(&m);
	else
		assert_true(live_is_gone(&m.target));
	end_move(&m);
}

static void old_target_says_why_it_refuses(void **state RJ_UNUSED)
{
	refused("7.2");
}

static void new_target_says_why_it_refuses(void **state RJ_UNUSED)
{
	refused("10");
}

/* A stream that stops in the middle of a device. */
static void cut(const char *version)
{
	struct move m;
	struct ramjet_error err = { 0 };
	const size_t end = 8;

	begin_move(&m, version, version, plain, plain_target);
	save(&m.source.qemu, &m.saver, &m.state);
	memmove(m.state.bytes + 4000 - end, m.state.bytes + m.state.count - end,
		end);
	m.state.count = 4000;
	assert_int_equal(rj_qemu_loader_load(&m.target.qemu, &m.loader,
					     &m.state, PATIENCE_MS, &err),
			 -EREMOTEIO);
	print_message("# %s\n", err.message);
	end_move(&m);
}

static void old_target_gets_half(void **state RJ_UNUSED)
{
	cut("7.2");
}

static void new_target_gets_half(void **state RJ_UNUSED)
{
	cut("10");
}

static void unmigratable(const char *version)
{
	static const char *const disk[] = {
		"-m",      "64",
		"-drive",  "if=none,id=n,driver=null-co,size=64M",
		"-device", "nvme,drive=n,serial=1",
		NULL
	};
	struct live live;
	struct ramjet_error err = { 0 };

	live_need(version);
	live_start(&live, version, COMMON, disk);
	assert_int_equal(rj_qemu_check_source(&live.qemu, &err), -EPERM);
	print_message("# %s\n", err.message);
	assert_non_null(strstr(err.message, "nvme"));
	err = (struct ramjet_error){ 0 };
	live_ok(rj_qemu_stop(&live.qemu, NULL, &err), &err);
	assert_int_equal(rj_qemu_check_stopped(&live.qemu, &err), -EPERM);
	err = (struct ramjet_error){ 0 };
	live_ok(rj_qemu_cont(&live.qemu, NULL, &err), &err);
	expect_status(&live.qemu, RJ_QEMU_RUNNING);
	live_end(&live);
}

static void old_with_nvme_is_refused_and_lives(void **state RJ_UNUSED)
{
	unmigratable("7.2");
}

static void new_with_nvme_is_refused_and_lives(void **state RJ_UNUSED)
{
	unmigratable("10");
}

/* ---- devices ---- */

static char *described(const char *version, const char *const *options)
{
	struct live live;
	struct ramjet_error err = { 0 };
	char *text = NULL;

	live_start(&live, version, COMMON, options);
	live_ok(rj_qemu_devices_describe(&live.qemu, &text, &err), &err);
	live_end(&live);
	return text;
}

static void compare_versions(const char *from, const char *to)
{
	static const char *const many[] = { "-m",      "64",
					    "-smp",    "2",
					    "-device", "VGA",
					    "-device", "virtio-net-pci,id=net",
					    "-device", "ahci",
					    "-device", "virtio-scsi-pci",
					    "-device", "qemu-xhci",
					    "-device", "usb-tablet",
					    "-device", "virtio-balloon-pci",
					    "-device", "virtio-rng-pci",
					    "-device", "pcie-root-port,id=rp",
					    "-serial", "null",
					    NULL };
	static const char *const more[] = {
		"-m",      "64",
		"-smp",    "1",
		"-device", "VGA",
		"-device", "virtio-net-pci,id=net,mac=52:54:00:00:00:01",
		"-device", "virtio-rng-pci,id=surplus",
		NULL
	};
	static const char *const fewer[] = { "-m",      "64",
					     "-smp",    "1",
					     "-device", "VGA",
					     "-device", "virtio-net-pci,id=net",
					     NULL };
	rj_autofree char *a = NULL, *b = NULL, *c = NULL, *d = NULL;
	struct ramjet_error err = { 0 };

	live_need(from);
	live_need(to);
	a = described(from, many);
	b = described(to, many);
	print_message("# %zu bytes\n", strlen(a));
	live_ok(rj_qemu_devices_compare(a, b, &err), &err);
	c = described(from, fewer);
	d = described(to, more);
	assert_int_equal(rj_qemu_devices_compare(c, d, &err), -EINVAL);
	print_message("# %s\n", err.message);
	assert_non_null(strstr(err.message, "(id surplus)"));
	assert_non_null(strstr(err.message, "mac=52:54:00:12:34:56"));
}

static void old_devices_are_compared(void **state RJ_UNUSED)
{
	compare_versions("7.2", "7.2");
}

static void devices_of_both_versions_are_alike(void **state RJ_UNUSED)
{
	compare_versions("7.2", "10");
}

/* ---- targets ---- */

static void a_target_that_listens_is_refused(void **state RJ_UNUSED)
{
	static const char *const listening[] = { "-m", "64", "-incoming",
						 "exec:sleep 600", NULL };
	struct live live;
	struct ramjet_error err = { 0 };

	live_need("7.2");
	live_start(&live, "7.2", COMMON, listening);
	assert_int_equal(rj_qemu_check_target(&live.qemu, &err), -EINVAL);
	assert_non_null(strstr(err.message, "-incoming defer"));
	live_end(&live);
	err = (struct ramjet_error){ 0 };
	live_start(&live, "7.2", COMMON, plain);
	assert_int_equal(rj_qemu_check_target(&live.qemu, &err), -EINVAL);
	assert_non_null(strstr(err.message, "prelaunch"));
	live_end(&live);
}

static void second_clients_are_told(void **state RJ_UNUSED)
{
	struct live live;
	struct rj_qmp_caller second;
	struct ramjet_error err = { 0 };

	live_need("7.2");
	live_start(&live, "7.2", COMMON, plain);
	assert_int_equal(
		rj_qmp_caller_open_within(live.socket, 100, &second, &err),
		-EBUSY);
	expect_status(&live.qemu, RJ_QEMU_PRELAUNCH);
	live_end(&live);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(old_devices_are_compared),
	cmocka_unit_test(devices_of_both_versions_are_alike),
	cmocka_unit_test(a_target_that_listens_is_refused),
	cmocka_unit_test(second_clients_are_told),
	cmocka_unit_test(old_to_old),
	cmocka_unit_test(new_to_new),
	cmocka_unit_test(old_to_new),
	cmocka_unit_test(old_target_says_why_it_refuses),
	cmocka_unit_test(new_target_says_why_it_refuses),
	cmocka_unit_test(old_target_gets_half),
	cmocka_unit_test(new_target_gets_half),
	cmocka_unit_test(old_with_nvme_is_refused_and_lives),
	cmocka_unit_test(new_with_nvme_is_refused_and_lives),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
