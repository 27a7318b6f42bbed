/* SPDX-License-Identifier: Apache-2.0 */
/* A Child SA: from the agreed values to the data plane, through its lifetime, and out again. */
#pragma once

#include "ike_sa.h"

enum child_state {
	CHILD_MATURE,
	CHILD_REPLACED, /* rekeyed: inbound still works, the initiator of the rekey deletes it */
	CHILD_DELETING, /* our Delete is queued or on its way */
	CHILD_GONE,     /* deleted on both ends, but packets that were overtaken may still arrive on it */
};

enum child_timer { CHILD_T_REKEY, CHILD_T_EXPIRE, CHILD_T_SETTLE, CHILD_T_N };

struct child_sa {
	UT_hash_handle hh; /* ike->children by spi_in */
	struct ike_sa *sa;
	struct slot *slot;
	struct child_sa *prev, *next;   /* of the IKE SA */
	struct child_sa *sprev, *snext; /* of the slot, newest first */
	enum child_state state;
	enum ike_role role;
	uint32_t spi_in, spi_out, id, msgid;
	uint32_t replaced_by; /* inbound SPI of its successor */
	struct suite_choice suite;
	uint64_t created, expires, rekey_at;
	uint32_t lifetime_s;
	uint64_t life_bytes, life_packets;
	bool in_dp;       /* known to the host */
	bool inactive;    /* installed without outbound traffic: the peer's rekey, or one that lost */
	bool rekeying;    /* queued or on its way */
	bool single;      /* the peer takes one pair of addresses only: so does its successor */
	bool loser;       /* of a collision: its creator deletes it */
	bool no_tfc;      /* the peer takes no TFC padding */
	bool transport;   /* mode */
	bool delete_sent; /* in the request with delete_msgid */
	uint32_t delete_msgid;
	struct timer t[CHILD_T_N];
	/* As it was installed, which the data plane cannot change: mobike.h. */
	struct addr from; /* our address */
	bool encap;
	void *host;
	uint8_t n_local, n_remote;
	struct ts ts[]; /* local, then remote */
};

/* What both ends agreed on; nothing of it installed yet. */
struct child_plan {
	struct slot *slot;
	enum ike_role role;
	struct suite_choice suite;
	uint32_t spi_in, spi_out;
	bool no_tfc; /* the peer sent ESP_TFC_PADDING_NOT_SUPPORTED (RFC 7296 1.3.1) */
	struct ts_list local, remote;
	struct bytes more; /* secrets of additional key exchanges (RFC 9370) */
	bool transport;    /* mode: both ends want it */
	bool narrowed;     /* initiator: the peer took less than it was asked for */
	bool additional;   /* what was left out could be had in another SA (ADDITIONAL_TS_POSSIBLE) */
};

/* Derive keys, install, enter into the tables.  Unless activate is set, a Child SA that is up already goes on
 * carrying traffic for now.  NULL with r filled when the host refuses it; the reserved SPI is released then.
 * old: the child it replaces. */
struct child_sa *child_commit(struct ike_sa *sa, const struct child_plan *p, struct bytes ni, struct bytes nr,
			      struct bytes dh_secret, uint32_t msgid, bool activate, struct child_sa *old,
			      struct ike_reason *r);
/* Out of data plane and tables.  r NULL: no event. */
void child_remove(struct child_sa *c, const struct ike_reason *r);
/* Both ends have agreed on its end.  One that has a successor still receives for a moment: a Delete may
 * overtake the last packets. */
void child_finish(struct child_sa *c, const struct ike_reason *r);
/* Ask the peer to delete it; it stays installed until the answer when keep is set. */
void child_delete(struct child_sa *c, const struct ike_reason *r, bool keep);
/* Traffic goes out on this one from now on. */
void child_use(struct child_sa *c);
/* It does not carry outbound traffic any more, if another one can. */
void child_hand_over(struct child_sa *c);
/* Another child of the slot that can carry traffic, or NULL. */
struct child_sa *child_sibling(const struct child_sa *c);
/* The Child SA that serves c's proxy-ID on another IKE SA, or NULL. */
struct child_sa *child_elsewhere(const struct child_sa *c);
/* Does the slot have one on this IKE SA?  sure: and the peer is known to have it. */
bool child_on(const struct slot *s, const struct ike_sa *sa, bool sure);
/* The IKE SA of c goes, and heir carries its traffic: c still receives, until child_drain(). */
void child_retire(struct child_sa *c, const struct child_sa *heir, const struct ike_reason *r);
/* It receives for a moment more, as a child of the heir's IKE SA, for its own has ended.  r NULL: no event. */
void child_drain(struct child_sa *c, const struct child_sa *heir, const struct ike_reason *r);
/* old is replaced by c. */
void child_replace(struct child_sa *old, struct child_sa *c);
/* The SA's endpoints or encapsulation changed. */
void child_move_all(struct ike_sa *sa);
void child_rekey(struct child_sa *c);
struct child_sa *child_find(struct ike *k, uint32_t spi_in);
struct child_sa *child_by_spi_out(struct ike_sa *sa, uint32_t spi_out);
void child_view(const struct child_sa *c, struct ike_child_sa *v);
uint64_t child_last_in(const struct child_sa *c);
void child_event(struct ike_sa *sa, struct slot *s, const struct child_sa *c, enum ike_event_type type,
		 const struct ike_reason *r, bool rekey);

void child_on_rekey(struct ike *k, void *child);
void child_on_expire(struct ike *k, void *child);
void child_on_settle(struct ike *k, void *child);
