/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor/settings.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/qmp/arguments.h"
#include "util/error.h"

#define MS_MAX        UINT32_MAX
#define DOWNTIME_MAX  2000000u /* ms; QEMU's */
#define CHANNELS_MAX  255u     /* QEMU's type holds no more */
#define QEMU_CHANNELS 2u

/* zstd's: QEMU's range, and ours. */
#define QEMU_LEVEL_MAX 20u
#define LEVELS_BELOW_0 7u

enum kind {
	WHOLE = 0,
	FLAG,
	CHOICE,
};

struct row {
	const char *name;
	enum kind kind;
	bool live;
	bool automatic; /* -1 leaves it to ramjet: UINT64_MAX in the member */
	bool is_signed; /* the member is; `below`: how far it may be set below
			 * 0 */
	uint8_t below;
	uint8_t width; /* of the member, in bytes */
	size_t offset; /* in struct rj_cli_settings */
	uint64_t min;
	uint64_t max;
	uint64_t scale; /* member = value * scale */
	/* Names of 0, 1, ...; "a|b". */
	const char *choices;
};

#define MEMBER(m)                                      \
	.offset = offsetof(struct rj_cli_settings, m), \
	.width = sizeof(((struct rj_cli_settings *)0)->m)
#define NUMBER(m, lo, hi, unit) \
	.kind = WHOLE, MEMBER(m), .min = lo, .max = hi, .scale = unit
#define LIVE .live = true

/* clang-format off */
static const struct row rows[] = {
	/* QEMU's */
	{ "max-bandwidth", LIVE,
	  NUMBER(params.bandwidth_bytes_per_s, 0, INT64_MAX, 1) },
	{ "avail-switchover-bandwidth", LIVE,
	  NUMBER(params.switchover_bandwidth_bytes_per_s, 0, INT64_MAX, 1) },
	{ "downtime-limit", LIVE,
	  NUMBER(params.downtime_limit_us, 1, DOWNTIME_MAX, 1000) },
	{ "multifd-channels", NUMBER(multifd_channels, 0, CHANNELS_MAX, 1) },
	/* The first is not QEMU's, and the default: what ramjet then does,
	 * neither of the others would tell. */
	{ "multifd-compression", .kind = CHOICE, MEMBER(params.compression),
	  .choices = "x-ramjet-auto|none|zstd" },
	/* Below 0 only if the command line has said so. */
	{ "multifd-zstd-level", .is_signed = true,
	  NUMBER(params.compression_level, 0, QEMU_LEVEL_MAX, 1) },
	{ "cpu-throttle-initial", LIVE,
	  NUMBER(params.throttle_initial_percent, 1, 99, 1) },
	{ "cpu-throttle-increment", LIVE,
	  NUMBER(params.throttle_step_percent, 1, 99, 1) },
	{ "max-cpu-throttle", LIVE,
	  NUMBER(params.throttle_max_percent, 1, 99, 1) },
	/* ramjet's own */
	{ "x-ramjet-downtime-limit-us", LIVE,
	  NUMBER(params.downtime_limit_us, 1, DOWNTIME_MAX * 1000ull, 1) },
	{ "x-ramjet-uncapped-switchover", .kind = FLAG, LIVE,
	  MEMBER(params.uncapped_switchover) },
	{ "x-ramjet-throttle", .kind = FLAG, LIVE, MEMBER(params.throttle) },
	{ "x-ramjet-on-no-convergence", .kind = CHOICE, LIVE,
	  MEMBER(params.on_no_convergence),
	  .choices = "continue|switch|fail" },
	{ "x-ramjet-hold", .kind = FLAG, LIVE, MEMBER(params.hold) },
	{ "x-ramjet-verify", .kind = FLAG, MEMBER(params.verify) },
	{ "x-ramjet-verify-all", .kind = FLAG, MEMBER(params.verify_all) },
	{ "x-ramjet-strict", .kind = FLAG, MEMBER(params.strict) },
	{ "x-ramjet-backend", .kind = CHOICE, MEMBER(params.backend),
	  .choices = "auto|uring|syscalls" },
	{ "x-ramjet-zero-copy", .kind = CHOICE, MEMBER(params.zero_copy),
	  .choices = "auto|on|off" },
	{ "x-ramjet-numa", .kind = CHOICE, MEMBER(params.numa),
	  .choices = "auto|off" },
	{ "x-ramjet-compression-level-max", .is_signed = true,
	  .below = LEVELS_BELOW_0,
	  NUMBER(params.compression_level_max, 0, QEMU_LEVEL_MAX, 1) },
	{ "x-ramjet-compression-cpu-percent",
	  NUMBER(params.compression_cpu_percent, 0, 100, 1) },
	{ "x-ramjet-deltas", .kind = CHOICE, MEMBER(params.deltas),
	  .choices = "auto|off" },
	{ "x-ramjet-delta-cache", .automatic = true,
	  NUMBER(params.delta_cache_bytes, 1, INT64_MAX, 1) },
	{ "x-ramjet-hot-pages", .kind = CHOICE, MEMBER(params.hot_pages),
	  .choices = "last|in-turn" },
	{ "x-ramjet-reconnect-ms", NUMBER(params.reconnect_ms, 0, MS_MAX, 1) },
	{ "x-ramjet-connect-timeout-ms",
	  NUMBER(params.connect_timeout_ms, 0, MS_MAX, 1) },
	{ "x-ramjet-reply-timeout-ms", LIVE,
	  NUMBER(params.reply_timeout_ms, 0, MS_MAX, 1) },
	{ "x-ramjet-stall-timeout-ms", LIVE,
	  NUMBER(params.stall_timeout_ms, 0, MS_MAX, 1) },
	{ "x-ramjet-switchover-timeout-ms", LIVE, .automatic = true,
	  NUMBER(params.switchover_timeout_us, 0, MS_MAX, 1000) },
	{ "x-ramjet-total-timeout-ms", LIVE,
	  NUMBER(params.total_timeout_ms, 0, MS_MAX, 1) },
};
/* clang-format on */
static_assert(RAMJET_NO_CONVERGENCE_CONTINUE == 0 &&
		      RAMJET_NO_CONVERGENCE_SWITCH == 1 &&
		      RAMJET_NO_CONVERGENCE_FAIL == 2,
	      "x-ramjet-on-no-convergence names them in this order");
static_assert(RAMJET_BACKEND_AUTO == 0 && RAMJET_BACKEND_URING == 1 &&
		      RAMJET_BACKEND_SYSCALLS == 2,
	      "x-ramjet-backend names them in this order");

static_assert(RAMJET_ZERO_COPY_AUTO == 0 && RAMJET_ZERO_COPY_ON == 1 &&
		      RAMJET_ZERO_COPY_OFF == 2,
	      "x-ramjet-zero-copy names them in this order");
static_assert(RAMJET_NUMA_AUTO == 0 && RAMJET_NUMA_OFF == 1,
	      "x-ramjet-numa names them in this order");

static_assert(RAMJET_COMPRESSION_AUTO == 0 && RAMJET_COMPRESSION_NONE == 1 &&
		      RAMJET_COMPRESSION_ZSTD == 2,
	      "multifd-compression names them in this order");
static_assert(RAMJET_DELTAS_AUTO == 0 && RAMJET_DELTAS_OFF == 1,
	      "x-ramjet-deltas names them in this order");
static_assert(RAMJET_HOT_PAGES_LAST == 0 && RAMJET_HOT_PAGES_IN_TURN == 1,
	      "x-ramjet-hot-pages names them in this order");

static void store(const struct row *row, struct rj_cli_settings *s,
		  uint64_t value)
{
	void *member = (char *)s + row->offset;
	const bool whole = row->automatic && value == UINT64_MAX;
	uint64_t wide = whole ? value : value * row->scale;
	uint32_t narrow = (uint32_t)value;
	bool flag = value;

	/* Whole, or the copy of a flag or choice, as wide as the member is. */
	if (row->width == sizeof(wide))
		memcpy(member, &wide, sizeof(wide));
	else if (row->width == sizeof(narrow))
		memcpy(member, &narrow, sizeof(narrow));
	else if (row->width == sizeof(flag))
		memcpy(member, &flag, sizeof(flag));
}

static uint64_t load(const struct row *row, const struct rj_cli_settings *s)
{
	const void *member = (const char *)s + row->offset;
	uint64_t wide = 0;
	uint32_t narrow = 0;
	bool flag = false;

	if (row->width == sizeof(wide)) {
		memcpy(&wide, member, sizeof(wide));
		if (row->automatic && wide == UINT64_MAX)
			return wide;
		/* Up: what is shown can be set, and 0 could not. */
		return (wide + row->scale - 1) / row->scale;
	}
	if (row->width == sizeof(narrow)) {
		memcpy(&narrow, member, sizeof(narrow));
		return row->is_signed ? (uint64_t)(int64_t)(int32_t)narrow
				      : narrow;
	}
	if (row->width == sizeof(flag))
		memcpy(&flag, member, sizeof(flag));
	return flag;
}

/* ---- one value ---- */

/* Where in "a|b" `text` stands, or -1. */
static int place_of(const char *choices, const char *text)
{
	size_t bytes = strlen(text);
	int place = 0;

	while (choices && bytes) {
		if (strcspn(choices, "|") == bytes &&
		    !strncmp(choices, text, bytes))
			return place;
		choices = strchr(choices, '|');
		if (choices)
			choices++;
		place++;
	}
	return -1;
}

static int set_choice(const struct row *row, struct rj_cli_settings *s,
		      json_t *value, struct ramjet_error *err)
{
	int rc = rj_qmp_type_check(row->name, RJ_QMP_TEXT, value, err);
	const char *text = json_string_value(value);
	int place;

	if (rc)
		return rc;
	place = place_of(row->choices, text);
	if (place < 0)
		return rj_fail(err, -EINVAL,
			       "Parameter '%s' does not accept value '%.100s', "
			       "wanted %s",
			       row->name, text, row->choices);
	store(row, s, (uint64_t)place);
	return 0;
}

static int set_whole(const struct row *row, struct rj_cli_settings *s,
		     json_t *value, struct ramjet_error *err)
{
	int rc = rj_qmp_type_check(row->name, RJ_QMP_WHOLE, value, err);
	json_int_t number = json_integer_value(value);

	if (rc)
		return rc;
	if (number == -1 && row->automatic) {
		store(row, s, UINT64_MAX);
		return 0;
	}
	if (number < 0 ? number < -row->below
		       : (uint64_t)number < row->min ||
				 (uint64_t)number > row->max)
		return rj_fail(err, -ERANGE,
			       "Parameter '%s' expects an integer in the range "
			       "of %" PRId64 " to %" PRIu64,
			       row->name, (int64_t)row->min - row->below,
			       row->max);
	store(row, s, (uint64_t)number);
	return 0;
}

static int set_value(const struct row *row, struct rj_cli_settings *s,
		     json_t *value, struct ramjet_error *err)
{
	int rc;

	if (row->kind == WHOLE)
		return set_whole(row, s, value, err);
	if (row->kind == CHOICE)
		return set_choice(row, s, value, err);
	rc = rj_qmp_type_check(row->name, RJ_QMP_BOOL, value, err);
	if (!rc)
		store(row, s, json_is_true(value));
	return rc;
}

static const struct row *find(const char *name)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

bool rj_cli_settings_shape(size_t index, struct rj_cli_setting_shape *ret)
{
	static const enum rj_qmp_type types[] = {
		[WHOLE] = RJ_QMP_WHOLE,
		[FLAG] = RJ_QMP_BOOL,
		[CHOICE] = RJ_QMP_TEXT,
	};

	if (index >= RJ_ARRAY_SIZE(rows))
		return false;
	*ret = (struct rj_cli_setting_shape){
		.name = rows[index].name,
		.type = types[rows[index].kind],
		.choices = rows[index].choices,
	};
	return true;
}

bool rj_cli_settings_has(const char *name)
{
	return find(name) != NULL;
}

/* ---- all of them ---- */

void rj_cli_settings_init(struct rj_cli_settings *s,
			  const struct ramjet_params *params)
{
	*s = (struct rj_cli_settings){
		.params = *params,
		.multifd = params->channels != 1,
		.multifd_channels = params->channels == 1 ? QEMU_CHANNELS
							  : params->channels,
		.events = true,
	};
}

/* What hangs together. */
static int settle(struct rj_cli_settings *s, struct ramjet_error *err)
{
	const struct ramjet_params *params = &s->params;

	if (params->throttle_max_percent < params->throttle_initial_percent)
		return rj_fail(err, -ERANGE,
			       "Parameter 'max-cpu-throttle' expects an "
			       "integer in the range of cpu-throttle-initial "
			       "to 99");
	s->params.channels = s->multifd ? s->multifd_channels : 1;
	return 0;
}

int rj_cli_settings_set(struct rj_cli_settings *s, json_t *wanted, bool live,
			struct ramjet_error *err)
{
	struct rj_cli_settings changed = *s;
	const char *name;
	json_t *value;
	int rc = 0;

	json_object_foreach(wanted, name, value)
	{
		const struct row *row = find(name);

		if (!row)
			return rj_fail(err, -EINVAL,
				       "Parameter '%.100s' is unexpected",
				       name);
		rc = set_value(row, &changed, value, err);
		if (!rc && live && !row->live &&
		    load(row, &changed) != load(row, s))
			rc = rj_fail(err, -EBUSY,
				     "Parameter '%s' can't change while a "
				     "migration is under way",
				     row->name);
		if (rc)
			return rc;
	}
	rc = settle(&changed, err);
	if (!rc)
		*s = changed;
	return rc;
}

static json_t *show(const struct row *row, const struct rj_cli_settings *s)
{
	uint64_t value = load(row, s);
	const char *choice = row->choices;

	if (row->kind == WHOLE)
		return json_integer((json_int_t)value);
	if (row->kind == FLAG)
		return json_boolean(value);
	for (; value; value--)
		choice = strchr(choice, '|') + 1;
	return json_stringn(choice, strcspn(choice, "|"));
}

json_t *rj_cli_settings_show(const struct rj_cli_settings *s)
{
	json_t *object = json_object();

	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++)
		(void)json_object_set_new(object, rows[i].name,
					  show(&rows[i], s));
	return object;
}
