/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A helper in full: it keeps one counter that must follow the guest.
 *
 *   example-helper unix:path=/run/guest1/bus counter
 *
 * Says "ready" when ramjet (or QEMU's dbus-vmstate) can find it, and
 * "counter N" whenever the state is saved or loaded.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ramjet-helper.h"

struct counter {
	uint64_t value;
};

/* Quick, and without side effects: the guest is stopped meanwhile, and it may
 * run on here if the migration fails. */
static int save(void *user, void **ret_data, size_t *ret_bytes,
		struct ramjet_error *err)
{
	struct counter *counter = user;
	uint64_t *wire = malloc(sizeof(*wire));

	(void)err;
	if (!wire)
		return -ENOMEM;
	*wire = htobe64(counter->value);
	*ret_data = wire;
	*ret_bytes = sizeof(*wire);
	printf("counter %" PRIu64 "\n", counter->value);
	return fflush(stdout) ? -EIO : 0;
}

/* What arrives comes from another host: check it before using it. */
static int load(void *user, const void *data, size_t bytes,
		struct ramjet_error *err)
{
	struct counter *counter = user;
	uint64_t wire;

	if (bytes != sizeof(wire)) {
		err->code = -EBADMSG;
		(void)snprintf(err->message, sizeof(err->message),
			       "%zu bytes of state, wanted 8", bytes);
		return err->code;
	}
	memcpy(&wire, data, sizeof(wire));
	counter->value = be64toh(wire) + 1;
	printf("counter %" PRIu64 "\n", counter->value);
	return fflush(stdout) ? -EIO : 0;
}

int main(int argc, char **argv)
{
	struct counter counter = { .value = 1 };
	struct ramjet_helper *helper = NULL;
	struct ramjet_error err = { 0 };

	if (argc != 3) {
		fprintf(stderr, "usage: %s BUS-ADDRESS ID\n", argv[0]);
		return 2;
	}
	if (ramjet_helper_new(argv[1], argv[2], save, load, &counter, &helper,
			      &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	printf("ready\n");
	(void)fflush(stdout);
	/* Until the bus goes away; -1: no other reason to stop. */
	(void)ramjet_helper_run(helper, -1, &err);
	ramjet_helper_free(helper);
	return 0;
}
