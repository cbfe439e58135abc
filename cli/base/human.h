/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_HUMAN_H
#define RJ_CLI_BASE_HUMAN_H
/* Numbers for people: binary units, one decimal where it says something. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RJ_CLI_HUMAN_BYTES 28

/* "1.5 GiB"; below 1 KiB "512 B". Each writes into `text` and returns it. */
const char *rj_cli_human_size(uint64_t bytes, char text[RJ_CLI_HUMAN_BYTES]);
/* "1.5 GiB/s" */
const char *rj_cli_human_rate(uint64_t bytes_per_s,
			      char text[RJ_CLI_HUMAN_BYTES]);
/* "7 us", "12.3 ms", "1.5 s", "2 m 05 s" */
const char *rj_cli_human_time(uint64_t us, char text[RJ_CLI_HUMAN_BYTES]);
/* "1.2-3.4 ms", "120-180 ms", "1.5-12 s"; beyond: "over 999 s" */
const char *rj_cli_human_span(uint64_t from_us, uint64_t to_us,
			      char text[RJ_CLI_HUMAN_BYTES]);
/* "-" for what is not known. */
static inline const char *rj_cli_human_if(bool known, const char *text)
{
	return known ? text : "-";
}
/* "1,234,567" */
const char *rj_cli_human_count(uint64_t count, char text[RJ_CLI_HUMAN_BYTES]);
#endif
