/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines and somebody in between who forges, replays, floods and damages. */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap.h"
#include "msg.h"

static void up(unsigned children)
{
	net_both(children);
	assert_true(net_until(&net, net_up, 20 * NET_S));
	net_run(&net, 5 * NET_S);
}

static struct endpoint ep(const char *a, uint16_t port)
{
	struct endpoint e = {.port = port};

	assert_int_equal(addr_parse(a, &e.a), 0);
	return e;
}

/* ---- damage ------------------------------------------------------------------------------------------------ */

struct damage {
	unsigned message, seen; /* damage that one, counted over both ways */
	size_t at;
	uint8_t flip;
	size_t len; /* of the message damaged */
};

/* A damaged copy first, then the real one. */
static bool damage(struct net *n, struct net_packet *p, void *arg)
{
	struct damage *d = arg;
	uint8_t *copy;

	if (d->seen++ != d->message)
		return true;
	d->len = p->len;
	if (d->at >= p->len)
		return true;
	copy = malloc(p->len);
	assert_non_null(copy);
	memcpy(copy, p->data, p->len);
	copy[d->at] ^= d->flip;
	{
		struct ike_packet in = {.local = p->dst, .remote = p->src, .data = copy, .len = p->len};

		ike_input(n->host[p->to].ike, &in, n->now);
	}
	free(copy);
	return true;
}

/* One byte of one message damaged, ahead of the real one: it comes up as if nothing had been, without any
 * retry, whichever byte of whichever message of IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA. */
static void every_byte_of_every_message(void **state)
{
	for (unsigned message = 0; message < 6; message++) {
		struct damage d = {.message = message, .len = 1};

		for (d.at = 0; d.at < d.len; d.at++) {
			d.seen = 0;
			d.flip = (uint8_t)(1u << (d.at % 8));
			net_end(&net);
			net_init(&net, 1);
			net.tap = damage;
			net.tap_arg = &d;
			net_both(2);
			if (!net_until(&net, net_up, NET_S / 2))
				fail_msg("message %u, byte %zu", message, d.at);
			assert_int_equal(A->events[IKE_EV_IKE_FAIL], 0);
			net_run(&net, NET_S);
			net_check_pairs(&net);
			assert_int_equal(net_sas(A), 1);
			assert_int_equal(net_sas(B), 1);
		}
	}
}

/* On an SA that is up a damaged message does nothing, not even use up its message ID. */
static void every_byte_while_up(void **state)
{
	struct damage d = {.len = 1};

	up(1);
	net.tap = damage;
	net.tap_arg = &d;
	for (unsigned message = 0; message < 4; message++) {
		d.len = 1;
		d.message = message;
		for (d.at = 0; d.at < d.len; d.at++) {
			d.flip = (uint8_t)(0x80u >> (d.at % 8));
			for (unsigned i = 0; i < NET_CHILDREN; i++)
				if (A->child[i].used && A->child[i].active) {
					d.seen = 0;
					ike_child_expire(A->ike, A->child[i].sa.spi_in, false, net.now);
					break;
				}
			net_run(&net, 6 * NET_S);
			assert_int_equal(net_children(A), 1);
			assert_int_equal(net_children(B), 1);
			assert_int_equal(net_counter(A, "tx_retransmit"), 0);
		}
	}
	net_check_pairs(&net);
	assert_int_equal(net_sas(A), 1);
	assert_int_equal(A->events[IKE_EV_IKE_UP], 1);
	assert_int_equal(B->events[IKE_EV_IKE_UP], 1);
}

static bool garbage(struct net *n, struct net_packet *p, void *arg)
{
	uint8_t buf[300];

	for (unsigned i = 0; i < 20; i++) {
		struct ike_packet in = {.local = p->dst, .remote = p->src, .data = buf};

		in.len = net_random(n, sizeof(buf));
		for (size_t k = 0; k < in.len; k++)
			buf[k] = (uint8_t)net_random(n, 256);
		/* Half of it with a plausible header, and the SPIs of the real message. */
		if (i & 1 && in.len > IKE_HDR) {
			memcpy(buf, p->data, IKE_HDR);
			buf[24] = buf[25] = 0;
			buf[26] = (uint8_t)(in.len >> 8);
			buf[27] = (uint8_t)in.len;
		}
		ike_input(n->host[p->to].ike, &in, n->now);
	}
	return true;
}

static void garbage_in_every_state(void **state)
{
	for (unsigned seed = 1; seed <= 100; seed++) {
		net_end(&net);
		net_init(&net, seed);
		net.tap = garbage;
		net_both(3);
		assert_true(net_until(&net, net_up, NET_S));
		assert_int_equal(A->events[IKE_EV_IKE_FAIL], 0);
		assert_true(ike_clear_ike_sa(A->ike, NULL, net.now) == 1);
		net_run(&net, NET_S);
		assert_int_equal(net_sas_all(A), 0);
	}
}

/* ---- forged answers ------------------------------------------------------------------------------------------- */

static size_t forge(uint8_t *buf, size_t cap, const struct ike_hdr *h, uint16_t notify, const void *data,
		    size_t len)
{
	struct msg_wr w;

	msg_wr_begin(&w, buf, cap, h);
	if (notify)
		msg_wr_notify(&w, PROTO_NONE, NULL, 0, notify, data, len);
	return msg_wr_end(&w);
}

static const uint16_t notifies[] = {N_NO_PROPOSAL_CHOSEN, N_INVALID_SYNTAX, N_AUTHENTICATION_FAILED,
				    N_INVALID_IKE_SPI, N_INVALID_MAJOR_VERSION};

/* Somebody sees our requests and answers each at once with an error, in the clear. */
static bool forger(struct net *n, struct net_packet *p, void *arg)
{
	struct ike_hdr h;
	uint8_t buf[128];

	msg_parse_header(p->data, p->len, &h);
	for (unsigned i = 0; i < sizeof(notifies) / sizeof(notifies[0]); i++)
		for (unsigned response = 0; response < 2; response++)
			for (unsigned back = 0; back < 2; back++) {
				struct ike_hdr f = h;
				struct ike_packet in = {.data = buf};
				int to = back ? !p->to : p->to;

				in.local = back ? p->src : p->dst;
				in.remote = back ? p->dst : p->src;
				f.next = 0;
				f.flags = (uint8_t)((back ? h.flags ^ IKE_FLAG_INITIATOR : h.flags) &
						    ~IKE_FLAG_RESPONSE) |
					  (response ? IKE_FLAG_RESPONSE : 0);
				in.len = forge(buf, sizeof(buf), &f, notifies[i], NULL, 0);
				ike_input(n->host[to].ike, &in, n->now);
			}
	return true;
}

static void errors_in_the_clear_are_only_hints(void **state)
{
	net.tap = forger;
	net_both(3);
	assert_true(net_until(&net, net_up, NET_S));
	net_run(&net, 60 * NET_S);
	assert_true(net_up(&net));
	assert_int_equal(A->events[IKE_EV_IKE_FAIL], 0);
	assert_int_equal(A->events[IKE_EV_IKE_UP], 1);
	assert_int_equal(B->events[IKE_EV_IKE_DOWN], 0);
	assert_int_equal(net_counter(A, "tx_retransmit"), 0);
}

/* Everything that was ever sent is sent again, later, from somewhere else. */
struct tape {
	struct net_packet *first;
};

static bool record(struct net *n, struct net_packet *p, void *arg)
{
	struct tape *t = arg;
	struct net_packet *c = malloc(sizeof(*c) + p->len);

	assert_non_null(c);
	memcpy(c, p, sizeof(*c) + p->len);
	c->next = t->first;
	t->first = c;
	return true;
}

static void replay(void **state)
{
	struct endpoint thief = ep("203.0.113.66", 4500);
	unsigned events;
	struct tape t = {0};
	uint64_t msgid;

	net.tap = record;
	net.tap_arg = &t;
	up(3);
	net.tap = NULL;
	events = A->events[IKE_EV_IKE_UP] + B->events[IKE_EV_IKE_UP] + A->events[IKE_EV_CHILD_UP] +
		 B->events[IKE_EV_CHILD_UP];
	msgid = net_counter(A, "child_up");
	for (unsigned round = 0; round < 3; round++)
		for (struct net_packet *p = t.first; p; p = p->next)
			net_inject(&net, p->to, round ? &thief : &p->src, &p->dst, p->data, p->len, NET_MS);
	net_run(&net, 60 * NET_S);
	assert_true(net_up(&net));
	assert_int_equal(net_sas_all(A), 1);
	assert_int_equal(net_sas_all(B), 1);
	assert_int_equal(events, A->events[IKE_EV_IKE_UP] + B->events[IKE_EV_IKE_UP] +
					 A->events[IKE_EV_CHILD_UP] + B->events[IKE_EV_CHILD_UP]);
	assert_int_equal(msgid, net_counter(A, "child_up"));
	assert_int_equal(A->events[IKE_EV_PEER_MOVED] + B->events[IKE_EV_PEER_MOVED], 0);
	net_check_pairs(&net);
	while (t.first) {
		struct net_packet *p = t.first;

		t.first = p->next;
		free(p);
	}
}

/* A fresh authentic request of A, but out of another mouth.  (A NAT would do this, had one been seen.) */
static bool from_elsewhere(struct net *n, struct net_packet *p, void *arg)
{
	if (p->to == NET_B)
		p->src = ep("203.0.113.66", 4500);
	return true;
}

static struct endpoint *where; /* B's last answer went there */
static void (*real_send)(void *, const struct ike_packet *);

static void watch_send(void *ctx, const struct ike_packet *p)
{
	*where = p->remote;
	real_send(ctx, p);
}

static void answered_where_asked_but_not_followed(void **state)
{
	struct endpoint to = {0}, thief = ep("203.0.113.66", 4500);

	up(1);
	where = &to;
	real_send = B->vt.send;
	B->vt.send = watch_send;
	net.tap = from_elsewhere;
	ike_clear_ipsec_sa(A->ike, NULL, net.now);
	net_run(&net, 100 * NET_MS);
	assert_true(endpoint_eq(&to, &thief));
	assert_int_equal(B->events[IKE_EV_PEER_MOVED], 0);
	assert_int_equal(net_children(B), 0);
	net.tap = NULL;
	ike_clear_ike_sa(B->ike, NULL, net.now);
	assert_int_equal(to.port, 500);
}

/* ---- the RFC's answers in the clear ------------------------------------------------------------------------------ */

static struct ike_hdr answer; /* the last packet that came out of B */
static uint16_t answer_notify;
static uint8_t answer_data;
static unsigned answers;

static void catch_send(void *ctx, const struct ike_packet *p)
{
	struct msg m;

	answers++;
	if (msg_parse(p->data, p->len, &m) != MSG_OK)
		fail_msg("what was sent cannot be parsed");
	answer = m.hdr;
	answer_notify = m.n_notify ? m.notify[0].type : 0;
	answer_data = m.n_notify && m.notify[0].data.len ? m.notify[0].data.p[0] : 0;
}

static void give(const void *p, size_t len)
{
	struct ike_packet in = {
		.local = ep("192.0.2.2", 500), .remote = ep("192.0.2.1", 500), .data = p, .len = len};

	answers = 0;
	answer_notify = 0;
	ike_input(B->ike, &in, net.now);
}

static void answers_in_the_clear(void **state)
{
	struct ike_gw_conf b = net_conf(NET_B, 1);
	struct ike_hdr h = {.spi_i = 1,
			    .spi_r = 2,
			    .version = 0x20,
			    .exchange = INFORMATIONAL,
			    .flags = IKE_FLAG_INITIATOR};
	struct ike_hdr init = {
		.spi_i = 1, .version = 0x20, .exchange = IKE_SA_INIT, .flags = IKE_FLAG_INITIATOR};
	uint8_t buf[256];
	size_t len;

	net_set(&net, NET_B, &b);
	B->vt.send = catch_send;
	/* An SPI nobody knows: a request is told, a response is not. */
	give(buf, forge(buf, sizeof(buf), &h, N_COOKIE, NULL, 0));
	assert_int_equal(answers, 1);
	assert_int_equal(answer_notify, N_INVALID_IKE_SPI);
	assert_int_equal(answer.flags, IKE_FLAG_RESPONSE);
	h.flags |= IKE_FLAG_RESPONSE;
	give(buf, forge(buf, sizeof(buf), &h, N_COOKIE, NULL, 0));
	assert_int_equal(answers, 0);
	/* A newer major version. */
	init.version = 0x30;
	give(buf, forge(buf, sizeof(buf), &init, N_COOKIE, NULL, 0));
	assert_int_equal(answer_notify, N_INVALID_MAJOR_VERSION);
	assert_int_equal(answer.version, 0x20);
	/* IKEv1: silence. */
	init.version = 0x10;
	give(buf, forge(buf, sizeof(buf), &init, N_COOKIE, NULL, 0));
	assert_int_equal(answers, 0);
	/* An unknown critical payload. */
	init.version = 0x20;
	len = forge(buf, sizeof(buf), &init, N_COOKIE, NULL, 0);
	buf[16] = 99;
	buf[29] |= 0x80;
	give(buf, len);
	assert_int_equal(answer_notify, N_UNSUPPORTED_CRITICAL_PAYLOAD);
	assert_int_equal(answer_data, 99);
	/* Payloads missing. */
	give(buf, forge(buf, sizeof(buf), &init, N_COOKIE, NULL, 0));
	assert_int_equal(answer_notify, N_INVALID_SYNTAX);
	/* And all of it limited. */
	for (unsigned i = 0, n = 0; i < 1000; i++) {
		give(buf, forge(buf, sizeof(buf), &init, N_COOKIE, NULL, 0));
		n += answers;
		assert_true(n <= 100);
	}
	assert_true(net_counter(B, "drop_rate_limited") >= 900);
}

/* ---- flood ------------------------------------------------------------------------------------------------------- */

static uint8_t init_msg[2048];
static size_t init_len;

static bool keep_init(struct net *n, struct net_packet *p, void *arg)
{
	assert_true(p->len <= sizeof(init_msg));
	memcpy(init_msg, p->data, p->len);
	init_len = p->len;
	return false;
}

/* A real IKE_SA_INIT from so many places, each with an SPI of its own. */
static void flood(unsigned n, bool one_source)
{
	for (unsigned i = 0; i < n; i++) {
		struct endpoint src = ep("198.18.0.0", 500), dst = ep("192.0.2.2", 500);
		uint8_t m[sizeof(init_msg)];
		struct ike_packet in = {.local = dst, .data = m, .len = init_len};

		memcpy(m, init_msg, init_len);
		m[0] = (uint8_t)(i >> 16);
		m[1] = (uint8_t)(i >> 8);
		m[2] = (uint8_t)i;
		m[3] = 0x55;
		if (!one_source) {
			src.a.b[1] = (uint8_t)(18 + (i >> 16 & 1));
			src.a.b[2] = (uint8_t)(i >> 8);
			src.a.b[3] = (uint8_t)i;
		}
		in.remote = src;
		ike_input(B->ike, &in, net.now);
	}
}

/* From so many addresses of one /64. */
static void flood6(const char *net64, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct endpoint src = ep(net64, 500), dst = ep("2001:db8::2", 500);
		uint8_t m[sizeof(init_msg)];
		struct ike_packet in = {.local = dst, .data = m, .len = init_len};

		memcpy(m, init_msg, init_len);
		m[1] = (uint8_t)(i >> 8);
		m[2] = (uint8_t)i;
		m[3] = src.a.b[7];
		src.a.b[12] = (uint8_t)(i >> 8);
		src.a.b[15] = (uint8_t)i;
		in.remote = src;
		ike_input(B->ike, &in, net.now);
	}
}

static void drop_send(void *ctx, const struct ike_packet *p)
{
}

static void half_open_flood(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1), any = net_conf(NET_B, 1);
	void (*real)(void *, const struct ike_packet *) = B->vt.send;
	size_t before, after;

	snprintf(any.name, sizeof(any.name), "any");
	any.remote = (struct addr){0};
	any.remote_id = (struct ike_id){ID_FQDN, 1, "x"};
	any.children[0].policy = 9;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_B, &any);
	net.tap = keep_init;
	net_set(&net, NET_A, &a);
	net_run(&net, 20 * NET_MS);
	B->vt.send = drop_send;
	/* One source alone does not get far, and half its share waits for who returns a COOKIE. */
	flood(2000, true);
	assert_int_equal(net_sas_all(B), 32);
	flood(20000, false);
	assert_int_equal(net_sas_all(B), 200); /* from there on COOKIE is asked for */
	before = heap_used();
	flood(100000, false);
	after = heap_used();
	assert_int_equal(net_sas_all(B), 200);
	assert_true(after < before + 65536);
	assert_true(net_counter(B, "cookie_sent") > 100000);
	/* A real peer gets in all the same. */
	B->vt.send = real;
	net.tap = NULL;
	assert_true(net_until(&net, net_up, 10 * NET_S));
	/* And the half-open ones go after their time. */
	net_run(&net, 31 * NET_S);
	assert_int_equal(net_sas_all(B), 1);
	assert_true(net_counter(B, "half_open_expired") >= 199);
}

/* Under load nobody gets state for a COOKIE we did not make for him. */
static void foreign_cookie(void **state)
{
	struct ike_tuning t = *ike_tuning(B->ike);
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);
	static const uint8_t cookie[] = {PL_SA, 0, 0, 41, 0, 0, 0x40, 0x06, 1};
	uint8_t m[sizeof(init_msg) + 64] = {0};
	struct ike_packet in = {.local = ep("192.0.2.2", 500), .remote = ep("192.0.2.1", 500), .data = m};

	t.cookie_threshold = 0;
	ike_tune(B->ike, &t);
	net_set(&net, NET_B, &b);
	net.tap = keep_init;
	net_set(&net, NET_A, &a);
	net_run(&net, 20 * NET_MS);
	memcpy(m, init_msg, IKE_HDR);
	m[16] = PL_NOTIFY;
	in.len = init_len + 41;
	m[26] = (uint8_t)(in.len >> 8);
	m[27] = (uint8_t)in.len;
	memcpy(m + IKE_HDR, cookie, sizeof(cookie));
	memcpy(m + IKE_HDR + 41, init_msg + IKE_HDR, init_len - IKE_HDR);
	ike_input(B->ike, &in, net.now);
	assert_int_equal(net_counter(B, "drop_cookie_wrong"), 1);
	assert_int_equal(net_counter(B, "cookie_sent"), 1);
	assert_int_equal(net_sas_all(B), 0);
}

/* All of a /64 is one source: it is what one host has to choose from. */
static void half_open_flood_v6(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1), any = net_conf(NET_B, 1);

	snprintf(any.name, sizeof(any.name), "any");
	any.local = ep("2001:db8::2", 0).a;
	any.remote = (struct addr){0};
	any.remote_id = (struct ike_id){ID_FQDN, 1, "x"};
	any.children[0].policy = 9;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_B, &any);
	net.tap = keep_init;
	net_set(&net, NET_A, &a);
	net_run(&net, 20 * NET_MS);
	B->vt.send = drop_send;
	flood6("2001:db8:1:1::", 2000);
	assert_int_equal(net_sas_all(B), 32);
	flood6("2001:db8:1:2::", 2000);
	assert_int_equal(net_sas_all(B), 64);
	flood6("2001:db8:1:1::", 2000);
	assert_int_equal(net_sas_all(B), 64);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(every_byte_of_every_message),
		T(every_byte_while_up),
		T(garbage_in_every_state),
		T(errors_in_the_clear_are_only_hints),
		T(replay),
		T(answered_where_asked_but_not_followed),
		T(answers_in_the_clear),
		T(foreign_cookie),
		T(half_open_flood),
		T(half_open_flood_v6),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
