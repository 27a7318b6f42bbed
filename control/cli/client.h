/* SPDX-License-Identifier: Apache-2.0 */
/* What one-shot use and the shell of the client share. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "conn.h"

struct client {
	const char *socket;
	bool json;
	FILE *live;        /* where pages of a stream go as they come; NULL: with the rest */
	bool as_it_comes;  /* long lists, too, and not put together first */
	struct conn *conn; /* opened when needed, kept */
	struct showing *showing;
};

/* Ask, opening the connection where it is not (any more).  False: not reachable; a->err says why. */
bool client_ask(struct client *k, const json_t *request, struct answer *a);
/* Run a command: its text (or JSON) to out, what is wrong to err.  Exit status. */
int client_run(struct client *k, const char *const *words, size_t n, FILE *out, FILE *err);
/* The commands and what they do. */
void client_help(FILE *out);

/* The interactive shell.  Exit status. */
int shell_run(struct client *k);

/* ---- the shell's output (shell_pager.c) ---- */

/* A screen at a time where there are a terminal and more lines than it has. */
void shell_print(const char *text);

/* ---- the shell's line (shell_line.c) ---- */

enum { SHELL_WORDS = 32, SHELL_PIPES = 4 };
enum shell_pipe_kind { SHELL_MATCH, SHELL_EXCEPT };
struct shell_line {
	char buf[4096];
	const char *words[SHELL_WORDS];
	size_t n_words;
	struct {
		enum shell_pipe_kind kind;
		const char *text;
	} pipes[SHELL_PIPES];
	size_t n_pipes;
};
/* Split a line into words ("…" keeps blanks) and "| match TEXT", "| except TEXT".  False with why. */
bool shell_split(const char *text, struct shell_line *l, char *why, size_t why_len);
/* Does a line of output pass?  Texts are extended regular expressions, matched without regard to case; one
 * that is not a regular expression is looked for as it stands. */
bool shell_passes(const struct shell_line *l, const char *output_line);
