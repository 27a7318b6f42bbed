/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several answers to one IKE_SA_INIT.
 *
 * Nothing proves which answer is the peer's, so a forger on the path could spoil a start by being faster.
 * As RFC 7296 2.4 allows, each answer is taken as possible and gets an IKE_AUTH of its own; the first
 * protected answer that verifies decides.  There are ALTS_MAX at most.  Where IKE_INTERMEDIATE stands between (RFC
 * 9242), the first proper answer is the one.
 */
#pragma once

#include "ike_sa.h"

enum { ALTS_MAX = 8 };

/* What an answer to IKE_SA_INIT determines. */
struct alt {
	struct alt *next;
	uint64_t spi_peer;
	struct suite_choice suite;
	struct ike_keys keys;
	uint8_t nr[IKE_NONCE_MAX];
	size_t nr_len;
	struct datagram response, request; /* IKE_SA_INIT received, IKE_AUTH sent */
	struct endpoint local, remote;
	unsigned sig_hashes;
	bool nat_local, nat_remote, nat_ignored, natt_peer, udp_encap, childless_ok, fragmentation, ppk_peer;
	struct frag_in *frag; /* fragments of its answer to IKE_AUTH */
};

/* Exchange what the SA has with what the alternative has. */
void alt_swap(struct ike_sa *sa, struct alt *a);
/* Was this very answer seen before, or are there enough of them? */
bool alt_refused(const struct ike_sa *sa, const struct msg *m);
/* An answer that leads to the same keys as one had before: the IKE_AUTH sealed for that one serves, and no
 * other may be sealed, for it would use the same IV.  Copies request and IV counter; false: other keys. */
bool alt_share(const struct ike_sa *sa, struct alt *a);
void alt_add(struct ike_sa *sa, struct alt *a);
void alt_free(struct alt *a);
void alt_free_all(struct init *i);
/* Some alternative has this peer SPI. */
bool alt_knows(const struct ike_sa *sa, uint64_t spi_peer);
/* Decrypt an answer to IKE_AUTH by whatever alternative it fits; that one becomes the SA's. */
int alt_open(struct ike_sa *sa, const struct msg *m, uint8_t *plain, size_t *len);
/* The next alternative that has the same keys; false when all were had.  *n counts from 0. */
bool alt_next_same_keys(struct ike_sa *sa, unsigned *n);
/* The answer the SA goes by was wrong: go by another one, and forget it.  false: there is no other. */
bool alt_next(struct ike_sa *sa);
void alt_retransmit(struct ike_sa *sa);
