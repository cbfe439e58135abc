/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_SCRIPTED_QEMU_H
#define RJ_TESTS_SCRIPTED_QEMU_H
/* Something that answers like a QEMU 7.2 on a QMP socket, until one command,
 * where it does what a broken one would. */
#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>

enum fault {
	FAULT_NONE = 0,
	FAULT_REFUSAL, /* an error */
	FAULT_LATE,    /* answered when the next command is */
	FAULT_HANGUP,
	FAULT_GARBAGE,    /* no JSON */
	FAULT_OTHER_TYPE, /* a return of another type than expected */
	FAULT_COUNT_,
};

/* `command` gets `answer`, the text of a "return". A line of HMP and an object
 * whose property is read count as commands. */
struct answer {
	const char *command;
	const char *answer;
};

struct scripted {
	char path[108];
	int listener;
	pthread_t thread;
	/* What the thread reads: set before scripted_start(). */
	const struct answer
		*answers;   /* instead of the usual; its end is NULL */
	const char *broken; /* this command meets the fault */
	enum fault fault;
	bool silent_from_start; /* no greeting: another client is served */
	const char *greeting;   /* NULL: QEMU's */
	const char *before;     /* NULL, or events that precede an answer */
	/* What it saw: read after scripted_end(). */
	json_t *commands;     /* names, in their order */
	json_t *capabilities; /* last value of each that was set */
	int fds;              /* descriptors that came along */
	char *late;           /* the thread's own, */
	int saved_to;         /* as the last of those descriptors; -1: none */
};

void scripted_start(struct scripted *s);
/* After the client has closed. commands and capabilities stay. */
void scripted_end(struct scripted *s);
void scripted_free(struct scripted *s);
bool scripted_saw(const struct scripted *s, const char *command);
#endif
