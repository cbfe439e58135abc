/* SPDX-License-Identifier: BSD-3-Clause */
/* The only program of the small Linux that the tests move about: it is the
 * guest's init, keeps memory, files and disks busy, and says on the console
 * whether each byte of them is still what it wrote.  Static, no part of ramjet.
 *
 * What it prints, a line each (the tests wait for these):
 *   ready                       everything asked for has started
 *   tick N SECONDS gap=S wrote=M   by CLOCK_MONOTONIC, ten times a second; the
 *                               longest time between two looks at the clock
 *                               since the last tick, and MiB written in all
 *   pass N ok                   one writer has checked all of its pages
 *   file pass N ok              all files were read back and compared
 *   disk pass N ok              a reader has checked another 64 reads
 *   checked ok                  the answer to `check`
 *   CORRUPT ...                 never
 *   KERNEL ...                  what the kernel logs as a warning or worse
 */
#ifndef RAMJET_TESTS_QEMU_GUEST_H
#define RAMJET_TESTS_QEMU_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* console.c */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void give_up(const char *what);
void listen_to_console(void);
void listen_to_kernel(void);

/* main.c */
double now_s(void);
void sleep_s(double seconds);
void start_thread(void *(*run)(void *), void *argument);
uint64_t parse_size(const char *text);
int run_busybox(const char *const arguments[]);

/* memory.c */
void start_memory(uint64_t bytes, unsigned int writers);
extern _Atomic uint64_t write_rate; /* bytes a second of all writers */
extern _Atomic uint64_t check_rate;
extern uint64_t touch_bytes; /* of a page by each write; before it starts */
extern _Atomic uint64_t written_pages;
extern _Atomic unsigned int checks_wanted;

/* files.c */
void start_files(const char *folder, unsigned int count, size_t bytes,
		 bool direct);

/* disks.c */
void start_disk(const char *description);

#endif
