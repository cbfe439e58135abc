/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM that makes its connections itself. Its control link is a descriptor, as
 * a management layer would hand it in; its four channels go through operations,
 * as with a TLS library, whose place a cipher takes that deserves no trust. The
 * guest is memory that does not change, and both machines are in this program.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ramjet-connect.h"

#define BYTES ((size_t)16 << 20)

static struct ramjet_error err;

static void must(int rc)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "%s\n", err.message);
	exit(1);
}

/* ---- a connection that is more than its descriptor ---------------------- */

struct cipher {
	int fd;
	uint64_t sent, received; /* each the business of one thread */
};

static uint8_t key(uint64_t place)
{
	return (uint8_t)(place * 151 + 83);
}

/* What is to be sent may be memory of a running guest: each byte is read once,
 * into a buffer of our own. What does not go out now is asked for again. */
static ssize_t cipher_send(void *user, const struct iovec *iov, unsigned count)
{
	struct cipher *c = user;
	uint8_t out[16384];
	size_t bytes = 0;
	ssize_t n;

	for (unsigned i = 0; i < count; i++) {
		const uint8_t *from = iov[i].iov_base;

		for (size_t at = 0; at < iov[i].iov_len; at++) {
			if (bytes == sizeof(out))
				break;
			out[bytes] = from[at] ^ key(c->sent + bytes);
			bytes++;
		}
	}
	n = send(c->fd, out, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	c->sent += (uint64_t)n;
	return n;
}

static ssize_t cipher_receive(void *user, const struct iovec *iov,
			      unsigned count)
{
	struct cipher *c = user;
	uint8_t *into = iov[0].iov_base;
	ssize_t n;

	(void)count; /* the first piece is enough: less may be moved */
	n = recv(c->fd, into, iov[0].iov_len, MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	for (ssize_t i = 0; i < n; i++)
		into[i] ^= key(c->received++);
	return n;
}

static int cipher_poll_fd(void *user, short *events)
{
	(void)events;
	return ((struct cipher *)user)->fd;
}

static void cipher_shut_down(void *user)
{
	(void)shutdown(((struct cipher *)user)->fd, SHUT_WR);
}

static void cipher_close(void *user)
{
	(void)close(((struct cipher *)user)->fd);
	free(user);
}

static void cipher_describe(void *user, char *buffer, size_t bytes)
{
	(void)snprintf(buffer, bytes, "cipher over fd %d",
		       ((struct cipher *)user)->fd);
}

static void encipher(int fd, struct ramjet_connection *ret)
{
	static struct ramjet_connection_ops ops;
	struct cipher *c = calloc(1, sizeof(*c));

	if (!c)
		exit(1);
	c->fd = fd;
	ramjet_connection_ops_init(&ops);
	ops.send = cipher_send;
	ops.receive = cipher_receive;
	ops.poll_fd = cipher_poll_fd;
	ops.shut_down = cipher_shut_down;
	ops.close = cipher_close;
	ops.describe = cipher_describe;
	ret->ops = &ops; /* copied */
	ret->user = c;
}

static void close_end(const struct ramjet_connection *end)
{
	if (end->ops)
		end->ops->close(end->user);
	else
		(void)close(end->fd);
}

/* ---- the source asks; on another host, this would call the target's VMM -- */

static int connect_both(void *user,
			const struct ramjet_connect_request *request,
			struct ramjet_connection *ret,
			struct ramjet_error *unused)
{
	struct ramjet_migration *target = user;
	struct ramjet_connection other;
	int fds[2];
	int rc;

	(void)unused;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -errno;
	ramjet_connection_init(&other);
	if (request->channel == RAMJET_CONNECT_CONTROL) {
		ret->fd = fds[0];
		other.fd = fds[1];
	} else {
		encipher(fds[0], ret);
		encipher(fds[1], &other);
	}
	rc = ramjet_incoming_give(target, &other, NULL);
	if (rc < 0) {
		/* Neither end has been taken by anybody. */
		close_end(ret);
		close_end(&other);
	}
	return rc;
}

/* ---- two machines ------------------------------------------------------- */

static int stop_or_start(void *user, struct ramjet_error *unused)
{
	(void)user;
	(void)unused;
	return 0;
}

static struct ramjet_guest *describe(uint8_t *ram)
{
	struct ramjet_guest *guest;
	struct ramjet_guest_ops ops;
	struct ramjet_block block;

	ramjet_guest_ops_init(&ops);
	ops.stop = stop_or_start;
	ops.start = stop_or_start;
	ramjet_block_init(&block);
	block.name = "ram0";
	block.host = ram;
	block.bytes = BYTES;
	must(ramjet_guest_new(&ops, NULL, &guest, &err));
	must(ramjet_guest_add_block(guest, &block, &err));
	return guest;
}

int main(void)
{
	static _Alignas(RAMJET_PAGE_BYTES) uint8_t from[BYTES], to[BYTES];
	struct ramjet_guest *source = describe(from), *target = describe(to);
	struct ramjet_migration *incoming, *outgoing;
	struct ramjet_connector connector;
	struct ramjet_params params;

	for (size_t i = 0; i < BYTES; i++)
		from[i] = (uint8_t)(i * i >> 7);
	ramjet_params_init(&params);
	params.channels = 4;
	must(ramjet_incoming_over(target, "example", NULL, &incoming, &err));
	ramjet_connector_init(&connector);
	connector.name = "example";
	connector.connect = connect_both;
	connector.user = incoming;
	must(ramjet_migrate_over(source, &connector, &params, &outgoing, &err));
	must(ramjet_wait(outgoing, -1, &err));
	must(ramjet_wait(incoming, -1, &err));
	ramjet_migration_free(outgoing);
	ramjet_migration_free(incoming);
	ramjet_guest_free(source);
	ramjet_guest_free(target);
	if (memcmp(from, to, BYTES)) {
		(void)fprintf(stderr, "PAGES ARE WRONG\n");
		return 1;
	}
	printf("moved over connections of our own, and every page agrees\n");
	return 0;
}
