/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that is written at a rate and checked at another, page after page. */
#include "guest.h"
#include "pattern.h"

#include <stdlib.h>
#include <sys/mman.h>

#define PAGE       4096
#define PAGE_WORDS (PAGE / sizeof(uint64_t))
/* How long a writer works or sleeps at a time. */
#define TURN_S 0.005
/* What wasn't done in time is made up for this far back. */
#define BEHIND_S 0.1

_Atomic uint64_t write_rate;
_Atomic uint64_t check_rate;
uint64_t touch_bytes = PAGE;
_Atomic uint64_t written_pages;
_Atomic unsigned int checks_wanted;
static _Atomic unsigned int checks_done; /* by writers, all together */
static _Atomic unsigned int passes;
static unsigned int writer_count;

struct writer {
	uint64_t *pages;
	uint32_t *generations; /* what each page must be at */
	size_t count;
	uint64_t first;  /* number of its first page among all writers' */
	uint64_t writes; /* since the start; the generations' sum */
	size_t next_write;
	size_t next_check;
	unsigned int checks_seen;
};

static uint64_t *page_at(const struct writer *writer, size_t page)
{
	return writer->pages + page * PAGE_WORDS;
}

/* What the words that each write changes follow from. */
static uint64_t head_of(const struct writer *writer, size_t page)
{
	return pattern_head(PATTERN_MEMORY, writer->first + page,
			    writer->generations[page]);
}

/* What all others follow from. */
static uint64_t first_head_of(const struct writer *writer, size_t page)
{
	return pattern_head(PATTERN_MEMORY, writer->first + page, 1);
}

static size_t touched_words(void)
{
	return touch_bytes / sizeof(uint64_t);
}

static bool check_page(const struct writer *writer, size_t page)
{
	const uint64_t *words = page_at(writer, page);
	uint64_t rest = pattern_word(first_head_of(writer, page), 0);

	if (!pattern_check("memory page", words, touched_words(),
			   head_of(writer, page)))
		return false;
	for (size_t i = touched_words(); i < PAGE_WORDS; i++) {
		if (words[i] == rest + i)
			continue;
		say("CORRUPT memory page %llu: word %zu, which is never "
		    "written, is %#llx",
		    (unsigned long long)(writer->first + page), i,
		    (unsigned long long)words[i]);
		return false;
	}
	return true;
}

/* What is overwritten can't be checked later.  Its first word and one other
 * are enough for a page that is lost, old or another's. */
static void glance_at_page(const struct writer *writer, size_t page)
{
	const uint64_t *words = page_at(writer, page);
	uint32_t generation = writer->generations[page];
	uint64_t head = head_of(writer, page);
	size_t other = 1 + generation % (PAGE_WORDS - 1);
	uint64_t from =
		other < touched_words() ? head : first_head_of(writer, page);

	if (generation > 0 &&
	    (words[0] != head || words[other] != pattern_word(from, other)))
		check_page(writer, page);
}

static void write_page(struct writer *writer)
{
	size_t page = writer->next_write++;

	if (writer->next_write == writer->count)
		writer->next_write = 0;
	glance_at_page(writer, page);
	writer->generations[page]++;
	writer->writes++;
	/* The first time, all of it. */
	pattern_fill(page_at(writer, page),
		     writer->generations[page] > 1 ? touched_words()
						   : PAGE_WORDS,
		     head_of(writer, page));
}

/* Pages and generations could be old together; their sum can't. */
static bool check_sum(const struct writer *writer)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < writer->count; i++)
		sum += writer->generations[i];
	if (sum != writer->writes)
		say("CORRUPT generations: their sum is %llu, written were %llu",
		    (unsigned long long)sum,
		    (unsigned long long)writer->writes);
	return sum == writer->writes;
}

static void check_some(struct writer *writer, size_t pages)
{
	for (; pages > 0; pages--) {
		check_page(writer, writer->next_check++);
		if (writer->next_check < writer->count)
			continue;
		writer->next_check = 0;
		check_sum(writer);
		say("pass %u ok", ++passes);
	}
}

static void check_all(struct writer *writer)
{
	bool good = check_sum(writer);

	for (size_t page = 0; page < writer->count; page++)
		good = check_page(writer, page) && good;
	if (good && ++checks_done == checks_wanted * writer_count)
		say("checked ok");
}

/* Pages due at this rate since `*since`, which goes on by their time. */
static size_t pages_due(double *since, double now, uint64_t rate)
{
	double pages_per_s = (double)rate / writer_count / PAGE;
	size_t due;

	if (now - *since > BEHIND_S)
		*since = now - BEHIND_S;
	due = (size_t)((now - *since) * pages_per_s);
	if (due > 0)
		*since += (double)due / pages_per_s;
	return due;
}

static void *run_writer(void *argument)
{
	struct writer *writer = argument;
	double wrote = now_s(), checked = wrote;

	for (;;) {
		double start = now_s();
		size_t due = pages_due(&wrote, start, write_rate);

		for (size_t i = 0; i < due; i++)
			write_page(writer);
		written_pages += due;
		check_some(writer, pages_due(&checked, start, check_rate));
		if (writer->checks_seen != checks_wanted) {
			writer->checks_seen = checks_wanted;
			check_all(writer);
		}
		sleep_s(TURN_S - (now_s() - start));
	}
	return NULL;
}

void start_memory(uint64_t bytes, unsigned int writers)
{
	uint64_t first = 0;

	writer_count = writers;
	for (unsigned int i = 0; i < writers; i++) {
		struct writer *writer = calloc(1, sizeof(*writer));

		if (!writer)
			give_up("memory for a writer");
		writer->count = (size_t)(bytes / writers / PAGE);
		writer->first = first;
		first += writer->count;
		writer->generations =
			calloc(writer->count, sizeof(*writer->generations));
		writer->pages =
			mmap(NULL, writer->count * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (!writer->generations || writer->pages == MAP_FAILED)
			give_up("memory to write to");
		for (size_t page = 0; page < writer->count; page++)
			write_page(writer);
		start_thread(run_writer, writer);
	}
}
