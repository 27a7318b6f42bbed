/* SPDX-License-Identifier: Apache-2.0 */
/* Reason records of what both ends have and could be compared: parameter by parameter, and the sentence that
 * follows from it. */
#include <stdio.h>

#include "reason.h"
#include "wire.h"

void reason_diff(struct ike_reason *r, const char *what, bool same, const char *how, const char *ours,
		 const char *theirs)
{
	struct ike_diff *d = &r->diff[r->n_diff];

	if (r->n_diff == IKE_DIFFS)
		return;
	r->n_diff++;
	d->what = what;
	d->same = same;
	d->how = how;
	snprintf(d->ours, sizeof(d->ours), "%s", ours);
	snprintf(d->theirs, sizeof(d->theirs), "%s", theirs);
}

/* ---- identities -------------------------------------------------------------------------------------- */

void reason_peer_id(struct ike_reason *r, const struct ike_id *want, const struct ike_id *got)
{
	const char *ours = id_type_str(want), *theirs = id_type_str(got);
	char a[ID_STR], b[ID_STR];

	id_str(want, a, sizeof(a));
	id_str(got, b, sizeof(b));
	reason_ours(r, "peer-id %.200s (%s)", a, ours);
	reason_theirs(r, "local id %.200s (%s)", b, theirs);
	if (id_alike(want, got)) {
		const char *text = want->type == ID_KEY_ID ? b : a;

		snprintf(
			r->text, sizeof(r->text),
			"peer's identity is the %s %.80s, and peer-id the %s of the same text: the type differs",
			theirs, text, ours);
		reason_diff(r, "type of identity", false, "the value is alike", ours, theirs);
		reason_hint(
			r,
			"set the type of peer-id here to %s, or the type of the peer's local id to %s; the value "
			"is right",
			theirs, ours);
		return;
	}
	reason_diff(r, "peer's identity", false, NULL, a, b);
	reason_hint(r, "set peer-id here to what the peer sends, or the peer's local id to peer-id; type and "
		       "spelling count");
}

/* ---- proposals --------------------------------------------------------------------------------------- */

static void on_parameter(void *arg, const char *what, bool same, const char *ours, const char *theirs)
{
	reason_diff(arg, what, same, NULL, ours, theirs);
}

void reason_proposals(struct ike_reason *r, const struct proposals *theirs, const struct ike_algs *ours,
		      enum prop_kind kind, enum ike_esn esn)
{
	prop_compare(theirs, ours, kind, esn, on_parameter, r);
}

/* ---- selectors --------------------------------------------------------------------------------------- */

static bool overlap(const struct ts_list *a, const struct ts_list *b)
{
	struct ts out;

	for (unsigned i = 0; i < a->n; i++)
		for (unsigned j = 0; j < b->n; j++)
			if (ts_intersect(&a->t[i], &b->t[j], &out))
				return true;
	return false;
}

/* Is a wholly in b, and b in a? */
static bool equal(const struct ts_list *a, const struct ts_list *b)
{
	return ts_list_within(a, b) && ts_list_within(b, a);
}

static void widen(struct ts_list *l, bool protocols)
{
	for (unsigned i = 0; i < l->n; i++) {
		l->t[i].port_lo = 0;
		l->t[i].port_hi = UINT16_MAX;
		if (protocols)
			l->t[i].proto = 0;
	}
}

enum relation { SAME, PORTS, PROTOCOL, WIDER, NARROWER, PARTLY, DISJOINT };

/* How theirs differs from ours. */
static enum relation compare(const struct ts_list *ours, const struct ts_list *theirs)
{
	struct ts_list a = *ours, b = *theirs;

	if (equal(&a, &b))
		return SAME;
	widen(&a, false);
	widen(&b, false);
	if (equal(&a, &b))
		return PORTS;
	widen(&a, true);
	widen(&b, true);
	if (equal(&a, &b))
		return PROTOCOL;
	if (ts_list_within(&a, &b))
		return WIDER;
	if (ts_list_within(&b, &a))
		return NARROWER;
	return overlap(&a, &b) ? PARTLY : DISJOINT;
}

static const char *const hows[] = {
	[SAME] = NULL,
	[PORTS] = "other ports",
	[PROTOCOL] = "another protocol",
	[WIDER] = "another mask: theirs is wider",
	[NARROWER] = "another mask: theirs is narrower",
	[PARTLY] = "overlaps only",
	[DISJOINT] = "nothing in common",
};

/* The sentence and what to do about it; l and rem are how the two sides compare. */
static void conclude(struct ike_reason *r, enum relation l, enum relation rem, bool meet, bool exact)
{
	const char *which = l == SAME ? "remote" : rem == SAME ? "local" : "local and remote";
	enum relation worse = l > rem ? l : rem;

	if (worse == DISJOINT) {
		const char *side = l == DISJOINT ? "local" : "remote";

		snprintf(r->text, sizeof(r->text),
			 "proxy-IDs are disjoint: the %s networks have nothing in common", side);
		if (l == SAME || rem == SAME)
			reason_hint(
				r,
				"the pair is missing at one end: add a proxy-ID with the peer's pair here, or "
				"ours to the peer");
		else
			reason_hint(r, "configure the peer's %s selectors as the mirror of our %s",
				    l == DISJOINT ? "remote" : "local", side);
	} else if (!meet && (worse == PORTS || worse == PROTOCOL)) {
		snprintf(r->text, sizeof(r->text), "proxy-IDs have the same networks and another %s",
			 worse == PORTS ? "port" : "protocol");
		reason_hint(r, "make protocol and ports of the proxy-ID the same on both sides");
	} else if (meet && exact) {
		snprintf(r->text, sizeof(r->text),
			 "proxy-IDs overlap but are not equal (%s differs), and ts-policy is exact", which);
		reason_hint(r, "make the proxy-ID equal on both sides, or set ts-policy = \"narrow\"");
	} else if (l == WIDER || rem == WIDER || l == NARROWER || rem == NARROWER) {
		snprintf(r->text, sizeof(r->text), "proxy-IDs differ in their mask (%s)", which);
		reason_hint(r, "compare prefix lengths of the proxy-ID on both sides");
	} else {
		snprintf(r->text, sizeof(r->text), "proxy-IDs do not fit each other (%s)", which);
		reason_hint(r, "make the proxy-ID the mirror of the peer's selectors");
	}
}

void reason_ts(struct ike_reason *r, const struct ts_list *our_local, const struct ts_list *our_remote,
	       const struct ts_list *their_local, const struct ts_list *their_remote, bool exact_policy)
{
	enum relation l = compare(our_local, their_local), rem = compare(our_remote, their_remote);
	bool meet = overlap(our_local, their_local) && overlap(our_remote, their_remote);
	bool swapped = !meet && overlap(our_local, their_remote) && overlap(our_remote, their_local);
	char a[120], b[120], c[120], d[120];

	ts_list_str(our_local, a, sizeof(a));
	ts_list_str(our_remote, b, sizeof(b));
	ts_list_str(their_local, c, sizeof(c));
	ts_list_str(their_remote, d, sizeof(d));
	reason_ours(r, "local %s remote %s", a, b);
	reason_theirs(r, "local %s remote %s (as seen from here)", c, d);
	reason_diff(r, "local network", l == SAME, swapped ? "swapped" : hows[l], a, c);
	reason_diff(r, "remote network", rem == SAME, swapped ? "swapped" : hows[rem], b, d);
	if (!swapped) {
		conclude(r, l, rem, meet, exact_policy);
		return;
	}
	snprintf(r->text, sizeof(r->text), "proxy-IDs are mirrored: the peer's local network is ours");
	reason_hint(r, "exchange local and remote in the proxy-ID here or in the peer's selectors; each "
		       "side's local is the other's remote");
}
