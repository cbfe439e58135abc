/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/scaling/ends.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/busy_guest.h"
#include "bench/scaling/resident.h"

#define URI_BYTES 256u

static int nothing(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

static struct ramjet_guest *guest_of(const struct ends *ends)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = nothing,
					      .start = nothing };
	/* Populated with zeros is as good as fresh. */
	const struct ramjet_block block =
		memory_block(&ends->memory, ends->target != TARGET_OTHER);
	struct ramjet_guest *guest = NULL;
	struct ramjet_error err;

	check(ramjet_guest_new(&ops, NULL, &guest, &err), &err);
	check(ramjet_guest_add_block(guest, &block, &err), &err);
	return guest;
}

void print_terms(int fd, const struct ramjet_info *info)
{
	(void)dprintf(fd, "{");
	for (size_t i = 0; i < info->term_count; i++)
		(void)dprintf(fd, "%s\"%s\": %.3f", i ? ", " : "",
			      RAMJET_AT(info->terms, i)->name,
			      (double)RAMJET_AT(info->terms, i)->actual_us /
				      1000);
	(void)dprintf(fd, "}");
}

static void print_report(int report, const struct ramjet_migration *m,
			 double own_mib)
{
	struct ramjet_info *info = NULL;

	if (ramjet_info(m, &info))
		give_up("no statistics");
	(void)dprintf(report,
		      "\"target_setup_ms\": %.3f, \"target_own_mib\": %.1f, "
		      "\"target_terms\": ",
		      (double)info->setup_us / 1000, own_mib);
	print_terms(report, info);
	ramjet_info_free(info);
}

static void run(struct ends *ends, int uri_pipe, int report)
{
	struct ramjet_guest *guest;
	struct ramjet_migration *m = NULL;
	struct ramjet_error err;
	double before, most = 0;
	int rc;

	memory_map(&ends->memory);
	if (ends->target != TARGET_UNTOUCHED)
		memory_fill(&ends->memory, ends->target == TARGET_OTHER);
	guest = guest_of(ends);
	before = resident_now();
	check(ramjet_incoming(guest, "tcp:127.0.0.1:0", NULL, &m, &err), &err);
	(void)dprintf(uri_pipe, "%s", ramjet_listen_uri(m));
	(void)close(uri_pipe);
	do {
		rc = ramjet_wait(m, 50, &err);
		resident_note(&most);
	} while (rc == -ETIMEDOUT);
	check(rc, &err);
	print_report(report, m, most - before);
	_exit(0);
}

char *target_start(struct ends *ends, int report)
{
	char *uri = calloc(1, URI_BYTES);
	size_t got = 0;
	ssize_t n = 1;
	int ends_of_pipe[2];
	pid_t child;

	if (!uri || pipe(ends_of_pipe))
		give_up("no pipe");
	child = fork();
	if (child < 0)
		give_up("no second process");
	if (!child) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(ends_of_pipe[0]);
		run(ends, ends_of_pipe[1], report);
	}
	(void)close(ends_of_pipe[1]);
	(void)close(report);
	while (n > 0 && got < URI_BYTES - 1) {
		n = read(ends_of_pipe[0], uri + got, URI_BYTES - 1 - got);
		got += n > 0 ? (size_t)n : 0;
	}
	(void)close(ends_of_pipe[0]);
	if (!got)
		give_up("the target did not come up");
	return uri;
}
