/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/devices.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/qemu/tree.h"
#include "util/cleanup.h"
#include "util/error.h"

/* HTT and CmpLegacy follow from the number of CPUs: QEMU 7.2 adds them when
 * the guest asks, QEMU 10 has them among the features. */
static uint64_t without_topology(uint64_t leaf, const char *name, uint64_t bits)
{
	if (leaf == 1 && !strcmp(name, "EDX"))
		return bits & ~(UINT64_C(1) << 28);
	if (leaf == 0x80000001 && !strcmp(name, "ECX"))
		return bits & ~(UINT64_C(1) << 1);
	return bits;
}

/* 1.EDX=78bfbfd: what CPUID answers there. */
static void write_word(const json_t *word, FILE *out)
{
	json_t *sub = json_object_get(word, "cpuid-input-ecx");
	const char *name =
		json_string_value(json_object_get(word, "cpuid-register"));
	const uint64_t leaf = (uint64_t)json_integer_value(
		json_object_get(word, "cpuid-input-eax"));
	uint64_t bits =
		(uint64_t)json_integer_value(json_object_get(word, "features"));

	bits = name ? without_topology(leaf, name, bits) : 0;
	if (!bits)
		return;
	(void)fprintf(out, " %" PRIx64, leaf);
	if (sub)
		(void)fprintf(out, ".%" PRIx64,
			      (uint64_t)json_integer_value(sub));
	(void)fprintf(out, ".%s=%" PRIx64, name, bits);
}

/* Of the first one: those of a machine are all alike. */
static int write_features(struct rj_qemu *q, const char *cpu, FILE *out,
			  struct ramjet_error *err)
{
	json_t *words = NULL, *one;
	size_t i;
	int rc = rj_qemu_property(q, cpu, "feature-words", &words, err);

	if (rc)
		return rc;
	(void)fputs("cpuid", out);
	json_array_foreach(words, i, one) write_word(one, out);
	(void)fputs("\n", out);
	json_decref(words);
	return 0;
}

static int write_cpus(struct rj_qemu *q, FILE *out, struct ramjet_error *err)
{
	json_t *cpus = NULL, *type = NULL;
	const char *first;
	int rc = rj_qemu_call(q, "query-cpus-fast", NULL, &cpus, err);

	if (rc)
		return rc;
	first = json_string_value(
		json_object_get(json_array_get(cpus, 0), "qom-path"));
	if (first)
		rc = rj_qemu_property(q, first, "type", &type, err);
	if (!first || (!rc && !json_is_string(type)))
		rc = rj_fail(err, -EPROTO, "qemu %s: has no CPUs, wanted some",
			     q->path);
	if (!rc) {
		(void)fprintf(out, "cpus %zu %s\n", json_array_size(cpus),
			      json_string_value(type));
		rc = write_features(q, first, out, err);
	}
	json_decref(type);
	json_decref(cpus);
	return rc;
}

static int write_tree(struct rj_qemu *q, FILE *out, struct ramjet_error *err)
{
	rj_autofree char *text = NULL;
	int rc = rj_qemu_human(q, "info qtree", &text, err);

	if (rc)
		return rc;
	rc = rj_qemu_tree_write(text, out);
	return rc ? rj_fail(err, rc,
			    "qemu %s: info qtree: not understood, wanted a "
			    "tree of devices",
			    q->path)
		  : 0;
}

static int write_all(struct rj_qemu *q, FILE *out, struct ramjet_error *err)
{
	int rc;

	(void)fprintf(out, "qemu %u.%u.%u\nmachine %s\n", q->version[0],
		      q->version[1], q->version[2], q->machine);
	rc = write_cpus(q, out, err);
	return rc ? rc : write_tree(q, out, err);
}

int rj_qemu_devices_describe(struct rj_qemu *q, char **ret,
			     struct ramjet_error *err)
{
	rj_autofree char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	int rc;

	if (!out)
		return rj_fail(err, -ENOMEM, "qemu %s: out of memory", q->path);
	rc = write_all(q, out, err);
	if (fclose(out) && !rc)
		rc = rj_fail(err, -ENOMEM, "qemu %s: out of memory", q->path);
	if (!rc && bytes > RJ_QEMU_DEVICES_BYTES_MAX)
		rc = rj_fail(err, -EMSGSIZE,
			     "qemu %s: its devices take %zu bytes to describe, "
			     "wanted at most %u",
			     q->path, bytes, RJ_QEMU_DEVICES_BYTES_MAX);
	if (!rc)
		*ret = rj_steal(text);
	return rc;
}
