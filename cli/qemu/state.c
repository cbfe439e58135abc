/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cli/qemu/own_stream.h"
#include "util/cleanup.h"
#include "util/error.h"

#define SAVE "xen-save-devices-state"

/* QEMU opens a descriptor of a set with exactly the access it wants, so it
 * needs one that only writes. */
static int open_again_to_write(int fd)
{
	char path[64];
	int writer;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	writer = open(path, O_WRONLY | O_CLOEXEC);
	return writer < 0 ? -errno : writer;
}

static int make_file(struct rj_qemu_saver *saver, struct ramjet_error *err)
{
	saver->fd = memfd_create("ramjet-device-state", MFD_CLOEXEC);
	if (saver->fd < 0)
		return rj_fail_errno(err, -errno, "device state: memfd_create");
	saver->writer = open_again_to_write(saver->fd);
	if (saver->writer < 0)
		return rj_fail_errno(err, saver->writer,
				     "device state: open the memfd to write");
	return 0;
}

static int give_file(struct rj_qemu *q, struct rj_qemu_saver *saver,
		     struct ramjet_error *err)
{
	json_t *answer = NULL, *set;
	int rc = rj_qemu_call_within(q, "add-fd",
				     json_pack("{s:s}", "opaque", "ramjet"),
				     saver->writer, 0, &answer, err);

	if (rc)
		return rc;
	set = json_object_get(answer, "fdset-id");
	if (json_is_integer(set))
		saver->set = (int)json_integer_value(set);
	else
		rc = rj_fail(err, -EPROTO,
			     "qemu %s: add-fd: an answer without fdset-id",
			     q->path);
	json_decref(answer);
	return rc;
}

static int prepare_file(struct rj_qemu *q, struct rj_qemu_saver *saver,
			struct ramjet_error *err)
{
	int rc;

	if (!rj_qemu_knows(q, SAVE))
		return rj_fail(err, -ENOSYS,
			       "qemu %s: knows no %s, wanted a build with it "
			       "(or state=migrate)",
			       q->path, SAVE);
	rc = make_file(saver, err);
	return rc ? rc : give_file(q, saver, err);
}

int rj_qemu_saver_prepare(struct rj_qemu *q, enum rj_qemu_way way,
			  struct rj_qemu_saver *ret, struct ramjet_error *err)
{
	struct rj_qemu_saver saver = RJ_QEMU_SAVER_NONE;
	int rc;

	saver.way = way;
	rc = way == RJ_QEMU_BY_SAVE
		     ? prepare_file(q, &saver, err)
		     : rj_qemu_own_stream_give(q, &saver.fd, err);
	if (rc) {
		rj_qemu_saver_done(q, &saver);
		return rc;
	}
	*ret = saver;
	return 0;
}

void rj_qemu_saver_undo(const struct rj_qemu_saver *saver, char *text,
			size_t bytes)
{
	if (saver->way == RJ_QEMU_BY_SAVE)
		(void)snprintf(text, bytes,
			       "{\"execute\":\"remove-fd\",\"arguments\":"
			       "{\"fdset-id\":%d}}",
			       saver->set);
	else
		(void)snprintf(text, bytes,
			       "{\"execute\":\"closefd\",\"arguments\":"
			       "{\"fdname\":\"" RJ_QEMU_OWN_STREAM "\"}}");
}

static int splice_file(struct rj_qemu *q, const struct rj_qemu_saver *saver,
		       struct rj_qemu_state *ret, struct ramjet_error *err)
{
	struct stat st;
	void *saved;
	int rc;

	if (fstat(saver->fd, &st))
		return rj_fail_errno(err, -errno, "device state: fstat");
	if (!st.st_size || st.st_size > RJ_QEMU_STATE_BYTES_MAX)
		return rj_fail(err, -EMSGSIZE,
			       "qemu %s: %s wrote %lld bytes, wanted 1 to %u",
			       q->path, SAVE, (long long)st.st_size,
			       RJ_QEMU_STATE_BYTES_MAX);
	saved = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, saver->fd,
		     0);
	if (saved == MAP_FAILED)
		return rj_fail_errno(err, -errno, "device state: mmap");
	rc = rj_qemu_state_splice(saved, (size_t)st.st_size, q->machine, ret,
				  err);
	(void)munmap(saved, (size_t)st.st_size);
	return rc;
}

int rj_qemu_saver_save(struct rj_qemu *q, struct rj_qemu_saver *saver,
		       struct rj_qemu_state *ret, struct ramjet_error *err)
{
	char path[64];
	int rc;

	if (saver->way == RJ_QEMU_BY_MIGRATE)
		return rj_qemu_own_stream_take(q, &saver->fd, ret, err);
	if (ftruncate(saver->writer, 0) || lseek(saver->writer, 0, SEEK_SET))
		return rj_fail_errno(err, -errno, "device state: rewind");
	(void)snprintf(path, sizeof(path), "/dev/fdset/%d", saver->set);
	/* With `live` it gives up its images' locks. */
	rc = rj_qemu_call(q, SAVE,
			  json_pack("{s:s, s:b}", "filename", path, "live", 1),
			  NULL, err);
	return rc ? rc : splice_file(q, saver, ret, err);
}

void rj_qemu_saver_done(struct rj_qemu *q, struct rj_qemu_saver *saver)
{
	/* Otherwise QEMU drops it when this monitor closes. */
	if (saver->set >= 0)
		rj_qemu_tell(q, "remove-fd",
			     json_pack("{s:i}", "fdset-id", saver->set));
	/* Unless it has been used: then there is no such name. */
	if (saver->fd >= 0 && saver->way == RJ_QEMU_BY_MIGRATE)
		rj_qemu_tell(q, "closefd",
			     json_pack("{s:s}", "fdname", RJ_QEMU_OWN_STREAM));
	rj_close_fd(&saver->fd);
	rj_close_fd(&saver->writer);
	*saver = RJ_QEMU_SAVER_NONE;
}
