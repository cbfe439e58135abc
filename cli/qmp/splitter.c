/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qmp/splitter.h"

#define LEXICAL_ERROR 0xffu

void rj_qmp_splitter_init(struct rj_qmp_splitter *s)
{
	s->used = 0;
	s->depth = 0;
	s->where = RJ_QMP_BETWEEN;
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Nothing of JSON, wherever it stands. Inside a string even a line end is
 * forbidden. */
static bool is_forbidden(const struct rj_qmp_splitter *s, unsigned char c)
{
	if (c == LEXICAL_ERROR)
		return true;
	if (s->where == RJ_QMP_STRING || s->where == RJ_QMP_ESCAPE)
		return c < ' ';
	return c < ' ' && !is_blank(c);
}

static bool opens(unsigned char c)
{
	return c == '{' || c == '[';
}

static bool closes(unsigned char c)
{
	return c == '}' || c == ']';
}

/* A byte inside brackets moves the state on; true when they have closed. */
static bool step_brackets(struct rj_qmp_splitter *s, unsigned char c)
{
	if (s->where == RJ_QMP_ESCAPE) {
		s->where = RJ_QMP_STRING;
	} else if (s->where == RJ_QMP_STRING) {
		if (c == '\\')
			s->where = RJ_QMP_ESCAPE;
		else if (c == '"')
			s->where = RJ_QMP_BRACKETS;
	} else if (c == '"') {
		s->where = RJ_QMP_STRING;
	} else if (opens(c)) {
		s->depth++;
	} else if (closes(c)) {
		s->depth--;
	}
	return s->depth == 0;
}

static enum rj_qmp_piece hand_out(struct rj_qmp_splitter *s,
				  enum rj_qmp_piece piece)
{
	s->where = piece == RJ_QMP_BROKEN ? RJ_QMP_DROPPED : RJ_QMP_DONE;
	return piece;
}

/* One byte. *ret_taken is false for a byte that ends a value it isn't part
 * of. */
static enum rj_qmp_piece step(struct rj_qmp_splitter *s, unsigned char c,
			      bool *ret_taken)
{
	*ret_taken = true;
	if (s->where == RJ_QMP_SKIP) {
		*ret_taken = c != '{';
		if (c == '{' || c == '\n')
			s->where = RJ_QMP_BETWEEN;
		return RJ_QMP_MORE;
	}
	if (is_forbidden(s, c))
		return hand_out(s, RJ_QMP_BROKEN);
	if (s->where == RJ_QMP_LINE && (c == '\n' || c == '{')) {
		*ret_taken = c == '\n';
		return hand_out(s, RJ_QMP_VALUE);
	}
	if (s->where == RJ_QMP_BETWEEN) {
		if (is_blank(c))
			return RJ_QMP_MORE;
		s->where = opens(c) ? RJ_QMP_BRACKETS : RJ_QMP_LINE;
	}
	if (s->used == sizeof(s->text))
		return hand_out(s, RJ_QMP_TOO_LONG);
	s->text[s->used++] = (char)c;
	if (s->where != RJ_QMP_LINE && step_brackets(s, c))
		return hand_out(s, RJ_QMP_VALUE);
	return RJ_QMP_MORE;
}

enum rj_qmp_piece rj_qmp_splitter_take(struct rj_qmp_splitter *s,
				       const char *bytes, size_t count,
				       size_t *ret_taken)
{
	enum rj_qmp_piece piece = RJ_QMP_MORE;
	size_t at = 0;
	bool taken;

	if (s->where == RJ_QMP_DONE || s->where == RJ_QMP_DROPPED) {
		bool broken = s->where == RJ_QMP_DROPPED;

		rj_qmp_splitter_init(s);
		if (broken)
			s->where = RJ_QMP_SKIP;
	}
	while (at < count && piece == RJ_QMP_MORE) {
		piece = step(s, (unsigned char)bytes[at], &taken);
		at += taken;
	}
	*ret_taken = at;
	return piece;
}
