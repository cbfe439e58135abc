/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guardian/page.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/error.h"

/* Of a page; the VMM's process follows. */
#define NAME "vmm-"

void rj_guardian_folder(char *path, size_t bytes)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (!geteuid())
		(void)snprintf(path, bytes, "/run/ramjet");
	else if (runtime && *runtime == '/')
		(void)snprintf(path, bytes, "%s/ramjet", runtime);
	else
		(void)snprintf(path, bytes, "/tmp/ramjet-%u",
			       (unsigned)geteuid());
}

/* Field 22 of /proc/PID/stat; the name before it may hold anything. */
uint64_t rj_guardian_born(pid_t pid)
{
	char path[32], text[1024];
	unsigned long long born = 0;
	rj_autoclose int fd = -1;
	ssize_t length;
	char *after;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (length <= 0)
		return 0;
	text[length] = '\0';
	after = strrchr(text, ')');
	if (!after || sscanf(after + 1,
			     " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			     "%*s %*s %*s %*s %*s %*s %*s %llu",
			     &born) != 1)
		return 0;
	return born;
}

/* Ours alone: what lies there is believed. */
static int make_folder(const char *path, struct ramjet_error *err)
{
	struct stat found;

	if (mkdir(path, 0700) && errno != EEXIST)
		return rj_fail_errno(err, -errno, "guardian: %s", path);
	if (lstat(path, &found))
		return rj_fail_errno(err, -errno, "guardian: %s", path);
	if (!S_ISDIR(found.st_mode) || found.st_uid != geteuid() ||
	    found.st_mode & 022)
		return rj_fail(err, -EPERM,
			       "guardian: %s is not a folder that only user %u "
			       "may write to",
			       path, (unsigned)geteuid());
	return 0;
}

/* Until the file that is locked is the one that has the name: who was here
 * before may have removed it in between. */
static int open_locked(const char *path, struct ramjet_error *err)
{
	for (;;) {
		rj_autoclose int fd = open(
			path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		struct stat ours, named;

		if (fd < 0)
			return rj_fail_errno(err, -errno, "guardian: %s", path);
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			if (errno == EINTR)
				continue;
			return rj_fail(
				err, errno == EWOULDBLOCK ? -EBUSY : -errno,
				"guardian: another ramjet, or the "
				"guardian of a dead one, is at work with "
				"this VMM (%s is locked)",
				path);
		}
		if (!fstat(fd, &ours) && !lstat(path, &named) &&
		    ours.st_ino == named.st_ino && ours.st_dev == named.st_dev)
			return rj_steal_fd(&fd);
	}
}

static int map(int fd, struct rj_guardian_page **ret)
{
	void *page = mmap(NULL, sizeof(**ret), PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	*ret = page;
	return 0;
}

static bool is_paused(const struct rj_guardian_page *page)
{
	const uint32_t outcome = atomic_load(&page->outcome);

	return atomic_load(&page->marks) & RJ_GUARDIAN_OWED &&
	       outcome != RJ_GUARDIAN_RESUMED;
}

static enum rj_guardian_left tell(struct rj_guardian_page *page, char *words,
				  size_t bytes)
{
	const uint32_t marks = atomic_load(&page->marks);
	const int pid = page->ramjet_pid;

	page->words[sizeof(page->words) - 1] = '\0';
	if (marks & RJ_GUARDIAN_COMMITTED) {
		(void)snprintf(
			words, bytes,
			"an earlier ramjet (process %d) died after COMMIT: "
			"this guest may run at the target already; let it go "
			"on here only if it does not",
			pid);
		return RJ_GUARDIAN_LEFT_COMMITTED;
	}
	if (is_paused(page)) {
		(void)snprintf(
			words, bytes,
			"an earlier ramjet (process %d) died while it "
			"had this guest stopped, and it was not "
			"resumed: %s; if it is paused, 'cont' resumes it",
			pid,
			*page->words ? page->words : "its guardian died, too");
		return RJ_GUARDIAN_LEFT_PAUSED;
	}
	if (atomic_load(&page->outcome) != RJ_GUARDIAN_RESUMED)
		return RJ_GUARDIAN_LEFT_NOTHING;
	(void)snprintf(words, bytes,
		       "an earlier ramjet (process %d) died while it had this "
		       "guest stopped; its guardian resumed it",
		       pid);
	return RJ_GUARDIAN_LEFT_RESUMED;
}

/* What is there is believed if it is whole, and of this very process. */
static enum rj_guardian_left read_left(const struct rj_guardian_file *file,
				       uint64_t born, bool whole, char *words,
				       size_t bytes)
{
	struct rj_guardian_page *page = file->page;

	*words = '\0';
	if (!whole || page->magic != RJ_GUARDIAN_MAGIC ||
	    page->vmm_born != born)
		return RJ_GUARDIAN_LEFT_NOTHING;
	return tell(page, words, bytes);
}

static void renew(struct rj_guardian_page *page,
		  const struct rj_guardian_order *order, uint64_t born)
{
	/* As a whole or not at all: the magic goes first and comes last. */
	page->magic = 0;
	atomic_thread_fence(memory_order_seq_cst);
	atomic_store(&page->marks, 0);
	atomic_store(&page->outcome, RJ_GUARDIAN_NOTHING_YET);
	atomic_store(&page->undo_now, 0);
	page->undo[0][0] = page->undo[1][0] = page->words[0] = '\0';
	page->ramjet_pid = getpid();
	page->vmm_pid = order->vmm_pid;
	page->vmm_born = born;
	page->patience_ms = order->patience_ms;
	(void)snprintf(page->qmp_path, sizeof(page->qmp_path), "%s",
		       order->qmp_path);
	atomic_thread_fence(memory_order_seq_cst);
	page->magic = RJ_GUARDIAN_MAGIC;
}

/* Pages of VMMs that have ended are of no use to anybody. */
static void sweep(const char *folder_path)
{
	DIR *folder = opendir(folder_path);
	const struct dirent *entry;
	int pid;

	while (folder && (entry = readdir(folder))) {
		rj_autoclose int fd = -1;

		if (sscanf(entry->d_name, NAME "%d", &pid) != 1 ||
		    rj_guardian_born(pid))
			continue;
		fd = openat(dirfd(folder), entry->d_name,
			    O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
			(void)unlinkat(dirfd(folder), entry->d_name, 0);
	}
	if (folder)
		(void)closedir(folder);
}

static int name_file(const struct rj_guardian_order *order,
		     struct rj_guardian_file *file, struct ramjet_error *err)
{
	char folder[sizeof(file->path) - 32];
	int rc;

	if (strlen(order->qmp_path) >= sizeof(file->page->qmp_path))
		return rj_fail(err, -ENAMETOOLONG,
			       "guardian: %s: too long for a socket",
			       order->qmp_path);
	if (order->folder)
		(void)snprintf(folder, sizeof(folder), "%s", order->folder);
	else
		rj_guardian_folder(folder, sizeof(folder));
	rc = make_folder(folder, err);
	if (!rc)
		sweep(folder);
	(void)snprintf(file->path, sizeof(file->path), "%s/" NAME "%d", folder,
		       (int)order->vmm_pid);
	return rc;
}

static int open_page(const struct rj_guardian_order *order,
		     struct rj_guardian_file *file, bool *ret_whole,
		     struct ramjet_error *err)
{
	struct stat found;
	int rc = name_file(order, file, err);

	if (rc)
		return rc;
	file->fd = open_locked(file->path, err);
	if (file->fd < 0)
		return file->fd;
	*ret_whole = !fstat(file->fd, &found) &&
		     found.st_size == (off_t)sizeof(*file->page);
	/* Not written to a full disk later, which would be SIGBUS. */
	rc = *ret_whole || !ftruncate(file->fd, 0)
		     ? -posix_fallocate(file->fd, 0, sizeof(*file->page))
		     : -errno;
	if (!rc)
		rc = map(file->fd, &file->page);
	return rc ? rj_fail_errno(err, rc, "guardian: %s", file->path) : 0;
}

int rj_guardian_file_open(const struct rj_guardian_order *order,
			  struct rj_guardian_file *ret,
			  enum rj_guardian_left *ret_left, char *words,
			  size_t words_bytes, struct ramjet_error *err)
{
	const uint64_t born = rj_guardian_born(order->vmm_pid);
	struct rj_guardian_file file = { .fd = -1 };
	bool whole = false;
	int rc;

	if (!born)
		return rj_fail(err, -ESRCH, "guardian: there is no process %d",
			       (int)order->vmm_pid);
	rc = open_page(order, &file, &whole, err);
	if (rc) {
		rj_guardian_file_close(&file);
		return rc;
	}
	*ret_left = read_left(&file, born, whole, words, words_bytes);
	renew(file.page, order, born);
	*ret = file;
	return 0;
}

int rj_guardian_file_take(int fd, struct rj_guardian_file *ret)
{
	struct rj_guardian_file file = { .fd = fd };
	char link[32];
	struct stat found;
	ssize_t length;
	int rc;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, file.path, sizeof(file.path) - 1);
	if (length < 0 || fstat(fd, &found))
		return -errno;
	file.path[length] = '\0';
	if (found.st_size != (off_t)sizeof(*file.page))
		return -EINVAL;
	rc = map(fd, &file.page);
	if (!rc)
		*ret = file;
	return rc;
}

void rj_guardian_file_remove(struct rj_guardian_file *file)
{
	(void)unlink(file->path);
}

void rj_guardian_file_close(struct rj_guardian_file *file)
{
	if (file->page)
		(void)munmap(file->page, sizeof(*file->page));
	file->page = NULL;
	rj_close_fd(&file->fd);
}
