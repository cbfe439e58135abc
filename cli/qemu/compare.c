/* SPDX-License-Identifier: BSD-3-Clause */
/* rj_qemu_devices_compare(): two descriptions side by side. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/qemu/devices.h"
#include "util/cleanup.h"
#include "util/error.h"

/* So many differences are named: mostly they come in groups. */
#define NAMED_MAX 4u

struct side {
	char *text;
	char **devices; /* sorted: "PLACE id=... key=value ..." */
	size_t count;
	const char *qemu, *machine, *cpus, *cpuid;
};

struct findings {
	char text[384];
	size_t used;
	size_t count;
};

static RJ_PRINTF(2, 3) void find(struct findings *f, const char *format, ...)
{
	va_list arguments;
	int wrote;

	if (f->count++ >= NAMED_MAX || f->used >= sizeof(f->text))
		return;
	if (f->used && f->used + 2 < sizeof(f->text)) {
		memcpy(f->text + f->used, "; ", 3);
		f->used += 2;
	}
	va_start(arguments, format);
	wrote = vsnprintf(f->text + f->used, sizeof(f->text) - f->used, format,
			  arguments);
	va_end(arguments);
	f->used += wrote > 0 ? (size_t)wrote : 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int take_line(struct side *s, char *line)
{
	const struct {
		const char *word;
		const char **value;
	} heads[] = { { "qemu ", &s->qemu },
		      { "machine ", &s->machine },
		      { "cpus ", &s->cpus },
		      { "cpuid", &s->cpuid } };

	for (size_t i = 0; i < RJ_ARRAY_SIZE(heads); i++)
		if (!strncmp(line, heads[i].word, strlen(heads[i].word))) {
			*heads[i].value = line + strlen(heads[i].word);
			return 0;
		}
	if (strncmp(line, "device ", strlen("device ")))
		return -EPROTO;
	s->devices[s->count++] = line + strlen("device ");
	return 0;
}

static int take_lines(struct side *s)
{
	size_t lines = 1;
	char *rest = s->text, *line;
	int rc = 0;

	for (const char *c = s->text; *c; c++) {
		if (*c != '\n' && !isprint((unsigned char)*c))
			return -EPROTO;
		lines += *c == '\n';
	}
	s->devices = calloc(lines, sizeof(*s->devices));
	if (!s->devices)
		return -ENOMEM;
	while (!rc && (line = strsep(&rest, "\n")))
		if (*line)
			rc = take_line(s, line);
	if (rc || !s->qemu || !s->machine || !s->cpus || !s->cpuid)
		return rc ? rc : -EPROTO;
	qsort(s->devices, s->count, sizeof(*s->devices), by_text);
	return 0;
}

static int open_side(struct side *s, const char *text, const char *whose,
		     struct ramjet_error *err)
{
	int rc = 0;

	if (strlen(text) > RJ_QEMU_DEVICES_BYTES_MAX)
		rc = -EPROTO;
	s->text = rc ? NULL : strdup(text);
	if (!rc)
		rc = s->text ? take_lines(s) : -ENOMEM;
	return rc ? rj_fail(err, rc,
			    "the %s's devices: not understood, wanted their "
			    "description",
			    whose)
		  : 0;
}

static void close_side(struct side *s)
{
	free((void *)s->devices);
	free(s->text);
}

static size_t place_bytes(const char *device)
{
	return strcspn(device, " ");
}

/* By place alone. */
static int compare_places(const char *a, const char *b)
{
	size_t a_bytes = place_bytes(a), b_bytes = place_bytes(b);
	int order = strncmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

	return order ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

/* " key=value" in a list of such: where the value begins. */
static const char *value_of(const char *pairs, const char *key, size_t bytes)
{
	for (; (pairs = strchr(pairs, ' ')); pairs++)
		if (!strncmp(pairs + 1, key, bytes) && pairs[1 + bytes] == '=')
			return pairs + 2 + bytes;
	return NULL;
}

static bool is_id(const char *key, size_t bytes)
{
	return bytes == 2 && !strncmp(key, "id", 2);
}

/* What both know of a device. A version may know more than the other. */
static void compare_pairs(struct findings *f, const char *what, int what_bytes,
			  const char *ours, const char *theirs)
{
	for (const char *at = strchr(ours, ' '); at; at = strchr(at + 1, ' ')) {
		const char *key = at + 1;
		const size_t key_bytes = strcspn(key, "=");
		const char *a = value_of(at, key, key_bytes);
		const char *b = value_of(theirs, key, key_bytes);

		if (!a || !b || is_id(key, key_bytes))
			continue;
		if (strcspn(a, " ") != strcspn(b, " ") ||
		    strncmp(a, b, strcspn(a, " ")))
			find(f,
			     "%.*s has %.*s=%.*s at the source, %.*s at the "
			     "target",
			     what_bytes, what, (int)key_bytes, key,
			     (int)strcspn(a, " "), a, (int)strcspn(b, " "), b);
	}
}

static void name_lone(struct findings *f, const char *whose, const char *device)
{
	const char *id = value_of(device, "id", 2);
	int id_bytes = id ? (int)strcspn(id, " ") : 0;

	find(f, "only the %s has %.*s%s%.*s%s", whose, (int)place_bytes(device),
	     device, id_bytes ? " (id " : "", id_bytes, id ? id : "",
	     id_bytes ? ")" : "");
}

static void compare_devices(struct findings *f, const struct side *source,
			    const struct side *target)
{
	size_t s = 0, t = 0;

	while (s < source->count || t < target->count) {
		int order = s == source->count ? 1
			    : t == target->count
				    ? -1
				    : compare_places(source->devices[s],
						     target->devices[t]);

		if (order < 0) {
			name_lone(f, "source", source->devices[s++]);
		} else if (order > 0) {
			name_lone(f, "target", target->devices[t++]);
		} else {
			compare_pairs(f, source->devices[s],
				      (int)place_bytes(source->devices[s]),
				      source->devices[s], target->devices[t]);
			s++;
			t++;
		}
	}
}

/* A word that is all zero isn't listed. */
static void compare_lone_bits(struct findings *f, const char *ours,
			      const char *theirs, const char *whose)
{
	for (const char *at = strchr(ours, ' '); at; at = strchr(at + 1, ' ')) {
		const size_t bytes = strcspn(at + 1, "=");

		if (!value_of(theirs, at + 1, bytes))
			find(f,
			     "only the %s's CPUs have features in CPUID %.*s",
			     whose, (int)bytes, at + 1);
	}
}

static void compare_cpus(struct findings *f, const struct side *source,
			 const struct side *target)
{
	if (strcmp(source->cpus, target->cpus))
		find(f, "CPUs are '%s' at the source, '%s' at the target",
		     source->cpus, target->cpus);
	compare_pairs(f, "CPUID", (int)strlen("CPUID"), source->cpuid,
		      target->cpuid);
	compare_lone_bits(f, source->cpuid, target->cpuid, "source");
	compare_lone_bits(f, target->cpuid, source->cpuid, "target");
}

/* "pc-q35-7.2" stays what it is, "microvm" doesn't. */
static bool has_version(const char *machine)
{
	const char *dash = strrchr(machine, '-');

	return dash && isdigit((unsigned char)dash[1]) && strchr(dash, '.');
}

/* Micro versions don't count. */
static bool same_version(const char *a, const char *b)
{
	unsigned as[2] = { 0 }, bs[2] = { 0 };

	return sscanf(a, "%u.%u", &as[0], &as[1]) == 2 &&
	       sscanf(b, "%u.%u", &bs[0], &bs[1]) == 2 && as[0] == bs[0] &&
	       as[1] == bs[1];
}

static void compare_machines(struct findings *f, const struct side *source,
			     const struct side *target)
{
	if (strcmp(source->machine, target->machine))
		find(f,
		     "the machine type is %s at the source, %s at the target",
		     source->machine, target->machine);
	else if (!same_version(source->qemu, target->qemu) &&
		 !has_version(source->machine))
		find(f,
		     "machine type %s is another one in each version of QEMU, "
		     "%s at the source, %s at the target",
		     source->machine, source->qemu, target->qemu);
}

int rj_qemu_devices_compare(const char *source, const char *target,
			    struct ramjet_error *err)
{
	struct side ours = { 0 }, theirs = { 0 };
	struct findings f = { 0 };
	int rc = open_side(&ours, source, "source", err);

	if (!rc)
		rc = open_side(&theirs, target, "target", err);
	if (!rc) {
		compare_machines(&f, &ours, &theirs);
		compare_cpus(&f, &ours, &theirs);
		compare_devices(&f, &ours, &theirs);
	}
	if (!rc && f.count > NAMED_MAX)
		rc = rj_fail(err, -EINVAL, "the QEMUs differ: %s; and %zu more",
			     f.text, f.count - NAMED_MAX);
	else if (!rc && f.count)
		rc = rj_fail(err, -EINVAL, "the QEMUs differ: %s", f.text);
	close_side(&ours);
	close_side(&theirs);
	return rc;
}
