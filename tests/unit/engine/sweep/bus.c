/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/sweep/bus.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ramjet-helper.h"
#include "tests/unit/dbus/bus_fixture.h"
#include "tests/unit/engine/sweep/fault.h"

#define STATE_BYTES 500u
#define PATIENCE_MS 60000u

/* ---- helpers, on threads that are not ramjet's -------------------------------- */

struct helper {
	struct test_bus bus;
	struct ramjet_helper *helper;
	pthread_t thread;
	int stop_fd;
};

static int step(void)
{
	const enum fault_kind kind = fault_step(FAULT_HELPER);

	if (kind == FAULT_DELAY)
		fault_nap();
	return kind == FAULT_ERROR ? -EIO : 0;
}

static int save(void *user, void **ret_data, size_t *ret_bytes,
		struct ramjet_error *err)
{
	const int rc = step();

	(void)user, (void)err;
	if (rc)
		return rc;
	*ret_data = malloc(STATE_BYTES);
	if (!*ret_data)
		return -ENOMEM;
	memset(*ret_data, 'h', STATE_BYTES);
	*ret_bytes = STATE_BYTES;
	return 0;
}

static int load(void *user, const void *data, size_t bytes,
		struct ramjet_error *err)
{
	const int rc = step();

	(void)user, (void)data, (void)err;
	if (!rc && bytes != STATE_BYTES)
		return -EBADMSG;
	return rc;
}

static void *serve(void *user)
{
	struct helper *helper = user;

	(void)ramjet_helper_run(helper->helper, helper->stop_fd, NULL);
	return NULL;
}

static void start_helper(struct helper *h, struct ramjet_guest *guest)
{
	struct ramjet_helper_options options = { RAMJET_HELPER_OPTIONS_INIT };

	test_bus_start(&h->bus);
	h->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(h->stop_fd >= 0);
	assert_int_equal(ramjet_helper_new(h->bus.address, "disk", save, load,
					   NULL, &h->helper, NULL),
			 0);
	assert_int_equal(pthread_create(&h->thread, NULL, serve, h), 0);
	options.bus_address = h->bus.address;
	options.start_timeout_ms = PATIENCE_MS;
	options.gather_timeout_ms = PATIENCE_MS;
	options.helper_timeout_ms = PATIENCE_MS;
	options.rehearse = true;
	assert_int_equal(ramjet_guest_set_helpers(guest, &options, NULL), 0);
}

static void stop_helper(struct helper *h)
{
	assert_int_equal(eventfd_write(h->stop_fd, 1), 0);
	assert_int_equal(pthread_join(h->thread, NULL), 0);
	assert_int_equal(ramjet_helper_free(h->helper), 0);
	(void)close(h->stop_fd);
	test_bus_stop(&h->bus);
}

void bus_furnish(struct course *course)
{
	struct helper *helpers = calloc(COURSE_SIDES_, sizeof(*helpers));

	assert_non_null(helpers);
	for (unsigned i = 0; i < COURSE_SIDES_; i++)
		start_helper(&helpers[i], course->vms[i].guest);
	course->furniture = helpers;
}

void bus_strip(struct course *course)
{
	struct helper *helpers = course->furniture;

	for (unsigned i = 0; i < COURSE_SIDES_; i++)
		stop_helper(&helpers[i]);
	free(helpers);
}

/* ---- the bus as ramjet sees it -------------------------------------------------- */

static int refused(int code)
{
	const enum fault_kind kind = fault_own_step(FAULT_BUS);

	if (kind == FAULT_DELAY)
		fault_nap();
	return kind == FAULT_ERROR ? code : 0;
}

int __real_sd_bus_new(sd_bus **ret);
int __wrap_sd_bus_new(sd_bus **ret);
int __real_sd_bus_start(sd_bus *bus);
int __wrap_sd_bus_start(sd_bus *bus);
int __real_sd_bus_process(sd_bus *bus, sd_bus_message **ret);
int __wrap_sd_bus_process(sd_bus *bus, sd_bus_message **ret);
int __real_sd_bus_get_fd(sd_bus *bus);
int __wrap_sd_bus_get_fd(sd_bus *bus);
int __real_sd_bus_call_async(sd_bus *bus, sd_bus_slot **slot,
			     sd_bus_message *message,
			     sd_bus_message_handler_t handler, void *user,
			     uint64_t us);
int __wrap_sd_bus_call_async(sd_bus *bus, sd_bus_slot **slot,
			     sd_bus_message *message,
			     sd_bus_message_handler_t handler, void *user,
			     uint64_t us);
int __real_sd_bus_add_match_async(sd_bus *bus, sd_bus_slot **slot,
				  const char *match,
				  sd_bus_message_handler_t handler,
				  sd_bus_message_handler_t installed,
				  void *user);
int __wrap_sd_bus_add_match_async(sd_bus *bus, sd_bus_slot **slot,
				  const char *match,
				  sd_bus_message_handler_t handler,
				  sd_bus_message_handler_t installed,
				  void *user);
int __real_sd_bus_message_new_method_call(sd_bus *bus, sd_bus_message **ret,
					  const char *name, const char *path,
					  const char *interface,
					  const char *member);
int __wrap_sd_bus_message_new_method_call(sd_bus *bus, sd_bus_message **ret,
					  const char *name, const char *path,
					  const char *interface,
					  const char *member);
int __real_sd_bus_message_read_array(sd_bus_message *message, char type,
				     const void **ret, size_t *ret_bytes);
int __wrap_sd_bus_message_read_array(sd_bus_message *message, char type,
				     const void **ret, size_t *ret_bytes);

int __wrap_sd_bus_new(sd_bus **ret)
{
	const int rc = refused(-ENOMEM);

	return rc ? rc : __real_sd_bus_new(ret);
}

int __wrap_sd_bus_start(sd_bus *bus)
{
	const int rc = refused(-ECONNREFUSED);

	return rc ? rc : __real_sd_bus_start(bus);
}

int __wrap_sd_bus_process(sd_bus *bus, sd_bus_message **ret)
{
	const int rc = refused(-ECONNRESET);

	return rc ? rc : __real_sd_bus_process(bus, ret);
}

int __wrap_sd_bus_get_fd(sd_bus *bus)
{
	const int rc = refused(-ENOTCONN);

	return rc ? rc : __real_sd_bus_get_fd(bus);
}

int __wrap_sd_bus_call_async(sd_bus *bus, sd_bus_slot **slot,
			     sd_bus_message *message,
			     sd_bus_message_handler_t handler, void *user,
			     uint64_t us)
{
	const int rc = refused(-ENOBUFS);

	return rc ? rc
		  : __real_sd_bus_call_async(bus, slot, message, handler, user,
					     us);
}

int __wrap_sd_bus_add_match_async(sd_bus *bus, sd_bus_slot **slot,
				  const char *match,
				  sd_bus_message_handler_t handler,
				  sd_bus_message_handler_t installed,
				  void *user)
{
	const int rc = refused(-ENOMEM);

	return rc ? rc
		  : __real_sd_bus_add_match_async(bus, slot, match, handler,
						  installed, user);
}

int __wrap_sd_bus_message_new_method_call(sd_bus *bus, sd_bus_message **ret,
					  const char *name, const char *path,
					  const char *interface,
					  const char *member)
{
	const int rc = refused(-ENOMEM);

	return rc ? rc
		  : __real_sd_bus_message_new_method_call(bus, ret, name, path,
							  interface, member);
}

int __wrap_sd_bus_message_read_array(sd_bus_message *message, char type,
				     const void **ret, size_t *ret_bytes)
{
	const int rc = refused(-EBADMSG);

	return rc ? rc
		  : __real_sd_bus_message_read_array(message, type, ret,
						     ret_bytes);
}
