/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slow_file MOUNTPOINT CONTENT: the regular file MOUNTPOINT becomes one whose
 * bytes are CONTENT's, and whose reads end when they are told to. A file system
 * of one file by /dev/fuse (root only). A read with O_DIRECT keeps the reader's
 * pages pinned all the while, as with a slow disk.
 *
 * stdin:  "hold" reads wait, those under way, too; "release" they end, those to
 *         come at once; "delay MS" each takes so long. EOF: unmount, exit.
 * stdout: "ready"; while held, "read OFFSET BYTES" for each that waits;
 *         "released N".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* 256 pages: what the kernel sends at most, and a header. */
#define DATA_BYTES    (1u << 20)
#define REQUEST_BYTES (DATA_BYTES + 4096u)
#define WAITING_MAX   4096u

struct waiting {
	uint64_t unique, offset;
	int64_t due_ms; /* not while held */
	uint32_t bytes;
};

static struct {
	int fuse, content;
	bool held;
	int64_t delay_ms;
	struct waiting waiting[WAITING_MAX];
	unsigned count;
	_Alignas(4096) char data[DATA_BYTES];
	_Alignas(4096) char request[REQUEST_BYTES];
} s;

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* An error is the reader's to tell; that a request is gone, nobody's. */
static void reply(uint64_t unique, int error, const void *data, size_t bytes)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + bytes),
		.error = error,
		.unique = unique,
	};
	struct iovec parts[] = {
		{ .iov_base = &out, .iov_len = sizeof(out) },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = bytes },
	};

	if (writev(s.fuse, parts, bytes ? 2 : 1) < 0 && errno != ENOENT)
		perror("slow_file: reply");
}

static void end_read(const struct waiting *w)
{
	ssize_t got = pread(s.content, s.data, w->bytes, (off_t)w->offset);

	if (got < 0)
		reply(w->unique, -errno, NULL, 0);
	else
		reply(w->unique, 0, s.data, (size_t)got);
}

static void tell(const struct waiting *w)
{
	printf("read %llu %u\n", (unsigned long long)w->offset, w->bytes);
}

static void begin_read(const struct fuse_in_header *in)
{
	const struct fuse_read_in *read_in = (const void *)(in + 1);
	const struct waiting w = {
		.unique = in->unique,
		.offset = read_in->offset,
		.bytes =
			read_in->size < DATA_BYTES ? read_in->size : DATA_BYTES,
		.due_ms = now_ms() + s.delay_ms,
	};

	if ((!s.held && !s.delay_ms) || s.count == WAITING_MAX) {
		end_read(&w);
		return;
	}
	s.waiting[s.count++] = w;
	if (s.held)
		tell(&w);
}

static void write_content(const struct fuse_in_header *in)
{
	const struct fuse_write_in *write_in = (const void *)(in + 1);
	struct fuse_write_out out = { 0 };
	ssize_t put = pwrite(s.content, write_in + 1, write_in->size,
			     (off_t)write_in->offset);

	out.size = put < 0 ? 0 : (uint32_t)put;
	reply(in->unique, put < 0 ? -errno : 0, &out,
	      put < 0 ? 0 : sizeof(out));
}

static struct fuse_attr attr_of_content(void)
{
	struct stat st;

	if (fstat(s.content, &st))
		st.st_size = 0;
	return (struct fuse_attr){
		.ino = 1,
		.size = (uint64_t)st.st_size,
		.blocks = (uint64_t)st.st_size / 512,
		.mode = S_IFREG | 0644,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void say_hello(const struct fuse_in_header *in)
{
	const struct fuse_init_in *init = (const void *)(in + 1);
	const struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = init->max_readahead,
		.flags = init->flags & (FUSE_ASYNC_READ | FUSE_BIG_WRITES |
					FUSE_ASYNC_DIO | FUSE_MAX_PAGES),
		.max_background = 256,
		.congestion_threshold = 256,
		.max_write = DATA_BYTES,
		.max_pages = DATA_BYTES / 4096,
		.time_gran = 1,
	};

	reply(in->unique, 0, &out, sizeof(out));
}

static void answer(const struct fuse_in_header *in)
{
	const struct fuse_attr_out attr = { .attr = attr_of_content() };
	const struct fuse_open_out opened = { 0 };

	switch (in->opcode) {
	case FUSE_INIT:
		say_hello(in);
		return;
	case FUSE_READ:
		begin_read(in);
		return;
	case FUSE_WRITE:
		write_content(in);
		return;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		reply(in->unique, 0, &attr, sizeof(attr));
		return;
	case FUSE_OPEN:
		reply(in->unique, 0, &opened, sizeof(opened));
		return;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: /* the read ends when it ends */
		return;
	case FUSE_RELEASE:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_DESTROY:
		reply(in->unique, 0, NULL, 0);
		return;
	default:
		reply(in->unique, -ENOSYS, NULL, 0);
	}
}

/* Those that are due, in the order they came. Returns how many. */
static unsigned end_due(void)
{
	const int64_t now = now_ms();
	unsigned kept = 0, all = s.count;

	if (s.held)
		return 0;
	for (unsigned i = 0; i < all; i++)
		if (s.waiting[i].due_ms > now)
			s.waiting[kept++] = s.waiting[i];
		else
			end_read(&s.waiting[i]);
	s.count = kept;
	return all - kept;
}

static int wait_ms(void)
{
	int64_t first = INT64_MAX, now = now_ms();

	if (s.held || !s.count)
		return -1;
	for (unsigned i = 0; i < s.count; i++)
		if (s.waiting[i].due_ms < first)
			first = s.waiting[i].due_ms;
	return first > now ? (int)(first - now) : 0;
}

static void obey(const char *line)
{
	if (!strcmp(line, "hold\n")) {
		s.held = true;
		for (unsigned i = 0; i < s.count; i++)
			tell(&s.waiting[i]);
	} else if (!strcmp(line, "release\n")) {
		s.held = false;
		s.delay_ms = 0;
		for (unsigned i = 0; i < s.count; i++)
			s.waiting[i].due_ms = 0;
		printf("released %u\n", end_due());
	} else if (!strncmp(line, "delay ", 6)) {
		s.delay_ms = strtol(line + 6, NULL, 10);
	} else {
		printf("what? %s", line);
	}
}

static int serve(void)
{
	struct pollfd ready[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = s.fuse, .events = POLLIN },
	};
	char line[64];
	ssize_t got;

	for (;;) {
		if (poll(ready, 2, wait_ms()) < 0 && errno != EINTR)
			return 1;
		(void)end_due();
		if (ready[1].revents) {
			got = read(s.fuse, s.request, sizeof(s.request));
			if (got < 0 && errno == ENODEV)
				return 0; /* unmounted by somebody */
			if (got > 0)
				answer((const void *)s.request);
		}
		/* One line at a time: whoever speaks waits for an answer. */
		if (ready[0].revents) {
			got = read(STDIN_FILENO, line, sizeof(line) - 1);
			if (got <= 0)
				return 0;
			line[got] = '\0';
			obey(line);
		}
	}
}

int main(int argc, char **argv)
{
	char options[128];
	int rc;

	if (argc != 3)
		return 2;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	s.content = open(argv[2], O_RDWR | O_CLOEXEC);
	s.fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (s.content < 0 || s.fuse < 0) {
		perror("slow_file: open");
		return 77;
	}
	(void)snprintf(options, sizeof(options),
		       "fd=%d,rootmode=0100644,user_id=0,group_id=0,"
		       "max_read=%u,allow_other",
		       s.fuse, DATA_BYTES);
	if (mount("slow_file", argv[1], "fuse", MS_NOSUID | MS_NODEV,
		  options)) {
		perror("slow_file: mount");
		return 77;
	}
	puts("ready");
	rc = serve();
	s.held = false;
	for (unsigned i = 0; i < s.count; i++)
		end_read(&s.waiting[i]);
	(void)umount2(argv[1], MNT_DETACH);
	return rc;
}
