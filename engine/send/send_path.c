/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/send_path.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/clock.h"
#include "util/error.h"

/* All figures: decision 012. Shorter runs cost more to send this way than to
 * copy. */
#define RUN_BYTES_MIN (128u << 10)
/* Workers that take part in trials; the others send plain meanwhile, so that
 * a wrong guess costs the same for any number of channels. */
#define CONTESTANTS 2u
/* Give unregistered zero copy up after so many sends, if all were copied. */
#define COPIED_MAX 8u

RJ_PRINTF(3, 4)
static void settle(struct rj_send_path *path, const char *chosen,
		   const char *reason, ...)
{
	va_list args;

	(void)snprintf(path->chosen, sizeof(path->chosen), "%s", chosen);
	va_start(args, reason);
	(void)vsnprintf(path->reason, sizeof(path->reason), reason, args);
	va_end(args);
	path->settled = path->news = true;
}

static void stop(struct rj_send_path *path)
{
	path->registered = path->unregistered = false;
	rj_pinning_release(&path->pinning);
}

static bool is_any_pinnable(const struct rj_rounds *rounds)
{
	for (unsigned i = 0; i < rounds->block_count; i++)
		if (rounds->blocks[i].flags & RAMJET_BLOCK_PINNABLE)
			return true;
	return false;
}

/* Why not even to try; NULL: try. */
static const char *obstacle(const struct rj_send_path_options *options)
{
	if (options->wish == RAMJET_ZERO_COPY_OFF)
		return "switched off";
	if (rj_channel_backend(options->channel) != RAMJET_BACKEND_URING)
		return "it needs io_uring";
	if (!rj_channel_is_tcp(options->channel))
		return "it needs TCP";
	if (options->wish == RAMJET_ZERO_COPY_ON &&
	    !is_any_pinnable(options->rounds))
		return "no memory block may be pinned";
	return NULL;
}

static int refuse(struct rj_send_path *path, const char *why,
		  struct ramjet_error *err)
{
	settle(path, "no", "%s", why);
	if (!path->forced || !path->strict)
		return 0;
	return rj_fail(err, -EOPNOTSUPP,
		       "strict: zero copy is not available: %s", why);
}

int rj_send_path_init(struct rj_send_path *path,
		      const struct rj_send_path_options *options,
		      struct ramjet_error *err)
{
	const char *why = obstacle(options);
	struct ramjet_error pinning = { 0 };

	*path = (struct rj_send_path){
		.channel = options->channel,
		.verdict = options->verdict,
		.forced = options->wish == RAMJET_ZERO_COPY_ON,
		.decided = options->wish == RAMJET_ZERO_COPY_ON,
		.strict = options->strict,
	};
	if (why)
		return refuse(path, why, err);
	if (rj_pinning_init(&path->pinning, options->channel, options->rounds,
			    options->worker, path->forced, &pinning))
		return refuse(path, pinning.message, err);
	path->competes = options->worker < CONTESTANTS;
	path->unregistered =
		path->forced || !rj_channel_is_local(options->channel);
	path->registered = path->forced || (!options->pinning_dirties &&
					    is_any_pinnable(options->rounds));
	return 0;
}

void rj_send_path_done(struct rj_send_path *path)
{
	rj_pinning_done(&path->pinning);
}

/* Zero copy ends when the kernel refuses it, whatever was chosen. */
static int heed_refusal(struct rj_send_path *path, struct ramjet_error *err)
{
	const struct rj_channel_zero_copy zc =
		rj_channel_zero_copy(path->channel);
	const int pinning = path->pinning.refused;
	const int rc = pinning ? pinning : zc.refused;
	const bool fatal =
		path->strict && (path->forced || pinning || zc.pinned_bytes);
	char error[64];

	if (!rc)
		return 0;
	stop(path);
	settle(path, "no", "%s by the kernel: %s%s",
	       pinning ? "pinning refused" : "sending refused",
	       strerror_r(-rc, error, sizeof(error)),
	       rc == -ENOMEM ? " (memlock limit)" : "");
	return fatal ? rj_fail(err, rc, "strict: zero copy: %s", path->reason)
		     : 0;
}

/* End unregistered zero copy where memory is pinned after all, or where the
 * kernel copies anyway. */
static void heed_copies(struct rj_send_path *path)
{
	const struct rj_channel_zero_copy zc =
		rj_channel_zero_copy(path->channel);

	if (path->forced || !path->unregistered)
		return;
	if (!zc.pinned_bytes &&
	    (zc.copied < COPIED_MAX || zc.copied + zc.pending < zc.sends))
		return;
	path->unregistered = false;
	/* The trial begins anew: zero copy means something else from here
	 * on. */
	path->trial = (struct rj_trial){ 0 };
	path->in_trial = false;
}

/* Fill in how[]; returns how many bytes then go without a copy. Guest memory only:
 * the kernel holds what goes so until the peer has acknowledged it, and what is
 * written meanwhile goes with it. Of the guest's it is sent again; but memory of
 * the codec (coded payload, pages that are not mapped here) has the pages of
 * another frame by then. */
static uint64_t look_for_buffers(struct rj_send_path *path,
				 const struct rj_out_frame *frame)
{
	const struct rj_block *block =
		&path->pinning.rounds->blocks[frame->block];
	uint64_t bytes = 0;

	for (unsigned i = 0; i < frame->iov_count; i++) {
		const struct iovec *entry = &frame->iov[i];

		path->how[i] = RJ_CHANNEL_PLAIN;
		if (entry->iov_len < RUN_BYTES_MIN ||
		    !rj_block_holds(block, entry->iov_base))
			continue;
		if (path->registered)
			path->how[i] = rj_pinning_buffer(
				&path->pinning, frame->block, entry->iov_base,
				entry->iov_len);
		if (path->how[i] == RJ_CHANNEL_PLAIN && path->unregistered)
			path->how[i] = RJ_CHANNEL_UNREGISTERED;
		if (path->how[i] != RJ_CHANNEL_PLAIN)
			bytes += entry->iov_len;
	}
	return bytes;
}

static void adopt(struct rj_send_path *path, enum rj_verdict verdict)
{
	if (verdict == RJ_VERDICT_PLAIN)
		stop(path);
	path->decided = true;
	/* The worker whose trial gave the verdict reports it; we do not. */
	path->settled = true;
}

/* The first worker whose trial is over decides for all. */
static void end_turn(struct rj_send_path *path)
{
	int none = RJ_VERDICT_NONE;
	bool won;

	if (!path->in_trial)
		return;
	path->in_trial = false;
	rj_trial_add(&path->trial, rj_now_ns() - path->began_ns,
		     path->frame_bytes);
	if (!rj_trial_is_over(&path->trial))
		return;
	won = rj_trial_won(&path->trial);
	/* relaxed: nothing else is concluded from it */
	if (!atomic_compare_exchange_strong_explicit(
		    path->verdict, &none,
		    won ? RJ_VERDICT_ZERO_COPY : RJ_VERDICT_PLAIN,
		    memory_order_relaxed, memory_order_relaxed))
		return;
	settle(path,
	       !won                 ? "no"
	       : path->unregistered ? "unregistered"
				    : "registered",
	       "measured: %llu us a MiB, plain sends %llu",
	       (unsigned long long)path->trial.ns_per_mib[1] / 1000,
	       (unsigned long long)path->trial.ns_per_mib[0] / 1000);
}

static void heed_verdict(struct rj_send_path *path)
{
	const int verdict =
		atomic_load_explicit(path->verdict, memory_order_relaxed);

	if (!path->decided && verdict != RJ_VERDICT_NONE)
		adopt(path, (enum rj_verdict)verdict);
}

/* True when the frame goes as how[] says. */
static bool choose(struct rj_send_path *path, const struct rj_out_frame *frame)
{
	uint64_t bytes;

	rj_pinning_heed_discards(&path->pinning);
	heed_copies(path);
	if (!path->decided && !path->competes)
		return false;
	bytes = look_for_buffers(path, frame);
	if (path->decided)
		return bytes;
	/* Too little of the frame could go without a copy: its time says
	 * nothing. */
	if (bytes < frame->payload_bytes / 4 * 3 || !bytes)
		return false;
	path->in_trial = true;
	path->frame_bytes = frame->payload_bytes;
	path->began_ns = rj_now_ns();
	return rj_trial_turn(&path->trial);
}

int rj_send_path_start(struct rj_send_path *path, struct rj_out_frame *frame,
		       struct ramjet_error *err)
{
	const int *how = NULL;
	int rc;

	end_turn(path);
	heed_verdict(path);
	if (path->registered || path->unregistered) {
		if (choose(path, frame))
			how = path->how;
		rc = heed_refusal(path, err);
		if (rc)
			return rc;
	}
	/* A refusal has released the buffers that how[] names. */
	if (how && (path->registered || path->unregistered))
		return rj_channel_send_start_as(path->channel, frame->iov, how,
						frame->iov_count);
	return rj_channel_send_start(path->channel, frame->iov,
				     frame->iov_count);
}

void rj_send_path_rest(struct rj_send_path *path)
{
	path->in_trial = false;
}

void rj_send_path_conclude(struct rj_send_path *path)
{
	const struct rj_channel_zero_copy zc =
		rj_channel_zero_copy(path->channel);

	/* Workers that take no part in trials leave the report to the
	 * others. */
	if (path->settled || !path->competes)
		return;
	if (path->forced && zc.sends)
		settle(path, zc.pinned_bytes ? "registered" : "unregistered",
		       "asked for; %llu sends, %llu copied by the kernel, "
		       "%llu MiB pinned",
		       (unsigned long long)zc.sends,
		       (unsigned long long)zc.copied,
		       (unsigned long long)zc.pinned_bytes >> 20);
	else if (path->trial.frames)
		settle(path, "both", "%u frames are too few to tell which",
		       path->trial.frames);
	else if (path->pinning.small)
		settle(path, "no", "small pages are cheaper copied");
	else if (zc.copied)
		settle(path, "no", "unregistered: the kernel copies anyway");
	else
		settle(path, "no", "no long runs of pages that may be pinned");
}
