/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose vpn, the trees of a tunnel that is down: phase 1, then phase 2. */
#include "diag_tree.h"

#include <stdio.h>
#include <string.h>

#include "wire.h"

/* ---- the way to the peer --------------------------------------------------------------------------- */

bool diag_reach(const struct diag_facts *f, struct diag_report *r)
{
	if (!f->port_up) {
		static const char word[] = "port-down";

		diag_step(r, "reachability", DIAG_BAD, "%s has no link", f->outer_if);
		diag_verdict(r, word, "the port towards the peer, %s, has no link", f->outer_if);
		diag_fix(r, word, "look at the cable, the other end's port, and the device that %s names",
			 f->outer_if);
		return false;
	}
	if (f->peer[0] && !f->peer_route) {
		static const char word[] = "no-route-to-peer";

		diag_step(r, "reachability", DIAG_BAD, "%s is up, but no route leads to %s", f->outer_if,
			  f->peer);
		diag_verdict(r, word, "there is no route to the peer's address %s", f->peer);
		diag_fix(r, word, "add a route to %s, or a default route, out of %s", f->peer, f->outer_if);
		return false;
	}
	if (f->peer[0])
		diag_step(r, "reachability", DIAG_OK, "%s is up and a route leads to %s", f->outer_if,
			  f->peer);
	else
		diag_step(r, "reachability", DIAG_OK, "%s is up; the peer's address is not fixed",
			  f->outer_if);
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
		diag_step(r, "UDP 500 and 4500", DIAG_BAD, "%s", why->text);
		diag_verdict(r, dead, "the peer was up and has stopped answering: %s", why->text);
		diag_fix(
			r, dead,
			"see whether the peer runs and its line is up; new attempts go on by themselves, with back-off");
	} else if (got == GOT_NOTHING) {
		diag_step(r, "UDP 500 and 4500", DIAG_BAD, "no answer to IKE_SA_INIT on UDP 500 from %s",
			  f->peer);
		diag_verdict(r, silent, "the peer %s answers nothing on UDP port 500", f->peer);
		diag_fix(
			r, silent,
			"ping and traceroute the peer; see that UDP 500 and 4500 pass every firewall between, both ways, "
			"that peer-address is right, and that the peer has a gateway for our address (some are silent to "
			"strangers, and to IKEv2 when they have IKEv1 only)");
	} else if (why->cause == IKE_CAUSE_NO_ANSWER) {
		diag_step(r, "UDP 500 and 4500", DIAG_BAD,
			  "UDP 500 passes both ways, but IKE_AUTH, sent to port 4500, got no answer");
		diag_verdict(r, half, "IKE_SA_INIT was answered on UDP 500, IKE_AUTH on UDP 4500 was not");
		diag_fix(
			r, half,
			"let UDP 4500 pass on the way; else the peer refuses the pre-shared key or our identity without a "
			"word, or fragments of a large IKE_AUTH are lost");
		r->ask_peer |= r->verdict == half;
	} else {
		diag_step(r, "UDP 500 and 4500", DIAG_OK, "the peer answers");
	}
}

bool diag_own_cert(const struct diag_facts *f, struct diag_report *r)
{
	if (f->own_cert == OWN_CERT_GOOD)
		return false;
	diag_step(r, "own certificate", DIAG_BAD, "%s", f->own_cert_told);
	return true;
}

/* No peer that looks at the time takes such a certificate, and it says no more than AUTHENTICATION_FAILED, if that:
 * what is known here goes before what the peer lets guess. */
static void ask_own_cert(const struct diag_facts *f, struct diag_report *r)
{
	static const char expired[] = "own-cert-expired", early[] = "own-cert-not-yet-valid";

	if (!diag_own_cert(f, r))
		return;
	if (f->own_cert == OWN_CERT_EXPIRED)
		diag_verdict(r, expired, "our own certificate has expired: %s", f->own_cert_told);
	else
		diag_verdict(r, early, "our own certificate is not valid yet: %s", f->own_cert_told);
	diag_fix(
		r, expired,
		"renew the certificate of gateway %s, put it in the place of the old one, and commit; if the clock is "
		"wrong, set it by NTP",
		f->gateway);
	diag_fix(
		r, early,
		"set the clock here by NTP; if it is right, the certificate of gateway %s was issued for later: have it "
		"issued anew",
		f->gateway);
}

static bool of_certificates(enum ike_cause c)
{
	return c >= IKE_CAUSE_CERT_UNTRUSTED && c <= IKE_CAUSE_CERT_REFUSED;
}

static void ask_who(const struct diag_facts *f, struct diag_report *r)
{
	const struct ike_reason *why = f->ike_failure;
	const char *name = f->certified ? "certificate, identity" : "pre-shared key, identity";
	char buf[DIAG_TEXT];
	/* Before anything else IKE_AUTH may fail for the method: a key where a certificate is due. */
	bool method = why->cause == IKE_CAUSE_UNSUPPORTED && why->exchange == IKE_AUTH;

	if (why->cause == IKE_CAUSE_AUTH_FAILED || why->cause == IKE_CAUSE_ID_MISMATCH || method ||
	    of_certificates(why->cause)) {
		diag_step(r, name, DIAG_BAD, "%s", diag_told(why, buf));
		diag_verdict_of(r,
				why->cause == IKE_CAUSE_AUTH_FAILED   ? "auth-failed"
				: why->cause == IKE_CAUSE_ID_MISMATCH ? "identity-mismatch"
								      : ike_cause_str(why->cause),
				why);
	} else {
		diag_step(r, name, DIAG_UNKNOWN, "not reached");
	}
}

/* Keys do not expire, certificates do, by the clock of whoever looks at them. */
static void ask_clock(const struct diag_facts *f, struct diag_report *r)
{
	enum ike_cause why = f->ike_failure->cause;

	if (!f->certified)
		diag_step(r, "clock", DIAG_OK, "of no account: pre-shared keys do not expire");
	else if (why == IKE_CAUSE_CERT_EXPIRED || why == IKE_CAUSE_CERT_NOT_YET)
		diag_step(r, "clock", DIAG_NOTE, "%s: compare it with NTP before anything else",
			  f->ike_failure->ours);
	else if (why == IKE_CAUSE_AUTH_FAILED && f->ike_failure->reported_by_peer)
		diag_step(r, "clock", DIAG_UNKNOWN, "the peer looks at our certificate by its own clock");
	else
		diag_step(r, "clock", DIAG_OK, "no complaint of it");
}

static void ask_rest(const struct diag_facts *f, struct diag_report *r, enum got got)
{
	const struct ike_reason *why = f->ike_failure;
	char buf[DIAG_TEXT];

	if (why->cause == IKE_CAUSE_VERSION) {
		diag_step(r, "IKE version", DIAG_BAD, "%s", why->text);
		diag_verdict_of(r, "version-mismatch", why);
	} else {
		bool unknown = got == GOT_NOTHING || f->peer_v1;

		diag_step(r, "IKE version", unknown ? DIAG_UNKNOWN : DIAG_OK, "%s",
			  f->peer_v1           ? "see callers"
			  : got == GOT_NOTHING ? "no answer to tell it by"
					       : "the peer speaks IKEv2");
	}
	ask_who(f, r);
	if (why->cause == IKE_CAUSE_NO_PROPOSAL || why->cause == IKE_CAUSE_INVALID_KE) {
		diag_step(r, "IKE crypto profile", DIAG_BAD, "%s", diag_told(why, buf));
		diag_verdict_of(r, why->cause == IKE_CAUSE_NO_PROPOSAL ? "no-proposal" : "dh-group-mismatch",
				why);
	} else {
		diag_step(r, "IKE crypto profile", got >= GOT_PROPOSAL ? DIAG_OK : DIAG_UNKNOWN, "%s",
			  got >= GOT_PROPOSAL ? "the peer chose from our proposal" : "not reached");
	}
	ask_clock(f, r);
	if (f->natt_off)
		diag_step(
			r, "NAT traversal", DIAG_NOTE,
			"nat-traversal is off here: behind a NAT no ESP will pass, and the peer may refuse");
	else
		diag_step(r, "NAT traversal", DIAG_OK, "on; used where a NAT is found");
	diag_verdict_of(r, ike_cause_str(why->cause), why); /* whatever else it was */
}

/* It will fail for want of an answer, unless one comes: that takes a minute, and is worth telling before. */
static bool unanswered(const struct diag_facts *f, struct diag_report *r)
{
	enum { OFTEN = 3 };
	const struct ike_reason yet = {.cause = IKE_CAUSE_NO_ANSWER,
				       .exchange = f->auth_sent ? IKE_AUTH : IKE_SA_INIT};
	struct diag_facts so_far = *f;

	if (!f->ike_trying || f->resent < OFTEN)
		return false;
	so_far.ike_failure = &yet;
	diag_step(r, "attempts", DIAG_NOTE, "%s was sent %u times, and there is no answer yet",
		  f->auth_sent ? "IKE_AUTH" : "IKE_SA_INIT", f->resent + 1);
	ask_ports(&so_far, r, got_of(&yet));
	return true;
}

static void never_failed(const struct diag_facts *f, struct diag_report *r)
{
	static const char trying[] = "negotiating", waits[] = "waits-for-peer", idle[] = "not-asked",
			  turn[] = "waits-its-turn";

	if (f->ike_trying) {
		diag_step(r, "attempts", DIAG_NOTE, "a negotiation is under way, %llu so far",
			  (unsigned long long)f->attempts);
		diag_verdict(r, trying, "it is being negotiated just now");
		diag_fix(r, trying, "ask again in a few seconds");
	} else if (f->in_line) {
		diag_step(
			r, "attempts", DIAG_NOTE,
			"none yet: %u negotiations are under way, of %u that may be at once, and %u wait in line",
			f->starts, f->starts_max, f->line);
		diag_verdict(r, turn, "its turn has not come: many tunnels come up at once");
		diag_fix(
			r, turn,
			"ask again in a few seconds; show vpn capacity tells how the line moves, test vpn ike-sa gateway %s "
			"puts it at the head, and maximum-negotiations says how many go at once",
			f->gateway);
	} else if (f->passive || !f->peer[0]) {
		diag_step(r, "attempts", DIAG_NOTE, "none: this gateway waits for the peer%s",
			  f->passive ? " (passive-mode)" : ", whose address is not known");
		diag_verdict(r, waits, "the peer has not called, and this gateway does not");
		diag_fix(
			r, waits,
			"start it at the peer; if it does call, its packets do not arrive: UDP 500 and 4500 on the way");
		r->ask_peer = r->verdict == waits;
	} else {
		diag_step(r, "attempts", DIAG_NOTE,
			  "none: no packet has asked for the tunnel (%llu key requests)",
			  (unsigned long long)f->asked);
		diag_verdict(r, idle, "nothing has asked for this tunnel yet");
		diag_fix(
			r, idle,
			"send traffic, or test vpn ipsec-sa tunnel NAME; start = true in the configuration brings it up "
			"without traffic");
	}
}

/* Who called in vain: the peer, perhaps, under another address, identity or version. */
static void callers(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "version-mismatch";
	static const struct ike_reason speaks_v1 = {.cause = IKE_CAUSE_VERSION,
						    .role = IKE_RESPONDER,
						    .exchange = IKE_SA_INIT,
						    .text = "peer speaks IKEv1",
						    .ours = "IKEv2",
						    .theirs = "IKEv1"};

	if (f->n_callers)
		diag_step(r, "callers", f->peer_v1 ? DIAG_BAD : DIAG_NOTE, "%s%s", f->caller,
			  f->n_callers > 1 ? "; diagnose vpn lists the others" : "");
	if (f->half_open >= f->half_open_max) {
		static const char full[] = "half-open-limit";

		diag_step(r, "half-open SAs", DIAG_BAD,
			  "%u, the most there may be: further callers are turned away", f->half_open);
		diag_verdict(r, full,
			     "so many negotiations are half open that further callers are turned away");
		diag_fix(
			r, full,
			"show vpn ike-sa lists them: a flood, or peers that do not go on; maximum-half-opened-sa in the "
			"system section sets the limit");
	}
	if (!f->peer_v1)
		return;
	if (!r->verdict)
		r->reason = &speaks_v1;
	diag_verdict(r, word, "the peer speaks IKEv1: %s", f->caller);
	diag_fix(r, word, "set the peer's gateway to IKEv2; culvert has no IKEv1");
}

/*
 * Somebody calls us from an address that no gateway has, and this gateway's peer is missed at its own: it may be the
 * peer, moved or written down wrong here.  IKE_SA_INIT carries no identity, so this is as certain as it gets: when
 * he calls again and again, is the only one, this is the only gateway that is down, and where its peer should be
 * nobody answers.  Else it is a remark.
 */
static void elsewhere(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "peer-address";
	const struct ike_reason *why = f->ike_failure;
	bool answered = why && got_of(why) != GOT_NOTHING;
	bool likely = f->stray_calls > 1 && f->n_strays == 1 && f->n_down <= 1 && !answered;

	if (!f->n_strays)
		return;
	diag_step(
		r, word, likely ? DIAG_BAD : DIAG_NOTE,
		"%s, which no gateway has, called %llu time%s, last %llu s ago; peer-address is %s.  IKE_SA_INIT carries no "
		"identity: it %s this peer%s",
		f->stray, (unsigned long long)f->stray_calls, f->stray_calls > 1 ? "s" : "",
		(unsigned long long)f->stray_ago_s, f->peer, likely ? "is likely" : "may be",
		f->n_down > 1 ? ", or another one's that is down" : "");
	if (!likely)
		return;
	diag_verdict(r, word,
		     "the peer seems to call from %s, and peer-address is %s, which %s (likely, not certain: "
		     "IKE_SA_INIT carries no identity)",
		     f->stray, f->peer, !why && !f->ike_trying ? "was not asked" : "does not answer");
	diag_fix(
		r, word,
		"if the peer is at %s: set peer-address = \"%s\" for gateway %s, or \"any\", then its peer-id tells who it "
		"is; if it is not, see explain no-answer",
		f->stray, f->stray, f->gateway);
}

/* Who answers at peer-address may be somebody else, who does not know us. */
static void or_elsewhere(const struct diag_facts *f, struct diag_report *r)
{
	const struct ike_reason *why = f->ike_failure;
	size_t n = strlen(r->fix);

	if (f->n_strays == 1 && f->stray_calls > 1 && why->reported_by_peer && r->reason == why)
		snprintf(r->fix + n, sizeof(r->fix) - n,
			 "; or, if the peer is the one who calls from %s: set peer-address = \"%s\"",
			 f->stray, f->stray);
}

void diag_tunnel_down(const struct diag_facts *f, struct diag_report *r)
{
	r->tree = "tunnel down";
	if (!diag_reach(f, r))
		return;
	callers(f, r);
	elsewhere(f, r);
	if (!f->ike_failure) {
		if (!unanswered(f, r)) {
			ask_own_cert(f, r);
			never_failed(f, r);
		}
		return;
	}
	if (got_of(f->ike_failure) != GOT_NOTHING) /* else nothing has come so far as to show it */
		ask_own_cert(f, r);
	ask_ports(f, r, got_of(f->ike_failure));
	ask_rest(f, r, got_of(f->ike_failure));
	or_elsewhere(f, r);
}

void diag_nat_off(const struct diag_facts *f, struct diag_report *r)
{
	static const char word[] = "nat-traversal-off";

	if (!f->nat_ignored)
		return;
	diag_step(r, "NAT traversal", DIAG_BAD, "a NAT is on the way, and nat-traversal is off here");
	diag_verdict(r, word,
		     "a NAT is on the way to the peer, and nat-traversal is off here: ESP cannot pass it");
	diag_fix(
		r, word,
		"set nat-traversal = \"auto\" for gateway %s; the peer must have it on as well, and UDP 4500 "
		"must pass",
		f->gateway);
}

/* ---- phase 1 is up, phase 2 is not ------------------------------------------------------------------- */

void diag_phase1_only(const struct diag_facts *f, struct diag_report *r)
{
	static const char idle[] = "child-not-asked", trying[] = "negotiating";
	const struct ike_reason *why = f->child_failure;
	bool ts = why && why->cause == IKE_CAUSE_TS_UNACCEPTABLE;
	bool pfs = why && why->cause == IKE_CAUSE_INVALID_KE;
	bool crypto = why && why->cause == IKE_CAUSE_NO_PROPOSAL;
	char buf[DIAG_TEXT];

	r->tree = "phase 1 only";
	diag_step(r, "IKE SA", DIAG_OK, "established; the peer was heard %llu s ago",
		  (unsigned long long)f->heard_ago_s);
	if (!why && f->negotiating) {
		diag_step(r, "attempts", DIAG_NOTE, "a negotiation is under way");
		diag_verdict(r, trying, "the Child SA is being negotiated just now");
		diag_fix(r, trying, "ask again in a few seconds");
		return;
	}
	if (!why) {
		diag_step(r, "attempts", DIAG_NOTE,
			  "none: no packet has asked for this proxy-ID (%llu key requests)",
			  (unsigned long long)f->asked);
		diag_verdict(r, idle, "the IKE SA is up, and nothing has asked for this proxy-ID's Child SA");
		diag_fix(r, idle, "send traffic to %s, or test vpn ipsec-sa tunnel NAME", f->remote_net);
		return;
	}
	if (!ts)
		diag_nat_off(f, r);
	diag_step(r, "proxy-ID",
		  ts              ? DIAG_BAD
		  : crypto || pfs ? DIAG_UNKNOWN
				  : DIAG_OK,
		  "%s", ts ? diag_told(why, buf) : "no complaint of it");
	diag_step(r, "IPsec crypto profile", crypto ? DIAG_BAD : DIAG_OK, "%s",
		  crypto ? diag_told(why, buf) : "no complaint of it");
	diag_step(r, "PFS", pfs ? DIAG_BAD : DIAG_OK, "%s", pfs ? diag_told(why, buf) : "no complaint of it");
	diag_verdict_of(r,
			ts       ? "proxy-id-mismatch"
			: crypto ? "ipsec-no-proposal"
			: pfs    ? "pfs-mismatch"
				 : ike_cause_str(why->cause),
			why);
	r->of_child = true;
}
