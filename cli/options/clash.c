/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options/clash.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/parse.h"

/* Something that this command reads or writes. */
struct hat {
	char what[32]; /* "guest", "--json" */
	const char *name;
	bool written;
	bool stream; /* standard output or error: words of ours */
	/* Which file it is; or, of one that is not there yet, which folder it
	 * will be in, and its name there. */
	dev_t device;
	ino_t inode;
	char base[NAME_MAX + 1];
};

#define HATS_MAX  6
#define LINKS_MAX 40u /* as the kernel follows */

struct hats {
	struct hat all[HATS_MAX];
	unsigned count;
};

static void put(struct hats *hats, const char *what, const char *name,
		bool written, const struct stat *status)
{
	struct hat *hat = &hats->all[hats->count++];

	(void)snprintf(hat->what, sizeof(hat->what), "%s", what);
	hat->name = name;
	hat->written = written;
	hat->device = status->st_dev;
	hat->inode = status->st_ino;
}

/* To the name that a file made there would have: links may lead to none. */
static void follow_links(char path[PATH_MAX])
{
	char to[PATH_MAX], joined[2 * PATH_MAX];
	ssize_t n = 0;

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		n = readlink(path, to, sizeof(to) - 1);
		if (n < 0)
			return;
		to[n] = '\0';
		(void)snprintf(joined, sizeof(joined), "%s%s%s",
			       *to == '/' ? "" : dirname(path),
			       *to == '/' ? "" : "/", to);
		if (strlen(joined) >= PATH_MAX)
			return;
		memcpy(path, joined, strlen(joined) + 1);
	}
}

static void put_path(struct hats *hats, const char *what, const char *path,
		     bool written)
{
	char end[PATH_MAX], copy[PATH_MAX];
	struct stat status;

	if (!stat(path, &status)) {
		/* Devices, such as /dev/null, may be given more than once. */
		if (!S_ISCHR(status.st_mode))
			put(hats, what, path, written, &status);
		return;
	}
	if (errno != ENOENT)
		return;
	(void)snprintf(end, sizeof(end), "%s", path);
	follow_links(end);
	(void)snprintf(copy, sizeof(copy), "%s", end);
	if (stat(dirname(copy), &status))
		return;
	put(hats, what, path, written, &status);
	(void)snprintf(copy, sizeof(copy), "%s", end);
	(void)snprintf(hats->all[hats->count - 1].base, NAME_MAX + 1, "%.*s",
		       NAME_MAX, basename(copy));
}

static void put_fd(struct hats *hats, const char *what, const char *name,
		   int fd, bool written)
{
	struct stat status;

	if (!fstat(fd, &status) && S_ISREG(status.st_mode))
		put(hats, what, name, written, &status);
}

static void put_uri(struct hats *hats, const char *uri, bool written)
{
	const char *what = written ? "--to" : "--from";
	uint64_t fd;

	if (!strncmp(uri, "file:", 5))
		put_path(hats, what, uri + 5, written);
	else if (!strncmp(uri, "fd:", 3) &&
		 !rj_parse_uint("fd", uri + 3, 0, INT_MAX, &fd, NULL))
		put_fd(hats, what, uri, (int)fd, written);
}

static void put_stream(struct hats *hats, const char *name, int fd)
{
	const unsigned before = hats->count;

	put_fd(hats, "what is said on", name, fd, true);
	if (hats->count > before)
		hats->all[before].stream = true;
}

static bool is_same(const struct hat *a, const struct hat *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       !strcmp(a->base, b->base);
}

/* Words and the report may share: see cli/report/file.h. */
static bool may_share(const struct hat *a, const struct hat *b)
{
	const bool a_words = a->stream || !strcmp(a->what, "--json");
	const bool b_words = b->stream || !strcmp(b->what, "--json");

	return (a_words && b_words) || (!a->written && !b->written);
}

static int compare(const struct hats *hats, struct ramjet_error *err)
{
	for (unsigned i = 0; i < hats->count; i++)
		for (unsigned j = i + 1; j < hats->count; j++) {
			const struct hat *a = &hats->all[i];
			const struct hat *b = &hats->all[j];

			if (is_same(a, b) && !may_share(a, b))
				return rj_fail(err, -EINVAL,
					       "%s %s and %s %s are the same "
					       "file, wanted one for each",
					       a->what, a->name, b->what,
					       b->name);
		}
	return 0;
}

int rj_cli_clash_check(const struct rj_cli_command_line *line,
		       enum rj_cli_role role, const char *uri,
		       struct ramjet_error *err)
{
	const bool source = role == RJ_CLI_SOURCE;
	struct hats hats = { 0 };

	if (uri && !strcmp(uri, "fd:2"))
		return rj_fail(err, -EINVAL,
			       "fd:2: standard error is for messages, wanted "
			       "another descriptor");
	if (uri && line->json && !strcmp(line->json, "-") &&
	    !strcmp(uri, "fd:1"))
		return rj_fail(err, -EINVAL,
			       "--json - and fd:1 are both standard output, "
			       "wanted one for each");
	if (*line->guest.path)
		put_path(&hats, "guest", line->guest.path, !source);
	if (uri)
		put_uri(&hats, uri, source);
	if (line->json && strcmp(line->json, "-") != 0)
		put_path(&hats, "--json", line->json, true);
	if (line->monitor)
		put_path(&hats, "--monitor", line->monitor, true);
	if (!uri || strcmp(uri, "fd:1") != 0)
		put_stream(&hats, "standard output", STDOUT_FILENO);
	put_stream(&hats, "standard error", STDERR_FILENO);
	return compare(&hats, err);
}

/* "file:PATH,key=value", as a guest or an address. */
static bool names(const char *word, const char *path)
{
	char other[PATH_MAX];
	struct stat a, b;

	if (strncmp(word, "file:", 5) != 0)
		return false;
	(void)snprintf(other, sizeof(other), "%.*s", PATH_MAX - 1, word + 5);
	other[strcspn(other, ",")] = '\0';
	return !stat(other, &a) && !stat(path, &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

bool rj_cli_clash_among(int argc, char **argv, const char *path)
{
	for (int i = 1; path && i < argc; i++)
		if (names(argv[i], path) ||
		    (!strncmp(argv[i], "--", 2) && strchr(argv[i], '=') &&
		     names(strchr(argv[i], '=') + 1, path)))
			return true;
	return false;
}
