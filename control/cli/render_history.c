/* SPDX-License-Identifier: Apache-2.0 */
/* show vpn history. */
#include <string.h>

#include "render.h"

static void duration(char *buf, size_t cap, long long s)
{
	if (s < 120)
		snprintf(buf, cap, "%lld s", s);
	else if (s < 7200)
		snprintf(buf, cap, "%lld min", s / 60);
	else
		snprintf(buf, cap, "%lld h %lld min", s / 3600, s / 60 % 60);
}

static void tunnels(FILE *out, const json_t *list)
{
	static const struct render_column cols[] = {{"Name", 30},        {"Gateway", 24},  {"Outages", 8},
						    {"Last outage", 17}, {"Down for", 13}, {"Period", 0}};
	struct render_table *t = table_new(RENDER_COLUMNS(cols));
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		char when[RENDER_TIME], down[32];

		duration(down, sizeof(down), render_int(e, "down-seconds"));
		table_cell(t, "%s%s", render_str(e, "name"),
			   render_bool(e, "configured") ? "" : " (no more)");
		table_cell(t, "%s", render_str(e, "gateway"));
		table_cell(t, "%lld", render_int(e, "outages"));
		table_cell(t, "%s", render_time(e, "last-outage", when)[0] ? when : "-");
		table_cell(t, "%s%s", render_int(e, "outages") ? down : "-",
			   render_bool(e, "down") ? ", now" : "");
		if (render_bool(e, "regular"))
			table_cell(t, "%lld s", render_int(e, "period"));
		else
			table_cell(t, "%s", render_int(e, "period") ? "irregular" : "-");
	}
	table_print(out, t);
}

/* By the recorded cause of the outages; without one by their intervals. */
static const char *advice(const json_t *e)
{
	const char *cause = render_str(e, "outages-cause");

	if (strcmp(cause, "peer-silent") == 0)
		return "; each time the peer was silent: look at the peer's restarts, link and CPU, and at the path";
	if (strcmp(cause, "monitor") == 0)
		return "; each time only the monitored destination did not answer: look behind the peer";
	if (!render_bool(e, "regular"))
		return ": no schedule; look at liveness, the path and the peer, not at lifetimes";
	return render_str(e, "period-equals")[0] ? "" : ": compare with the lifetimes that the peer has";
}

static void about_period(FILE *out, const json_t *e)
{
	if (!render_int(e, "period"))
		return;
	fprintf(out, "\n%s went down every %lld s (%lld to %lld)", render_str(e, "name"),
		render_int(e, "period"), render_int(e, "period-min"), render_int(e, "period-max"));
	if (render_bool(e, "regular"))
		fputs(", on schedule", out);
	if (render_str(e, "period-equals")[0])
		fprintf(out, ": that is %s", render_str(e, "period-equals"));
	fprintf(out, "%s\n", advice(e));
}

static void entries(FILE *out, const json_t *list)
{
	static const struct render_column cols[] = {
		{"When", 16}, {"Event", 13}, {"By", 9}, {"Of", 24}, {"What", 0}};
	struct render_table *t = table_new(RENDER_COLUMNS(cols));
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		const char *of = render_str(e, "name")[0] ? render_str(e, "name") : render_str(e, "gateway");
		char when[RENDER_TIME], last[RENDER_TIME], cause[64] = "", often[64] = "";

		if (render_str(e, "cause")[0])
			snprintf(cause, sizeof(cause), "%s%s", render_str(e, "cause"),
				 render_str(e, "text")[0] ? ": " : "");
		if (render_int(e, "count") > 1)
			snprintf(often, sizeof(often), "%s%lld times, last %s",
				 cause[0] || render_str(e, "text")[0] ? "; " : "", render_int(e, "count"),
				 render_time(e, "last", last));
		table_cell(t, "%s", render_time(e, "time", when));
		table_cell(t, "%s", render_str(e, "event"));
		table_cell(t, "%s", render_str(e, "by"));
		table_cell(t, "%s", of[0] ? of : "-");
		table_cell(t, "%s%s%s", cause, render_str(e, "text"), often);
	}
	table_print(out, t);
}

void render_history(FILE *out, const json_t *doc)
{
	const json_t *list = render_list(doc, "tunnels"), *e;
	size_t i;

	tunnels(out, list);
	json_array_foreach(list, i, e) about_period(out, e);
	render_shown(out, doc);
	if (!render_bool(doc, "detail")) {
		fputs("\nshow vpn history tunnel <tunnel> tells what happened.\n", out);
		return;
	}
	fputc('\n', out);
	entries(out, render_list(doc, "entries"));
}
