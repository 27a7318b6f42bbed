/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reason records: what an operator reads when a negotiation failed.  The record is put together where
 * the failure is found; ours, theirs and hint are filled where a comparison failed.
 */
#pragma once

#include "ike.h"
#include "proposal.h"

/* A fresh record; text by format. */
void reason_set(struct ike_reason *r, uint64_t now, enum ike_cause cause, enum ike_role role,
		uint8_t exchange, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void reason_ours(struct ike_reason *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void reason_theirs(struct ike_reason *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void reason_hint(struct ike_reason *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A parameter more that was compared; what and how (or NULL) are literals. */
void reason_diff(struct ike_reason *r, const char *what, bool same, const char *how, const char *ours,
		 const char *theirs);
/* Proposals compared, ours with the one of theirs that comes nearest. */
void reason_proposals(struct ike_reason *r, const struct proposals *theirs, const struct ike_algs *ours,
		      enum prop_kind kind, enum ike_esn esn);
/* Fill in text, ours, theirs and hint of selectors that do not fit: equal but mirrored, another mask, or
 * disjoint.  "remote" is the peer's side. */
void reason_ts(struct ike_reason *r, const struct ts_list *our_local, const struct ts_list *our_remote,
	       const struct ts_list *their_local, const struct ts_list *their_remote, bool exact_policy);
/* Fill in cause, text and hint from an error notify of the peer. */
void reason_notify(struct ike_reason *r, uint16_t type, bool child);
/* The peer has another identity than it should; texts, hint and diff, the cause is set.  Where only the type differs,
 * it is that which is told. */
void reason_peer_id(struct ike_reason *r, const struct ike_id *want, const struct ike_id *got);
/* "10.1.2.3", "gw.example", "user@example", "keyid:0011ff", "dn:…" */
const char *id_str(const struct ike_id *id, char *buf, size_t cap);
enum { ID_STR = 300 };
/* "ipaddr", "fqdn", "ufqdn", "dn", "keyid", as the configuration has them; "any" */
const char *id_type_str(const struct ike_id *id);
/* Of different types, and the same as an operator types them? */
bool id_alike(const struct ike_id *a, const struct ike_id *b);
