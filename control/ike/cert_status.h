/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is one of a path revoked?  Lists of the profile answer first, then what was fetched: an OCSP responder's word, then
 * the list that the certificate points to.
 *
 * A list counts when a CA of the path signed it, be it from a file or fetched: HTTP protects nothing.  Only an entry of
 * a list, or a responder's word, says revoked; whatever is wrong with either leaves it unknown.
 *
 * Asked only for a path whose signatures, identity and AUTH were right, so URLs come from a CA that is trusted.  The
 * caller fetches; when an answer is there, or has failed, it asks again.
 */
#pragma once

#include "cert_cache.h"

enum cert_status { CERT_STATUS_GOOD, CERT_STATUS_BAD /* v says what */, CERT_STATUS_WAIT /* for *fetch */ };

/* stapled: an OCSP answer that came along (RFC 4806); len 0: none.  On WAIT, `start` says that fetch has to be begun;
 * it is on its way otherwise. */
enum cert_status cert_status(const struct cert_profile *p, const struct cert_peer *c,
			     struct cert_cache *cache, struct bytes stapled, int64_t now,
			     struct cert_verdict *v, struct cert_fetch *fetch, bool *start);
/* What was fetched, as it came; p NULL: it failed, and why. */
void cert_status_fetched(struct cert_cache *cache, const struct cert_fetch *f, struct bytes content,
			 const char *why, int64_t now);
