/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was fetched about revocation: lists (RFC 5280) and OCSP answers (RFC 6960), until they are out of date.
 *
 * An entry is asked for once, by whoever needs it first; a failure is remembered for a little while, so that a
 * responder that is down is not asked by every peer anew.  Bounded in number and size; what was not used for longest
 * gives way.  A list is kept as it was decoded: a large one takes too long to be decoded for every peer.
 */
#pragma once

#include "cert_int.h"

enum {
	CACHE_ENTRIES = 256,
	CACHE_CRL_BYTES = 1 << 20, /* a list */
	CACHE_OCSP_BYTES = 16384,  /* an answer */
	CACHE_FAILED_S = 30,       /* a failure counts so long */
	CACHE_DEFAULT_S = 600,     /* an answer that does not say until when it holds */
	CACHE_WAIT_S = 60          /* whoever was to fetch it has forgotten */
};

enum cache_state { CACHE_NONE, CACHE_WAITING, CACHE_HAVE, CACHE_FAILED };

struct cert_cache;
struct cert_cache *cert_cache_new(void);
void cert_cache_free(struct cert_cache *c); /* NULL is fine */

/* What is to be fetched: GET, or POST where there is a body. */
struct cert_fetch {
	char url[256];
	uint8_t post[512];
	size_t post_len;
	size_t max; /* bytes of an answer */
	uint16_t timeout_s;
};
/* Something of this URL and body; its content when it is there.  why: of a failure. */
enum cache_state cert_cache_find(struct cert_cache *c, const struct cert_fetch *f, int64_t now,
				 struct bytes *content, const char **why);
/* It is being fetched. */
void cert_cache_wait(struct cert_cache *c, const struct cert_fetch *f, int64_t now);
/* The list that is there, whoever signed it, with a reference for the caller; NULL. */
X509_CRL *cert_cache_list(struct cert_cache *c, const struct cert_fetch *f, int64_t now);
/* It came, and holds until then; or it failed (content NULL), and why. */
void cert_cache_put(struct cert_cache *c, const struct cert_fetch *f, struct bytes content, int64_t until,
		    const char *why);
/* A list came, and holds until then. */
void cert_cache_put_list(struct cert_cache *c, const struct cert_fetch *f, X509_CRL *list, int64_t until);
/* What is there turned out to be of no use to somebody: fetched again then, if not earlier. */
void cert_cache_until(struct cert_cache *c, const struct cert_fetch *f, int64_t until);
