/* SPDX-License-Identifier: Apache-2.0 */
#include "job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doc.h"
#include "knowledge.h"

enum { CANDIDATES_MAX = 500 };

/* ---- requests ---------------------------------------------------------------------------------- */

static void refuse(struct cli_job *j, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void refuse(struct cli_job *j, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(j->err, sizeof(j->err), fmt, ap);
	va_end(ap);
	j->exit = status;
}

static bool take_words(struct cli_job *j, const json_t *list)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > CLI_WORDS_MAX) {
		refuse(j, CLI_EXIT_USAGE, "a command is a list of at most %d words", CLI_WORDS_MAX);
		return false;
	}
	j->words = calloc(n + 1, sizeof(j->words[0]));
	for (size_t i = 0; j->words && i < n; i++) {
		const json_t *w = json_array_get(list, i);

		if (!json_is_string(w) || json_string_length(w) > CLI_WORD_LEN ||
		    strlen(json_string_value(w)) != json_string_length(w)) {
			refuse(j, CLI_EXIT_USAGE, "a word is a string of at most %d bytes", CLI_WORD_LEN);
			return false;
		}
		j->words[i] = strdup(json_string_value(w));
		if (!j->words[i])
			return false;
		j->n_words++;
	}
	return j->words;
}

static bool take_options(struct cli_job *j, json_t *options)
{
	const char *key;
	json_t *v;

	if (options && !json_is_object(options)) {
		refuse(j, CLI_EXIT_USAGE, "options is an object");
		return false;
	}
	json_object_foreach(options, key, v)
	{
		if (strcmp(key, "stream") == 0 && json_is_boolean(v)) {
			j->stream = json_is_true(v);
			continue;
		}
		if (strcmp(key, "page") != 0) {
			refuse(j, CLI_EXIT_USAGE, "unknown option \"%.64s\"; allowed: page, stream", key);
			return false;
		}
		if (!json_is_integer(v) || json_integer_value(v) < 1 ||
		    json_integer_value(v) > CLI_PAGE_MAX) {
			refuse(j, CLI_EXIT_USAGE, "option page is 1 to %d", CLI_PAGE_MAX);
			return false;
		}
		j->page_len = (unsigned)json_integer_value(v);
	}
	return true;
}

static void take_request(struct cli_job *j, const json_t *req)
{
	json_t *command = json_object_get(req, "command"), *complete = json_object_get(req, "complete");
	const char *key;
	json_t *v;

	if (!json_is_object(req)) {
		refuse(j, CLI_EXIT_USAGE, "a request is one JSON object in one line");
		return;
	}
	json_object_foreach((json_t *)req, key, v)
	{
		if (strcmp(key, "command") != 0 && strcmp(key, "complete") != 0 &&
		    strcmp(key, "options") != 0) {
			refuse(j, CLI_EXIT_USAGE,
			       "unknown member \"%.64s\"; allowed: command, complete, options", key);
			return;
		}
	}
	if (!command == !complete) {
		refuse(j, CLI_EXIT_USAGE, "a request holds either command or complete");
		return;
	}
	j->completing = complete;
	if (!take_words(j, command ? command : complete) || !take_options(j, json_object_get(req, "options")))
		return;
	if (command && cli_parse((const char *const *)j->words, j->n_words, &j->m, j->err) < 0)
		j->exit = CLI_EXIT_USAGE;
}

struct cli_job *cli_job_new(struct ctl *c, const char *line, size_t len)
{
	struct cli_job *j = calloc(1, sizeof(*j));
	json_error_t e;
	json_t *req;

	if (!j)
		return NULL;
	j->c = c;
	j->page_len = CLI_PAGE;
	req = json_loadb(line, len, JSON_REJECT_DUPLICATES, &e);
	if (req)
		take_request(j, req);
	else
		refuse(j, CLI_EXIT_USAGE, "not JSON: %s", e.text);
	if (!j->words && !j->err[0])
		refuse(j, CLI_EXIT_FAILED, "out of memory");
	json_decref(req);
	return j;
}

void cli_job_free(struct cli_job *j)
{
	if (!j)
		return;
	if (j->state)
		j->state_end(j);
	for (size_t i = 0; i < j->n_words; i++)
		free(j->words[i]);
	free(j->words);
	free(j);
}

void cli_job_wake(struct cli_job *j)
{
	j->waiting = false;
	if (j->wake)
		j->wake(j->wake_arg);
}

/* ---- answers ----------------------------------------------------------------------------------- */

static char *line_of(json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL, *line;
	size_t n;

	json_decref(o);
	if (!text)
		return NULL;
	n = strlen(text);
	line = realloc(text, n + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + n, "\n", 2);
	return line;
}

static char *last_line(struct cli_job *j)
{
	json_t *o = json_object();

	j->over = true;
	if (j->err[0]) {
		doc_str(o, "status", "error");
		doc_str(o, "error", j->err);
		doc_int(o, "exit", j->exit ? j->exit : CLI_EXIT_FAILED);
	} else {
		doc_str(o, "status", "ok");
		doc_int(o, "exit", CLI_EXIT_OK);
	}
	return line_of(o);
}

struct completion {
	struct cli_job *j;
	json_t *list;
	const char *half;
};

static void candidate(struct completion *c, const char *word, const char *help)
{
	json_t *e;

	if (strncmp(word, c->half, strlen(c->half)) != 0 || json_array_size(c->list) >= CANDIDATES_MAX)
		return;
	e = doc_append(c->list);
	doc_str(e, "word", word);
	if (help)
		doc_str(e, "help", help);
}

/* Tunnels; and the proxy-IDs of one once it is the only one left, not before: there may be thousands. */
static void tunnel_names(struct completion *c)
{
	const struct config *conf = c->j->c->conf;
	const struct cfg_tunnel *only = NULL;
	unsigned left = 0;

	for (size_t i = 0; i < conf->n_tunnels; i++) {
		const struct cfg_tunnel *t = &conf->tunnels[i];
		size_t n = strlen(t->name);

		candidate(c, t->name, NULL);
		if (strncmp(t->name, c->half, strlen(c->half)) == 0 ||
		    (strncmp(t->name, c->half, n) == 0 && c->half[n] == ':')) {
			only = t;
			left++;
		}
	}
	for (uint32_t x = 0; left == 1 && x < only->n_proxy_ids; x++) {
		char name[DOC_NAME];

		if (only->proxy_ids[x].name[0])
			candidate(c, doc_tunnel_name(only->name, only->proxy_ids[x].name, name), NULL);
	}
}

static void knowledge_words(struct completion *c, bool vendors)
{
	for (size_t i = 0; i < n_knowledge; i++)
		if ((knowledge[i].kind == KNOWLEDGE_VENDOR) == vendors)
			candidate(c, knowledge[i].word, knowledge[i].title);
}

static void on_candidate(void *arg, const char *word, enum cli_arg kind, const char *help)
{
	struct completion *c = arg;
	const struct config *conf = c->j->c->conf;

	if (word) {
		candidate(c, word, help);
		return;
	}
	if (kind == CLI_ARG_GATEWAY)
		for (size_t i = 0; i < conf->n_gateways; i++)
			candidate(c, conf->gateways[i].ike.name, NULL);
	else if (kind == CLI_ARG_INTERFACE)
		for (size_t i = 0; i < conf->n_interfaces; i++)
			candidate(c, conf->interfaces[i].name, NULL);
	else if (kind == CLI_ARG_TUNNEL)
		tunnel_names(c);
	else if (cli_arg_words(kind))
		for (const char *const *w = cli_arg_words(kind); *w; w++)
			candidate(c, *w, NULL);
	else if (kind == CLI_ARG_TERM || kind == CLI_ARG_VENDOR)
		knowledge_words(c, kind == CLI_ARG_VENDOR);
	else if (!c->half[0])
		candidate(c, cli_arg_name(kind), help);
}

static char *completion_line(struct cli_job *j)
{
	json_t *o = json_object();
	struct completion c = {.j = j, .list = doc_list(o, "candidates")};

	j->over = true;
	c.half = j->n_words ? j->words[j->n_words - 1] : "";
	cli_complete((const char *const *)j->words, j->n_words, on_candidate, &c);
	doc_str(o, "status", "ok");
	doc_int(o, "exit", CLI_EXIT_OK);
	return line_of(o);
}

char *cli_job_line(struct cli_job *j)
{
	json_t *o, *doc;
	enum cli_page p;

	if (j->over)
		return NULL;
	if (j->err[0])
		return last_line(j);
	if (j->completing)
		return completion_line(j);
	if (!j->m.cmd)
		return last_line(j);
	o = json_object();
	doc = json_object();
	p = cli_handlers[j->m.cmd->id](j, doc);
	if (p == CLI_FAILED || p == CLI_WAIT) {
		json_decref(doc);
		json_decref(o);
		j->waiting = p == CLI_WAIT;
		return j->waiting ? NULL : last_line(j);
	}
	if (j->stream)
		doc_bool(doc, "stream", true);
	if (p == CLI_LAST)
		j->m.cmd = NULL; /* what is left is the last line */
	json_object_set_new(o, "document", doc);
	json_object_set_new(o, "more", json_true());
	return line_of(o);
}
