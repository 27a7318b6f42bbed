/* SPDX-License-Identifier: Apache-2.0 */
/* Why negotiations failed: what happened, both sides' parameters, what to do here and what to type there. */
#include <string.h>

#include "render.h"

static void parameters(FILE *out, const json_t *list)
{
	static const struct render_column cols[] = {{"  parameter", 20}, {"here", 30}, {"peer", 30}, {"", 0}};
	struct render_table *t;
	const json_t *e;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	t = table_new(RENDER_COLUMNS(cols));
	json_array_foreach(list, i, e)
	{
		bool same = render_bool(e, "same");

		table_cell(t, "  %s", render_str(e, "parameter"));
		table_cell(t, "%s", render_str(e, "ours"));
		table_cell(t, "%s", render_str(e, "theirs"));
		table_cell(t, "%s%s%s", same ? "fits" : "DIFFERS", render_str(e, "how")[0] ? ": " : "",
			   render_str(e, "how"));
	}
	table_print(out, t);
}

void render_at_peer(FILE *out, const json_t *reason, int indent)
{
	const json_t *list = render_list(reason, "at-peer"), *e, *line;
	size_t i, k;

	json_array_foreach(list, i, e) json_array_foreach(render_list(e, "commands"), k, line)
	{
		fprintf(out, "%*s", indent, "");
		render_col(out, 15, "%s", k ? "" : render_str(e, "system"));
		fprintf(out, "%s\n", json_string_value(line));
	}
}

/* Long sentences stay on their line: a terminal wraps them, `match` finds them. */
enum { THEIRS = 2 }; /* a mere notify stands in the text already */

static void reason(FILE *out, const json_t *r, const char *kind, const char *what, const char *name,
		   bool at_length)
{
	static const char *const lines[] = {"text", "ours", "theirs", "hint"};
	static const char *const labels[] = {"what happened", "we have", "peer has", "what to do"};
	char t[RENDER_TIME];

	fprintf(out, "\n%s failure of %s %s: %s, as %s", kind, what, name, render_time(r, "at", t),
		render_str(r, "role"));
	if (render_str(r, "exchange")[0])
		fprintf(out, ", in %s", render_str(r, "exchange"));
	fprintf(out, "%s\n", render_bool(r, "reported-by-peer") ? ", as the peer reports" : "");
	fprintf(out, "  cause:         %s\n", render_str(r, "cause"));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (render_str(r, lines[i])[0] &&
		    !(i == THEIRS && strstr(render_str(r, "text"), render_str(r, lines[i]))))
			fprintf(out, "  %s:%*s%s\n", labels[i], 14 - (int)strlen(labels[i]), "",
				render_str(r, lines[i]));
	if (!at_length)
		return;
	if (render_int(r, "count") > 1)
		fprintf(out, "  times:         %lld since %s\n", render_int(r, "count"),
			render_time(r, "first", t));
	parameters(out, render_list(r, "parameters"));
	if (json_array_size(render_list(r, "at-peer"))) {
		fputs("  at the peer, if what is here is right:\n", out);
		render_at_peer(out, r, 4);
	}
}

/* A gateway that fails takes its tunnels down with it: their records repeat the gateway's. */
static bool same_failure(const json_t *a, const json_t *b)
{
	return a && render_int(a, "at") == render_int(b, "at") &&
	       strcmp(render_str(a, "gateway"), render_str(b, "gateway")) == 0 &&
	       strcmp(render_str(a, "cause"), render_str(b, "cause")) == 0 &&
	       strcmp(render_str(a, "text"), render_str(b, "text")) == 0;
}

static bool told_already(const json_t *list, size_t n, const json_t *e)
{
	for (size_t i = 0; i < n; i++)
		if (!render_str(json_array_get(list, i), "tunnel")[0] &&
		    same_failure(json_array_get(list, i), e))
			return true;
	return false;
}

static void list_of(FILE *out, const json_t *list, const char *kind, bool at_length)
{
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		char name[256];

		if (!render_str(e, "tunnel")[0]) {
			reason(out, e, kind, "gateway", render_str(e, "gateway"), at_length);
			continue;
		}
		snprintf(name, sizeof(name), "%s%s%s", render_str(e, "tunnel"),
			 render_str(e, "proxy-id")[0] ? ":" : "", render_str(e, "proxy-id"));
		if (told_already(list, i, e))
			fprintf(out, "  with it:       tunnel %s\n", name);
		else
			reason(out, e, kind, "tunnel", name, at_length);
	}
}

void render_failures(FILE *out, const json_t *doc, bool at_length)
{
	list_of(out, render_list(doc, "failures"), "Last", at_length);
	if (at_length)
		list_of(out, render_list(doc, "earlier-failures"), "Earlier", false);
}

void render_own_failures(FILE *out, const json_t *tunnel)
{
	const json_t *last = json_object_get(tunnel, "last-failure"), *e;
	size_t i;

	if (json_is_object(last))
		reason(out, last, "Last", "tunnel", render_str(tunnel, "name"), true);
	json_array_foreach(render_list(tunnel, "earlier-failures"), i, e)
		reason(out, e, "Earlier", "tunnel", render_str(tunnel, "name"), false);
}
