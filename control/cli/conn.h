/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of the socket. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct conn;

/* NULL with errno when nobody answers there. */
struct conn *conn_open(const char *path);
void conn_close(struct conn *c);

struct answer {
	json_t *doc;  /* the pages put together; NULL when there was none */
	json_t *last; /* the status line */
	bool begun;   /* something came, or the wait was interrupted: not to be asked again */
	int exit;
	char err[1536]; /* "" when it went well */
};

/* From a signal handler: a command whose pages come as they are made is asked to conclude; its answer goes on to its end.
 * False: it is none such, or was asked already. */
bool conn_stop(struct conn *c);
/* It was: nothing more can be asked on this connection. */
bool conn_spent(const struct conn *c);
/* From a signal handler: what is being asked on it is given up, and the connection with it. */
void conn_interrupt(struct conn *c);
/* Pages with "stream" go here as they come, and are no part of a->doc; NULL: they are put together as well. */
typedef void conn_page_fn(void *arg, const json_t *page);
void conn_on_page(struct conn *c, conn_page_fn *cb, void *arg);

/* Ask and read the whole answer.  False when the connection broke: err says how. */
bool conn_ask(struct conn *c, const json_t *request, struct answer *a);
void answer_free(struct answer *a);
/* {"command": [words]} or {"complete": [words]}; NULL: a word is not UTF-8. */
json_t *conn_request(const char *what, const char *const *words, size_t n);
/* Put a page to what is there: lists are continued, other members replaced. */
void conn_merge(json_t *to, json_t *page);
