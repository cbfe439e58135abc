/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/base/outlet.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/mutex.h"

#define THREAD_NAME "rj/log"
#define STACK_BYTES (256u << 10)
#define PIECE_BYTES 4096u /* what a pipe takes at once, or not at all */
#define GAP_BYTES   96u   /* kept free to say that lines are missing */

struct rj_cli_outlet {
	/* immutable */
	int fd;
	struct rj_mutex lock; /* a leaf */
	pthread_cond_t changed;
	char text[RJ_CLI_OUTLET_ROOM] RJ_GUARDED_BY(lock);
	uint64_t begin RJ_GUARDED_BY(lock); /* of what is not yet written */
	uint64_t end RJ_GUARDED_BY(lock);
	uint64_t dropped RJ_GUARDED_BY(lock); /* lines, in all */
	uint64_t unsaid RJ_GUARDED_BY(lock);  /* of these, since the last gap */
	bool has_thread RJ_GUARDED_BY(lock);
	bool no_thread RJ_GUARDED_BY(lock); /* it could not be made */
	bool closing RJ_GUARDED_BY(lock);
	bool ended RJ_GUARDED_BY(lock);  /* the thread has */
	bool orphan RJ_GUARDED_BY(lock); /* the thread frees it */
	pthread_t thread;
};

/* ---- the queue ---- */

static size_t room_locked(const struct rj_cli_outlet *o) RJ_REQUIRES(o->lock)
{
	return RJ_CLI_OUTLET_ROOM - (size_t)(o->end - o->begin);
}

static void append_locked(struct rj_cli_outlet *o, const char *text,
			  size_t bytes) RJ_REQUIRES(o->lock)
{
	for (size_t i = 0; i < bytes; i++)
		o->text[o->end++ % RJ_CLI_OUTLET_ROOM] = text[i];
}

static size_t peek_locked(const struct rj_cli_outlet *o, char *piece)
	RJ_REQUIRES(o->lock)
{
	size_t bytes = 0;

	while (bytes < PIECE_BYTES && o->begin + bytes < o->end) {
		piece[bytes] = o->text[(o->begin + bytes) % RJ_CLI_OUTLET_ROOM];
		bytes++;
	}
	return bytes;
}

static uint64_t lines_in(const char *text, size_t bytes)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < bytes; i++)
		lines += text[i] == '\n';
	return lines;
}

static void say_gap_locked(struct rj_cli_outlet *o) RJ_REQUIRES(o->lock)
{
	char text[GAP_BYTES];
	int length;

	if (!o->unsaid || room_locked(o) < GAP_BYTES)
		return;
	length =
		snprintf(text, sizeof(text),
			 "ramjet: %llu line%s dropped here: not read in time\n",
			 (unsigned long long)o->unsaid,
			 o->unsaid == 1 ? " was" : "s were");
	append_locked(o, text, (size_t)length);
	o->unsaid = 0;
}

static void drop_locked(struct rj_cli_outlet *o, const char *text, size_t bytes)
	RJ_REQUIRES(o->lock)
{
	const uint64_t lines = lines_in(text, bytes);

	o->dropped += lines;
	o->unsaid += lines;
}

/* ---- the thread ---- */

static void free_outlet(struct rj_cli_outlet *o)
{
	(void)pthread_cond_destroy(&o->changed);
	rj_mutex_done(&o->lock);
	free(o);
}

/* Returns what was written; less than `bytes` after an error. Others may have
 * made the description non-blocking. */
static size_t write_all(int fd, const char *text, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		const ssize_t put = write(fd, text + done, bytes - done);
		struct pollfd room = { .fd = fd, .events = POLLOUT };

		if (put > 0)
			done += (size_t)put;
		else if (put < 0 && errno == EAGAIN)
			(void)poll(&room, 1, -1);
		else if (put == 0 || errno != EINTR)
			break;
	}
	return done;
}

static void *run(void *arg)
{
	struct rj_cli_outlet *o = arg;
	char piece[PIECE_BYTES];
	bool orphan;

	rj_lock(&o->lock);
	for (;;) {
		const size_t bytes = peek_locked(o, piece);
		size_t done;

		if (!bytes && o->closing)
			break;
		if (!bytes) {
			rj_cond_wait(&o->changed, &o->lock);
			continue;
		}
		rj_unlock(&o->lock);
		done = write_all(o->fd, piece, bytes);
		rj_lock(&o->lock);
		o->begin += bytes;
		/* A full disk, a limit: the next line may find room again. */
		o->dropped += lines_in(piece + done, bytes - done);
		say_gap_locked(o);
		(void)pthread_cond_broadcast(&o->changed);
	}
	o->ended = true;
	orphan = o->orphan;
	(void)pthread_cond_broadcast(&o->changed);
	rj_unlock(&o->lock);
	if (orphan)
		free_outlet(o);
	return NULL;
}

/* Its signals are blocked, so that other threads get them. */
static int make_thread(struct rj_cli_outlet *o)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return rc;
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&o->thread, &attr, run, o);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	if (!rc)
		(void)pthread_setname_np(o->thread, THREAD_NAME);
	return rc;
}

static void need_thread_locked(struct rj_cli_outlet *o) RJ_REQUIRES(o->lock)
{
	if (o->has_thread || o->no_thread)
		return;
	o->has_thread = !make_thread(o);
	o->no_thread = !o->has_thread;
}

/* No thread could be made: write what can be written at once; the rest stays
 * queued. A piece is so small that it fits when poll() says that there is
 * room. */
static void write_what_goes_locked(struct rj_cli_outlet *o) RJ_REQUIRES(o->lock)
{
	struct pollfd room = { .fd = o->fd, .events = POLLOUT };
	char piece[PIECE_BYTES];
	size_t bytes;

	while ((bytes = peek_locked(o, piece)) > 0 && poll(&room, 1, 0) > 0) {
		const ssize_t put = write(o->fd, piece, bytes);

		if (put < 0 && errno == EAGAIN)
			break;
		o->begin += put > 0 ? (size_t)put : bytes;
		say_gap_locked(o);
	}
}

/* ---- for everybody ---- */

struct rj_cli_outlet *rj_cli_outlet_new(int fd)
{
	struct rj_cli_outlet *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->fd = fd;
	rj_mutex_init(&o->lock);
	rj_cond_init(&o->changed);
	return o;
}

void rj_cli_outlet_put(struct rj_cli_outlet *o, const char *text, size_t bytes)
{
	if (!o || !bytes)
		return;
	rj_lock(&o->lock);
	if (bytes + (o->unsaid ? 2 : 1) * GAP_BYTES > room_locked(o)) {
		drop_locked(o, text, bytes);
	} else {
		say_gap_locked(o);
		append_locked(o, text, bytes);
	}
	need_thread_locked(o);
	if (o->no_thread)
		write_what_goes_locked(o);
	(void)pthread_cond_broadcast(&o->changed);
	rj_unlock(&o->lock);
}

static bool drain_locked(struct rj_cli_outlet *o, unsigned patience_ms)
	RJ_REQUIRES(o->lock)
{
	const uint64_t patience_ns = (uint64_t)patience_ms * 1000000u;
	uint64_t seen = o->begin, until_ns = rj_now_ns() + patience_ns;

	if (o->no_thread)
		write_what_goes_locked(o);
	while (o->has_thread && (o->begin < o->end || o->closing) &&
	       !o->ended) {
		if (rj_cond_wait_until(&o->changed, &o->lock, until_ns) ==
			    ETIMEDOUT &&
		    seen == o->begin)
			break;
		if (seen != o->begin)
			until_ns = rj_now_ns() + patience_ns;
		seen = o->begin;
	}
	return o->begin == o->end;
}

bool rj_cli_outlet_drain(struct rj_cli_outlet *o, unsigned patience_ms)
{
	bool drained;

	if (!o)
		return true;
	rj_lock(&o->lock);
	drained = drain_locked(o, patience_ms);
	rj_unlock(&o->lock);
	return drained;
}

uint64_t rj_cli_outlet_close(struct rj_cli_outlet *o, unsigned patience_ms)
{
	bool has_thread, stuck;
	uint64_t dropped;

	if (!o)
		return 0;
	rj_lock(&o->lock);
	o->closing = true;
	(void)pthread_cond_broadcast(&o->changed);
	(void)drain_locked(o, patience_ms);
	dropped = o->dropped;
	has_thread = o->has_thread;
	stuck = has_thread && !o->ended;
	o->orphan = stuck;
	if (stuck)
		(void)pthread_detach(o->thread);
	rj_unlock(&o->lock);
	if (stuck)
		return dropped;
	if (has_thread)
		(void)pthread_join(o->thread, NULL);
	free_outlet(o);
	return dropped;
}

static ssize_t stream_write(void *cookie, const char *text, size_t bytes)
{
	rj_cli_outlet_put(cookie, text, bytes);
	return (ssize_t)bytes;
}

FILE *rj_cli_outlet_stream(struct rj_cli_outlet *outlet)
{
	const cookie_io_functions_t functions = { .write = stream_write };
	FILE *stream = fopencookie(outlet, "w", functions);

	if (stream)
		(void)setvbuf(stream, NULL, _IOFBF, 2 * PIECE_BYTES);
	return stream;
}
