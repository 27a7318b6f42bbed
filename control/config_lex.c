/* SPDX-License-Identifier: Apache-2.0 */
/* What libconfig lets pass in a file's text, or has no good words for, found before it reads it. */
#include <ctype.h>
#include <string.h>

#include "config_read.h"

enum { DEPTH_MAX = 32 };

struct lex {
	struct cfg_load *l;
	const char *p;
	unsigned line, depth;
};

/* Behind a text in quotes, or a comment; false: there is none here. */
static bool skip(struct lex *x)
{
	const char *p = x->p, *end;

	if (*p == '"') {
		for (p++; *p && *p != '"'; p++) {
			if (*p == '\\' && p[1])
				p++;
			x->line += *p == '\n';
		}
		x->p = *p ? p + 1 : p;
		return true;
	}
	if (*p == '#' || (*p == '/' && p[1] == '/')) {
		x->p = p + strcspn(p, "\n");
		return true;
	}
	if (*p != '/' || p[1] != '*')
		return false;
	end = strstr(p + 2, "*/");
	for (end = end ? end + 2 : p + strlen(p); p < end; p++)
		x->line += *p == '\n';
	x->p = end;
	return true;
}

/* libconfig keeps the low 32 bits of a number that has no L behind it: 4294967297 would be 1. */
static bool number(struct lex *x)
{
	size_t digits = strspn(x->p, "0123456789");
	const char *begin = x->p + strspn(x->p, "0"), *end = x->p + digits;
	size_t len = begin < end ? (size_t)(end - begin) : 0;
	bool wide = *end == 'L', too_large;

	x->p = end;
	if (isalnum((unsigned char)*end) || *end == '.' || *end == '_' || *end == '-') {
		x->p += strspn(end, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
		if (!wide)
			return true; /* a name, a fraction, hexadecimal */
	}
	too_large = len > 10 || (len == 10 && strncmp(begin, "2147483647", 10) > 0);
	if (wide)
		too_large = len > 19 || (len == 19 && strncmp(begin, "9223372036854775807", 19) > 0);
	if (!too_large)
		return true;
	cfg_file_error(x->l, NULL, x->line, "found the number %.*s; allowed: up to %s",
		       (int)(len < 40 ? len : 40), begin,
		       wide ? "9223372036854775807L" : "2147483647, larger ones with an L behind them");
	return false;
}

bool cfg_lex(struct cfg_load *l, const char *text)
{
	struct lex x = {.l = l, .p = text, .line = 1};

	if (strncmp(text, "\xef\xbb\xbf", 3) == 0) {
		cfg_file_error(l, NULL, 1,
			       "begins with a byte order mark; allowed: the same text without, as editors "
			       "call it \"UTF-8 without BOM\"");
		return false;
	}
	while (*x.p) {
		if (skip(&x))
			continue;
		if (isdigit((unsigned char)*x.p)) {
			if (!number(&x))
				return false;
			continue;
		}
		if (isalpha((unsigned char)*x.p) || *x.p == '*') { /* a name may have digits */
			x.p += strcspn(x.p, " \t\r\n=:;,(){}[]\"#/");
			x.p += x.p[0] == '/' && x.p[1] != '/' && x.p[1] != '*';
			continue;
		}
		x.line += *x.p == '\n';
		x.depth += strchr("({[", *x.p) != NULL;
		x.depth -= x.depth && strchr(")}]", *x.p);
		if (x.depth > DEPTH_MAX) {
			cfg_file_error(l, NULL, x.line, "brackets in brackets in brackets, more than %d deep",
				       DEPTH_MAX);
			return false;
		}
		x.p++;
	}
	return true;
}
