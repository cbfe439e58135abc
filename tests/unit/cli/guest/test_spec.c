/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "cli/guest/spec.h"

static struct rj_cli_guest_spec parsed(const char *text)
{
	struct rj_cli_guest_spec spec;
	struct ramjet_error err = { 0 };

	if (rj_cli_guest_spec_parse(text, &spec, &err))
		fail_msg("%s: %s", text, err.message);
	return spec;
}

static void a_bare_kind_gets_every_default(void **state)
{
	struct rj_cli_guest_spec spec = parsed("process:");

	(void)state;
	assert_string_equal(spec.kind, "process");
	assert_int_equal(spec.bytes, 1u << 30);
	assert_int_equal(spec.write_bytes_per_s, 200u << 20);
	assert_int_equal(spec.set_bytes, 256u << 20);
	assert_int_equal(spec.pattern, RJ_CLI_PATTERN_SEQUENTIAL);
	assert_int_equal(spec.zero_percent, 30);
	assert_int_equal(spec.compressible_percent, 50);
	assert_int_equal(spec.threads, 1);
	assert_int_equal(spec.seed, 1);
	assert_int_equal(spec.pages, RJ_CLI_PAGES_4K);
	assert_false(spec.prealloc);
	assert_string_equal(parsed("kvm:").kind, "kvm");
}

static void every_key_is_heard(void **state)
{
	struct rj_cli_guest_spec spec =
		parsed("kvm:size=64M,write=max,set=8M,pattern=hot,zero=5%,"
		       "compressible=7,threads=3,seed=9,pages=2M,prealloc=1,"
		       "dirty=ring");

	(void)state;
	assert_int_equal(spec.bytes, 64u << 20);
	assert_int_equal(spec.write_bytes_per_s, RJ_CLI_WRITE_MAX);
	assert_int_equal(spec.set_bytes, 8u << 20);
	assert_int_equal(spec.pattern, RJ_CLI_PATTERN_HOT);
	assert_int_equal(spec.zero_percent, 5);
	assert_int_equal(spec.compressible_percent, 7);
	assert_int_equal(spec.threads, 3);
	assert_int_equal(spec.seed, 9);
	assert_int_equal(spec.pages, RJ_CLI_PAGES_2M);
	assert_true(spec.prealloc);
	assert_int_equal(spec.dirty, RJ_CLI_DIRTY_RING);
	assert_int_equal(parsed("process:write=8gbit").write_bytes_per_s,
			 1000000000);
	assert_int_equal(parsed("process:write=0").write_bytes_per_s, 0);
	spec = parsed("process:burst=1M,bursts=7");
	assert_int_equal(spec.burst_bytes, 1u << 20);
	assert_int_equal(spec.bursts, 7);
	assert_int_equal(parsed("process:burst=1M").bursts, 1);
	spec = parsed("process:storm=1.5s,calm=10M");
	assert_int_equal(spec.storm_us, 1500000);
	assert_int_equal(spec.calm_bytes_per_s, 10u << 20);
	assert_int_equal(parsed("process:").storm_us, 0);
	assert_int_equal(parsed("process:").touch_bytes, 16);
	assert_int_equal(parsed("process:touch=4072").touch_bytes, 4072);
}

static void a_small_guest_gets_a_small_set(void **state)
{
	(void)state;
	assert_int_equal(parsed("process:size=64M").set_bytes, 16u << 20);
	assert_int_equal(parsed("process:size=64M,set=64M").set_bytes,
			 64u << 20);
}

static void a_large_guest_may_use_little(void **state)
{
	struct rj_cli_guest_spec spec = parsed("process:size=1T,used=512M");

	(void)state;
	assert_int_equal(spec.bytes, UINT64_C(1) << 40);
	assert_int_equal(spec.used_bytes, 512u << 20);
	assert_int_equal(spec.set_bytes, 128u << 20);
	assert_int_equal(parsed("kvm:").used_bytes, 0);
}

static void a_file_has_a_path_and_maybe_a_size(void **state)
{
	struct rj_cli_guest_spec spec = parsed("file:/a/b=c:d,size=8K");

	(void)state;
	assert_string_equal(spec.kind, "file");
	assert_string_equal(spec.path, "/a/b=c:d");
	assert_int_equal(spec.bytes, 8192);
	assert_int_equal(parsed("file:x").bytes, 0);
	assert_true(parsed("file:x,prealloc=1").prealloc);
}

/* clang-format off */
static const struct {
	const char *text;
	const char *says;
} bad[] = {
	{ "", "unknown kind" },
	{ "process", "unknown kind" },
	{ "proc:size=1G", "unknown kind" },
	{ "file:", "wanted file:PATH" },
	{ "file:,size=4K", "wanted file:PATH" },
	{ "file:a,b", "'b' is not KEY=VALUE (a path can't hold a comma)" },
	{ "file:a,write=1M", "unknown key 'write', wanted size, prealloc" },
	{ "file:a,size=4097", "size: '4097' is not a multiple of 4096" },
	{ "process:size=1G,used=2G", "used is larger than size" },
	{ "process:size=1G,used=1M,set=2M", "set is larger than used" },
	{ "process:used=0", "used: '0', wanted 4096 or more" },
	{ "file:a,used=1M", "unknown key 'used'" },
	{ "process:size=1G,", "'' is not KEY=VALUE" },
	{ "process:size", "'size' is not KEY=VALUE" },
	{ "process:size=", "size: '' is not a size" },
	{ "process:size=0", "too small, wanted 4096" },
	{ "process:size=1X", "size: '1X' is not a size" },
	{ "process:size=4K", "size is too small, wanted 1M" },
	{ "process:size=1G,size=1G", "size is given twice" },
	{ "process:sise=1G", "unknown key 'sise', wanted size, write" },
	{ "process:dirty=log", "unknown key 'dirty'" },
	{ "process:write=fast", "write: 'fast' is not a rate" },
	{ "process:write=-1", "write: '-1' is not a rate" },
	{ "process:size=1G,set=2G", "set is larger than size" },
	{ "process:size=1M,set=4K", "set is too small" },
	{ "process:threads=0", "threads: 0 is out of range" },
	{ "process:threads=65", "threads: 65 is out of range" },
	{ "process:zero=101%", "zero: 101% is out of range" },
	{ "process:compressible=x", "compressible: 'x' is not" },
	{ "process:pattern=Hot",
	  "pattern: 'Hot' is unknown, wanted sequential, random or hot" },
	{ "process:pages=1G", "pages: '1G' is unknown, wanted 4K, thp or 2M" },
	{ "process:size=1029M,pages=2M", "must be a multiple of 2M" },
	{ "process:prealloc=2", "prealloc: 2 is out of range" },
	{ "process:seed=x", "seed: 'x' is not a whole number" },
	{ "process:size=1G,set=1M,burst=2M", "burst must fit into the set" },
	{ "process:write=0,burst=1M", "burst must fit into the set of a guest "
	  "that writes" },
	{ "kvm:burst=1M", "unknown key 'burst'" },
	{ "process:storm=25h", "storm: '25h' is too long, wanted 24h" },
	{ "process:write=0,storm=1s", "storm wants a guest that writes" },
	{ "process:write=max,storm=1s", "that writes at a rate" },
	{ "process:calm=1M", "calm means nothing without storm" },
	{ "kvm:storm=1s", "unknown key 'storm'" },
	{ "process:touch=8", "wanted a multiple of 8, 16 to 4072" },
	{ "process:touch=60", "wanted a multiple of 8" },
	{ "process:touch=4K", "wanted a multiple of 8" },
	{ "kvm:touch=64", "unknown key 'touch'" },
	{ "kvm:dirty=map", "dirty: 'map' is unknown, wanted log or ring" },
};
/* clang-format on */

static void malformed_guests_are_refused_by_name(void **state)
{
	struct rj_cli_guest_spec spec;

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++) {
		struct ramjet_error err = { 0 };
		int rc;

		memset(&spec, 0x5a, sizeof(spec));
		rc = rj_cli_guest_spec_parse(bad[i].text, &spec, &err);
		if (rc >= 0 || !strstr(err.message, bad[i].says))
			fail_msg("'%s': rc %d, message '%s', wanted '%s'",
				 bad[i].text, rc, err.message, bad[i].says);
		if (strncmp(err.message, "guest", 5))
			fail_msg("'%s' begins not with guest", err.message);
		assert_int_equal(spec.kind[0], 0x5a);
	}
}

static void a_text_beyond_all_measure_is_refused(void **state)
{
	static char text[16384] = "file:";
	struct rj_cli_guest_spec spec;

	(void)state;
	memset(text + 5, 'x', 4096);
	assert_int_equal(rj_cli_guest_spec_parse(text, &spec, NULL), -EINVAL);
	memset(text + 5, 'x', sizeof(text) - 6);
	assert_int_equal(rj_cli_guest_spec_parse(text, &spec, NULL), -EINVAL);
}

static void refused(const char *text, const char *part)
{
	struct rj_cli_guest_spec spec;
	struct ramjet_error err = { 0 };

	assert_true(rj_cli_guest_spec_parse(text, &spec, &err) < 0);
	if (!strstr(err.message, part))
		fail_msg("%s: '%s', wanted '%s'", text, err.message, part);
}

static void a_qemu_is_named_by_its_socket(void **state)
{
	struct rj_cli_guest_spec spec =
		parsed("qemu:/run/x=y.sock,pid=12,via=preload,also=7,also=9");

	(void)state;
	assert_string_equal(spec.kind, "qemu");
	assert_string_equal(spec.path, "/run/x=y.sock");
	assert_int_equal(spec.qemu.pid, 12);
	assert_int_equal(spec.qemu.via, RJ_CLI_VIA_PRELOAD);
	assert_int_equal(spec.qemu.also_count, 2);
	assert_int_equal(spec.qemu.also[1], 9);
	assert_int_equal(parsed("qemu:x,via=auto").qemu.via, RJ_CLI_VIA_AUTO);
	assert_int_equal(parsed("qemu:x,via=ptrace").qemu.via,
			 RJ_CLI_VIA_PTRACE);
	/* A demo starts its own. */
	spec = parsed("qemu:kernel=/boot/v,initrd=/i");
	assert_string_equal(spec.path, "");
	assert_string_equal(spec.qemu.kernel, "/boot/v");
	assert_string_equal(spec.qemu.initrd, "/i");
	assert_string_equal(parsed("qemu:").path, "");
	refused("qemu:x,via=magic", "wanted auto, ptrace or preload");
	assert_int_equal(parsed("qemu:x").qemu.state, RJ_CLI_STATE_AUTO);
	assert_int_equal(parsed("qemu:x,state=save").qemu.state,
			 RJ_CLI_STATE_SAVE);
	assert_int_equal(parsed("qemu:x,state=migrate").qemu.state,
			 RJ_CLI_STATE_MIGRATE);
	refused("qemu:x,state=magic", "wanted auto, save or migrate");
	refused("qemu:x,pid=0", "guest qemu: pid");
	refused("qemu:x,also=3,also=3", "3 is given twice");
	refused("qemu:x,pid=3,pid=4", "pid is given twice");
	refused("qemu:x,size=1G", "unknown key 'size', wanted pid, via");
	refused("process:pid=3", "unknown key 'pid'");
	refused("qemu:x,y", "a path can't hold a comma");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bare_kind_gets_every_default),
		cmocka_unit_test(every_key_is_heard),
		cmocka_unit_test(a_small_guest_gets_a_small_set),
		cmocka_unit_test(a_large_guest_may_use_little),
		cmocka_unit_test(a_file_has_a_path_and_maybe_a_size),
		cmocka_unit_test(a_qemu_is_named_by_its_socket),
		cmocka_unit_test(malformed_guests_are_refused_by_name),
		cmocka_unit_test(a_text_beyond_all_measure_is_refused),
	};

	return cmocka_run_group_tests_name("guest_spec", tests, NULL, NULL);
}
