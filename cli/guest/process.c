/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/process.h"

#include <errno.h>

#include "cli/base/human.h"
#include "cli/guest/attach.h"
#include "cli/guest/memory.h"
#include "cli/guest/program.h"
#include "cli/guest/vcpu.h"
#include "util/clock.h"
#include "util/error.h"

struct process_guest {
	struct rj_cli_guest base;
	struct rj_cli_guest_spec spec;
	enum rj_cli_role role;
	struct rj_cli_memory memory;
	struct rj_cli_program program;
	bool has_program;      /* target: once RAM has arrived */
	uint64_t writes_begun; /* its writes when this process took it over */
	struct rj_cli_vcpus *vcpus;
	uint32_t bursts; /* stops that have been lengthened by one */
};

static struct process_guest *process_of(struct rj_cli_guest *base)
{
	return rj_container_of(base, struct process_guest, base);
}

/* The RAM holds a program now: take it over, ready to go. */
static int adopt(struct process_guest *guest, struct ramjet_error *err)
{
	int rc;

	rc = rj_cli_program_adopt(&guest->program, guest->memory.host,
				  guest->memory.bytes, err);
	if (rc)
		return rc;
	guest->writes_begun = rj_cli_program_writes_total(&guest->program);
	guest->has_program = true;
	return 0;
}

/* As if the vCPUs had had time for it between the last look at what is dirty
 * and their stop: writes like all others, so every check knows them. */
static int burst(struct process_guest *guest, struct ramjet_error *err)
{
	const struct rj_cli_program *program = &guest->program;
	uint64_t pages = guest->spec.burst_bytes / RAMJET_PAGE_BYTES;
	int rc = 0;

	if (!pages || guest->role == RJ_CLI_TARGET ||
	    guest->bursts >= guest->spec.bursts)
		return 0;
	guest->bursts++;
	for (uint64_t i = 0; i < pages && !rc; i++)
		rc = rj_cli_program_step(program,
					 (uint32_t)(i % program->threads), err);
	return rc;
}

static int process_stop(void *user, struct ramjet_error *err)
{
	struct process_guest *guest = process_of(user);

	if (!guest->vcpus)
		return 0;
	rj_cli_vcpus_stop(guest->vcpus);
	return burst(guest, err);
}

/* Every vCPU looks at each page before it writes it, so the full self-check
 * need not lengthen the pause: it follows once the guest has run. */
static int process_start(void *user, struct ramjet_error *err)
{
	struct process_guest *guest = process_of(user);
	int rc = 0;

	if (!guest->has_program)
		rc = adopt(guest, err);
	if (!rc && !guest->vcpus)
		rc = rj_cli_vcpus_new(&guest->program, &guest->vcpus, err);
	if (!rc)
		rj_cli_vcpus_start(guest->vcpus);
	return rc;
}

static int process_throttle(void *user, unsigned percent,
			    struct ramjet_error *err)
{
	struct process_guest *guest = process_of(user);

	(void)err;
	if (guest->vcpus)
		rj_cli_vcpus_throttle(guest->vcpus, percent);
	return 0;
}

static int process_save(void *user, void **ret_data, size_t *ret_bytes,
			struct ramjet_error *err)
{
	struct process_guest *guest = process_of(user);

	return rj_cli_program_save(&guest->program, ret_data, ret_bytes, err);
}

static int process_load(void *user, const void *data, size_t bytes,
			struct ramjet_error *err)
{
	struct process_guest *guest = process_of(user);
	int rc;

	/* An earlier session may have got as far as this and failed. */
	rj_cli_vcpus_free(guest->vcpus);
	guest->vcpus = NULL;
	guest->has_program = false;
	rc = adopt(guest, err);
	if (rc)
		return rc;
	rc = rj_cli_program_compare(&guest->program, data, bytes, err);
	if (rc)
		return rc;
	/* Threads now, so that nothing but a wake-up is left for start. */
	return rj_cli_vcpus_new(&guest->program, &guest->vcpus, err);
}

static const struct ramjet_guest_ops process_ops = {
	RAMJET_GUEST_OPS_INIT,      .stop = process_stop,
	.start = process_start,     .throttle = process_throttle,
	.save_state = process_save, .load_state = process_load,
};

static void process_free(struct rj_cli_guest *base)
{
	struct process_guest *guest = process_of(base);

	rj_cli_vcpus_free(guest->vcpus);
	rj_cli_memory_unmap(&guest->memory);
	free(guest);
}

static int make_source(struct process_guest *guest, struct ramjet_error *err)
{
	int rc = rj_cli_program_create(&guest->program, guest->memory.host,
				       &guest->spec, err);

	if (rc)
		return rc;
	guest->has_program = true;
	return rj_cli_vcpus_new(&guest->program, &guest->vcpus, err);
}

static int process_create(const struct rj_cli_guest_spec *spec,
			  enum rj_cli_role role, struct rj_cli_guest **ret,
			  struct ramjet_error *err)
{
	struct process_guest *guest = calloc(1, sizeof(*guest));
	int rc;

	if (!guest)
		return rj_fail(err, -ENOMEM, "guest process: out of memory");
	guest->base.kind = &rj_cli_guest_process;
	guest->spec = *spec;
	guest->role = role;
	rc = rj_cli_memory_fits(spec, role == RJ_CLI_SOURCE, err);
	if (!rc)
		rc = rj_cli_memory_map(spec->bytes, spec->pages, &guest->memory,
				       err);
	if (!rc && spec->prealloc)
		rc = rj_cli_memory_populate(&guest->memory, err);
	if (!rc && role == RJ_CLI_SOURCE)
		rc = make_source(guest, err);
	if (rc) {
		process_free(&guest->base);
		return rc;
	}
	*ret = &guest->base;
	return 0;
}

static int process_attach(struct rj_cli_guest *base,
			  struct ramjet_guest *handle, struct ramjet_error *err)
{
	struct process_guest *guest = process_of(base);
	struct ramjet_dirty_source *dirty;
	struct ramjet_block block = {
		RAMJET_BLOCK_INIT,
		.host = guest->memory.host,
		.bytes = guest->memory.bytes,
		.page_bytes = guest->memory.page_bytes,
		.flags = RAMJET_BLOCK_PINNABLE,
	};
	int rc;

	rc = rj_cli_attach_ram(handle, &block, guest->role == RJ_CLI_TARGET,
			       err);
	/* A guest that never writes needs no tracking. */
	if (rc < 0 || guest->role == RJ_CLI_TARGET ||
	    !guest->spec.write_bytes_per_s)
		return rc;
	rc = ramjet_dirty_pagemap_new(&dirty, err);
	return rc < 0 ? rc : rj_cli_attach_dirty(handle, dirty, err);
}

static int process_send_on(struct rj_cli_guest *base,
			   struct ramjet_guest *handle,
			   struct ramjet_error *err)
{
	struct process_guest *guest = process_of(base);
	struct ramjet_dirty_source *dirty;
	int rc = 0;

	if (guest->role == RJ_CLI_SOURCE)
		return 0;
	if (guest->program.write_bytes_per_s)
		rc = ramjet_dirty_pagemap_new(&dirty, err);
	if (rc >= 0 && guest->program.write_bytes_per_s)
		rc = rj_cli_attach_dirty(handle, dirty, err);
	if (rc >= 0)
		guest->role = RJ_CLI_SOURCE;
	return rc;
}

static void process_describe(const struct rj_cli_guest *base, char *text,
			     size_t bytes)
{
	const struct process_guest *guest =
		rj_container_of(base, const struct process_guest, base);
	const struct rj_cli_program *program = &guest->program;
	char rate[RJ_CLI_HUMAN_BYTES], set[RJ_CLI_HUMAN_BYTES];

	if (!guest->has_program) {
		(void)snprintf(text, bytes, "empty memory");
		return;
	}
	if (!program->write_bytes_per_s) {
		(void)snprintf(text, bytes, "idle");
		return;
	}
	if (program->write_bytes_per_s == RJ_CLI_WRITE_MAX)
		(void)snprintf(rate, sizeof(rate), "at full speed");
	else
		rj_cli_human_rate(program->write_bytes_per_s, rate);
	rj_cli_human_size(program->set_pages * RAMJET_PAGE_BYTES, set);
	(void)snprintf(text, bytes, "%u vCPU%s %s over %s (%s)",
		       program->threads,
		       program->threads == 1 ? " writes" : "s write", rate, set,
		       rj_cli_pattern_name(program->pattern));
}

static int process_run(struct rj_cli_guest *base, struct ramjet_error *err)
{
	struct process_guest *guest = process_of(base);

	if (guest->spec.storm_us)
		rj_cli_vcpus_calm_at(guest->vcpus,
				     rj_now_ns() + guest->spec.storm_us * 1000,
				     guest->spec.calm_bytes_per_s);
	return process_start(base, err);
}

static uint64_t process_writes(const struct rj_cli_guest *base)
{
	const struct process_guest *guest =
		rj_container_of(base, const struct process_guest, base);

	return guest->has_program ? rj_cli_program_writes_total(&guest->program)
				  : 0;
}

static bool process_running(const struct rj_cli_guest *base)
{
	const struct process_guest *guest =
		rj_container_of(base, const struct process_guest, base);

	return guest->vcpus && rj_cli_vcpus_running(guest->vcpus);
}

static int process_check(struct rj_cli_guest *base,
			 struct rj_cli_guest_check *ret,
			 struct ramjet_error *err)
{
	struct process_guest *guest = process_of(base);
	int rc = 0;

	*ret = (struct rj_cli_guest_check){
		.pages = guest->program.page_count,
		.writes = rj_cli_program_writes_total(&guest->program),
		.first_write = guest->writes_begun,
	};
	ret->own_writes = ret->writes - ret->first_write;
	if (guest->vcpus)
		rc = rj_cli_vcpus_fault(guest->vcpus, err);
	return rc ? rc : rj_cli_program_check(&guest->program, err);
}

static uint64_t process_digest(const struct rj_cli_guest *base)
{
	const struct process_guest *guest =
		rj_container_of(base, const struct process_guest, base);

	return rj_cli_program_digest(&guest->program);
}

const struct rj_cli_guest_kind rj_cli_guest_process = {
	.name = "process",
	.live = true,
	.ops = &process_ops,
	.create = process_create,
	.attach = process_attach,
	.send_on = process_send_on,
	.describe = process_describe,
	.run = process_run,
	.writes = process_writes,
	.running = process_running,
	.check = process_check,
	.digest = process_digest,
	.free = process_free,
};
