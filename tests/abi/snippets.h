/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_ABI_SNIPPETS_H
#define RJ_TESTS_ABI_SNIPPETS_H
/* What the pieces of code in the documents take for granted: a VMM with a
 * vCPU, and names for what it has. Compiled as C and as C++, never linked. */
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include <ramjet-connect.h>
#include <ramjet-dirty.h>
#include <ramjet-helper.h>
#include <ramjet-kvm.h>
#include <ramjet-remote.h>

#define RAM_BYTES (1u << 20)
#define BYTES     RAM_BYTES

struct vm {
	uint8_t *ram;
	uint64_t dirty[RAM_BYTES / RAMJET_PAGE_BYTES / 64];
	int fd, stop;
	struct kvm_run *run;
	pthread_t thread;
	struct ramjet_guest *guest;
};

int my_connect(void *user, const struct ramjet_connect_request *request,
	       struct ramjet_connection *ret, struct ramjet_error *err);
typedef int guest_does(void *user, struct ramjet_error *err);
guest_does stop, start, vm_stop, vm_start;
int save(void *user, void **ret_data, size_t *ret_bytes,
	 struct ramjet_error *err);
int load(void *user, const void *data, size_t bytes, struct ramjet_error *err);
int vm_save(void *user, void **ret_data, size_t *ret_bytes,
	    struct ramjet_error *err);
int vm_load(void *user, const void *data, size_t bytes,
	    struct ramjet_error *err);
void must(int rc);
void own_fault(siginfo_t *siginfo);

extern struct ramjet_error err;
extern struct ramjet_guest *guest;
extern struct ramjet_migration *migration, *incoming, *outgoing;
extern struct ramjet_dirty_source *dirty;
extern struct ramjet_info *info;
extern struct vm *vm, *m, *source, *target;
extern int rc, is_source, accepted_fd, pid;
extern struct ramjet_block block;
extern uint64_t address_there;
extern void *ram_address;
extern siginfo_t *siginfo;
extern const void *data;
extern uint64_t ram_bytes, page, at, bytes, offset;
extern uint8_t *ram, *bitmap;
#endif
