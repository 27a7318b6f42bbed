/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parser makes of a frame: a class and fields that later stages may rely on, or a named drop.
 */
#include "harness.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dp.h"
#include "parse.h"
#include "parse_plain.h"

#define HOST "192.0.2.7"
#define OWN  "192.0.2.1"
#define FAR  "198.51.100.9"

enum { ETH = 14, IP = 20 };

static uint8_t frame[DPT_FRAME_MAX];
static uint8_t *const ip = frame + ETH;

/* What the parser says of a frame; the buffer is gone, its length in *left. */
static struct pkt parsed(const void *bytes, size_t len, uint16_t *left)
{
	struct worker *w = dp.worker[0];
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool);
	struct parsed out;
	struct pkt p;

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	parse_burst(w, dpt_port[0], &m, 1, &out);
	assert_int_equal(out.esp.n + out.ip.n + out.rest.n, 1);
	assert_int_equal(out.rest.n, w->pkts[0].cls != PKT_IP);
	if (w->pkts[0].cls == PKT_IP)
		parse_place(&w->pkts[0]);
	p = w->pkts[0];
	assert_ptr_equal(p.m, m);
	assert_int_equal(m->pkt_len, m->data_len);
	if (left)
		*left = m->data_len;
	rte_pktmbuf_free(m);
	return p;
}

/* An IPv4 frame from HOST. */
static size_t make(const char *dst, uint8_t proto, const void *payload, size_t len)
{
	dpt_eth(frame, 0, 0x0800);
	return ETH + dpt_ip4(ip, &(struct dpt_ip4){.src = HOST, .dst = dst, .proto = proto}, payload, len);
}

static size_t make_udp(const char *dst, uint16_t port, const void *payload, size_t len)
{
	dpt_eth(frame, 0, 0x0800);
	return ETH + dpt_udp4(ip, HOST, 1234, dst, port, payload, len);
}

static void drops(size_t len, const char *why)
{
	dpt_drops(0, frame, len, why);
}

/* ---- Ethernet and ARP ------------------------------------------------------------------------ */

static void ethernet(void **state)
{
	size_t len = make(FAR, 99, "text", 4);

	for (size_t i = 0; i < ETH; i++)
		drops(i, "l2-truncated");
	frame[5] ^= 1; /* another host's MAC */
	drops(len, "l2-not-for-us");
	memset(frame, 0xff, 6);
	drops(len, "l2-multicast");
	memcpy(frame, (uint8_t[]){1, 0, 0x5e, 0, 0, 5}, 6);
	drops(len, "l2-multicast");
	dpt_eth(frame, 0, 0x86dd);
	drops(len, "ip-truncated");
	dpt_eth(frame, 0, 0x8100);
	drops(len, "vlan-unknown"); /* the IP header begins with 0x4500 */
	dpt_eth(frame, 0, 0x0008);  /* the right type in the wrong order */
	drops(len, "l2-unknown-type");
	dpt_eth(frame, 0, 46); /* IEEE 802.3: a length */
	drops(len, "l2-unknown-type");
}

/* A port that checks header checksums is believed, and one that does not know leaves the work to us. */
static void checksum_of_the_port(void **state)
{
	static const struct {
		uint64_t flags;
		bool right;
		const char *dropped;
	} c[] = {
		{RTE_MBUF_F_RX_IP_CKSUM_GOOD, true, "local-no-service"},
		{RTE_MBUF_F_RX_IP_CKSUM_GOOD, false, "local-no-service"}, /* we have not looked */
		{RTE_MBUF_F_RX_IP_CKSUM_BAD, true, "ip-bad-checksum"},
		{RTE_MBUF_F_RX_IP_CKSUM_BAD, false, "ip-bad-checksum"},
		{RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN, true, "local-no-service"},
		{RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN, false, "ip-bad-checksum"},
		{RTE_MBUF_F_RX_IP_CKSUM_NONE, true, "local-no-service"},
		{RTE_MBUF_F_RX_IP_CKSUM_NONE, false, "ip-bad-checksum"},
	};

	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		size_t len = make(OWN, 99, "text", 4);
		struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool);

		assert_non_null(m);
		if (!c[i].right)
			ip[10] ^= 1;
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
		m->ol_flags = c[i].flags;
		dpt_inject_mbuf(0, 0, m);
		dpt_run();
		dpt_expect_drop(c[i].dropped, 1);
	}
}

/* A frame that does not fit one buffer. */
static void chained_buffers(void **state)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool), *more = rte_pktmbuf_alloc(dp.pool);
	size_t len = make(FAR, 99, "text", 4);

	assert_non_null(m);
	assert_non_null(more);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	assert_non_null(rte_pktmbuf_append(more, 100));
	assert_int_equal(rte_pktmbuf_chain(m, more), 0);
	dpt_inject_mbuf(0, 0, m);
	dpt_run();
	dpt_expect_drop("l2-frame-too-big", 1);
	dpt_take_none(0);
	dpt_take_none(1);
}

static void arp(void **state)
{
	static const struct {
		uint8_t at, value;
	} wrong[] = {
		{0, 1},  /* hardware type */
		{1, 6},  /* IEEE 802 */
		{2, 9},  /* protocol */
		{3, 6},  /* RARP's neighbourhood */
		{4, 8},  /* address lengths */
		{5, 16}, /* an IPv6 address would not fit */
		{6, 1},  /* operation 257 */
		{7, 0},  /* and none */
		{7, 3},  /* RARP */
		{7, 8},  /* inverse ARP, RFC 2390 */
	};
	size_t len = dpt_arp(frame, 0, 1, dpt_peer[0], HOST, NULL, OWN);
	struct pkt p = parsed(frame, len, NULL);

	assert_int_equal(p.cls, PKT_ARP);
	assert_int_equal(p.l3_off, ETH);
	assert_int_equal(parsed(frame, ETH + 28, NULL).cls, PKT_ARP); /* no padding */
	for (size_t i = ETH; i < ETH + 28; i++)
		drops(i, "arp-malformed");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint8_t was = ip[wrong[i].at];

		ip[wrong[i].at] = wrong[i].value;
		drops(len, "arp-malformed");
		ip[wrong[i].at] = was;
	}
	/* a sender no frame can come from, or be sent to: RFC 826 does not say, RFC 1812 3.3.2 does */
	for (unsigned i = 0; i < 2; i++) {
		static const uint8_t mac[2][6] = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0}};

		memcpy(ip + 8, mac[i], 6);
		drops(len, "arp-malformed");
	}
}

/* ---- IP -------------------------------------------------------------------------------------- */

static void ip_header(void **state)
{
	size_t len = make(FAR, 99, "text", 4);

	for (size_t i = ETH; i < len; i++)
		drops(i, "ip-truncated");
	ip[0] = 0x65; /* too short for IPv6, and the EtherType says otherwise */
	drops(len, "ip-truncated");
	ip[0] = 0x55;
	drops(len, "ip-bad-header");
	ip[0] = 0x44; /* 16 bytes of header */
	drops(len, "ip-bad-header");
	ip[0] = 0x40;
	drops(len, "ip-bad-header");
	ip[0] = 0x4f; /* 60 bytes of header, 24 of packet */
	drops(len, "ip-bad-header");
	ip[0] = 0x45;
	ip[3] = 19;
	drops(len, "ip-bad-header");
	ip[2] = 0xff; /* 65299 bytes */
	drops(len, "ip-truncated");
	ip[2] = 0;
	ip[3] = 24;
	for (unsigned bit = 0; bit < 8 * IP; bit++) {
		if (bit < 8 || bit / 8 == 2 || bit / 8 == 3)
			continue; /* judged earlier */
		ip[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		drops(len, "ip-bad-checksum");
		ip[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	assert_int_equal(parsed(frame, len, NULL).cls, PKT_TRANSIT);
}

/* RFC 1122 3.2.1.3, RFC 1812 5.3.7. */
static void martians(void **state)
{
	static const char *const bad[] = {"0.0.0.0",   "0.1.2.3",   "127.0.0.1", "127.255.255.255",
					  "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"};
	struct dpt_ip4 h = {.proto = 99};

	dpt_eth(frame, 0, 0x0800);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		h.src = bad[i];
		h.dst = FAR;
		drops(ETH + dpt_ip4(ip, &h, "text", 4), "ip-martian-address");
		h.src = HOST;
		h.dst = bad[i];
		drops(ETH + dpt_ip4(ip, &h, "text", 4), "ip-martian-address");
	}
	/* ours, of either port: somebody forges them, or the packet went in a circle */
	h.dst = FAR;
	h.src = OWN;
	drops(ETH + dpt_ip4(ip, &h, "text", 4), "ip-martian-address");
	h.src = "10.1.1.1";
	drops(ETH + dpt_ip4(ip, &h, "text", 4), "ip-martian-address");
	/* their neighbours are hosts like others */
	for (unsigned i = 0; i < 4; i++) {
		static const char *const good[] = {"1.0.0.0", "126.255.255.255", "128.0.0.0",
						   "223.255.255.255"};

		h.src = good[i];
		assert_int_equal(parsed(frame, ETH + dpt_ip4(ip, &h, "text", 4), NULL).cls, PKT_TRANSIT);
	}
}

/* RFC 791 3.1. */
static void options(void **state)
{
	static const struct {
		uint8_t o[40];
		size_t len;
		const char *why; /* NULL: passes */
	} c[] = {
		{{0}, 4, NULL},                                       /* end of list */
		{{1, 1, 1, 0}, 4, NULL},                              /* no operation */
		{{1, 1, 1, 1}, 4, NULL},                              /* without an end */
		{{148, 4, 0, 0}, 4, NULL},                            /* router alert */
		{{7, 7, 4, 1, 2, 3, 4, 0}, 8, NULL},                  /* record route */
		{{68, 8, 5, 0, 1, 2, 3, 4}, 8, NULL},                 /* time stamp */
		{{0, 131, 3, 4}, 4, NULL},                            /* behind the end nothing counts */
		{{7, 39, 4}, 40, NULL},                               /* the longest */
		{{131, 7, 4, 1, 2, 3, 4, 0}, 8, "ip-source-route"},   /* loose */
		{{137, 7, 4, 1, 2, 3, 4, 0}, 8, "ip-source-route"},   /* strict */
		{{1, 131, 7, 4, 1, 2, 3, 4}, 8, "ip-source-route"},   /* not the first */
		{{148, 4, 0, 0, 137, 3, 4, 0}, 8, "ip-source-route"}, /* and behind another */
		{{7, 0, 0, 0}, 4, "ip-bad-header"},                   /* would never end */
		{{7, 1, 0, 0}, 4, "ip-bad-header"},                   /* shorter than itself */
		{{7, 5, 4, 0}, 4, "ip-bad-header"},                   /* longer than the header */
		{{1, 1, 1, 7}, 4, "ip-bad-header"},                   /* without its length */
		{{1, 1, 1, 131}, 4, "ip-bad-header"},                 /* a source route, too */
		{{68, 255, 5, 0, 1, 1, 1, 1, 1, 1}, 40, "ip-bad-header"},
	};

	dpt_eth(frame, 0, 0x0800);
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct dpt_ip4 h = {
			.src = HOST, .dst = FAR, .proto = 99, .options = c[i].o, .options_len = c[i].len};
		size_t len = ETH + dpt_ip4(ip, &h, "text", 4);

		if (c[i].why) {
			drops(len, c[i].why);
			continue;
		}
		assert_int_equal(parsed(frame, len, NULL).cls, PKT_TRANSIT);
		assert_int_equal(parsed(frame, len, NULL).l3_len, IP + c[i].len);
	}
}

/* ---- what is in it --------------------------------------------------------------------------- */

static void layer_4(void **state)
{
	static const struct {
		uint8_t proto, need;
	} c[] = {{IPPROTO_TCP, 20}, {IPPROTO_UDP, 8}, {IPPROTO_SCTP, 12}, {33, 12}, {IPPROTO_ICMP, 8}};
	static const uint8_t l4[20] = {0x12, 0x34, 0xab, 0xcd};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct dpt_ip4 h = {.src = HOST, .dst = FAR, .proto = c[i].proto};
		struct pkt p;

		dpt_eth(frame, 0, 0x0800);
		for (size_t n = 0; n < c[i].need; n++)
			drops(ETH + dpt_ip4(ip, &h, l4, n), "l4-truncated");
		p = parsed(frame, ETH + dpt_ip4(ip, &h, l4, c[i].need), NULL);
		assert_int_equal(p.cls, PKT_TRANSIT);
		assert_int_equal(p.proto, c[i].proto);
		assert_int_equal(p.sport, c[i].proto == IPPROTO_ICMP ? 0 : 0x1234);
		assert_int_equal(p.dport, c[i].proto == IPPROTO_ICMP ? 0x1234 : 0xabcd);
		/* A fragment, the first as well, has no ports and needs none. */
		for (unsigned k = 0; k < 3; k++) {
			h.frag = (const uint16_t[]){0x2000, 0x2001, 0x0001}[k];
			p = parsed(frame, ETH + dpt_ip4(ip, &h, l4, 1), NULL);
			assert_int_equal(p.cls, PKT_TRANSIT_FRAGMENT);
			assert_true(p.fragment);
			assert_int_equal(p.sport | p.dport, 0);
		}
		h.frag = 0x4000; /* DF is none */
		assert_false(parsed(frame, ETH + dpt_ip4(ip, &h, l4, c[i].need), NULL).fragment);
	}
	/* what has no ports needs no bytes */
	assert_int_equal(parsed(frame, make(FAR, IPPROTO_ESP, NULL, 0), NULL).cls, PKT_TRANSIT);
}

static void fields(void **state)
{
	static const uint8_t nop[8] = {1, 1, 1, 1, 1, 1, 1, 0};
	struct dpt_ip4 h = {
		.src = HOST, .dst = FAR, .proto = IPPROTO_UDP, .options = nop, .options_len = sizeof(nop)};
	static const uint8_t udp[11] = {0x04, 0xd2, 0x11, 0x94, 0, 11};
	uint16_t left;
	struct pkt p;
	size_t len;

	dpt_eth(frame, 0, 0x0800);
	len = ETH + dpt_ip4(ip, &h, udp, sizeof(udp));
	memset(frame + len, 0xee, 60); /* padding of the frame goes */
	p = parsed(frame, len + 60, &left);
	assert_int_equal(left, len);
	assert_int_equal(p.cls, PKT_TRANSIT);
	assert_int_equal(p.in_if, dpt_port[0]);
	assert_int_equal(p.v, 4);
	assert_int_equal(p.l3_off, ETH);
	assert_int_equal(p.l3_len, 28);
	assert_int_equal(p.ip_len, 39);
	assert_int_equal(p.proto, IPPROTO_UDP);
	assert_int_equal(p.src4, dpt_ip(HOST));
	assert_int_equal(p.dst4, dpt_ip(FAR));
	assert_int_equal(p.sport, 1234);
	assert_int_equal(p.dport, 4500);
	h.dst = OWN; /* the same with NAT-T's port to us */
	p = parsed(frame, ETH + dpt_ip4(ip, &h, udp, sizeof(udp)), &left);
	assert_int_equal(p.cls, PKT_DROP);
	assert_int_equal(p.drop, DROP_NATT_MALFORMED);
	assert_int_equal(p.esp_off, ETH + 28 + 8);
}

/* ---- to us ----------------------------------------------------------------------------------- */

static void to_us(void **state)
{
	static const uint8_t l4[20] = {0};
	struct dpt_ip4 frag = {.src = HOST, .dst = OWN, .frag = 0x2000};
	static const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ESP, IPPROTO_TCP};
	struct pkt p;

	drops(make(OWN, IPPROTO_TCP, l4, 20), "local-no-service");
	drops(make(OWN, 99, NULL, 0), "local-no-service");
	drops(make(OWN, IPPROTO_AH, l4, 20), "local-no-service");
	drops(make_udp(OWN, 53, "text", 4), "local-no-service");
	drops(make_udp(OWN, 501, "text", 4), "local-no-service");
	for (unsigned i = 0; i < sizeof(protos); i++) {
		frag.proto = protos[i];
		dpt_eth(frame, 0, 0x0800);
		p = parsed(frame, ETH + dpt_ip4(ip, &frag, l4, 16), NULL);
		assert_int_equal(p.cls, protos[i] == IPPROTO_TCP ? PKT_DROP : PKT_FRAGMENT);
	}
	for (size_t n = 0; n < 8; n++)
		drops(make(OWN, IPPROTO_ESP, l4, n), "esp-truncated");
	p = parsed(frame, make(OWN, IPPROTO_ESP, l4, 8), NULL);
	assert_int_equal(p.cls, PKT_ESP);
	assert_int_equal(p.esp_off, ETH + IP);
	assert_int_equal(parsed(frame, make(OWN, IPPROTO_ICMP, l4, 8), NULL).cls, PKT_ICMP);
	/* the address counts, not the port the packet came in by */
	assert_int_equal(parsed(frame, make("10.1.1.1", IPPROTO_ICMP, l4, 8), NULL).cls, PKT_ICMP);
}

static void udp_length(void **state)
{
	static const uint16_t ports[] = {500, 4500, 53};

	for (unsigned i = 0; i < 3; i++) {
		size_t len = make_udp(OWN, ports[i], "0123456789", 10);

		for (unsigned k = 0; k < 4; k++) {
			ip[IP + 4] = k == 3 ? 1 : 0;
			ip[IP + 5] = (const uint8_t[]){0, 7, 19, 18}[k];
			drops(len, "l4-truncated");
		}
	}
	/* less than the IP packet has: the rest is nobody's */
	(void)make_udp(OWN, 4500, "\0\0\0\0text", 8);
	ip[IP + 5] = 8 + 4;
	drops(ETH + IP + 8 + 8, "natt-malformed");
	/* who only passes may carry what he likes */
	(void)make_udp(FAR, 4500, "text", 4);
	ip[IP + 5] = 200;
	assert_int_equal(parsed(frame, ETH + IP + 8 + 4, NULL).cls, PKT_TRANSIT);
}

/* RFC 3948 2.1 to 2.3. */
static void natt(void **state)
{
	static const struct {
		uint8_t b[9];
		uint8_t len;
		const char *why; /* NULL: cls */
		uint8_t cls;
	} c[] = {
		{{0xff}, 1, "natt-keepalive", 0},
		{{0}, 0, "natt-malformed", 0},
		{{0}, 1, "natt-malformed", 0},
		{{0xff, 0xff}, 2, "natt-malformed", 0},
		{{0}, 4, "natt-malformed", 0}, /* a marker and nothing behind it */
		{{0, 0, 0, 1, 0, 0, 0}, 7, "natt-malformed", 0},
		{{0}, 5, NULL, PKT_IKE},
		{{0}, 9, NULL, PKT_IKE},
		{{0, 0, 0, 1, 0, 0, 0, 1}, 8, NULL, PKT_ESP_UDP},
		{{0xff, 0, 0, 0, 0, 0, 0, 1, 9}, 9, NULL, PKT_ESP_UDP},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		size_t len = make_udp(OWN, 4500, c[i].b, c[i].len);
		struct pkt p;

		if (c[i].why) {
			drops(len, c[i].why);
			continue;
		}
		p = parsed(frame, len, NULL);
		assert_int_equal(p.cls, c[i].cls);
		assert_int_equal(p.esp_off, ETH + IP + 8);
	}
	assert_int_equal(parsed(frame, make_udp(OWN, 500, "x", 1), NULL).cls, PKT_IKE);
	/* no marker on 500, where it would be read as part of the message */
	assert_int_equal(parsed(frame, make_udp(OWN, 500, "\xff", 1), NULL).cls, PKT_IKE);
}

/* ---- whatever comes -------------------------------------------------------------------------- */

/* Random damage to sound frames, checksum corrected half of the time: whatever is not dropped lies
 * within its buffer, and every reason is one of the parser's. */
static void hostile(void **state)
{
	unsigned alive = 0;

	srandom(11);
	for (unsigned round = 0; round < 200000; round++) {
		const char *dst = random() % 2 ? OWN : FAR;
		uint16_t port = (const uint16_t[]){500, 4500, 53}[random() % 3];
		size_t len = make_udp(dst, port, "\0\0\0\0some text here", (size_t)(random() % 18));
		uint16_t left;
		struct pkt p;

		for (long i = random() % 3; i >= 0; i--)
			frame[ETH + random() % 32] = (uint8_t)random();
		if (random() % 2)
			ip[0] = (uint8_t)(0x45 + random() % 3);
		if (random() % 2 && ETH + (ip[0] & 15u) * 4 <= len)
			dpt_sum4(ip);
		len -= (size_t)(random() % 3);
		p = parsed(frame, len, &left);
		if (p.cls == PKT_DROP) {
			assert_in_range(p.drop, DROP_NONE + 1, DROP_MAX - 1);
			continue;
		}
		alive++;
		assert_in_range(p.cls, PKT_TRANSIT, PKT_ICMP);
		assert_true(p.l3_len >= IP && p.l3_len <= p.ip_len);
		assert_int_equal(p.l3_off + p.ip_len, left);
		assert_true(left <= len);
		if (p.cls == PKT_ESP || p.cls == PKT_ESP_UDP)
			assert_true(p.esp_off + 8 <= left);
		if (p.cls == PKT_IKE || p.cls == PKT_ESP_UDP)
			assert_true(p.l3_off + p.l3_len + 8 + (p.cls == PKT_IKE ? 0 : 8) <= left);
	}
	assert_in_range(alive, 10000, 190000); /* both sides of the fence were tried */
}

static int setup(void **state)
{
	dpt_init(NULL);
	return 0;
}

static int teardown(void **state)
{
	dpt_fini();
	return 0;
}

/* What is recognised in one go is what the long way makes of it, and the rest is left alone. */
static void plain_is_the_same(void **state)
{
	unsigned plain = 0;

	srandom(1);
	for (unsigned round = 0; round < 200000; round++) {
		static const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ESP, IPPROTO_ICMP, 132, 0};
		uint16_t payload = (uint16_t)(random() % 40), len;
		struct dpt_ip4 h = {.src = HOST, .dst = FAR, .proto = protos[random() % sizeof(protos)]};
		uint8_t b[DPT_FRAME_MAX] = {0};
		struct rte_mbuf m = {.buf_addr = b};
		struct pkt one = {.m = &m, .in_if = 7}, other = one;
		bool is_plain;

		for (unsigned i = 0; i < payload; i++)
			b[100 + i] = (uint8_t)random();
		len = (uint16_t)dpt_ip4(b, &h, b + 100, payload);
		if (round % 2) {
			b[random() % IP] ^= (uint8_t)(1 << (random() % 8));
			if (round % 4 == 3)
				dpt_sum4(b);
		}
		if (round % 3 == 0)
			len = (uint16_t)(len + (random() % 8) - 4);
		is_plain = parse_plain4(&one, b, len, 0, one.in_if);
		if (!is_plain) {
			assert_memory_equal(&one, &other, sizeof(one));
			continue;
		}
		plain++;
		assert_int_equal(parse_headers(&other, len), DROP_NONE);
		assert_memory_equal(&one, &other, sizeof(one));
	}
	assert_in_range(plain, 30000, 150000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ethernet),
		cmocka_unit_test(checksum_of_the_port),
		cmocka_unit_test(chained_buffers),
		cmocka_unit_test(arp),
		cmocka_unit_test(ip_header),
		cmocka_unit_test(martians),
		cmocka_unit_test(plain_is_the_same),
		cmocka_unit_test(options),
		cmocka_unit_test(layer_4),
		cmocka_unit_test(fields),
		cmocka_unit_test(to_us),
		cmocka_unit_test(udp_length),
		cmocka_unit_test(natt),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests_name("parse", tests, setup, teardown);
}
