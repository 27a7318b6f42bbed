/* SPDX-License-Identifier: Apache-2.0 */
/* test vpn packet, show vpn tunnel-monitor, ping. */
#include <string.h>

#include "render.h"

void render_test_packet(FILE *out, const json_t *doc)
{
	const char *verdict = render_str(doc, "verdict");
	const json_t *e;
	size_t i;

	fprintf(out, "%s to %s, protocol %lld", render_str(doc, "source"), render_str(doc, "destination"),
		render_int(doc, "protocol"));
	if (render_int(doc, "source-port") || render_int(doc, "destination-port"))
		fprintf(out, ", port %lld to %lld", render_int(doc, "source-port"),
			render_int(doc, "destination-port"));
	fputs("\n\n", out);
	json_array_foreach(render_list(doc, "steps"), i, e)
	{
		fprintf(out, "  %-5s", render_bool(e, "ok") ? "ok" : "FAIL");
		render_col(out, 16, "%s", render_str(e, "step"));
		fprintf(out, "%s\n", render_str(e, "text"));
	}
	if (strcmp(verdict, "drop") != 0) {
		fprintf(out, "\nverdict: %s\n",
			strcmp(verdict, "local") == 0 ? "for the gateway itself" : "it would be sent");
	} else {
		fprintf(out, "\nverdict: it would be dropped: %s (%s)\n", render_str(doc, "reason"),
			render_str(doc, "help"));
	}
	if (render_str(doc, "advice")[0])
		fprintf(out, "what to do: %s\n", render_str(doc, "advice"));
}

void render_monitor(FILE *out, const json_t *doc)
{
	static const struct render_column cols[] = {
		{"tunnel", 24}, {"destination", 16}, {"status", 7}, {"tunnel is", 10}, {"action", 13},
		{"sent", 10},   {"received", 10},    {"rtt ms", 9}, {"min", 9},        {"max", 0}};
	static const char *const rtt[] = {"rtt-ns", "rtt-min-ns", "rtt-max-ns"};
	struct render_table *t;
	const json_t *e;
	size_t i;

	if (render_int(doc, "of") == 0) {
		fputs("No tunnel is monitored.\n", out);
		return;
	}
	t = table_new(RENDER_COLUMNS(cols));
	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		table_cell(t, "%s", render_str(e, "tunnel"));
		table_cell(t, "%s", render_str(e, "destination"));
		table_cell(t, "%s", render_str(e, "status"));
		table_cell(t, "%s", render_str(e, "tunnel-status"));
		table_cell(t, "%s", render_str(e, "action"));
		table_cell(t, "%lld", render_int(e, "pkt-sent"));
		table_cell(t, "%lld", render_int(e, "pkt-recv"));
		for (size_t k = 0; k < 3; k++) {
			if (render_int(e, rtt[k]))
				table_cell(t, "%.3f", (double)render_int(e, rtt[k]) / 1e6);
			else
				table_cell(t, "-"); /* none was answered */
		}
	}
	table_print(out, t);
	render_shown(out, doc);
}

static void ping_summary(FILE *out, const char *host, const json_t *s)
{
	long long sent = render_int(s, "sent"), received = render_int(s, "received");

	fprintf(out, "\n--- %s ping statistics ---\n", host);
	fprintf(out, "%lld packets transmitted, %lld received, %lld%% packet loss, time %lldms\n", sent,
		received, sent ? (sent - received) * 100 / sent : 0, render_int(s, "time-ms"));
	if (received)
		fprintf(out, "rtt min/avg/max = %.3f/%.3f/%.3f ms\n",
			(double)render_int(s, "rtt-min-ns") / 1e6, (double)render_int(s, "rtt-avg-ns") / 1e6,
			(double)render_int(s, "rtt-max-ns") / 1e6);
}

/* A page of it or the whole. */
void render_ping(FILE *out, const json_t *doc)
{
	const json_t *start = json_object_get(doc, "start"), *summary = json_object_get(doc, "summary"), *e;
	const char *host = render_str(doc, "host");
	size_t i;

	if (start)
		fprintf(out, "PING %s from %s: %lld(%lld) bytes of data%s.\n", host,
			render_str(start, "source"), render_int(start, "size"), render_int(start, "length"),
			render_bool(start, "do-not-fragment") ? ", not to be fragmented" : "");
	json_array_foreach(render_list(doc, "replies"), i, e) fprintf(
		out, "%lld bytes from %s: icmp_seq=%lld ttl=%lld time=%.3f ms\n", render_int(e, "bytes"),
		host, render_int(e, "seq"), render_int(e, "ttl"), (double)render_int(e, "rtt-ns") / 1e6);
	if (summary)
		ping_summary(out, host, summary);
}
