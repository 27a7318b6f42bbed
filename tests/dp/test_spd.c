/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proxy-ID matching against a model that walks a list: random policies of all shapes and both families on two tunnel
 * interfaces, added and removed, random packets near their borders.
 */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dp.h"
#include "sad.h"
#include "spd.h"
#include "spd_table.h"

enum { MAX = 300, TUNNELS = 2 };

static struct entry {
	bool live;
	unsigned order;
	bool v6;
	struct dp_policy_conf c;
	uint32_t local, remote, sa, id; /* addresses in host order */
	uint8_t local_len, remote_len;  /* of those */
} entry[MAX];
static uint16_t tunnel[TUNNELS];
static unsigned order;

static uint32_t mask(uint8_t len)
{
	return len ? UINT32_MAX << (32 - len) : 0;
}

static struct prefix prefix_of(uint32_t ip, uint8_t len)
{
	struct prefix p = {.a.v = 4, .len = len};

	for (unsigned i = 0; i < 4; i++)
		p.a.b[i] = (uint8_t)(ip >> (24 - 8 * i));
	return p;
}

/* IPv6 addresses are made of IPv4 ones, whose bits lie across the middle. */
enum { V6_AT = 6, V6_BITS = 48 };

static void put_v6(uint8_t b[16], uint32_t ip)
{
	memset(b, 0, 16);
	b[0] = 0x20;
	b[15] = 1; /* behind every prefix */
	for (unsigned i = 0; i < 4; i++)
		b[V6_AT + i] = (uint8_t)(ip >> (24 - 8 * i));
}

static struct prefix prefix6_of(uint32_t ip, uint8_t len)
{
	struct prefix p = {.a.v = 6, .len = len ? (uint8_t)(len + V6_BITS) : 0};

	put_v6(p.a.b, ip);
	return p;
}

/* Few values, so that policies overlap and packets hit. */
static uint32_t some_ip(void)
{
	return UINT32_C(0x0a000000) | (uint32_t)(random() % 2) << 23 | (uint32_t)(random() % 3) << 15 |
	       (uint32_t)(random() % 3) << 8 | (uint32_t)(random() % 3);
}

enum { PORTS = 5 };

static uint16_t some_port(void)
{
	return (uint16_t)(random() % PORTS);
}

/* Any, one, or a few from there on. */
static void some_ports(uint16_t *lo, uint16_t *hi)
{
	*lo = random() % 3 ? some_port() : 0;
	*hi = *lo && random() % 2 ? (uint16_t)(*lo + random() % 3) : 0;
}

static uint8_t some_proto(void)
{
	static const uint8_t proto[] = {0, 6, 17};

	return proto[random() % 3];
}

static uint8_t some_len(void)
{
	static const uint8_t len[] = {0, 8, 9, 16, 17, 24, 31, 32};

	return len[random() % 8];
}

static void entry_add(struct entry *e)
{
	struct dp_sa_out_conf sa = {
		.spi = 4096,
		.suite = {DP_AES_GCM_16, 128, DP_INTEG_NONE},
		.keys = {.encr_len = 16, .salt_len = 4},
		.local = dpt_ep(OWN_IP, 0),
		.remote = dpt_ep(PEER_IP, 0),
		.n_local = 1,
		.n_remote = 1,
		.ts_local = {peer_ts("0.0.0.0/0", 0, 0)},
		.ts_remote = {peer_ts("0.0.0.0/0", 0, 0)},
	};

	memset(e, 0, sizeof(*e));
	e->live = true;
	e->order = order++;
	e->local = some_ip();
	e->remote = some_ip();
	e->local_len = some_len();
	e->remote_len = some_len();
	e->v6 = random() % 2;
	e->c.local = (e->v6 ? prefix6_of : prefix_of)(e->local, e->local_len);
	e->c.remote = (e->v6 ? prefix6_of : prefix_of)(e->remote, e->remote_len);
	e->c.tunnel_if = tunnel[random() % TUNNELS];
	e->c.proto = some_proto();
	some_ports(&e->c.local_port, &e->c.local_port_hi);
	some_ports(&e->c.remote_port, &e->c.remote_port_hi);
	assert_int_equal(dp_policy_add(&e->c, &e->id), 0);
	sa.policy = e->id;
	assert_int_equal(dp_sa_out_install(&sa, &e->sa), 0);
	assert_int_equal(dp_policy_bind(e->id, e->sa), 0);
}

static void entry_del(struct entry *e)
{
	assert_int_equal(dp_sa_out_remove(e->sa), 0);
	assert_int_equal(dp_policy_del(e->id), 0);
	e->live = false;
}

/* A packet, of either family, and its addresses. */
struct probe {
	struct pkt p;
	struct rte_mbuf m;
	uint8_t ip6[40];
	uint32_t local, remote; /* host order */
};

static void probe_to(struct probe *x, uint16_t tunnel_if, bool v6, uint32_t local, uint32_t remote)
{
	*x = (struct probe){.local = local, .remote = remote};
	x->p.next_hop = tunnel_if;
	x->p.v = v6 ? 6 : 4;
	x->p.m = &x->m;
	x->m.buf_addr = x->ip6;
	if (v6) {
		put_v6(x->ip6 + 8, local);
		put_v6(x->ip6 + 24, remote);
	} else {
		x->p.src4 = __builtin_bswap32(local);
		x->p.dst4 = __builtin_bswap32(remote);
	}
}

static bool port_fits(uint16_t port, uint16_t lo, uint16_t hi)
{
	return lo == 0 || (port >= lo && port <= (hi ? hi : lo));
}

static bool one_port(uint16_t lo, uint16_t hi)
{
	return lo && hi <= lo;
}

static unsigned how_many(uint16_t lo, uint16_t hi)
{
	return lo ? (hi ? hi - lo + 1u : 1u) : 65536;
}

static bool fits(const struct entry *e, const struct probe *x)
{
	bool ports = e->c.local_port || e->c.remote_port;
	const struct pkt *p = &x->p;

	return e->live && e->v6 == (p->v == 6) && e->c.tunnel_if == p->next_hop &&
	       !((e->local ^ x->local) & mask(e->local_len)) &&
	       !((e->remote ^ x->remote) & mask(e->remote_len)) && (!e->c.proto || e->c.proto == p->proto) &&
	       (!ports || !p->fragment) && port_fits(p->sport, e->c.local_port, e->c.local_port_hi) &&
	       port_fits(p->dport, e->c.remote_port, e->c.remote_port_hi);
}

/* Address bits, then protocol, then sides with one port, then fewer ports, then age. */
static bool better(const struct entry *a, const struct entry *b)
{
	int by = (a->c.local.len + a->c.remote.len) - (b->c.local.len + b->c.remote.len);

	if (by == 0)
		by = (a->c.proto != 0) - (b->c.proto != 0);
	if (by == 0)
		by = one_port(a->c.local_port, a->c.local_port_hi) +
		     one_port(a->c.remote_port, a->c.remote_port_hi) -
		     one_port(b->c.local_port, b->c.local_port_hi) -
		     one_port(b->c.remote_port, b->c.remote_port_hi);
	if (by == 0)
		by = (int)how_many(b->c.local_port, b->c.local_port_hi) +
		     (int)how_many(b->c.remote_port, b->c.remote_port_hi) -
		     (int)how_many(a->c.local_port, a->c.local_port_hi) -
		     (int)how_many(a->c.remote_port, a->c.remote_port_hi);
	return by ? by > 0 : a->order < b->order;
}

static const struct entry *model(const struct probe *x)
{
	const struct entry *best = NULL;

	for (unsigned i = 0; i < MAX; i++)
		if (fits(&entry[i], x) && (!best || better(&entry[i], best)))
			best = &entry[i];
	return best;
}

/* One burst of random packets through the real thing. */
static void compare(struct worker *w)
{
	struct probe x[BURST_MAX];
	struct list l = {.n = (uint16_t)(1 + random() % BURST_MAX)};
	unsigned n = l.n, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = &x[i].p;

		probe_to(&x[i], tunnel[random() % TUNNELS], random() % 2, some_ip(), some_ip());
		p->proto = some_proto();
		p->sport = some_port();
		p->dport = some_port();
		p->fragment = random() % 5 == 0;
		if (p->fragment)
			p->sport = p->dport = 0;
		l.p[i] = p;
	}
	spd_match(w, &l);
	for (unsigned i = 0; i < n; i++) {
		const struct entry *want = model(&x[i]);

		if (!want)
			continue; /* dropped: not in the list */
		assert_true(kept < l.n);
		assert_ptr_equal(l.p[kept], &x[i].p);
		if (x[i].p.sa_out != sad_out_at(want->sa))
			fail_msg("not the policy of order %u", want->order);
		kept++;
	}
	assert_int_equal(kept, l.n);
}

static void against_model(void **state)
{
	struct worker *w = dp.worker[0];
	unsigned matched = 0;

	srandom(7);
	for (unsigned round = 0; round < 400; round++) {
		struct entry *e = &entry[random() % MAX];

		/* sparse at first, dense later, sparse again */
		if (e->live && (round > 300 || random() % 4 == 0))
			entry_del(e);
		else if (!e->live)
			entry_add(e);
		if (round > 320)
			for (unsigned i = 0; i < MAX; i++)
				if (entry[i].live && random() % 20 == 0)
					entry_del(&entry[i]);
		dp_service(dpt_now);
		for (unsigned i = 0; i < 50; i++)
			compare(w);
	}
	for (unsigned i = 0; i < MAX; i++)
		if (entry[i].live)
			entry_del(&entry[i]);
	dp_service(dpt_now);
	compare(w);
	for (unsigned i = 0; i < MAX; i++)
		matched += entry[i].live;
	assert_int_equal(matched, 0);
}

static uint32_t any_policy(const char *prefix)
{
	struct dp_policy_conf c = {.tunnel_if = tunnel[0]};
	uint32_t id;

	if (prefix) {
		assert_int_equal(prefix_parse(prefix, &c.local), 0);
		c.remote = c.local;
	}
	assert_int_equal(dp_policy_add(&c, &id), 0);
	return id;
}

static void finds(bool v6, uint32_t want)
{
	uint32_t id, sa;
	struct probe x;

	probe_to(&x, tunnel[0], v6, 0x0a000001, 0x0a000002);
	if (want == SPD_NONE) {
		assert_int_equal(spd_find(&x.p, &id, &sa), DROP_TUNNEL_NO_PROXY_ID);
	} else {
		assert_int_equal(spd_find(&x.p, &id, &sa), DROP_TUNNEL_NO_SA);
		assert_int_equal(id, want);
	}
}

/* Any address of one family is none of the other; each has its own short cut, beside the other's policies. */
static void families(void **state)
{
	struct dp_policy_conf mixed = {.tunnel_if = tunnel[0]};
	uint32_t four, six, more, id;

	four = any_policy("0.0.0.0/0");
	finds(false, four);
	finds(true, SPD_NONE);
	six = any_policy("::/0");
	finds(false, four);
	finds(true, six);
	more = any_policy("2000::/3");
	finds(false, four);
	finds(true, more);
	assert_int_equal(dp_policy_del(four), 0);
	finds(false, SPD_NONE);
	assert_int_equal(dp_policy_del(more), 0);
	finds(true, six);
	four = any_policy(NULL); /* no address at all is any of IPv4 */
	finds(false, four);
	assert_int_equal(dp_policy_del(six), 0);
	finds(true, SPD_NONE);
	finds(false, four);
	assert_int_equal(dp_policy_del(four), 0);
	finds(false, SPD_NONE);

	assert_int_equal(prefix_parse("10.0.0.0/8", &mixed.local), 0);
	assert_int_equal(prefix_parse("2001:db8::/32", &mixed.remote), 0);
	assert_int_equal(dp_policy_add(&mixed, &id), -EAFNOSUPPORT);
	mixed.local = (struct prefix){0};
	assert_int_equal(dp_policy_add(&mixed, &id), 0); /* from any IPv6 address */
	assert_int_equal(dp_policy_del(id), 0);
	mixed.remote.len = 129;
	assert_int_equal(dp_policy_add(&mixed, &id), -EINVAL);
	dp_service(dpt_now);
}

/* As many as promised, however they collide; each found. */
static void fill(bool v6)
{
	struct worker *w = dp.worker[0];
	uint32_t id[MAX];

	for (unsigned i = 0; i < MAX; i++) {
		struct dp_policy_conf c = {.tunnel_if = tunnel[0],
					   .local = (v6 ? prefix6_of : prefix_of)(0x0a000000 + i, 32),
					   .remote = (v6 ? prefix6_of : prefix_of)(0x0a010000, 16)};

		assert_int_equal(dp_policy_add(&c, &id[i]), 0);
	}
	for (unsigned i = 0; i < MAX; i++) {
		struct probe x;
		struct list l = {.n = 1, .p = {&x.p}};
		struct dp_policy_stats s;

		probe_to(&x, tunnel[0], v6, 0x0a000000 + i, 0x0a010203);
		spd_match(w, &l);
		assert_int_equal(l.n, 0);
		assert_int_equal(dp_policy_stats(id[i], &s), 0);
		assert_int_equal(s.no_sa_drops, 1);
	}
	for (unsigned i = 0; i < MAX; i++)
		assert_int_equal(dp_policy_del(id[i]), 0);
	dp_service(dpt_now);
}

static void full(void **state)
{
	fill(false);
	fill(true);
}

static int setup(void **state)
{
	const struct dpt_conf c = {.max_sas = MAX, .max_policies = MAX};

	dpt_init(&c);
	for (unsigned i = 0; i < TUNNELS; i++) {
		char name[16] = "tunnel.1";

		name[7] = (char)('1' + i);
		assert_int_equal(dp_tunnel_if_add(name, NULL, 0, &tunnel[i]), 0);
	}
	return 0;
}

static int teardown(void **state)
{
	dpt_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_model),
		cmocka_unit_test(families),
		cmocka_unit_test(full),
	};

	return cmocka_run_group_tests_name("spd", tests, setup, teardown);
}
