/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/outside/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"

#define NONE SIZE_MAX

void rj_qemu_parts_done(struct rj_qemu_parts *parts)
{
	free(parts->list);
	*parts = (struct rj_qemu_parts){ 0 };
}

bool rj_qemu_parts_are_known(const struct rj_qemu_parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		if (!parts->list[i].known)
			return false;
	return true;
}

/* Of each side's parts, its partner of the other's; NONE: it has none yet. */
struct match {
	const struct rj_qemu_parts *source, *target;
	size_t *of_source, *of_target;
};

static void pair_up(struct match *m, size_t source, size_t target)
{
	m->of_source[source] = target;
	m->of_target[target] = source;
}

static void by_name(struct match *m)
{
	for (size_t i = 0; i < m->source->count; i++)
		for (size_t j = 0; j < m->target->count; j++)
			if (m->of_source[i] == NONE &&
			    m->of_target[j] == NONE &&
			    !strcmp(m->source->list[i].name,
				    m->target->list[j].name))
				pair_up(m, i, j);
}

/* The only one of this size that has no partner; NONE: none, or several. */
static size_t only_one(const struct rj_qemu_parts *parts,
		       const size_t *partners, uint64_t bytes)
{
	size_t found = NONE;

	for (size_t i = 0; i < parts->count; i++) {
		if (partners[i] != NONE || parts->list[i].bytes != bytes)
			continue;
		if (found != NONE)
			return NONE;
		found = i;
	}
	return found;
}

static void by_size(struct match *m)
{
	for (size_t i = 0; i < m->source->count; i++) {
		const uint64_t bytes = m->source->list[i].bytes;
		size_t j;

		if (m->of_source[i] != NONE ||
		    only_one(m->source, m->of_source, bytes) != i)
			continue;
		j = only_one(m->target, m->of_target, bytes);
		if (j != NONE)
			pair_up(m, i, j);
	}
}

static int all_have_partners(const struct match *m, struct ramjet_error *err)
{
	for (size_t i = 0; i < m->source->count; i++)
		if (m->of_source[i] == NONE)
			return rj_fail(
				err, -EINVAL,
				"block %s: %llu bytes on the source, the "
				"target has none of this name, nor just one "
				"of this size",
				m->source->list[i].name,
				(unsigned long long)m->source->list[i].bytes);
	for (size_t i = 0; i < m->target->count; i++)
		if (m->of_target[i] == NONE)
			return rj_fail(
				err, -EINVAL,
				"block %s: %llu bytes at the target, the "
				"source has none of this name, nor just one "
				"of this size",
				m->target->list[i].name,
				(unsigned long long)m->target->list[i].bytes);
	return 0;
}

static bool has_digest(const struct rj_qemu_part *part,
		       const struct rj_qemu_digest *digest)
{
	for (unsigned i = 0; i < part->digest_count; i++)
		if (part->digests[i].low == digest->low &&
		    part->digests[i].high == digest->high)
			return true;
	return false;
}

static bool have_one_in_common(const struct rj_qemu_part *a,
			       const struct rj_qemu_part *b)
{
	for (unsigned i = 0; i < a->digest_count; i++)
		if (has_digest(b, &a->digests[i]))
			return true;
	return false;
}

static int judge(const struct rj_qemu_part *source,
		 const struct rj_qemu_part *target, bool *ret_is_moved,
		 struct ramjet_error *err)
{
	if (source->bytes != target->bytes)
		return rj_fail(err, -EINVAL,
			       "block %s: %llu bytes on the source, %llu at "
			       "the target, wanted the same",
			       source->name, (unsigned long long)source->bytes,
			       (unsigned long long)target->bytes);
	*ret_is_moved = source->known && target->known;
	if (*ret_is_moved || have_one_in_common(source, target))
		return 0;
	return rj_fail(err, -EINVAL,
		       "block %s (%llu bytes): this QEMU does not say where it "
		       "lies, and what is in none of the %u mappings that may "
		       "be it at the %s is what the other side has; nothing is "
		       "written on a guess. QEMU 8 or later says it",
		       source->name, (unsigned long long)source->bytes,
		       source->known ? target->digest_count
				     : source->digest_count,
		       source->known ? "target" : "source");
}

int rj_qemu_match(const struct rj_qemu_parts *source,
		  const struct rj_qemu_parts *target,
		  struct rj_qemu_pair *pairs, struct ramjet_error *err)
{
	rj_autofree size_t *of_source =
		malloc((source->count + 1) * sizeof(*of_source));
	rj_autofree size_t *of_target =
		malloc((target->count + 1) * sizeof(*of_target));
	struct match m = { source, target, of_source, of_target };
	int rc;

	if (!of_source || !of_target)
		return rj_fail(err, -ENOMEM, "blocks: out of memory");
	for (size_t i = 0; i < source->count; i++)
		of_source[i] = NONE;
	for (size_t i = 0; i < target->count; i++)
		of_target[i] = NONE;
	by_name(&m);
	by_size(&m);
	rc = all_have_partners(&m, err);
	for (size_t i = 0; !rc && i < source->count; i++) {
		pairs[i].target = of_source[i];
		rc = judge(&source->list[i], &target->list[of_source[i]],
			   &pairs[i].is_moved, err);
	}
	return rc;
}

int rj_qemu_parts_unchanged(const struct rj_qemu_parts *before,
			    const struct rj_qemu_parts *now,
			    struct ramjet_error *err)
{
	for (size_t i = 0; i < before->count && i < now->count; i++) {
		const struct rj_qemu_part *old = &before->list[i];
		const struct rj_qemu_part *new = &now->list[i];

		if (old->known)
			continue;
		for (unsigned j = 0; j < old->digest_count; j++)
			if (old->digest_count != new->digest_count ||
			    !has_digest(new, &old->digests[j]))
				return rj_fail(
					err, -ESTALE,
					"block %s: what is in it has changed "
					"while the guest was moved (it was "
					"reset?), and it is not known where "
					"it lies; move it again",
					old->name);
	}
	return 0;
}
