/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/outside/guest_parts.h"

#include <errno.h>
#include <stdlib.h>

#include "cli/attach/peer.h"
#include "util/cleanup.h"
#include "util/error.h"

void rj_qemu_guest_drop_memory(struct rj_qemu_guest *g)
{
	for (size_t i = 0; i < g->memory_count; i++)
		rj_attach_memory_close(&g->memory[i]);
	free(g->memory);
	g->memory = NULL;
	g->memory_count = 0;
}

int rj_qemu_guest_look(struct rj_qemu_guest *g, struct rj_qemu_blocks *ret,
		       struct ramjet_error *err)
{
	int rc = rj_qemu_blocks_look(&g->qemu, ret, err);

	if (!rc)
		rc = rj_qemu_blocks_narrow(g->pid, ret, err);
	if (rc)
		rj_qemu_blocks_done(ret);
	return rc;
}

/* With another machine's process one guest's memory would travel with the other's
 * devices: what the monitor calls its vCPUs' threads must be found there. */
static int check_said_pid(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	rj_autofree pid_t *threads = NULL;
	size_t count = 0;
	int rc = rj_qemu_vcpus(&g->qemu, &threads, &count, err);

	for (size_t i = 0; !rc && i < count; i++)
		if (threads[i] && !rj_attach_pid_has_thread(g->pid, threads[i]))
			rc = rj_fail(err, -EINVAL,
				     "qemu %s: pid=%d: its vCPU's thread %d is "
				     "not that process's, wanted the pid of "
				     "the QEMU behind this monitor",
				     g->qemu.path, (int)g->pid,
				     (int)threads[i]);
	return rc;
}

int rj_qemu_guest_find_pid(struct rj_qemu_guest *g, struct ramjet_error *err)
{
	g->pid = g->spec.qemu.pid ? g->spec.qemu.pid : g->qemu.pid;
	if (!g->pid)
		return rj_fail(err, -EINVAL,
			       "qemu %s: whose socket it is can't be seen from "
			       "here, wanted pid=N",
			       g->qemu.path);
	if (!g->spec.qemu.pid && !rj_attach_pid_is_qemu(g->pid))
		return rj_fail(err, -EINVAL,
			       "qemu %s: process %d listens there, and is no "
			       "QEMU; wanted pid=N of the QEMU behind it",
			       g->qemu.path, (int)g->pid);
	/* Of the one that is looked into, whoever made the socket. */
	g->qemu.pid = g->pid;
	return g->spec.qemu.pid ? check_said_pid(g, err) : 0;
}

void rj_qemu_guest_note_events(struct rj_qemu_guest *g)
{
	g->unplugged |=
		rj_qmp_caller_has_heard(&g->qemu.monitor, "DEVICE_DELETED");
	rj_qmp_caller_forget_events(&g->qemu.monitor);
}
