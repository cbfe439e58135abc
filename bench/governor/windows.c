/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/governor/windows.h"

/* The sample that ends the window beginning at `from`; count: none does. */
static unsigned window_end(const struct series *s, unsigned from, unsigned end,
			   double width_s)
{
	while (end < s->count && s->at_s[end] - s->at_s[from] < width_s)
		end++;
	return end;
}

static double off_percent(const struct series *s, unsigned from, unsigned end,
			  double cap)
{
	const double rate = (s->bytes[end] - s->bytes[from]) /
			    (s->at_s[end] - s->at_s[from]);

	return 100 * (rate / cap - 1);
}

static bool is_outside(double off, double limit)
{
	return off > limit || off < -limit;
}

struct windows windows_of(const struct series *s, double from_s, double width_s,
			  double cap, double limit_percent)
{
	struct windows w = { 0 };

	for (unsigned i = 0, j = 0; i < s->count; i++) {
		double off;

		if (s->at_s[i] < from_s)
			continue;
		j = window_end(s, i, j, width_s);
		if (j == s->count)
			break;
		off = off_percent(s, i, j, cap);
		w.under = off < w.under ? off : w.under;
		w.over = off > w.over ? off : w.over;
		w.outside += is_outside(off, limit_percent);
		w.count++;
	}
	return w;
}

double settled_ms(const struct series *s, double from_s, double width_s,
		  double cap, double limit_percent)
{
	for (unsigned i = 0, j = 0; i < s->count; i++) {
		if (s->at_s[i] < from_s)
			continue;
		j = window_end(s, i, j, width_s);
		if (j == s->count)
			break;
		if (!is_outside(off_percent(s, i, j, cap), limit_percent))
			return (s->at_s[i] - from_s) * 1e3;
	}
	return -1;
}

double mean_rate(const struct series *s)
{
	const unsigned last = s->count - 1;

	return s->count < 2 ? 0
			    : (s->bytes[last] - s->bytes[0]) /
				      (s->at_s[last] - s->at_s[0]);
}
