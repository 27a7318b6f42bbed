/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four workers and whatever spread a port's hash may have: every packet gets to the worker that owns its SA,
 * in order, and is counted once.
 */
#include "peer.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "dp.h"

enum { WORKERS = 4, PAIRS = 8, ROUNDS = 60, PER_ROUND = 24 };

static uint16_t tunnel;
static struct peer peer[PAIRS];

static void name(char text[32], unsigned pair, bool far)
{
	snprintf(text, 32, "10.%u.%u.9", far ? 2u : 1u, pair + 10);
}

static int setup(void **state)
{
	const struct dpt_conf c = {.n_workers = WORKERS};
	struct dp_route r = {0};

	dpt_init(&c);
	for (unsigned i = 0; i < WORKERS; i++)
		dp.worker[i]->stage.every = 0; /* every burst is timed */
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	assert_int_equal(prefix_parse("10.2.0.0/16", &r.dst), 0);
	r.ifindex = tunnel;
	assert_int_equal(dp_route_add(&r), 0);
	r = (struct dp_route){0};
	assert_int_equal(prefix_parse("10.1.0.0/16", &r.dst), 0);
	assert_int_equal(addr_parse("10.1.1.7", &r.via), 0);
	assert_int_equal(dp_route_add(&r), 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(1, "10.1.1.7", dpt_peer[1]);
	for (unsigned i = 0; i < PAIRS; i++) {
		char local[32], remote[32];

		snprintf(local, sizeof(local), "10.1.%u.0/24", i + 10);
		snprintf(remote, sizeof(remote), "10.2.%u.0/24", i + 10);
		peer[i] = (struct peer){.spi_out = 0x1000 + i, .cbc = i & 1, .esn = i & 2};
		peer_keys(&peer[i], (uint8_t)(i + 1));
		peer_install(&peer[i], peer_policy(tunnel, local, remote, 0, 0, 0), NULL);
	}
	srand(5);
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < PAIRS; i++)
		peer_remove(&peer[i]);
	dpt_fini();
	return 0;
}

static uint16_t any_queue(void)
{
	return (uint16_t)(rand() % WORKERS);
}

static uint64_t handed_over(void)
{
	struct dp_worker_stats s;
	uint64_t n = 0;

	for (unsigned i = 0; dp_worker_stats(i, &s) == 0; i++)
		n += s.handed_over;
	return n;
}

/* SAs belong to all workers, not to one. */
static void owners(void **state)
{
	unsigned n[WORKERS] = {0};

	for (unsigned i = 0; i < PAIRS; i++) {
		struct dp_sa_stats in, out;

		assert_int_equal(dp_sa_in_stats(peer[i].spi_in, &in), 0);
		assert_int_equal(dp_sa_out_stats(peer[i].sa_out, &out), 0);
		assert_int_equal(in.worker, out.worker);
		n[in.worker]++;
	}
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(n[i], PAIRS / WORKERS);
}

/* To the peers, each packet by a queue of chance: sequence numbers leave in order, on the owner's queue. */
static void outbound(void **state)
{
	uint64_t sent[PAIRS] = {0}, last[PAIRS] = {0}, before = handed_over();
	unsigned stray = 0;

	for (unsigned r = 0; r < ROUNDS; r++) {
		uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
		uint16_t queue;
		size_t n;

		for (unsigned k = 0; k < PER_ROUND; k++) {
			unsigned i = (unsigned)rand() % PAIRS;
			struct dp_sa_stats s;
			char src[32], dst[32];

			name(src, i, false);
			name(dst, i, true);
			queue = any_queue();
			assert_int_equal(dp_sa_out_stats(peer[i].sa_out, &s), 0);
			stray += s.worker != queue;
			dpt_inject_ip(1, queue, packet, dpt_echo4(packet, src, dst, (uint16_t)k, 20));
			sent[i]++;
		}
		dpt_run();
		while ((n = dpt_take(0, frame, &queue)) > 0) {
			uint32_t spi = (uint32_t)(frame[34] << 24 | frame[35] << 16 | frame[36] << 8 |
						  frame[37]);
			unsigned i = spi - 0x1000;
			struct dp_sa_stats s;
			uint64_t seq;

			assert_in_range(i, 0, PAIRS - 1);
			peer_open(&peer[i], frame + 14, n - 14, packet, &seq);
			assert_int_equal(seq, last[i] + 1); /* none missing, none out of order */
			last[i] = seq;
			assert_int_equal(dp_sa_out_stats(peer[i].sa_out, &s), 0);
			assert_int_equal(queue, s.worker);
		}
	}
	dpt_expect_drop("", 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		struct dp_sa_stats s;

		assert_int_equal(last[i], sent[i]);
		assert_int_equal(dp_sa_out_stats(peer[i].sa_out, &s), 0);
		assert_int_equal(s.packets, sent[i]);
	}
	assert_int_equal(handed_over() - before, stray);
	assert_true(stray > ROUNDS);
}

/* From the peers: what comes by one queue keeps its order per SA; each packet is counted and delivered once. */
static void inbound(void **state)
{
	uint64_t got[PAIRS] = {0}, sent[PAIRS] = {0}, before = handed_over();
	unsigned stray = 0;

	for (unsigned r = 0; r < ROUNDS; r++) {
		uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
		uint16_t queue_of[PAIRS], last[PAIRS] = {0};

		for (unsigned i = 0; i < PAIRS; i++)
			queue_of[i] = any_queue();
		for (unsigned k = 1; k <= PER_ROUND; k++) {
			unsigned i = (unsigned)rand() % PAIRS;
			struct dp_sa_stats s;
			char src[32], dst[32];
			size_t n;

			name(src, i, true);
			name(dst, i, false);
			n = dpt_echo4(packet, src, dst, (uint16_t)k, 20);
			assert_int_equal(dp_sa_in_stats(peer[i].spi_in, &s), 0);
			stray += s.worker != queue_of[i];
			dpt_inject_ip(0, queue_of[i], esp,
				      peer_seal(&peer[i], packet, n, &(struct peer_how){0}, esp));
			sent[i]++;
		}
		dpt_run();
		while (dpt_take(1, frame, NULL) > 0) {
			unsigned i = frame[14 + 18] - 10u; /* third byte of the destination */
			uint16_t seq = (uint16_t)(frame[14 + 26] << 8 | frame[14 + 27]);

			assert_in_range(i, 0, PAIRS - 1);
			assert_true(seq > last[i]);
			last[i] = seq;
			got[i]++;
		}
	}
	dpt_expect_drop("", 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		struct dp_sa_stats s;

		assert_int_equal(got[i], sent[i]);
		assert_int_equal(dp_sa_in_stats(peer[i].spi_in, &s), 0);
		assert_int_equal(s.packets, sent[i]);
		assert_int_equal(s.replays + s.auth_errors + s.selector_drops + s.malformed, 0);
	}
	assert_int_equal(handed_over() - before, stray);
	assert_true(stray > ROUNDS);
}

static uint64_t stage_packets(const char *name)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < WORKERS; w++) {
		struct dp_stage s;

		for (unsigned i = 0; dp_stage_stats(w, i, &s) == 0; i++) {
			assert_true(!s.packets || s.cycles);
			n += strcmp(s.name, name) == 0 ? s.packets : 0;
		}
	}
	return n;
}

/* Every packet of the tests above went through every stage of its way once. */
static void stages(void **state)
{
	static const char *const both[] = {"receive", "parse", "next-hop"}, *const one[] = {"in-sa",
											    "in-check",
											    "in-open",
											    "in-finish",
											    "out-prepare",
											    "out-seal",
											    "out-route"};
	struct dp_worker_stats s;
	uint64_t rx = 0;

	for (unsigned i = 0; dp_worker_stats(i, &s) == 0; i++)
		rx += s.rx_packets;
	assert_int_equal(stage_packets("receive"), rx);
	assert_true(rx >= 2 * ROUNDS * PER_ROUND);
	for (unsigned i = 0; i < sizeof(both) / sizeof(both[0]); i++)
		assert_true(stage_packets(both[i]) >= 2 * ROUNDS * PER_ROUND);
	for (unsigned i = 0; i < sizeof(one) / sizeof(one[0]); i++)
		assert_true(stage_packets(one[i]) >= ROUNDS * PER_ROUND);
	assert_int_equal(stage_packets("in-open"), ROUNDS * PER_ROUND);
	assert_int_equal(stage_packets("out-seal"), ROUNDS * PER_ROUND);
	assert_int_equal(stage_packets("rules"), 0);
}

/* A worker of the product times one burst in STAGE_EVERY. */
static void sampled(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t n = dpt_echo4(packet, "10.1.10.9", "10.2.10.9", 1, 20);
	uint64_t before;

	for (unsigned i = 0; i < WORKERS; i++) {
		dp.worker[i]->stage.every = STAGE_EVERY;
		dp.worker[i]->stage.sampled = dp.worker[i]->rx_bursts;
	}
	before = stage_packets("receive");
	for (unsigned i = 0; i < 4 * STAGE_EVERY; i++) {
		dpt_inject_ip(1, 0, packet, n);
		dpt_run();
		assert_int_not_equal(dpt_take(0, frame, NULL), 0);
	}
	assert_int_equal(stage_packets("receive") - before, 3); /* the fourth would be the next burst */
}

static void in_transport(struct dp_sa_in_conf *c)
{
	c->transport = true;
	c->ts_local[0] = peer_ts(OWN_IP "/32", 0, 0);
	c->ts_remote[0] = peer_ts(PEER_IP "/32", 0, 0);
}

static void out_transport(struct dp_sa_out_conf *c)
{
	c->transport = true;
	c->ts_local[0] = peer_ts(OWN_IP "/32", 0, 0);
	c->ts_remote[0] = peer_ts(PEER_IP "/32", 0, 0);
}

/* What the gateway and a peer send each other: whatever worker a question comes to, the owner opens it and seals the
 * answer; and whatever worker makes a packet of its own, the owner seals that. */
static void between_hosts(void **state)
{
	const struct peer_edit edit = {in_transport, out_transport};
	const struct peer_how how = {.next = IPPROTO_ICMP};
	struct peer p = {.spi_out = 0x2001, .next = IPPROTO_ICMP};
	struct dp_policy_conf c = {.tunnel_if = tunnel, .transport = true};
	struct dp_probe probe = {
		.tunnel_if = tunnel, .src = dpt_ep(OWN_IP, 0).a, .dst = dpt_ep(PEER_IP, 0).a};
	uint64_t before = handed_over(), seq;
	uint8_t packet[DPT_FRAME_MAX], outer[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	struct dp_sa_stats s;
	uint32_t policy;
	uint16_t queue;

	assert_int_equal(prefix_parse(OWN_IP "/32", &c.local), 0);
	assert_int_equal(prefix_parse(PEER_IP "/32", &c.remote), 0);
	assert_int_equal(dp_policy_add(&c, &policy), 0);
	peer_keys(&p, 77);
	peer_install(&p, policy, &edit);
	assert_int_equal(dp_sa_out_stats(p.sa_out, &s), 0);
	for (unsigned i = 0; i <= WORKERS; i++) {
		size_t n = dpt_echo4(packet, PEER_IP, OWN_IP, (uint16_t)i, 40) - 20;

		if (i == WORKERS)
			assert_int_equal(dp_probe_send(&probe), 0);
		else
			dpt_inject_ip(0, (uint16_t)i, outer, peer_seal(&p, packet + 20, n, &how, outer));
		dpt_run();
		n = dpt_take(0, frame, &queue);
		assert_int_not_equal(n, 0);
		assert_int_equal(queue, s.worker);
		assert_int_not_equal(peer_open(&p, frame + 14, n - 14, packet, &seq), 0);
		assert_int_equal(packet[0], i == WORKERS ? 8 : 0);
		assert_int_equal(seq, i + 1);
	}
	dpt_expect_drop("", 0);
	assert_in_range(handed_over() - before, WORKERS - 1, WORKERS);
	peer_remove(&p);
	assert_int_equal(dp_policy_del(policy), 0);
	dpt_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners), cmocka_unit_test(outbound), cmocka_unit_test(inbound),
		cmocka_unit_test(stages), cmocka_unit_test(sampled),  cmocka_unit_test(between_hosts),
	};

	return cmocka_run_group_tests_name("workers", tests, setup, teardown);
}
