/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cli/qemu/scripted_qemu.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"

/* Longer than any command. */
#define LINE_BYTES 65536

/* What a healthy one says. */
static const struct answer usual[] = {
	{ "query-version", "{\"qemu\": {\"major\": 7, \"minor\": 2, \"micro\": "
			   "22}, \"package\": \"\"}" },
	{ "query-commands", "[{\"name\": \"xen-save-devices-state\"}, "
			    "{\"name\": \"query-dump\"}]" },
	{ "query-status", "{\"status\": \"inmigrate\", \"running\": false}" },
	{ "query-target", "{\"arch\": \"x86_64\"}" },
	{ "query-migrate", "{}" },
	{ "query-jobs", "[]" },
	{ "query-yank", "[]" },
	{ "query-dump", "{\"status\": \"none\"}" },
	{ "query-migrate-capabilities",
	  "[{\"capability\": \"events\", \"state\": false}, {\"capability\": "
	  "\"late-block-activate\", \"state\": false}, {\"capability\": "
	  "\"x-ignore-shared\", \"state\": true}, {\"capability\": \"multifd\","
	  " \"state\": false}]" },
	{ "query-migrate-parameters", "{\"tls-creds\": \"tls0\"}" },
	{ "query-cpus-fast", "[{\"thread-id\": 11, \"qom-path\": \"/cpu\"}, "
			     "{\"thread-id\": 12, \"qom-path\": \"/more\"}]" },
	{ "add-fd", "{\"fdset-id\": 3, \"fd\": 9}" },
	{ "/machine", "\"pc-q35-7.2-machine\"" },
	{ "info ramblock",
	  "\"  Block Name  PSize  Offset  Used  Total\\r\\n  pc.ram  4 KiB  "
	  "0x0000000000000000 0x0000000004000000 0x0000000004000000\\r\\n\"" },
	{ "info mtree -f", "\"FlatView #0\\r\\n AS \\\"memory\\\", root: "
			   "system\\r\\n  0000000000000000-0000000003ffffff "
			   "(prio 0, ram): pc.ram\\r\\n\\r\\n\"" },
	{ "gpa2hva 0x0", "\"No memory is mapped at address 0x0\"" },
	{ "/cpu", "\"qemu64-x86_64-cpu\"" },
	{ "info qtree", "\"bus: main-system-bus\\r\\n  type System\\r\\n\"" },
};

static const char *find(const struct answer *answers, size_t count,
			const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (name && !strcmp(answers[i].command, name))
			return answers[i].answer;
	return NULL;
}

#define FIND(answers, name) \
	find(answers, sizeof(answers) / sizeof(*(answers)), name)

static const char *argument(const json_t *request, const char *name)
{
	return json_string_value(
		json_object_get(json_object_get(request, "arguments"), name));
}

/* HMP's lines are commands too, and so are objects whose property is read. */
static const char *name_of(const char *command, const json_t *request)
{
	if (!strcmp(command, "qom-get"))
		return argument(request, "path");
	if (!strcmp(command, "human-monitor-command"))
		return argument(request, "command-line");
	return command;
}

static const char *answer_to(const struct scripted *s, const char *name)
{
	const char *answer;

	for (const struct answer *a = s->answers; a && a->command; a++)
		if (!strcmp(a->command, name))
			return a->answer;
	answer = FIND(usual, name);
	return answer ? answer : "{}";
}

static void say(int fd, const char *text)
{
	/* A client that has gone doesn't mind. */
	ssize_t sent = send(fd, text, strlen(text), MSG_NOSIGNAL);

	(void)sent;
}

static void say_all(const struct scripted *s, int fd, const char *text)
{
	if (s->before)
		say(fd, s->before);
	say(fd, text);
}

static void answer(struct scripted *s, int fd, const char *command,
		   const json_t *request)
{
	rj_autofree char *id =
		json_dumps(json_object_get(request, "id"), JSON_ENCODE_ANY);
	const char *name = name_of(command, request);
	const enum fault fault =
		s->broken && !strcmp(s->broken, name) ? s->fault : FAULT_NONE;
	const char *value =
		fault == FAULT_OTHER_TYPE ? "17" : answer_to(s, name);
	rj_autofree char *text = NULL;
	int made =
		fault == FAULT_REFUSAL
			? asprintf(&text,
				   "{\"id\": %s, \"error\": {\"class\": "
				   "\"GenericError\", \"desc\": \"no\"}}\r\n",
				   id)
			: asprintf(&text, "{\"id\": %s, \"return\": %s}\r\n",
				   id, value);

	assert_true(made > 0);
	if (s->late) {
		say(fd, s->late);
		free(s->late);
		s->late = NULL;
	}
	if (fault == FAULT_LATE)
		s->late = rj_steal(text);
	else if (fault == FAULT_HANGUP)
		(void)shutdown(fd, SHUT_RDWR);
	else if (fault == FAULT_GARBAGE)
		say_all(s, fd, "segmentation fault\r\n");
	else
		say_all(s, fd, text);
}

static void note(struct scripted *s, const char *command, const json_t *request)
{
	json_t *list, *one;
	size_t i;

	(void)json_array_append_new(s->commands,
				    json_string(name_of(command, request)));
	/* The least that can be loaded: a header, and the mark at the end. */
	if (!strcmp(command, "xen-save-devices-state") && s->saved_to >= 0)
		assert_int_equal(write(s->saved_to, "QEVM\0\0\0\3", 9), 9);
	list = json_object_get(json_object_get(request, "arguments"),
			       "capabilities");
	json_array_foreach(list, i, one)(void) json_object_set(
		s->capabilities,
		json_string_value(json_object_get(one, "capability")),
		json_object_get(one, "state"));
}

static ssize_t receive(struct scripted *s, int fd, char *text, size_t bytes)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = text, .iov_len = bytes };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(fd, &message, 0);
	const struct cmsghdr *part = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	int passed;

	if (part && part->cmsg_type == SCM_RIGHTS) {
		memcpy(&passed, CMSG_DATA(part), sizeof(passed));
		rj_close_fd(&s->saved_to);
		s->saved_to = passed;
		s->fds++;
	}
	return got;
}

/* Commands need no line end. */
static void serve(struct scripted *s, int fd)
{
	rj_autofree char *text = malloc(LINE_BYTES);
	size_t used = 0;
	ssize_t got;

	while (text &&
	       (got = receive(s, fd, text + used, LINE_BYTES - used)) > 0) {
		json_error_t where;
		json_t *request;

		used += (size_t)got;
		request =
			json_loadb(text, used, JSON_DISABLE_EOF_CHECK, &where);
		if (!request)
			continue;
		used -= (size_t)where.position;
		memmove(text, text + where.position, used);
		note(s, json_string_value(json_object_get(request, "execute")),
		     request);
		answer(s, fd,
		       json_string_value(json_object_get(request, "execute")),
		       request);
		json_decref(request);
	}
}

static void *run(void *user)
{
	struct scripted *s = user;
	rj_autoclose int fd = accept(s->listener, NULL, NULL);
	char byte;

	if (fd < 0)
		return NULL;
	if (s->silent_from_start) {
		/* Until it goes. */
		(void)recv(fd, &byte, 1, MSG_WAITALL);
		return NULL;
	}
	say(fd, s->greeting ? s->greeting
			    : "{\"QMP\": {\"version\": {}, \"capabilities\": "
			      "[]}}\r\n");
	serve(s, fd);
	return NULL;
}

void scripted_start(struct scripted *s)
{
	static unsigned number;
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(s->path, sizeof(s->path), "/tmp/ramjet-script-%d-%u",
		       (int)getpid(), number++);
	memcpy(address.sun_path, s->path, sizeof(address.sun_path));
	(void)unlink(s->path);
	s->commands = json_array();
	s->capabilities = json_object();
	s->saved_to = -1;
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->listener >= 0);
	assert_int_equal(
		bind(s->listener, (struct sockaddr *)&address, sizeof(address)),
		0);
	assert_int_equal(listen(s->listener, 1), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

void scripted_end(struct scripted *s)
{
	/* Wakes it if nobody ever came. */
	(void)shutdown(s->listener, SHUT_RDWR);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	rj_close_fd(&s->listener);
	rj_close_fd(&s->saved_to);
	(void)unlink(s->path);
}

void scripted_free(struct scripted *s)
{
	json_decref(s->commands);
	json_decref(s->capabilities);
	free(s->late);
}

bool scripted_saw(const struct scripted *s, const char *command)
{
	json_t *one;
	size_t i;

	json_array_foreach(
		s->commands, i,
		one) if (!strcmp(json_string_value(one), command)) return true;
	return false;
}
