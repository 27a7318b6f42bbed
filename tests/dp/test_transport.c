/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport mode: what the gateway and a peer send each other is protected between their own addresses, and nothing of
 * it is taken, or sent, in the clear.
 */
#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <rte_ip.h>

#include "dp.h"
#include "ip6.h"
#include "port.h"

enum { ETH = 14, IP = 20, IP6 = 40, ICMP = 8 };

static uint8_t frame[DPT_FRAME_MAX], packet[DPT_FRAME_MAX], outer[DPT_FRAME_MAX], text[DPT_FRAME_MAX];
static uint16_t tunnel;

static uint32_t pair_of(const char *local, const char *remote, uint8_t proto)
{
	struct dp_policy_conf c = {.tunnel_if = tunnel, .proto = proto, .transport = true};
	uint32_t policy;

	assert_int_equal(prefix_parse(local, &c.local), 0);
	assert_int_equal(prefix_parse(remote, &c.remote), 0);
	assert_int_equal(dp_policy_add(&c, &policy), 0);
	return policy;
}

static void in4(struct dp_sa_in_conf *c)
{
	c->transport = true;
	c->ts_local[0] = peer_ts(OWN_IP "/32", 0, 0);
	c->ts_remote[0] = peer_ts(PEER_IP "/32", 0, 0);
}

static void out4(struct dp_sa_out_conf *c)
{
	c->transport = true;
	c->ts_local[0] = peer_ts(OWN_IP "/32", 0, 0);
	c->ts_remote[0] = peer_ts(PEER_IP "/32", 0, 0);
}

static void in_icmp(struct dp_sa_in_conf *c)
{
	in4(c);
	c->ts_local[0].proto = c->ts_remote[0].proto = IPPROTO_ICMP;
}

static void in6(struct dp_sa_in_conf *c)
{
	c->transport = true;
	c->ts_local[0] = peer_ts(OWN6 "/128", 0, 0);
	c->ts_remote[0] = peer_ts(PEER6 "/128", 0, 0);
}

static void out6(struct dp_sa_out_conf *c)
{
	c->transport = true;
	c->ts_local[0] = peer_ts(OWN6 "/128", 0, 0);
	c->ts_remote[0] = peer_ts(PEER6 "/128", 0, 0);
}

static const struct peer_edit edit4 = {in4, out4}, edit6 = {in6, out6};

/* An SA pair for a new proxy-ID. */
static void up(struct peer *p, const struct peer_edit *edit, uint8_t proto)
{
	peer_keys(p, 9);
	p->next = p->outer6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	peer_install(p,
		     p->outer6 ? pair_of(OWN6 "/128", PEER6 "/128", proto)
			       : pair_of(OWN_IP "/32", PEER_IP "/32", proto),
		     edit);
}

static void down(struct peer *p)
{
	peer_remove(p);
	assert_int_equal(dp_policy_del(p->policy), 0);
	dpt_clear();
}

/* The ICMP message of an echo request with len bytes; returns its length. */
static size_t request(const struct peer *p, uint16_t seq, size_t len, uint8_t *icmp)
{
	size_t ip = p->outer6 ? IP6 : IP, n = p->outer6 ? ip6_echo(packet, PEER6, OWN6, seq, len)
							: dpt_echo4(packet, PEER_IP, OWN_IP, seq, len);

	memcpy(icmp, packet + ip, n - ip);
	return n - ip;
}

static void inject(const struct peer *p, const uint8_t *b, size_t len)
{
	if (p->outer6)
		ip6_inject(0, b, len);
	else
		dpt_inject_ip(0, 0, b, len);
	dpt_run();
}

/* `got` is the ICMP message that answers the request in packet[]. */
static void is_answer(const struct peer *p, const uint8_t *got, size_t n, const uint8_t *asked)
{
	assert_int_equal(got[0], p->outer6 ? 129 : 0);
	assert_int_equal(got[1], 0);
	assert_memory_equal(got + 4, asked + 4, n - 4);
	if (p->outer6) {
		uint8_t whole[DPT_FRAME_MAX];
		size_t len = ip6_put(whole, &(struct ip6){.src = OWN6, .dst = PEER6, .next = IPPROTO_ICMPV6},
				     got, n);

		assert_true(ip6_sum_right(whole, len));
	} else {
		assert_int_equal(rte_raw_cksum(got, n), 0xffff);
	}
}

static void answered(struct peer *p, uint16_t seq, size_t len)
{
	const struct peer_how how = {.next = p->next};
	uint8_t icmp[DPT_FRAME_MAX];
	size_t n = request(p, seq, len, icmp), got;
	uint64_t no;

	inject(p, outer, peer_seal(p, icmp, n, &how, outer));
	dpt_expect_drop("", 0);
	got = dpt_take_one(0, frame) - ETH;
	assert_int_equal(peer_open(p, frame + ETH, got, text, &no), n);
	is_answer(p, text, n, icmp);
	dpt_take_none(1);
}

static void ping(void **state)
{
	for (unsigned i = 0; i < 16; i++) {
		struct peer p = {
			.spi_out = 0x7001 + i, .udp = i & 1, .cbc = i & 2, .esn = i & 4, .outer6 = i & 8};

		up(&p, p.outer6 ? &edit6 : &edit4, 0);
		for (uint16_t len = 0; len < 1300; len = (uint16_t)(len < 20 ? len + 1 : len + 311))
			answered(&p, len, len);
		down(&p);
	}
}

/* The peer in the clear is not answered; others are, and so is it once the proxy-ID has gone. */
static void clear_text(void **state)
{
	struct peer p = {.spi_out = 0x7101};
	size_t len;

	up(&p, &edit4, 0);
	len = dpt_echo4(packet, PEER_IP, OWN_IP, 1, 20);
	inject(&p, packet, len);
	dpt_expect_drop("clear-text-refused", 1);
	dpt_take_none(0);
	len = dpt_echo4(packet, PEER_IP, "10.1.1.1", 1, 20); /* another address of ours */
	inject(&p, packet, len);
	assert_int_equal(dpt_take_one(0, frame), ETH + len);
	len = dpt_echo4(packet, "192.0.2.3", OWN_IP, 1, 20); /* another host */
	inject(&p, packet, len);
	assert_int_equal(dpt_take_one(0, frame), ETH + len);
	dpt_expect_drop("", 0);
	answered(&p, 7, 30);
	down(&p);
	len = dpt_echo4(packet, PEER_IP, OWN_IP, 2, 20);
	inject(&p, packet, len);
	dpt_expect_drop("", 0);
	assert_int_equal(dpt_take_one(0, frame), ETH + len);
}

/* A proxy-ID of one protocol leaves the others alone. */
static void one_protocol(void **state)
{
	struct peer p = {.spi_out = 0x7201};
	size_t len = dpt_echo4(packet, PEER_IP, OWN_IP, 1, 20);

	up(&p, &edit4, IPPROTO_UDP);
	inject(&p, packet, len);
	dpt_expect_drop("", 0);
	assert_int_equal(dpt_take_one(0, frame), ETH + len);
	assert_int_equal(frame[ETH + 9], IPPROTO_ICMP);
	down(&p);
}

/* What we begin ourselves: keys are asked for, and nothing leaves before they are there. */
static void from_us(void **state)
{
	uint32_t policy = pair_of(OWN_IP "/32", PEER_IP "/32", 0);
	struct dp_probe probe = {.tunnel_if = tunnel,
				 .id = 3,
				 .seq = 4,
				 .src = dpt_ep(OWN_IP, 0).a,
				 .dst = dpt_ep(PEER_IP, 0).a};
	struct peer p = {.spi_out = 0x7301, .next = IPPROTO_ICMP};
	unsigned asked = dpt_seen.n_acquire;
	uint64_t no;
	size_t len;

	assert_int_equal(dp_probe_send(&probe), 0);
	dpt_run();
	dpt_expect_drop("no-sa", 1);
	dpt_take_none(0);
	assert_int_equal(dpt_seen.n_acquire, asked + 1);
	assert_int_equal(dpt_seen.acquire.policy, policy);
	peer_keys(&p, 10);
	peer_install(&p, policy, &edit4);
	assert_int_equal(dp_probe_send(&probe), 0);
	dpt_run();
	dpt_expect_drop("", 0);
	len = dpt_take_one(0, frame) - ETH;
	len = peer_open(&p, frame + ETH, len, text, &no);
	assert_int_equal(text[0] << 8 | text[1], 0x800);
	assert_int_equal(text[5] << 8 | text[7], 0x304);
	assert_int_equal(rte_raw_cksum(text, len), 0xffff);

	/* its answer goes to the monitor */
	text[0] = 0;
	text[2] = text[3] = 0;
	no = (uint16_t)~rte_raw_cksum(text, len);
	memcpy(text + 2, &no, 2);
	inject(&p, outer, peer_seal(&p, text, len, &(struct peer_how){.next = IPPROTO_ICMP}, outer));
	dpt_expect_drop("monitor-answer", 1);

	/* an error about a packet of the peer's is for it as well */
	inject(&p, packet, dpt_udp4(packet, PEER_IP, 5, "203.0.113.5", 6, text, 8));
	dpt_expect_drop("no-route", 1);
	len = dpt_take_one(0, frame) - ETH;
	len = peer_open(&p, frame + ETH, len, text, &no);
	assert_int_equal(len, ICMP + IP + 8 + 8);
	assert_int_equal(text[0], 3);
	down(&p);
}

/* Options stay in front of ESP, both ways. */
static void options(void **state)
{
	static const uint8_t nops[4] = {1, 1, 1, 0};
	struct peer p = {.spi_out = 0x7401};
	uint8_t icmp[64];
	size_t n, len;
	uint64_t no;

	up(&p, &edit4, 0);
	n = request(&p, 1, 32, icmp);
	len = peer_seal(&p, icmp, n, &(struct peer_how){.next = IPPROTO_ICMP}, outer);
	memmove(outer + IP + 4, outer + IP, len - IP);
	memcpy(outer + IP, nops, 4);
	outer[0] = 0x46;
	outer[3] = (uint8_t)(outer[3] + 4);
	dpt_sum4(outer);
	inject(&p, outer, len + 4);
	dpt_expect_drop("", 0);
	len = dpt_take_one(0, frame) - ETH;
	assert_int_equal(frame[ETH], 0x46);
	assert_memory_equal(frame + ETH + IP, nops, 4);
	assert_int_equal(frame[ETH + 2] << 8 | frame[ETH + 3], len);
	memmove(frame + ETH + IP, frame + ETH + IP + 4, len - IP - 4);
	frame[ETH] = 0x45;
	frame[ETH + 3] = (uint8_t)(frame[ETH + 3] - 4);
	dpt_sum4(frame + ETH);
	assert_int_equal(peer_open(&p, frame + ETH, len - 4, text, &no), n);
	is_answer(&p, text, n, icmp);
	down(&p);
}

/* An answer that ESP makes too long for the port: whole it is protected, and then cut (RFC 4303 3.3.4). */
static void too_long(void **state)
{
	struct peer p = {.spi_out = 0x7501};
	uint8_t icmp[1600], whole[DPT_FRAME_MAX];
	size_t n, len, got = IP;
	uint64_t no;

	up(&p, &edit4, 0);
	n = request(&p, 1, 1472, icmp);
	inject(&p, outer, peer_seal(&p, icmp, n, &(struct peer_how){.next = IPPROTO_ICMP}, outer));
	dpt_expect_drop("", 0);
	for (unsigned i = 0; i < 2; i++) {
		len = dpt_take(0, frame, NULL) - ETH;
		assert_in_range(len, IP + 1, 1500);
		assert_true(dpt_sums_right(frame + ETH, len));
		assert_int_equal(((frame[ETH + 6] & 0x1f) << 8 | frame[ETH + 7]) * 8, got - IP);
		assert_int_equal(!!(frame[ETH + 6] & 0x20), i == 0);
		if (i == 0)
			memcpy(whole, frame + ETH, IP);
		memcpy(whole + got, frame + ETH + IP, len - IP);
		got += len - IP;
	}
	dpt_take_none(0);
	whole[2] = (uint8_t)(got >> 8);
	whole[3] = (uint8_t)got;
	whole[6] = whole[7] = 0;
	dpt_sum4(whole);
	assert_int_equal(peer_open(&p, whole, got, text, &no), n);
	is_answer(&p, text, n, icmp);
	assert_in_range(dp_sa_out_mtu(p.sa_out), 1500 - 60, 1500 - 8 - 8 - 16 - 2);
	down(&p);
}

static void refused(void **state)
{
	const struct peer_edit edit = {in_icmp, out4};
	struct peer p = {.spi_out = 0x7601};
	uint8_t icmp[64];
	size_t n;
	const struct {
		struct peer_how how;
		size_t len;
		const char *why;
	} cases[] = {
		{{.next = IPPROTO_UDP}, 40, "esp-inner-selector"},
		{{.next = IPPROTO_ICMP, .bad_pad = true, .more_pad = 4}, 40, "esp-bad-padding"},
		{{.next = 59}, 40, "esp-dummy"},
		{{.next = IPPROTO_TCP}, 2, "esp-inner-malformed"},
		{{.next = IPPROTO_ICMP}, 40, ""},
	};

	up(&p, &edit, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		n = request(&p, 1, 32, icmp);
		if (cases[i].how.next == IPPROTO_UDP)
			icmp[4] = 0, icmp[5] = 40; /* the UDP length */
		inject(&p, outer,
		       peer_seal(&p, icmp, cases[i].len < n ? cases[i].len : n, &cases[i].how, outer));
		dpt_expect_drop(cases[i].why, cases[i].why[0] ? 1 : 0);
		if (!cases[i].why[0])
			dpt_take_one(0, frame);
		dpt_take_none(0);
	}
	down(&p);
}

static void limits(void **state)
{
	struct dp_policy_conf c = {.tunnel_if = tunnel, .transport = true};
	struct dp_sa_out_conf out = {.spi = 0x7701,
				     .suite = {DP_AES_GCM_16, 256, DP_INTEG_NONE},
				     .keys = {.encr_len = 32, .salt_len = 4},
				     .local = dpt_ep(OWN_IP, 0),
				     .remote = dpt_ep(PEER_IP, 0),
				     .transport = true,
				     .tfc_pad_to = 100,
				     .n_local = 1,
				     .n_remote = 1,
				     .ts_local = {peer_ts(OWN_IP "/32", 0, 0)},
				     .ts_remote = {peer_ts(PEER_IP "/32", 0, 0)}};
	uint32_t policy[DP_HOSTS_MAX], one, sa;
	char text4[32];

	assert_int_equal(prefix_parse(OWN_IP "/32", &c.local), 0);
	assert_int_equal(prefix_parse("192.0.2.0/24", &c.remote), 0);
	assert_int_equal(dp_policy_add(&c, &one), -EINVAL);
	for (unsigned i = 0; i < DP_HOSTS_MAX; i++) {
		snprintf(text4, sizeof(text4), "192.0.2.%u/32", 100 + i);
		policy[i] = pair_of(OWN_IP "/32", text4, 0);
	}
	assert_int_equal(prefix_parse(PEER_IP "/32", &c.remote), 0);
	assert_int_equal(dp_policy_add(&c, &one), -ENOSPC);
	for (unsigned i = 0; i < DP_HOSTS_MAX; i++)
		assert_int_equal(dp_policy_del(policy[i]), 0);
	dpt_run();
	assert_int_equal(dp_policy_add(&c, &one), 0);
	out.policy = one;
	assert_int_equal(dp_sa_out_install(&out, &sa), -EINVAL); /* RFC 4303 2.7: tunnel mode only */
	out.tfc_pad_to = 0;
	assert_int_equal(dp_sa_out_install(&out, &sa), 0);
	assert_int_equal(dp_sa_out_remove(sa), 0);
	assert_int_equal(dp_policy_del(one), 0);
	dpt_clear();
}

static int setup(void **state)
{
	dpt_init(&(struct dpt_conf){.v6 = true, .icmp_rate = 1000, .max_policies = 128});
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(0, "192.0.2.3", dpt_peer[0]);
	ip6_reachable(0, PEER6, dpt_peer[0]);
	dpt_sleep_ms(1000);
	dpt_clear();
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
		cmocka_unit_test(ping),    cmocka_unit_test(clear_text), cmocka_unit_test(one_protocol),
		cmocka_unit_test(from_us), cmocka_unit_test(options),    cmocka_unit_test(too_long),
		cmocka_unit_test(refused), cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests_name("transport", tests, setup, teardown);
}
