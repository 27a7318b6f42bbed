/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parser makes of IPv6: extension headers, addresses, what is for us, and a named drop for the rest.
 */
#include "ip6.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dp.h"
#include "parse.h"

#define HOST  "2001:db8:1::7"
#define FAR   "2001:db8:f::9"
#define LOCAL "fe80::ff:fe00:1" /* of MAC 02:00:00:00:00:01 */

enum { ETH = 14 };

static uint8_t frame[DPT_FRAME_MAX];
static uint8_t *const ip = frame + ETH;

static struct pkt parsed(size_t len)
{
	struct worker *w = dp.worker[0];
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool);
	struct parsed out;
	struct pkt p;

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	parse_burst(w, dpt_port[0], &m, 1, &out);
	assert_int_equal(out.esp.n + out.ip.n + out.rest.n, 1);
	assert_int_equal(out.rest.n, w->pkts[0].cls != PKT_IP);
	if (w->pkts[0].cls == PKT_IP)
		parse_place(&w->pkts[0]);
	p = w->pkts[0];
	assert_int_equal(m->pkt_len, m->data_len);
	rte_pktmbuf_free(m);
	return p;
}

static size_t make(const char *src, const char *dst, uint8_t next, const void *payload, size_t len)
{
	dpt_eth(frame, 0, 0x86dd);
	return ETH + ip6_put(ip, &(struct ip6){.src = src, .dst = dst, .next = next}, payload, len);
}

static void drops(size_t len, const char *why)
{
	dpt_drops(0, frame, len, why);
}

static void header(void **state)
{
	size_t len = make(HOST, FAR, 99, "text", 4);
	struct pkt p = parsed(len);

	assert_int_equal(p.cls, PKT_TRANSIT);
	assert_int_equal(p.v, 6);
	assert_int_equal(p.proto, 99);
	assert_int_equal(p.l3_len, 40);
	assert_int_equal(p.ip_len, 44);
	assert_int_equal(p.src4 | p.dst4, 0);
	p = parsed(len + 10); /* padding of the frame is cut off */
	assert_int_equal(p.ip_len, 44);
	for (size_t i = ETH; i < len; i++)
		drops(i, "ip-truncated");
	ip[0] = 0x45;
	drops(len, "ip-bad-header");
	ip[0] = 0x60;
	dpt_eth(frame, 0, 0x0800); /* the EtherType is a lie */
	drops(len, "ip-bad-header");
}

static void upper_layers(void **state)
{
	uint8_t l4[20] = {0x12, 0x34, 0x56, 0x78, 0, 20};
	static const struct {
		uint8_t proto, need;
	} c[] = {{IPPROTO_TCP, 20}, {IPPROTO_UDP, 8}, {IPPROTO_SCTP, 12}, {33, 12}};
	struct pkt p;

	for (unsigned i = 0; i < 4; i++) {
		p = parsed(make(HOST, FAR, c[i].proto, l4, c[i].need));
		assert_int_equal(p.sport, 0x1234);
		assert_int_equal(p.dport, 0x5678);
		drops(make(HOST, FAR, c[i].proto, l4, c[i].need - 1u), "l4-truncated");
	}
	p = parsed(make(HOST, FAR, IPPROTO_ICMPV6, l4, 8));
	assert_int_equal(p.dport, 0x1234);
	assert_int_equal(p.sport, 0);
	drops(make(HOST, FAR, IPPROTO_ICMPV6, l4, 7), "l4-truncated");
}

/* RFC 8200 4: chains of headers, each as {type, length in 8 bytes - 1, two more bytes}. */
static size_t chain(const char *dst, const uint8_t (*h)[4], unsigned n, uint8_t proto)
{
	uint8_t body[512] = {0};
	size_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		body[len] = i + 1 < n ? h[i + 1][0] : proto;
		body[len + 1] = h[i][1];
		body[len + 2] = h[i][2];
		body[len + 3] = h[i][3];
		len += h[i][0] == IPPROTO_FRAGMENT ? 8 : (h[i][1] + 1u) * 8;
	}
	body[len + 1] = 9; /* source port */
	return make(HOST, dst, n ? h[0][0] : proto, body, len + 20);
}

static void extensions(void **state)
{
	static const uint8_t plain[][4] = {{0, 0}, {60, 1}, {43, 2, 4, 0}, {44, 0, 0, 0}, {60, 0}};
	static const uint8_t route[][4] = {{43, 2, 4, 1}}, type0[][4] = {{43, 2, 0, 0}};
	static const uint8_t late[][4] = {{60, 0}, {0, 0}};
	static const uint8_t many[][4] = {{60}, {60}, {60}, {60}, {60}, {60}, {60}, {60}};
	static const uint8_t seven[][4] = {{60}, {60}, {60}, {60}, {60}, {60}, {60}};
	static const uint8_t longer[][4] = {{60, 50}};
	size_t len = chain(FAR, plain, 5, IPPROTO_UDP);
	struct pkt p = parsed(len);

	assert_int_equal(p.cls, PKT_TRANSIT);
	assert_int_equal(p.proto, IPPROTO_UDP);
	assert_int_equal(p.l3_len, 40 + 8 + 16 + 24 + 8 + 8);
	assert_int_equal(p.fragment, 0); /* RFC 6946: the fragment header of a whole packet */
	assert_int_equal(p.sport, 9);
	drops(chain(FAR, route, 1, IPPROTO_UDP), "ip-source-route");
	drops(chain(FAR, type0, 1, IPPROTO_UDP), "ip-source-route");
	drops(chain(FAR, late, 2, IPPROTO_UDP), "ipv6-bad-extension");
	drops(chain(FAR, many, 8, IPPROTO_UDP), "ipv6-bad-extension");
	assert_int_equal(parsed(chain(FAR, seven, 7, IPPROTO_UDP)).proto, IPPROTO_UDP);
	chain(FAR, longer, 1, IPPROTO_UDP);
	ip[5] = 40; /* the header says it is longer than the packet */
	ip[4] = 0;
	drops(ETH + 80, "ipv6-bad-extension");
	for (unsigned i = 0; i < 8; i++) {
		chain(FAR, plain, 1, IPPROTO_UDP);
		ip[5] = (uint8_t)i;
		drops(ETH + 40 + i, "ipv6-bad-extension");
	}
}

static void fragments(void **state)
{
	static const uint8_t first[][4] = {{44, 0, 0, 1}}, last[][4] = {{44, 0, 1, 0}};
	struct pkt p = parsed(chain(FAR, first, 1, IPPROTO_UDP));

	assert_int_equal(p.cls, PKT_TRANSIT_FRAGMENT);
	assert_int_equal(p.fragment, 1);
	assert_int_equal(p.proto, IPPROTO_UDP);
	assert_int_equal(p.l3_len, 48);
	assert_int_equal(p.sport | p.dport, 0);
	p = parsed(chain(FAR, last, 1, IPPROTO_UDP));
	assert_int_equal(p.fragment, 1);
	assert_int_equal(p.proto, IPPROTO_UDP);
	assert_int_equal(parsed(chain(OWN6, first, 1, IPPROTO_UDP)).cls, PKT_FRAGMENT);
	assert_int_equal(parsed(chain(OWN6, last, 1, IPPROTO_ESP)).cls, PKT_FRAGMENT);
	drops(chain(OWN6, first, 1, IPPROTO_TCP), "local-no-service");
	drops(chain(LOCAL, last, 1, IPPROTO_ICMPV6), "ip-fragment");
}

static void martians(void **state)
{
	static const char *const bad[] = {"::", "::1", "::ffff:10.0.0.1", "ff02::1", "ff05::2"};

	for (unsigned i = 0; i < 5; i++) {
		drops(make(bad[i], FAR, 99, "text", 4), "ip-martian-address");
		drops(make(HOST, bad[i], 99, "text", 4), "ip-martian-address");
	}
	drops(make(OWN6, FAR, 99, "text", 4), "ip-martian-address"); /* ourselves */
	drops(make("fe80::1", FAR, 99, "text", 4), "ip-martian-address");
	drops(make(HOST, "fe80::1", 99, "text", 4), "ip-martian-address"); /* RFC 4291 2.5.6 */
	drops(make("fe80::1", LOCAL, 99, "text", 4), "local-no-service");
	assert_int_equal(parsed(make(HOST, "::2:0:0:0", 99, "text", 4)).cls, PKT_TRANSIT);
}

static void for_us(void **state)
{
	static const uint8_t esp[8] = {0, 0, 1, 0}, marker[16];
	size_t len;
	struct pkt p = parsed(make(HOST, OWN6, IPPROTO_ESP, esp, 8));

	assert_int_equal(p.cls, PKT_ESP);
	assert_int_equal(p.esp_off, ETH + 40);
	drops(make(HOST, OWN6, IPPROTO_ESP, esp, 7), "esp-truncated");
	dpt_eth(frame, 0, 0x86dd);
	len = ETH + ip6_udp(ip, HOST, 777, OWN6, 4500, esp, 8);
	p = parsed(len);
	assert_int_equal(p.cls, PKT_ESP_UDP);
	assert_int_equal(p.esp_off, ETH + 48);
	assert_int_equal(p.sport, 777);
	ip6_udp(ip, HOST, 777, OWN6, 4500, marker, 8);
	assert_int_equal(parsed(len).cls, PKT_IKE);
	ip6_udp(ip, HOST, 777, OWN6, 500, marker, 8);
	assert_int_equal(parsed(len).cls, PKT_IKE);
	ip6_udp(ip, HOST, 777, OWN6, 501, marker, 8);
	drops(len, "local-no-service");
	drops(make(HOST, OWN6, IPPROTO_ICMP, marker, 8), "local-no-service"); /* IPv4's */
	assert_int_equal(parsed(ETH + ip6_echo(ip, HOST, OWN6, 1, 8)).cls, PKT_ICMP);
	assert_int_equal(parsed(ETH + ip6_echo(ip, "fe80::9", LOCAL, 1, 8)).cls, PKT_ICMP);
	assert_int_equal(parsed(ETH + ip6_echo(ip, "fe80::9", OWN6, 1, 8)).cls, PKT_ICMP);
}

static void multicast(void **state)
{
	size_t len = make(HOST, "ff02::5", 89, "text", 4);

	memcpy(frame, (const uint8_t[]){0x33, 0x33, 0, 0, 0, 5}, 6);
	drops(len, "l2-multicast");
	len = ETH + ip6_nd(ip, 135, HOST, "ff02::1:ff00:1", OWN6, 0, dpt_peer[0]);
	assert_int_equal(parsed(len).cls, PKT_ND);
	ip[7] = 254; /* it has come through a router, RFC 4861 7.1.1 */
	drops(len, "nd-off-link");
	len = ETH + ip6_echo(ip, HOST, FAR, 1, 8); /* RFC 1812 5.3.4: broadcast on the link, meant for one */
	drops(len, "l2-multicast");
}

static int setup(void **state)
{
	dpt_init(&(struct dpt_conf){.v6 = true});
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
		cmocka_unit_test(header),    cmocka_unit_test(upper_layers), cmocka_unit_test(extensions),
		cmocka_unit_test(fragments), cmocka_unit_test(martians),     cmocka_unit_test(for_us),
		cmocka_unit_test(multicast),
	};

	return cmocka_run_group_tests_name("parse6", tests, setup, teardown);
}
