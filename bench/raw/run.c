/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/raw/run.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/raw/lane.h"
#include "bench/raw/memory.h"

struct ends {
	int source[RAW_CHANNELS_MAX], target[RAW_CHANNELS_MAX];
};

/* What the target tells over its pipe, in this order: READY, DONE, report. */
enum signal {
	READY = 'R',
	DONE = 'D'
};
struct report {
	double cpu;
	uint64_t digest;
	int rc;
};

static double now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_s(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int listen_loopback(struct sockaddr_in *address)
{
	socklen_t bytes = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (fd < 0 || bind(fd, (struct sockaddr *)address, bytes) ||
	    listen(fd, SOMAXCONN) ||
	    getsockname(fd, (struct sockaddr *)address, &bytes))
		raw_die("listening on loopback");
	return fd;
}

static void open_tcp(size_t channels, struct ends *ends)
{
	struct sockaddr_in address;
	int listener = listen_loopback(&address);
	const int on = 1;

	for (size_t i = 0; i < channels; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 ||
		    connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
		    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
			raw_die("connecting over loopback");
		ends->source[i] = fd;
		ends->target[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (ends->target[i] < 0)
			raw_die("accepting over loopback");
	}
	(void)close(listener);
}

static void open_ends(const struct raw_config *config, struct ends *ends)
{
	int pair[2];

	if (config->transport == RAW_TCP) {
		open_tcp(config->channels, ends);
		return;
	}
	for (size_t i = 0; i < config->channels; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			raw_die("socketpair");
		ends->source[i] = pair[0];
		ends->target[i] = pair[1];
	}
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)close(fds[i]);
}

static struct raw_lane *lanes_new(const struct raw_config *config, void *memory,
				  const int *fds)
{
	struct raw_lane *lanes = calloc(config->channels, sizeof(*lanes));

	if (!lanes)
		raw_die("lanes");
	for (size_t i = 0; i < config->channels; i++) {
		lanes[i].config = config;
		lanes[i].memory = memory;
		lanes[i].index = i;
		lanes[i].fd = fds[i];
	}
	return lanes;
}

static int run_lanes(struct raw_lane *lanes, size_t count, void *(*run)(void *))
{
	int rc = 0;

	for (size_t i = 0; i < count; i++)
		if (pthread_create(&lanes[i].thread, NULL, run, &lanes[i]))
			raw_die("starting a thread");
	for (size_t i = 0; i < count; i++) {
		(void)pthread_join(lanes[i].thread, NULL);
		rc = rc ? rc : lanes[i].rc;
	}
	return rc;
}

static void tell(int fd, const void *data, size_t bytes)
{
	if (write(fd, data, bytes) != (ssize_t)bytes)
		raw_die("telling the source");
}

static void hear(int fd, void *data, size_t bytes)
{
	if (read(fd, data, bytes) != (ssize_t)bytes) {
		(void)fprintf(stderr, "raw: the target process died\n");
		exit(1);
	}
}

/* The forked process. */
static _Noreturn void be_target(const struct raw_config *config,
				const struct ends *ends, int pipe_fd)
{
	void *memory = raw_memory_new((enum raw_memory)config->target_memory,
				      config->bytes);
	struct raw_lane *lanes = lanes_new(config, memory, ends->target);
	struct report report = { 0 };
	double cpu;

	close_all(ends->source, config->channels);
	if (config->target == RAW_PREALLOC)
		raw_memory_populate(memory, config->bytes);
	cpu = cpu_s();
	tell(pipe_fd, &(char){ READY }, 1);
	report.rc = run_lanes(lanes, config->channels, raw_recv_run);
	tell(pipe_fd, &(char){ DONE }, 1);
	report.cpu = cpu_s() - cpu;
	report.digest = raw_digest(config, memory);
	tell(pipe_fd, &report, sizeof(report));
	_exit(0);
}

static void be_source(const struct raw_config *config, void *memory,
		      const struct ends *ends, int pipe_fd,
		      struct raw_result *result)
{
	struct raw_lane *lanes = lanes_new(config, memory, ends->source);
	struct report report;
	double start = now_s(), cpu;
	char signal;

	for (size_t i = 0; i < config->channels && !result->rc; i++)
		result->rc = raw_sender_new(&lanes[i]);
	result->prepare_seconds = now_s() - start;
	hear(pipe_fd, &signal, 1);
	start = now_s();
	cpu = cpu_s();
	if (!result->rc)
		result->rc = run_lanes(lanes, config->channels, raw_send_run);
	for (size_t i = 0; i < config->channels && result->rc; i++)
		(void)shutdown(ends->source[i], SHUT_RDWR);
	hear(pipe_fd, &signal, 1);
	result->seconds = now_s() - start;
	result->source_cpu = cpu_s() - cpu;
	hear(pipe_fd, &report, sizeof(report));
	result->target_cpu = report.cpu;
	result->rc = result->rc ? result->rc : report.rc;
	result->identical = report.digest == raw_digest(config, memory);
	for (size_t i = 0; i < config->channels; i++) {
		result->notifications += lanes[i].notifications;
		result->copied += lanes[i].copied;
		raw_sender_free(&lanes[i]);
	}
	free(lanes);
}

struct raw_result raw_run(const struct raw_config *config, void *memory)
{
	struct raw_result result = { 0 };
	struct ends ends;
	int told[2];
	pid_t child;

	open_ends(config, &ends);
	if (pipe(told))
		raw_die("pipe");
	child = fork();
	if (child < 0)
		raw_die("fork");
	if (!child) {
		(void)close(told[0]);
		be_target(config, &ends, told[1]);
	}
	(void)close(told[1]);
	close_all(ends.target, config->channels);
	be_source(config, memory, &ends, told[0], &result);
	(void)waitpid(child, NULL, 0);
	(void)close(told[0]);
	close_all(ends.source, config->channels);
	return result;
}
