/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/session/result.h"

#include <string.h>

#include "cli/base/human.h"
#include "cli/base/terminal.h"
#include "cli/report/known.h"
#include "cli/report/savings.h"

#define COLUMNS 80
#define INDENT  13 /* where text begins, after its label */
/* A fast path in full: what the library keeps of one is shorter. */
#define PATH_BYTES 256

static void label(FILE *out, const char *name)
{
	(void)fprintf(out, "  %s%-10s%s ", rj_cli_ink(out, RJ_CLI_BOLD), name,
		      rj_cli_ink(out, RJ_CLI_PLAIN));
}

static void print_row(FILE *out, const char *name, uint64_t predicted_us,
		      uint64_t actual_us, bool predicted)
{
	char left[RJ_CLI_HUMAN_BYTES] = "-", right[RJ_CLI_HUMAN_BYTES];

	if (predicted)
		rj_cli_human_time(predicted_us, left);
	(void)fprintf(out, "    %-24s %12s %12s\n", name, left,
		      rj_cli_human_time(actual_us, right));
}

/* Of the whole pause. The limit, and so what the library predicts for it,
 * leaves the proof out; its terms do not. */
static uint64_t predicted_us(const struct ramjet_info *info)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < info->term_count; i++)
		sum += RAMJET_AT(info->terms, i)->predicted_us;
	return sum ? sum : info->downtime_p50_us;
}

void rj_cli_result_pause(const struct ramjet_info *info, FILE *out)
{
	char limit[RJ_CLI_HUMAN_BYTES];

	(void)fprintf(out, "  %s%-26s %12s %12s%s\n",
		      rj_cli_ink(out, RJ_CLI_BOLD), "the pause, term by term",
		      "predicted", "actual", rj_cli_ink(out, RJ_CLI_PLAIN));
	for (size_t i = 0; i < info->term_count; i++)
		print_row(out, RAMJET_AT(info->terms, i)->name,
			  RAMJET_AT(info->terms, i)->predicted_us,
			  RAMJET_AT(info->terms, i)->actual_us,
			  rj_cli_knows(info, RAMJET_KNOWN_PREDICTION));
	print_row(out, "= the guest stood still", predicted_us(info),
		  info->downtime_us,
		  rj_cli_knows(info, RAMJET_KNOWN_PREDICTION));
	(void)fprintf(out, "    %-24s %12s %12s\n",
		      info->verified ? "  the limit, proof apart"
				     : "  the limit wanted",
		      "", rj_cli_human_time(info->downtime_limit_us, limit));
}

/* Those of which there are some. */
static void pages_made_smaller(const struct ramjet_info *info, FILE *out)
{
	char pages[RJ_CLI_HUMAN_BYTES];

	if (info->ram_compressed_pages)
		(void)fprintf(
			out, ", %s compressed",
			rj_cli_human_count(info->ram_compressed_pages, pages));
	if (info->ram_delta_pages)
		(void)fprintf(out, ", %s as deltas",
			      rj_cli_human_count(info->ram_delta_pages, pages));
}

static void tell_of_lost_lanes(const struct ramjet_info *info, FILE *out)
{
	char pages[RJ_CLI_HUMAN_BYTES];

	if (!info->lanes_lost)
		return;
	label(out, "");
	(void)fprintf(out,
		      "%u connection%s lost, %u came back; %s pages sent "
		      "again\n",
		      info->lanes_lost, info->lanes_lost == 1 ? "" : "s",
		      info->lanes_rejoined,
		      rj_cli_human_count(info->ram_resent_pages, pages));
}

void rj_cli_result_memory(const struct ramjet_info *info, FILE *out)
{
	char total[RJ_CLI_HUMAN_BYTES], time[RJ_CLI_HUMAN_BYTES];
	char sent[RJ_CLI_HUMAN_BYTES], rate[RJ_CLI_HUMAN_BYTES];
	char normal[RJ_CLI_HUMAN_BYTES], zero[RJ_CLI_HUMAN_BYTES];
	char never[RJ_CLI_HUMAN_BYTES], cpu[RJ_CLI_HUMAN_BYTES];

	label(out, "memory");
	(void)fprintf(
		out, "%s of guest RAM in %s: %s %s at %s\n",
		rj_cli_human_size(info->ram_total_bytes, total),
		rj_cli_human_time(info->total_us, time),
		rj_cli_human_size(info->ram_transferred_bytes, sent),
		info->outgoing ? "sent" : "received",
		rj_cli_human_if(
			rj_cli_knows(info, RAMJET_KNOWN_THROUGHPUT),
			rj_cli_human_rate(info->throughput_bytes_per_s, rate)));
	label(out, "pages");
	(void)fprintf(out, "%s normal, %s zero",
		      rj_cli_human_count(info->ram_normal_pages, normal),
		      rj_cli_human_count(info->ram_zero_pages, zero));
	pages_made_smaller(info, out);
	/* Only the source knows which memory was never touched. */
	if (info->outgoing)
		(void)fprintf(
			out, ", %s never touched",
			rj_cli_human_count(info->ram_unpopulated_pages, never));
	(void)fprintf(out, "; %llu rounds\n",
		      (unsigned long long)info->rounds_total);
	if (info->called_off) {
		label(out, "");
		(void)fprintf(out,
			      "%u switchover%s called off, as too long a "
			      "pause\n",
			      info->called_off,
			      info->called_off == 1 ? "" : "s");
	}
	if (info->control_reconnects) {
		label(out, "");
		(void)fprintf(out, "the control link came back %llu time%s\n",
			      (unsigned long long)info->control_reconnects,
			      info->control_reconnects == 1 ? "" : "s");
	}
	tell_of_lost_lanes(info, out);
	label(out, "work");
	(void)fprintf(
		out, "%zu channel%s, %s of CPU time on this side\n",
		info->channel_count, info->channel_count == 1 ? "" : "s",
		rj_cli_human_time(info->control_cpu_us + info->workers_cpu_us,
				  cpu));
}

void rj_cli_result_savings(const struct ramjet_savings *savings, FILE *out)
{
	char text[RJ_CLI_SAVED_BYTES];

	if (!*rj_cli_savings_text(savings, text))
		return;
	label(out, "saved");
	(void)fprintf(out, "%s\n", text);
}

/* From column INDENT on; what is too long for a line goes on in the next one,
 * behind a space. Returns the column where it ends. */
static size_t print_wrapped(const char *text, FILE *out)
{
	size_t column = INDENT;

	while (*text) {
		const size_t word = 1 + strcspn(text + 1, " ");

		if (column > INDENT && column + word >= COLUMNS) {
			(void)fputc('\n', out);
			label(out, "");
			column = INDENT;
			text += *text == ' ';
			continue;
		}
		(void)fprintf(out, "%.*s", (int)word, text);
		column += word;
		text += word;
	}
	return column;
}

void rj_cli_result_paths(const struct ramjet_info *info, FILE *out)
{
	size_t column = 0;

	for (size_t i = 0; i < info->fast_path_count; i++) {
		const struct ramjet_fast_path_info *path =
			RAMJET_AT(info->fast_paths, i);
		char text[PATH_BYTES];
		size_t length;

		(void)snprintf(text, sizeof(text), "%s: %s%s%s%s", path->name,
			       path->chosen, *path->reason ? " (" : "",
			       path->reason, *path->reason ? ")" : "");
		length = strlen(text);
		if (!i || column + 2 + length >= COLUMNS) {
			(void)fputs(i ? "\n" : "", out);
			label(out, i ? "" : "fast paths");
			column = print_wrapped(text, out);
		} else {
			(void)fprintf(out, "; %s", text);
			column += 2 + length;
		}
	}
	(void)fputs(info->fast_path_count ? "\n" : "", out);
}

void rj_cli_result_helpers(const struct ramjet_info *info, FILE *out)
{
	char bytes[RJ_CLI_HUMAN_BYTES], time[RJ_CLI_HUMAN_BYTES];
	bool first = true;

	for (size_t i = 0; i < info->helper_count; i++) {
		const struct ramjet_helper_info *helper =
			RAMJET_AT(info->helpers, i);

		if (!helper->takes_part)
			continue;
		label(out, first ? "helpers" : "");
		rj_cli_print_harmless(out, helper->id);
		(void)fprintf(out, ": %s, %s in %s\n",
			      rj_cli_human_size(helper->bytes, bytes),
			      info->outgoing ? "saved" : "loaded",
			      rj_cli_human_time(info->outgoing
							? helper->save_us
							: helper->load_us,
						time));
		first = false;
	}
}

void rj_cli_result_proof(const struct ramjet_info *info, FILE *out)
{
	char size[RJ_CLI_HUMAN_BYTES];

	label(out, "proof");
	if (!info->verified) {
		(void)fprintf(out, "not asked for (--verify)\n");
		return;
	}
	(void)fprintf(out,
		      "%smemory proven equal%s: %u block%s, %s, XXH3 digests "
		      "identical\n",
		      rj_cli_ink(out, RJ_CLI_GOOD),
		      rj_cli_ink(out, RJ_CLI_PLAIN), info->verify_blocks,
		      info->verify_blocks == 1 ? "" : "s",
		      rj_cli_human_size(info->ram_total_bytes, size));
}

static void print_guest(const struct rj_cli_session *session, FILE *out)
{
	const struct rj_cli_guest_check *check = &session->check;
	char first[RJ_CLI_HUMAN_BYTES], more[RJ_CLI_HUMAN_BYTES];
	char pages[RJ_CLI_HUMAN_BYTES];

	label(out, "guest");
	(void)fprintf(out,
		      "went on at page write %s, made %s more; self-check of "
		      "%s\n%*spages is clean\n",
		      rj_cli_human_count(check->first_write + 1, first),
		      rj_cli_human_count(check->own_writes, more),
		      rj_cli_human_count(check->pages, pages), INDENT, "");
}

void rj_cli_result_print(const struct rj_cli_session *session, FILE *out)
{
	const struct ramjet_info *info = session->info;
	/* Port 0 is where it was to listen, not where it did. */
	const char *uri = info->outgoing
				  ? info->uri
				  : ramjet_listen_uri(session->migration);
	char pause[RJ_CLI_HUMAN_BYTES], limit[RJ_CLI_HUMAN_BYTES];
	char predicted[RJ_CLI_HUMAN_BYTES];

	(void)fprintf(out, "%scompleted%s: ", rj_cli_ink(out, RJ_CLI_GOOD),
		      rj_cli_ink(out, RJ_CLI_PLAIN));
	rj_cli_say(out, "%s", uri);
	rj_cli_result_memory(info, out);
	rj_cli_result_savings(session->savings, out);
	/* The source's clock measures it: it stops the guest, and hears that
	 * it runs. */
	if (info->outgoing) {
		label(out, "pause");
		(void)fprintf(
			out, "%s (predicted %s, limit %s)\n",
			rj_cli_human_time(info->downtime_us, pause),
			rj_cli_human_if(
				rj_cli_knows(info, RAMJET_KNOWN_PREDICTION),
				rj_cli_human_time(predicted_us(info),
						  predicted)),
			rj_cli_human_time(info->downtime_limit_us, limit));
	}
	rj_cli_result_helpers(info, out);
	if (info->verified)
		rj_cli_result_proof(info, out);
	if (session->role == RJ_CLI_TARGET && session->checked)
		print_guest(session, out);
}

void rj_cli_result_show(void *session)
{
	rj_cli_result_print(session, stdout);
}
