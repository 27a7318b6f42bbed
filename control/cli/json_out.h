/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document written as its pages come: what has been printed is not kept, so that an answer of any length is printed at
 * once and costs its reader one page of memory.  A document of one page looks as jansson prints it; of one with several the
 * lists come first, each in one piece, then the members that pages replace.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct json_out {
	FILE *out;
	json_t *first; /* the only page so far */
	json_t *rest;  /* what is to be printed at the end */
	json_t *lists; /* names of those that were begun */
	char *list;    /* the one that is open */
	size_t n;      /* its elements so far */
	bool begun;
};

/* Of all pages together a list's elements stand one after the other, with no other list's between them. */
void json_out_page(struct json_out *o, const json_t *page);
/* Print the rest.  False: there was no page. */
bool json_out_end(struct json_out *o);
/* No more of it, nor its end: what reads it is to see that. */
void json_out_cut(struct json_out *o);
