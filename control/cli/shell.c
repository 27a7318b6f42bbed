/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interactive shell: libedit for the line, the daemon for what may stand in it.  Completion asks for
 * words and for configured names alike, so both are always those of the daemon that will be asked.
 */
#include <errno.h>
#include <histedit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "grammar.h"

enum { HISTORY_LEN = 1000 };

static volatile sig_atomic_t interrupted;

static struct client *volatile asking; /* while it waits for an answer */

static void on_sigint(int sig)
{
	interrupted = 1;
	if (asking && asking->conn && !conn_stop(asking->conn))
		conn_interrupt(asking->conn);
}

/* ---- output ------------------------------------------------------------------------------------- */

/* The lines of text that pass the filters, into a new string. */
static char *filtered(char *text, const struct shell_line *l)
{
	char *to = text, *from = text;

	while (*from) {
		char *nl = strchr(from, '\n');
		size_t n = nl ? (size_t)(nl - from) : strlen(from);
		char saved = from[n];

		from[n] = 0;
		if (shell_passes(l, from)) {
			memmove(to, from, n);
			to += n;
			*to++ = '\n';
		}
		from[n] = saved;
		from += n + (nl != NULL);
	}
	*to = 0;
	return text;
}

/* ---- one line ----------------------------------------------------------------------------------- */

static void shell_help(bool json)
{
	client_help(stdout, json);
	if (json)
		return;
	puts("Behind a command: | match TEXT, | except TEXT (regular expressions, without regard to case).\n"
	     "? lists what may come next, TAB completes, exit leaves. Long answers come a screen at a time: space goes on,\n"
	     "q ends; PAGER in the environment takes another pager, an empty one none.");
}

/* ^C ends the reading of a line at once; reading an answer, which it may only ask to conclude, it does not break off. */
static void on_interrupt(bool breaks_reads)
{
	sigaction(SIGINT,
		  &(struct sigaction){.sa_handler = on_sigint, .sa_flags = breaks_reads ? 0 : SA_RESTART},
		  NULL);
}

static int run_line(struct client *k, const char *text)
{
	struct shell_line l;
	char why[256], *output = NULL;
	size_t len = 0;
	FILE *mem;
	int status;

	if (!shell_split(text, &l, why, sizeof(why))) {
		fprintf(stderr, "%s\n", why);
		return CLI_EXIT_USAGE;
	}
	if (l.n_words == 0)
		return CLI_EXIT_OK;
	if (l.n_words == 1 && strcmp(l.words[0], "help") == 0) {
		shell_help(k->json);
		return CLI_EXIT_OK;
	}
	/* One byte for the newline that filtering puts behind a last line without one. */
	mem = open_memstream(&output, &len);
	if (!mem)
		return CLI_EXIT_FAILED;
	/* What comes a line a second is shown as it comes, unless a filter is to see it. */
	k->live = l.n_pipes ? NULL : stdout;
	asking = k;
	status = client_run(k, l.words, l.n_words, mem, stderr);
	asking = NULL;
	fputc('\n', mem);
	if (fclose(mem) == 0 && len > 1) {
		output[len - 1] = 0;
		shell_print(l.n_pipes ? filtered(output, &l) : output);
	}
	free(output);
	return status;
}

static bool wants_out(const char *text)
{
	struct shell_line l;
	char why[64];

	return shell_split(text, &l, why, sizeof(why)) && l.n_words == 1 &&
	       (strcmp(l.words[0], "exit") == 0 || strcmp(l.words[0], "quit") == 0);
}

/* ---- completion --------------------------------------------------------------------------------- */

/* Ask what may come at the end of the line up to the cursor.  *half gets the part of the word that is there
 * already. */
static json_t *candidates(EditLine *el, struct answer *a, char *half, size_t half_len)
{
	struct client *k = NULL;
	const LineInfo *li = el_line(el);
	char text[4096], why[64];
	size_t n = (size_t)(li->cursor - li->buffer);
	struct shell_line l;
	json_t *request;
	bool ok;

	el_get(el, EL_CLIENTDATA, &k);
	half[0] = 0;
	if (n >= sizeof(text))
		return NULL;
	memcpy(text, li->buffer, n);
	text[n] = 0;
	if (strchr(text, '|') || !shell_split(text, &l, why, sizeof(why)) || l.n_words + 1 >= SHELL_WORDS)
		return NULL;
	/* Behind a blank a new word begins, of which nothing is there. */
	if (n == 0 || text[n - 1] == ' ' || text[n - 1] == '\t')
		l.words[l.n_words++] = "";
	snprintf(half, half_len, "%s", l.words[l.n_words - 1]);
	request = conn_request("complete", l.words, l.n_words);
	if (!request)
		return NULL;
	ok = client_ask(k, request, a);
	json_decref(request);
	return ok ? json_object_get(a->last, "candidates") : NULL;
}

static void list_candidates(const json_t *list)
{
	const json_t *e;
	size_t i;

	fputc('\n', stdout);
	json_array_foreach(list, i, e)
	{
		const char *help = json_string_value(json_object_get(e, "help"));

		printf("  %-24s %s\n", json_string_value(json_object_get(e, "word")), help ? help : "");
	}
	if (json_array_size(list) == 0)
		puts("  (nothing)");
	fflush(stdout);
}

/* Characters that all candidates share. */
static size_t common_len(const json_t *list)
{
	const char *first = json_string_value(json_object_get(json_array_get(list, 0), "word"));
	size_t len = first ? strlen(first) : 0, i;
	const json_t *e;

	json_array_foreach(list, i, e)
	{
		const char *w = json_string_value(json_object_get(e, "word"));
		size_t n = 0;

		while (w && n < len && w[n] == first[n])
			n++;
		len = n;
	}
	return len;
}

static unsigned char on_question(EditLine *el, int ch)
{
	struct answer a = {0};
	char half[256];

	list_candidates(candidates(el, &a, half, sizeof(half)));
	answer_free(&a);
	return CC_REDISPLAY;
}

static unsigned char on_tab(EditLine *el, int ch)
{
	struct answer a = {0};
	char half[256], add[512];
	const json_t *list = candidates(el, &a, half, sizeof(half));
	size_t n = json_array_size(list), have = strlen(half), len;
	const char *first = json_string_value(json_object_get(json_array_get(list, 0), "word"));
	unsigned char result = CC_REFRESH_BEEP;

	if (!n || !first || first[0] == '<') { /* nothing, or any value */
		answer_free(&a);
		return result;
	}
	len = common_len(list);
	if (len > have || n == 1) {
		snprintf(add, sizeof(add), "%.*s%s", (int)(len - have), first + have, n == 1 ? " " : "");
		result = el_insertstr(el, add) == 0 ? CC_REFRESH : CC_REFRESH_BEEP;
	} else {
		list_candidates(list);
		result = CC_REDISPLAY;
	}
	answer_free(&a);
	return result;
}

/* ---- the loop ------------------------------------------------------------------------------------ */

static char prompt_text[128];

static char *prompt(EditLine *el)
{
	return prompt_text;
}

/* "admin@hq> ", with the daemon's name when it answers. */
static void make_prompt(struct client *k)
{
	static const char *const words[] = {"show", "system", "info"};
	json_t *request = conn_request("command", words, 3);
	const char *host = NULL;
	struct answer a;

	if (client_ask(k, request, &a))
		host = json_string_value(json_object_get(a.doc, "hostname"));
	else
		fprintf(stderr, "%s\n", a.err);
	snprintf(prompt_text, sizeof(prompt_text), "%s> ", host ? host : "culvert");
	answer_free(&a);
	json_decref(request);
}

static const char *history_path(char *buf, size_t cap)
{
	const char *home = getenv("HOME");

	if (!home || !home[0])
		return NULL;
	snprintf(buf, cap, "%s/.culvert_history", home);
	return buf;
}

static EditLine *edit_new(struct client *k, History *h)
{
	EditLine *el = el_init("culvert", stdin, stdout, stderr);

	if (!el)
		return NULL;
	el_set(el, EL_CLIENTDATA, k);
	el_set(el, EL_PROMPT, prompt);
	el_set(el, EL_EDITOR, "emacs");
	el_set(el, EL_HIST, history, h);
	el_set(el, EL_ADDFN, "culvert-complete", "complete", on_tab);
	el_set(el, EL_ADDFN, "culvert-list", "list what may come", on_question);
	el_set(el, EL_BIND, "^I", "culvert-complete", NULL);
	el_set(el, EL_BIND, "?", "culvert-list", NULL);
	el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	return el;
}

static int interactive(struct client *k)
{
	History *h = history_init();
	char path[4096];
	const char *file = history_path(path, sizeof(path));
	HistEvent ev;
	EditLine *el = h ? edit_new(k, h) : NULL;
	int status = CLI_EXIT_OK;

	if (!el) {
		fputs("culvert: no terminal to edit lines on\n", stderr);
		return CLI_EXIT_FAILED;
	}
	history(h, &ev, H_SETSIZE, HISTORY_LEN);
	history(h, &ev, H_SETUNIQUE, 1);
	if (file)
		history(h, &ev, H_LOAD, file);
	on_interrupt(true);
	signal(SIGPIPE, SIG_IGN); /* a pager that is left early */
	make_prompt(k);
	for (;;) {
		int n = 0;
		const char *line;

		interrupted = 0;
		errno = 0;
		line = el_gets(el, &n);
		if (!line && (interrupted || errno == EINTR)) {
			el_reset(el);
			putchar('\n');
			continue;
		}
		if (!line || n <= 0 || wants_out(line))
			break;
		if (line[strspn(line, " \t\r\n")])
			history(h, &ev, H_ENTER, line);
		on_interrupt(false);
		status = run_line(k, line);
		on_interrupt(true);
	}
	if (file) {
		mode_t mask = umask(077);

		history(h, &ev, H_SAVE, file);
		umask(mask);
	}
	el_end(el);
	history_end(h);
	return status;
}

/* Lines from a file or a pipe: no prompt, no editing; the last one's status is the shell's. */
static int scripted(struct client *k)
{
	char *line = NULL;
	size_t cap = 0;
	int status = CLI_EXIT_OK;

	while (getline(&line, &cap, stdin) > 0 && !wants_out(line))
		status = run_line(k, line);
	free(line);
	return status;
}

int shell_run(struct client *k)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? interactive(k) : scripted(k);
}
