/* SPDX-License-Identifier: Apache-2.0 */
/* The engine object, the way a datagram takes in, and the timers' way out. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alt.h"
#include "cert_status.h"
#include "calls.h"
#include "child.h"
#include "dpd.h"
#include "followup.h"
#include "frag.h"
#include "fsm.h"
#include "hint.h"
#include "hold.h"
#include "natd.h"
#include "pace.h"
#include "reason.h"
#include "tap.h"
#include "xchg.h"

/* ---- life ------------------------------------------------------------------------------------------------ */

static const struct ike_tuning defaults = {
	.retransmit_ms = 1000,
	.retransmit_cap_ms = 16000,
	.retransmit_tries = 5,
	.half_open_s = 30,
	.half_open_max = 2000,
	.half_open_source = 64,
	.cookie_threshold = 200,
	.backoff_s = 1,
	.backoff_cap_s = 60,
	.children_per_proxy = 8,
	.fragment_bytes = 1 << 20,
	.starts_max = 256,
};

struct ike *ike_new(const struct ike_host *host, void *ctx, uint64_t now)
{
	struct ike *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->host = host;
	k->ctx = ctx;
	k->now = now;
	k->tune = defaults;
	crypto_random(&k->rng, sizeof(k->rng));
	k->rng |= 1;
	return k;
}

void ike_free(struct ike *k)
{
	if (!k)
		return;
	gw_free_all(k);
	free(k->calls);
	cert_cache_free(k->cert_cache);
	timer_free(&k->timers);
	crypto_wipe(k, sizeof(*k));
	free(k);
}

void ike_tune(struct ike *k, const struct ike_tuning *t)
{
	k->tune = *t;
}

const struct ike_tuning *ike_tuning(const struct ike *k)
{
	return &k->tune;
}

void ike_set_debug(struct ike *k, bool on)
{
	k->debug = on;
}

void engine_done(struct ike *k)
{
	pace_run(k);
	sa_reap(k);
	k->n_removed = 0;
}

/* ---- small things ------------------------------------------------------------------------------------------- */

bool bucket_take(struct bucket *b, uint64_t now, double per_s, double burst)
{
	b->tokens = b->last ? b->tokens + (double)(now - b->last) / (double)NS_S * per_s : burst;
	b->last = now ? now : 1;
	if (b->tokens > burst)
		b->tokens = burst;
	if (b->tokens < 1)
		return false;
	b->tokens -= 1;
	return true;
}

uint64_t engine_random(struct ike *k, uint64_t n)
{
	k->rng ^= k->rng << 13;
	k->rng ^= k->rng >> 7;
	k->rng ^= k->rng << 17;
	return n ? k->rng % n : 0;
}

uint64_t engine_jitter(struct ike *k, uint64_t base)
{
	return base - base / 10 + engine_random(k, base / 5 + 1);
}

void engine_debug(struct ike *k, const struct ike_sa *sa, const char *fmt, ...)
{
	struct ike_event e = {.type = IKE_EV_DEBUG, .gateway = ""};
	char text[512];
	va_list ap;

	if (!k->debug && !tap_talks(sa))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	e.text = text;
	if (sa) {
		e.gateway = sa->gw ? sa->gw->conf.name : "";
		e.local = sa->local;
		e.remote = sa->remote;
		e.role = sa->role;
		e.spi_i = sa_spi_i(sa);
		e.spi_r = sa_spi_r(sa);
		e.serial = sa->serial;
	}
	k->host->event(k->ctx, &e);
}

/* ---- timers --------------------------------------------------------------------------------------------------- */

/* What else has happened is not kept waiting by a hundred thousand timers that are due at once, nor by a hundred peers
 * that die at once with a hundred Child SAs each. */
enum { TIMERS_A_CALL = 128 };

static void (*const fire[TIMER_KINDS])(struct ike *k, void *owner) = {
	[TIMER_RETRANSMIT] = xchg_on_retransmit,
	[TIMER_HALF_OPEN] = sa_on_half_open,
	[TIMER_DPD] = dpd_on_timer,
	[TIMER_KEEPALIVE] = natd_on_keepalive,
	[TIMER_IKE_REKEY] = sa_on_rekey,
	[TIMER_IKE_EXPIRE] = sa_on_expire,
	[TIMER_LINGER] = sa_on_linger,
	[TIMER_DUPLICATE] = sa_on_duplicate,
	[TIMER_HOLD] = xchg_on_hold,
	[TIMER_FOLLOWUP] = followup_on_timeout,
	[TIMER_CHILD_REKEY] = child_on_rekey,
	[TIMER_CHILD_EXPIRE] = child_on_expire,
	[TIMER_CHILD_SETTLE] = child_on_settle,
	[TIMER_FRAGMENTS] = frag_on_timeout,
	[TIMER_GW_RETRY] = gw_on_retry,
	[TIMER_SLOT_RETRY] = slot_on_retry,
};

void ike_run(struct ike *k, uint64_t now)
{
	struct timer *t;

	k->now = now;
	for (unsigned i = 0; i < TIMERS_A_CALL && k->n_removed < REMOVED_A_CALL; i++) {
		t = timer_pop(&k->timers, now);
		if (!t)
			break;
		fire[t->kind](k, t->owner);
	}
	engine_done(k);
}

uint64_t ike_next(const struct ike *k)
{
	return pace_due(k) ? k->now : timer_next(&k->timers);
}

/* ---- a datagram's way in ---------------------------------------------------------------------------------------- */

static void debug_msg(struct ike *k, const struct ike_sa *sa, const struct msg *m)
{
	char text[400];

	if (k->debug || tap_talks(sa))
		engine_debug(k, sa, "received %s", msg_str(m, text, sizeof(text)));
}

/* No SA, so no keys: all that can be said is unprotected, and the peer takes it as a hint. */
static void unknown_spi(struct ike *k, const struct ike_packet *p, const struct ike_hdr *h)
{
	COUNT(k, drop_unknown_spi);
	if (h->flags & IKE_FLAG_RESPONSE || h->exchange == IKE_SA_INIT)
		return;
	/* A hint of the peer's wants no answer: answers to answers could go on for ever. */
	if (!hint_unprotected_request(k, p, h))
		xchg_plain_error(k, p, h, N_INVALID_IKE_SPI, NULL, 0);
}

/* Count and answer what is wrong with the outside of a message; true when it may go on. */
static bool outside_ok(struct ike *k, const struct ike_packet *p, const struct msg *m, enum msg_error e)
{
	bool request = !(m->hdr.flags & IKE_FLAG_RESPONSE);
	bool init = request && m->hdr.exchange == IKE_SA_INIT && !m->hdr.spi_r;

	switch (e) {
	case MSG_OK: return true;
	case MSG_CRITICAL:
		COUNT(k, bad_critical);
		if (init)
			xchg_plain_error(k, p, &m->hdr, N_UNSUPPORTED_CRITICAL_PAYLOAD, &m->unknown_critical,
					 1);
		return false;
	default:
		COUNT(k, drop_malformed);
		/* Outside SK only IKE_SA_INIT may be answered; anything else would be blind (2.21.4). */
		if (init)
			xchg_plain_error(k, p, &m->hdr, N_INVALID_SYNTAX, NULL, 0);
		return false;
	}
}

static void input_init_request(struct ike *k, const struct ike_packet *p, const struct msg *m)
{
	struct in in = {.k = k, .m = m, .pkt = p};
	uint64_t need = PL_BIT(PL_SA) | PL_BIT(PL_KE) | PL_BIT(PL_NONCE);

	if (m->hdr.spi_r || !m->hdr.spi_i || m->hdr.msgid || !(m->hdr.flags & IKE_FLAG_INITIATOR)) {
		COUNT(k, drop_flags);
		return;
	}
	if ((m->seen & need) != need) {
		COUNT(k, drop_malformed);
		xchg_plain_error(k, p, &m->hdr, N_INVALID_SYNTAX, NULL, 0);
		return;
	}
	debug_msg(k, NULL, m);
	init_request(&in);
}

static void input_init_response(struct ike_sa *sa, const struct ike_packet *p, const struct msg *m)
{
	struct in in = {.k = sa->k, .sa = sa, .m = m, .pkt = p};

	if (sa->role != IKE_INITIATOR || (sa->state != SA_INIT_SENT && sa->state != SA_AUTH_SENT) ||
	    m->hdr.msgid || (m->hdr.flags & IKE_FLAG_INITIATOR)) {
		COUNT(sa->k, drop_state);
		return;
	}
	debug_msg(sa->k, sa, m);
	tap_plain(sa->gw, true, &p->local, &p->remote, m->raw);
	fsm_dispatch(&in);
}

/* The last request again?  Word for word what was verified then needs no second look.  Of a request in
 * fragments the first one counts (RFC 7383 2.6.1); it may have been cut anew, and then has to verify. */
static bool asked_again(struct ike_sa *sa, const struct ike_packet *p, const struct msg *m)
{
	uint8_t hash[20], plain[MSG_MAX];
	size_t len;

	xchg_hash(p, false, hash);
	if (!memcmp(hash, sa->answered, sizeof(hash)))
		return true;
	if (m->skf.num != 1 || !sa->fragmentation ||
	    sk_open(&sa->keys, m->hdr.flags & IKE_FLAG_INITIATOR, m, plain, &len))
		return false;
	crypto_wipe(plain, len);
	return true;
}

/* Is its message ID due?  Duplicates of the last request get the last answer. */
static bool msgid_due(struct ike_sa *sa, const struct ike_packet *p, const struct msg *m)
{
	const struct ike_hdr *h = &m->hdr;
	struct ike *k = sa->k;

	if (h->flags & IKE_FLAG_RESPONSE) {
		if (sa->req.busy && h->msgid == sa->req.msgid && h->exchange == sa->req.exchange)
			return true;
		COUNT(k, drop_response_unasked);
		return false;
	}
	if (h->msgid == sa->msgid_in)
		return true;
	if (h->msgid > sa->msgid_in) {
		COUNT(k, drop_msgid_ahead);
		return false;
	}
	if (h->msgid + 1 == sa->msgid_in && sa->answer.p && asked_again(sa, p, m)) {
		COUNT(k, tx_cached);
		xchg_send(sa, &p->local, &p->remote, sa->answer.p, sa->answer.len);
		return false;
	}
	COUNT(k, drop_msgid_old);
	return false;
}

/* From here on the message is the peer's. */
static void authentic(struct ike_sa *sa, const struct ike_packet *p, struct msg *m, struct bytes plain)
{
	struct in in = {.k = sa->k, .sa = sa, .m = m, .pkt = p, .plain = plain};
	bool response = m->hdr.flags & IKE_FLAG_RESPONSE;
	enum msg_error e = msg_parse_inner(plain, m->sk_first, m);

	debug_msg(sa->k, sa, m);
	tap_inner(sa, true, &p->local, &p->remote, &m->hdr, m->sk_first, plain);
	sa->last_heard = sa->k->now;
	sa->from_local = p->local;
	sa->from_remote = p->remote;
	natd_follow(sa, &p->local, &p->remote);
	if (e == MSG_OK) {
		fsm_dispatch(&in);
	} else if (e == MSG_CRITICAL) {
		COUNT(sa->k, bad_critical);
		if (response)
			fsm_bad_response(&in, "unknown critical payload");
		else
			fsm_bad_request(&in, N_UNSUPPORTED_CRITICAL_PAYLOAD, "unknown critical payload");
	} else {
		COUNT(sa->k, bad_inner);
		if (response)
			fsm_bad_response(&in, msg_error_str(e));
		else
			fsm_bad_request(&in, N_INVALID_SYNTAX, msg_error_str(e));
	}
	if (!sa->buried)
		task_run(sa);
}

/* What an IKE_AUTH waits for has come: all that are kept are judged anew, whatever each of them waited for. */
static void resume(struct ike *k)
{
	uint64_t *spis = calloc(HASH_COUNT(k->sas) + 1, sizeof(*spis));
	struct ike_sa *sa, *tmp;
	size_t n = 0;

	if (!spis)
		return; /* the peers' retransmissions do as well */
	HASH_ITER (hh, k->sas, sa, tmp)
		if (sa->init && sa->init->held)
			spis[n++] = sa->spi_own;
	for (size_t i = 0; i < n; i++) {
		struct ike_packet pkt;
		struct bytes plain;
		struct held *h;
		struct msg m;

		sa = sa_find(k, spis[i]);
		h = sa ? hold_take(sa, &m, &pkt, &plain) : NULL;
		if (h)
			authentic(sa, &pkt, &m, plain);
		hold_free(h);
	}
	free(spis);
}

void ike_fetched(struct ike *k, const struct cert_fetch *f, struct bytes content, const char *why,
		 uint64_t now)
{
	k->now = now;
	COUNT(k, status_fetched);
	if (!content.p)
		COUNT(k, status_fetch_failed);
	if (!k->cert_cache)
		return;
	cert_status_fetched(k->cert_cache, f, content, why, (int64_t)time(NULL));
	resume(k);
	engine_done(k);
}

static int open_message(struct ike_sa *sa, const struct msg *m, uint8_t *plain, size_t *len)
{
	return sa->state == SA_AUTH_SENT
		       ? alt_open(sa, m, plain, len)
		       : sk_open(&sa->keys, m->hdr.flags & IKE_FLAG_INITIATOR, m, plain, len);
}

static void input_protected(struct ike_sa *sa, const struct ike_packet *p, struct msg *m)
{
	bool fragment = m->seen & PL_BIT(PL_SKF);
	struct frag_in *whole = NULL;
	struct ike *k = sa->k;
	uint8_t plain[MSG_MAX];
	size_t len = 0;

	if (!fragment && !(m->seen & PL_BIT(PL_SK))) {
		COUNT(k, drop_not_protected);
		if (m->hdr.flags & IKE_FLAG_RESPONSE)
			hint_unprotected_answer(sa, m);
		return;
	}
	/* A request that overtook the answer to our IKE_AUTH comes again when that is here.  Answered now, its
	 * message ID would be used up: a Delete that the peer takes for done, of an SA that then comes up. */
	if (sa->state == SA_NEW || sa->state == SA_INIT_SENT ||
	    (sa->state == SA_AUTH_SENT && !(m->hdr.flags & IKE_FLAG_RESPONSE))) {
		COUNT(k, drop_state);
		return;
	}
	if (!msgid_due(sa, p, m))
		return;
	if (sa->state == SA_GONE) {
		COUNT(k, drop_state);
		return;
	}
	/* Before AUTH is answered, only its keys tell which possible peer a fragment is from. */
	if (fragment && sa->state != SA_AUTH_SENT && !frag_wanted(sa, m))
		return;
	if (open_message(sa, m, plain, &len)) {
		COUNT(k, drop_integrity);
		return;
	}
	if (fragment)
		whole = frag_add(sa, m, plain, &len);
	if (whole || !fragment)
		authentic(sa, p, m, (struct bytes){.p = plain, .len = len});
	crypto_wipe(plain, len);
	frag_free(whole);
}

/* Our SPI is the one of the role the sender does not have. */
static struct ike_sa *find_sa(struct ike *k, const struct ike_hdr *h)
{
	bool from_initiator = h->flags & IKE_FLAG_INITIATOR;
	uint64_t peer = from_initiator ? h->spi_i : h->spi_r;
	struct ike_sa *sa = sa_find(k, from_initiator ? h->spi_r : h->spi_i);

	if (!sa || (sa->role == IKE_INITIATOR) == from_initiator)
		return NULL;
	/* Before IKE_AUTH is answered, who the peer is stays open. */
	if (sa->state == SA_INIT_SENT || (sa->state == SA_AUTH_SENT && h->exchange == IKE_SA_INIT))
		return sa;
	return sa->spi_peer == peer || (sa->state == SA_AUTH_SENT && alt_knows(sa, peer)) ? sa : NULL;
}

static void input(struct ike *k, const struct ike_packet *p)
{
	struct ike_sa *sa = NULL;
	enum msg_error e;
	struct msg m = {0};

	e = msg_parse_header(p->data, p->len, &m.hdr);
	if (e == MSG_VERSION) {
		COUNT(k, drop_version);
		if (m.hdr.version >> 4 == 1 && m.hdr.len == p->len)
			calls_v1(k, p, &m.hdr);
		if (m.hdr.version >> 4 > 2 && !(m.hdr.flags & IKE_FLAG_RESPONSE))
			xchg_plain_error(k, p, &m.hdr, N_INVALID_MAJOR_VERSION, NULL, 0);
		return;
	}
	if (e == MSG_EXCHANGE) {
		COUNT(k, drop_exchange);
		return;
	}
	if (e != MSG_OK) {
		COUNT(k, drop_short);
		return;
	}
	if (m.hdr.flags & IKE_FLAG_RESPONSE || m.hdr.exchange != IKE_SA_INIT) {
		sa = find_sa(k, &m.hdr);
		if (!sa) {
			unknown_spi(k, p, &m.hdr);
			return;
		}
	}
	e = msg_parse(p->data, p->len, &m);
	if (!outside_ok(k, p, &m, e))
		return;
	if (!sa)
		input_init_request(k, p, &m);
	else if (m.hdr.exchange == IKE_SA_INIT)
		input_init_response(sa, p, &m);
	else
		input_protected(sa, p, &m);
}

void ike_input(struct ike *k, const struct ike_packet *p, uint64_t now)
{
	k->now = now;
	COUNT(k, rx);
	k->counters.v[CNT_rx_bytes] += p->len;
	input(k, p);
	engine_done(k);
}

/* ---- from the data plane ------------------------------------------------------------------------------------------- */

void ike_acquire(struct ike *k, uint32_t policy, uint64_t now)
{
	ike_acquire_packet(k, policy, NULL, now);
}

void ike_acquire_packet(struct ike *k, uint32_t policy, const struct ike_flow *f, uint64_t now)
{
	struct slot *s = slot_find(k, policy);

	k->now = now;
	if (!s || k->stopping)
		return;
	COUNT(k, acquire);
	if (slot_up(s) || s->rest == IKE_DPD_CLEAR)
		return;
	s->acquired = true;
	if (f)
		slot_flow(s, f);
	slot_service(s);
	engine_done(k);
}

void ike_child_expire(struct ike *k, uint32_t spi_in, bool hard, uint64_t now)
{
	struct child_sa *c = child_find(k, spi_in);
	struct ike_sa *sa;
	struct ike_reason r;

	k->now = now;
	if (!c)
		return;
	sa = c->sa;
	if (hard) {
		reason_set(&r, now, IKE_CAUSE_EXPIRED, c->role, INFORMATIONAL,
			   "byte, packet or sequence limit of the Child SA reached");
		child_delete(c, &r, false);
	} else {
		child_rekey(c);
	}
	task_run(sa);
	engine_done(k);
}

/* ---- counters --------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name, *help;
} counter_names[] = {
#define X(name, help) {#name, help},
	IKE_COUNTERS(X)
#undef X
};

_Static_assert(CNT_MAX <= sizeof(((struct ike_counters *)0)->v) / sizeof(uint64_t), "counters do not fit");

const struct ike_counters *ike_counters(const struct ike *k)
{
	return &k->counters;
}

const char *ike_counter_name(unsigned i)
{
	return i < CNT_MAX ? counter_names[i].name : NULL;
}

const char *ike_counter_help(unsigned i)
{
	return i < CNT_MAX ? counter_names[i].help : NULL;
}
