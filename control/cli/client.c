/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <errno.h>
#include <string.h>

#include "grammar.h"
#include "json_out.h"
#include "knowledge.h"
#include "render.h"

/* What has come of an answer whose pages are shown as they come. */
struct showing {
	struct json_out json;
	json_t *doc;              /* what is not shown yet */
	const char *const *lists; /* what is shown row by row; NULL: the document is shown as a whole */
	struct render_parts parts;
};

static void keep(struct showing *s, const json_t *page)
{
	if (!s->doc)
		s->doc = json_object();
	conn_merge(s->doc, (json_t *)page);
}

static void show_part(struct showing *s, const json_t *page)
{
	keep(s, page);
	render_part(s->json.out, s->doc, render_str(s->doc, "type"), &s->parts);
	for (const char *const *l = s->lists; *l; l++)
		if (json_object_get(s->doc, *l))
			json_array_clear(json_object_get(s->doc, *l));
	fflush(s->json.out);
}

static void on_page(void *arg, const json_t *page)
{
	struct client *k = arg;
	struct showing *s = k->showing;

	if (!s)
		return;
	if (k->json) {
		json_out_page(&s->json, page);
	} else if (!k->as_it_comes || render_is_live(page)) {
		(void)render(k->live, page);
		fflush(k->live);
	} else {
		if (!s->doc)
			s->lists = render_as_it_comes(page);
		if (s->lists)
			show_part(s, page);
		else
			keep(s, page);
	}
}

bool client_ask(struct client *k, const json_t *request, struct answer *a)
{
	bool fresh = !k->conn;
	struct conn *conn;

	for (;;) {
		if (!k->conn)
			k->conn = conn_open(k->socket);
		if (k->conn)
			conn_on_page(k->conn, k->live || k->json ? on_page : NULL, k);
		if (!k->conn) {
			*a = (struct answer){0};
			snprintf(a->err, sizeof(a->err), "culvertd cannot be reached at %s: %s", k->socket,
				 errno == ENOENT
					 ? "no such socket (does it run? another socket: -s, CULVERT_SOCKET)"
					 : strerror(errno));
			return false;
		}
		if (conn_ask(k->conn, request, a))
			return true;
		conn = k->conn;
		k->conn = NULL;
		conn_close(conn);
		/* A connection kept by the shell dies of idleness, or with a daemon that was started anew: once
		 * more.  A command that was cut off in its answer is not repeated. */
		if (fresh || a->begun)
			return false;
		answer_free(a);
		fresh = true;
	}
}

static void print_document(const struct client *k, const json_t *doc, FILE *out)
{
	if (k->json || !render(out, doc)) {
		json_dumpf(doc, out, JSON_INDENT(2));
		fputc('\n', out);
	}
}

/* What is no question to the daemon is answered without it. */
static bool look_up(const struct client *k, const char *const *words, size_t n, FILE *out, FILE *err,
		    int *status)
{
	struct cli_match m;
	char why[CLI_WHY];
	bool vendor, found = false;
	json_t *doc;

	if (cli_parse(words, n, &m, why) < 0 || (m.cmd->id != CLI_EXPLAIN && m.cmd->id != CLI_REFERENCE))
		return false;
	vendor = m.cmd->id == CLI_REFERENCE;
	doc = json_object();
	if (knowledge_doc(doc, cli_arg(&m, ""), vendor)) {
		print_document(k, doc, out);
		*status = CLI_EXIT_OK;
		found = true;
	} else if (vendor) {
		knowledge_unknown(cli_arg(&m, ""), vendor, why, sizeof(why));
		fprintf(err, "%s\n", why);
		*status = CLI_EXIT_FAILED;
		found = true;
	}
	json_decref(doc);
	return found; /* of its counters the daemon knows */
}

/* For whoever reads JSON: an error is a document, too. */
static void print_error(const struct client *k, const char *why, FILE *out, FILE *err)
{
	json_t *doc = k->json ? json_object() : NULL;

	if (doc) {
		json_object_set_new(doc, "error", json_string(why));
		print_document(k, doc, out);
		json_decref(doc);
	}
	fflush(out);
	fprintf(err, "%s\n", why);
}

/* An answer that was cut off ends where it was cut off: totals below it would be none. */
static void show_no_more(struct showing *s)
{
	json_out_cut(&s->json);
	json_decref(s->doc);
	*s = (struct showing){.json.out = s->json.out};
}

/* What is left to show when the answer is complete. */
static bool show_rest(struct client *k, struct showing *s, const json_t *doc)
{
	bool any = json_out_end(&s->json);

	if (s->lists) {
		s->parts.last = true;
		render_part(s->json.out, s->doc, render_str(s->doc, "type"), &s->parts);
	} else if (s->doc) {
		print_document(k, s->doc, s->json.out);
	}
	any |= s->doc != NULL;
	json_decref(s->doc);
	if (doc)
		print_document(k, doc, s->json.out);
	return any || doc;
}

static void ask_for_stream(json_t *request)
{
	json_t *options = json_object();

	json_object_set_new(options, "stream", json_true());
	json_object_set_new(request, "options", options);
}

int client_run(struct client *k, const char *const *words, size_t n, FILE *out, FILE *err)
{
	struct showing s = {.json.out = out};
	int status = CLI_EXIT_UNREACHABLE;
	json_t *request;
	struct answer a;
	bool any;

	if (look_up(k, words, n, out, err, &status))
		return status;
	request = conn_request("command", words, n);
	if (!request) {
		print_error(k, "a word is not UTF-8; allowed: UTF-8", out, err);
		return CLI_EXIT_USAGE;
	}
	if (k->json || k->as_it_comes)
		ask_for_stream(request);
	k->showing = &s;
	if (client_ask(k, request, &a))
		status = a.exit;
	else
		show_no_more(&s);
	k->showing = NULL;
	any = show_rest(k, &s, a.doc);
	if (a.err[0] && any) {
		fflush(out);
		fprintf(err, "%s\n", a.err);
	} else if (a.err[0]) {
		print_error(k, a.err, out, err);
	}
	answer_free(&a);
	json_decref(request);
	return status;
}

void client_help(FILE *out)
{
	for (size_t i = 0; i < cli_n_commands; i++) {
		char syntax[256];

		cli_syntax(&cli_commands[i], syntax, sizeof(syntax));
		if (strlen(syntax) > 52)
			fprintf(out, "  %s\n  %52s %s\n", syntax, "", cli_commands[i].help);
		else
			fprintf(out, "  %-52s %s\n", syntax, cli_commands[i].help);
	}
	fputs("Words may be cut where they stay unique.\n", out);
}
