/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ping: of a port's address, of the other port's, through a tunnel, of a tunnel interface; and what of
 * ICMP is not answered.
 */
#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "dp.h"

#define HOST  "192.0.2.7"
#define INNER "10.2.0.9"
#define TUN   "10.9.0.1"

enum { ETH = 14 };

static uint8_t frame[DPT_FRAME_MAX], packet[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
static uint16_t tunnel;
static struct peer peer = {.spi_out = 0xc0ffee01};

/* What the answer to a request must be, byte for byte. */
static void make_answer(uint8_t *p)
{
	size_t hlen = (p[0] & 15u) * 4;
	uint8_t src[4];
	uint32_t sum;

	memcpy(src, p + 12, 4);
	memcpy(p + 12, p + 16, 4);
	memcpy(p + 16, src, 4);
	p[8] = 64;
	dpt_sum4(p);
	p[hlen] = 0;
	/* 0x0800 less in the sum: RFC 1624 3, eqn. 4 in the other direction */
	sum = (uint32_t)(p[hlen + 2] << 8 | p[hlen + 3]) + 0x0800;
	sum = (sum & 0xffff) + (sum >> 16);
	p[hlen + 2] = (uint8_t)(sum >> 8);
	p[hlen + 3] = (uint8_t)sum;
}

static void answered(unsigned port, size_t len)
{
	dpt_inject_ip(port, 0, packet, len);
	dpt_run();
	dpt_expect_drop("", 0);
	assert_int_equal(dpt_take_one(port, frame), ETH + len);
	assert_memory_equal(frame, dpt_peer[port], 6);
	assert_true(dpt_sums_right(frame + ETH, len));
	make_answer(packet);
	assert_memory_equal(frame + ETH, packet, len);
}

static void dropped(size_t len, const char *why)
{
	memcpy(dpt_eth(frame, 0, 0x0800), packet, len);
	dpt_drops(0, frame, ETH + len, why);
}

/* ---- in the clear ---------------------------------------------------------------------------- */

static void of_a_port(void **state)
{
	for (size_t n = 0; n <= 1472; n += n < 40 ? 1 : 179)
		answered(0, dpt_echo4(packet, HOST, OWN_IP, (uint16_t)n, n));
	answered(0, dpt_echo4(packet, HOST, "10.1.1.1", 1, 1)); /* the other port's */
	answered(1, dpt_echo4(packet, "10.1.1.7", "10.1.1.1", 2, 2));
	answered(0, dpt_echo4(packet, HOST, TUN, 3, 3)); /* and a tunnel interface's */
}

/* The TTL it came with is no matter: it has arrived. */
static void of_any_ttl(void **state)
{
	for (unsigned ttl = 0; ttl < 256; ttl += 51) {
		size_t len = dpt_echo4(packet, HOST, OWN_IP, 1, 10);

		packet[8] = (uint8_t)ttl;
		dpt_sum4(packet);
		answered(0, len);
	}
}

static void with_options(void **state)
{
	static const uint8_t o[8] = {1, 1, 1, 1, 1, 1, 1, 0};
	struct dpt_ip4 h = {
		.src = HOST, .dst = OWN_IP, .proto = IPPROTO_ICMP, .options = o, .options_len = 8};
	uint8_t icmp[20];

	(void)dpt_echo4(packet, HOST, OWN_IP, 1, 12);
	memcpy(icmp, packet + 20, 20);
	answered(0, dpt_ip4(packet, &h, icmp, 20));
}

/* A checksum that comes out as 0 is one like any other: data chosen so that it does. */
static void every_checksum(void **state)
{
	for (unsigned i = 0; i < 65536; i += 7)
		answered(0, dpt_echo4(packet, HOST, OWN_IP, (uint16_t)i, 0));
}

static void to_nowhere(void **state)
{
	dropped(dpt_echo4(packet, "198.51.100.1", OWN_IP, 1, 10), "no-route");
}

static void not_answered(void **state)
{
	size_t len = dpt_echo4(packet, HOST, OWN_IP, 1, 10);

	for (size_t i = 20; i < len; i++) {
		if (i == 21)
			continue; /* the code: below */
		packet[i] ^= 0x10;
		dropped(len, "icmp-malformed");
		packet[i] ^= 0x10;
	}
	/* sound, but no request: type and code traded for the checksum's bytes */
	for (unsigned type = 0; type < 19; type++) {
		uint16_t sum;

		if (type == 8)
			continue;
		len = dpt_echo4(packet, HOST, OWN_IP, 1, 0);
		packet[20] = (uint8_t)type;
		memset(packet + 22, 0, 6);
		sum = (uint16_t)(0xffff ^ (type << 8));
		packet[22] = (uint8_t)(sum >> 8);
		packet[23] = (uint8_t)sum;
		dropped(len, "local-no-service");
	}
	len = dpt_echo4(packet, HOST, OWN_IP, 1, 0);
	packet[21] = 1; /* an echo request's code is 0 */
	packet[23]--;
	dropped(len, "local-no-service");
	/* a broadcast ping is not answered (RFC 1122 3.2.2.6 allows that) */
	dropped(dpt_echo4(packet, HOST, "192.0.2.255", 1, 10), "ip-martian-address");
	dropped(dpt_echo4(packet, OWN_IP, OWN_IP, 1, 10), "ip-martian-address");
}

/* ---- through a tunnel ------------------------------------------------------------------------ */

/* The peer seals a packet; what it opens of the answer. */
static void tunnel_answered(size_t len)
{
	uint64_t seq;
	size_t n;

	dpt_inject_ip(0, 0, frame, peer_seal(&peer, packet, len, NULL, frame));
	dpt_run();
	dpt_expect_drop("", 0);
	n = dpt_take_one(0, frame);
	assert_int_equal(peer_open(&peer, frame + ETH, n - ETH, got, &seq), len);
	make_answer(packet);
	assert_memory_equal(got, packet, len);
}

static void tunnel_dropped(size_t len, const char *why)
{
	dpt_inject_ip(0, 0, frame, peer_seal(&peer, packet, len, NULL, frame));
	dpt_run();
	dpt_expect_drop(why, 1);
	dpt_take_none(0);
	dpt_take_none(1);
}

static void through_a_tunnel(void **state)
{
	tunnel_answered(dpt_echo4(packet, INNER, TUN, 1, 30));
	tunnel_answered(dpt_echo4(packet, INNER, "10.1.1.1", 2, 33));
	for (unsigned i = 0; i < 20; i++)
		tunnel_answered(dpt_echo4(packet, INNER, TUN, (uint16_t)i, i));
}

static void tunnel_not_answered(void **state)
{
	struct dpt_ip4 h = {.src = INNER, .dst = TUN, .proto = IPPROTO_ICMP, .frag = 0x2000};
	size_t len = dpt_echo4(packet, INNER, TUN, 1, 30);

	packet[40] ^= 1;
	tunnel_dropped(len, "icmp-malformed");
	tunnel_dropped(dpt_udp4(packet, INNER, 500, TUN, 500, "text", 4), "local-no-service");
	tunnel_dropped(dpt_udp4(packet, INNER, 4500, TUN, 4500, "\xff", 1), "local-no-service");
	h.src = INNER;
	tunnel_dropped(dpt_ip4(packet, &h, "0123456", 7), "ip-fragment"); /* not a multiple of eight */
	/* an answer to us is for the tunnel monitor, which knows whether it asked */
	len = dpt_echo4(packet, INNER, TUN, 1, 0);
	make_answer(packet);
	memcpy(packet + 12, (uint8_t[]){10, 2, 0, 9, 10, 9, 0, 1}, 8);
	dpt_sum4(packet);
	tunnel_dropped(len, "monitor-answer");
}

/* The answer needs a tunnel that carries it back. */
static void one_way_tunnel(void **state)
{
	assert_int_equal(dp_policy_bind(peer.policy, DP_SA_NONE), 0);
	tunnel_dropped(dpt_echo4(packet, INNER, TUN, 1, 30), "no-sa");
	assert_int_equal(dp_policy_bind(peer.policy, peer.sa_out), 0);
	through_a_tunnel(state);
}

/* ---- echo requests of our own ---------------------------------------------------------------- */

static struct dp_echo own_echo(const char *src, const char *dst, uint16_t id, uint16_t data)
{
	struct dp_echo e = {.id = id, .seq = 7, .len = (uint16_t)(28 + data)};

	assert_int_equal(addr_parse(src, &e.src), 0);
	assert_int_equal(addr_parse(dst, &e.dst), 0);
	return e;
}

/* What has been sent, at `packet`, becomes the answer to it. */
static void answer_own(size_t len)
{
	assert_int_equal(packet[20], 8);
	make_answer(packet);
	packet[8] = 61;
	dpt_sum4(packet);
	assert_true(dpt_sums_right(packet, len));
}

static void assert_answered(const struct dp_echo *e, unsigned n)
{
	assert_int_equal(dpt_seen.n_echo, n);
	assert_true(addr_eq(&dpt_seen.echo.echo.src, &e->src));
	assert_true(addr_eq(&dpt_seen.echo.echo.dst, &e->dst));
	assert_int_equal(dpt_seen.echo.echo.id, e->id);
	assert_int_equal(dpt_seen.echo.echo.seq, e->seq);
	assert_int_equal(dpt_seen.echo.echo.len, e->len);
	assert_int_equal(dpt_seen.echo.ttl, 61);
}

/* Out of a port, to where the route leads; the answer counts while its identifier is in use, and not after. */
static void own_by_a_port(void **state)
{
	unsigned before = dpt_seen.n_echo;
	struct dp_echo e;
	uint16_t id;
	size_t n;

	assert_int_equal(dp_echo_open(&id), 0);
	e = own_echo(OWN_IP, HOST, id, 100);
	e.df = true;
	assert_int_equal(dp_echo_send(&e), 0);
	dpt_run();
	n = dpt_take_one(0, frame) - ETH;
	assert_int_equal(n, e.len);
	memcpy(packet, frame + ETH, n);
	assert_true(dpt_sums_right(packet, n));
	assert_int_equal(packet[6], 0x40);
	answer_own(n);
	dpt_mark();
	dpt_inject_ip(0, 0, packet, n);
	dpt_run();
	dpt_expect_drop("monitor-answer", 1);
	assert_answered(&e, before + 1);
	dp_echo_close(id);
	dropped(n, "local-no-service");
	assert_int_equal(dpt_seen.n_echo, before + 1);
}

static void own_through_a_tunnel(void **state)
{
	unsigned before = dpt_seen.n_echo;
	struct dp_echo e;
	uint64_t seq;
	uint16_t id;
	size_t n;

	assert_int_equal(dp_echo_open(&id), 0);
	e = own_echo(TUN, INNER, id, 56);
	assert_int_equal(dp_echo_send(&e), 0);
	dpt_run();
	n = dpt_take_one(0, frame);
	n = peer_open(&peer, frame + ETH, n - ETH, packet, &seq);
	assert_int_equal(n, e.len);
	answer_own(n);
	dpt_mark();
	dpt_inject_ip(0, 0, frame, peer_seal(&peer, packet, n, NULL, frame));
	dpt_run();
	dpt_expect_drop("monitor-answer", 1);
	assert_answered(&e, before + 1);
	dp_echo_close(id);
}

/* Somebody on the way says that the request at `packet` did not get through; of its n bytes `quote` are quoted. */
static void error_in(uint8_t type, uint8_t code, size_t quote, const char *why)
{
	struct dpt_ip4 h = {.src = PEER_IP, .dst = OWN_IP, .proto = IPPROTO_ICMP};
	uint8_t icmp[8 + 200] = {type, code, 0, 0, 0, 0, 0x05, 0x14}, *p = dpt_eth(frame, 0, 0x0800);
	uint32_t sum = 0;
	size_t len;

	memcpy(icmp + 8, packet, quote);
	for (size_t i = 0; i < 8 + quote; i++)
		sum += i & 1 ? icmp[i] : (uint32_t)icmp[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	icmp[2] = (uint8_t)(~sum >> 8);
	icmp[3] = (uint8_t)~sum;
	len = dpt_ip4(p, &h, icmp, 8 + quote);
	dpt_drops(0, frame, ETH + len, why);
}

/* It is told, if it quotes a request of ours with an identifier in use, up to its sequence number. */
static void own_error(void **state)
{
	unsigned before = dpt_seen.n_echo_error;
	struct dp_echo e;
	struct addr from;
	uint16_t id;
	size_t n;

	assert_int_equal(dp_echo_open(&id), 0);
	e = own_echo(OWN_IP, HOST, id, 100);
	e.ttl = 1;
	e.tos = 0xb8;
	assert_int_equal(dp_echo_send(&e), 0);
	dpt_run();
	n = dpt_take_one(0, frame) - ETH;
	memcpy(packet, frame + ETH, n);
	assert_true(dpt_sums_right(packet, n));
	assert_int_equal(packet[1], 0xb8);
	assert_int_equal(packet[8], 1);

	error_in(11, 0, 28, "monitor-answer"); /* the least that is quoted, RFC 792 */
	assert_int_equal(dpt_seen.n_echo_error, before + 1);
	assert_int_equal(addr_parse(PEER_IP, &from), 0);
	assert_true(addr_eq(&dpt_seen.echo_error.from, &from));
	assert_true(addr_eq(&dpt_seen.echo_error.host, &e.dst));
	assert_int_equal(dpt_seen.echo_error.id, id);
	assert_int_equal(dpt_seen.echo_error.seq, e.seq);
	assert_int_equal(dpt_seen.echo_error.type, 11);
	assert_int_equal(dpt_seen.echo_error.mtu, 0);
	error_in(3, 4, n, "monitor-answer");
	assert_int_equal(dpt_seen.echo_error.code, 4);
	assert_int_equal(dpt_seen.echo_error.mtu, 0x0514);
	before += 2;

	for (size_t cut = 0; cut < 28; cut++)
		error_in(3, 1, cut, "local-no-service");
	error_in(5, 1, n, "local-no-service"); /* a redirect is no error */
	packet[7] = 1;                         /* of a later fragment nothing can be told */
	error_in(3, 1, n, "local-no-service");
	packet[7] = 0;
	packet[15] ^= 1; /* not ours */
	error_in(3, 1, n, "local-no-service");
	packet[15] ^= 1;
	packet[20] = 0; /* an answer */
	error_in(3, 1, n, "local-no-service");
	packet[20] = 8;
	dp_echo_close(id);
	error_in(3, 1, n, "local-no-service");
	assert_int_equal(dpt_seen.n_echo_error, before);
}

static void own_refused(void **state)
{
	uint16_t id[DP_ECHO_MAX], more;
	struct dp_echo e;

	for (unsigned i = 0; i < DP_ECHO_MAX; i++)
		assert_int_equal(dp_echo_open(&id[i]), 0);
	assert_int_equal(dp_echo_open(&more), -EBUSY);
	dp_echo_close(id[3]);
	assert_int_equal(dp_echo_open(&more), 0);
	assert_int_equal(more, id[3]);
	for (unsigned i = 0; i < DP_ECHO_MAX; i++)
		dp_echo_close(id[i]);
	e = own_echo(HOST, PEER_IP, id[0], 1);
	assert_int_equal(dp_echo_send(&e), -EINVAL); /* not ours */
	e = own_echo(OWN_IP, "10.1.1.1", id[0], 1);
	assert_int_equal(dp_echo_send(&e), -EINVAL); /* to ourselves */
	e = own_echo(OWN_IP, HOST, id[0], 60000);
	assert_int_equal(dp_echo_send(&e), -EMSGSIZE);
	e.len = 27;
	assert_int_equal(dp_echo_send(&e), -EMSGSIZE);
	assert_int_equal(addr_parse("2001:db8::1", &e.dst), 0);
	assert_int_equal(dp_echo_send(&e), -EAFNOSUPPORT);
	dpt_run();
	dpt_take_none(0);
	dpt_take_none(1);
}

/* ---- */

static void wide_in(struct dp_sa_in_conf *c)
{
	c->ts_local[0] = peer_ts("10.0.0.0/8", 0, 0);
}

static void wide_out(struct dp_sa_out_conf *c)
{
	c->ts_local[0] = peer_ts("10.0.0.0/8", 0, 0);
}

static int setup(void **state)
{
	const struct peer_edit edit = {.in = wide_in, .out = wide_out};
	struct dp_route r = {0};
	struct prefix own;

	dpt_init(NULL);
	assert_int_equal(prefix_parse(TUN "/30", &own), 0);
	assert_int_equal(dp_tunnel_if_add("tunnel.1", &own, 1, &tunnel), 0);
	assert_int_equal(prefix_parse("10.2.0.0/16", &r.dst), 0);
	r.ifindex = tunnel;
	assert_int_equal(dp_route_add(&r), 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(0, HOST, dpt_peer[0]);
	dpt_neighbour(1, "10.1.1.7", dpt_peer[1]);
	peer_keys(&peer, 1);
	peer_install(&peer, peer_policy(tunnel, "0.0.0.0/0", "0.0.0.0/0", 0, 0, 0), &edit);
	return 0;
}

static int teardown(void **state)
{
	peer_remove(&peer);
	dpt_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_port),
		cmocka_unit_test(of_any_ttl),
		cmocka_unit_test(with_options),
		cmocka_unit_test(every_checksum),
		cmocka_unit_test(to_nowhere),
		cmocka_unit_test(not_answered),
		cmocka_unit_test(through_a_tunnel),
		cmocka_unit_test(tunnel_not_answered),
		cmocka_unit_test(one_way_tunnel),
		cmocka_unit_test(own_by_a_port),
		cmocka_unit_test(own_through_a_tunnel),
		cmocka_unit_test(own_error),
		cmocka_unit_test(own_refused),
	};

	return cmocka_run_group_tests_name("local", tests, setup, teardown);
}
