/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dirty/remote_child.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dirty/uffd.h"
#include "dirty/write_protect.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

struct order {
	enum child_order what;
	unsigned value;
	uint64_t page;
	uint64_t count;
};

/* What the child says first. */
struct hello {
	bool can;
	uint64_t address;
	uint64_t unit_pages;
	uint32_t page_bytes;
};

/* ---- in the child ------------------------------------------------------ */

static uint8_t *at(const struct memory *memory, uint64_t page)
{
	return memory->region.host + page * RAMJET_PAGE_BYTES;
}

static int write_pages(const struct memory *memory, const struct order *o)
{
	for (uint64_t i = 0; i < o->count; i++)
		*(volatile uint8_t *)at(memory, o->page + i) =
			(uint8_t)o->value;
	return 0;
}

static int write_by_kernel(const struct memory *memory, const struct order *o)
{
	const uint8_t value = (uint8_t)o->value;
	int ends[2], rc = 0;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	for (uint64_t i = 0; !rc && i < o->count; i++)
		if (write(ends[1], &value, 1) != 1 ||
		    read(ends[0], at(memory, o->page + i), 1) != 1)
			rc = -1;
	(void)close(ends[0]);
	(void)close(ends[1]);
	return rc;
}

static int read_pages(const struct memory *memory, const struct order *o)
{
	for (uint64_t i = 0; i < o->count; i++)
		(void)*(volatile uint8_t *)at(memory, o->page + i);
	return 0;
}

static int fork_one(const struct memory *memory)
{
	const pid_t pid = fork();
	int status;

	if (!pid) {
		for (uint64_t i = 0; i < memory->region.page_count; i++)
			*(volatile uint8_t *)at(memory, i) = 99;
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid ? 0 : -1;
}

static int punch(const struct memory *memory, uint64_t page, uint64_t count)
{
	return fallocate(memory->region.fd,
			 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)(page * RAMJET_PAGE_BYTES),
			 (off_t)(count * RAMJET_PAGE_BYTES));
}

static int register_own(const struct memory *memory, const struct order *o)
{
	const int uffd = rj_uffd_open(NULL);

	return uffd < 0 || rj_wp_handshake(uffd, RJ_WP_ASYNC, NULL) ||
			       rj_wp_register(
				       uffd, (uintptr_t)at(memory, o->page),
				       o->count * RAMJET_PAGE_BYTES, NULL)
		       ? -1
		       : 0;
}

static int map_anew(void *from, size_t bytes)
{
	return mmap(from, bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) == MAP_FAILED
		       ? -1
		       : 0;
}

static void misbehave(const struct memory *memory, const struct order *within,
		      int socket)
{
	const uint64_t unit = memory->unit_pages;
	uint64_t seed = within->value;
	char next;

	while (recv(socket, &next, 1, MSG_PEEK | MSG_DONTWAIT) < 0) {
		seed = seed * 6364136223846793005u + 1;
		for (unsigned i = 0; i < 64; i++) {
			uint64_t page, count = 1;

			seed = seed * 6364136223846793005u + 1;
			page = within->page + (seed >> 33) % within->count;
			if ((seed >> 20) % 8) {
				*(volatile uint8_t *)at(memory, page) =
					(uint8_t)(seed >> 25);
				continue;
			}
			page = page / unit * unit;
			count = unit;
			if (memory->region.fd >= 0)
				(void)punch(memory, page, count);
			(void)madvise(at(memory, page),
				      count * RAMJET_PAGE_BYTES, MADV_DONTNEED);
		}
	}
}

static int obey(struct memory *memory, const struct order *o)
{
	const size_t bytes = o->count * RAMJET_PAGE_BYTES;
	uint8_t *from = at(memory, o->page);

	switch (o->what) {
	case CHILD_WRITE:
		return write_pages(memory, o);
	case CHILD_KERNEL_WRITE:
		return write_by_kernel(memory, o);
	case CHILD_READ:
		return read_pages(memory, o);
	case CHILD_DONTNEED:
		return madvise(from, bytes, MADV_DONTNEED);
	case CHILD_REMOVE:
		return madvise(from, bytes, MADV_REMOVE);
	case CHILD_PUNCH:
		return punch(memory, o->page, o->count);
	case CHILD_PAGEOUT:
		return madvise(from, bytes, MADV_PAGEOUT);
	case CHILD_MERGEABLE:
		return madvise(from, bytes, MADV_MERGEABLE);
	case CHILD_UNMAP:
		return munmap(from, bytes);
	case CHILD_MAP_ANEW:
		return map_anew(from, bytes);
	case CHILD_MOVE:
		return mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			      mmap(NULL, bytes, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) ==
				       MAP_FAILED
			       ? -1
			       : 0;
	case CHILD_FORK:
		return fork_one(memory);
	case CHILD_REGISTER:
		return register_own(memory, o);
	default:
		return 0;
	}
}

static void send_with_fds(int socket, const void *data, size_t bytes,
			  const int *fds, size_t count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (count) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	if (sendmsg(socket, &msg, MSG_NOSIGNAL) != (ssize_t)bytes)
		_exit(3);
}

/* Memory of its own, or of `fd`. */
static bool have_memory(struct memory *memory, enum memory_kind kind,
			uint64_t bytes, int fd)
{
	if (fd < 0)
		return memory_make(kind, bytes, memory);
	*memory = (struct memory){
		.bytes = bytes,
		.unit_pages = 1,
		.old_hugepages = -1,
		.pool_fd = -1,
		.map_bytes = bytes,
		.region = { .name = "ram0",
			    .page_count = bytes / RAMJET_PAGE_BYTES,
			    .page_bytes = RAMJET_PAGE_BYTES,
			    .fd = fd },
	};
	memory->map =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memory->region.host = memory->map;
	return memory->map != MAP_FAILED;
}

bool child_user_mode_only;

/* One that is told of all faults, if that is allowed. */
static int open_uffd(void)
{
	const int flags = O_CLOEXEC | O_NONBLOCK;
	int fd = -1;

	if (!child_user_mode_only)
		fd = (int)syscall(SYS_userfaultfd, flags);
	return fd >= 0 ? fd : (int)syscall(SYS_userfaultfd, flags | 1);
}

static void child_main(int socket, enum memory_kind kind, uint64_t bytes,
		       int fd)
{
	struct memory memory;
	struct hello hello = { .can = false };
	struct order order;
	int fds[2];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Not cmocka's, which would go on with the next test, here as well. */
	(void)signal(SIGBUS, SIG_DFL);
	(void)signal(SIGSEGV, SIG_DFL);
	fds[0] = open_uffd();
	if (fds[0] < 0)
		printf("# skipped: no userfaultfd\n");
	if (fds[0] < 0 || !have_memory(&memory, kind, bytes, fd)) {
		(void)fflush(stdout);
		send_with_fds(socket, &hello, sizeof(hello), NULL, 0);
		_exit(0);
	}
	hello = (struct hello){
		.can = true,
		.address = (uintptr_t)memory.region.host,
		.unit_pages = memory.unit_pages,
		.page_bytes = memory.region.page_bytes,
	};
	fds[1] = memory.region.fd;
	send_with_fds(socket, &hello, sizeof(hello), fds, fds[1] < 0 ? 1 : 2);
	(void)close(fds[0]);
	while (recv(socket, &order, sizeof(order), 0) == sizeof(order)) {
		int answer = obey(&memory, &order) ? errno : 0;

		if (send(socket, &answer, sizeof(answer), MSG_NOSIGNAL) < 0 ||
		    order.what == CHILD_END)
			break;
		if (order.what == CHILD_MISBEHAVE)
			misbehave(&memory, &order, socket);
	}
	memory_free(&memory);
	_exit(0);
}

/* ---- here -------------------------------------------------------------- */

static bool receive_hello(struct child *child)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct hello hello = { .can = false };
	struct iovec iov = { &hello, sizeof(hello) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fds[2] = { -1, -1 };

	assert_int_equal(recvmsg(child->socket, &msg, MSG_CMSG_CLOEXEC),
			 sizeof(hello));
	if (!hello.can)
		return false;
	assert_true(msg.msg_controllen > 0);
	memcpy(fds, CMSG_DATA(&control.header),
	       control.header.cmsg_len - CMSG_LEN(0));
	child->uffd = fds[0];
	child->address = hello.address;
	child->unit_pages = hello.unit_pages;
	child->region = (struct ramjet_dirty_region){
		.size = sizeof(child->region),
		.name = "ram0",
		.page_count = child->bytes / RAMJET_PAGE_BYTES,
		.page_bytes = hello.page_bytes,
		.fd = fds[1],
	};
	if (fds[1] >= 0) {
		child->region.host =
			mmap(NULL, child->bytes, PROT_READ | PROT_WRITE,
			     MAP_SHARED, fds[1], 0);
		assert_true(child->region.host != MAP_FAILED);
	}
	return true;
}

bool child_start(struct child *child, enum memory_kind kind, uint64_t bytes,
		 int fd)
{
	int sockets[2];
	char path[40];

	memset(child, 0, sizeof(*child));
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets),
		0);
	(void)fflush(stdout);
	child->bytes = bytes;
	child->pid = fork();
	assert_true(child->pid >= 0);
	if (!child->pid) {
		(void)close(sockets[0]);
		child_main(sockets[1], kind, bytes, fd);
	}
	(void)close(sockets[1]);
	child->socket = sockets[0];
	child->uffd = child->pagemap_fd = child->region.fd = -1;
	if (!receive_hello(child)) {
		child_end(child);
		return false;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", child->pid);
	child->pagemap_fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(child->pagemap_fd >= 0);
	return true;
}

void child_begin(struct child *child, enum child_order what, uint64_t page,
		 uint64_t count, unsigned value)
{
	const struct order order = {
		.what = what, .page = page, .count = count, .value = value
	};

	assert_int_equal(send(child->socket, &order, sizeof(order), 0),
			 sizeof(order));
}

bool child_is_done(struct child *child, int timeout_ms)
{
	struct pollfd fd = { .fd = child->socket, .events = POLLIN };
	int answer = -1;

	if (poll(&fd, 1, timeout_ms) != 1)
		return false;
	assert_int_equal(recv(child->socket, &answer, sizeof(answer), 0),
			 sizeof(answer));
	if (answer)
		printf("# an order: %s\n", strerror(answer));
	assert_int_equal(answer, 0);
	return true;
}

void child_do(struct child *child, enum child_order what, uint64_t page,
	      uint64_t count, unsigned value)
{
	child_begin(child, what, page, count, value);
	assert_true(child_is_done(child, -1));
}

bool child_read(const struct child *child, uint64_t page, void *ret)
{
	struct iovec here = { ret, RAMJET_PAGE_BYTES };
	struct iovec there = { (void *)(uintptr_t)(child->address +
						   page * RAMJET_PAGE_BYTES),
			       RAMJET_PAGE_BYTES };

	return process_vm_readv(child->pid, &here, 1, &there, 1, 0) ==
	       RAMJET_PAGE_BYTES;
}

void child_kill(struct child *child)
{
	assert_int_equal(kill(child->pid, SIGKILL), 0);
	assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
	child->pid = 0;
}

void child_end(struct child *child)
{
	/* First: it gives huge pages back to the machine when all are free. */
	if (child->region.host)
		(void)munmap(child->region.host, child->bytes);
	if (child->region.fd >= 0)
		(void)close(child->region.fd);
	if (child->address && child->pid)
		child_do(child, CHILD_END, 0, 0, 0);
	if (child->pagemap_fd >= 0)
		(void)close(child->pagemap_fd);
	(void)close(child->socket);
	if (child->pid)
		assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
	memset(child, 0, sizeof(*child));
	child->region.fd = child->pagemap_fd = -1;
}
