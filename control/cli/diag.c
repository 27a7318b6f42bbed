/* SPDX-License-Identifier: Apache-2.0 */
#include "diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire.h"

enum { SILENT = 2, BUSY_PERCENT = 90, FLAPS = 3, REPLAY_SHARE = 1000 };

const char *diag_state_str(enum diag_state s)
{
	static const char *const words[] = {
		[DIAG_OK] = "ok", [DIAG_BAD] = "bad", [DIAG_NOTE] = "note", [DIAG_UNKNOWN] = "unknown"};

	return words[s];
}

static void step(struct diag_report *r, const char *name, enum diag_state state, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void step(struct diag_report *r, const char *name, enum diag_state state, const char *fmt, ...)
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

/* The first thing found to be wrong is the verdict; later ones stand in their steps. */
static void verdict(struct diag_report *r, const char *word, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void verdict(struct diag_report *r, const char *word, const char *fmt, ...)
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

static void fix(struct diag_report *r, const char *word, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void fix(struct diag_report *r, const char *word, const char *fmt, ...)
{
	va_list ap;

	if (r->verdict != word || r->fix[0])
		return; /* of another verdict */
	va_start(ap, fmt);
	vsnprintf(r->fix, sizeof(r->fix), fmt, ap);
	va_end(ap);
}

/* A recorded failure in one line: what, ours, theirs. */
static const char *told(const struct ike_reason *f, char buf[DIAG_TEXT])
{
	bool theirs = f->theirs[0] && !strstr(f->text, f->theirs);

	snprintf(buf, DIAG_TEXT, "%s%s%s%s%s", f->text, f->ours[0] ? "; ours: " : "", f->ours,
		 theirs ? "; theirs: " : "", theirs ? f->theirs : "");
	return buf;
}

static void verdict_of(struct diag_report *r, const char *word, const struct ike_reason *f)
{
	verdict(r, word, "%s", f->text);
	fix(r, word, "%s", f->hint);
	if (r->verdict == word) {
		r->ask_peer = f->reported_by_peer;
		r->reason = f;
	}
}

/* ---- the way to the peer --------------------------------------------------------------------------- */

/* True: packets can leave for it. */
static bool reach(const struct diag_facts *f, struct diag_report *r)
{
	if (!f->port_up) {
		static const char word[] = "port-down";

		step(r, "reachability", DIAG_BAD, "%s has no link", f->outer_if);
		verdict(r, word, "the port towards the peer, %s, has no link", f->outer_if);
		fix(r, word, "look at the cable, the other end's port, and the device that %s names",
		    f->outer_if);
		return false;
	}
	if (f->peer[0] && !f->peer_route) {
		static const char word[] = "no-route-to-peer";

		step(r, "reachability", DIAG_BAD, "%s is up, but no route leads to %s", f->outer_if, f->peer);
		verdict(r, word, "there is no route to the peer's address %s", f->peer);
		fix(r, word, "add a route to %s, or a default route, out of %s", f->peer, f->outer_if);
		return false;
	}
	if (f->peer[0])
		step(r, "reachability", DIAG_OK, "%s is up and a route leads to %s", f->outer_if, f->peer);
	else
		step(r, "reachability", DIAG_OK, "%s is up; the peer's address is not fixed", f->outer_if);
	return true;
}

/* ---- phase 1 does not come up ---------------------------------------------------------------------- */

/* How far the last attempt came, as the questions below see it. */
enum got { GOT_NOTHING, GOT_INIT, GOT_PROPOSAL, GOT_AUTH };

static enum got got_of(const struct ike_reason *f)
{
	switch (f->cause) {
	case IKE_CAUSE_NO_ANSWER: return f->exchange == IKE_SA_INIT ? GOT_NOTHING : GOT_PROPOSAL;
	case IKE_CAUSE_NO_PROPOSAL:
	case IKE_CAUSE_INVALID_KE: return GOT_INIT;
	case IKE_CAUSE_AUTH_FAILED:
	case IKE_CAUSE_ID_MISMATCH: return GOT_PROPOSAL;
	case IKE_CAUSE_DPD: return GOT_NOTHING;
	default: return f->exchange == IKE_SA_INIT ? GOT_INIT : GOT_PROPOSAL;
	}
}

static void ask_ports(const struct diag_facts *f, struct diag_report *r, enum got got)
{
	static const char silent[] = "no-answer", half[] = "no-answer-4500", dead[] = "peer-dead";
	const struct ike_reason *why = f->ike_failure;

	if (why->cause == IKE_CAUSE_DPD) {
		step(r, "UDP 500 and 4500", DIAG_BAD, "%s", why->text);
		verdict(r, dead, "the peer was up and has stopped answering: %s", why->text);
		fix(r, dead,
		    "see whether the peer runs and its line is up; new attempts go on by themselves, with back-off");
	} else if (got == GOT_NOTHING) {
		step(r, "UDP 500 and 4500", DIAG_BAD, "no answer to IKE_SA_INIT on UDP 500 from %s", f->peer);
		verdict(r, silent, "the peer %s answers nothing on UDP port 500", f->peer);
		fix(r, silent,
		    "ping and traceroute the peer; see that UDP 500 and 4500 pass every firewall between, both ways, "
		    "that peer-address is right, and that the peer has a gateway for our address (some are silent to "
		    "strangers, and to IKEv2 when they have IKEv1 only)");
	} else if (why->cause == IKE_CAUSE_NO_ANSWER) {
		step(r, "UDP 500 and 4500", DIAG_BAD,
		     "UDP 500 passes both ways, but IKE_AUTH, sent to port 4500, got no answer");
		verdict(r, half, "IKE_SA_INIT was answered on UDP 500, IKE_AUTH on UDP 4500 was not");
		fix(r, half,
		    "let UDP 4500 pass on the way; else the peer refuses the pre-shared key or our identity without a "
		    "word, or fragments of a large IKE_AUTH are lost");
		r->ask_peer |= r->verdict == half;
	} else {
		step(r, "UDP 500 and 4500", DIAG_OK, "the peer answers");
	}
}

static void ask_rest(const struct diag_facts *f, struct diag_report *r, enum got got)
{
	const struct ike_reason *why = f->ike_failure;
	char buf[DIAG_TEXT];

	if (why->cause == IKE_CAUSE_VERSION) {
		step(r, "IKE version", DIAG_BAD, "%s", why->text);
		verdict_of(r, "version-mismatch", why);
	} else {
		bool unknown = got == GOT_NOTHING || f->peer_v1;

		step(r, "IKE version", unknown ? DIAG_UNKNOWN : DIAG_OK, "%s",
		     f->peer_v1           ? "see callers"
		     : got == GOT_NOTHING ? "no answer to tell it by"
					  : "the peer speaks IKEv2");
	}
	if (why->cause == IKE_CAUSE_AUTH_FAILED || why->cause == IKE_CAUSE_ID_MISMATCH) {
		step(r, "pre-shared key, identity", DIAG_BAD, "%s", told(why, buf));
		verdict_of(r, why->cause == IKE_CAUSE_AUTH_FAILED ? "auth-failed" : "identity-mismatch", why);
	} else {
		step(r, "pre-shared key, identity", DIAG_UNKNOWN, "not reached");
	}
	if (why->cause == IKE_CAUSE_NO_PROPOSAL || why->cause == IKE_CAUSE_INVALID_KE) {
		step(r, "IKE crypto profile", DIAG_BAD, "%s", told(why, buf));
		verdict_of(r, why->cause == IKE_CAUSE_NO_PROPOSAL ? "no-proposal" : "dh-group-mismatch", why);
	} else {
		step(r, "IKE crypto profile", got >= GOT_PROPOSAL ? DIAG_OK : DIAG_UNKNOWN, "%s",
		     got >= GOT_PROPOSAL ? "the peer chose from our proposal" : "not reached");
	}
	step(r, "clock", DIAG_OK, "of no account: pre-shared keys do not expire");
	if (f->natt_off)
		step(r, "NAT traversal", DIAG_NOTE,
		     "nat-traversal is off here: behind a NAT no ESP will pass, and the peer may refuse");
	else
		step(r, "NAT traversal", DIAG_OK, "on; used where a NAT is found");
	verdict_of(r, ike_cause_str(why->cause), why); /* whatever else it was */
}

static void never_failed(const struct diag_facts *f, struct diag_report *r)
{
	static const char trying[] = "negotiating", waits[] = "waits-for-peer", idle[] = "not-asked";

	if (f->ike_trying) {
		step(r, "attempts", DIAG_NOTE, "a negotiation is under way, %llu so far",
		     (unsigned long long)f->attempts);
		verdict(r, trying, "it is being negotiated just now");
		fix(r, trying, "ask again in a few seconds");
	} else if (f->passive || !f->peer[0]) {
		step(r, "attempts", DIAG_NOTE, "none: this gateway waits for the peer%s",
		     f->passive ? " (passive-mode)" : ", whose address is not known");
		verdict(r, waits, "the peer has not called, and this gateway does not");
		fix(r, waits,
		    "start it at the peer; if it does call, its packets do not arrive: UDP 500 and 4500 on the way");
		r->ask_peer = true;
	} else {
		step(r, "attempts", DIAG_NOTE, "none: no packet has asked for the tunnel (%llu key requests)",
		     (unsigned long long)f->asked);
		verdict(r, idle, "nothing has asked for this tunnel yet");
		fix(r, idle,
		    "send traffic, or test vpn ipsec-sa tunnel NAME; start = true in the configuration brings it up "
		    "without traffic");
	}
}

/* Who called in vain: the peer, perhaps, under another address, identity or version. */
static void callers(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "version-mismatch";

	if (f->n_callers)
		step(r, "callers", f->peer_v1 ? DIAG_BAD : DIAG_NOTE, "%s%s", f->caller,
		     f->n_callers > 1 ? "; diagnose vpn lists the others" : "");
	if (f->half_open >= f->half_open_max) {
		static const char full[] = "half-open-limit";

		step(r, "half-open SAs", DIAG_BAD,
		     "%u, the most there may be: further callers are turned away", f->half_open);
		verdict(r, full, "so many negotiations are half open that further callers are turned away");
		fix(r, full,
		    "show vpn ike-sa lists them: a flood, or peers that do not go on; maximum-half-opened-sa in the "
		    "system section sets the limit");
	}
	if (!f->peer_v1)
		return;
	verdict(r, word, "the peer speaks IKEv1: %s", f->caller);
	fix(r, word, "set the peer's gateway to IKEv2; culvert has no IKEv1");
}

static void tunnel_down(const struct diag_facts *f, struct diag_report *r)
{
	r->tree = "tunnel down";
	if (!reach(f, r))
		return;
	callers(f, r);
	if (!f->ike_failure) {
		never_failed(f, r);
		return;
	}
	ask_ports(f, r, got_of(f->ike_failure));
	ask_rest(f, r, got_of(f->ike_failure));
}

/* ---- phase 1 is up, phase 2 is not ------------------------------------------------------------------- */

static void phase1_only(const struct diag_facts *f, struct diag_report *r)
{
	static const char idle[] = "child-not-asked", trying[] = "negotiating";
	const struct ike_reason *why = f->child_failure;
	bool ts = why && why->cause == IKE_CAUSE_TS_UNACCEPTABLE;
	bool pfs = why && why->cause == IKE_CAUSE_INVALID_KE;
	bool crypto = why && why->cause == IKE_CAUSE_NO_PROPOSAL;
	char buf[DIAG_TEXT];

	r->tree = "phase 1 only";
	step(r, "IKE SA", DIAG_OK, "established; the peer was heard %llu s ago",
	     (unsigned long long)f->heard_ago_s);
	if (!why && f->negotiating) {
		step(r, "attempts", DIAG_NOTE, "a negotiation is under way");
		verdict(r, trying, "the Child SA is being negotiated just now");
		fix(r, trying, "ask again in a few seconds");
		return;
	}
	if (!why) {
		step(r, "attempts", DIAG_NOTE,
		     "none: no packet has asked for this proxy-ID (%llu key requests)",
		     (unsigned long long)f->asked);
		verdict(r, idle, "the IKE SA is up, and nothing has asked for this proxy-ID's Child SA");
		fix(r, idle, "send traffic to %s, or test vpn ipsec-sa tunnel NAME", f->remote_net);
		return;
	}
	step(r, "proxy-ID",
	     ts              ? DIAG_BAD
	     : crypto || pfs ? DIAG_UNKNOWN
			     : DIAG_OK,
	     "%s", ts ? told(why, buf) : "not what failed");
	step(r, "IPsec crypto profile", crypto ? DIAG_BAD : DIAG_OK, "%s",
	     crypto ? told(why, buf) : "not what failed");
	step(r, "PFS", pfs ? DIAG_BAD : DIAG_OK, "%s", pfs ? told(why, buf) : "not what failed");
	verdict_of(r,
		   ts       ? "proxy-id-mismatch"
		   : crypto ? "ipsec-no-proposal"
		   : pfs    ? "pfs-mismatch"
			    : ike_cause_str(why->cause),
		   why);
	r->of_child = true;
}

/* ---- up ------------------------------------------------------------------------------------------------ */

/* Inside the gateway: does a packet find its way into the tunnel, and back? */
static void inside(const struct diag_facts *f, struct diag_report *r)
{
	static const char route[] = "no-route-into-tunnel", rule[] = "rule-denies";

	if (!f->traced)
		return;
	if (!f->routed_in) {
		step(r, "route into tunnel", DIAG_BAD, "no route takes packets for %s to %s", f->remote_net,
		     f->tunnel_if);
		verdict(r, route, "packets for %s are not routed into the tunnel", f->remote_net);
		fix(r, route, "add a route: destination %s, interface %s", f->remote_net, f->tunnel_if);
		return;
	}
	step(r, "route into tunnel", DIAG_OK, "%s leads to %s", f->remote_net, f->tunnel_if);
	if (f->ruled_out || f->back_ruled_out) {
		step(r, "security rules", DIAG_BAD, "the rules deny a packet %s the tunnel",
		     f->ruled_out ? "into" : "out of");
		if (f->traffic != TRAFFIC_BOTH) {
			verdict(r, rule, "the security rules deny what goes %s the tunnel",
				f->ruled_out ? "into" : "out of");
			fix(r, rule,
			    "add a rule that allows it; test vpn packet names the rule that decides, show "
			    "rule-hit-count those that were met");
		}
	} else {
		step(r, "security rules", DIAG_OK, "none stands in the way");
	}
}

/* What the next rekey will meet; the first SA, made with the IKE SA, shows nothing of PFS (RFC 7296 1.2). */
static void rekeys(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "rekey-fails", pfs[] = "pfs-mismatch";
	const struct ike_reason *why = f->child_failure;
	bool dh = why && (why->cause == IKE_CAUSE_INVALID_KE ||
			  (why->cause == IKE_CAUSE_NO_PROPOSAL && f->pfs != f->sa_pfs));
	char buf[DIAG_TEXT];

	if (why) {
		step(r, "rekey", DIAG_BAD, "%s; the SA ends in %llu s", told(why, buf),
		     (unsigned long long)f->expires_in_s);
		verdict(r, dh ? pfs : word, "new keys are refused: %s; in %llu s the tunnel goes down",
			why->text, (unsigned long long)f->expires_in_s);
		fix(r, pfs, "make PFS (dh-group of the ipsec crypto profile) the same on both sides: %s",
		    why->hint);
		fix(r, word, "%s", why->hint);
		r->ask_peer |= why->reported_by_peer;
		if (r->verdict == word || r->verdict == pfs) {
			r->reason = why;
			r->of_child = true;
		}
	} else if (f->pfs && !f->sa_pfs) {
		step(r, "rekey", DIAG_NOTE,
		     "in %llu s, the first one with PFS: if the peer has another group or none, it shows then",
		     (unsigned long long)f->rekey_in_s);
	} else {
		step(r, "rekey", DIAG_OK, "in %llu s", (unsigned long long)f->rekey_in_s);
	}
}

static void counters(const struct diag_facts *f, struct diag_report *r)
{
	step(r, "encap", f->encap ? DIAG_OK : DIAG_NOTE, "%llu packets sent by these SAs",
	     (unsigned long long)f->encap);
	step(r, "decap", f->decap ? DIAG_OK : DIAG_NOTE, "%llu packets received",
	     (unsigned long long)f->decap);
}

static void no_traffic(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "no-packets";

	r->tree = "no traffic";
	inside(f, r);
	verdict(r, word, "the tunnel is up, and no packet has come to it from either side for %llu s",
		(unsigned long long)f->sa_age_s);
	fix(r, word,
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
		verdict(r, in, "packets come in, and none has gone out for %llu s",
			(unsigned long long)f->one_way_s);
		fix(r, in,
		    "the route into the tunnel and the rules are good: look at the hosts' own route back to %s, and "
		    "follow an answer with test vpn packet",
		    f->remote_net);
		return;
	}
	if (refused && !f->decap) {
		step(r, "inbound", DIAG_BAD,
		     "%llu packets failed their integrity check, %llu were malformed, %llu outside the selectors",
		     (unsigned long long)f->auth_errors, (unsigned long long)f->malformed,
		     (unsigned long long)f->outside);
		verdict(r, auth, "packets come back, and are refused: see step inbound");
		fix(r, auth,
		    "integrity: the ends have different keys, clear vpn ipsec-sa on either; selectors: the peer sends "
		    "what it did not negotiate");
		return;
	}
	step(r, "inbound", DIAG_BAD, "no ESP comes from the peer, which was heard by IKE %llu s ago",
	     (unsigned long long)f->heard_ago_s);
	verdict(r, out, "packets go out, and nothing has come back for %llu s",
		(unsigned long long)f->one_way_s);
	fix(r, out,
	    "at the peer: a route for our network into its tunnel, a policy that allows it, NAT exemption, and that it "
	    "still has its SA; on the way: %s must pass%s",
	    f->udp_encap ? "UDP 4500, also when it is idle" : "ESP, IP protocol 50",
	    f->udp_encap || !f->nat ? "" : ", which no NAT lets through: turn nat-traversal on");
	r->ask_peer |= r->verdict == out;
}

/* What may be wrong with a tunnel that works. */
static void quality(const struct diag_facts *f, struct diag_report *r)
{
	static const char replay[] = "replay-window", busy[] = "busy", flap[] = "flapping";
	const struct flaps *h = &f->flaps;

	if (h->outages >= FLAPS && h->period) {
		step(r, "history", DIAG_BAD, "%u outages, every %u s (%u to %u)%s%s", h->outages, h->period,
		     h->min, h->max, h->equals[0] ? ": that is " : "", h->equals);
		verdict(r, flap, "it goes down %s, every %u s%s%s",
			h->regular ? "on schedule" : "at no fixed interval", h->period,
			h->equals[0] ? ": that is " : "", h->equals);
		fix(r, flap, "%s",
		    h->regular
			    ? "make lifetimes equal on both sides, or let the peer rekey; for a NAT's time-out shorten "
			      "nat-traversal keepalive"
			    : "no schedule: packets lost on the way, liveness checks that are too impatient, or a peer "
			      "that restarts; show vpn history tells by whom each time");
	} else if (h->outages) {
		step(r, "history", DIAG_NOTE, "%u outages, in all %lld s", h->outages,
		     (long long)(h->down_ms / 1000));
	}
	if (f->replays * REPLAY_SHARE > f->decap && f->replays) {
		step(r, "anti-replay", DIAG_BAD,
		     "%llu packets came outside the window of %u; %u would have sufficed",
		     (unsigned long long)f->replays, f->window, f->window_needed);
		verdict(r, replay, "packets come so far out of order that the anti-replay window drops them");
		fix(r, replay,
		    "anti-replay-window = %u for this tunnel; look for unequal paths or QoS behind the peer",
		    f->window_needed > f->window ? f->window_needed : f->window);
	}
	if (f->path_mtu || f->too_big)
		step(r, "MTU", DIAG_NOTE,
		     "the tunnel carries %u bytes%s; %llu packets were too big for their way and may not be cut (their "
		     "senders were told): if large transfers stall, ICMP is blocked behind here or the peer",
		     f->mtu, f->path_mtu ? ", a router on the way asks for less than the port" : "",
		     (unsigned long long)f->too_big);
	else
		step(r, "MTU", DIAG_OK, "the tunnel carries %u bytes; nothing was too big", f->mtu);
	if (f->busy_percent >= BUSY_PERCENT) {
		step(r, "load", DIAG_BAD, "the busiest worker is busy %u %% of the time", f->busy_percent);
		verdict(r, busy, "a worker has no time left, so packets wait or are lost");
		fix(r, busy, "give the data plane more workers, or spread the tunnels: show dataplane");
	} else {
		step(r, "load", DIAG_OK, "the busiest worker is busy %u %% of the time", f->busy_percent);
	}
}

static void ike_sa(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "peer-silent";

	if (f->unanswered < SILENT) {
		step(r, "IKE SA", f->ike_up ? DIAG_OK : DIAG_NOTE, "%s",
		     f->ike_up ? "established" : "being replaced");
		return;
	}
	step(r, "IKE SA", DIAG_BAD,
	     "established, but a request was sent %u times more without an answer; the peer was "
	     "heard %llu s ago",
	     f->unanswered, (unsigned long long)f->heard_ago_s);
	verdict(r, word, "the peer has gone silent: its last packet came %llu s ago",
		(unsigned long long)f->heard_ago_s);
	fix(r, word,
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
		step(r, "monitor", DIAG_OK, "answers, in %.1f ms", (double)f->rtt_ns / 1e6);
		return;
	}
	step(r, "monitor", DIAG_BAD, "the monitored destination does not answer");
	verdict(r, word, "keys are good, but the monitored destination does not answer through the tunnel");
	fix(r, word,
	    "see that the destination is up and answers pings, and that the peer lets them pass; if it may be down by "
	    "itself, monitor several with a quorum; with fail-over other routes are in force until it answers");
}

static void up(const struct diag_facts *f, struct diag_report *r)
{
	ike_sa(f, r);
	monitor(f, r);
	step(r, "IPsec SA", DIAG_OK, "up for %llu s", (unsigned long long)f->sa_age_s);
	rekeys(f, r);
	counters(f, r);
	if (f->traffic == TRAFFIC_NONE)
		no_traffic(f, r);
	else if (f->traffic != TRAFFIC_BOTH)
		one_way(f, r);
	else
		inside(f, r);
	quality(f, r);
	if (!r->tree)
		r->tree = "up";
	verdict(r, "healthy", "nothing is wrong that can be seen from here");
}

void diagnose(const struct diag_facts *f, struct diag_report *r)
{
	*r = (struct diag_report){0};
	if (f->child_up)
		up(f, r);
	else if (f->ike_up)
		phase1_only(f, r);
	else
		tunnel_down(f, r);
	if (!f->child_up && f->flaps.outages >= FLAPS)
		step(r, "history", DIAG_NOTE, "%u outages before; show vpn history", f->flaps.outages);
}
