/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request's line to what the operator reads: the daemon's jobs over an engine and a data plane that
 * hold what the test put there, their pages put together as the client does, and the client's text of that
 * document.
 */
#pragma once

#include <jansson.h>

/* Before and after each test. */
int cli_begin(void **state);
int cli_end(void **state);

/* An answer: its pages put together, its status line. */
struct got {
	json_t *doc, *last;
	unsigned pages;
};

struct got ask_line(const char *line);
/* A command's words, blank-separated; page 0: the default. */
struct got ask(const char *words, int page);
void got_free(struct got *g);
/* A list's element, which has to be there. */
const json_t *got_entry(const struct got *g, const char *list, size_t i);
/* A number, which has to be one. */
long long doc_member(const json_t *o, const char *key);
/* The client's text, to be freed. */
char *text_of(const json_t *doc);

void assert_text(const char *words, const char *want);
void assert_error(const char *words, int status, const char *error);
void assert_rendered(const char *json, const char *want);

/* A log file of the test's, gone with log_gone(). */
void log_with(const char *text);
void log_gone(void);
