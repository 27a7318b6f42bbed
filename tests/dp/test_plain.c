/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nearly every packet goes a short way: its headers are recognised in one go, its SA by its ends, its flow is known.
 * All others go ways that ask more.  What becomes of a packet must not hang on which way it goes.
 *
 * The same random packets are sent several times: once as they are, and then with one of the short ways closed
 * after the other by what makes no difference to the outcome: a tag of VLAN 0, selectors of two ranges instead of
 * one, a peer whose address has changed, decisions that have become void.  They come one by one instead of in
 * bursts, too, and with other bytes around them in their buffers.  Packets out, drop reasons and counters must be
 * the same each time.
 *
 *     test_plain [ROUNDS [SEED]]     more of them than the suite has time for
 */
#include "every_sa.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "chance.h"
#include "dp.h"
#include "flow.h"

enum {
	ETH = 14,
	IP = 20,
	UDP = 8,
	ROUNDS = 64,
	GROUP = 4, /* rounds with much the same flows, in the middle of which something changes */
	SENT_MAX = 2 * BURST_MAX,
	FRAMES_MAX = 4 * SENT_MAX,
	LEN_MAX = 1700
};
enum { TRUST = 1, UNTRUST = 2, VPN = 3, RULES = 2 };
static const uint32_t peer4 = 0xc0000202, own4 = 0xc0000201, web4 = 0xc0000250; /* host order */
#define WEB "192.0.2.80" /* behind port 0, in the clear */

/* How the packets are sent: what is closed. */
enum how {
	AS_THEY_ARE = 0,
	SELECTORS = 1, /* SAs negotiated two ranges a side, which are one */
	TAG = 2,       /* frames have a tag that is none */
	FORGET = 4,    /* before each burst something has changed */
	SOURCE = 8,    /* ESP comes from where its SA does not expect it */
	SINGLY = 16,
	AROUND = 32, /* other bytes in front of the frames and behind them */
	CROWD = 64,  /* all flows meet in a few lines */
	ALL = 127
};

/* What a round has led to. */
struct outcome {
	unsigned n;
	struct frame {
		uint64_t hash;
		uint32_t id; /* of the inner packet, to find it */
	} frame[FRAMES_MAX];
	uint64_t drops[DROP_MAX];
	struct dp_sa_stats in[EVERY_SA], out[EVERY_SA];
	uint64_t rules[RULES], rx, tx, fragments, reassembled, icmp_sent, known_flows;
};

static unsigned rounds = ROUNDS, seed = 1;
static struct outcome *expected;
static uint16_t tunnel;

/* ---- the world -------------------------------------------------------------------------------- */

/* The first rule denies a port, or a protocol. */
static void rules(bool other)
{
	const struct dp_rule rule[RULES] = {{.id = 1, .allow = false}, {.id = 2, .allow = true}};
	const struct dp_rule_term term[RULES] = {{.rule = 0,
						  .proto = other ? 47 : IPPROTO_UDP,
						  .sport_hi = 65535,
						  .dport_lo = other ? 0 : CHANCE_PORT,
						  .dport_hi = other ? 65535 : CHANCE_PORT},
						 {.rule = 1, .sport_hi = 65535, .dport_hi = 65535}};

	assert_int_equal(dp_rules_set(rule, RULES, term, RULES), 0);
}

/* A way in the clear for what an SA has carried. */
static void past_the_tunnel(unsigned i, bool add)
{
	struct dp_route r = {0};
	char net[20];

	snprintf(net, sizeof(net), "10.2.%u.0/24", i);
	assert_int_equal(prefix_parse(net, &r.dst), 0);
	assert_int_equal(addr_parse(WEB, &r.via), 0);
	assert_int_equal(add ? dp_route_add(&r) : dp_route_del(&r.dst), 0);
}

/* What makes decisions about SA i's flows void, or is again as it was. */
static void change(unsigned group, unsigned i, bool begin)
{
	const struct endpoint to = dpt_ep(begin ? WEB : PEER_IP, every_sa_udp(i) ? 4500 : 0);

	switch (group % 4) {
	case 0: rules(begin); break;
	case 1: past_the_tunnel(i, begin); break;
	case 2:
		assert_int_equal(dp_policy_bind(every_sa[i].policy, begin ? DP_SA_NONE : every_sa[i].out), 0);
		break;
	default: assert_int_equal(dp_sa_move(every_sa[i].spi, every_sa[i].out, &to), 0); break;
	}
}

static int setup(void **state)
{
	tunnel = peer_lab(&(struct dpt_conf){.icmp_rate = 1000, .datagram_timeout_s = 3});
	every_sa_policies(tunnel);
	peer_policy(tunnel, "10.1.0.0/16", "10.2.200.0/24", 0, 0, 0); /* without SA */
	assert_int_equal(dp_if_zone(dpt_port[0], UNTRUST), 0);
	assert_int_equal(dp_if_zone(dpt_port[1], TRUST), 0);
	assert_int_equal(dp_if_zone(tunnel, VPN), 0);
	rules(false);
	return 0;
}

static int teardown(void **state)
{
	free(expected);
	dpt_fini();
	return 0;
}

/* ---- packets ---------------------------------------------------------------------------------- */

static void put16(uint8_t *b, size_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static void put32(uint8_t *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b + 2, v);
}

static uint32_t our_host(void)
{
	return once_in(30) ? one_of(((const uint32_t[]){0x0a010101, 0x7f000001, 0x0a020009, 0xe0000001,
							0xc0000201}))
			   : 0x0a010001 + below(2);
}

static uint32_t far_host(unsigned i)
{
	return 0x0a020009 + (i << 8) + (once_in(4) ? 0x80 : 0);
}

/* Behind the text its padding: as it should be, longer, or wrong.  Length of all. */
static size_t put_trailer(uint8_t *text, size_t len, size_t block)
{
	static const uint8_t nexts[] = {41, 59, 6, 0};
	size_t pad;

	if (once_in(8)) { /* to hide the length */
		size_t tfc = below(60);

		chance_fill(text + len, tfc);
		len += tfc;
	}
	pad = (0 - len - 2) & (block - 1);
	if (once_in(4))
		pad += block * below((uint32_t)((255 - pad) / block + 1));
	for (size_t i = 0; i < pad; i++)
		text[len + i] = (uint8_t)(i + 1);
	if (pad && once_in(20))
		text[len + below((uint32_t)pad)] ^= (uint8_t)(1 + below(255));
	text[len + pad] = (uint8_t)(once_in(30) ? below(256) : pad);
	text[len + pad + 1] = once_in(16) ? one_of(nexts) : 4;
	return len + pad + 2;
}

/* The number of the peer's next packet: the next, one that has been lost before, or one from before. */
static uint64_t some_seq(unsigned i)
{
	uint64_t seq = every_sa[i].seq;

	switch (below(8)) {
	case 0: return every_sa[i].seq += 1 + below(100);
	case 1: return seq - RTE_MIN(seq, (uint64_t)below(100));
	default: return ++every_sa[i].seq;
	}
}

static void redirect(uint8_t *packet, uint32_t dst)
{
	put32(packet + 16, dst);
	dpt_sum4(packet);
}

/* An ESP packet of SA i's peer. */
static size_t put_esp(uint8_t *b, unsigned i, uint16_t id, enum how how)
{
	const size_t front = IP + (every_sa_udp(i) ? UDP : 0);
	uint8_t *text = b + front + every_sa_front(i);
	size_t n = once_in(20)
			   ? below(30)
			   : chance_packet(text, far_host(once_in(20) ? below(EVERY_SA) : i), our_host(), id);

	if (once_in(15)) /* into another tunnel, or out again in the clear */
		redirect(text, once_in(2) ? far_host(below(EVERY_SA)) : web4);
	n = put_trailer(text, n, every_sa_block(i));
	n = every_sa_seal(i, some_seq(i), b, front, n);
	if (once_in(25))
		b[front + 4 + below((uint32_t)n - 4)] ^= (uint8_t)(1 + below(255));
	if (once_in(25))
		n -= below((uint32_t)n - 1); /* one byte is a keepalive, or not, as SPIs like */
	memset(b, 0, front);
	if (every_sa_udp(i)) {
		put32(b + IP, 4500u << 16 | 4500);
		put16(b + IP + 4, UDP + n + (once_in(30) ? below(8) : 0));
		n += once_in(20) ? below(20) : 0; /* more than the datagram has */
	}
	b[0] = 0x45;
	b[1] = (uint8_t)(once_in(2) ? below(256) : 0);
	put16(b + 2, front + n);
	put16(b + 6, once_in(2) ? 0x4000 : 0);
	b[8] = 60;
	b[9] = every_sa_udp(i) ? IPPROTO_UDP : IPPROTO_ESP;
	put32(b + 12, how & SOURCE && !every_sa_udp(i) ? peer4 + 1 : peer4);
	put32(b + 16, own4);
	dpt_sum4(b);
	return front + n;
}

/* A frame into a buffer that has the same byte everywhere else. */
static void inject(unsigned port, const uint8_t *packet, size_t len, enum how how)
{
	const uint8_t mac = once_in(60) ? (uint8_t)below(256) : 0;
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool);
	uint8_t *at;

	assert_non_null(m);
	memset(m->buf_addr, how & AROUND ? 0xff : 0, m->buf_len);
	at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(ETH + (how & TAG ? 4 : 0) + len));
	assert_non_null(at);
	(void)dpt_eth(at, port, how & TAG ? 0x8100 : 0x0800);
	at[0] ^= mac & 1;
	at[5] ^= mac;
	at += ETH;
	if (how & TAG) {
		put32(at, 0x60000800); /* a priority, and no VLAN */
		at += 4;
	}
	memcpy(at, packet, len);
	dpt_inject_mbuf(port, 0, m);
}

/* A packet, and by which port it comes. */
static void send_one(unsigned i, uint16_t id, enum how how)
{
	uint8_t b[DPT_FRAME_MAX];
	unsigned port = 1;
	size_t len;

	chance_fill(b, sizeof(b));
	switch (below(8)) {
	case 0: /* in the clear, one way or the other */
		port = below(2);
		if (port)
			len = chance_packet(b, our_host(), web4, id);
		else
			len = chance_packet(b, once_in(4) ? far_host(i) : web4, our_host(), id);
		break;
	case 1:
		len = chance_packet(b, our_host(), once_in(4) ? 0x0a02c801 : far_host(below(EVERY_SA)), id);
		break;
	case 2:
	case 3: len = chance_packet(b, our_host(), far_host(i), id); break;
	default: port = 0; len = put_esp(b, i, id, how);
	}
	if (once_in(40))
		len -= below((uint32_t)len - 8);
	else if (len < 46 || once_in(10))
		len += below(46);
	inject(port, b, RTE_MIN(len, (size_t)LEN_MAX), how);
}

/* ---- what becomes of them --------------------------------------------------------------------- */

static void hash(uint64_t *h, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*h = (*h ^ b[i]) * UINT64_C(0x100000001b3);
}

/* What we make ourselves is numbered. */
static void blank_id(uint8_t *ip)
{
	uint32_t src;

	memcpy(&src, ip + 12, sizeof(src));
	if (src != dpt_ip(OWN_IP) && src != dpt_ip("10.1.1.1"))
		return;
	memset(ip + 4, 0, 2);
	memset(ip + 10, 0, 2);
}

/* A frame that left, without what counts up: identification, numbers, and what follows from these. */
static void note(struct outcome *o, unsigned port, uint8_t *frame, size_t len)
{
	uint8_t *ip = frame + ETH, sum[2] = {ip[10], ip[11]};
	struct frame *f = &o->frame[o->n++];
	size_t front, n;
	uint32_t src, spi;

	assert_in_range(o->n, 1, FRAMES_MAX);
	*f = (struct frame){.hash = port};
	dpt_sum4(ip);
	assert_memory_equal(ip + 10, sum, sizeof(sum));
	memcpy(&src, ip + 12, sizeof(src));
	blank_id(ip);
	f->id = (uint32_t)(ip[4] << 8 | ip[5]);
	front = ip[9] == IPPROTO_UDP ? IP + UDP : IP;
	memcpy(&spi, ip + front, sizeof(spi));
	spi = rte_be_to_cpu_32(spi) - EVERY_SA_SPI;
	if (src == dpt_ip(OWN_IP) && ip[9] != IPPROTO_ICMP) {
		uint8_t *text;

		assert_in_range(spi, 0, EVERY_SA - 1);
		hash(&f->hash, frame, ETH + front + 4);
		text = every_sa_open(spi, ip, front, len - ETH, &n);
		blank_id(text);
		hash(&f->hash, text, n);
		f->id = (uint32_t)(text[4] << 8 | text[5]);
		return;
	}
	hash(&f->hash, frame, len);
}

static int by_id(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	return x->id != y->id ? (x->id < y->id ? -1 : 1) : x->hash < y->hash ? -1 : x->hash > y->hash;
}

static void note_all(struct outcome *o)
{
	uint8_t frame[DPT_FRAME_MAX];
	size_t len;

	for (unsigned port = 0; port < DPT_PORTS; port++)
		while ((len = dpt_take(port, frame, NULL)) > 0)
			if (frame[12] == 8 && frame[13] == 0)
				note(o, port, frame, len);
}

static void sa_stats(struct outcome *o)
{
	for (unsigned i = 0; i < EVERY_SA; i++) {
		assert_int_equal(dp_sa_in_stats(every_sa[i].spi, &o->in[i]), 0);
		assert_int_equal(dp_sa_out_stats(every_sa[i].out, &o->out[i]), 0);
		o->in[i].last_used_ns = o->out[i].last_used_ns = 0;
	}
}

/* The counters that are never set back, less what they were. */
static void count(struct outcome *o, bool begin)
{
	const uint64_t sign = begin ? UINT64_MAX : 1;
	struct dp_worker_stats w;
	struct dp_rule_stats r;
	struct dp_drop d;

	assert_int_equal(dp_worker_stats(0, &w), 0);
	o->rx += sign * w.rx_packets;
	o->tx += sign * w.tx_packets;
	o->fragments += sign * w.fragments;
	o->reassembled += sign * w.reassembled;
	o->icmp_sent += sign * w.icmp_sent;
	o->known_flows += sign * w.known_flows;
	for (unsigned i = 0; i < RULES; i++) {
		assert_int_equal(dp_rule_stats(i + 1, &r), 0);
		o->rules[i] += sign * r.packets;
	}
	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		o->drops[DROP_NONE + 1 + i] += sign * d.packets;
}

static void neighbours(void)
{
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(0, WEB, dpt_peer[0]);
	dpt_neighbour(1, "10.1.1.7", dpt_peer[1]);
}

static void send_round(struct outcome *o, unsigned r, enum how how)
{
	static const unsigned widths[] = {1, 3, EVERY_SA};
	const unsigned group = r / GROUP, first = group * 5 % EVERY_SA, width = one_of(widths),
		       n = 1 + below(SENT_MAX);

	memset(o, 0, sizeof(*o));
	dpt_now += 1000000000;
	if (r % GROUP == GROUP / 2)
		change(group, first, true);
	neighbours();
	count(o, true);
	for (unsigned i = 0; i < n; i++) {
		send_one((first + below(width)) % EVERY_SA, (uint16_t)(r * SENT_MAX + i), how);
		if (once_in(BURST_MAX / 2) || how & SINGLY || i == n - 1) {
			if (how & FORGET)
				dp_changed();
			dpt_run();
		}
	}
	note_all(o);
	qsort(o->frame, o->n, sizeof(o->frame[0]), by_id);
	sa_stats(o);
	count(o, false);
	if (r % GROUP == GROUP - 1)
		change(group, first, false);
}

/* ---- compared ---------------------------------------------------------------------------------- */

/* What differs between packets of a burst and packets on their own: with ESN what falls out of the window within its
 * burst is a replay, and behind it would be taken for one of the next 2^32 and fail; and how far left of the window
 * packets lie is as of their burst's beginning. */
static void forget_bursts(struct outcome *o)
{
	o->drops[DROP_ESP_AUTH] += o->drops[DROP_ESP_REPLAY];
	o->drops[DROP_ESP_REPLAY] = 0;
	for (unsigned i = 0; i < EVERY_SA; i++) {
		o->in[i].auth_errors += o->in[i].replays;
		o->in[i].replays = 0;
		memset(o->in[i].left, 0, sizeof(o->in[i].left));
	}
}

static bool same_stats(const struct dp_sa_stats *a, const struct dp_sa_stats *b)
{
	return memcmp(a, b, offsetof(struct dp_sa_stats, worker)) == 0;
}

/* Everything that differs, by name; then the test has failed. */
static void same(struct outcome a, struct outcome b, unsigned r, enum how how)
{
	const uint64_t all[][2] = {{a.n, b.n},
				   {a.rx, b.rx},
				   {a.tx, b.tx},
				   {a.fragments, b.fragments},
				   {a.reassembled, b.reassembled},
				   {a.icmp_sent, b.icmp_sent},
				   {a.rules[0], b.rules[0]},
				   {a.rules[1], b.rules[1]},
				   {a.known_flows, b.known_flows}};
	const unsigned n = RTE_DIM(all) - (how & (FORGET | SINGLY | CROWD) ? 1 : 0);
	unsigned differ = 0;
	struct dp_drop d;

	if (how & SINGLY) {
		forget_bursts(&a);
		forget_bursts(&b);
	}
	for (unsigned i = 0; i < n; i++)
		if (all[i][0] != all[i][1])
			print_error("%u: counter %u is %lu, not %lu\n", ++differ, i, all[i][1], all[i][0]);
	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		if (a.drops[DROP_NONE + 1 + i] != b.drops[DROP_NONE + 1 + i])
			print_error("%u: %s\n", ++differ, d.name);
	for (unsigned i = 0; i < EVERY_SA; i++) {
		if (!same_stats(&a.in[i], &b.in[i]))
			print_error("%u: inbound SA %u\n", ++differ, i);
		if (!same_stats(&a.out[i], &b.out[i]))
			print_error("%u: outbound SA %u\n", ++differ, i);
	}
	for (unsigned i = 0; i < RTE_MIN(a.n, b.n) && !differ; i++)
		if (a.frame[i].hash != b.frame[i].hash)
			print_error("%u: packet %u or %u\n", ++differ, a.frame[i].id, b.frame[i].id);
	if (differ)
		fail_msg("round %u, sent the way %#x", r, how);
}

/* All rounds from the beginning. */
static void sent(enum how how)
{
	static struct outcome o;
	static uint32_t places;

	if (places == 0)
		places = flow_places(dp.worker[0]);
	dpt_sleep_ms(10000);
	dpt_clear();
	chance = seed;
	dp.worker[0]->flow_mask = how & CROWD ? 7 : places - 1;
	dp_changed();
	every_sa_install(how & SELECTORS);
	for (unsigned r = 0; r < rounds; r++) {
		send_round(how == AS_THEY_ARE ? &expected[r] : &o, r, how);
		if (how != AS_THEY_ARE)
			same(expected[r], o, r, how);
	}
	every_sa_remove();
}

static void alike(void **state)
{
	uint64_t known = 0, out = 0;

	expected = calloc(rounds, sizeof(*expected));
	assert_non_null(expected);
	sent(AS_THEY_ARE);
	for (unsigned r = 0; r < rounds; r++) {
		known += expected[r].known_flows;
		out += expected[r].n;
	}
	assert_true(known > rounds && out > rounds); /* or nothing would have been compared */
	for (unsigned how = SELECTORS; how < ALL; how *= 2)
		sent((enum how)how);
	sent(ALL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(alike)};

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]) / GROUP * GROUP;
	if (argc > 2)
		seed = (unsigned)atoi(argv[2]);
	return cmocka_run_group_tests_name("plain", tests, setup, teardown);
}
