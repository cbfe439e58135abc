/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/cgroup.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096

/* A hierarchy that may hold a limit: where it is mounted, and where we are. */
struct hierarchy {
	bool version2;
	const char *controller; /* version 1 */
	char mount[PATH_MAX];   /* the mount point */
	char top[PATH_MAX];     /* the group that is mounted there */
	char group[PATH_MAX];   /* ours */
};

/* Paths are on the heap throughout: whoever asks may have a small stack. */
static FILE *open_below(const char *root, const char *folder, const char *name)
{
	char *path;
	FILE *file;

	if (asprintf(&path, "%s%s/%s", root, folder, name) < 0)
		return NULL;
	file = fopen(path, "re");
	free(path);
	return file;
}

/* Is `word` in the comma-separated list? */
static bool lists(const char *list, const char *word)
{
	const size_t length = strlen(word);

	while (list) {
		if (!strncmp(list, word, length) &&
		    (!list[length] || list[length] == ','))
			return true;
		list = strchr(list, ',');
		list = list ? list + 1 : NULL;
	}
	return false;
}

/* "ID:CONTROLLERS:PATH", version 2: "0::PATH". */
static bool find_group(const char *root, const char *task, struct hierarchy *h)
{
	FILE *file = open_below(root, task, "cgroup");
	char line[LINE_MAX_BYTES];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		char *controllers = strchr(line, ':'), *path;

		path = controllers ? strchr(++controllers, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		found = h->version2 ? !strncmp(line, "0:", 2) && !*controllers
				    : lists(controllers, h->controller);
		if (found)
			(void)snprintf(h->group, sizeof(h->group), "%s", path);
	}
	if (file)
		(void)fclose(file);
	return found;
}

/* "ID PARENT DEVICE TOP MOUNT OPTIONS [TAGS] - TYPE SOURCE SUPER", proc(5). */
static bool take_mount(char *line, struct hierarchy *h)
{
	char *dash = strstr(line, " - ");
	char type[32], super[LINE_MAX_BYTES];

	if (!dash || sscanf(dash, " - %31s %*s %4095s", type, super) != 2 ||
	    sscanf(line, "%*s %*s %*s %4095s %4095s", h->top, h->mount) != 2)
		return false;
	return h->version2
		       ? !strcmp(type, "cgroup2")
		       : !strcmp(type, "cgroup") && lists(super, h->controller);
}

static bool find_mount(const char *root, struct hierarchy *h)
{
	FILE *file = open_below(root, "/proc/self", "mountinfo");
	char line[LINE_MAX_BYTES];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = take_mount(line, h);
	if (file)
		(void)fclose(file);
	return found;
}

/* The group's path below the mount point; NULL: mounted from elsewhere. */
static const char *group_below(const struct hierarchy *h)
{
	const size_t length = strlen(h->top);

	if (!strcmp(h->top, "/"))
		return h->group;
	if (!strncmp(h->group, h->top, length) &&
	    (h->group[length] == '/' || !h->group[length]))
		return h->group + length;
	return NULL;
}

/* From our group up to the one that is mounted. */
static void visit(const char *root, struct hierarchy *h, rj_cgroup_fn *fn,
		  void *user)
{
	struct rj_cgroup group = { root, NULL, h->version2 };
	char *folder;
	const char *below;
	size_t top;

	if (!find_group(root, "/proc/self", h) || !find_mount(root, h))
		return;
	top = strlen(h->mount);
	/* Mounted from elsewhere: what is on top there is what we can know. */
	below = group_below(h);
	if (asprintf(&folder, "%s%s", h->mount, below ? below : "") < 0)
		return;
	group.folder = folder;
	for (;;) {
		char *slash;

		fn(user, &group);
		slash = strrchr(folder, '/');
		if (!slash || (size_t)(slash - folder) < top)
			break;
		*slash = '\0';
	}
	free(folder);
}

void rj_cgroup_visit(const char *root, const char *controller, rj_cgroup_fn *fn,
		     void *user)
{
	struct hierarchy *h = malloc(sizeof(*h));

	if (!h)
		return;
	*h = (struct hierarchy){ .version2 = true };
	visit(root, h, fn, user);
	*h = (struct hierarchy){ .controller = controller };
	visit(root, h, fn, user);
	free(h);
}

char *rj_cgroup_find(const char *root, const char *task, bool version2,
		     const char *controller)
{
	struct hierarchy *h = malloc(sizeof(*h));
	const char *below;
	char *folder = NULL;

	if (!h)
		return NULL;
	*h = (struct hierarchy){ .version2 = version2,
				 .controller = controller };
	if (find_group(root, task, h) && find_mount(root, h)) {
		below = group_below(h);
		if (!below || asprintf(&folder, "%s%s%s", root, h->mount,
				       strcmp(below, "/") ? below : "") < 0)
			folder = NULL;
	}
	free(h);
	return folder;
}

bool rj_cgroup_read(const struct rj_cgroup *group, const char *name,
		    char words[2][RJ_CGROUP_WORD_BYTES])
{
	FILE *file = open_below(group->root, group->folder, name);
	int count;

	if (!file)
		return false;
	count = fscanf(file, "%31s %31s", words[0], words[1]);
	(void)fclose(file);
	return count >= 1;
}
