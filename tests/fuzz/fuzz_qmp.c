/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client of the monitor sends: cut into values, carried out by commands
 * that set and show. Whatever comes, each value has one answer that can be
 * written, the cuts between reads don't matter, and settings stay legal. What begins
 * with '(' is lines of the human monitor.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/base/json_text.h"
#include "cli/monitor/human.h"
#include "cli/monitor/settings.h"
#include "cli/qmp/dispatch.h"
#include "cli/qmp/message.h"
#include "cli/qmp/splitter.h"
#include "tests/fuzz/fuzz.h"
#include "util/error.h"

#define PIECES_MAX 64u

#define ROWS 5 /* with the one that ends them */

struct world {
	struct rj_cli_settings settings;
	struct rj_qmp_peer peer;
	bool live;
	/* of the pieces that came out */
	unsigned count;
	enum rj_qmp_piece pieces[PIECES_MAX];
	size_t lengths[PIECES_MAX];
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* ---- commands ---- */

static int set_parameters(struct rj_qmp_call *call, struct ramjet_error *err)
{
	struct world *w = call->user;

	return rj_cli_settings_set(&w->settings, call->arguments, w->live, err);
}

static int set_capabilities(struct rj_qmp_call *call, struct ramjet_error *err)
{
	struct world *w = call->user;

	return rj_cli_capabilities_set(
		&w->settings, json_object_get(call->arguments, "capabilities"),
		err);
}

static int show(struct rj_qmp_call *call, struct ramjet_error *err)
{
	const struct world *w = call->user;

	(void)err;
	call->result = json_pack("[o, o]", rj_cli_settings_show(&w->settings),
				 rj_cli_capabilities_show(&w->settings));
	require(call->result != NULL);
	return 0;
}

static json_t *no_migration(void *user)
{
	(void)user;
	return json_object();
}

static int set_one(void *user, const char *name, uint64_t value,
		   struct ramjet_error *err)
{
	struct world *w = user;
	json_t *wanted = json_pack("{s:I}", name,
				   (json_int_t)(value > INT64_MAX ? 0 : value));
	int rc = rj_cli_settings_set(&w->settings, wanted, w->live, err);

	json_decref(wanted);
	return rc;
}

static const struct rj_qmp_command rows[ROWS];

static int execute(void *user, const char *name, json_t *arguments,
		   json_t **ret, struct ramjet_error *err)
{
	const struct rj_qmp_commands commands = { rows, user };

	return rj_qmp_execute(&commands, name, arguments, ret, err);
}

static int human(struct rj_qmp_call *call, struct ramjet_error *err)
{
	const struct rj_cli_human_ops ops = { no_migration, set_one, execute,
					      call->user };
	char *text = rj_cli_human_run(json_string_value(json_object_get(
					      call->arguments, "command-line")),
				      &ops);

	(void)err;
	require(text != NULL);
	call->result = rj_json_text(text);
	free(text);
	require(call->result != NULL);
	return 0;
}

static const struct rj_qmp_argument capabilities_arguments[] = {
	{ "capabilities", RJ_QMP_ARRAY, false },
	{ 0 }
};
static const struct rj_qmp_argument human_arguments[] = {
	{ "command-line", RJ_QMP_TEXT, false },
	{ 0 }
};
static const struct rj_qmp_command rows[ROWS] = {
	{ "migrate-set-parameters", set_parameters, NULL, true },
	{ "migrate-set-capabilities", set_capabilities, capabilities_arguments,
	  false },
	{ "human-monitor-command", human, human_arguments, false },
	{ "show", show, NULL, false },
	{ 0 },
};

/* ---- what must hold ---- */

static void check_settings(const struct rj_cli_settings *s)
{
	const struct ramjet_params *p = &s->params;

	require(p->downtime_limit_us >= 1 && p->channels <= 255 &&
		p->throttle_initial_percent >= 1 &&
		p->throttle_initial_percent <= 99 &&
		p->throttle_step_percent >= 1 &&
		p->throttle_step_percent <= 99 &&
		p->throttle_max_percent >= p->throttle_initial_percent &&
		p->throttle_max_percent <= 99 &&
		p->backend <= RAMJET_BACKEND_SYSCALLS &&
		p->zero_copy <= RAMJET_ZERO_COPY_OFF &&
		p->numa <= RAMJET_NUMA_OFF &&
		p->on_no_convergence <= RAMJET_NO_CONVERGENCE_FAIL);
}

static void answer(struct world *w, const char *text, size_t bytes)
{
	const struct rj_qmp_commands commands = { .rows = rows, .user = w };
	json_t *reply = rj_qmp_dispatch(&commands, &w->peer, text, bytes);
	char *line;

	require(!json_object_get(reply, "return") !=
		!json_object_get(reply, "error"));
	line = rj_qmp_line(reply);
	require(line && strlen(line) > 2 &&
		strcspn(line, "\r") == strlen(line) - 2);
	free(line);
	check_settings(&w->settings);
}

/* In pieces of `step` bytes; commands are carried out if `does`. */
static void feed(struct world *w, struct rj_qmp_splitter *splitter,
		 const char *text, size_t bytes, size_t step, bool does)
{
	size_t at = 0, taken;

	rj_qmp_splitter_init(splitter);
	w->count = 0;
	while (at < bytes && w->count < PIECES_MAX) {
		size_t room = bytes - at < step ? bytes - at : step;
		enum rj_qmp_piece piece =
			rj_qmp_splitter_take(splitter, text + at, room, &taken);

		require(taken <= room);
		at += taken;
		if (piece == RJ_QMP_MORE) {
			require(taken == room);
			continue;
		}
		w->pieces[w->count] = piece;
		w->lengths[w->count++] = splitter->used;
		if (piece == RJ_QMP_VALUE && does)
			answer(w, splitter->text, splitter->used);
	}
}

/* ---- lines of the human monitor, not through QMP ---- */

static void human_lines(struct world *w, const uint8_t *data, size_t bytes)
{
	const struct rj_cli_human_ops ops = { no_migration, set_one, execute,
					      w };
	char *lines = strndup((const char *)data, bytes), *rest = lines, *line;

	require(lines != NULL);
	while ((line = strsep(&rest, "\n"))) {
		char *text = rj_cli_human_run(line, &ops);

		require(text != NULL);
		check_settings(&w->settings);
		free(text);
	}
	free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct rj_qmp_splitter splitter;
	const struct ramjet_params params = { RAMJET_PARAMS_INIT };
	struct world whole = { .peer = { .fd = -1 },
			       .live = bytes && data[0] & 1 },
		     cut = whole;

	rj_cli_settings_init(&whole.settings, &params);
	if (bytes && data[0] == '(') {
		human_lines(&whole, data + 1, bytes - 1);
		return 0;
	}
	feed(&whole, &splitter, (const char *)data, bytes, bytes + 1, true);
	feed(&cut, &splitter, (const char *)data, bytes,
	     bytes ? 1 + data[bytes - 1] % 7 : 1, false);
	require(whole.count == cut.count);
	for (unsigned i = 0; i < whole.count; i++)
		require(whole.pieces[i] == cut.pieces[i] &&
			whole.lengths[i] == cut.lengths[i]);
	return 0;
}
