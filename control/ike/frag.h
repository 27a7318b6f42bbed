/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragmentation of IKE messages (RFC 7383).
 *
 * Every fragment is a message with an ICV of its own, so only fragments of someone who has the SA's keys are
 * kept, and of these no more than FRAGS_MAX and FRAG_BYTES a message (FRAG_BYTES_EARLY until the peer is
 * authenticated), of one message in each direction, for FRAG_WAIT_S.  Peers that are not authenticated share
 * fragment_bytes (ike.h); whoever came first gives way.
 *
 * What is sent is cut to a fixed size, the gateway's; the path is not probed (2.5.2 leaves that open).
 */
#pragma once

#include "ike_sa.h"

enum { FRAGS_MAX = 64, FRAG_BYTES = 60000, FRAG_BYTES_EARLY = 16384, FRAG_WAIT_S = 15, FRAG_SIZE_MIN = 256 };

struct out;

/* One message being put together. */
struct frag_in {
	struct ike *k;
	struct timer t;
	struct frag_in *prev, *next; /* of k->fragments */
	bool early;                  /* on that list */
	uint32_t msgid;
	uint8_t exchange, first; /* first: type of the first payload inside */
	uint16_t total, have;    /* 0: empty */
	size_t bytes;
	struct datagram part[FRAGS_MAX];
	struct datagram raw; /* fragment 1 as it came */
};

/* Seal the message with header h, whole or, should that be more than the gateway's fragment size, in
 * fragments.  -EMSGSIZE, -ENOMEM. */
int frag_seal(struct ike_sa *sa, const struct ike_hdr *h, const struct out *o, struct datagram *d);
/* Is the fragment m worth being decrypted?  Counted when it is not. */
bool frag_wanted(struct ike_sa *sa, const struct msg *m);
/* Keep a fragment that verified.  With the last one the whole message stands in plain (MSG_MAX bytes), m is
 * that of the first fragment, and the object returned holds m->raw: the caller frees it.  NULL: not yet. */
struct frag_in *frag_add(struct ike_sa *sa, struct msg *m, uint8_t *plain, size_t *len);
void frag_free(struct frag_in *f); /* NULL is fine */
void frag_free_all(struct ike_sa *sa);
void frag_on_timeout(struct ike *k, void *frag_in);
