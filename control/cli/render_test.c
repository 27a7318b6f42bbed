/* SPDX-License-Identifier: Apache-2.0 */
/* test vpn packet, show vpn tunnel-monitor. */
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

	if (json_array_size(render_list(doc, "entries")) == 0) {
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
		for (size_t k = 0; k < 3; k++)
			table_cell(t, "%.3f", (double)render_int(e, rtt[k]) / 1e6);
	}
	table_print(out, t);
}
