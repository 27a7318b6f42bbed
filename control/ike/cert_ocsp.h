/* SPDX-License-Identifier: Apache-2.0 */
/* OCSP (RFC 6960): what to ask, and what an answer says. */
#pragma once

#include "cert_int.h"

enum ocsp_answer { OCSP_NO_ANSWER, OCSP_GOOD, OCSP_REVOKED, OCSP_UNKNOWN };

/* The request for one certificate: its DER, at most `cap` bytes; 0: none can be made. */
size_t ocsp_request(X509 *cert, X509 *issuer, uint8_t *der, size_t cap);
/* What the answer says about it at that time.  It counts when the issuer signed it, or somebody whom the issuer allows
 * to; `why` tells of one that does not. */
enum ocsp_answer ocsp_read(const struct cert_profile *p, const struct cert_peer *c, int depth,
			   struct bytes der, const char **why);
/* Until when it holds.  One that does not say: `otherwise`, and no longer than it counts by its age. */
int64_t ocsp_until(struct bytes der, int64_t otherwise);
