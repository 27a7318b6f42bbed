/* SPDX-License-Identifier: Apache-2.0 */
/* Security rules. */
#include <string.h>

#include "render.h"

static void none(FILE *out)
{
	fputs("There are no security rules: every packet may pass between zones.\n", out);
}

/* "a", or "[ a b ]" as PAN-OS writes lists */
static void words(FILE *out, const char *label, const json_t *list)
{
	size_t i, n = json_array_size(list);
	const json_t *w;

	fprintf(out, "        %s%s", label, n > 1 ? " [" : "");
	json_array_foreach(list, i, w) fprintf(out, " %s", json_string_value(w));
	fputs(n > 1 ? " ];\n" : ";\n", out);
}

void render_security_policy(FILE *out, const json_t *doc)
{
	static const char *const lists[] = {"from", "source", "to", "destination", "service"};
	const json_t *e;
	size_t i;

	if (!render_bool(doc, "configured")) {
		none(out);
		return;
	}
	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		if (json_object_get(e, "index"))
			fprintf(out, "\"%s; index: %lld\" {\n", render_str(e, "name"),
				render_int(e, "index"));
		else
			fprintf(out, "\"%s\" {\n", render_str(e, "name"));
		for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++)
			if (json_object_get(e, lists[k]))
				words(out, lists[k], json_object_get(e, lists[k]));
		if (json_object_get(e, "source-port"))
			fprintf(out, "        source-port %s;\n", render_str(e, "source-port"));
		fprintf(out, "        action %s;\n        log %s;\n}\n", render_str(e, "action"),
			render_bool(e, "log") ? "yes" : "no");
	}
}

void render_rule_hits(FILE *out, const json_t *doc)
{
	static const struct render_column cols[] = {
		{"Rule Name", 34}, {"Action", 8}, {"Hit Count", 18}, {"Last Hit", 0}};
	struct render_table *t;
	const json_t *e;
	size_t i;

	if (!render_bool(doc, "configured")) {
		none(out);
		return;
	}
	t = table_new(RENDER_COLUMNS(cols));
	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		char when[RENDER_TIME];

		table_cell(t, "%s", render_str(e, "name"));
		table_cell(t, "%s", render_str(e, "action"));
		table_cell(t, "%lld", render_int(e, "hit-count"));
		table_cell(t, "%s", render_time(e, "last-hit", when)[0] ? when : "-");
	}
	table_print(out, t);
}
