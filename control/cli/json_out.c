/* SPDX-License-Identifier: Apache-2.0 */
#include "json_out.h"

#include <stdlib.h>
#include <string.h>

enum { INDENT = 2 };

/* A value so many levels down, as JSON_INDENT would have it there. */
static void put(struct json_out *o, const json_t *v, int level)
{
	char *text = json_dumps(v, JSON_INDENT(INDENT) | JSON_ENCODE_ANY);

	for (const char *s = text, *nl; s && *s; s = nl) {
		nl = strchrnul(s, '\n');
		fwrite(s, 1, (size_t)(nl - s), o->out);
		if (*nl) {
			nl++;
			fprintf(o->out, "\n%*s", INDENT * level, "");
		}
	}
	free(text);
}

static void put_key(struct json_out *o, const char *key)
{
	json_t *k = json_string(key);

	fprintf(o->out, o->begun ? ",\n%*s" : "{\n%*s", INDENT, "");
	o->begun = true;
	put(o, k, 1);
	fputs(": ", o->out);
	json_decref(k);
}

static void close_list(struct json_out *o)
{
	if (o->list)
		fprintf(o->out, "\n%*s]", INDENT, "");
	free(o->list);
	o->list = NULL;
	o->n = 0;
}

static void put_elements(struct json_out *o, const char *key, const json_t *list)
{
	const json_t *v;
	size_t i;

	if (!o->list || strcmp(o->list, key) != 0) {
		close_list(o);
		put_key(o, key);
		fputc('[', o->out);
		o->list = strdup(key);
		json_object_set_new(o->lists, key, json_null());
	}
	json_array_foreach(list, i, v)
	{
		fprintf(o->out, "%s\n%*s", o->n++ ? "," : "", 2 * INDENT, "");
		put(o, v, 2);
	}
	json_object_del(o->rest, key); /* it was empty so far */
}

static void put_page(struct json_out *o, const json_t *page)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)page, key, v)
	{
		if (json_array_size(v))
			put_elements(o, key, v);
		else if (!json_object_get(o->lists, key))
			json_object_set(o->rest, key, v);
	}
	fflush(o->out);
}

void json_out_page(struct json_out *o, const json_t *page)
{
	json_t *p = json_copy((json_t *)page);

	json_object_del(p, "stream"); /* between daemon and client */
	if (!o->rest && !o->first) {
		o->first = p;
		return;
	}
	if (!o->rest) {
		o->rest = json_object();
		o->lists = json_object();
		put_page(o, o->first);
	}
	put_page(o, p);
	json_decref(o->first);
	o->first = NULL;
	json_decref(p);
}

void json_out_cut(struct json_out *o)
{
	json_decref(o->first);
	json_decref(o->rest);
	json_decref(o->lists);
	free(o->list);
	*o = (struct json_out){.out = o->out};
}

bool json_out_end(struct json_out *o)
{
	bool any = o->first || o->rest;
	const char *key;
	json_t *v;

	if (o->first) {
		json_dumpf(o->first, o->out, JSON_INDENT(INDENT));
		fputc('\n', o->out);
	}
	if (o->rest) {
		close_list(o);
		json_object_foreach(o->rest, key, v)
		{
			put_key(o, key);
			put(o, v, 1);
		}
		fputs(o->begun ? "\n}\n" : "{}\n", o->out);
	}
	json_out_cut(o);
	return any;
}
