/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/commands/demo_target.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"

#define ARGUMENTS_MAX 32
#define END_MS        20000 /* for its self-check after the guest has run */

/* The child's command line; strings of its own live in `text`. */
struct arguments {
	char *argv[ARGUMENTS_MAX];
	int count;
	char text[8][64];
	int text_count;
	char guest[8600];
};

static void add(struct arguments *a, const char *argument)
{
	if (a->count < ARGUMENTS_MAX - 1)
		a->argv[a->count++] = (char *)argument;
}

RJ_PRINTF(3, 4)
static void add_value(struct arguments *a, const char *option,
		      const char *format, ...)
{
	char *text = a->text[a->text_count++];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(a->text[0]), format, args);
	va_end(args);
	add(a, option);
	add(a, text);
}

/* The same guest over there; a file gets a neighbour. */
static void add_guest(struct arguments *a, const char *guest,
		      const struct rj_cli_command_line *line,
		      const struct rj_cli_demo_target *target,
		      uint64_t file_bytes)
{
	if (guest)
		(void)snprintf(a->guest, sizeof(a->guest), "%s", guest);
	else if (*target->path)
		(void)snprintf(a->guest, sizeof(a->guest),
			       "file:%s,size=%llu%s", target->path,
			       (unsigned long long)file_bytes,
			       line->guest.prealloc ? ",prealloc=1" : "");
	else
		(void)snprintf(a->guest, sizeof(a->guest), "%s",
			       line->guest.text);
	add(a, a->guest);
}

static void build_arguments(struct arguments *a, const char *guest,
			    const struct rj_cli_command_line *line,
			    const struct rj_cli_demo_target *target,
			    uint64_t file_bytes, int ready_fd)
{
	static const char *const backends[] = { "auto", "uring", "syscalls" };

	*a = (struct arguments){ 0 };
	add(a, "ramjet");
	add(a, "recv");
	add_guest(a, guest, line, target, file_bytes);
	add(a, "--from");
	add(a, line->uri);
	add(a, "--progress");
	add(a, "none");
	add(a, "--backend");
	add(a, backends[line->params.backend]);
	add_value(a, "--ready-fd", "%d", ready_fd);
	add_value(a, "--json", "/proc/self/fd/%d", target->report_fd);
	add_value(a, "--run", "%lluus", (unsigned long long)line->run_us);
	if (line->params.strict)
		add(a, "--strict");
	if (line->params.numa == RAMJET_NUMA_OFF) {
		add(a, "--numa");
		add(a, "off");
	}
	if (line->cpus) {
		add(a, "--cpus");
		add(a, line->cpus);
	}
}

static int open_files(struct rj_cli_demo_target *target, int *ret_ready_end,
		      struct ramjet_error *err)
{
	int ends[2];

	target->report_fd = memfd_create("ramjet-report", MFD_CLOEXEC);
	if (target->report_fd < 0 || pipe2(ends, O_CLOEXEC))
		return rj_fail_errno(err, -errno, "target: memfd or pipe");
	target->ready_fd = ends[0];
	*ret_ready_end = ends[1];
	return 0;
}

static int find_file(const struct rj_cli_command_line *line,
		     struct rj_cli_demo_target *target, uint64_t *ret_bytes,
		     struct ramjet_error *err)
{
	rj_autoclose int fd = open(line->guest.path, O_RDONLY | O_CLOEXEC);
	off_t bytes;

	if (fd < 0)
		return rj_fail_wanted(err, -errno, "a RAM image",
				      "guest file %s: open", line->guest.path);
	bytes = lseek(fd, 0, SEEK_END);
	if (bytes <= 0)
		return rj_fail(err, -EINVAL,
			       "guest file %s: it is empty, wanted a RAM "
			       "image",
			       line->guest.path);
	*ret_bytes = (uint64_t)bytes;
	(void)snprintf(target->path, sizeof(target->path), "%s.demo-%d",
		       line->guest.path, (int)getpid());
	return 0;
}

static int start(const struct rj_cli_command_line *line, const char *guest,
		 const char *helpers, struct rj_cli_demo_target *target,
		 struct ramjet_error *err)
{
	rj_autoclose int ready_end = -1;
	struct arguments arguments;
	struct rj_cli_child_order order = {
		.what = "target",
		.program = RJ_CLI_CHILD_SELF,
		.argv = arguments.argv,
	};
	uint64_t file_bytes = 0;
	int rc = 0;

	if (!guest && *line->guest.path)
		rc = find_file(line, target, &file_bytes, err);
	if (!rc)
		rc = open_files(target, &ready_end, err);
	if (rc)
		return rc;
	build_arguments(&arguments, guest, line, target, file_bytes, ready_end);
	if (helpers) {
		add(&arguments, "--helpers");
		add(&arguments, helpers);
	}
	order.kept[0] = ready_end;
	order.kept[1] = target->report_fd;
	return rj_cli_child_start(&order, &target->child, err);
}

int rj_cli_demo_target_start(const struct rj_cli_command_line *line,
			     const char *guest, const char *helpers,
			     struct rj_cli_demo_target *ret,
			     struct ramjet_error *err)
{
	struct rj_cli_demo_target target = RJ_CLI_DEMO_TARGET_NONE;
	int rc = start(line, guest, helpers, &target, err);

	if (rc)
		rj_cli_demo_target_done(&target);
	else
		*ret = target;
	return rc;
}

int rj_cli_demo_target_ready(struct rj_cli_demo_target *target,
			     struct ramjet_error *err)
{
	char words[400];

	/* Its death closes the pipe, so this ends. */
	if (rj_cli_child_line(target->ready_fd, target->uri,
			      sizeof(target->uri)))
		return 0;
	rj_cli_child_words(&target->child, words, sizeof(words));
	return rj_fail(err, -EIO, "target: it didn't come up: %s",
		       *words ? words : "it said nothing");
}

int rj_cli_demo_target_finish(struct rj_cli_demo_target *target,
			      json_t **ret_report, struct ramjet_error *err)
{
	int status = rj_cli_child_reap(&target->child, END_MS);
	char words[400];

	*ret_report = NULL;
	if (lseek(target->report_fd, 0, SEEK_SET) == 0)
		*ret_report = json_loadfd(target->report_fd, 0, NULL);
	if (!status)
		return 0;
	rj_cli_child_words(&target->child, words, sizeof(words));
	return rj_fail(err, -EIO, "target: it ended with status %d: %s", status,
		       *words ? words : "it said nothing");
}

void rj_cli_demo_target_done(struct rj_cli_demo_target *target)
{
	rj_cli_child_done(&target->child);
	if (*target->path)
		(void)unlink(target->path);
	rj_close_fd(&target->ready_fd);
	rj_close_fd(&target->report_fd);
}
