/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest's init: mounts, drivers, and what the kernel's command line asks
 * for:
 *   write=RATE   bytes a second that are written (100M; 0: nothing, the
 *                guest is idle)
 *   check=RATE   bytes a second that are checked (0: only by `check`)
 *   set=BYTES    memory that is written and checked; 0: none
 *   writers=N    threads that do it
 *   touch=BYTES  that a write changes, at the start of a page (all of it); a
 *                multiple of 8, at least 16
 *   files=N[xBYTES]       checked files on a tmpfs
 *   fs=DEV[:direct]       a file system is made there, with checked files
 *   disk=DEV[:direct][:writer][:readers=N][:pause=US]   see disks.c
 *   wait=DEV     before anything else, until this device is there
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define TICK_S     0.1
#define LOOK_S     0.005 /* how often a tick looks at the clock */
#define FILE_BYTES (256u << 10)
#define FS_FILES   16

double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void sleep_s(double seconds)
{
	struct timespec time = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
	};

	if (seconds > 0)
		nanosleep(&time, NULL);
	else
		sched_yield();
}

void start_thread(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, argument) != 0)
		give_up("starting a thread");
	pthread_detach(thread);
}

uint64_t parse_size(const char *text)
{
	char *end;
	uint64_t size = strtoull(text, &end, 10);

	switch (*end) {
	case 'G':
		return size << 30;
	case 'M':
		return size << 20;
	case 'K':
		return size << 10;
	default:
		return size;
	}
}

/* Its exit status, or -1. */
int run_busybox(const char *const arguments[])
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		execv("/bin/busybox", (char *const *)arguments);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void mount_all(void)
{
	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/tmp", 0755);
	mkdir("/mnt", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
}

/* Without what a terminal does for people: no echo, no CR. */
static void open_console(void)
{
	struct termios mode;
	int fd = open("/dev/console", O_RDWR);

	if (fd < 0)
		_exit(1);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (tcgetattr(fd, &mode) == 0) {
		mode.c_oflag &= ~(tcflag_t)OPOST;
		mode.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(fd, TCSANOW, &mode);
	}
}

/* /modules/order names them so that each comes after what it needs. */
static void load_modules(void)
{
	char path[256] = "/modules/", *name = path + strlen(path);
	FILE *order = fopen("/modules/order", "re");

	if (!order)
		return;
	while (fgets(name, (int)(sizeof(path) - strlen("/modules/")), order)) {
		int fd;

		name[strcspn(name, "\n")] = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0)
			say("no module %s: %s", name, strerror(errno));
		close(fd);
	}
	fclose(order);
}

static void wait_for(const char *path)
{
	while (access(path, F_OK) != 0)
		sleep_s(0.01);
}

static void start_file_system(char *description)
{
	static unsigned int mounts;
	char *options = strchr(description, ':');
	char folder[32];

	if (options)
		*options++ = '\0';
	snprintf(folder, sizeof(folder), "/mnt/%u", mounts++);
	mkdir(folder, 0755);
	wait_for(description);
	if (run_busybox((const char *const[]){ "mke2fs", "-F", description,
					       NULL }) != 0 ||
	    mount(description, folder, "ext4", 0, NULL) != 0)
		give_up(description);
	start_files(folder, FS_FILES, FILE_BYTES,
		    options && !strcmp(options, "direct"));
}

static void start_tmpfs_files(const char *value)
{
	char *bytes;
	unsigned long count = strtoul(value, &bytes, 10);

	start_files("/tmp", (unsigned int)count,
		    *bytes == 'x' ? (size_t)parse_size(bytes + 1) : FILE_BYTES,
		    false);
}

static void start_all(char *command_line)
{
	uint64_t set = 64u << 20;
	unsigned int writers = 1;

	check_rate = 100u << 20;
	for (char *next, *word = strtok_r(command_line, " \n", &next); word;
	     word = strtok_r(NULL, " \n", &next)) {
		char *value = strchr(word, '=');

		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(word, "write"))
			write_rate = parse_size(value);
		else if (!strcmp(word, "check"))
			check_rate = parse_size(value);
		else if (!strcmp(word, "set"))
			set = parse_size(value);
		else if (!strcmp(word, "touch"))
			touch_bytes = parse_size(value);
		else if (!strcmp(word, "writers"))
			writers = (unsigned int)parse_size(value);
		else if (!strcmp(word, "wait"))
			wait_for(value);
		else if (!strcmp(word, "files"))
			start_tmpfs_files(value);
		else if (!strcmp(word, "fs"))
			start_file_system(value);
		else if (!strcmp(word, "disk"))
			start_disk(value);
	}
	if (set > 0)
		start_memory(set, writers);
}

static void tick_for_ever(void)
{
	double last = now_s(), gap = 0, next = last;

	for (unsigned long tick = 1;;) {
		double now = now_s();

		if (now - last > gap)
			gap = now - last;
		last = now;
		if (now >= next) {
			say("tick %lu %.4f gap=%.4f wrote=%.1f", tick++, now,
			    gap, (double)written_pages * 4096 / (1 << 20));
			gap = 0;
			next = now + TICK_S;
		}
		sleep_s(LOOK_S);
	}
}

static void *start_all_beside(void *unused)
{
	char line[2048] = "";
	FILE *file = fopen("/proc/cmdline", "re");

	(void)unused;
	if (!file || !fgets(line, sizeof(line), file))
		give_up("/proc/cmdline");
	fclose(file);
	start_all(line);
	listen_to_kernel();
	listen_to_console();
	say("ready");
	return NULL;
}

int main(void)
{
	mount_all();
	open_console();
	load_modules();
	start_thread(start_all_beside, NULL);
	tick_for_ever();
}
