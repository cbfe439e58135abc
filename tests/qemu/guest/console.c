/* SPDX-License-Identifier: BSD-3-Clause */
/* The console: what is said, what is asked for, what the kernel says. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

/* More of the same help nobody, and the console is slow. */
#define CORRUPT_MAX 50

/* A line leaves in one call, so that lines of several threads never mix. */
void say(const char *format, ...)
{
	static _Atomic unsigned int corrupt;
	char line[512];
	va_list arguments;
	size_t length;

	if (!strncmp(format, "CORRUPT", 7) && ++corrupt > CORRUPT_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	length = strlen(line);
	line[length] = '\n';
	if (write(STDOUT_FILENO, line, length + 1) < 0)
		return;
}

void give_up(const char *what)
{
	say("CORRUPT: the test's own program failed: %s: %s", what,
	    strerror(errno));
	for (;;)
		pause();
}

static void do_command(char *line)
{
	char *argument = strchr(line, ' ');

	if (argument)
		*argument++ = '\0';
	if (!strcmp(line, "check")) {
		checks_wanted++;
	} else if (!strcmp(line, "write") && argument) {
		write_rate = parse_size(argument);
		say("writing %llu bytes a second",
		    (unsigned long long)write_rate);
	} else if (!strcmp(line, "run") && argument) {
		say("run ended: %d", run_busybox((const char *const[]){
					     "sh", "-c", argument, NULL }));
	} else if (!strcmp(line, "poweroff")) {
		reboot(RB_POWER_OFF);
	} else if (!strcmp(line, "reset")) {
		reboot(RB_AUTOBOOT);
	} else if (*line) {
		say("no such command: %s", line);
	}
}

static void *read_commands(void *unused)
{
	char *line = NULL;
	size_t size = 0;

	(void)unused;
	while (getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		do_command(line);
	}
	free(line);
	return NULL;
}

void listen_to_console(void)
{
	start_thread(read_commands, NULL);
}

/* The kernel's log, from now on: "PRIORITY,NUMBER,TIME,-;TEXT". */
static void *read_kernel_log(void *argument)
{
	int fd = *(const int *)argument;
	char record[1024];

	for (;;) {
		ssize_t length = read(fd, record, sizeof(record) - 1);
		char *text;

		if (length < 0 && errno == EPIPE)
			continue; /* some records were overwritten */
		if (length < 0)
			give_up("/dev/kmsg");
		record[length] = '\0';
		text = strchr(record, ';');
		/* Levels 0 to 4 are a warning and worse. */
		if (text && (strtoul(record, NULL, 10) & 7) <= 4)
			say("KERNEL %.*s", (int)strcspn(text + 1, "\n"),
			    text + 1);
	}
	return NULL;
}

void listen_to_kernel(void)
{
	static int fd;

	fd = open("/dev/kmsg", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		give_up("/dev/kmsg");
	start_thread(read_kernel_log, &fd);
}
