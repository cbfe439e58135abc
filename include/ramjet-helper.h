/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAMJET_HELPER_H
#define RAMJET_HELPER_H
/*
 * For programs that are helpers of a guest, which keep state that must follow
 * it: the other side of ramjet_guest_set_helpers(). The rules are ramjet.h's,
 * which includes this.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ramjet_error;

/* One helper on one bus; used by one thread at a time. */
struct ramjet_helper;

/*
 * Called inside ramjet_helper_process() and _run(). Return 0, or a negative
 * errno (and fill err): it becomes the D-Bus error of the reply. Be quick:
 * the guest is stopped meanwhile. The helper goes on after save.
 */
/* *ret_data is malloc()ed (NULL for 0 bytes) and *returned* to ramjet. */
typedef int ramjet_helper_save_fn(void *user, void **ret_data,
				  size_t *ret_bytes, struct ramjet_error *err);
/* `data` is borrowed until return. */
typedef int ramjet_helper_load_fn(void *user, const void *data, size_t bytes,
				  struct ramjet_error *err);

/*
 * Connect to the bus, offer the object, own or queue for the name. `id`: 1 to
 * 255 bytes of UTF-8, unique among the guest's helpers; copied. `user` is
 * borrowed until ramjet_helper_free(). Takes at most 5 s.
 */
int ramjet_helper_new(const char *bus_address, const char *id,
		      ramjet_helper_save_fn *save, ramjet_helper_load_fn *load,
		      void *user, struct ramjet_helper **ret,
		      struct ramjet_error *err);
/* Sends what is queued for at most 100 ms, then disconnects. NULL ok. */
void ramjet_helper_free(struct ramjet_helper *helper);

/* Most bytes that save may return and load is given, 1 MiB unless set;
 * at most 64 MiB. The VMM's limit must be raised as well. */
int ramjet_helper_set_limit(struct ramjet_helper *helper, uint64_t bytes);

/* ":1.7"; valid until ramjet_helper_free(). */
const char *ramjet_helper_bus_name(const struct ramjet_helper *helper);

/* Serve until stop_fd (-1: none) is readable: 0; or the bus goes away:
 * -ENOTCONN. */
int ramjet_helper_run(struct ramjet_helper *helper, int stop_fd,
		      struct ramjet_error *err);
/* For an event loop of one's own: poll ramjet_helper_fd() for
 * ramjet_helper_events(), at most ramjet_helper_timeout_ms() (-1: for ever),
 * then call ramjet_helper_process(), which never waits. */
int ramjet_helper_fd(struct ramjet_helper *helper);
int ramjet_helper_events(struct ramjet_helper *helper);
int ramjet_helper_timeout_ms(struct ramjet_helper *helper);
int ramjet_helper_process(struct ramjet_helper *helper,
			  struct ramjet_error *err);

#ifdef __cplusplus
}
#endif
#endif
