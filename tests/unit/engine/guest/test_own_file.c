/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest's memory is a file, and the stream is to be the same. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ramjet.h"

#define BYTES (1u << 20)

struct scene {
	char folder[64], image[128], hard[128], soft[128];
	int fd;
	uint8_t *host;
	struct ramjet_guest *guest;
};

static int idle(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

static int setup(void **state)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = idle, .start = idle };
	struct scene *s = calloc(1, sizeof(*s));
	struct ramjet_block block = { RAMJET_BLOCK_INIT, .name = "ram0",
				      .bytes = BYTES };

	*state = s;
	(void)snprintf(s->folder, sizeof(s->folder), "/tmp/rj-own-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	(void)snprintf(s->image, sizeof(s->image), "%s/image", s->folder);
	(void)snprintf(s->hard, sizeof(s->hard), "%s/hard", s->folder);
	(void)snprintf(s->soft, sizeof(s->soft), "%s/soft", s->folder);
	s->fd = open(s->image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(s->fd, BYTES), 0);
	assert_int_equal(link(s->image, s->hard), 0);
	assert_int_equal(symlink("image", s->soft), 0);
	s->host =
		mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	assert_true(s->host != MAP_FAILED);
	memset(s->host, 0x5a, BYTES);
	block.host = s->host;
	block.fd = s->fd;
	assert_int_equal(ramjet_guest_new(&ops, s, &s->guest, NULL), 0);
	assert_int_equal(ramjet_guest_add_block(s->guest, &block, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	int rc;

	ramjet_guest_free(s->guest);
	(void)munmap(s->host, BYTES);
	(void)close(s->fd);
	(void)unlink(s->image);
	(void)unlink(s->hard);
	(void)unlink(s->soft);
	/* Nothing was left beside it. */
	rc = rmdir(s->folder);
	free(s);
	return rc;
}

static void expect_refusal(const char *uri, int rc,
			   const struct ramjet_error *err)
{
	if (rc != -EBUSY || !strstr(err->message, "memory of the guest itself"))
		fail_msg("%s: %d: %s", uri, rc, err->message);
}

static void refused(const struct scene *s, const char *uri)
{
	struct ramjet_migration *migration = NULL;
	struct ramjet_error err = { 0 };
	int rc = ramjet_migrate(s->guest, uri, NULL, &migration, &err);

	if (!rc)
		rc = ramjet_wait(migration, 60000, &err);
	expect_refusal(uri, rc, &err);
	ramjet_migration_free(migration);
	err = (struct ramjet_error){ 0 };
	expect_refusal(uri,
		       ramjet_incoming(s->guest, uri, NULL, &migration, &err),
		       &err);
	assert_int_equal(lseek(s->fd, 0, SEEK_END), BYTES);
	for (unsigned i = 0; i < BYTES; i++)
		if (s->host[i] != 0x5a)
			fail_msg("%s: byte %u was written", uri, i);
}

static void the_guests_own_file_is_no_stream(void **state)
{
	const struct scene *s = *state;
	const char *const names[] = { s->image, s->hard, s->soft };
	char uri[160];

	for (unsigned i = 0; i < 3; i++) {
		(void)snprintf(uri, sizeof(uri), "file:%s", names[i]);
		refused(s, uri);
	}
}

static void nor_is_a_descriptor_of_it(void **state)
{
	const struct scene *s = *state;
	char uri[160];
	const int again = open(s->hard, O_RDWR | O_CLOEXEC);

	(void)snprintf(uri, sizeof(uri), "fd:%d", s->fd);
	refused(s, uri);
	(void)snprintf(uri, sizeof(uri), "fd:%d", again);
	refused(s, uri);
	(void)close(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_guests_own_file_is_no_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(nor_is_a_descriptor_of_it,
						setup, teardown),
	};

	return cmocka_run_group_tests_name("own file", tests, NULL, NULL);
}
