/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/pinned.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/*
 * `transaction` drains all disks before it does what it is asked for, which here
 * is nothing. That is so in 7.2 and 10.0, where it was tried with reads held up
 * (tests/integration/test_qemu_pinned.py), but QEMU's documentation doesn't
 * promise it: of later ones `stop` is asked, which does. (The human monitor's
 * `qemu-io DISK aio_flush` promises it, and hangs a QEMU 7.2 with an iothread for
 * ever.)
 */
#define DRAIN_MAJOR_MAX 10
#define DRAIN_MINOR_MAX 0

struct rj_pinned {
	struct rj_pinned_order order;
	bool drains;
	struct rj_pinned_finding devices; /* without disks: as at first */
	struct rj_pinned_finding now;
	char words[320];
	struct rj_pinned_figures figures;
};

static int call(struct rj_pinned *p, const char *command, json_t *arguments,
		json_t **ret, struct ramjet_error *err)
{
	return p->order.call(p->order.user, command, arguments, ret, err);
}

/* ---- who ---------------------------------------------------------------- */

static int look_human(struct rj_pinned *p, const char *line,
		      void (*look)(const char *text,
				   struct rj_pinned_finding *finding),
		      struct ramjet_error *err)
{
	json_t *answer = NULL;
	int rc = call(p, "human-monitor-command",
		      json_pack("{s:s}", "command-line", line), &answer, err);

	if (rc)
		return rc;
	if (json_is_string(answer))
		look(json_string_value(answer), &p->devices);
	else
		rc = rj_fail(err, -EPROTO, "%s: no text, wanted QEMU's answer",
			     line);
	json_decref(answer);
	return rc;
}

static int learn_version(struct rj_pinned *p, struct ramjet_error *err)
{
	json_t *answer = NULL;
	int major, minor;
	int rc = call(p, "query-version", NULL, &answer, err);

	if (rc)
		return rc;
	if (json_unpack(answer, "{s:{s:i, s:i}}", "qemu", "major", &major,
			"minor", &minor))
		rc = rj_fail(err, -EPROTO,
			     "query-version: no version, wanted QEMU's");
	else
		p->drains = !p->order.no_drain && (major < DRAIN_MAJOR_MAX ||
						   (major == DRAIN_MAJOR_MAX &&
						    minor <= DRAIN_MINOR_MAX));
	json_decref(answer);
	return rc;
}

static void say(struct rj_pinned *p)
{
	static const char *const how[] = {
		[RJ_PINNED_NONE] = "",
		[RJ_PINNED_DRAIN] = "its reads are waited for at each collect",
		[RJ_PINNED_QUIET] = ("the guest stands still for a moment at "
				     "each collect"),
		[RJ_PINNED_REFUSED] = "",
	};

	p->words[0] = '\0';
	if (p->now.way)
		(void)snprintf(p->words, sizeof(p->words),
			       "%s writes through pinned pages: %s", p->now.who,
			       how[p->now.way]);
}

/* Disks come and go, and are reopened: asked each time. */
static int look(struct rj_pinned *p, struct ramjet_error *err)
{
	struct rj_pinned_finding now = p->devices;
	json_t *nodes = NULL;
	int rc = call(p, "query-named-block-nodes",
		      json_pack("{s:b}", "flat", true), &nodes, err);

	if (!rc)
		rc = rj_pinned_look_nodes(nodes, &now, err);
	json_decref(nodes);
	if (rc)
		return rc;
	if (now.way == RJ_PINNED_DRAIN && !p->drains)
		now.way = RJ_PINNED_QUIET;
	p->now = now;
	say(p);
	if (now.way == RJ_PINNED_REFUSED)
		return rj_fail(err, -EOPNOTSUPP,
			       "%s: writes memory by itself, wanted writes "
			       "that can be tracked or waited for",
			       now.who);
	return 0;
}

int rj_pinned_new(const struct rj_pinned_order *order, struct rj_pinned **ret,
		  struct ramjet_error *err)
{
	rj_autofree struct rj_pinned *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return rj_fail(err, -ENOMEM, "pinned pages: out of memory");
	p->order = *order;
	rc = learn_version(p, err);
	if (!rc)
		rc = look_human(p, "info qtree", rj_pinned_look_tree, err);
	if (!rc)
		rc = look_human(p, "info network", rj_pinned_look_network, err);
	if (!rc)
		rc = look(p, err);
	if (rc)
		return rc;
	*ret = rj_steal(p);
	return 0;
}

/* ---- the source --------------------------------------------------------- */

static int start(RJ_UNUSED void *user,
		 RJ_UNUSED const struct ramjet_dirty_region *regions,
		 RJ_UNUSED unsigned count, RJ_UNUSED struct ramjet_error *err)
{
	return 0;
}

static int collect(RJ_UNUSED void *user,
		   RJ_UNUSED struct ramjet_dirty_sink *sink,
		   RJ_UNUSED struct ramjet_error *err)
{
	return 0;
}

static void stop(RJ_UNUSED void *user)
{
}

static int drain(struct rj_pinned *p, struct ramjet_error *err)
{
	const int rc = call(p, "transaction", json_pack("{s:[]}", "actions"),
			    NULL, err);

	if (rc == -ETIMEDOUT)
		rj_error_prefix(err, "reads of %s have not ended", p->now.who);
	if (rc != -EREMOTEIO)
		return rc;
	/* It doesn't want to; stop always works. */
	rj_error_clear(err);
	p->drains = false;
	return p->order.quiet(p->order.user, err);
}

static void count(struct rj_pinned_figures *figures, uint64_t us)
{
	figures->count++;
	figures->us += us;
	if (us > figures->us_most)
		figures->us_most = us;
}

/* The disks are looked at after the collect: what was pinned during it was so by
 * a disk that was there then, or has been closed since, and closing waits. */
static int settle(void *user, struct ramjet_error *err)
{
	struct rj_pinned *p = user;
	const uint64_t began_us = rj_now_us();
	int rc = look(p, err);

	if (rc || p->now.way == RJ_PINNED_NONE)
		return rc;
	rc = p->now.way == RJ_PINNED_DRAIN ? drain(p, err)
					   : p->order.quiet(p->order.user, err);
	if (!rc)
		count(&p->figures, rj_now_us() - began_us);
	return rc;
}

int rj_pinned_source(struct rj_pinned *pinned, struct ramjet_dirty_source **ret,
		     struct ramjet_error *err)
{
	static const struct ramjet_dirty_ops ops = {
		RAMJET_DIRTY_OPS_INIT, .name = "pinned pages", .start = start,
		.collect = collect,    .stop = stop,           .settle = settle,
	};

	return ramjet_dirty_new(&ops, pinned, ret, err);
}

/* ---- for people --------------------------------------------------------- */

enum rj_pinned_way rj_pinned_found(const struct rj_pinned *pinned)
{
	return pinned->now.way;
}

const char *rj_pinned_words(const struct rj_pinned *pinned)
{
	return pinned->words;
}

struct rj_pinned_figures rj_pinned_figures(const struct rj_pinned *pinned)
{
	return pinned->figures;
}

void rj_pinned_free(struct rj_pinned *pinned)
{
	free(pinned);
}
