/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AUTH payload: what it covers, how ours is made, how the peer's is judged (RFC 7296 2.15).
 *
 * Either side covers its own IKE_SA_INIT message, the other's nonce and its own identity, so that nobody can have
 * changed what was negotiated in clear; then all of IKE_INTERMEDIATE, where there was any (RFC 9242 3.3.2).  The two sides need not use the same method.
 */
#pragma once

#include "fsm.h"
#include "intermediate.h"
#include "xchg.h"

enum { AUTH_PARTS = 4 };

/* InitiatorSignedOctets or ResponderSignedOctets, in parts; views but for MACs. */
struct auth_octets {
	struct bytes part[AUTH_PARTS];
	size_t n;
	uint8_t maced_id[PRF_MAX], int_auth[INTER_OCTETS];
};

/* What the AUTH of the initiator, or the responder, covers; id_body is the body of its ID payload.  -errno. */
int auth_octets(const struct ike_sa *sa, bool initiator, struct bytes id_body, struct auth_octets *o);

/* Write our AUTH payload, by the gateway's own method, for the identity that stands in our ID payload.  -errno. */
int auth_write(struct out *o, struct ike_sa *sa, const struct gw *gw, const struct ike_id *id);

/* Payloads that go with a certificate; nothing is written where the gateway has none, or trusts none. */
void auth_write_certs(struct out *o, const struct gw *gw);
void auth_write_certreq(struct msg_wr *w, const struct gw *gw);
/* Does either end authenticate itself by a signature? */
bool auth_signs(const struct gw *gw);
/* SIG_BITs of the hashes that the peer takes in signatures, as its IKE_SA_INIT says; 0: it does not say. */
unsigned auth_peer_hashes(const struct msg *m);

/* Why auth_write() could not: -ENOTSUP is the peer's, which takes no signature that our key can make. */
void auth_write_reason(const struct ike_sa *sa, const struct gw *gw, int rc, struct ike_reason *r);

/* Is the AUTH of the message right, by the method the gateway demands of its peer?  Why not stands in r; or in->wait is
 * set, when that cannot be told yet. */
bool auth_judge(struct in *in, const struct gw *gw, struct ike_reason *r);

/* auth_sig.c: the same by certificate. */
int sig_write(struct out *o, struct ike_sa *sa, const struct gw *gw, const struct auth_octets *octets);
bool sig_judge(struct in *in, const struct gw *gw, const struct msg_id *id, const struct auth_octets *octets,
	       struct ike_reason *r);
/* "pre-shared key", "ECDSA signature", … */
const char *auth_method_str(uint8_t method);
