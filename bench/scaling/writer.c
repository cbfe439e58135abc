/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/scaling/writer.h"

#include <ramjet.h>

#include <string.h>

#include "bench/busy_guest.h"
#include "bench/machine.h"

/* Between two looks at the clock: little enough to be even, much enough not to
 * measure the clock. */
#define BATCH 64u

static void write_batch(struct writer *writer)
{
	uint64_t at =
		atomic_load_explicit(&writer->written, memory_order_relaxed);

	for (unsigned i = 0; i < BATCH; i++, at++)
		memcpy(memory_page(writer->memory, at % writer->set_pages), &at,
		       sizeof(at));
	atomic_store_explicit(&writer->written, at, memory_order_relaxed);
}

static void *write_on(void *arg)
{
	struct writer *writer = arg;
	const double began = now_s();
	uint64_t own = 0;

	while (!atomic_load_explicit(&writer->stop, memory_order_relaxed)) {
		const double due = (now_s() - began) *
				   (double)writer->bytes_per_s /
				   RAMJET_PAGE_BYTES;

		if ((double)own > due) {
			pause_ms(1);
			continue;
		}
		write_batch(writer);
		own += BATCH;
	}
	return NULL;
}

void writer_start(struct writer *writer)
{
	if (!writer->bytes_per_s)
		return;
	atomic_store(&writer->stop, false);
	if (pthread_create(&writer->thread, NULL, write_on, writer))
		give_up("no thread for the guest");
}

void writer_stop(struct writer *writer)
{
	if (!writer->bytes_per_s)
		return;
	atomic_store(&writer->stop, true);
	(void)pthread_join(writer->thread, NULL);
}
