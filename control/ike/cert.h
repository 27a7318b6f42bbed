/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 certificates as IKE uses them (RFC 7296 3.6, RFC 4945, RFC 5280): our own, and whose we believe.
 *
 * Both kinds of object are made once, when the configuration is read, and are not changed afterwards; they are
 * counted, and whoever keeps one takes a reference.  What a peer sends is bounded in number, size and key length
 * before any signature is checked.  All decoding and checking is OpenSSL's.
 *
 * Nothing here knows of SAs or messages.  Times are seconds of the wall clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike_conf.h"
#include "rd.h"

enum {
	CERT_BYTES_MAX = 8192,    /* one certificate */
	CERT_CHAIN_BYTES = 12288, /* ours, all that we send of it */
	CERT_DEPTH_MAX = 5,       /* intermediates between a peer's certificate and a trust anchor */
	CERT_KEY_BITS_MAX = 8192,
	CERT_ANCHORS_MAX = 64, /* of a profile */
	CERT_HASH = 20         /* of a public key, in CERTREQ */
};

/* CERT and CERTREQ encodings (RFC 7296 3.6, RFC 4806).  Hash and URL (12, 13) are not used: whoever sends them
 * was asked to by HTTP_CERT_LOOKUP_SUPPORTED, which we do not send. */
enum { CERT_X509_SIGNATURE = 4, CERT_OCSP = 14 };

/* Which rule a certificate broke. */
enum cert_rule {
	CERT_GOOD,
	CERT_MISSING,   /* none was sent */
	CERT_MALFORMED, /* not a certificate, or beyond the bounds */
	CERT_UNTRUSTED, /* leads to no trust anchor, or a signature in the chain is wrong */
	CERT_EXPIRED,   /* one of the chain */
	CERT_NOT_YET,   /* likewise */
	CERT_REVOKED,   /* likewise */
	CERT_STATUS,    /* whether it is revoked cannot be told, and has to be */
	CERT_USAGE,     /* not made for this: CA, path length, key usage, extended key usage, weak key */
	CERT_IDENTITY,  /* does not have the peer's identity */
};

/* What is wrong, in words; GOOD leaves the rest empty. */
struct cert_verdict {
	enum cert_rule rule;
	char text[256];   /* "certificate "CN=gw.example" of the peer expired 2026-01-31 12:00:00 UTC" */
	char theirs[256]; /* what the certificate has, where something is compared */
	char ours[256];
	char hint[256]; /* what would pass */
};

/* A certificate for people. */
struct cert_info {
	char subject[256], issuer[256];
	char serial[64];      /* "4f:a0:…" */
	char fingerprint[96]; /* SHA-256, "AB:CD:…" */
	char key[32];         /* "RSA 3072", "EC P-256", "Ed25519" */
	int64_t not_before, not_after;
};

/* ---- our own -------------------------------------------------------------------------------------------------- */

/* A certificate of ours with its private key, and the intermediates that are sent along. */
struct cert_own;

/* A file's content: PEM or, of a single certificate, DER. */
struct cert_text {
	const char *name; /* for messages */
	struct bytes b;
};
struct cert_own_source {
	struct cert_text cert;         /* the first certificate is ours, further ones go along */
	const struct cert_text *chain; /* more of these */
	size_t n_chain;
	struct cert_text key;   /* PKCS#8, perhaps encrypted, or a traditional PEM; or "pkcs11:…" */
	const char *passphrase; /* of the key, or the token's PIN; NULL: none */
	bool pss;               /* sign by RSA-PSS */
};
enum { CERT_ERR = 320 };
/* NULL, and err says what is wrong with which file. */
struct cert_own *cert_own_new(const struct cert_own_source *s, char err[CERT_ERR]);
struct cert_own *cert_own_ref(struct cert_own *c); /* NULL is fine */
void cert_own_put(struct cert_own *c);
bool cert_own_same(const struct cert_own *a, const struct cert_own *b);
/* The i-th certificate to be sent, ours first, to be freed by cert_der_free(); false behind the last. */
bool cert_own_der(const struct cert_own *c, unsigned i, struct bytes *der);
void cert_der_free(struct bytes *der);
void cert_own_info(const struct cert_own *c, struct cert_info *i);
/* The certificate's subject as an identity; false when it is too long for one. */
bool cert_own_dn(const struct cert_own *c, struct ike_id *id);
/* Does our certificate have this identity?  If not, `has` lists those that it has. */
bool cert_own_is(const struct cert_own *c, const struct ike_id *id, char *has, size_t cap);
/* ---- whom we believe ---------------------------------------------------------------------------------------- */

enum cert_revocation { CERT_REVOCATION_OFF, CERT_REVOCATION_SOFT, CERT_REVOCATION_STRICT };

/* Trust anchors, revocation lists, and what a peer's certificate has to keep to. */
struct cert_profile;

struct cert_policy {
	enum cert_revocation revocation;
	bool ike_usage;     /* the extended key usage has to name IKE (RFC 4945 5.1.3.12) */
	bool use_crl;       /* fetch lists from where certificates say they are */
	bool use_ocsp;      /* ask responders */
	char ocsp_url[256]; /* this responder, whatever certificates say; "": theirs */
	uint16_t timeout_s; /* an IKE_AUTH waits so long for an answer */
};

struct cert_profile *cert_profile_new(const struct cert_policy *policy);
struct cert_profile *cert_profile_ref(struct cert_profile *p); /* NULL is fine */
void cert_profile_put(struct cert_profile *p);
const struct cert_policy *cert_profile_policy(const struct cert_profile *p);
/* All certificates, all lists of a file.  How many, or -1 and err. */
int cert_profile_add_ca(struct cert_profile *p, const struct cert_text *t, char err[CERT_ERR]);
int cert_profile_add_crl(struct cert_profile *p, const struct cert_text *t, char err[CERT_ERR]);
/* Would both have believed the same peers, lists aside?  NULL is fine. */
bool cert_profile_same(const struct cert_profile *a, const struct cert_profile *b);
/* The i-th trust anchor: hash of its public key for CERTREQ; its data.  false behind the last. */
bool cert_profile_hash(const struct cert_profile *p, unsigned i, uint8_t hash[CERT_HASH]);
bool cert_profile_anchor(const struct cert_profile *p, unsigned i, struct cert_info *info);

/* ---- a peer's ------------------------------------------------------------------------------------------------- */

/* A peer's certificate that stood all checks but revocation, and the way from it to a trust anchor. */
struct cert_peer;

/* Judge what a peer sent (DER, its own certificate first) at the time `now`, id being the identity that it claims.
 * NULL, and v says why not. */
struct cert_peer *cert_peer_check(const struct cert_profile *p, const struct bytes *der, size_t n,
				  const struct ike_id *id, int64_t now, struct cert_verdict *v);
void cert_peer_free(struct cert_peer *c); /* NULL is fine */
void cert_peer_info(const struct cert_peer *c, struct cert_info *i);

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* "C=CH, O=Lab, CN=gw.example", "\," for a comma, as an identity; a value "*" stands for any value in a peer's.
 * false: not a distinguished name, or too long. */
bool cert_dn_parse(const char *text, struct ike_id *id);
/* Text of a DER name; of anything else, hexadecimal. */
const char *cert_dn_str(struct bytes der, char *buf, size_t cap);
/* Are the names equal, as RFC 5280 7.1 compares them, or, with wildcards, does `got` fit those in `want`? */
bool cert_dn_is(struct bytes want, struct bytes got, bool wildcards);
bool cert_dn_has_wildcard(struct bytes der);
/* "2026-01-31 12:00:00 UTC" */
enum { CERT_TIME = 32 };
const char *cert_time_str(int64_t t, char buf[CERT_TIME]);
/* What a certificate file of any kind holds: the identities that it would match, comma-separated. */
bool cert_text_ids(const struct cert_text *t, char *ids, size_t cap);
