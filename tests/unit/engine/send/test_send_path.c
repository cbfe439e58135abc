/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/send/marks.h"
#include "engine/send/send_path.h"
#include "ringio/endpoint.h"
#include "ringio/iov.h"
#include "tests/unit/engine/fake_nodes.h"

#define MEMORY_BYTES (40u << 20) /* two pieces and a half */
#define PIECE_BYTES  (16u << 20)
#define PIECE_PAGES  (PIECE_BYTES / RAMJET_PAGE_BYTES)
#define FRAME_PAGES  256u
#define NOBODY       65534

/* A guest of one block, a worker's send path, and who reads at the end. */
struct scene {
	uint8_t *memory;
	struct ramjet_guest *guest;
	struct rj_rounds rounds;
	struct rj_conn source, target;
	struct rj_channel *channel;
	struct rj_send_path path;
	struct rj_page_codec codec;
	struct rj_out_frame frame;
	_Atomic int verdict;
	int event_fd;
	uint8_t *got;
	size_t bytes;
	int received;
};

static int nop(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

static void connect_ends(struct scene *s)
{
	struct rj_listener listener;
	struct rj_uri uri;

	assert_int_equal(rj_uri_parse("tcp:127.0.0.1:0", &uri, NULL), 0);
	assert_int_equal(rj_listen(&uri, &listener, NULL), 0);
	assert_int_equal(rj_uri_parse(listener.bound_uri, &uri, NULL), 0);
	assert_int_equal(rj_connect(&uri, 0, -1, &s->source, NULL), 0);
	assert_int_equal(rj_accept(&listener, 0, -1, &s->target, NULL), 0);
	rj_listener_close(&listener);
}

static void make_guest(struct scene *s, uint32_t flags)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = nop, .start = nop };
	struct ramjet_block block = { RAMJET_BLOCK_INIT, .name = "ram0",
				      .bytes = MEMORY_BYTES, .flags = flags };

	s->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(s->memory, MAP_FAILED);
	(void)madvise(s->memory, MEMORY_BYTES, MADV_NOHUGEPAGE);
	block.host = s->memory;
	assert_int_equal(ramjet_guest_new(&ops, NULL, &s->guest, NULL), 0);
	assert_int_equal(ramjet_guest_add_block(s->guest, &block, NULL), 0);
	assert_int_equal(rj_rounds_init(&s->rounds, s->guest->blocks, 1, 1,
					s->event_fd, NULL),
			 0);
	rj_rounds_listen(&s->rounds, s->guest);
}

static struct scene *scene_new(uint32_t flags, enum ramjet_backend backend)
{
	const struct rj_channel_options options = { .backend = backend,
						    .wake_fd = -1 };
	struct scene *s = calloc(1, sizeof(*s));
	struct ramjet_error err = { 0 };

	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	connect_ends(s);
	make_guest(s, flags);
	rj_page_codec_init(&s->codec, RJ_OUT_PAYLOAD_BYTES);
	rj_out_frame_init(&s->frame, &s->codec, 0);
	if (!rj_channel_new(&s->source, &options, &s->channel, &err))
		return s;
	print_message("# skipped: %s\n", err.message);
	skip();
	return NULL;
}

static void scene_free(struct scene *s)
{
	rj_send_path_done(&s->path);
	rj_channel_free(s->channel);
	rj_page_codec_done(&s->codec);
	rj_guest_listen(s->guest, NULL, NULL);
	rj_rounds_done(&s->rounds);
	ramjet_guest_free(s->guest);
	(void)rj_conn_close(&s->source, 0, NULL);
	(void)rj_conn_close(&s->target, 0, NULL);
	(void)munmap(s->memory, MEMORY_BYTES);
	(void)close(s->event_fd);
	free(s);
}

static int open_path(struct scene *s, enum ramjet_zero_copy wish, bool strict,
		     struct ramjet_error *err)
{
	const struct rj_send_path_options options = {
		.channel = s->channel,
		.rounds = &s->rounds,
		.verdict = &s->verdict,
		.wish = wish,
		.strict = strict,
	};

	return rj_send_path_init(&s->path, &options, err);
}

static void fill(struct scene *s, uint64_t page, uint64_t pages, uint8_t value)
{
	for (uint64_t i = page; i < page + pages; i++)
		memset(s->memory + i * RAMJET_PAGE_BYTES,
		       value ^ (uint8_t)(i % 251), RAMJET_PAGE_BYTES);
}

static void *take(void *argument)
{
	struct scene *s = argument;

	s->received = rj_recv_all(&s->target, s->got, s->bytes, 0, -1);
	return NULL;
}

/* A frame of these pages, which lie at `from`, arrives as they are now. */
static void arrives_from(struct scene *s, const uint8_t *from, uint64_t page,
			 uint32_t pages)
{
	const size_t bytes = (size_t)pages * RAMJET_PAGE_BYTES;
	pthread_t thread;

	rj_out_frame_reset(&s->frame);
	assert_int_equal(
		rj_out_frame_add(&s->frame, 0, from, page, pages, RJ_RUN_RAW),
		pages);
	rj_out_frame_seal(&s->frame, 0);
	s->bytes = rj_iov_of(s->frame.iov, s->frame.iov_count).bytes;
	s->got = calloc(1, s->bytes);
	assert_int_equal(pthread_create(&thread, NULL, take, s), 0);
	assert_int_equal(rj_send_path_start(&s->path, &s->frame, NULL), 0);
	assert_int_equal(rj_channel_send_wait(s->channel), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(s->received, 0);
	assert_memory_equal(s->got + s->bytes - bytes, from, bytes);
	free(s->got);
}

static void arrives(struct scene *s, uint64_t page, uint32_t pages)
{
	arrives_from(s, s->memory + page * RAMJET_PAGE_BYTES, page, pages);
}

static uint64_t pinned(const struct scene *s)
{
	return rj_channel_zero_copy(s->channel).pinned_bytes;
}

/* The scene of a source with pinned memory, or a skipped test. */
static struct scene *pinned_scene(void)
{
	struct scene *s =
		scene_new(RAMJET_BLOCK_PINNABLE, RAMJET_BACKEND_URING);

	fill(s, 0, MEMORY_BYTES / RAMJET_PAGE_BYTES, 0);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_ON, false, NULL), 0);
	arrives(s, 0, FRAME_PAGES);
	if (pinned(s))
		return s;
	print_message("# skipped: nothing can be pinned here\n");
	scene_free(s);
	skip();
	return NULL;
}

static void memory_is_pinned_when_first_sent(void **state)
{
	struct scene *s = pinned_scene();

	(void)state;
	assert_int_equal(pinned(s), PIECE_BYTES);
	arrives(s, 300, FRAME_PAGES);
	assert_int_equal(pinned(s), PIECE_BYTES);
	arrives(s, 2 * PIECE_PAGES + 1, FRAME_PAGES);
	assert_int_equal(pinned(s), MEMORY_BYTES - PIECE_BYTES);
	/* across the border of two pieces: as it can */
	arrives(s, PIECE_PAGES - 10, FRAME_PAGES);
	/* too short to be worth it */
	arrives(s, PIECE_PAGES, 8);
	rj_send_path_conclude(&s->path);
	assert_string_equal(s->path.chosen, "registered");
	scene_free(s);
}

static void a_discard_never_sends_what_was_there_before(void **state)
{
	struct scene *s = pinned_scene();
	uint8_t *page = s->memory + 64 * (size_t)RAMJET_PAGE_BYTES;

	(void)state;
	arrives(s, PIECE_PAGES, FRAME_PAGES);
	assert_int_equal(pinned(s), 2 * PIECE_BYTES);
	assert_int_equal(madvise(page, 8 * RAMJET_PAGE_BYTES, MADV_DONTNEED),
			 0);
	fill(s, 64, 8, 0x5a);
	assert_int_equal(ramjet_guest_discard(s->guest, "ram0",
					      64 * RAMJET_PAGE_BYTES,
					      8 * RAMJET_PAGE_BYTES, NULL),
			 0);
	arrives(s, 0, FRAME_PAGES);
	/* Undone for this piece, and only for it; and for good. */
	assert_int_equal(pinned(s), PIECE_BYTES);
	arrives(s, 0, FRAME_PAGES);
	arrives(s, PIECE_PAGES, FRAME_PAGES);
	assert_int_equal(pinned(s), PIECE_BYTES);
	scene_free(s);
}

static void a_piece_discarded_from_is_not_pinned_at_all(void **state)
{
	struct scene *s = pinned_scene();

	(void)state;
	assert_int_equal(ramjet_guest_discard(s->guest, "ram0",
					      PIECE_BYTES + MEMORY_BYTES / 8,
					      RAMJET_PAGE_BYTES, NULL),
			 0);
	arrives(s, PIECE_PAGES, FRAME_PAGES);
	assert_int_equal(pinned(s), PIECE_BYTES);
	scene_free(s);
}

/* Chunks 0 to 2 and 10 to 19 are home to the worker, one after the other. */
static void place_on_two_nodes(struct scene *s, struct rj_topology *topology,
			       struct rj_placement *ret)
{
	const struct rj_stretch stretches[] = {
		{ .node = 0, .first_chunk = 0, .chunks = 3, .weight = 3 },
		{ .node = 1, .first_chunk = 3, .chunks = 7, .weight = 7 },
		{ .node = 0, .first_chunk = 10, .chunks = 10, .weight = 10 },
	};
	const struct rj_placement_wish wish = {
		.topology = topology,
		.stretches = stretches,
		.stretch_count = RJ_ARRAY_SIZE(stretches),
		.worker_count = 2,
		.nic_node = RJ_NODE_ANY,
	};

	fake_topology(topology, 2, 4);
	rj_guest_listen(s->guest, NULL, NULL);
	rj_rounds_done(&s->rounds);
	assert_int_equal(rj_rounds_init(&s->rounds, s->guest->blocks, 1, 2,
					s->event_fd, NULL),
			 0);
	rj_rounds_listen(&s->rounds, s->guest);
	assert_int_equal(rj_placement_init(ret, &wish, NULL), 0);
	rj_rounds_place(&s->rounds, ret);
	assert_int_equal(ret->homes[0].node, 0);
	assert_int_equal(ret->homes[0].end - ret->homes[0].first, 13);
}

/* A piece is of one stretch, though its place in the table may be of two. */
static void a_home_in_stretches_is_pinned_as_far_as_pieces_go(void **state)
{
	static struct rj_topology topology;
	struct rj_placement placement = { 0 };
	struct scene *s =
		scene_new(RAMJET_BLOCK_PINNABLE, RAMJET_BACKEND_URING);

	(void)state;
	fill(s, 0, MEMORY_BYTES / RAMJET_PAGE_BYTES, 0);
	place_on_two_nodes(s, &topology, &placement);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_ON, false, NULL), 0);
	arrives(s, 0, FRAME_PAGES);
	if (pinned(s)) {
		assert_int_equal(pinned(s), 3 * RJ_CHUNK_BYTES);
		arrives(s, 10 * RJ_CHUNK_PAGES, FRAME_PAGES);
		arrives(s, 5 * RJ_CHUNK_PAGES, FRAME_PAGES);
		assert_int_equal(pinned(s), 3 * RJ_CHUNK_BYTES);
		arrives(s, 15 * RJ_CHUNK_PAGES + 1, FRAME_PAGES);
		assert_int_equal(pinned(s), 8 * RJ_CHUNK_BYTES);
	} else {
		print_message("# nothing can be pinned here\n");
	}
	scene_free(s);
	rj_placement_done(&placement);
}

static unsigned resident_pages(const struct scene *s)
{
	unsigned char in_core[MEMORY_BYTES / RAMJET_PAGE_BYTES];
	unsigned count = 0;

	assert_int_equal(mincore(s->memory, MEMORY_BYTES, in_core), 0);
	for (size_t i = 0; i < sizeof(in_core); i++)
		count += in_core[i] & 1;
	return count;
}

static void pinning_populates_nothing(void **state)
{
	struct scene *s =
		scene_new(RAMJET_BLOCK_PINNABLE, RAMJET_BACKEND_URING);

	(void)state;
	fill(s, 0, FRAME_PAGES, 1);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_ON, false, NULL), 0);
	arrives(s, 0, FRAME_PAGES);
	assert_int_equal(pinned(s), 0);
	assert_int_equal(resident_pages(s), FRAME_PAGES);
	scene_free(s);
}

static void only_blocks_that_may_be_are_pinned(void **state)
{
	struct scene *s = scene_new(0, RAMJET_BACKEND_URING);
	struct ramjet_error err = { 0 };

	(void)state;
	fill(s, 0, MEMORY_BYTES / RAMJET_PAGE_BYTES, 0);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_AUTO, true, NULL), 0);
	arrives(s, 0, FRAME_PAGES);
	assert_int_equal(pinned(s), 0);
	rj_send_path_done(&s->path);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_ON, true, &err),
			 -EOPNOTSUPP);
	assert_string_equal(err.message,
			    "strict: zero copy is not available: no memory "
			    "block may be pinned");
	scene_free(s);
}

static void small_pages_are_left_to_plain_sends(void **state)
{
	struct scene *s =
		scene_new(RAMJET_BLOCK_PINNABLE, RAMJET_BACKEND_URING);

	(void)state;
	fill(s, 0, MEMORY_BYTES / RAMJET_PAGE_BYTES, 0);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_AUTO, false, NULL), 0);
	for (unsigned i = 0; i < 2 * RJ_TRIAL_FRAMES; i++)
		arrives(s, i % 32 * FRAME_PAGES, FRAME_PAGES);
	assert_int_equal(pinned(s), 0);
	rj_send_path_conclude(&s->path);
	assert_string_equal(s->path.chosen, "no");
	scene_free(s);
}

/* As on a network; here the kernel copies all of them. */
static void unregistered_sends_end_when_the_kernel_copies(void **state)
{
	struct scene *s = scene_new(0, RAMJET_BACKEND_URING);

	(void)state;
	fill(s, 0, MEMORY_BYTES / RAMJET_PAGE_BYTES, 0);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_AUTO, false, NULL), 0);
	assert_false(s->path.unregistered);
	s->path.unregistered = true;
	for (unsigned i = 0; i < RJ_TRIAL_FRAMES; i++)
		arrives(s, i % 32 * FRAME_PAGES, FRAME_PAGES);
	assert_false(s->path.unregistered);
	assert_int_equal(rj_channel_drain(s->channel), 0);
	assert_in_range(rj_channel_zero_copy(s->channel).sends, 8, 20);
	rj_send_path_conclude(&s->path);
	assert_string_equal(s->path.reason,
			    "unregistered: the kernel copies anyway");
	scene_free(s);
}

/* The kernel may read it after the send is over, when it is in use for the next
 * frame. */
static void memory_that_is_not_the_guests_is_copied(void **state)
{
	struct scene *s = scene_new(0, RAMJET_BACKEND_URING);
	uint8_t *staging;

	(void)state;
	fill(s, 0, MEMORY_BYTES / RAMJET_PAGE_BYTES, 0);
	assert_int_equal(rj_page_codec_stage(&s->codec, NULL), 0);
	staging = rj_out_frame_staging(&s->frame, 0);
	memcpy(staging, s->memory, FRAME_PAGES * RAMJET_PAGE_BYTES);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_AUTO, false, NULL), 0);
	/* As on a network where it has proved faster. */
	s->path.unregistered = true;
	atomic_store(&s->verdict, RJ_VERDICT_ZERO_COPY);
	arrives_from(s, staging, 0, FRAME_PAGES);
	assert_int_equal(rj_channel_zero_copy(s->channel).sends, 0);
	arrives(s, 0, FRAME_PAGES);
	assert_int_equal(rj_channel_zero_copy(s->channel).sends, 1);
	assert_int_equal(rj_channel_drain(s->channel), 0);
	scene_free(s);
}

static void only_the_first_workers_try(void **state)
{
	struct scene *s =
		scene_new(RAMJET_BLOCK_PINNABLE, RAMJET_BACKEND_URING);

	(void)state;
	fill(s, 0, MEMORY_BYTES / RAMJET_PAGE_BYTES, 0);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_AUTO, false, NULL), 0);
	s->path.pinning.any_pages = true;
	s->path.competes = false;
	arrives(s, 0, FRAME_PAGES);
	assert_int_equal(pinned(s), 0);
	atomic_store(&s->verdict, RJ_VERDICT_ZERO_COPY);
	arrives(s, 0, FRAME_PAGES);
	assert_int_equal(pinned(s), PIECE_BYTES);
	scene_free(s);
}

static void off_is_off(void **state)
{
	struct scene *s =
		scene_new(RAMJET_BLOCK_PINNABLE, RAMJET_BACKEND_URING);

	(void)state;
	fill(s, 0, MEMORY_BYTES / RAMJET_PAGE_BYTES, 0);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_OFF, true, NULL), 0);
	arrives(s, 0, FRAME_PAGES);
	assert_int_equal(rj_channel_zero_copy(s->channel).sends, 0);
	assert_true(s->path.settled);
	assert_string_equal(s->path.chosen, "no");
	assert_string_equal(s->path.reason, "switched off");
	scene_free(s);
}

static void system_calls_have_none(void **state)
{
	struct scene *s =
		scene_new(RAMJET_BLOCK_PINNABLE, RAMJET_BACKEND_SYSCALLS);
	struct ramjet_error err = { 0 };

	(void)state;
	fill(s, 0, FRAME_PAGES, 3);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_ON, false, NULL), 0);
	assert_string_equal(s->path.reason, "it needs io_uring");
	arrives(s, 0, FRAME_PAGES);
	rj_send_path_done(&s->path);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_ON, true, &err),
			 -EOPNOTSUPP);
	scene_free(s);
}

/* The trial's outcome is the machine's, but there is one, and all share it. */
static void the_verdict_is_everybodys(void **state)
{
	struct scene *s = pinned_scene();
	uint64_t before;

	(void)state;
	for (int verdict = RJ_VERDICT_PLAIN; verdict <= RJ_VERDICT_ZERO_COPY;
	     verdict++) {
		before = rj_channel_zero_copy(s->channel).sends;
		rj_send_path_done(&s->path);
		assert_int_equal(
			open_path(s, RAMJET_ZERO_COPY_AUTO, false, NULL), 0);
		s->path.pinning.any_pages = true;
		atomic_store(&s->verdict, verdict);
		arrives(s, 0, FRAME_PAGES);
		assert_int_equal(rj_channel_zero_copy(s->channel).sends -
					 before,
				 verdict == RJ_VERDICT_ZERO_COPY);
	}
	scene_free(s);
}

static void a_trial_ends_with_a_verdict_and_its_figures(void **state)
{
	struct scene *s = pinned_scene();

	(void)state;
	rj_send_path_done(&s->path);
	assert_int_equal(open_path(s, RAMJET_ZERO_COPY_AUTO, false, NULL), 0);
	s->path.pinning.any_pages = true;
	for (unsigned i = 0; i < RJ_TRIAL_FRAMES; i++) {
		assert_int_equal(atomic_load(&s->verdict), RJ_VERDICT_NONE);
		arrives(s, i % 32 * FRAME_PAGES, FRAME_PAGES);
	}
	arrives(s, 0, FRAME_PAGES);
	assert_int_not_equal(atomic_load(&s->verdict), RJ_VERDICT_NONE);
	assert_true(s->path.settled);
	assert_non_null(strstr(s->path.reason, "measured: "));
	if (!strcmp(s->path.chosen, "no"))
		assert_int_equal(pinned(s),
				 PIECE_BYTES); /* the first scene's */
	scene_free(s);
}

/* In a child, since there is no way back. */
static int be_poor(bool strict)
{
	const struct rlimit low = { 8 << 20, 8 << 20 };
	struct scene *s;
	struct ramjet_error err = { 0 };
	int rc;

	if (setrlimit(RLIMIT_MEMLOCK, &low) ||
	    (!getuid() && setresuid(NOBODY, NOBODY, NOBODY)) ||
	    prctl(PR_SET_DUMPABLE, 1)) /* /proc/self is ours again */
		return 10;
	s = scene_new(RAMJET_BLOCK_PINNABLE, RAMJET_BACKEND_URING);
	fill(s, 0, MEMORY_BYTES / RAMJET_PAGE_BYTES, 0);
	if (open_path(s, RAMJET_ZERO_COPY_ON, strict, NULL))
		return 11;
	if (!strict) {
		arrives(s, 0, FRAME_PAGES);
		return strcmp(s->path.chosen, "no") || pinned(s) ||
		       !strstr(s->path.reason, "memlock limit");
	}
	assert_int_equal(rj_out_frame_add(&s->frame, 0, s->memory, 0,
					  FRAME_PAGES, RJ_RUN_RAW),
			 FRAME_PAGES);
	rj_out_frame_seal(&s->frame, 0);
	rc = rj_send_path_start(&s->path, &s->frame, &err);
	return rc != -ENOMEM || !strstr(err.message, "memlock limit");
}

static void a_low_memlock_limit_is_named(void **state)
{
	struct scene *s = pinned_scene(); /* or skipped */

	(void)state;
	for (int strict = 0; strict < 2; strict++) {
		const pid_t child = fork();
		int status = 0;

		assert_true(child >= 0);
		if (!child)
			_exit(be_poor(strict));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	scene_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_pinned_when_first_sent),
		cmocka_unit_test(a_discard_never_sends_what_was_there_before),
		cmocka_unit_test(a_piece_discarded_from_is_not_pinned_at_all),
		cmocka_unit_test(
			a_home_in_stretches_is_pinned_as_far_as_pieces_go),
		cmocka_unit_test(pinning_populates_nothing),
		cmocka_unit_test(only_blocks_that_may_be_are_pinned),
		cmocka_unit_test(small_pages_are_left_to_plain_sends),
		cmocka_unit_test(unregistered_sends_end_when_the_kernel_copies),
		cmocka_unit_test(memory_that_is_not_the_guests_is_copied),
		cmocka_unit_test(only_the_first_workers_try),
		cmocka_unit_test(off_is_off),
		cmocka_unit_test(system_calls_have_none),
		cmocka_unit_test(the_verdict_is_everybodys),
		cmocka_unit_test(a_trial_ends_with_a_verdict_and_its_figures),
		cmocka_unit_test(a_low_memlock_limit_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
