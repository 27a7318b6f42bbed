/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn.h"
#include "fake_world.h"
#include "job.h"
#include "echo_user.h"
#include "render.h"
#include "wire.h"

int cli_begin(void **state)
{
	fake_begin();
	return 0;
}

int cli_end(void **state)
{
	fake_end();
	return 0;
}

/* The next line; one that waits for echo answers gets them. */
static char *line_of(struct cli_job *j)
{
	char *text = cli_job_line(j);

	while (!text && j->waiting) {
		unsigned before = fake->echoes;

		ev_run(fake->ctl.loop, EVRUN_ONCE);
		fake->now += 2000000;
		if (fake->echoes > before && fake->answers_echoes)
			cli_echo_answer(
				&(struct dp_echo_answer){.echo = fake->echo, .ttl = 63, .ago_ns = 500000});
		text = cli_job_line(j);
	}
	return text;
}

struct got ask_line(const char *line)
{
	struct cli_job *j = cli_job_new(&fake->ctl, line, strlen(line));
	struct got g = {0};
	char *text;

	assert_non_null(j);
	while ((text = line_of(j))) {
		json_t *o = json_loads(text, 0, NULL), *doc;

		assert_non_null(o);
		assert_int_equal(text[strlen(text) - 1], '\n');
		assert_null(memchr(text, '\n', strlen(text) - 1));
		assert_null(g.last); /* nothing comes behind the status */
		free(text);
		doc = json_object_get(o, "document");
		if (!doc) {
			g.last = o;
			continue;
		}
		assert_true(json_is_true(json_object_get(o, "more")));
		g.pages++;
		if (g.doc)
			conn_merge(g.doc, doc);
		else
			g.doc = json_incref(doc);
		json_decref(o);
	}
	assert_non_null(g.last);
	cli_job_free(j);
	return g;
}

void got_free(struct got *g)
{
	json_decref(g->doc);
	json_decref(g->last);
}

struct got ask(const char *words, int page)
{
	char buf[512], *w, *line;
	json_t *o = json_object(), *list = json_array();
	struct got g;

	snprintf(buf, sizeof(buf), "%s", words);
	for (w = strtok(buf, " "); w; w = strtok(NULL, " "))
		json_array_append_new(list, json_string(w));
	json_object_set_new(o, "command", list);
	if (page)
		json_object_set_new(o, "options", json_pack("{s:i}", "page", page));
	line = json_dumps(o, JSON_COMPACT);
	g = ask_line(line);
	free(line);
	json_decref(o);
	return g;
}

void assert_error(const char *words, int status, const char *error)
{
	struct got g = ask(words, 0);

	assert_string_equal(json_string_value(json_object_get(g.last, "status")), "error");
	assert_string_equal(json_string_value(json_object_get(g.last, "error")), error);
	assert_int_equal(json_integer_value(json_object_get(g.last, "exit")), status);
	assert_null(g.doc);
	got_free(&g);
}

char *text_of(const json_t *doc)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_true(render(f, doc));
	fclose(f);
	return text;
}

void assert_text(const char *words, const char *want)
{
	struct got g = ask(words, 0);
	char *text;

	if (!g.doc)
		fail_msg("%s: %s", words, json_string_value(json_object_get(g.last, "error")));
	text = text_of(g.doc);
	assert_string_equal(text, want);
	free(text);
	got_free(&g);
}

void assert_rendered(const char *json, const char *want)
{
	json_error_t e;
	json_t *doc = json_loads(json, 0, &e);
	char *text;

	if (!doc)
		fail_msg("%s", e.text);
	text = text_of(doc);
	assert_string_equal(text, want);
	free(text);
	json_decref(doc);
}

long long doc_member(const json_t *o, const char *key)
{
	if (!json_is_integer(json_object_get(o, key)))
		fail_msg("%s is not a number", key);
	return json_integer_value(json_object_get(o, key));
}

const json_t *got_entry(const struct got *g, const char *list, size_t i)
{
	const json_t *e = json_array_get(json_object_get(g->doc, list), i);

	assert_non_null(e);
	return e;
}

void log_with(const char *text)
{
	FILE *f;
	int fd;

	strcpy(fake->conf.sys.log_file, "/tmp/culvert-test-cli-XXXXXX");
	fd = mkstemp(fake->conf.sys.log_file);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

void log_gone(void)
{
	unlink(fake->conf.sys.log_file);
}
