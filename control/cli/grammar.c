/* SPDX-License-Identifier: Apache-2.0 */
#include "grammar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static size_t n_words(const struct cli_command *c)
{
	size_t n = 0;

	while (c->words[n])
		n++;
	return n;
}

static bool is_option(const struct cli_option *o)
{
	return o->word || o->arg != CLI_ARG_NONE;
}

const char *cli_arg_name(enum cli_arg kind)
{
	switch (kind) {
	case CLI_ARG_GATEWAY: return "<gateway>";
	case CLI_ARG_TUNNEL: return "<tunnel[:proxy-id]>";
	case CLI_ARG_TUNNEL_ID: return "<tunnel-id>";
	case CLI_ARG_INTERFACE: return "<interface>";
	case CLI_ARG_IP: return "<ip-address>";
	case CLI_ARG_PROTOCOL: return "<protocol>";
	case CLI_ARG_PORT: return "<port>";
	case CLI_ARG_BYTES: return "<bytes>";
	case CLI_ARG_COUNT: return "<count>";
	case CLI_ARG_MINUTES: return "<minutes>";
	case CLI_ARG_FILE: return "<file>";
	case CLI_ARG_TEXT: return "<text>";
	case CLI_ARG_YES_NO: return "<yes|no>";
	case CLI_ARG_STATE:
	case CLI_ARG_IKE_STATE:
	case CLI_ARG_SA_STATE: return "<state>";
	case CLI_ARG_UP_DOWN: return "<up|down>";
	case CLI_ARG_PREFIX: return "<ip-prefix>";
	case CLI_ARG_TERM: return "<term>";
	case CLI_ARG_VENDOR: return "<vendor>";
	default: return "";
	}
}

const char *const *cli_arg_words(enum cli_arg kind)
{
	static const char *const yes_no[] = {"yes", "no", NULL}, *const up_down[] = {"up", "down", NULL};
	static const char *const tunnel[] = {"active", "init", "inactive", NULL};
	static const char *const ike[] = {"established", "init-sent", "auth-sent", "init-received",
					  "rekeyed",     "sa-dying",  NULL};
	static const char *const sa[] = {"mature", "dying", NULL};

	switch (kind) {
	case CLI_ARG_YES_NO: return yes_no;
	case CLI_ARG_STATE: return tunnel;
	case CLI_ARG_IKE_STATE: return ike;
	case CLI_ARG_SA_STATE: return sa;
	case CLI_ARG_UP_DOWN: return up_down;
	default: return NULL;
	}
}

const char *cli_syntax(const struct cli_command *c, char *buf, size_t cap)
{
	size_t n = 0;

	buf[0] = 0;
	for (size_t i = 0; c->words[i] && n < cap; i++)
		n += (size_t)snprintf(buf + n, cap - n, "%s%s", i ? " " : "", c->words[i]);
	for (const struct cli_option *o = c->options; is_option(o) && n < cap; o++)
		n += (size_t)snprintf(buf + n, cap - n, " [%s%s%s]", o->word ? o->word : "",
				      o->word && o->arg ? " " : "", cli_arg_name(o->arg));
	return buf;
}

/* ---- walking the words ----------------------------------------------------------------------- */

/* A set of words with what they mean; fed one by one, keeps distinct ones. */
struct choice {
	const char *word[32];
	size_t n;
};

static void choice_add(struct choice *c, const char *word)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->word[i], word) == 0)
			return;
	if (c->n < sizeof(c->word) / sizeof(c->word[0]))
		c->word[c->n++] = word;
}

/* The one word that is `given`, or the only one that begins with it.  NULL: *n_begin do. */
static const char *choice_pick(const struct choice *c, const char *given, size_t *n_begin)
{
	const char *found = NULL;

	*n_begin = 0;
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->word[i], given) == 0)
			return c->word[i];
		if (given[0] && strncmp(c->word[i], given, strlen(given)) == 0) {
			found = c->word[i];
			(*n_begin)++;
		}
	}
	return *n_begin == 1 ? found : NULL;
}

static void say_words(char *why, size_t cap, size_t *n, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count && *n < cap; i++)
		*n += (size_t)snprintf(why + *n, cap - *n, "%s%s", i ? " " : "", words[i]);
}

/* "show vpn x: unknown word "x"; allowed: a, b" */
static int refuse(const char *const *words, size_t at, const struct choice *c, size_t n_begin, bool missing,
		  char why[CLI_WHY])
{
	size_t n = 0, listed = 0;

	why[0] = 0;
	say_words(why, CLI_WHY, &n, words, at + !missing);
	if (n < CLI_WHY && missing)
		n += (size_t)snprintf(why + n, CLI_WHY - n, "%sincomplete; allowed next:", n ? ": " : "");
	else if (n < CLI_WHY && n_begin > 1)
		n += (size_t)snprintf(why + n, CLI_WHY - n, ": \"%s\" is ambiguous; it may be:", words[at]);
	else if (n < CLI_WHY)
		n += (size_t)snprintf(why + n, CLI_WHY - n, ": unknown word \"%s\"; allowed:", words[at]);
	for (size_t i = 0; i < c->n && n < CLI_WHY; i++) {
		if (!missing && n_begin > 1 && strncmp(c->word[i], words[at], strlen(words[at])) != 0)
			continue;
		n += (size_t)snprintf(why + n, CLI_WHY - n, "%s %s", listed++ ? "," : "", c->word[i]);
	}
	if (!c->n && n < CLI_WHY)
		snprintf(why + n, CLI_WHY - n, " nothing more");
	return -EINVAL;
}

/* Words that may follow those in path[0..depth). */
static void next_words(const char *const *path, size_t depth, struct choice *c)
{
	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct cli_command *k = &cli_commands[i];
		size_t d = 0;

		while (d < depth && k->words[d] && strcmp(k->words[d], path[d]) == 0)
			d++;
		if (d == depth && k->words[d])
			choice_add(c, k->words[d]);
	}
}

static const struct cli_command *command_of(const char *const *path, size_t depth)
{
	for (size_t i = 0; i < cli_n_commands; i++) {
		size_t d = 0;

		while (d < depth && cli_commands[i].words[d] &&
		       strcmp(cli_commands[i].words[d], path[d]) == 0)
			d++;
		if (d == depth && n_words(&cli_commands[i]) == depth)
			return &cli_commands[i];
	}
	return NULL;
}

/* Resolve the command's own words; *used gets how many, why what is wrong when it is NULL.  No command's
 * words begin another's (a test holds the table to that), so the first complete one is it. */
static const struct cli_command *find_command(const char *const *words, size_t n, size_t *used,
					      char why[CLI_WHY])
{
	const char *path[CLI_WORDS];

	for (size_t d = 0;; d++) {
		const struct cli_command *cmd = d ? command_of(path, d) : NULL;
		struct choice c = {0};
		size_t n_begin;

		*used = d;
		if (cmd)
			return cmd;
		next_words(path, d, &c);
		if (d == n) {
			refuse(words, d, &c, 0, true, why);
			return NULL;
		}
		path[d] = choice_pick(&c, words[d], &n_begin);
		if (!path[d]) {
			refuse(words, d, &c, n_begin, false, why);
			return NULL;
		}
	}
}

static void open_options(const struct cli_match *m, struct choice *c, int *alone)
{
	*alone = -1;
	for (int i = 0; is_option(&m->cmd->options[i]); i++) {
		if (m->given[i])
			continue;
		if (m->cmd->options[i].word)
			choice_add(c, m->cmd->options[i].word);
		else
			*alone = i;
	}
}

/* Which option words[at] is, -1 none.  The words after it that belong to it are for the caller. */
static int pick_option(const struct cli_match *m, const char *word, struct choice *c, size_t *n_begin)
{
	const char *picked;
	int alone;

	open_options(m, c, &alone);
	picked = choice_pick(c, word, n_begin);
	for (int i = 0; picked && is_option(&m->cmd->options[i]); i++)
		if (m->cmd->options[i].word && strcmp(m->cmd->options[i].word, picked) == 0)
			return i;
	if (*n_begin == 0 && alone >= 0)
		return alone;
	return -1;
}

int cli_parse(const char *const *words, size_t n, struct cli_match *m, char why[CLI_WHY])
{
	size_t at;

	*m = (struct cli_match){0};
	why[0] = 0;
	m->cmd = find_command(words, n, &at, why);
	if (!m->cmd)
		return -EINVAL;
	for (; at < n; at++) {
		struct choice c = {0};
		size_t n_begin;
		int i = pick_option(m, words[at], &c, &n_begin);

		if (i < 0)
			return refuse(words, at, &c, n_begin, false, why);
		m->given[i] = true;
		if (m->cmd->options[i].arg == CLI_ARG_NONE)
			continue;
		if (m->cmd->options[i].word && ++at == n) {
			struct choice arg = {0};

			choice_add(&arg, cli_arg_name(m->cmd->options[i].arg));
			return refuse(words, n, &arg, 0, true, why);
		}
		m->arg[i] = words[at];
	}
	return 0;
}

static int option_index(const struct cli_match *m, const char *word)
{
	for (int i = 0; is_option(&m->cmd->options[i]); i++)
		if (strcmp(m->cmd->options[i].word ? m->cmd->options[i].word : "", word) == 0)
			return i;
	return -1;
}

bool cli_given(const struct cli_match *m, const char *word)
{
	int i = option_index(m, word);

	return i >= 0 && m->given[i];
}

const char *cli_arg(const struct cli_match *m, const char *word)
{
	int i = option_index(m, word);

	return i >= 0 ? m->arg[i] : NULL;
}

/* ---- completion -------------------------------------------------------------------------------- */

static const char *help_below(const char *const *path, size_t depth, const char *word)
{
	const char *help = NULL;

	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct cli_command *k = &cli_commands[i];
		size_t d = 0;

		while (d < depth && k->words[d] && strcmp(k->words[d], path[d]) == 0)
			d++;
		if (d < depth || !k->words[d] || strcmp(k->words[d], word) != 0)
			continue;
		if (help)
			return NULL; /* several commands go on from here */
		help = k->help;
	}
	return help;
}

static void complete_words(const char *const *path, size_t depth, const char *half, cli_candidate_fn *cb,
			   void *arg)
{
	struct choice c = {0};

	next_words(path, depth, &c);
	for (size_t i = 0; i < c.n; i++)
		if (strncmp(c.word[i], half, strlen(half)) == 0)
			cb(arg, c.word[i], CLI_ARG_NONE, help_below(path, depth, c.word[i]));
}

static void complete_options(struct cli_match *m, const char *half, cli_candidate_fn *cb, void *arg)
{
	for (int i = 0; is_option(&m->cmd->options[i]); i++) {
		const struct cli_option *o = &m->cmd->options[i];

		if (m->given[i])
			continue;
		if (!o->word)
			cb(arg, NULL, o->arg, o->help);
		else if (strncmp(o->word, half, strlen(half)) == 0)
			cb(arg, o->word, CLI_ARG_NONE, o->help);
	}
}

void cli_complete(const char *const *words, size_t n, cli_candidate_fn *cb, void *arg)
{
	const char *path[CLI_WORDS], *half = n ? words[n - 1] : "";
	struct cli_match m = {0};
	size_t d = 0, at;

	if (n == 0)
		n = 1; /* nothing typed: as one empty word */
	for (;; d++) {
		struct choice c = {0};
		size_t n_begin;

		m.cmd = d ? command_of(path, d) : NULL;
		if (m.cmd)
			break;
		if (d == n - 1) {
			complete_words(path, d, half, cb, arg);
			return;
		}
		next_words(path, d, &c);
		path[d] = choice_pick(&c, words[d], &n_begin);
		if (!path[d])
			return;
	}
	for (at = d; at < n - 1; at++) {
		struct choice c = {0};
		size_t n_begin;
		int i = pick_option(&m, words[at], &c, &n_begin);

		if (i < 0)
			return;
		m.given[i] = true;
		if (m.cmd->options[i].arg == CLI_ARG_NONE || !m.cmd->options[i].word)
			continue;
		if (++at == n - 1) {
			cb(arg, NULL, m.cmd->options[i].arg, m.cmd->options[i].help);
			return;
		}
	}
	complete_options(&m, half, cb, arg);
}
