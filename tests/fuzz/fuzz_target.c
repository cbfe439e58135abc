/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole target, its threads and all, and a source that says what the input does: a
 * script (script.h), over one connection or several. Whatever comes, the target ends,
 * with a reason that can be printed, or with a guest that runs because it was told COMMIT;
 * nothing is written outside of the guest's blocks, and no descriptor, thread or memory
 * stays.
 *
 * The first byte says what kind of a target, see below. SCRIPT_OTHER: the step comes on
 * channel 0 in place of the control link, whatever SCRIPT_WHERE() says.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/link/keeps_built.h"
#include "engine/migration/last_words.h"
#include "engine/wire/resume.h"
#include "ramjet.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/player.h"
#include "tests/unit/engine/guarded.h"
#include "util/utf8.h"

/* The first byte. */
#define HEAD_WAY       3u /* 0, 1: one connection; 2: several, given; 3: it listens */
#define HEAD_FRESH     0x04u
#define HEAD_PLAIN     0x08u /* takes neither zstd nor deltas */
#define HEAD_STATELESS 0x10u /* cannot load device state */
#define HEAD_JUDGES    0x20u /* has an `accept` */

#define STATE_BYTES_MAX 4096u
/* How long channels that never come are waited for, where nobody says that they won't. */
#define CONNECT_MS 150u
/* How long lost ones are waited for, at most. */
#define RECONNECT_MS 20u

const struct script_shape script_shape = { .head_bytes = 1, .lead_bytes = 1 };

/* In band nothing can follow the end of the stream, and 300 ms are listened for it all
 * the same: not here, or three inputs a second would be tried. */
void __real_rj_hear_last_words(struct rj_link *link, const struct rj_env *env,
			       const char *peer);
void __wrap_rj_hear_last_words(struct rj_link *link, const struct rj_env *env,
			       const char *peer);
void __wrap_rj_hear_last_words(struct rj_link *link, const struct rj_env *env,
			       const char *peer)
{
	if (!link->inbox)
		__real_rj_hear_last_words(link, env, peer);
}

/* What both sides can do one day is tried here before. */
uint32_t __wrap_rj_keeps_built(void);
uint32_t __wrap_rj_keeps_built(void)
{
	return RJ_KEEPS_LANES;
}

/* Where it listens. */
static char socket_path[64];

struct machine {
	struct ramjet_guest *guest;
	struct guarded ram[2];
	unsigned started, stopped;
	bool fails;
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
	vm->stopped++;
	return 0;
}

static int on_start(void *user, struct ramjet_error *err)
{
	struct machine *vm = user;

	(void)err;
	vm->started++;
	return 0;
}

/* Reads all of it, and does not like every one. */
static int on_load(void *user, const void *data, size_t bytes,
		   struct ramjet_error *err)
{
	const uint8_t *state = data;
	unsigned sum = 0;

	(void)user;
	(void)err;
	must(bytes <= STATE_BYTES_MAX);
	for (size_t i = 0; i < bytes; i++)
		sum += state[i];
	return sum % 7 == 6 ? -22 : 0;
}

static int on_accept(void *user, const void *data, size_t bytes,
		     struct ramjet_error *err)
{
	const uint8_t *text = data;

	(void)user;
	(void)err;
	return bytes && text[bytes - 1] == '!' ? -1 : 0;
}

static void add_block(struct machine *vm, unsigned index, uint8_t head)
{
	static const char *const names[] = { "ram0", "ram1" };
	static const uint64_t pages[] = { 64, 5 };
	struct ramjet_block block = { RAMJET_BLOCK_INIT };

	must(!guarded_map(&vm->ram[index], pages[index] * RAMJET_PAGE_BYTES));
	block.name = names[index];
	block.host = vm->ram[index].host;
	block.bytes = vm->ram[index].bytes;
	if (head & HEAD_FRESH)
		block.flags = RAMJET_BLOCK_FRESH;
	else
		memset(block.host, 0x77, block.bytes);
	must(ramjet_guest_add_block(vm->guest, &block, NULL) == (int)index);
}

static void build(struct machine *vm, uint8_t head)
{
	struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT, .stop = on_stop,
					.start = on_start };

	memset(vm, 0, sizeof(*vm));
	if (!(head & HEAD_STATELESS))
		ops.load_state = on_load;
	if (head & HEAD_JUDGES)
		ops.accept = on_accept;
	must(!ramjet_guest_new(&ops, vm, &vm->guest, NULL));
	add_block(vm, 0, head);
	add_block(vm, 1, head);
}

static void take_apart(struct machine *vm)
{
	must(!ramjet_guest_free(vm->guest));
	for (unsigned i = 0; i < 2; i++) {
		must(guarded_is_intact(&vm->ram[i]));
		guarded_unmap(&vm->ram[i]);
	}
}

/* ---- the target ------------------------------------------------------------- */

static void give(struct player *player, struct ramjet_migration *m,
		 unsigned index)
{
	struct ramjet_connection connection = { RAMJET_CONNECTION_INIT };

	connection.fd = player_connect(player, index);
	if (connection.fd >= 0 && ramjet_incoming_give(m, &connection, NULL))
		(void)close(connection.fd);
}

/* A target that has all it wants listens no more. */
static void knock(struct player *player, unsigned index)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (player_has(player, index))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(fd >= 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		       socket_path);
	if (connect(fd, (const void *)&address, sizeof(address)))
		(void)close(fd);
	else
		player_adopt(player, index, fd);
}

static void connect_to(struct player *player, struct ramjet_migration *m,
		       unsigned index, uint8_t head)
{
	if ((head & HEAD_WAY) == 2)
		give(player, m, index);
	else if ((head & HEAD_WAY) == 3)
		knock(player, index);
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
	struct ramjet_params params = { RAMJET_PARAMS_INIT };
	struct ramjet_migration *m = NULL;
	char uri[80];
	int fd;

	params.log = on_log;
	params.backend = RAMJET_BACKEND_SYSCALLS;
	params.state_bytes_max = STATE_BYTES_MAX;
	params.connect_timeout_ms = CONNECT_MS;
	params.reconnect_ms = RECONNECT_MS;
	if (head & HEAD_PLAIN) {
		params.compression = RAMJET_COMPRESSION_NONE;
		params.deltas = RAMJET_DELTAS_OFF;
	}
	if ((head & HEAD_WAY) == 3) {
		(void)snprintf(uri, sizeof(uri), "unix:%s", socket_path);
		must(!ramjet_incoming(vm->guest, uri, &params, &m, NULL));
		return m;
	}
	if ((head & HEAD_WAY) == 2) {
		must(!ramjet_incoming_over(vm->guest, "fuzz", &params, &m,
					   NULL));
		return m;
	}
	fd = player_connect(player, 0);
	(void)snprintf(uri, sizeof(uri), "fd:%d", fd);
	must(!ramjet_incoming(vm->guest, uri, &params, &m, NULL));
	(void)close(fd);
	return m;
}

static void play(struct player *player, struct ramjet_migration *m,
		 uint8_t head)
{
	const bool many = (head & HEAD_WAY) > 1;
	struct script_step step;

	for (unsigned i = 0;
	     i < SCRIPT_STEPS_MAX && script_next(&player->script, &step); i++) {
		const unsigned where = !many ? 0
				       : step.lead & SCRIPT_OTHER
					       ? 1
					       : SCRIPT_WHERE(step.lead);

		player_await(player, SCRIPT_AWAIT(step.lead));
		connect_to(player, m, where, head);
		player_send(player, where, step.wire, step.bytes);
		if (step.lead & SCRIPT_CLOSE)
			player_hang_up(player, where);
	}
}

/* ---- what must hold --------------------------------------------------------- */

static void check(const struct machine *vm, struct ramjet_migration *m, int rc,
		  const struct ramjet_error *err)
{
	const enum ramjet_state state = ramjet_migration_state(m);
	const size_t bytes = strnlen(err->message, sizeof(err->message));

	if (getenv("FUZZ_STORY"))
		(void)fprintf(stderr, "%s: %s\n", ramjet_state_name(state),
			      err->message);
	must(ramjet_state_is_final(state));
	must((rc == 0) == (state == RAMJET_STATE_COMPLETED));
	must(vm->started == (state == RAMJET_STATE_COMPLETED) ||
	     (state == RAMJET_STATE_COMPLETED &&
	      ramjet_guest_is_paused(vm->guest)));
	must(!vm->stopped);
	must(!rc || (err->code == rc && bytes && bytes < sizeof(err->message) &&
		     rj_utf8_is_printable(err->message, bytes)));
}

static void run(const uint8_t *data, size_t bytes)
{
	const uint8_t head = bytes ? data[0] : 0;
	struct ramjet_error err = { 0 };
	struct ramjet_migration *m;
	struct player player;
	struct machine vm;
	int rc;

	player_init(&player, data, bytes, script_shape.head_bytes);
	player.awaits[1] = RJ_FRAME_HELLO;
	player.awaits[2] = RJ_FRAME_ACCEPT;
	player.awaits[3] = RJ_FRAME_APPLIED;
	player.awaits[4] = RJ_FRAME_READY;
	player.awaits[5] = RJ_FRAME_LOST;
	player.awaits[6] = RJ_FRAME_JOINED;
	build(&vm, head);
	m = begin(&player, &vm, head);
	play(&player, m, head);
	/* Without a control link it would go on listening. */
	if ((head & HEAD_WAY) > 1) {
		connect_to(&player, m, 0, head);
		for (unsigned i = 0; i < PLAYER_CONNS; i++)
			player_hang_up(&player, i);
		if (!player.seen[RJ_FRAME_HELLO])
			player_await(&player, 1);
		if (!player.seen[RJ_FRAME_HELLO])
			(void)ramjet_cancel(m);
	}
	player_hear_all(&player);
	rc = ramjet_wait(m, 30000, &err);
	check(&vm, m, rc, &err);
	must(!ramjet_migration_free(m));
	take_apart(&vm);
	player_done(&player);
}

static void leave_no_folder(void)
{
	*strrchr(socket_path, '/') = '\0';
	(void)rmdir(socket_path);
}

/* What is made once for all is there from now on. */
static void warm_up(void)
{
	char folder[] = "/tmp/ramjet-fuzz-XXXXXX";

	must(mkdtemp(folder) != NULL);
	(void)snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
	must(!atexit(leave_no_folder));
	run(NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static bool warm;
	struct player_traces before;

	if (!warm)
		warm_up();
	warm = true;
	before = player_look();
	run(data, bytes);
	player_expect_no_traces(&before);
	return 0;
}
