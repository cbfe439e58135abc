/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAMJET_HELPER_H
#define RAMJET_HELPER_H
/*
 * Helpers, over org.qemu.VMState1 on D-Bus (docs/helpers.md): for the VMM whose
 * guest has some, and for programs that are one. The rules are ramjet.h's.
 */
#include "ramjet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- for the VMM: a guest's helpers ------------------------------------ */

/*
 * Helpers are processes that serve one guest and keep state that must follow
 * it. They sit on a private bus of that guest. Without libsystemd all calls
 * of this header fail with -EOPNOTSUPP.
 */
struct ramjet_helper_options {
	size_t size;
	/* "unix:path=..." or "unix:abstract=..."; used exactly as given, the
	 * session and system buses are never tried. Borrowed until return. */
	const char *bus_address;
	/* "a,b,c": exactly the helpers with these Ids take part. NULL: every
	 * helper on the bus. Borrowed until return. */
	const char *id_list;
	/* 0 = no limit of these, but what is possible. */
	uint64_t state_bytes_max; /* of one helper; 64 MiB are possible */
	uint64_t total_bytes_max; /* of all helpers; 1 GiB is */
	uint32_t helpers_max;     /* 1024 are */
	/* 0 = never to give up, but for a cancel, and in a switchover what ends
	 * that (switchover_timeout_us). At most an hour each. */
	uint32_t start_timeout_ms;  /* to connect and find them */
	uint32_t gather_timeout_ms; /* to save, or load, all of them */
	uint32_t helper_timeout_ms; /* for one helper's answer */
	/* Save once early, while the guest runs, to predict size and time. */
	bool rehearse;
	int64_t helper_uid; /* all must run as this user; -1: any */
};
#define RAMJET_HELPER_OPTIONS_INIT                                             \
	.size = sizeof(struct ramjet_helper_options),                          \
	.state_bytes_max = 1u << 20, .total_bytes_max = 64u << 20,             \
	.helpers_max = 64, .start_timeout_ms = 5000, .gather_timeout_ms = 500, \
	.helper_timeout_ms = 500, .helper_uid = -1

/* This guest's helpers take part in its migrations, on either side. NULL: none.
 * `options` is copied. -EBUSY while migrating. */
int ramjet_guest_set_helpers(struct ramjet_guest *guest,
			     const struct ramjet_helper_options *options,
			     struct ramjet_error *err);

struct ramjet_helper_info {
	size_t size;
	char id[256];       /* "" when it could not be read */
	char bus_name[256]; /* e.g. ":1.7"; "" when no helper has the Id */
	bool has_uid;
	uint32_t uid;
	bool takes_part;
	bool loaded;
	uint64_t bytes;   /* of its state */
	uint64_t save_us; /* 0: not saved */
	uint64_t load_us;
	/* "": none; else why a migration would be refused. */
	char problem[512];
};

/*
 * What is on a bus, and the helpers' state moved by hand. Each connects,
 * works and disconnects within the options' timeouts; no thread is left.
 * *ret_helpers is *returned*, ordered by Id: ramjet_helpers_free(). NULL ok.
 */
/* Also succeeds when helpers have problems; those are in the result. */
int ramjet_helpers_list(const struct ramjet_helper_options *options,
			struct ramjet_helper_info **ret_helpers,
			size_t *ret_count, struct ramjet_error *err);
/* *ret_data is *returned*, to be free()d: u32 count, then per helper u32
 * id_length, id, u32 data_length, data; big-endian, ordered by Id. */
int ramjet_helpers_save(const struct ramjet_helper_options *options,
			void **ret_data, size_t *ret_bytes,
			struct ramjet_helper_info **ret_helpers,
			size_t *ret_count, struct ramjet_error *err);
/* `data` (same layout, borrowed until return) is checked as a whole before
 * any helper is given its state. */
int ramjet_helpers_load(const struct ramjet_helper_options *options,
			const void *data, size_t bytes,
			struct ramjet_helper_info **ret_helpers,
			size_t *ret_count, struct ramjet_error *err);
void ramjet_helpers_free(struct ramjet_helper_info *helpers);

void ramjet_helper_options_init(struct ramjet_helper_options *o, size_t size);
#define ramjet_helper_options_init(o) ramjet_helper_options_init(o, sizeof *(o))

/* ---- for helpers -------------------------------------------------------- */

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
/* Sends what is queued for at most 100 ms, then disconnects. -EDEADLK in its
 * own save or load: nothing is freed. NULL ok. */
int ramjet_helper_free(struct ramjet_helper *helper);

/* Most bytes that save may return and load is given, 1 MiB unless set; 0 = no
 * limit but the 64 MiB that are possible. The VMM's must be raised as well. */
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
