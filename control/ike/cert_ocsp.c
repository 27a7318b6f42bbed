/* SPDX-License-Identifier: Apache-2.0 */
#include "cert_ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

/* An answer without nextUpdate does not say when it ends, and carries no nonce (RFC 9654) that would bind it to our
 * question: whoever kept a "good" from before a revocation could replay it for ever.  So it counts for a day. */
enum { SKEW_S = 300, AGE_WITHOUT_NEXT_S = 86400 };

size_t ocsp_request(X509 *cert, X509 *issuer, uint8_t *der, size_t cap)
{
	OCSP_REQUEST *q = OCSP_REQUEST_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert, issuer);
	int len = 0;

	/* SHA-1 names the certificate here and protects nothing; every responder knows it (RFC 5019 2.1.1). */
	if (q && id && OCSP_request_add0_id(q, id)) {
		id = NULL;
		len = i2d_OCSP_REQUEST(q, NULL);
		if (len > 0 && (size_t)len <= cap)
			len = i2d_OCSP_REQUEST(q, &der);
		else
			len = 0;
	}
	OCSP_CERTID_free(id);
	OCSP_REQUEST_free(q);
	ERR_clear_error();
	return len > 0 ? (size_t)len : 0;
}

static OCSP_BASICRESP *basic_of(struct bytes der)
{
	const uint8_t *p = der.p;
	OCSP_RESPONSE *r = der.len ? d2i_OCSP_RESPONSE(NULL, &p, (long)der.len) : NULL;
	OCSP_BASICRESP *b = NULL;

	if (r && OCSP_response_status(r) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
		b = OCSP_response_get1_basic(r);
	OCSP_RESPONSE_free(r);
	ERR_clear_error();
	return b;
}

int64_t ocsp_until(struct bytes der, int64_t otherwise)
{
	OCSP_BASICRESP *b = basic_of(der);
	ASN1_GENERALIZEDTIME *this = NULL, *next = NULL;
	int64_t until = otherwise;

	if (b && OCSP_resp_count(b) > 0 &&
	    OCSP_single_get0_status(OCSP_resp_get0(b, 0), NULL, NULL, &this, &next) >= 0) {
		if (next)
			until = cert_time(next);
		else if (this && cert_time(this) + AGE_WITHOUT_NEXT_S < until)
			until = cert_time(this) + AGE_WITHOUT_NEXT_S;
	}
	OCSP_BASICRESP_free(b);
	return until;
}

enum ocsp_answer ocsp_read(const struct cert_profile *p, const struct cert_peer *c, int depth,
			   struct bytes der, const char **why)
{
	X509 *cert = sk_X509_value(c->chain, depth), *issuer = sk_X509_value(c->chain, depth + 1);
	OCSP_BASICRESP *b = basic_of(der);
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert, issuer);
	ASN1_GENERALIZEDTIME *this_update, *next_update;
	int status = V_OCSP_CERTSTATUS_UNKNOWN, reason;
	enum ocsp_answer a = OCSP_NO_ANSWER;

	*why = "";
	if (!b || !id)
		*why = "the responder gives no answer, or one that cannot be read";
	else if (OCSP_basic_verify(b, c->chain, p->store, 0) != 1)
		*why = "the responder's answer is not signed by the CA, or by somebody it allows to";
	else if (OCSP_resp_find_status(b, id, &status, &reason, NULL, &this_update, &next_update) != 1)
		*why = "the responder's answer is about another certificate";
	else if (OCSP_check_validity(this_update, next_update, SKEW_S,
				     next_update ? -1 : AGE_WITHOUT_NEXT_S) != 1)
		*why = "the responder's answer is out of date, or of the future";
	else
		a = status == V_OCSP_CERTSTATUS_GOOD      ? OCSP_GOOD
		    : status == V_OCSP_CERTSTATUS_REVOKED ? OCSP_REVOKED
							  : OCSP_UNKNOWN;
	if (a == OCSP_UNKNOWN)
		*why = "the responder does not know it";
	OCSP_CERTID_free(id);
	OCSP_BASICRESP_free(b);
	ERR_clear_error();
	return a;
}
