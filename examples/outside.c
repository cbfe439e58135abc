/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM moved from outside: an agent beside a process that knows nothing of
 * ramjet, as docs/attach.md has it. The VMM here is a toy: a process of its own
 * that writes its memory, stops, tells its state, and goes on. All that it does
 * for the agent is to hand a userfaultfd over; ptrace() could have it made.
 * 77 where the kernel cannot track another process.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ramjet-remote.h"
#include "ramjet.h"

#define RAM_BYTES (UINT64_C(16) << 20)
#define WORDS     (RAM_BYTES / sizeof(uint64_t))

/* ---- the VMM, in its own process ------------------------------------------ */

/* What is said on its socket, and answered by the same with `next` in it. */
struct word {
	char verb;     /* 'h'ello, 's'top, 'l'oad, 'g'o */
	uint64_t next; /* its state: where it writes next */
	uint64_t ram;
};

static void answer(int fd, struct word word, int passed)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &word, sizeof(word) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (passed >= 0) {
		msg.msg_control = room;
		msg.msg_controllen = sizeof(room);
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int)),
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &passed, sizeof(int));
	}
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		_exit(1);
}

struct toy {
	uint64_t *ram;
	uint64_t next;
	bool runs;
};

static void obey(struct toy *toy, int fd, struct word word)
{
	int uffd = -1;

	toy->runs = word.verb == 'g';
	if (word.verb == 'l')
		toy->next = word.next;
	if (word.verb == 'h')
		uffd = (int)syscall(SYS_userfaultfd,
				    O_CLOEXEC | O_NONBLOCK |
					    UFFD_USER_MODE_ONLY);
	word.next = toy->next;
	word.ram = (uintptr_t)toy->ram;
	answer(fd, word, uffd);
	/* The agent's is to be the only one: when it dies, all protection ends. */
	if (uffd >= 0)
		(void)close(uffd);
}

static void be_a_vmm(int fd)
{
	struct toy toy = { .ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) };
	struct word word;

	while (toy.ram != MAP_FAILED) {
		const ssize_t n = recv(fd, &word, sizeof(word),
				       toy.runs ? MSG_DONTWAIT : 0);

		if (n > 0)
			obey(&toy, fd, word);
		else if (!toy.runs || !n || errno != EAGAIN)
			break; /* the agent has hung up */
		if (toy.runs) {
			toy.ram[toy.next * 97 % WORDS] = toy.next;
			toy.next++;
		}
	}
	_exit(0);
}

/* ---- the agent ------------------------------------------------------------- */

struct agent {
	pid_t pid;
	int fd;
	int uffd, pagemap_fd;
	uint64_t ram;
	uint64_t next;
	struct ramjet_guest *guest;
	struct ramjet_process_memory *memory;
};

static void must(int rc, const struct ramjet_error *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "outside: %s\n", err->message);
	exit(rc == -EOPNOTSUPP ? 77 : 1);
}

/* Says `verb`, and waits until that is done. */
static int tell(struct agent *a, char verb, uint64_t next)
{
	struct word word = { .verb = verb, .next = next };
	char room[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &word, sizeof(word) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = room,
			      .msg_controllen = sizeof(room) };

	if (send(a->fd, &word, sizeof(word), MSG_NOSIGNAL) < 0 ||
	    recvmsg(a->fd, &msg, MSG_CMSG_CLOEXEC) != sizeof(word))
		return -EPIPE;
	if (CMSG_FIRSTHDR(&msg))
		memcpy(&a->uffd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	a->ram = word.ram;
	a->next = word.next;
	return 0;
}

static int stop(void *user, struct ramjet_error *err)
{
	(void)err;
	return tell(user, 's', 0);
}

static int start(void *user, struct ramjet_error *err)
{
	(void)err;
	return tell(user, 'g', 0);
}

static int save(void *user, void **ret, size_t *ret_bytes,
		struct ramjet_error *err)
{
	struct agent *a = user;

	(void)err;
	*ret_bytes = sizeof(a->next);
	*ret = malloc(sizeof(a->next));
	if (*ret)
		memcpy(*ret, &a->next, sizeof(a->next));
	return *ret ? 0 : -ENOMEM;
}

static int load(void *user, const void *data, size_t bytes,
		struct ramjet_error *err)
{
	uint64_t next;

	(void)err;
	if (bytes != sizeof(next))
		return -EINVAL;
	memcpy(&next, data, bytes);
	return tell(user, 'l', next);
}

static int describe(void *user, void **ret, size_t *ret_bytes,
		    struct ramjet_error *err)
{
	(void)user;
	(void)err;
	*ret = strdup("toy 1");
	*ret_bytes = strlen("toy 1");
	return *ret ? 0 : -ENOMEM;
}

static int accept_toy(void *user, const void *data, size_t bytes,
		      struct ramjet_error *err)
{
	(void)user;
	if (bytes == strlen("toy 1") && !memcmp(data, "toy 1", bytes))
		return 0;
	(void)snprintf(err->message, sizeof(err->message),
		       "another machine, wanted a toy of version 1");
	return -EINVAL;
}

static void start_vmm(struct agent *a)
{
	char path[64];
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		exit(1);
	a->pid = fork();
	if (!a->pid) {
		(void)close(ends[0]);
		be_a_vmm(ends[1]);
	}
	(void)close(ends[1]);
	a->fd = ends[0];
	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)a->pid);
	a->pagemap_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (tell(a, 'h', 0))
		exit(1);
}

/* Its memory is reached where it is; `tracked`: and what it writes, found. */
static void watch_vmm(struct agent *a, int tracked)
{
	struct ramjet_guest_ops ops = {
		RAMJET_GUEST_OPS_INIT, .stop = stop,       .start = start,
		.save_state = save,    .load_state = load, .describe = describe,
		.accept = accept_toy
	};
	struct ramjet_process_memory_options where = {
		RAMJET_PROCESS_MEMORY_OPTIONS_INIT
	};
	struct ramjet_block block = { RAMJET_BLOCK_INIT, .name = "ram",
				      .bytes = RAM_BYTES };
	struct ramjet_remote_range range = { RAMJET_REMOTE_RANGE_INIT,
					     .block = "ram",
					     .address = a->ram };
	struct ramjet_dirty_remote remote = { RAMJET_DIRTY_REMOTE_INIT };
	struct ramjet_dirty_source *source;
	struct ramjet_error err = { 0 };

	where.pid = a->pid;
	where.pagemap_fd = a->pagemap_fd;
	where.address = a->ram;
	where.bytes = RAM_BYTES;
	must(ramjet_process_memory_new(&where, &a->memory, &err), &err);
	must(ramjet_guest_new(&ops, a, &a->guest, &err), &err);
	block.memory = ramjet_process_memory_ops();
	block.memory_user = a->memory;
	must(ramjet_guest_add_block(a->guest, &block, &err), &err);
	if (!tracked)
		return;
	remote.userfaultfd = a->uffd;
	remote.pagemap_fd = a->pagemap_fd;
	remote.pid = (int)a->pid;
	remote.ranges = &range;
	remote.range_count = 1;
	must(ramjet_dirty_remote_new(&remote, &source, &err), &err);
	must(ramjet_guest_add_dirty_source(a->guest, source, &err), &err);
}

static void leave_vmm(struct agent *a)
{
	(void)ramjet_guest_free(a->guest);
	ramjet_process_memory_free(a->memory);
	(void)close(a->pagemap_fd);
	(void)close(a->fd); /* it ends then */
	(void)kill(a->pid, SIGKILL);
	(void)waitpid(a->pid, NULL, 0);
}

int main(void)
{
	struct agent source = { .uffd = -1 }, target = { .uffd = -1 };
	struct ramjet_params params = { RAMJET_PARAMS_INIT };
	struct ramjet_migration *out, *in;
	struct ramjet_error err = { 0 };
	uint64_t handed_over;

	start_vmm(&source);
	start_vmm(&target);
	watch_vmm(&source, 1);
	watch_vmm(&target, 0);
	(void)tell(&source, 'g', 0);

	params.channels = 1;
	params.verify = true;
	must(ramjet_incoming(target.guest, "tcp:127.0.0.1:0", &params, &in,
			     &err),
	     &err);
	must(ramjet_migrate(source.guest, ramjet_listen_uri(in), &params, &out,
			    &err),
	     &err);
	must(ramjet_wait(out, -1, &err), &err);
	must(ramjet_wait(in, -1, &err), &err);
	(void)ramjet_migration_free(out);
	(void)ramjet_migration_free(in);

	handed_over = source.next;
	(void)tell(&target, 's', 0);
	(void)printf("at write %llu there, %llu more here, memory proven "
		     "equal\n",
		     (unsigned long long)handed_over,
		     (unsigned long long)(target.next - handed_over));
	leave_vmm(&source);
	leave_vmm(&target);
	return target.next < handed_over;
}
