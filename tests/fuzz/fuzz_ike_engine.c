/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine in one of its states, and a peer that has the keys and sends what it likes.
 *
 * The first byte picks the state.  Then come messages: an octet of flags, the type of the first payload, a length
 * and so many bytes of payloads, sealed with the SA's keys and the message ID that is due, whole or in fragments;
 * or a datagram as it stands.  Nothing may be left behind in the data plane.
 */
#include <string.h>

#include "fuzz.h"
#include "child.h"
#include "followup.h"
#include "xchg.h"

enum { E, P, QUEUE = 64, CHILDREN = 256 };
enum {
	OP_EXCHANGE = 0x03, /* IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL, any other */
	OP_RESPONSE = 0x04,
	OP_FRAGMENTS = 0x08,
	OP_SA = 0x30, /* which one, should there be several */
	OP_TIME = 0x40,
	OP_RAW = 0x80
};
enum state {
	INIT_RCVD,
	AUTH_SENT,
	UP_RESPONDER,
	UP_INITIATOR,
	CHILD_ASKED,
	CHILD_REKEY_ASKED,
	IKE_REKEY_ASKED,
	LIVENESS_ASKED,
	CLOSING,
	/* From here on with additional key exchanges, a PPK, MOBIKE and redirects. */
	EXTENDED,
	INTERMEDIATE_RCVD = EXTENDED,
	INTERMEDIATE_SENT,
	UP_EXTENDED,
	FOLLOWUP_EXPECTED,
	FOLLOWUP_SENT,
	STATES
};

struct end {
	struct ike *k;
	struct ike_host vt;
	int side;
	unsigned installed, reserved;
};
static struct end end[2];
static uint64_t now;
static uint32_t next_spi;

/* What is on its way. */
static struct {
	int to;
	struct endpoint src, dst;
	size_t len;
	uint8_t data[9000];
} queue[QUEUE];
static unsigned n_queue;
static bool extended;

static void on_send(void *ctx, const struct ike_packet *p)
{
	const struct end *e = ctx;

	MUST(p->len <= sizeof(queue[0].data));
	if (p->keepalive || n_queue == QUEUE)
		return;
	queue[n_queue].to = !e->side;
	queue[n_queue].src = p->local;
	queue[n_queue].dst = p->remote;
	queue[n_queue].len = p->len;
	memcpy(queue[n_queue++].data, p->data, p->len);
}

static int on_alloc(void *ctx, uint32_t *spi)
{
	struct end *e = ctx;

	*spi = next_spi += 3;
	e->reserved++;
	return 0;
}

static void on_release(void *ctx, uint32_t spi)
{
	struct end *e = ctx;

	MUST(e->reserved);
	e->reserved--;
}

static int on_install(void *ctx, struct ike_child_sa *c, bool activate)
{
	struct end *e = ctx;

	MUST(c->ts_local.n && c->ts_remote.n && c->spi_out > 255 && e->installed < CHILDREN && e->reserved);
	e->installed++;
	e->reserved--;
	c->host = e;
	return 0;
}

static void on_remove(void *ctx, struct ike_child_sa *c)
{
	struct end *e = ctx;

	MUST(e->installed && c->host == e);
	e->installed--;
}

static void on_child(void *ctx, struct ike_child_sa *c)
{
	MUST(c->host == ctx);
}

static void on_usage(void *ctx, const struct ike_child_sa *c, struct ike_child_usage *u)
{
	MUST(c->host == ctx);
}

static void on_event(void *ctx, const struct ike_event *e)
{
	MUST(e->gateway);
}

static void make(int side)
{
	end[side] = (struct end){.side = side,
				 .vt = {.send = on_send,
					.spi_alloc = on_alloc,
					.spi_release = on_release,
					.child_install = on_install,
					.child_activate = on_child,
					.child_remove = on_remove,
					.child_move = on_child,
					.child_usage = on_usage,
					.event = on_event}};
	end[side].k = ike_new(&end[side].vt, &end[side], now);
	MUST(end[side].k);
}

static void selector(struct ts *t, const char *text)
{
	struct prefix p;

	MUST(prefix_parse(text, &p) == 0);
	*t = ts_of(&p, 0, 0);
}

/* Two small ones. */
static void extend(struct ike_algs *a)
{
	a->n_ake = 2;
	a->n_ake_algs[0] = a->n_ake_algs[1] = 1;
	a->ake[0][0] = DH_ECP256;
	a->ake[1][0] = DH_CURVE448;
}

static void configure(int side, bool start)
{
	struct ike_child_conf child[2] = {0};
	struct ike_gw_conf c = {.name = "GW",
				.id = 1,
				.psk = "key",
				.psk_len = 3,
				.lifetime_s = 200,
				.dpd_interval_s = 10,
				.dpd_retry = 3,
				.fragment_size = 300,
				.passive = !start,
				.n_children = 2,
				.children = child,
				.ike = {.n_encr = 1,
					.encr = {{ENCR_AES_GCM_16, 128}},
					.n_prf = 1,
					.prf = {PRF_HMAC_SHA2_256},
					.n_dh = 1,
					.dh = {DH_CURVE25519}}};
	static const char *const nets[2][2] = {{"10.1.0.0/24", "fd00:1::/64"},
					       {"10.2.0.0/24", "fd00:2::/64"}};

	MUST(addr_parse(side == E ? "192.0.2.1" : "192.0.2.2", &c.local) == 0);
	MUST(addr_parse(side == E ? "192.0.2.2" : "192.0.2.1", &c.remote) == 0);
	for (unsigned i = 0; i < 2; i++) {
		child[i] = (struct ike_child_conf){.tunnel = "T",
						   .policy = i + 1,
						   .esp = {.n_encr = 1, .encr = {{ENCR_AES_GCM_16, 128}}},
						   .n_local = 1,
						   .n_remote = 1,
						   .lifetime_s = 3600,
						   .start = start && i == 0};
		child[i].proxy_id[0] = (char)('1' + i);
		selector(&child[i].local[0], nets[side][i]);
		selector(&child[i].remote[0], nets[!side][i]);
	}
	child[0].esp.n_dh = 1;
	child[0].esp.dh[0] = DH_CURVE25519;
	if (extended) {
		extend(&c.ike);
		extend(&child[1].esp);
		child[1].esp.n_dh = 1;
		child[1].esp.dh[0] = DH_CURVE25519;
		memcpy(c.ppk_id, "ppk", 4);
		c.ppk_len = 3;
		c.mobike = c.redirect = true;
	}
	MUST(ike_gateway_set(end[side].k, &c, now) == 0);
	ike_run(end[side].k, now);
}

/* Deliver so many of what is on its way, in order. */
static void deliver(unsigned n)
{
	static uint8_t data[sizeof(queue[0].data)];

	while (n-- && n_queue) {
		struct ike_packet p = {
			.local = queue[0].dst, .remote = queue[0].src, .data = data, .len = queue[0].len};
		int to = queue[0].to;

		memcpy(data, queue[0].data, p.len);
		memmove(&queue[0], &queue[1], --n_queue * sizeof(queue[0]));
		ike_input(end[to].k, &p, now);
	}
}

static void turn_clock(uint64_t ns)
{
	now += ns;
	ike_run(end[E].k, now);
}

static struct ike_sa *sa_of(unsigned which)
{
	struct ike_sa *v[4], *sa;
	unsigned n = 0;

	for (sa = end[E].k->sas; sa && n < 4; sa = sa->hh.next)
		if (sa->keys.prf_len && sa->state != SA_NEW && sa->state != SA_INIT_SENT &&
		    sa->state != SA_GONE)
			v[n++] = sa;
	return n ? v[which % n] : NULL;
}

static void expire_child(void)
{
	struct ike_sa *sa = sa_of(0);

	if (sa && sa->children)
		ike_child_expire(end[E].k, sa->children->spi_in, false, now);
}

static void bring_to(enum state s)
{
	bool initiator = s != INIT_RCVD && s != UP_RESPONDER && s != INTERMEDIATE_RCVD && s != UP_EXTENDED &&
			 s != FOLLOWUP_EXPECTED;
	bool first = s == INIT_RCVD || s == INTERMEDIATE_RCVD,
	     second = s == AUTH_SENT || s == INTERMEDIATE_SENT;
	struct ike_sa *sa;

	extended = s >= EXTENDED;

	configure(initiator ? P : E, false);
	configure(initiator ? E : P, true);
	deliver(first ? 1 : second ? 2 : QUEUE);
	n_queue = 0;
	switch (s) {
	case CHILD_ASKED: ike_acquire(end[E].k, 2, now); break;
	case CHILD_REKEY_ASKED: expire_child(); break;
	case IKE_REKEY_ASKED: turn_clock(185 * NS_S); break;
	case LIVENESS_ASKED: turn_clock(11 * NS_S); break;
	case CLOSING: ike_clear_ike_sa(end[E].k, NULL, now); break;
	case FOLLOWUP_EXPECTED:
		ike_acquire(end[P].k, 2, now);
		deliver(2); /* in fragments */
		sa = sa_of(0);
		MUST(sa && sa->pending);
		memset(sa->pending->link, 'L', LINK_LEN); /* where it can be guessed */
		break;
	case FOLLOWUP_SENT:
		ike_acquire(end[E].k, 2, now);
		for (unsigned i = 0; i < 8 && !sa_of(0)->nego->more; i++)
			deliver(1);
		MUST(sa_of(0)->nego->more);
		break;
	default: break;
	}
	n_queue = 0;
}

static void input(const uint8_t *p, size_t len)
{
	struct ike_packet in = {.data = p, .len = len};

	MUST(addr_parse("192.0.2.1", &in.local.a) == 0 && addr_parse("192.0.2.2", &in.remote.a) == 0);
	in.local.port = in.remote.port = IKE_PORT;
	ike_input(end[E].k, &in, now);
	n_queue = 0;
}

/* The chain cut in up to four, the last part first. */
static void send_parts(struct ike_keys *k, bool from_initiator, const struct ike_hdr *h, uint8_t first,
		       struct bytes chain)
{
	uint16_t total = (uint16_t)(1 + chain.len % 4);
	size_t each = chain.len / total + 1;
	uint8_t buf[9000];

	for (uint16_t i = total; i > 0; i--) {
		size_t at = each * (i - 1u) < chain.len ? each * (i - 1u) : chain.len;
		size_t n = chain.len - at < each ? chain.len - at : each;
		struct wr w = wr_of(buf, sizeof(buf));

		MUST(sk_seal_part(k, from_initiator, h, first, (struct sk_part){i, total},
				  (struct bytes){chain.p + at, n}, &w) == 0);
		input(buf, w.len);
	}
}

static void send_sealed(uint8_t op, uint8_t first, struct bytes chain)
{
	struct ike_sa *sa = sa_of(op >> 4 & 3);
	bool response = op & OP_RESPONSE, from_initiator;
	struct ike_keys k;
	struct ike_hdr h;
	uint8_t buf[9000];
	size_t len;

	if (!sa || chain.len > 8000)
		return;
	from_initiator = sa->role == IKE_RESPONDER;
	k = sa->keys; /* the peer's copy, with IVs of its own */
	k.iv += UINT64_C(1) << 40;
	h = (struct ike_hdr){.spi_i = sa_spi_i(sa),
			     .spi_r = sa_spi_r(sa),
			     .version = 0x20,
			     .exchange = (uint8_t)(IKE_AUTH + (op & OP_EXCHANGE)),
			     .flags = (uint8_t)((from_initiator ? IKE_FLAG_INITIATOR : 0) |
						(response ? IKE_FLAG_RESPONSE : 0)),
			     .msgid = response ? sa->req.msgid : sa->msgid_in};
	if ((op & OP_EXCHANGE) == 3)
		h.exchange = response                    ? sa->req.exchange
			     : !extended                 ? INFORMATIONAL
			     : sa->state == SA_INIT_RCVD ? IKE_INTERMEDIATE
							 : IKE_FOLLOWUP_KE;
	if (op & OP_FRAGMENTS)
		send_parts(&k, from_initiator, &h, first, chain);
	else if (sk_seal(&k, from_initiator, &h, first, chain, buf, sizeof(buf), &len) == 0)
		input(buf, len);
	crypto_wipe(&k, sizeof(k));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rd r = rd_of(data, len);
	enum state s = rd_u8(&r) % STATES;

	now = NS_S;
	next_spi = 0x1000;
	n_queue = 0;
	make(E);
	make(P);
	bring_to(s);
	for (unsigned i = 0; i < 8 && rd_left(&r) >= 4; i++) {
		uint8_t op = rd_u8(&r), first = rd_u8(&r);
		uint16_t n = rd_u16(&r);
		struct bytes body = rd_bytes(&r, n < rd_left(&r) ? n : rd_left(&r));

		if (op & OP_TIME)
			turn_clock((uint64_t)first * NS_S);
		else if (op & OP_RAW)
			input(body.p, body.len);
		else
			send_sealed(op, first, body);
		n_queue = 0;
	}
	turn_clock(40 * NS_S);
	ike_free(end[E].k);
	ike_free(end[P].k);
	MUST(!end[E].installed && !end[E].reserved && !end[P].installed && !end[P].reserved);
	return 0;
}
