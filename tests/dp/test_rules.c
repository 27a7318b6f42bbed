/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zones and security rules: first match, the two defaults, what they do not concern, hits, and that a
 * denied packet goes nowhere, not even to wait for its neighbour.
 */
#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "dp.h"
#include "rules.h"

#define HOST "10.1.1.50"  /* behind port 1, "in", zone TRUST */
#define WEB  "192.0.2.80" /* behind port 0, "out", zone UNTRUST */
#define FAR  "10.2.0.9"   /* behind the tunnel, zone VPN */

enum { TRUST = 1, UNTRUST = 2, VPN = 3 };

static uint16_t tunnel;
static struct peer peer;
static struct dp_rule_hit hit;
static unsigned n_hits;

static void on_hit(void *ctx, const struct dp_rule_hit *h)
{
	hit = *h;
	n_hits++;
}

static int setup(void **state)
{
	const struct dpt_conf c = {.n_workers = 2, .v6 = true};
	struct dp_route r;

	dpt_init(&c);
	dp.handlers.rule_hit = on_hit;
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	memset(&r, 0, sizeof(r));
	assert_int_equal(prefix_parse("10.2.0.0/16", &r.dst), 0);
	r.ifindex = tunnel;
	assert_int_equal(dp_route_add(&r), 0);
	peer = (struct peer){.spi_out = 0x4711};
	peer_keys(&peer, 1);
	peer_install(&peer, peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0), NULL);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(0, WEB, dpt_peer[0]);
	dpt_neighbour(1, HOST, dpt_peer[1]);
	assert_int_equal(dp_if_zone(dpt_port[1], TRUST), 0);
	assert_int_equal(dp_if_zone(dpt_port[0], UNTRUST), 0);
	assert_int_equal(dp_if_zone(tunnel, VPN), 0);
	assert_int_equal(dp_if_zone(9999, VPN), -ENOENT);
	return 0;
}

static int teardown(void **state)
{
	peer_remove(&peer);
	dpt_fini();
	return 0;
}

static struct dp_rule_term term(uint32_t rule, uint16_t from, uint16_t to, const char *src, const char *dst)
{
	struct dp_rule_term t = {.rule = rule, .from = from, .to = to, .sport_hi = 65535, .dport_hi = 65535};

	if (src)
		assert_int_equal(prefix_parse(src, &t.src), 0);
	if (dst)
		assert_int_equal(prefix_parse(dst, &t.dst), 0);
	return t;
}

static uint64_t hits(uint32_t id)
{
	struct dp_rule_stats s;

	assert_int_equal(dp_rule_stats(id, &s), 0);
	assert_true(!s.packets == !s.last_hit_ns);
	return s.packets;
}

/* From the host; "": it leaves by port 0, else why not. */
static void sends(const char *dst, uint8_t proto, uint16_t sport, uint16_t dport, uint16_t frag,
		  const char *why)
{
	struct dpt_ip4 h = {.src = HOST, .dst = dst, .proto = proto, .frag = frag};
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	uint8_t l4[40] = {
		(uint8_t)(sport >> 8), (uint8_t)sport, (uint8_t)(dport >> 8), (uint8_t)dport, 0, 40};

	dpt_inject_ip(1, 0, packet, dpt_ip4(packet, &h, l4, sizeof(l4)));
	dpt_run();
	dpt_expect_drop(why, *why ? 1 : 0);
	if (*why)
		dpt_take_none(0);
	else
		dpt_take_one(0, frame);
}

static void peer_sends(uint16_t queue, const char *why)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, FAR, HOST, 1, 20);

	dpt_inject_ip(0, queue, esp, peer_seal(&peer, packet, len, &(struct peer_how){0}, esp));
	dpt_run();
	dpt_expect_drop(why, *why ? 1 : 0);
	if (*why)
		dpt_take_none(1);
	else
		dpt_take_one(1, frame);
}

/* No list: everything passes.  An empty one: only what stays within a zone. */
static void none_and_empty(void **state)
{
	static const struct dp_rule none;
	struct dp_rule_stats s;

	assert_int_equal(dp_rules_set(NULL, 0, NULL, 0), 0);
	sends(WEB, IPPROTO_UDP, 1, 2, 0, "");
	sends(FAR, IPPROTO_UDP, 1, 2, 0, "");
	peer_sends(0, "");
	assert_int_equal(dp_rule_stats(DP_RULE_INTERZONE, &s), -ENOENT);
	assert_int_equal(dp_rules_set(&none, 0, NULL, 0), 0);
	sends(WEB, IPPROTO_UDP, 1, 2, 0, "rule-denied");
	sends(FAR, IPPROTO_UDP, 1, 2, 0, "rule-denied");
	peer_sends(0, "rule-denied");
	assert_int_equal(hits(DP_RULE_INTERZONE), 3);
	assert_int_equal(hits(DP_RULE_INTRAZONE), 0);
	assert_int_equal(dp_if_zone(dpt_port[0], TRUST), 0);
	sends(WEB, IPPROTO_UDP, 1, 2, 0, "");
	assert_int_equal(hits(DP_RULE_INTRAZONE), 1);
	/* two interfaces in no zone are not in the same one */
	assert_int_equal(dp_if_zone(dpt_port[0], DP_ZONE_NONE), 0);
	assert_int_equal(dp_if_zone(dpt_port[1], DP_ZONE_NONE), 0);
	sends(WEB, IPPROTO_UDP, 1, 2, 0, "rule-denied");
	assert_int_equal(dp_if_zone(dpt_port[0], UNTRUST), 0);
	assert_int_equal(dp_if_zone(dpt_port[1], TRUST), 0);
}

/* One direction is allowed: the other is not, whichever worker it arrives at. */
static void directions(void **state)
{
	struct dp_rule r[] = {{.id = 7, .allow = true}, {.id = 8, .allow = true}};
	struct dp_rule_term t[] = {term(0, TRUST, VPN, "10.1.0.0/16", "10.2.0.0/16"),
				   term(1, VPN, TRUST, "10.2.0.0/16", "10.1.0.0/16")};

	assert_int_equal(dp_rules_set(r, 1, t, 1), 0);
	sends(FAR, IPPROTO_TCP, 1, 2, 0, "");
	sends(WEB, IPPROTO_TCP, 1, 2, 0, "rule-denied");
	peer_sends(0, "rule-denied");
	peer_sends(1, "rule-denied");
	assert_int_equal(hits(7), 1);
	assert_int_equal(dp_rules_set(r, 2, t, 2), 0);
	peer_sends(0, "");
	peer_sends(1, "");
	assert_int_equal(hits(7), 1); /* kept from the list before */
	assert_int_equal(hits(8), 2);
	assert_int_equal(hits(DP_RULE_INTERZONE), 3 + 1 + 3);
}

/* The first that matches wins; protocols, ports and fragments. */
static void first_match(void **state)
{
	struct dp_rule r[] = {{.id = 1}, {.id = 2, .allow = true}, {.id = 3}, {.id = 4, .allow = true}};
	struct dp_rule_term t[] = {
		term(0, DP_ZONE_NONE, UNTRUST, NULL, "192.0.2.0/24"),
		term(1, TRUST, DP_ZONE_NONE, "10.1.1.50/32", NULL), term(1, TRUST, DP_ZONE_NONE, NULL, NULL),
		term(2, TRUST, UNTRUST, NULL, NULL), term(3, DP_ZONE_NONE, DP_ZONE_NONE, NULL, NULL)};

	t[0].proto = IPPROTO_UDP;
	t[0].dport_lo = t[0].dport_hi = 53;
	t[1].proto = IPPROTO_UDP;
	t[2].proto = IPPROTO_TCP;
	t[2].dport_lo = 80;
	t[2].dport_hi = 443;
	t[2].sport_lo = 1024;
	assert_int_equal(dp_rules_set(r, 4, t, 5), 0);
	sends(WEB, IPPROTO_UDP, 9, 53, 0, "rule-denied");      /* 1 */
	sends(WEB, IPPROTO_UDP, 9, 54, 0, "");                 /* 2 */
	sends(WEB, IPPROTO_UDP, 9, 53, 0x2000, "rule-denied"); /* 1: a first fragment shows its port */
	sends(WEB, IPPROTO_TCP, 1024, 80, 0, "");              /* 2 */
	sends(WEB, IPPROTO_TCP, 65535, 443, 0, "");            /* 2 */
	sends(WEB, IPPROTO_TCP, 1024, 444, 0, "rule-denied");  /* 3 */
	sends(WEB, IPPROTO_TCP, 1023, 443, 0, "rule-denied");  /* 3 */
	sends(WEB, IPPROTO_TCP, 1024, 80, 0x2000, "");         /* 2: the fragment again */
	sends(WEB, 47, 0, 0, 0, "rule-denied");                /* 3 */
	sends(FAR, 47, 0, 0, 0, "");                           /* 4 */
	assert_int_equal(hits(1), 2);
	assert_int_equal(hits(2), 4);
	assert_int_equal(hits(3), 3);
	assert_int_equal(hits(4), 1);
}

/* What is for the gateway or comes from it is not asked about: ping, and the answer to it. */
static void gateway_itself(void **state)
{
	static const struct dp_rule none;
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];

	assert_int_equal(dp_rules_set(&none, 0, NULL, 0), 0);
	dpt_inject_ip(1, 0, packet, dpt_echo4(packet, HOST, "10.1.1.1", 1, 20));
	dpt_run();
	dpt_expect_drop("", 0);
	dpt_take_one(1, frame);
}

/* A denied packet does not wait for an unknown neighbour: nobody asks for it. */
static void no_neighbour(void **state)
{
	static const struct dp_rule none;

	assert_int_equal(dp_rules_set(&none, 0, NULL, 0), 0);
	sends("192.0.2.99", IPPROTO_UDP, 1, 2, 0, "rule-denied");
}

/* Told to control, as often as the limit allows; allowed packets too where their rule says so. */
static void logged(void **state)
{
	struct dp_rule r[] = {{.id = 5, .log = true, .allow = true}, {.id = 6}};
	struct dp_rule_term t[] = {term(0, TRUST, VPN, NULL, NULL), term(1, TRUST, UNTRUST, NULL, NULL)};

	assert_int_equal(dp_rules_set(r, 2, t, 2), 0);
	dpt_sleep_ms(10000);
	n_hits = 0;
	sends(FAR, IPPROTO_UDP, 1000, 53, 0, "");
	assert_int_equal(n_hits, 1);
	assert_int_equal(hit.rule, 5);
	assert_true(hit.allow);
	assert_int_equal(hit.in_if, dpt_port[1]);
	assert_int_equal(hit.out_if, tunnel);
	assert_int_equal(hit.proto, IPPROTO_UDP);
	assert_true(endpoint_eq(&hit.src, &(struct endpoint){dpt_ep(HOST, 0).a, 1000}));
	assert_true(endpoint_eq(&hit.dst, &(struct endpoint){dpt_ep(FAR, 0).a, 53}));
	sends(WEB, IPPROTO_UDP, 1000, 53, 0, "rule-denied");
	assert_int_equal(n_hits, 1); /* log = false */
	for (unsigned i = 0; i < 200; i++)
		peer_sends(0, "rule-denied");
	assert_int_equal(hit.rule, DP_RULE_INTERZONE);
	assert_int_equal(hit.in_if, tunnel);
	assert_int_equal(n_hits, 50); /* the burst; 200 were counted */
	dpt_clear();
}

/* A packet from the host's side to the other port, without frame but with the header that has its addresses. */
struct probe {
	struct pkt p;
	struct rte_mbuf m;
	uint8_t ip6[40];
};

static void probe_of(struct probe *x, const struct addr *src, const struct addr *dst, uint8_t proto)
{
	*x = (struct probe){.p = {.in_if = dpt_port[1], .out_if = dpt_port[0], .v = src->v, .proto = proto}};
	x->p.m = &x->m;
	x->m.buf_addr = x->ip6;
	memcpy(x->ip6 + 8, src->b, 16);
	memcpy(x->ip6 + 24, dst->b, 16);
	if (src->v == 4) {
		memcpy(&x->p.src4, src->b, 4);
		memcpy(&x->p.dst4, dst->b, 4);
	}
}

/* Against a model that tries one term after the other. */
static bool model_has(const struct dp_rule_term *t, const struct pkt *p)
{
	struct addr s, d;

	pkt_addrs(p, &s, &d);
	return (t->from == DP_ZONE_NONE || t->from == TRUST) && (t->to == DP_ZONE_NONE || t->to == UNTRUST) &&
	       (!t->src.a.v || prefix_has(&t->src, &s)) && (!t->dst.a.v || prefix_has(&t->dst, &d)) &&
	       (!t->proto || t->proto == p->proto) && p->sport >= t->sport_lo && p->sport <= t->sport_hi &&
	       p->dport >= t->dport_lo && p->dport <= t->dport_hi;
}

/* Few, near each other; of IPv6 the bits in question lie in two words. */
static struct prefix some_prefix(bool v6, unsigned net)
{
	unsigned a = (unsigned)rand() % 2048;
	struct prefix p;
	char text[64];

	if (v6)
		snprintf(text, sizeof(text), "2001:db8:%u:%x::%x/%u", net, (unsigned)rand() % 4, a % 16,
			 (rand() & 1 ? 60 : 124) + (unsigned)rand() % 5);
	else
		snprintf(text, sizeof(text), "10.%u.%u.%u/%u", net, a >> 8, a & 255,
			 20 + (unsigned)rand() % 13);
	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void many(void **state)
{
	enum { RULES = 500, PACKETS = 20000 };
	static struct dp_rule r[RULES];
	static struct dp_rule_term t[RULES];
	unsigned denied[7] = {0};

	srand(1);
	for (uint32_t i = 0; i < RULES; i++) {
		bool v6 = rand() & 1;

		r[i] = (struct dp_rule){.id = i, .allow = rand() & 1};
		t[i] = term(i, (uint16_t)(rand() % 4), (uint16_t)(rand() % 4), NULL, NULL);
		if (rand() % 50)
			t[i].src = prefix_mask(some_prefix(v6, 1));
		if (rand() % 50)
			t[i].dst = prefix_mask(some_prefix(v6, 3));
		t[i].proto = (uint8_t[]){0, 6, 17, 1}[rand() % 4];
		if (t[i].proto > 1 && rand() & 1) {
			t[i].dport_lo = (uint16_t)(rand() % 100);
			t[i].dport_hi = (uint16_t)(t[i].dport_lo + rand() % 100);
		}
	}
	assert_int_equal(dp_rules_set(r, RULES, t, RULES), 0);
	for (unsigned k = 0; k < PACKETS; k++) {
		bool v6 = rand() & 1, allow;
		struct addr src = some_prefix(v6, 1).a, dst = some_prefix(v6, 3).a;
		struct probe x;
		uint32_t want = 0;

		probe_of(&x, &src, &dst, (uint8_t[]){6, 17, 1, 47}[rand() % 4]);
		x.p.sport = (uint16_t)(rand() % 200);
		x.p.dport = (uint16_t)(rand() % 200);
		while (want < RULES && !model_has(&t[want], &x.p))
			want++;
		if (rules_verdict(&x.p, &allow) != (want < RULES ? r[want].id : DP_RULE_INTERZONE))
			fail_msg("packet %u: rule %u, expected %u", k, rules_verdict(&x.p, &allow), want);
		assert_int_equal(allow, want < RULES && r[want].allow);
		denied[x.p.v] += want < RULES;
	}
	assert_true(denied[4] > PACKETS / 10 && denied[6] > PACKETS / 10); /* or little was tested */
}

/* An IPv6 packet is in no IPv4 network, be it the widest; any is any. */
static void ipv6(void **state)
{
	struct dp_rule r[] = {{.id = 1}, {.id = 2}, {.id = 3, .allow = true}, {.id = 4, .log = true}};
	struct dp_rule_term t[] = {term(0, 0, 0, "0.0.0.0/0", NULL), term(1, 0, 0, NULL, "0.0.0.0/0"),
				   term(2, TRUST, UNTRUST, NULL, "2001:db8:1::/64"),
				   term(3, TRUST, UNTRUST, NULL, NULL)};
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t len;

	assert_int_equal(dp_rules_set(r, 4, t, 4), 0);
	ip6_neighbour(0, PEER6, dpt_peer[0]);
	len = ip6_echo(packet, "fd00:1::7", PEER6, 1, 20);
	ip6_inject(1, packet, len);
	dpt_inject_ip(1, 0, frame, dpt_echo4(frame, HOST, WEB, 1, 20)); /* in one burst */
	dpt_run();
	dpt_expect_drop("rule-denied", 1);
	assert_int_equal(dpt_take(0, frame, NULL), 14 + len);
	assert_int_equal(hits(3), 1);
	assert_int_equal(hits(1), 1);
	dpt_clear();
	n_hits = 0;
	dpt_sleep_ms(10000);
	dpt_clear();
	ip6_inject(1, packet, ip6_udp(packet, "fd00:1::7", 1000, "2001:db8:2::1", 53, packet, 0));
	dpt_run();
	dpt_expect_drop("no-route", 1); /* and a rule is not asked */
	t[2].dst.len = 128;
	assert_int_equal(dp_rules_set(r, 4, t, 4), 0);
	ip6_inject(1, packet, ip6_udp(packet, "fd00:1::7", 1000, PEER6, 53, packet, 0));
	dpt_run();
	dpt_expect_drop("rule-denied", 1);
	assert_int_equal(n_hits, 1);
	assert_true(endpoint_eq(&hit.src, &(struct endpoint){dpt_ep("fd00:1::7", 0).a, 1000}));
	assert_true(endpoint_eq(&hit.dst, &(struct endpoint){dpt_ep(PEER6, 0).a, 53}));
	dpt_clear();
}

static void refused(void **state)
{
	struct dp_rule r[] = {{.id = 1, .allow = true}};
	struct dp_rule_term t = term(0, 0, 0, NULL, NULL);

	assert_int_equal(dp_rules_set(r, 1, &t, 1), 0);
	t.rule = 1;
	assert_int_equal(dp_rules_set(r, 1, &t, 1), -EINVAL);
	t = term(0, 0, 0, NULL, NULL);
	t.dport_lo = 9;
	t.dport_hi = 8;
	assert_int_equal(dp_rules_set(r, 1, &t, 1), -EINVAL);
	t = term(0, 0, 0, "10.0.0.0/8", "2001:db8::/32");
	assert_int_equal(dp_rules_set(r, 1, &t, 1), -EINVAL);
	t = term(0, 0, 0, NULL, "2001:db8::/32");
	t.dst.len = 129;
	assert_int_equal(dp_rules_set(r, 1, &t, 1), -EINVAL);
	t.dst = (struct prefix){.a.v = 4, .len = 33};
	assert_int_equal(dp_rules_set(r, 1, &t, 1), -EINVAL);
	assert_int_equal(dp_rules_set(r, 1, &t, DP_RULE_TERMS_MAX + 1), -E2BIG);
	r[0].id = DP_RULE_INTERZONE;
	assert_int_equal(dp_rules_set(r, 1, NULL, 0), -EINVAL);
	sends(WEB, IPPROTO_UDP, 1, 2, 0, ""); /* the old list is in force */
	assert_int_equal(dp_rules_set(NULL, 0, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_and_empty), cmocka_unit_test(directions),
		cmocka_unit_test(first_match),    cmocka_unit_test(gateway_itself),
		cmocka_unit_test(no_neighbour),   cmocka_unit_test(logged),
		cmocka_unit_test(ipv6),           cmocka_unit_test(many),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests_name("rules", tests, setup, teardown);
}
