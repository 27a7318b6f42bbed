/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of the operator's, being answered.  A job makes its answer line by line, when asked: what a
 * reader does not take is not made, so an answer of any length costs one page of memory.
 *
 * A request is a line of JSON:
 *     {"command": ["show", "vpn", "ike-sa"], "options": {"page": 64, "stream": true}}
 *     {"complete": ["show", "vpn", "ik"]}
 * The answer, also one line each:
 *     {"document": {"type": "vpn-ike-sa", "entries": […], …}, "more": true}        any number of these
 *     {"status": "ok", "exit": 0}   or   {"status": "error", "error": "…", "exit": 1}
 * The documents of an answer are pages of one: arrays of the same name are continued (one after the other), other members
 * replaced; those of a document with "stream" (what the option asks for, and what has no end) are to be shown as they
 * come.  exit: 0 done, 1 failed or refused, 2 not a command.
 */
#pragma once

#include <jansson.h>

#include "ctl.h"
#include "grammar.h"

/* A page has so many elements unless asked otherwise; and of what it is asked to leave out, so many are looked at for it: a
 * page without any is an answer, too, and the loop has other work. */
enum { CLI_PAGE = 64, CLI_PAGE_MAX = 1024, CLI_LOOK = 1024, CLI_ERR = 1024 };

struct cli_job {
	struct ctl *c;
	struct cli_match m;
	char **words; /* what m.arg points into */
	size_t n_words;
	bool completing, over;
	bool stream; /* its pages are to be shown as they come */
	unsigned page_len;
	/* the handler's: where it stands, from zero */
	unsigned part;
	uint64_t at, serial;
	uint64_t shown; /* elements that the pages of this part have had so far */
	/* the handler's: what it holds between pages, and how that is given back when the job ends */
	void *state;
	void (*state_end)(struct cli_job *j);
	/* It has nothing to tell yet: cli_job_wake() calls wake. */
	bool waiting;
	void (*wake)(void *arg);
	void *wake_arg;
	/* the handler's: why it failed */
	char err[CLI_ERR];
	int exit;
};

/* CLI_WAIT: doc is dropped; the handler is called again after cli_job_wake(). */
enum cli_page { CLI_LAST, CLI_MORE, CLI_FAILED, CLI_WAIT };
/* Add the next page of the answer to doc.  CLI_FAILED: err says why, doc is dropped.  CLI_LAST with err set:
 * doc is told, and then that the command failed. */
typedef enum cli_page cli_handler(struct cli_job *j, json_t *doc);

/* NULL when out of memory only: a bad request gives a job whose answer says so. */
struct cli_job *cli_job_new(struct ctl *c, const char *line, size_t len);
/* The answer's next line with its newline, to be freed; NULL behind the last (or out of memory), and while it is
 * waiting. */
char *cli_job_line(struct cli_job *j);
/* There is something to tell. */
void cli_job_wake(struct cli_job *j);
void cli_job_free(struct cli_job *j);

/* Every command's handler, by enum cli_cmd. */
extern cli_handler *const cli_handlers[CLI_CMD_MAX];
