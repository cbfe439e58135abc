/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole source, its threads and all, and a target that answers what the input says: a
 * script (script.h). Whatever comes, the source's guest runs on, as it was, unless COMMIT
 * has left; then it never runs again. Its memory is not touched, and no descriptor, thread
 * or memory stays.
 *
 * The first byte says what kind of a source, see below. HELLO has the session's name,
 * APPLIED the next round and RUNNING the token of COMMIT, unless SCRIPT_OTHER is set.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ramjet.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/player.h"
#include "tests/unit/engine/guarded.h"
#include "util/utf8.h"

/* The first byte. */
#define HEAD_SINGLE 0x01u /* one connection for all */
#define HEAD_MANY   0x02u /* two channels wished for, else one */
#define HEAD_VERIFY 0x04u
#define HEAD_ZSTD   0x08u
#define HEAD_STATE  0x10u

#define PAGES 24u

const struct script_shape script_shape = { .head_bytes = 1, .lead_bytes = 1 };

struct machine {
	struct ramjet_guest *guest;
	struct guarded ram;
	bool running;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- the guest ------------------------------------------------------------ */

static int on_stop(void *user, struct ramjet_error *err)
{
	struct machine *vm = user;

	(void)err;
	must(vm->running);
	vm->running = false;
	return 0;
}

static int on_start(void *user, struct ramjet_error *err)
{
	struct machine *vm = user;

	(void)err;
	must(!vm->running);
	vm->running = true;
	return 0;
}

static int on_save(void *user, void **ret_data, size_t *ret_bytes,
		   struct ramjet_error *err)
{
	(void)user;
	(void)err;
	*ret_bytes = 100;
	*ret_data = calloc(1, *ret_bytes);
	return *ret_data ? 0 : -12;
}

static void fill(const struct guarded *ram)
{
	for (uint64_t page = 0; page < PAGES; page++)
		if (page % 3)
			guarded_fill(ram, page, page % 5 ? 1 : 2);
		else if (page % 2)
			memset(ram->host + page * RAMJET_PAGE_BYTES, 0x41,
			       RAMJET_PAGE_BYTES);
}

static void build(struct machine *vm, uint8_t head)
{
	struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT, .stop = on_stop,
					.start = on_start };
	struct ramjet_block block = { RAMJET_BLOCK_INIT };

	memset(vm, 0, sizeof(*vm));
	vm->running = true;
	if (head & HEAD_STATE)
		ops.save_state = on_save;
	must(!ramjet_guest_new(&ops, vm, &vm->guest, NULL));
	must(!guarded_map(&vm->ram, PAGES * RAMJET_PAGE_BYTES));
	fill(&vm->ram);
	block.name = "ram0";
	block.host = vm->ram.host;
	block.bytes = vm->ram.bytes;
	must(!ramjet_guest_add_block(vm->guest, &block, NULL));
}

static void take_apart(struct machine *vm)
{
	struct guarded same;

	must(!ramjet_guest_free(vm->guest));
	must(!guarded_map(&same, PAGES * RAMJET_PAGE_BYTES));
	fill(&same);
	must(!memcmp(same.host, vm->ram.host, same.bytes));
	must(guarded_is_intact(&vm->ram));
	guarded_unmap(&same);
	guarded_unmap(&vm->ram);
}

/* ---- the source ------------------------------------------------------------- */

static int on_connect(void *user, const struct ramjet_connect_request *request,
		      struct ramjet_connection *ret, struct ramjet_error *err)
{
	struct player *player = user;

	(void)err;
	must(request->channel < (int)PLAYER_CONNS - 1);
	ret->fd = player_connect(player, (unsigned)(request->channel + 1));
	must(ret->fd >= 0);
	return 0;
}

static void on_log(void *user, int level, const char *message)
{
	(void)user;
	(void)level;
	must(message && *message);
}

static struct ramjet_migration *begin(struct player *player, struct machine *vm,
				      uint8_t head)
{
	const struct ramjet_connector connector = {
		RAMJET_CONNECTOR_INIT,
		.name = "fuzz",
		.connect = on_connect,
		.user = player,
		.flags = head & HEAD_SINGLE ? RAMJET_CONNECTOR_SINGLE : 0,
	};
	struct ramjet_params params = { RAMJET_PARAMS_INIT };
	struct ramjet_migration *m = NULL;

	params.log = on_log;
	params.backend = RAMJET_BACKEND_SYSCALLS;
	params.channels = head & HEAD_MANY ? 2 : 1;
	params.verify = head & HEAD_VERIFY;
	params.downtime_limit_us = 0;
	if (head & HEAD_ZSTD)
		params.compression = RAMJET_COMPRESSION_ZSTD;
	must(!ramjet_migrate_over(vm->guest, &connector, &params, &m, NULL));
	return m;
}

static void put_right(struct player *player, const struct script_step *step)
{
	uint8_t *wire = step->wire, *body = wire + RJ_HEADER_BYTES;

	if (step->lead & (SCRIPT_OTHER | SCRIPT_AS_IT_IS) ||
	    step->bytes < RJ_HEADER_BYTES)
		return;
	if (wire[4] == RJ_FRAME_APPLIED)
		rj_put32(wire + 8, player->applied++);
	if (step->bytes >= RJ_HEADER_BYTES + RJ_HELLO_BYTES &&
	    wire[4] == RJ_FRAME_HELLO)
		memcpy(body + 16, player->hello.session, RJ_SESSION_BYTES);
	if (step->bytes >= RJ_HEADER_BYTES + RJ_RUNNING_BYTES &&
	    wire[4] == RJ_FRAME_RUNNING)
		rj_put64(body + 8, player->token);
	script_put_right(wire, step->bytes);
}

static void play(struct player *player)
{
	struct script_step step;

	for (unsigned i = 0;
	     i < SCRIPT_STEPS_MAX && script_next(&player->script, &step); i++) {
		const unsigned where = SCRIPT_WHERE(step.lead);

		player_await(player, SCRIPT_AWAIT(step.lead));
		put_right(player, &step);
		player_send(player, where, step.wire, step.bytes);
		if (step.lead & SCRIPT_CLOSE)
			player_hang_up(player, where);
	}
}

/* ---- what must hold --------------------------------------------------------- */

static void check(const struct machine *vm, const struct player *player,
		  struct ramjet_migration *m, int rc,
		  const struct ramjet_error *err)
{
	const enum ramjet_state state = ramjet_migration_state(m);
	const size_t bytes = strnlen(err->message, sizeof(err->message));
	const bool given_away = state == RAMJET_STATE_COMPLETED ||
				state == RAMJET_STATE_UNCONFIRMED;

	if (getenv("FUZZ_STORY"))
		(void)fprintf(stderr, "%s: %s\n", ramjet_state_name(state),
			      err->message);
	must(ramjet_state_is_final(state));
	must((rc == 0) == (state == RAMJET_STATE_COMPLETED));
	must(vm->running == !given_away);
	must(given_away || !player->seen[RJ_FRAME_COMMIT]);
	must(rc || player->seen[RJ_FRAME_COMMIT]);
	must(!rc || (err->code == rc && bytes && bytes < sizeof(err->message) &&
		     rj_utf8_is_printable(err->message, bytes)));
}

static void run(const uint8_t *data, size_t bytes)
{
	static const uint8_t awaits[8] = {
		0,
		RJ_FRAME_HELLO,
		RJ_FRAME_BLOCKS,
		RJ_FRAME_FENCE,
		RJ_FRAME_SWITCHOVER,
		RJ_FRAME_COMMIT,
		RJ_FRAME_PAGES,
	};
	struct ramjet_error err = { 0 };
	struct ramjet_migration *m;
	struct player player;
	struct machine vm;
	int rc;

	player_init(&player, data, bytes, script_shape.head_bytes);
	memcpy(player.awaits, awaits, sizeof(awaits));
	build(&vm, bytes ? data[0] : 0);
	m = begin(&player, &vm, bytes ? data[0] : 0);
	must(player_await_connection(&player, 0) || ramjet_cancel(m) <= 0);
	play(&player);
	player_hear_all(&player);
	rc = ramjet_wait(m, 60000, &err);
	check(&vm, &player, m, rc, &err);
	must(!ramjet_migration_free(m));
	take_apart(&vm);
	player_done(&player);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static bool warm;
	struct player_traces before;

	/* What is made once for all is there from now on. */
	if (!warm)
		run(NULL, 0);
	warm = true;
	before = player_look();
	run(data, bytes);
	player_expect_no_traces(&before);
	return 0;
}
