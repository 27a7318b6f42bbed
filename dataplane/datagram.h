/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams of which only fragments have been seen so far: a table for each worker and purpose, bounded in number
 * and time.
 *
 * All have one time-out, so the list in order of arrival is in order of time, too.  When the table is full the
 * oldest gives way: whoever sends fragments that never make a datagram shortens the time that others have, but
 * those come back to back and need little.  What is ended is counted by its fragments.
 *
 * librte_ip_frag is not used: it does not tell overlaps and duplicates from other errors, nor why a fragment has
 * died, takes no more than eight of them, and leaves a chain of buffers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "worker.h"

/* What fragments of one datagram have in common: RFC 791 2.3; RFC 8200 4.5, without the protocol.  Out of a tunnel
 * they must come by the same one: no peer can meddle with another's. */
struct datagram_key {
	uint8_t src[16], dst[16]; /* IPv4: the first four bytes */
	uint32_t id;
	uint16_t in_if; /* the tunnel, or IF_SELF for all ports */
	uint8_t proto, v;
};
static_assert(sizeof(struct datagram_key) == 40, "no padding: keys are hashed as bytes");

/* A fragment as its header describes it; off and len are of its part of the payload. */
struct fragment_info {
	struct datagram_key key;
	uint32_t off, len;
	bool more;
};
/* Of a packet that parse_ip() took for one. */
void fragment_of(const struct pkt *p, struct fragment_info *f);

/* The start of an entry of either purpose. */
struct datagram {
	TAILQ_ENTRY(datagram) link; /* free, or waiting in order of arrival */
	struct datagram *chain;     /* same bucket */
	uint64_t until;             /* TSC */
	struct datagram_key key;
};
TAILQ_HEAD(datagram_list, datagram);

struct datagram_table {
	struct datagram_list free, waiting;
	struct datagram **bucket;
	uint32_t mask;
	uint64_t patience; /* cycles */
	/* Let go of what an entry holds, counting it for this reason. */
	void (*end)(struct worker *w, struct datagram *d, enum drop why);
};

/* Room for n entries of so many bytes; NULL without memory.  Control thread. */
struct datagram_table *datagram_table_new(uint32_t n, size_t entry, int socket,
					  void (*end)(struct worker *w, struct datagram *d, enum drop why));
/* Its entries end as if their time were up. */
void datagram_table_free(struct worker *w, struct datagram_table *t);
/* How many datagrams each table of a worker may have, and buffers they may hold. */
uint32_t datagram_limit(void);

/* Worker.  The worker that puts a datagram together. */
uint16_t datagram_owner(const struct datagram_key *k);
/* The entry of this key, or NULL. */
struct datagram *datagram_find(struct datagram_table *t, const struct datagram_key *k);
/* A new one; its bytes behind the start are zero. */
struct datagram *datagram_add(struct worker *w, struct datagram_table *t, size_t entry,
			      const struct datagram_key *k);
/* It is complete, and holds nothing any more. */
void datagram_remove(struct datagram_table *t, struct datagram *d);
/* End those whose time is up; the others follow. */
void datagram_expire(struct worker *w, struct datagram_table *t);
static inline void datagram_service(struct worker *w, struct datagram_table *t)
{
	if (unlikely(!TAILQ_EMPTY(&t->waiting)))
		datagram_expire(w, t);
}
