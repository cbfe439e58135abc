/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What it costs to move memory that is not mapped here: a guest in private memory of
 * this process, or of another, to a target in either, over loopback. Each way in turn,
 * as many times as wanted, all pages full of random bytes.
 *
 * usage: bench-process [MIB [TIMES [CHANNELS]]]
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ramjet-remote.h>

#include "bench/busy_guest.h"
#include "bench/machine.h"

static uint64_t bytes = UINT64_C(64) << 20;
static uint32_t channels = 1;

struct side {
	bool other; /* its memory is another process's */
	uint8_t *memory;
	pid_t pid;
	struct ramjet_process_memory *process;
	struct ramjet_guest *guest;
};

static int nothing(void *user, struct ramjet_error *err)
{
	(void)user, (void)err;
	return 0;
}

static void fill(uint8_t *memory)
{
	uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

	for (uint64_t at = 0; at < bytes; at += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(memory + at, &x, sizeof(x));
	}
}

/* A process whose memory, at the same address, is its own. */
static pid_t start_other(uint8_t *memory, bool full)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		give_up("pipe");
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (full)
			fill(memory);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	if (read(ready[0], &byte, 1) != 1)
		give_up("the other process");
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static void reach(struct side *side, struct ramjet_block *block)
{
	struct ramjet_process_memory_options options = {
		RAMJET_PROCESS_MEMORY_OPTIONS_INIT
	};
	struct ramjet_error err;

	if (!side->other) {
		block->host = side->memory;
		return;
	}
	options.pid = side->pid;
	options.address = (uintptr_t)side->memory;
	options.bytes = bytes;
	check(ramjet_process_memory_new(&options, &side->process, &err), &err);
	block->memory = ramjet_process_memory_ops();
	block->memory_user = side->process;
}

static struct side open_side(bool other, bool full)
{
	const struct ramjet_guest_ops ops = {
		RAMJET_GUEST_OPS_INIT,
		.stop = nothing,
		.start = nothing,
	};
	struct ramjet_block block = { RAMJET_BLOCK_INIT };
	struct side side = { .other = other };
	struct ramjet_error err;

	side.memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (side.memory == MAP_FAILED)
		give_up("memory");
	if (other)
		side.pid = start_other(side.memory, full);
	else if (full)
		fill(side.memory);
	check(ramjet_guest_new(&ops, NULL, &side.guest, &err), &err);
	block.name = "ram";
	block.bytes = bytes;
	block.flags = full ? 0 : RAMJET_BLOCK_FRESH;
	reach(&side, &block);
	check(ramjet_guest_add_block(side.guest, &block, &err), &err);
	return side;
}

static void close_side(struct side *side)
{
	(void)ramjet_guest_free(side->guest);
	ramjet_process_memory_free(side->process);
	if (side->pid) {
		(void)kill(side->pid, SIGKILL);
		(void)waitpid(side->pid, NULL, 0);
	}
	(void)munmap(side->memory, bytes);
}

static void move(bool from_other, bool to_other)
{
	struct side source = open_side(from_other, true);
	struct side target = open_side(to_other, false);
	struct ramjet_params params = { RAMJET_PARAMS_INIT };
	struct ramjet_migration *in, *out;
	struct ramjet_info *sent = NULL, *received = NULL;
	struct ramjet_error err;
	double began_s, took_s;

	params.downtime_limit_us = 0;
	check(ramjet_incoming(target.guest, "tcp:127.0.0.1:0", &params, &in,
			      &err),
	      &err);
	params.channels = channels;
	began_s = now_s();
	check(ramjet_migrate(source.guest, ramjet_listen_uri(in), &params, &out,
			     &err),
	      &err);
	check(ramjet_wait(out, -1, &err), &err);
	took_s = now_s() - began_s;
	check(ramjet_wait(in, -1, &err), &err);
	if (ramjet_info(out, &sent) || ramjet_info(in, &received))
		give_up("no statistics");
	printf("%-7s -> %-7s  %5.2f GiB/s  CPU s: source %.3f, target %.3f\n",
	       from_other ? "process" : "mapped",
	       to_other ? "process" : "mapped",
	       (double)bytes / took_s / (1u << 30),
	       (double)sent->workers_cpu_us / 1e6,
	       (double)received->workers_cpu_us / 1e6);
	(void)fflush(stdout);
	ramjet_info_free(sent);
	ramjet_info_free(received);
	(void)ramjet_migration_free(out);
	(void)ramjet_migration_free(in);
	close_side(&source);
	close_side(&target);
}

int main(int argc, char **argv)
{
	unsigned long times = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;

	if (argc > 1)
		bytes = strtoull(argv[1], NULL, 0) << 20;
	if (argc > 3)
		channels = (uint32_t)strtoul(argv[3], NULL, 0);
	while (times--)
		for (unsigned way = 0; way < 4; way++)
			move(way & 1, way & 2);
	return 0;
}
