/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator may have to look up who sees one tunnel a year: the field's terms, how each failure looks and is
 * told from others, and what to type at the other vendor's end.  Texts only; client and daemon share them, so that
 * they can be read while the daemon is down.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

enum knowledge_kind { KNOWLEDGE_TERM, KNOWLEDGE_CARD, KNOWLEDGE_VERDICT, KNOWLEDGE_VENDOR };

struct knowledge {
	enum knowledge_kind kind;
	const char *word; /* as typed: "pfs", "one-way", "cisco" */
	const char *title;
	const char *text; /* lines as they are printed */
	const char *see;  /* words of others, blank between; "" */
};

extern const struct knowledge knowledge[];
extern const size_t n_knowledge;

/* The one of this word and kind (a term, a card or a verdict when !vendor), without regard to case; NULL. */
const struct knowledge *knowledge_find(const char *word, bool vendor);
/* Make the document of one, or with word NULL the list of all, terms and cards or vendors.  False: there is no such
 * word. */
bool knowledge_doc(json_t *doc, const char *word, bool vendor);
/* What to say of a word that is none. */
void knowledge_unknown(const char *word, bool vendor, char *buf, size_t cap);
