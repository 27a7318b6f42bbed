/* SPDX-License-Identifier: Apache-2.0 */
#include "diag_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SILENT = 2, BUSY_PERCENT = 90, FLAPS = 3, REPLAY_SHARE = 1000 };

const char *diag_state_str(enum diag_state s)
{
	static const char *const words[] = {
		[DIAG_OK] = "ok", [DIAG_BAD] = "bad", [DIAG_NOTE] = "note", [DIAG_UNKNOWN] = "unknown"};

	return words[s];
}

/* ---- a report ------------------------------------------------------------------------------------------ */

void diag_step(struct diag_report *r, const char *name, enum diag_state state, const char *fmt, ...)
{
	va_list ap;

	if (r->n == DIAG_STEPS)
		return;
	r->step[r->n].name = name;
	r->step[r->n].state = state;
	va_start(ap, fmt);
	vsnprintf(r->step[r->n].text, DIAG_TEXT, fmt, ap);
	va_end(ap);
	r->n++;
}

void diag_verdict(struct diag_report *r, const char *word, const char *fmt, ...)
{
	va_list ap;

	if (r->verdict)
		return;
	r->verdict = word;
	va_start(ap, fmt);
	vsnprintf(r->cause, sizeof(r->cause), fmt, ap);
	va_end(ap);
	r->fix[0] = 0;
}

void diag_fix(struct diag_report *r, const char *word, const char *fmt, ...)
{
	va_list ap;

	if (r->verdict != word || r->fix[0])
		return; /* of another verdict */
	va_start(ap, fmt);
	vsnprintf(r->fix, sizeof(r->fix), fmt, ap);
	va_end(ap);
}

const char *diag_told(const struct ike_reason *f, char buf[DIAG_TEXT])
{
	bool theirs = f->theirs[0] && !strstr(f->text, f->theirs);

	snprintf(buf, DIAG_TEXT, "%s%s%s%s%s", f->text, f->ours[0] ? "; ours: " : "", f->ours,
		 theirs ? "; theirs: " : "", theirs ? f->theirs : "");
	return buf;
}

void diag_verdict_of(struct diag_report *r, const char *word, const struct ike_reason *f)
{
	diag_verdict(r, word, "%s", f->text);
	diag_fix(r, word, "%s", f->hint);
	if (r->verdict == word) {
		r->ask_peer = f->reported_by_peer;
		r->reason = f;
	}
}

/* ---- up ------------------------------------------------------------------------------------------------ */

/* One packet was asked for.  Where other packets of the proxy-ID are allowed it proves something only if none comes
 * through; where none is, its being denied is a fault whatever the counters of the SAs say, which count before the
 * rules are asked.  With nothing coming in at all no rule is the cause. */
static void inside_rules(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "rule-denies";
	const char *way = f->ruled_out ? "into" : "out of";
	bool cause = f->others_allowed ? f->traffic == TRAFFIC_IN_ONLY
				       : f->ruled_out || f->traffic != TRAFFIC_OUT_ONLY;

	if (!f->ruled_out && !f->back_ruled_out) {
		diag_step(r, "security rules", DIAG_OK, "none stands in the way");
		return;
	}
	diag_step(r, "security rules", cause ? DIAG_BAD : DIAG_NOTE,
		  "the rules deny a packet %s the tunnel, %s%s", way, f->denied,
		  f->others_allowed ? "; others they allow" : "");
	if (!cause)
		return;
	diag_verdict(r, word, "the security rules deny what goes %s the tunnel%s", way,
		     f->ruled_out ? "" : ", answers as well: each direction has a rule of its own");
	diag_fix(r, word,
		 "add a rule that allows it; test vpn packet names the rule that decides, show "
		 "rule-hit-count those that were met");
}

/* Inside the gateway: does a packet find its way into the tunnel, and back? */
static void inside(const struct diag_facts *f, struct diag_report *r)
{
	static const char route[] = "no-route-into-tunnel";

	if (!f->traced)
		return;
	if (!f->routed_in) {
		diag_step(r, "route into tunnel", DIAG_BAD, "no route takes packets for %s to %s",
			  f->remote_net, f->tunnel_if);
		diag_verdict(r, route, "packets for %s are not routed into the tunnel", f->remote_net);
		diag_fix(r, route, "add a route: destination %s, interface %s", f->remote_net, f->tunnel_if);
		return;
	}
	if (f->routed_part[0])
		diag_step(r, "route into tunnel", DIAG_NOTE, "%s leads to %s, but not all of %s",
			  f->routed_part, f->tunnel_if, f->remote_net);
	else
		diag_step(r, "route into tunnel", DIAG_OK, "%s leads to %s", f->remote_net, f->tunnel_if);
	inside_rules(f, r);
}

/* Is it PFS that a new key failed for?  What else is in the proposal the peer took for the SA there is; where it told
 * its own, that counts. */
static bool of_pfs(const struct diag_facts *f, const struct ike_reason *why)
{
	bool others = false, dh = false;

	if (why->cause != IKE_CAUSE_NO_PROPOSAL)
		return why->cause == IKE_CAUSE_INVALID_KE;
	for (unsigned i = 0; i < why->n_diff; i++) {
		bool is_dh = strncmp(why->diff[i].what, "dh-group", 8) == 0;

		dh |= is_dh && !why->diff[i].same;
		others |= !is_dh && !why->diff[i].same;
	}
	return why->n_diff ? dh && !others : !f->pfs || !f->sa_pfs;
}

/* What the next rekey will meet; the first SA, made with the IKE SA, shows nothing of PFS (RFC 7296 1.2). */
static void rekeys(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "rekey-fails", pfs[] = "pfs-mismatch";
	const struct ike_reason *why = f->child_failure;
	bool dh = why && of_pfs(f, why);
	char buf[DIAG_TEXT];

	if (why) {
		diag_step(r, "rekey", DIAG_BAD, "%s; the SA ends at %s, in %llu s", diag_told(why, buf),
			  f->expires_at, (unsigned long long)f->expires_in_s);
		diag_verdict(r, dh ? pfs : word,
			     "new keys are refused: %s; at %s, in %llu s, the tunnel goes down", why->text,
			     f->expires_at, (unsigned long long)f->expires_in_s);
		diag_fix(r, pfs, "make PFS (dh-group of the ipsec crypto profile) the same on both sides: %s",
			 why->hint);
		diag_fix(r, word, "%s", why->hint);
		r->ask_peer |= why->reported_by_peer;
		if (r->verdict == word || r->verdict == pfs) {
			r->reason = why;
			r->of_child = true;
		}
	} else if (f->pfs_before && !f->sa_pfs && of_pfs(f, f->pfs_before)) {
		diag_step(r, "rekey", DIAG_BAD, "at %s, in %llu s; the one before it failed: %s", f->rekey_at,
			  (unsigned long long)f->rekey_in_s, diag_told(f->pfs_before, buf));
		diag_verdict(
			r, pfs,
			"the first rekey at %s will fail, as the one before did, unless the peer was changed since: PFS "
			"differs, and the first Child SA does not show it",
			f->rekey_at);
		diag_fix(r, pfs, "make PFS (dh-group of the ipsec crypto profile) the same on both sides: %s",
			 f->pfs_before->hint);
		if (r->verdict == pfs) {
			r->reason = f->pfs_before;
			r->of_child = true;
		}
	} else if (f->pfs && !f->sa_pfs) {
		diag_step(
			r, "rekey", DIAG_NOTE,
			"at %s, in %llu s, the first one with PFS: if the peer has another group or none, it shows then",
			f->rekey_at, (unsigned long long)f->rekey_in_s);
	} else {
		diag_step(r, "rekey", DIAG_OK, "at %s, in %llu s", f->rekey_at,
			  (unsigned long long)f->rekey_in_s);
	}
}

static void counters(const struct diag_facts *f, struct diag_report *r)
{
	diag_step(r, "encap", f->encap ? DIAG_OK : DIAG_NOTE, "%llu packets sent by these SAs",
		  (unsigned long long)f->encap);
	diag_step(r, "decap", f->decap ? DIAG_OK : DIAG_NOTE, "%llu packets received",
		  (unsigned long long)f->decap);
}

static void no_traffic(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "no-packets";

	r->tree = "no traffic";
	inside(f, r);
	diag_verdict(r, word, "the tunnel is up, and no packet has come to it from either side for %llu s",
		     (unsigned long long)f->sa_age_s);
	diag_fix(
		r, word,
		"see that hosts here send packets for %s to this gateway, and that the peer routes into its end; test vpn "
		"packet follows one packet through",
		f->remote_net);
}

static void one_way(const struct diag_facts *f, struct diag_report *r)
{
	static const char auth[] = "inbound-refused", out[] = "one-way-out", in[] = "one-way-in";
	uint64_t refused = f->auth_errors + f->malformed + f->outside;

	r->tree = "one way";
	inside(f, r);
	if (f->traffic == TRAFFIC_IN_ONLY) {
		diag_verdict(r, in, "packets come in, and none has gone out for %llu s",
			     (unsigned long long)f->one_way_s);
		diag_fix(
			r, in,
			"the route into the tunnel and the rules are good: look at the hosts' own route back to %s, and "
			"follow an answer with test vpn packet",
			f->remote_net);
		return;
	}
	if (refused && !f->decap) {
		diag_step(
			r, "inbound", DIAG_BAD,
			"%llu packets failed their integrity check, %llu were malformed, %llu outside the selectors",
			(unsigned long long)f->auth_errors, (unsigned long long)f->malformed,
			(unsigned long long)f->outside);
		diag_verdict(r, auth, "packets come back, and are refused: see step inbound");
		diag_fix(
			r, auth,
			"integrity: the ends have different keys, clear vpn ipsec-sa on either; selectors: the peer sends "
			"what it did not negotiate");
		return;
	}
	diag_nat_off(f, r);
	diag_step(r, "inbound", DIAG_BAD, "no ESP comes from the peer, which was heard by IKE %llu s ago",
		  (unsigned long long)f->heard_ago_s);
	diag_verdict(r, out, "packets go out, and nothing has come back for %llu s",
		     (unsigned long long)f->one_way_s);
	/* Nobody has asked whether the peer still knows us. */
	if (f->dpd_off && f->heard_ago_s >= f->one_way_s)
		diag_fix(
			r, out,
			"dpd is off for gateway %s, so a peer that was restarted or is gone is not noticed: clear vpn ike-sa "
			"gateway %s makes all anew; turn dpd on.  If that does not help, at the peer: a route for our "
			"network into its tunnel, a policy that allows it, NAT exemption",
			f->gateway, f->gateway);
	diag_fix(
		r, out,
		"at the peer: a route for our network into its tunnel, a policy that allows it, NAT exemption, and that it "
		"still has its SA; on the way: %s must pass%s; if only large packets are lost: test vpn mtu tunnel %s",
		f->udp_encap ? "UDP 4500, also when it is idle" : "ESP, IP protocol 50",
		f->udp_encap || !f->nat ? "" : ", which no NAT lets through: turn nat-traversal on",
		f->tunnel);
	r->ask_peer |= r->verdict == out;
}

/* What to do about outages: by their recorded cause, and only without one by their intervals. */
static const char *flapping_fix(const struct flaps *h)
{
	if (h->cause == FLAPS_PEER_SILENT)
		return h->regular
			       ? "each time the peer had stopped answering: the peer or the path to it is down on schedule; look "
				 "at the peer's restarts, its link and its CPU, and for a NAT on the way that forgets"
			       : "each time the peer had stopped answering: look at the peer's restarts, its link and its CPU, at "
				 "packets lost on the way, and whether dpd is too impatient";
	if (h->cause == FLAPS_MONITOR)
		return "each time the keys were good and the monitored destination did not answer: look at that destination and "
		       "the way to it behind the peer";
	return h->regular
		       ? "make lifetimes equal on both sides, or let the peer rekey; for a NAT's time-out shorten "
			 "nat-traversal keepalive"
		       : "no schedule: packets lost on the way, liveness checks that are too impatient, or a peer "
			 "that restarts; show vpn history tells by whom each time";
}

static bool flaps(const struct diag_facts *f)
{
	return f->flaps.outages >= FLAPS && f->flaps.period && f->flaps.lasts;
}

static void history(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "flapping";
	static const char *const causes[] = {
		[FLAPS_UNTOLD] = "",
		[FLAPS_PEER_SILENT] = ", each because the peer was silent",
		[FLAPS_MONITOR] = ", each of the monitored destination only",
	};
	const struct flaps *h = &f->flaps;

	if (!flaps(f)) {
		if (h->outages)
			diag_step(r, "history", DIAG_NOTE, "%u outages, in all %lld s%s", h->outages,
				  (long long)(h->down_ms / 1000), h->period ? "; none lately" : "");
		return;
	}
	diag_step(r, "history", DIAG_BAD, "%u outages, every %u s (%u to %u)%s%s%s", h->outages, h->period,
		  h->min, h->max, causes[h->cause], h->equals[0] ? ": that is " : "", h->equals);
	diag_verdict(r, word, "it goes down %s, every %u s%s%s%s",
		     h->regular ? "on schedule" : "at no fixed interval", h->period, causes[h->cause],
		     h->equals[0] ? ": that is " : "", h->equals);
	diag_fix(r, word, "%s", flapping_fix(h));
}

/*
 * Where a way is narrower than it should be and nobody on it says so, large packets vanish and nothing here shows it: it
 * has to be tried.  What was found then goes before what traffic shows, which large packets alone make one-way; it holds
 * while the tunnel still takes packets that large.
 */
static void sizes(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "mtu-hole";
	const struct mtu_found *t = f->tried;
	char host[ADDR_STR], told[ADDR_STR], port[200] = "";

	if (t && t->carried < f->mtu && !t->told.v && f->mss && f->mss <= mtu_found_mss(t)) {
		diag_step(
			r, "MTU", DIAG_NOTE,
			"the tunnel carries %u bytes, of which only %u arrived when it was tried %llu s ago; adjust-tcp-mss = %u "
			"keeps TCP below that, and large packets of others still vanish",
			f->mtu, t->carried, (unsigned long long)f->tried_ago_s, f->mss);
	} else if (t && t->carried < f->mtu && !t->told.v) {
		diag_step(
			r, "MTU", DIAG_BAD,
			"the tunnel carries %u bytes, but of what was tried %llu s ago %s answered packets of up to %u only, and "
			"no router told of a narrower way",
			f->mtu, (unsigned long long)f->tried_ago_s, addr_str(&t->host, host), t->carried);
		diag_verdict(
			r, word,
			"packets of more than %u bytes vanish on the way there or back, and no ICMP says so: small ones "
			"pass, large transfers stall",
			t->carried);
		if (t->port_mtu)
			snprintf(port, sizeof(port),
				 "set mtu = %u for %s, and every sender is told what fits; or ", t->port_mtu,
				 f->outer_if);
		diag_fix(
			r, word,
			"%sset adjust-tcp-mss = %u for the tunnel, which helps TCP only; or have the narrow link on the way "
			"widened, or its router send ICMP \"fragmentation needed\"; then test vpn mtu tunnel %s again",
			port, mtu_found_mss(t), f->tunnel);
	} else if (f->path_mtu || f->too_big) {
		diag_step(
			r, "MTU", DIAG_NOTE,
			"the tunnel carries %u bytes%s; %llu packets were too big for their way and may not be cut (their "
			"senders were told): if large transfers stall, ICMP is blocked behind here or the peer",
			f->mtu, f->path_mtu ? ", a router on the way asks for less than the port" : "",
			(unsigned long long)f->too_big);
	} else if (t && t->told.v) {
		diag_step(
			r, "MTU", DIAG_OK,
			"the tunnel carries %u bytes, and %s answered packets of up to %u; of larger ones %s, behind the "
			"peer, says that they do not fit",
			f->mtu, addr_str(&t->host, host), t->carried, addr_str(&t->told, told));
	} else if (t) {
		diag_step(r, "MTU", DIAG_OK,
			  "the tunnel carries %u bytes; %s answered all of them %llu s ago", f->mtu,
			  addr_str(&t->host, host), (unsigned long long)f->tried_ago_s);
	} else {
		diag_step(
			r, "MTU", DIAG_OK,
			"the tunnel carries %u bytes; nothing was too big; whether all of that arrives was not tried: test "
			"vpn mtu tunnel %s",
			f->mtu, f->tunnel);
	}
}

/* What may be wrong with a tunnel that works. */
static void quality(const struct diag_facts *f, struct diag_report *r)
{
	static const char replay[] = "replay-window", busy[] = "busy";

	if (f->replays * REPLAY_SHARE > f->decap && f->replays) {
		diag_step(r, "anti-replay", DIAG_BAD,
			  "%llu packets came outside the window of %u; %u would have sufficed",
			  (unsigned long long)f->replays, f->window, f->window_needed);
		diag_verdict(r, replay,
			     "packets come so far out of order that the anti-replay window drops them");
		diag_fix(
			r, replay,
			"anti-replay-window = %u for this tunnel; look for unequal paths or QoS behind the peer",
			f->window_needed > f->window ? f->window_needed : f->window);
	}
	if (f->busy_percent >= BUSY_PERCENT) {
		diag_step(r, "load", DIAG_BAD, "the busiest worker is busy %u %% of the time",
			  f->busy_percent);
		diag_verdict(r, busy, "a worker has no time left, so packets wait or are lost");
		diag_fix(r, busy, "give the data plane more workers, or spread the tunnels: show dataplane");
	} else {
		diag_step(r, "load", DIAG_OK, "the busiest worker is busy %u %% of the time",
			  f->busy_percent);
	}
}

/* Less than the proxy-ID may be what is wanted; packets that do not fit into it are not. */
static void selectors(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "proxy-id-mismatch";

	if (!f->narrowed[0])
		return;
	diag_step(r, "proxy-ID", f->cut_off ? DIAG_BAD : DIAG_NOTE,
		  "the peer has narrowed it to %s; %llu packets outside of that were dropped", f->narrowed,
		  (unsigned long long)f->cut_off);
	if (!f->cut_off)
		return;
	diag_verdict(
		r, word,
		"the peer allows less than the proxy-ID, %s, and packets outside of that are dropped: some "
		"hosts or applications fail",
		f->narrowed);
	diag_fix(
		r, word,
		"give the peer's selectors the proxy-ID's networks and masks (its local is our remote); if less is meant, "
		"narrow the proxy-ID, and the route into the tunnel");
}

static void ike_sa(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "peer-silent";

	if (f->unanswered < SILENT) {
		diag_step(r, "IKE SA", f->ike_up ? DIAG_OK : DIAG_NOTE, "%s",
			  f->ike_up ? "established" : "being replaced");
		return;
	}
	diag_step(r, "IKE SA", DIAG_BAD,
		  "established, but a request was sent %u times more without an answer; the peer was "
		  "heard %llu s ago",
		  f->unanswered, (unsigned long long)f->heard_ago_s);
	if (flaps(f) && f->flaps.cause == FLAPS_PEER_SILENT)
		return; /* one more time: the history says more */
	diag_verdict(r, word, "the peer has gone silent: its last packet came %llu s ago",
		     (unsigned long long)f->heard_ago_s);
	diag_fix(
		r, word,
		"see whether the peer runs and its line is up; it is declared dead when the retries are used up, and called "
		"again");
}

/* Says more than traffic does: with fail-over other routes are in force meanwhile. */
static void monitor(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "monitor-down";

	if (!f->monitored)
		return;
	if (f->monitor_up) {
		diag_step(r, "monitor", DIAG_OK, "answers, in %.1f ms", (double)f->rtt_ns / 1e6);
		return;
	}
	diag_step(r, "monitor", DIAG_BAD, "the monitored destination does not answer");
	diag_verdict(r, word,
		     "keys are good, but the monitored destination does not answer through the tunnel");
	diag_fix(
		r, word,
		"see that the destination is up and answers pings, and that the peer lets them pass; if it may be down by "
		"itself, monitor several with a quorum; with fail-over other routes are in force until it answers");
}

static void up(const struct diag_facts *f, struct diag_report *r)
{
	static const char well[] = "healthy";
	bool one_way_says_more = (f->traffic == TRAFFIC_OUT_ONLY || f->traffic == TRAFFIC_IN_ONLY) &&
				 f->flaps.cause != FLAPS_PEER_SILENT;

	if (!f->port_up || (f->peer[0] && !f->peer_route))
		(void)diag_reach(f, r); /* packets are still counted as sent */
	ike_sa(f, r);
	monitor(f, r);
	(void)diag_own_cert(f, r); /* it shows when the IKE SA is made anew */
	diag_step(r, "IPsec SA", DIAG_OK, "up for %llu s", (unsigned long long)f->sa_age_s);
	selectors(f, r);
	rekeys(f, r);
	if (!one_way_says_more)
		history(f, r); /* before its traffic: a tunnel that was down just now has had little */
	sizes(f, r);
	counters(f, r);
	if (f->traffic == TRAFFIC_NONE)
		no_traffic(f, r);
	else if (f->traffic != TRAFFIC_BOTH)
		one_way(f, r);
	else
		inside(f, r);
	if (one_way_says_more)
		history(f, r);
	quality(f, r);
	if (!r->tree)
		r->tree = "up";
	diag_verdict(r, well, "nothing is wrong that can be seen from here");
	if (!f->tried)
		diag_fix(r, well, "if small packets pass and large ones do not: test vpn mtu tunnel %s",
			 f->tunnel);
}

void diagnose(const struct diag_facts *f, struct diag_report *r)
{
	*r = (struct diag_report){0};
	if (f->child_up)
		up(f, r);
	else if (f->ike_up)
		diag_phase1_only(f, r);
	else
		diag_tunnel_down(f, r);
	if (!f->child_up && f->flaps.outages >= FLAPS)
		diag_step(r, "history", DIAG_NOTE, "%u outages before; show vpn history", f->flaps.outages);
}
