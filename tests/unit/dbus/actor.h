/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_ACTOR_H
#define RJ_TESTS_ACTOR_H
/*
 * A helper that behaves, or misbehaves, as told: made with sd-bus by hand, so
 * that it can break every rule of org.qemu.VMState1. Each is a thread with a
 * connection of its own.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

enum actor_act {
	ACTOR_ANSWER = 0,
	ACTOR_ERROR,      /* an error reply */
	ACTOR_HOLD,       /* answers when actor_release() is called */
	ACTOR_LEAVE,      /* disconnects instead */
	ACTOR_WRONG_TYPE, /* a string where bytes, or bytes where a string */
};

struct actor_plan {
	const char *id;
	bool nameless; /* stays out of the queue, on the bus only */
	enum actor_act on_id;
	enum actor_act on_save;
	enum actor_act on_load;
	const void *state; /* NULL: `bytes` of a pattern */
	size_t bytes;
	unsigned save_ms; /* time that Save takes */
};

struct actor {
	struct actor_plan plan;
	const char *address;
	pthread_t thread;
	int commands[2]; /* pipe */
	sd_bus *bus;
	sd_bus_message *held;
	char bus_name[64];

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under lock */
	bool ready;
	bool left;
	unsigned id_reads;
	unsigned saves;
	unsigned loads;
	void *loaded;
	size_t loaded_bytes;
};

/* Returns when it is on the bus and in the queue. */
void actor_start(struct actor *actor, const char *address,
		 const struct actor_plan *plan);
/* Leaves the bus. Returns when the bus knows. Safe twice. */
void actor_stop(struct actor *actor);
/* Gives the name back but stays on the bus; returns when done. */
void actor_drop_name(struct actor *actor);
/* Answers what it held. */
void actor_release(struct actor *actor);
/* From the next call on. */
void actor_set_acts(struct actor *actor, enum actor_act on_save,
		    enum actor_act on_load);

/* Wait until so many calls came in. */
void actor_wait_saves(struct actor *actor, unsigned count);
void actor_wait_loads(struct actor *actor, unsigned count);
unsigned actor_saves(struct actor *actor);
unsigned actor_loads(struct actor *actor);
/* It was loaded, once, with exactly these bytes. */
bool actor_has_loaded(struct actor *actor, const void *data, size_t bytes);

/* What a plan without `state` saves; same for the same id and size. */
void actor_pattern(const char *id, uint8_t *data, size_t bytes);
#endif
