/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose vpn, explain, reference. */
#include <string.h>

#include "render.h"

/* Words under each other where a line would be too long for a terminal. */
static void wrapped(FILE *out, int indent, const char *text)
{
	const int width = 100 - indent;

	for (int len = (int)strlen(text); len > 0;) {
		int cut = len;

		if (len > width) {
			for (cut = width; cut > 0 && text[cut] != ' ';)
				cut--;
			if (cut == 0)
				cut = width;
		}
		fprintf(out, "%.*s\n", cut, text);
		while (text[cut] == ' ')
			cut++;
		text += cut;
		len -= cut;
		if (len > 0)
			fprintf(out, "%*s", indent, "");
	}
}

/* Where the other end tells more. */
static void at_peer(FILE *out)
{
	fputs("\n  Only the peer knows more. Let it begin (test vpn there, or traffic): asked by it, culvert sees both\n"
	      "  ends' values and names what differs. Or look into its log:\n"
	      "    PAN-OS         show log system subtype equal vpn direction equal backward\n"
	      "    IOS-XE         show crypto ikev2 sa detailed; debug crypto ikev2 error\n"
	      "    strongSwan     swanctl --log; swanctl --list-sas; swanctl --list-conns\n",
	      out);
}

static void one(FILE *out, const json_t *e)
{
	const json_t *s;
	size_t i;

	fprintf(out, "%s (gateway %s%s%s): %s\n\n", render_str(e, "name"), render_str(e, "gateway"),
		render_str(e, "peer")[0] ? ", peer " : "", render_str(e, "peer"), render_str(e, "tree"));
	json_array_foreach(render_list(e, "steps"), i, s)
	{
		const char *state = render_str(s, "state");

		fprintf(out, "  %-8s",
			strcmp(state, "bad") == 0       ? "BAD"
			: strcmp(state, "unknown") == 0 ? "-"
							: state);
		render_col(out, 26, "%s", render_str(s, "step"));
		wrapped(out, 36, render_str(s, "text"));
	}
	fprintf(out, "\n  verdict      %s\n  cause        ", render_str(e, "verdict"));
	wrapped(out, 15, render_str(e, "cause"));
	if (render_str(e, "fix")[0]) {
		fputs("  what to do   ", out);
		wrapped(out, 15, render_str(e, "fix"));
	}
	if (json_array_size(render_list(json_object_get(e, "reason"), "at-peer"))) {
		fputs("\n  If what is configured here is right, at the peer:\n", out);
		render_at_peer(out, json_object_get(e, "reason"), 4);
	}
	if (render_bool(e, "ask-peer"))
		at_peer(out);
}

static void callers(FILE *out, const json_t *list)
{
	const json_t *e;
	size_t i;

	if (json_array_size(list))
		fputs("\nCalls from nobody's peer:\n", out);
	json_array_foreach(list, i, e)
		fprintf(out, "  %s (%lld)\n", render_str(e, "text"), render_int(e, "count"));
}

/* The triage of a minute: phase 1, phase 2, which way packets go. */
static void all(FILE *out, const json_t *list, const json_t *callers_list)
{
	static const struct render_column cols[] = {{"Tunnel", 30}, {"ike-sa", 7}, {"ipsec-sa", 9},
						    {"encap", 12},  {"decap", 12}, {"Verdict", 0}};
	struct render_table *t = table_new(RENDER_COLUMNS(cols));
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		table_cell(t, "%s", render_str(e, "name"));
		table_cell(t, "%s", render_bool(e, "ike-sa") ? "up" : "-");
		table_cell(t, "%s", render_bool(e, "ipsec-sa") ? "up" : "-");
		table_cell(t, "%lld", render_int(e, "pkt-encap"));
		table_cell(t, "%lld", render_int(e, "pkt-decap"));
		table_cell(t, "%s", render_str(e, "verdict"));
	}
	table_print(out, t);
	callers(out, callers_list);
	fputs("\ndiagnose vpn tunnel <tunnel> tells by what evidence, and what to do; explain <verdict> what it means.\n",
	      out);
}

void render_diagnose(FILE *out, const json_t *doc)
{
	const json_t *list = render_list(doc, "entries"), *e;
	size_t i;

	if (!render_bool(doc, "detail")) {
		all(out, list, render_list(doc, "callers"));
		return;
	}
	json_array_foreach(list, i, e)
	{
		if (i)
			fputc('\n', out);
		one(out, e);
	}
}

void render_knowledge(FILE *out, const json_t *doc)
{
	const json_t *list = render_list(doc, "entries"), *e;
	const char *command = render_str(doc, "command");
	size_t i;

	if (list) {
		json_array_foreach(list, i, e)
		{
			render_col(out, 20, "%s", render_str(e, "word"));
			fprintf(out, "%s\n", render_str(e, "title"));
		}
		fprintf(out, "\n%s <word> tells more.\n", command);
		return;
	}
	fprintf(out, "%s\n\n", render_str(doc, "title"));
	json_array_foreach(render_list(doc, "lines"), i, e) fprintf(out, "%s\n", json_string_value(e));
	if (json_array_size(render_list(doc, "see")) == 0)
		return;
	fprintf(out, "\nsee also: ");
	json_array_foreach(render_list(doc, "see"), i, e)
		fprintf(out, "%s%s %s", i ? ", " : "", command, json_string_value(e));
	fputc('\n', out);
}
