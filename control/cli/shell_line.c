/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <regex.h>
#include <string.h>

/* The next word of *p into the buffer at *at; NULL at the end, or with *bad when a quote is not closed. */
static char *next_word(const char **p, struct shell_line *l, size_t *at, bool *bad)
{
	const char *s = *p;
	char *word = l->buf + *at;
	bool quoted = false;

	*bad = false;
	s += strspn(s, " \t\r\n");
	if (!*s) {
		*p = s;
		return NULL;
	}
	if (*s == '|') { /* a word of its own, also without blanks around it */
		l->buf[(*at)++] = *s++;
	} else {
		for (; *s && *at + 2 < sizeof(l->buf); s++) {
			if (*s == '"') {
				quoted = !quoted;
				continue;
			}
			if (!quoted && strchr(" \t\r\n|", *s))
				break;
			l->buf[(*at)++] = *s;
		}
	}
	l->buf[(*at)++] = 0;
	*p = s;
	*bad = quoted || *at + 2 >= sizeof(l->buf);
	return *bad ? NULL : word;
}

/* `text` is one that stood in quotes or not; what follows "match" up to the next | or the end is one text. */
static bool take_pipe(const char **p, struct shell_line *l, size_t *at, char *why, size_t why_len)
{
	bool bad;
	const char *kind = next_word(p, l, at, &bad), *text;

	if (l->n_pipes == SHELL_PIPES) {
		snprintf(why, why_len, "at most %d filters", SHELL_PIPES);
		return false;
	}
	if (!kind || (strcmp(kind, "match") != 0 && strcmp(kind, "except") != 0)) {
		snprintf(why, why_len, "behind |: found %s%s%s; allowed: match TEXT, except TEXT",
			 kind ? "\"" : "", kind ? kind : "nothing", kind ? "\"" : "");
		return false;
	}
	text = next_word(p, l, at, &bad);
	if (!text || strcmp(text, "|") == 0) {
		snprintf(why, why_len, "%s needs a text to look for", kind);
		return false;
	}
	l->pipes[l->n_pipes].kind = strcmp(kind, "match") == 0 ? SHELL_MATCH : SHELL_EXCEPT;
	l->pipes[l->n_pipes++].text = text;
	return true;
}

bool shell_split(const char *text, struct shell_line *l, char *why, size_t why_len)
{
	size_t at = 0;
	char *w;
	bool bad;

	memset(l, 0, sizeof(*l));
	while ((w = next_word(&text, l, &at, &bad))) {
		if (strcmp(w, "|") == 0) {
			if (!take_pipe(&text, l, &at, why, why_len))
				return false;
			continue;
		}
		if (l->n_pipes) {
			snprintf(why, why_len, "behind a filter: found \"%s\"; allowed: another |", w);
			return false;
		}
		if (l->n_words == SHELL_WORDS) {
			snprintf(why, why_len, "at most %d words", SHELL_WORDS);
			return false;
		}
		l->words[l->n_words++] = w;
	}
	if (bad)
		snprintf(why, why_len, "a quote is not closed, or the line is too long");
	return !bad;
}

static bool found_in(const char *line, const char *text)
{
	regex_t re;
	bool found;

	if (regcomp(&re, text, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
		return strcasestr(line, text);
	found = regexec(&re, line, 0, NULL, 0) == 0;
	regfree(&re);
	return found;
}

bool shell_passes(const struct shell_line *l, const char *output_line)
{
	for (size_t i = 0; i < l->n_pipes; i++)
		if (found_in(output_line, l->pipes[i].text) != (l->pipes[i].kind == SHELL_MATCH))
			return false;
	return true;
}
