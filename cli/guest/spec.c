/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/spec.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "util/error.h"
#include "util/parse.h"

#define GIB              (UINT64_C(1) << 30)
#define MIB              (UINT64_C(1) << 20)
#define HUGE_BYTES       (2 * MIB)
#define DEFAULT_BYTES    GIB
#define DEFAULT_WRITE    (200 * MIB)
#define DEFAULT_SET      (256 * MIB)
#define GUEST_BYTES_MIN  MIB
#define STORM_US_MAX     (UINT64_C(86400) * 1000000)
#define DEFAULT_ZERO     30
#define DEFAULT_COMPRESS 50

static const char *const pattern_names[] = {
	[RJ_CLI_PATTERN_SEQUENTIAL] = "sequential",
	[RJ_CLI_PATTERN_RANDOM] = "random",
	[RJ_CLI_PATTERN_HOT] = "hot",
};
static const char *const pages_names[] = {
	[RJ_CLI_PAGES_4K] = "4K",
	[RJ_CLI_PAGES_THP] = "thp",
	[RJ_CLI_PAGES_2M] = "2M",
};
static const char *const lock_names[] = { "on", "off" };
static const char *const dirty_names[] = {
	[RJ_CLI_DIRTY_LOG] = "log",
	[RJ_CLI_DIRTY_RING] = "ring",
};

const char *rj_cli_pattern_name(unsigned pattern)
{
	return pattern < RJ_CLI_PATTERN_COUNT_ ? pattern_names[pattern]
					       : "invalid";
}

const char *rj_cli_pages_name(unsigned pages)
{
	return pages < RJ_CLI_PAGES_COUNT_ ? pages_names[pages] : "invalid";
}

/* What is being parsed, and which keys were seen. */
struct parser {
	struct rj_cli_guest_spec spec;
	char what[32]; /* "guest process: size" */
	bool set_given;
};

static int choose(const char *what, const char *value, const char *const *names,
		  unsigned count, unsigned *ret, struct ramjet_error *err)
{
	char wanted[64] = "";

	for (unsigned i = 0; i < count; i++) {
		size_t used = strlen(wanted);

		if (!strcmp(value, names[i])) {
			*ret = i;
			return 0;
		}
		(void)snprintf(wanted + used, sizeof(wanted) - used, "%s%s",
			       i == 0           ? ""
			       : i + 1 == count ? " or "
						: ", ",
			       names[i]);
	}
	return rj_fail(err, -EINVAL, "%s: '%s' is unknown, wanted %s", what,
		       value, wanted);
}

static int key_size(struct parser *p, const char *value,
		    struct ramjet_error *err)
{
	int rc = rj_parse_size(p->what, value, &p->spec.bytes, err);

	if (rc)
		return rc;
	if (!p->spec.bytes)
		return rj_fail(err, -EINVAL,
			       "%s: '%s' is too small, wanted 4096 bytes or a "
			       "multiple of that",
			       p->what, value);
	if (p->spec.bytes % RAMJET_PAGE_BYTES)
		return rj_fail(err, -EINVAL,
			       "%s: '%s' is not a multiple of 4096 bytes",
			       p->what, value);
	return 0;
}

static int key_used(struct parser *p, const char *value,
		    struct ramjet_error *err)
{
	int rc = rj_parse_size(p->what, value, &p->spec.used_bytes, err);

	if (!rc && !p->spec.used_bytes)
		rc = rj_fail(err, -EINVAL, "%s: '%s', wanted 4096 or more",
			     p->what, value);
	return rc;
}

static int key_write(struct parser *p, const char *value,
		     struct ramjet_error *err)
{
	if (!strcmp(value, "max")) {
		p->spec.write_bytes_per_s = RJ_CLI_WRITE_MAX;
		return 0;
	}
	return rj_parse_rate(p->what, value, &p->spec.write_bytes_per_s, err);
}

static int key_set(struct parser *p, const char *value,
		   struct ramjet_error *err)
{
	p->set_given = true;
	return rj_parse_size(p->what, value, &p->spec.set_bytes, err);
}

static int key_pattern(struct parser *p, const char *value,
		       struct ramjet_error *err)
{
	unsigned chosen = 0;
	int rc = choose(p->what, value, pattern_names, RJ_CLI_PATTERN_COUNT_,
			&chosen, err);

	if (!rc)
		p->spec.pattern = chosen;
	return rc;
}

static int key_zero(struct parser *p, const char *value,
		    struct ramjet_error *err)
{
	return rj_parse_percent(p->what, value, &p->spec.zero_percent, err);
}

static int key_compressible(struct parser *p, const char *value,
			    struct ramjet_error *err)
{
	return rj_parse_percent(p->what, value, &p->spec.compressible_percent,
				err);
}

static int key_threads(struct parser *p, const char *value,
		       struct ramjet_error *err)
{
	uint64_t count;
	int rc = rj_parse_uint(p->what, value, 1, RJ_CLI_THREADS_MAX, &count,
			       err);

	if (!rc)
		p->spec.threads = (uint32_t)count;
	return rc;
}

static int key_seed(struct parser *p, const char *value,
		    struct ramjet_error *err)
{
	return rj_parse_uint(p->what, value, 0, UINT64_MAX, &p->spec.seed, err);
}

static int key_pages(struct parser *p, const char *value,
		     struct ramjet_error *err)
{
	unsigned chosen = 0;
	int rc = choose(p->what, value, pages_names, RJ_CLI_PAGES_COUNT_,
			&chosen, err);

	if (!rc)
		p->spec.pages = chosen;
	return rc;
}

static int key_prealloc(struct parser *p, const char *value,
			struct ramjet_error *err)
{
	uint64_t on;
	int rc = rj_parse_uint(p->what, value, 0, 1, &on, err);

	if (!rc)
		p->spec.prealloc = on;
	return rc;
}

static int key_lock(struct parser *p, const char *value,
		    struct ramjet_error *err)
{
	unsigned chosen = 0;
	int rc = choose(p->what, value, lock_names, RJ_ARRAY_SIZE(lock_names),
			&chosen, err);

	if (!rc)
		p->spec.unlocked = chosen;
	return rc;
}

static int key_dirty(struct parser *p, const char *value,
		     struct ramjet_error *err)
{
	unsigned chosen = 0;
	int rc = choose(p->what, value, dirty_names, RJ_ARRAY_SIZE(dirty_names),
			&chosen, err);

	if (!rc)
		p->spec.dirty = chosen;
	return rc;
}

static int key_burst(struct parser *p, const char *value,
		     struct ramjet_error *err)
{
	return rj_parse_size(p->what, value, &p->spec.burst_bytes, err);
}

static int key_bursts(struct parser *p, const char *value,
		      struct ramjet_error *err)
{
	uint64_t count;
	int rc = rj_parse_uint(p->what, value, 0, UINT32_MAX, &count, err);

	if (!rc)
		p->spec.bursts = (uint32_t)count;
	return rc;
}

static int key_storm(struct parser *p, const char *value,
		     struct ramjet_error *err)
{
	int rc = rj_parse_duration_us(p->what, value, &p->spec.storm_us, err);

	if (rc)
		return rc;
	if (p->spec.storm_us > STORM_US_MAX)
		return rj_fail(err, -ERANGE,
			       "%s: '%s' is too long, wanted 24h or less",
			       p->what, value);
	return 0;
}

static int key_calm(struct parser *p, const char *value,
		    struct ramjet_error *err)
{
	return rj_parse_rate(p->what, value, &p->spec.calm_bytes_per_s, err);
}

/* Two counters, and all words between them. */
static int key_touch(struct parser *p, const char *value,
		     struct ramjet_error *err)
{
	uint64_t bytes;
	int rc = rj_parse_size(p->what, value, &bytes, err);

	if (rc)
		return rc;
	if (bytes < RJ_CLI_TOUCH_MIN || bytes > RJ_CLI_TOUCH_MAX || bytes % 8)
		return rj_fail(err, -ERANGE,
			       "%s: '%s', wanted a multiple of 8, %u to %u",
			       p->what, value, RJ_CLI_TOUCH_MIN,
			       RJ_CLI_TOUCH_MAX);
	p->spec.touch_bytes = (uint32_t)bytes;
	return 0;
}

static int key_pid(struct parser *p, const char *value,
		   struct ramjet_error *err)
{
	return rj_cli_qemu_pid(&p->spec.qemu, p->what, value, err);
}

static int key_via(struct parser *p, const char *value,
		   struct ramjet_error *err)
{
	return rj_cli_qemu_via(&p->spec.qemu, p->what, value, err);
}

static int key_also(struct parser *p, const char *value,
		    struct ramjet_error *err)
{
	return rj_cli_qemu_also(&p->spec.qemu, p->what, value, err);
}

static int key_state(struct parser *p, const char *value,
		     struct ramjet_error *err)
{
	return rj_cli_qemu_state(&p->spec.qemu, p->what, value, err);
}

static int key_kernel(struct parser *p, const char *value,
		      struct ramjet_error *err)
{
	return rj_cli_qemu_file(p->spec.qemu.kernel,
				sizeof(p->spec.qemu.kernel), p->what, value,
				err);
}

static int key_initrd(struct parser *p, const char *value,
		      struct ramjet_error *err)
{
	return rj_cli_qemu_file(p->spec.qemu.initrd,
				sizeof(p->spec.qemu.initrd), p->what, value,
				err);
}

enum {
	FILE_KEY = 1,
	PROCESS_KEY = 2,
	KVM_KEY = 4,
	LIVE = 6,
	ALL = 7,
	QEMU_KEY = 8,
	AGAIN = 16, /* a key that may come more than once */
};

/* clang-format off */
static const struct kind {
	const char *name;
	unsigned bit;
} kinds[] = {
	{ "file", FILE_KEY }, { "process", PROCESS_KEY }, { "kvm", KVM_KEY },
	{ "qemu", QEMU_KEY },
};

static const struct key {
	const char *name;
	unsigned kinds;
	int (*parse)(struct parser *p, const char *value,
		     struct ramjet_error *err);
} keys[] = {
	{ "size", ALL, key_size },
	{ "write", LIVE, key_write },
	{ "set", LIVE, key_set },
	{ "used", LIVE, key_used },
	{ "pattern", LIVE, key_pattern },
	{ "zero", LIVE, key_zero },
	{ "compressible", LIVE, key_compressible },
	{ "threads", LIVE, key_threads },
	{ "seed", LIVE, key_seed },
	{ "pages", LIVE, key_pages },
	{ "prealloc", ALL, key_prealloc },
	{ "lock", FILE_KEY, key_lock },
	{ "dirty", KVM_KEY, key_dirty },
	{ "burst", PROCESS_KEY, key_burst },
	{ "bursts", PROCESS_KEY, key_bursts },
	{ "storm", PROCESS_KEY, key_storm },
	{ "calm", PROCESS_KEY, key_calm },
	{ "touch", PROCESS_KEY, key_touch },
	{ "pid", QEMU_KEY, key_pid },
	{ "via", QEMU_KEY, key_via },
	{ "also", QEMU_KEY | AGAIN, key_also },
	{ "state", QEMU_KEY, key_state },
	{ "kernel", QEMU_KEY, key_kernel },
	{ "initrd", QEMU_KEY, key_initrd },
};
/* clang-format on */

static int unknown_key(const char *kind, unsigned bit, const char *name,
		       struct ramjet_error *err)
{
	char wanted[160] = "";

	for (size_t i = 0; i < RJ_ARRAY_SIZE(keys); i++) {
		size_t used = strlen(wanted);

		if (keys[i].kinds & bit)
			(void)snprintf(wanted + used, sizeof(wanted) - used,
				       "%s%s", used ? ", " : "", keys[i].name);
	}
	return rj_fail(err, -EINVAL, "guest %s: unknown key '%s', wanted %s",
		       kind, name, wanted);
}

#define BEGINS_WITH_PATH (FILE_KEY | QEMU_KEY)

/* One "key=value"; `item` is cut in two. */
static int parse_item(struct parser *p, unsigned bit, char *item,
		      unsigned *seen, struct ramjet_error *err)
{
	char *value = strchr(item, '=');

	if (!value)
		return rj_fail(
			err, -EINVAL, "guest %s: '%s' is not KEY=VALUE%s",
			p->spec.kind, item,
			bit & BEGINS_WITH_PATH ? " (a path can't hold a comma)"
					       : "");
	*value++ = '\0';
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, item) || !(keys[i].kinds & bit))
			continue;
		if (*seen & 1u << i && !(keys[i].kinds & AGAIN))
			return rj_fail(err, -EINVAL,
				       "guest %s: %s is given twice",
				       p->spec.kind, item);
		*seen |= 1u << i;
		(void)snprintf(p->what, sizeof(p->what), "guest %s: %s",
			       p->spec.kind, item);
		return keys[i].parse(p, value, err);
	}
	return unknown_key(p->spec.kind, bit, item, err);
}

/* What only tests ask for. */
static int check_hooks(const struct rj_cli_guest_spec *spec,
		       struct ramjet_error *err)
{
	const uint64_t rate = spec->write_bytes_per_s;

	if (spec->burst_bytes && (spec->burst_bytes > spec->set_bytes || !rate))
		return rj_fail(err, -ERANGE,
			       "guest %s: burst must fit into the set of a "
			       "guest that writes",
			       spec->kind);
	if (spec->storm_us && (!rate || rate == RJ_CLI_WRITE_MAX))
		return rj_fail(err, -EINVAL,
			       "guest %s: storm wants a guest that writes at "
			       "a rate",
			       spec->kind);
	if (spec->calm_bytes_per_s && !spec->storm_us)
		return rj_fail(err, -EINVAL,
			       "guest %s: calm means nothing without storm",
			       spec->kind);
	return 0;
}

static uint64_t default_set(const struct rj_cli_guest_spec *spec)
{
	const uint64_t used = spec->used_bytes ? spec->used_bytes : spec->bytes;

	return used / 4 < DEFAULT_SET ? used / 4 : DEFAULT_SET;
}

/* Live guests: what was left out, and what must fit together. */
static int complete(struct parser *p, struct ramjet_error *err)
{
	struct rj_cli_guest_spec *spec = &p->spec;

	if (!spec->bytes)
		spec->bytes = DEFAULT_BYTES;
	if (spec->bytes < GUEST_BYTES_MIN)
		return rj_fail(err, -ERANGE,
			       "guest %s: size is too small, wanted 1M or more",
			       spec->kind);
	if (spec->pages == RJ_CLI_PAGES_2M && spec->bytes % HUGE_BYTES)
		return rj_fail(err, -EINVAL,
			       "guest %s: with pages=2M, size must be a "
			       "multiple of 2M",
			       spec->kind);
	if (spec->used_bytes > spec->bytes)
		return rj_fail(err, -ERANGE,
			       "guest %s: used is larger than size, wanted at "
			       "most that",
			       spec->kind);
	if (!p->set_given)
		spec->set_bytes = default_set(spec);
	if (spec->used_bytes && spec->set_bytes > spec->used_bytes)
		return rj_fail(err, -ERANGE,
			       "guest %s: set is larger than used, wanted at "
			       "most that",
			       spec->kind);
	if (spec->set_bytes > spec->bytes)
		return rj_fail(err, -ERANGE,
			       "guest %s: set is larger than size, wanted at "
			       "most that",
			       spec->kind);
	if (spec->set_bytes / RAMJET_PAGE_BYTES < 2 * spec->threads &&
	    spec->write_bytes_per_s)
		return rj_fail(err, -ERANGE,
			       "guest %s: set is too small, wanted 8K or more "
			       "for each of %u threads",
			       spec->kind, spec->threads);
	return check_hooks(spec, err);
}

/* Cut the kind off `text`; *ret_rest is what follows the colon. */
static int parse_kind(const char *text, struct rj_cli_guest_spec *spec,
		      const char **ret_rest, unsigned *ret_bit,
		      struct ramjet_error *err)
{
	const char *colon = strchr(text, ':');

	for (size_t i = 0; colon && i < RJ_ARRAY_SIZE(kinds); i++) {
		if (strncmp(kinds[i].name, text, (size_t)(colon - text)) ||
		    kinds[i].name[colon - text])
			continue;
		(void)snprintf(spec->kind, sizeof(spec->kind), "%s",
			       kinds[i].name);
		*ret_rest = colon + 1;
		*ret_bit = kinds[i].bit;
		return 0;
	}
	return rj_fail(err, -EINVAL,
		       "guest '%s': unknown kind, wanted file:PATH, "
		       "process:KEY=VALUE,..., kvm:KEY=VALUE,... or "
		       "qemu:QMP_SOCKET",
		       text);
}

/* `demo qemu:` starts QEMUs of its own: no socket is named. */
static bool is_demo_key(const char *text, unsigned bit)
{
	return bit == QEMU_KEY &&
	       (!strncmp(text, "kernel=", 7) || !strncmp(text, "initrd=", 7));
}

int rj_cli_guest_spec_parse(const char *text, struct rj_cli_guest_spec *ret,
			    struct ramjet_error *err)
{
	struct parser p = { .spec = {
				    .write_bytes_per_s = DEFAULT_WRITE,
				    .seed = 1,
				    .threads = 1,
				    .bursts = 1,
				    .zero_percent = DEFAULT_ZERO,
				    .compressible_percent = DEFAULT_COMPRESS,
				    .touch_bytes = RJ_CLI_TOUCH_MIN,
			    } };
	char copy[sizeof(p.spec.text)];
	char *item, *next = copy;
	const char *rest = "";
	unsigned bit = 0, seen = 0;
	int rc;

	if (strlen(text) >= sizeof(copy))
		return rj_fail(err, -EINVAL, "guest: the text is too long");
	memcpy(p.spec.text, text, strlen(text));
	rc = parse_kind(text, &p.spec, &rest, &bit, err);
	if (rc)
		return rc;
	(void)snprintf(copy, sizeof(copy), "%s", rest);
	if (bit & BEGINS_WITH_PATH && !is_demo_key(copy, bit)) {
		item = strsep(&next, ",");
		if ((!*item && bit == FILE_KEY) ||
		    strlen(item) >= sizeof(p.spec.path))
			return rj_fail(err, -EINVAL,
				       "guest '%s': wanted file:PATH", text);
		(void)snprintf(p.spec.path, sizeof(p.spec.path), "%s", item);
	}
	while (next && *copy && (item = strsep(&next, ","))) {
		rc = parse_item(&p, bit, item, &seen, err);
		if (rc)
			return rc;
	}
	if (bit & LIVE) {
		rc = complete(&p, err);
		if (rc)
			return rc;
	}
	*ret = p.spec;
	return 0;
}
