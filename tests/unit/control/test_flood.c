/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A million datagrams of strangers in a hundred seconds: key exchanges from forged addresses and from real ones
 * that return their COOKIE, garbage, forged protected messages and fragments, for half-open SAs as well.  Memory
 * stays flat, the answers small, the events few, and an honest peer gets through all the while.
 */
#include "net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap.h"
#include "msg.h"

enum { FLOOD = 1000000, PER_MS = 10, STEADY = 400000, SPIS = 4096 };

static struct net net;
static struct net_host *const A = &net.host[NET_A], *const B = &net.host[NET_B];

/* A stranger's datagram going in, and what comes out for it. */
static struct {
	bool on;
	size_t in, out; /* bytes of this datagram, and of the answers to it */
	uint64_t sum_in, sum_out;
	uint8_t answer[2048];
	size_t answer_len;
	struct endpoint from, to; /* as the flood has them */
	unsigned astray;          /* answers that did not go where the request came from */
} now;
static void (*real_send)(void *, const struct ike_packet *);

static void watch_send(void *ctx, const struct ike_packet *p)
{
	if (!now.on) {
		real_send(ctx, p);
		return;
	}
	now.out += p->len;
	now.astray += !endpoint_eq(&p->remote, &now.from) || !endpoint_eq(&p->local, &now.to);
	now.answer_len = p->len < sizeof(now.answer) ? p->len : 0;
	memcpy(now.answer, p->data, now.answer_len);
}

/* SPIs that B gave out: an attacker with real addresses knows them. */
static struct {
	uint64_t i, r;
} spis[SPIS];
static unsigned n_spis;

static uint8_t init_msg[2048];
static size_t init_len;

static bool keep_init(struct net *n, struct net_packet *p, void *arg)
{
	assert_true(p->len <= sizeof(init_msg));
	memcpy(init_msg, p->data, p->len);
	init_len = p->len;
	return false;
}

static void give(const uint8_t *m, size_t len)
{
	struct ike_packet in = {.local = now.to, .remote = now.from, .data = m, .len = len};

	now.in = len;
	now.out = now.answer_len = 0;
	now.on = true;
	ike_input(B->ike, &in, net.now);
	now.on = false;
	now.sum_in += now.in;
	now.sum_out += now.out;
	/* No answer that pays an attacker who writes another's address on his request. */
	if (now.out > 2 * now.in)
		fail_msg("%zu bytes answered by %zu", now.in, now.out);
}

static void from(uint32_t host)
{
	addr_parse("198.18.0.0", &now.from.a);
	now.from.a.b[1] = (uint8_t)(18 + (host >> 16 & 1));
	now.from.a.b[2] = (uint8_t)(host >> 8);
	now.from.a.b[3] = (uint8_t)host;
	now.from.port = (uint16_t)(1024 + host % 60000);
}

static size_t init_with_spi(uint8_t *m)
{
	uint64_t spi = net_random(&net, 0) | net.rng;

	memcpy(m, init_msg, init_len);
	memcpy(m, &spi, sizeof(spi));
	return init_len;
}

/* Comes back with the COOKIE, if one was asked for. */
static void bot(uint8_t *m, size_t len)
{
	uint8_t again[2048];
	struct msg a;

	give(m, len);
	if (msg_parse(now.answer, now.answer_len, &a) != MSG_OK)
		return;
	if (msg_notify_find(&a, N_COOKIE)) {
		size_t n = a.raw.len - IKE_HDR;

		memcpy(again, m, IKE_HDR);
		memcpy(again + IKE_HDR, now.answer + IKE_HDR, n);
		memcpy(again + IKE_HDR + n, m + IKE_HDR, len - IKE_HDR);
		again[16] = PL_NOTIFY;
		again[IKE_HDR] = m[16];
		len += n;
		again[26] = (uint8_t)(len >> 8);
		again[27] = (uint8_t)len;
		give(again, len);
		if (msg_parse(now.answer, now.answer_len, &a) != MSG_OK)
			return;
	}
	if (!a.hdr.spi_r)
		return;
	spis[n_spis % SPIS].i = a.hdr.spi_i;
	spis[n_spis++ % SPIS].r = a.hdr.spi_r;
}

/* A protected message, or a fragment of one, of somebody without keys. */
static void forge(uint8_t *m)
{
	bool known = n_spis && net_random(&net, 2);
	unsigned at = (unsigned)net_random(&net, n_spis < SPIS ? n_spis : SPIS);
	struct ike_hdr h = {.spi_i = known ? spis[at].i : net_random(&net, UINT64_MAX),
			    .spi_r = known ? spis[at].r : net_random(&net, UINT64_MAX),
			    .version = 0x20,
			    .exchange = (uint8_t)(IKE_AUTH + net_random(&net, 3)),
			    .flags = (uint8_t)(net_random(&net, 2) ? IKE_FLAG_INITIATOR : 0),
			    .msgid = (uint32_t)net_random(&net, 3)};
	size_t n = 40 + net_random(&net, 1000);
	bool fragment = net_random(&net, 2);
	struct msg_wr w;

	msg_wr_begin(&w, m, 2048, &h);
	msg_wr_open(&w, fragment ? PL_SKF : PL_SK);
	if (fragment) {
		wr_u16(&w.w, (uint16_t)(1 + net_random(&net, 4)));
		wr_u16(&w.w, 4);
	}
	for (size_t i = 0; i < n; i++)
		wr_u8(&w.w, (uint8_t)net_random(&net, 256));
	msg_wr_close(&w);
	give(m, msg_wr_end(&w));
}

static void one(void)
{
	uint8_t m[2048];
	size_t len;

	from((uint32_t)net_random(&net, 1 << 17));
	switch (net_random(&net, 8)) {
	case 0:
	case 1:
	case 2: give(m, init_with_spi(m)); return;
	case 3: bot(m, init_with_spi(m)); return;
	case 4:
	case 5: forge(m); return;
	case 6: /* damaged */
		len = init_with_spi(m);
		for (unsigned i = 0; i < 4; i++)
			m[net_random(&net, len)] ^= (uint8_t)(1u << net_random(&net, 8));
		give(m, len);
		return;
	default: /* noise */
		len = net_random(&net, 300);
		for (size_t i = 0; i < len; i++)
			m[i] = (uint8_t)net_random(&net, 256);
		give(m, len);
	}
}

static unsigned events(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NET_EVENTS; i++)
		n += B->events[i];
	return n;
}

static void set_up(void)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1), any = net_conf(NET_B, 1);

	/* Whoever comes may be the one without fixed address. */
	snprintf(any.name, sizeof(any.name), "any");
	any.remote = (struct addr){0};
	any.remote_id = (struct ike_id){ID_FQDN, 1, "x"};
	any.children[0].policy = 9;
	a.lifetime_s = b.lifetime_s = 60;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_B, &any);
	net.tap = keep_init;
	net_set(&net, NET_A, &a);
	net_run(&net, 20 * NET_MS);
	assert_true(init_len);
	net.tap = NULL;
	real_send = B->vt.send;
	B->vt.send = watch_send;
	addr_parse("192.0.2.2", &now.to.a);
	now.to.port = 500;
}

static void a_million(void **state)
{
	size_t steady = 0, most = 0;
	unsigned quiet;

	net_init(&net, 1);
	set_up();
	for (unsigned i = 0; i < FLOOD; i++) {
		one();
		if (i % PER_MS)
			continue;
		net_run(&net, NET_MS);
		if (i % 1000)
			continue;
		if (i == STEADY)
			steady = heap_used();
		else if (i > STEADY && heap_used() > most)
			most = heap_used();
		/* The peer starts from nothing, again and again. */
		if (i % 100000 == 50000) {
			assert_true(net_up(&net));
			ike_clear_ike_sa(A->ike, NULL, net.now);
		}
	}
	quiet = events();
	print_message("# cookies %u, full %u, integrity %u\n", (unsigned)net_counter(B, "cookie_sent"),
		      (unsigned)net_counter(B, "drop_half_open_full"),
		      (unsigned)net_counter(B, "drop_integrity"));
	print_message("# %u MB in, %u MB out, heap %zu kB then %zu kB at most, %u events\n",
		      (unsigned)(now.sum_in >> 20), (unsigned)(now.sum_out >> 20), steady >> 10, most >> 10,
		      quiet);
	/* Flat: what half-open SAs take varies a little with the mixture. */
	assert_true(most < steady + steady / 4);
	assert_true(net_sas_all(B) <= 2000 + 64);
	assert_true(now.sum_out < now.sum_in);
	assert_int_equal(now.astray, 0);
	assert_true(net_counter(B, "cookie_sent") > 10000);
	assert_true(net_counter(B, "drop_half_open_full") > 10000);
	assert_true(net_counter(B, "drop_integrity") > 1000);
	/* Whatever strangers sent made no line but the rate-limited ones. */
	assert_true(quiet < 3000);
	/* The honest peer's SA was rekeyed in time, and nothing ended it. */
	assert_true(net_up(&net));
	net_check_pairs(&net);
	/* And when it is over, nothing is left. */
	net_run(&net, 40 * NET_S);
	assert_int_equal(net_sas_all(B), 1);
	B->vt.send = real_send;
	net_end(&net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_million)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
