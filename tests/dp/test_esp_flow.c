/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to tunnels over time, with two workers: proxy-IDs that overlap, packets that arrive at
 * the wrong worker, rekeying, limits, peers that move, removal.
 */
#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "dp.h"
#include "sad.h"

#define HOST "10.1.0.7"
#define FAR  "10.2.0.9"

static uint16_t tunnel;

static int setup(void **state)
{
	const struct dpt_conf c = {.n_workers = 2, .max_sas = 16, .max_policies = 32};

	tunnel = peer_lab(&c);
	return 0;
}

static int teardown(void **state)
{
	dpt_fini();
	return 0;
}

static size_t echo(uint8_t *packet, bool to_peer, uint16_t seq)
{
	return dpt_echo4(packet, to_peer ? HOST : FAR, to_peer ? FAR : HOST, seq, 20);
}

/* One packet to the peer by a worker's queue; what leaves, opened. */
static uint64_t peer_gets(const struct peer *p, uint16_t queue)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	uint64_t seq;
	size_t n;

	dpt_inject_ip(1, queue, packet, echo(packet, true, 1));
	dpt_run();
	dpt_expect_drop("", 0);
	n = dpt_take_one(0, frame);
	peer_open(p, frame + 14, n - 14, packet, &seq);
	return seq;
}

static void out_dropped(const char *why)
{
	uint8_t packet[DPT_FRAME_MAX];

	dpt_inject_ip(1, 0, packet, echo(packet, true, 1));
	dpt_run();
	dpt_expect_drop(why, 1);
	dpt_take_none(0);
}

/* One packet from the peer; "": it arrives, else why not. */
static void peer_sends(struct peer *p, uint16_t queue, const struct peer_how *how, const char *why)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];

	dpt_inject_ip(0, queue, esp, peer_seal(p, packet, echo(packet, false, 1), how, esp));
	dpt_run();
	dpt_expect_drop(why, *why ? 1 : 0);
	if (*why)
		dpt_take_none(1);
	else
		dpt_take_one(1, frame);
}

/* RFC 4301 5.2: what comes from where the tunnel leads comes out of it, or not at all. */
static void past_the_tunnel(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];

	dpt_inject_ip(0, 0, packet, echo(packet, false, 1));
	dpt_run();
	dpt_expect_drop("clear-text-refused", 1);
	dpt_take_none(1);
	/* nor is the gateway itself asked past it; those who are not behind it may */
	dpt_inject_ip(0, 0, packet, dpt_echo4(packet, "10.2.0.9", OWN_IP, 1, 20));
	dpt_run();
	dpt_expect_drop("clear-text-refused", 1);
	dpt_take_none(0);
	dpt_inject_ip(0, 0, packet, dpt_echo4(packet, PEER_IP, OWN_IP, 1, 20));
	dpt_run();
	dpt_expect_drop("", 0);
	dpt_take_one(0, frame);
}

/* Where a way in the clear is as good as the tunnel, what comes by it is not refused. */
static void a_way_beside_the_tunnel(void **state)
{
	struct dp_hop hop[2] = {{.ifindex = tunnel}, {.via = dpt_ep(PEER_IP, 0).a}};
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	struct prefix far;

	assert_int_equal(prefix_parse("10.2.0.0/16", &far), 0);
	assert_int_equal(dp_route_set(&far, hop, 2), 0);
	dp_service(dpt_now);
	dpt_inject_ip(0, 0, packet, echo(packet, false, 1));
	dpt_run();
	dpt_expect_drop("clear-text-refused", 0);
	dpt_take_one(1, frame);
	assert_int_equal(dp_route_set(&far, hop, 1), 0);
	dp_service(dpt_now);
	past_the_tunnel(state);
}

/* ---- proxy-IDs ------------------------------------------------------------------------------- */

/* Each packet goes by the most specific proxy-ID, whatever the order they were added in; equally
 * specific ones by that order. */
static void overlapping_proxy_ids(void **state)
{
	static const struct {
		const char *local, *remote;
		uint8_t proto;
		uint16_t lport, rport;
	} id[] = {
		{"0.0.0.0/0", "0.0.0.0/0", 0, 0, 0},          {"10.1.0.0/16", "10.2.0.0/16", 0, 0, 0},
		{"10.1.0.0/16", "10.2.0.0/24", 0, 0, 0}, /* 2 and 3 are equally specific */
		{"10.1.0.0/24", "10.2.0.0/16", 0, 0, 0},      {"10.1.0.0/24", "10.2.0.0/24", 0, 0, 0},
		{"10.1.0.0/24", "10.2.0.0/24", 17, 0, 0},     {"10.1.0.0/24", "10.2.0.0/24", 17, 0, 53},
		{"10.1.0.0/24", "10.2.0.0/24", 17, 4000, 53}, {"10.1.0.0/24", "10.2.0.0/24", 0, 0, 443},
	};
	static const struct {
		const char *src;
		uint16_t sport;
		const char *dst;
		uint16_t dport;
		uint16_t frag;
		unsigned want;
	} c[] = {
		{"10.9.0.1", 1, "10.2.0.1", 1, 0, 0},       {"10.1.1.7", 1, "10.2.1.1", 1, 0, 1},
		{"10.1.1.7", 1, "10.2.0.1", 1, 0, 2},       {"10.1.0.7", 1, "10.2.1.1", 1, 0, 3},
		{"10.1.0.7", 1, "10.2.0.1", 1, 0, 5},       {"10.1.0.7", 1, "10.2.0.1", 53, 0, 6},
		{"10.1.0.7", 4000, "10.2.0.1", 53, 0, 7},   {"10.1.0.7", 1, "10.2.0.1", 443, 0, 5},
		{"10.1.0.7", 1, "10.2.0.1", 53, 0x2000, 6},
	};
	enum { N = sizeof(id) / sizeof(id[0]) };
	uint8_t packet[DPT_FRAME_MAX], payload[64] = {0};
	uint32_t policy[N];

	for (unsigned round = 0; round < 2; round++) { /* in order, then in reverse but for the equal ones */
		for (unsigned k = 0; k < N; k++) {
			unsigned i = round == 0 ? k : N - 1 - k;

			if (round == 1 && (i == 2 || i == 3))
				i = 5 - i;
			policy[i] = peer_policy(tunnel, id[i].local, id[i].remote, id[i].proto, id[i].lport,
						id[i].rport);
		}
		for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
			struct dp_policy_stats s;
			size_t len = dpt_udp4(packet, c[i].src, c[i].sport, c[i].dst, c[i].dport, payload,
					      64);

			packet[6] = (uint8_t)(c[i].frag >> 8);
			dpt_sum4(packet);
			dpt_inject_ip(1, 0, packet, len);
			dpt_run();
			dpt_expect_drop("no-sa", 1);
			assert_int_equal(dp_policy_stats(policy[c[i].want], &s), 0);
			assert_true(s.no_sa_drops > 0);
			assert_int_equal(dpt_seen.acquire.policy, policy[c[i].want]);
			dpt_sleep_ms(1250); /* or the next one on the same policy is not reported */
		}
		for (unsigned i = 0; i < N; i++)
			assert_int_equal(dp_policy_del(policy[i]), 0);
		dpt_run();
		out_dropped("no-matching-proxy-id");
	}
}

/* Two proxy-IDs with the same selectors, as while a configuration is replaced: the older one counts until
 * it goes. */
static void equal_proxy_ids(void **state)
{
	uint32_t p[3];

	for (unsigned i = 0; i < 3; i++)
		p[i] = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	assert_int_equal(dp_policy_del(p[1]), 0);
	out_dropped("no-sa");
	assert_int_equal(dpt_seen.acquire.policy, p[0]);
	assert_int_equal(dp_policy_del(p[0]), 0);
	out_dropped("no-sa");
	assert_int_equal(dpt_seen.acquire.policy, p[2]);
	assert_int_equal(dp_policy_del(p[2]), 0);
	out_dropped("no-matching-proxy-id");
}

static void policies_are_checked(void **state)
{
	struct dp_policy_conf c = {.tunnel_if = tunnel};
	struct peer p = {.spi_out = 4711};
	struct dp_policy_stats s;
	uint32_t policy, other, n = 0, id[64];
	uint16_t tunnel2;

	c.tunnel_if = dpt_port[0];
	assert_int_equal(dp_policy_add(&c, &policy), -EINVAL);
	c.tunnel_if = 999;
	assert_int_equal(dp_policy_add(&c, &policy), -EINVAL);
	c.tunnel_if = tunnel;
	prefix_parse("fd00::/64", &c.local);
	prefix_parse("10.0.0.0/8", &c.remote);
	assert_int_equal(dp_policy_add(&c, &policy), -EAFNOSUPPORT);
	memset(&c.local, 0, sizeof(c.local));
	memset(&c.remote, 0, sizeof(c.remote));
	while (n < 64 && dp_policy_add(&c, &id[n]) == 0) {
		c.proto = (uint8_t)++n;
	}
	assert_int_equal(n, 32);
	assert_int_equal(dp_policy_add(&c, &policy), -ENOSPC);
	while (n > 0)
		assert_int_equal(dp_policy_del(id[--n]), 0);
	assert_int_equal(dp_policy_del(id[0]), -ENOENT);
	assert_int_equal(dp_policy_stats(id[0], &s), -ENOENT);
	dpt_run();
	peer_keys(&p, 9);
	peer_install(&p, peer_policy(tunnel, "0.0.0.0/0", "0.0.0.0/0", 0, 0, 0), NULL);
	policy = peer_policy(tunnel, "10.0.0.0/8", "0.0.0.0/0", 0, 0, 0);
	assert_int_equal(dp_tunnel_if_add("tunnel.77", NULL, 0, &tunnel2), 0);
	other = peer_policy(tunnel2, "0.0.0.0/0", "0.0.0.0/0", 0, 0, 0);
	assert_int_equal(dp_policy_bind(other, p.sa_out), -EINVAL); /* the SA is another tunnel's */
	assert_int_equal(dp_policy_del(other), 0);
	/* A guest of the SA keeps it from being removed, until it goes or is bound elsewhere. */
	assert_int_equal(dp_policy_bind(policy, p.sa_out), 0);
	assert_int_equal(dp_sa_out_remove(p.sa_out), -EBUSY);
	assert_int_equal(dp_policy_bind(policy, p.sa_out), 0);
	assert_int_equal(dp_policy_bind(policy, DP_SA_NONE), 0);
	other = peer_policy(tunnel, "11.0.0.0/8", "0.0.0.0/0", 0, 0, 0);
	assert_int_equal(dp_policy_bind(other, p.sa_out), 0);
	assert_int_equal(dp_sa_out_remove(p.sa_out), -EBUSY);
	assert_int_equal(dp_policy_del(other), 0);
	assert_int_equal(dp_policy_bind(policy, p.sa_out + 1), -ESTALE);
	assert_int_equal(dp_policy_bind(policy, DP_SA_NONE), 0);
	peer_remove(&p);
	assert_int_equal(dp_policy_bind(p.policy, p.sa_out), -ESTALE);
	assert_int_equal(dp_policy_del(policy), 0);
	assert_int_equal(dp_policy_del(p.policy), 0);
}

/* ---- SAs ------------------------------------------------------------------------------------- */

static void sas_are_checked(void **state)
{
	struct dp_sa_in_conf in = {.replay_window = 64, .n_local = 1, .n_remote = 1};
	struct dp_sa_out_conf out = {.spi = 255, .n_local = 1, .n_remote = 1};
	uint32_t spi[20], handle, n = 0;
	struct peer p = {0};

	peer_keys(&p, 3);
	in.policy = out.policy = peer_policy(tunnel, "0.0.0.0/0", "0.0.0.0/0", 0, 0, 0);
	in.suite = out.suite = (struct dp_suite){DP_AES_GCM_16, 256, DP_INTEG_NONE};
	in.keys = out.keys = p.keys;
	in.local = out.local = dpt_ep(OWN_IP, 0);
	in.remote = out.remote = dpt_ep(PEER_IP, 0);
	in.ts_local[0] = in.ts_remote[0] = out.ts_local[0] = out.ts_remote[0] = peer_ts("0.0.0.0/0", 0, 0);

	/* all slots, all SPIs different and above 255, and again after they came back */
	for (unsigned round = 0; round < 3; round++) {
		for (n = 0; n < 20 && dp_spi_alloc(&spi[n]) == 0; n++) {
			assert_true(spi[n] > 255);
			for (unsigned i = 0; i < n; i++)
				assert_int_not_equal(spi[i] & 15, spi[n] & 15);
		}
		assert_int_equal(n, 16);
		assert_int_equal(dp_spi_alloc(&handle), -ENOSPC);
		while (n > 0)
			dp_spi_release(spi[--n]);
		dp_spi_release(spi[0]); /* twice does no harm */
	}
	in.spi = spi[0];
	assert_int_equal(dp_sa_in_install(&in), -EINVAL); /* not reserved */
	assert_int_equal(dp_spi_alloc(&in.spi), 0);
	in.suite.key_bits = 128;
	assert_int_equal(dp_sa_in_install(&in), -EINVAL); /* key too long */
	in.suite.key_bits = 255;
	assert_int_equal(dp_sa_in_install(&in), -ENOTSUP);
	in.suite.key_bits = 256;
	in.n_local = 0;
	assert_int_equal(dp_sa_in_install(&in), -EINVAL); /* selectors */
	in.n_local = 1;
	in.ts_local[0].lo.b[0] = 9;
	in.ts_local[0].hi.b[0] = 8;
	assert_int_equal(dp_sa_in_install(&in), -EINVAL);
	in.ts_local[0] = peer_ts("0.0.0.0/0", 0, 0);
	in.replay_window = 16385;
	assert_int_equal(dp_sa_in_install(&in), -EINVAL);
	in.replay_window = 64;
	in.policy = 31;
	assert_int_equal(dp_sa_in_install(&in), -ENOENT);
	in.policy = out.policy;
	assert_int_equal(dp_sa_in_install(&in), 0);
	assert_int_equal(dp_sa_in_install(&in), -EBUSY);
	assert_int_equal(dp_sa_in_remove(in.spi), 0);
	assert_int_equal(dp_sa_in_remove(in.spi), -ENOENT);

	assert_int_equal(dp_sa_out_install(&out, &handle), -EINVAL); /* SPI below 256 */
	out.spi = 256;
	for (n = 0; n < 20 && dp_sa_out_install(&out, &spi[n]) == 0; n++)
		assert_int_not_equal(spi[n], DP_SA_NONE);
	assert_int_equal(n, 16);
	assert_int_equal(dp_sa_out_install(&out, &handle), -ENOSPC);
	while (n > 0)
		assert_int_equal(dp_sa_out_remove(spi[--n]), 0);
	dpt_run();
	assert_int_equal(dp_sa_out_install(&out, &handle), 0);
	for (n = 0; n < 16; n++)
		assert_int_equal(dp_sa_out_remove(spi[n]), -ENOENT); /* stale handles */
	assert_int_equal(dp_sa_out_remove(handle), 0);
	assert_int_equal(dp_policy_del(in.policy), 0);
	dpt_run();
}

/* Keys are gone when a slot is. */
static void removal_wipes(void **state)
{
	uint32_t policy = peer_policy(tunnel, "0.0.0.0/0", "0.0.0.0/0", 0, 0, 0);
	struct peer p = {.spi_out = 0xabcdef};
	static const uint8_t zero[SA_KEY_BYTES];
	struct sa_out *sa;
	uint64_t seq;

	peer_keys(&p, 3);
	peer_install(&p, policy, NULL);
	seq = peer_gets(&p, 0);
	assert_int_equal(seq, 1);
	sa = sad_out_find(p.sa_out);
	assert_non_null(sa);
	assert_memory_not_equal(sa->key, zero, sizeof(zero));
	peer_remove(&p);
	assert_memory_equal(sa->key, zero, sizeof(zero));
	assert_int_equal(dp_sa_in_stats(p.spi_in, &(struct dp_sa_stats){0}), -ENOENT);
	assert_int_equal(dp_sa_out_stats(p.sa_out, &(struct dp_sa_stats){0}), -ENOENT);
	out_dropped("no-sa"); /* the binding went with it */
	peer_sends(&p, 0, NULL, "esp-unknown-spi");
	assert_int_equal(dp_policy_del(policy), 0);
}

/* Whichever worker gets a packet, the owner of its SA does the work, and nothing is lost or doubled. */
static void other_worker(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	struct peer p[2] = {{.spi_out = 0x1111}, {.spi_out = 0x2222, .cbc = true, .udp = true}};
	struct dp_worker_stats before[2], after[2];
	uint64_t seen[2][101] = {0}, seq;
	uint32_t policy[2];
	size_t n;

	policy[0] = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/24", 0, 0, 0);
	policy[1] = peer_policy(tunnel, "10.1.0.0/16", "10.2.1.0/24", 0, 0, 0);
	for (unsigned i = 0; i < 2; i++) {
		struct dp_sa_stats s, t;

		peer_keys(&p[i], (uint8_t)(20 + i));
		peer_install(&p[i], policy[i], NULL);
		assert_int_equal(dp_sa_in_stats(p[i].spi_in, &s), 0);
		assert_int_equal(dp_sa_out_stats(p[i].sa_out, &t), 0);
		assert_int_equal(s.worker, t.worker);
		assert_int_equal(dp_worker_stats(i, &before[i]), 0);
	}
	for (unsigned i = 0; i < 200; i++)
		dpt_inject_ip(1, (uint16_t)(i / 2 % 2), packet,
			      dpt_echo4(packet, HOST, i % 2 ? "10.2.1.1" : "10.2.0.1", (uint16_t)i, 40));
	dpt_run();
	dpt_expect_drop("", 0);
	for (unsigned i = 0; i < 200; i++) {
		unsigned k;

		n = dpt_take(0, frame, NULL);
		assert_int_not_equal(n, 0);
		k = frame[14 + 9] == IPPROTO_UDP;
		peer_open(&p[k], frame + 14, n - 14, got, &seq);
		assert_in_range(seq, 1, 100);
		assert_int_equal(seen[k][seq]++, 0);
		assert_int_equal((got[26] << 8 | got[27]) % 2, k);
	}
	for (unsigned i = 0; i < 200; i++) {
		n = dpt_echo4(packet, i % 2 ? "10.2.1.1" : "10.2.0.1", HOST, (uint16_t)i, 40);
		n = peer_seal(&p[i % 2], packet, n, NULL, frame);
		dpt_inject_ip(0, (uint16_t)(i / 2 % 2), frame, n);
	}
	dpt_run();
	dpt_expect_drop("", 0);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(dpt_take(1, frame, NULL), 14 + 68);
	dpt_take_none(1);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(dp_worker_stats(i, &after[i]), 0);
		assert_int_equal(after[i].handed_over - before[i].handed_over, 100);
	}
	for (unsigned i = 0; i < 2; i++) {
		peer_remove(&p[i]);
		assert_int_equal(dp_policy_del(policy[i]), 0);
	}
}

/* An SA that is removed while packets for it lie on the owner's ring. */
static void removed_while_handed_over(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	struct peer p = {.spi_out = 0x3333};
	uint32_t policy = peer_policy(tunnel, "0.0.0.0/0", "0.0.0.0/0", 0, 0, 0);
	struct dp_sa_stats s;
	unsigned other;
	size_t n;

	peer_keys(&p, 30);
	peer_install(&p, policy, NULL);
	assert_int_equal(dp_sa_in_stats(p.spi_in, &s), 0);
	other = !s.worker;
	dpt_inject_ip(1, (uint16_t)other, packet, echo(packet, true, 1));
	n = echo(packet, false, 1);
	dpt_inject_ip(0, (uint16_t)other, esp, peer_seal(&p, packet, n, NULL, esp));
	dpt_turn(other);
	assert_int_equal(dp_sa_out_remove(p.sa_out), 0);
	assert_int_equal(dp_sa_in_remove(p.spi_in), 0);
	dp_service(dpt_now);
	dpt_run();
	assert_int_equal(dpt_dropped("no-sa"), 1);
	assert_int_equal(dpt_dropped("esp-unknown-spi"), 1);
	dpt_take_none(0);
	dpt_take_none(1);
	assert_int_equal(dp_policy_del(policy), 0);
	dpt_clear();
}

/* Make before break: the new inbound SA receives before the peer uses it, the old one until the last of
 * its packets has come; outbound changes over between two packets. */
static void rekey(void **state)
{
	struct peer old = {.spi_out = 0x5001}, new = {.spi_out = 0x5002};
	uint32_t policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	struct dp_policy_stats s;

	peer_keys(&old, 40);
	peer_keys(&new, 41);
	peer_install(&old, policy, NULL);
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(peer_gets(&old, 0), i);
		peer_sends(&old, 0, NULL, "");
	}
	peer_install(&new, policy, NULL); /* binds the new outbound SA */
	assert_int_equal(dp_policy_stats(policy, &s), 0);
	assert_int_equal(s.sa_out, new.sa_out);
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(peer_gets(&new, i % 2), i);
		peer_sends(&old, 0, NULL, ""); /* the peer has not changed over yet */
		peer_sends(&new, 1, NULL, "");
	}
	peer_remove(&old);
	assert_int_equal(dp_policy_stats(policy, &s), 0);
	assert_int_equal(s.sa_out, new.sa_out); /* removal unbinds only what is bound */
	assert_int_equal(peer_gets(&new, 0), 6);
	peer_sends(&new, 0, NULL, "");
	peer_sends(&old, 0, NULL, "esp-unknown-spi");
	peer_remove(&new);
	assert_int_equal(dp_policy_del(policy), 0);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static struct dp_limits limits;

static void limit_in(struct dp_sa_in_conf *c)
{
	c->limits = limits;
}

static void limit_out(struct dp_sa_out_conf *c)
{
	c->limits = limits;
}

static void expect_expire(enum dp_expire_kind kind, enum dp_expire_cause cause, bool inbound, uint32_t sa)
{
	assert_int_equal(dpt_seen.n_expire, 1);
	assert_int_equal(dpt_seen.expire.kind, kind);
	assert_int_equal(dpt_seen.expire.cause, cause);
	assert_int_equal(dpt_seen.expire.inbound, inbound);
	assert_int_equal(dpt_seen.expire.sa, sa);
	dpt_seen.n_expire = 0;
}

/* Soft at the third packet, hard behind the fifth; each told once. */
static void run_limits(enum dp_expire_cause cause)
{
	const struct peer_edit edit = {.in = limit_in, .out = limit_out};
	struct peer p = {.spi_out = 0x6001};
	uint32_t policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	struct dp_sa_stats s;

	peer_keys(&p, 50);
	peer_install(&p, policy, &edit);
	dpt_clear();
	for (unsigned i = 1; i <= 5; i++) {
		peer_gets(&p, 0);
		if (i == 3)
			expect_expire(DP_EXPIRE_SOFT, cause, false, p.sa_out);
		peer_sends(&p, 0, NULL, "");
		if (i == 3)
			expect_expire(DP_EXPIRE_SOFT, cause, true, p.spi_in);
	}
	assert_int_equal(dpt_seen.n_expire, 0);
	out_dropped("esp-lifetime-expired");
	expect_expire(DP_EXPIRE_HARD, cause, false, p.sa_out);
	peer_sends(&p, 0, NULL, "esp-lifetime-expired");
	expect_expire(DP_EXPIRE_HARD, cause, true, p.spi_in);
	out_dropped("esp-lifetime-expired");
	peer_sends(&p, 0, NULL, "esp-lifetime-expired");
	assert_int_equal(dpt_seen.n_expire, 0);
	assert_int_equal(dp_sa_out_stats(p.sa_out, &s), 0);
	assert_int_equal(s.packets, 5);
	assert_int_equal(dp_sa_in_stats(p.spi_in, &s), 0);
	assert_int_equal(s.packets, 5);
	peer_remove(&p);
	assert_int_equal(dp_policy_del(policy), 0);
}

static void packet_limits(void **state)
{
	limits = (struct dp_limits){.soft_packets = 3, .hard_packets = 5};
	run_limits(DP_EXPIRE_PACKETS);
}

static void byte_limits(void **state)
{
	limits = (struct dp_limits){.soft_bytes = 3 * 48, .hard_bytes = 5 * 48 + 47};
	run_limits(DP_EXPIRE_BYTES);
}

/* The sequence number stops at its last value; nothing is sent under a number again. */
static void sequence_ends(void **state)
{
	struct peer p = {.spi_out = 0x6002};
	uint32_t policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);

	peer_keys(&p, 51);
	peer_install(&p, policy, NULL);
	dpt_clear();
	sad_out_find(p.sa_out)->seq = UINT64_C(0xbffffffd) - 1;
	assert_int_equal(peer_gets(&p, 0), 0xbffffffd);
	assert_int_equal(dpt_seen.n_expire, 0);
	peer_gets(&p, 0);
	expect_expire(DP_EXPIRE_SOFT, DP_EXPIRE_SEQUENCE, false, p.sa_out);
	sad_out_find(p.sa_out)->seq = UINT32_MAX - 2;
	assert_int_equal(peer_gets(&p, 0), UINT32_MAX - 1);
	assert_int_equal(peer_gets(&p, 0), UINT32_MAX);
	assert_int_equal(dpt_seen.n_expire, 0);
	out_dropped("esp-sequence-exhausted");
	expect_expire(DP_EXPIRE_HARD, DP_EXPIRE_SEQUENCE, false, p.sa_out);
	out_dropped("esp-sequence-exhausted");
	assert_int_equal(dpt_seen.n_expire, 0);
	assert_int_equal(sad_out_find(p.sa_out)->seq, UINT32_MAX);
	peer_remove(&p);
	assert_int_equal(dp_policy_del(policy), 0);
}

/* With ESN 2^32 is no end; 2^64 is. */
static void sequence_goes_on_with_esn(void **state)
{
	struct peer p = {.spi_out = 0x6003, .esn = true};
	uint32_t policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];

	peer_keys(&p, 52);
	peer_install(&p, policy, NULL);
	dpt_clear();
	sad_out_find(p.sa_out)->seq = UINT32_MAX - 1;
	for (unsigned i = 0; i < 3; i++) {
		dpt_inject_ip(1, 0, packet, echo(packet, true, 1));
		dpt_run();
		dpt_expect_drop("", 0);
		dpt_take_one(0, frame);
		assert_int_equal(frame[14 + 20 + 7], (uint8_t)(0xff + i));
	}
	assert_int_equal(dpt_seen.n_expire, 0);
	sad_out_find(p.sa_out)->seq = UINT64_MAX;
	out_dropped("esp-sequence-exhausted");
	expect_expire(DP_EXPIRE_HARD, DP_EXPIRE_SEQUENCE, false, p.sa_out);
	peer_remove(&p);
	assert_int_equal(dp_policy_del(policy), 0);
}

/* ---- peers that move ------------------------------------------------------------------------- */

static void expect_to(const char *ip, uint16_t port)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], sum[20];
	uint32_t want = dpt_ip(ip);

	dpt_inject_ip(1, 0, packet, echo(packet, true, 1));
	dpt_run();
	dpt_expect_drop("", 0);
	dpt_take_one(0, frame);
	assert_memory_equal(frame + 14 + 16, &want, 4);
	assert_int_equal(frame[14 + 22] << 8 | frame[14 + 23], port);
	memcpy(sum, frame + 14, 20);
	dpt_sum4(sum);
	assert_memory_equal(sum, frame + 14, 20);
}

/* RFC 7296 2.23: an authenticated packet from elsewhere is told once a second; traffic follows when
 * control says so. */
static void peer_moves(void **state)
{
	const struct peer_how moved = {.src = "192.0.2.77", .sport = 50001}, port = {.sport = 50001};
	const struct peer_how raw = {.src = "192.0.2.77", .raw = true};
	struct peer p = {.spi_out = 0x7001, .udp = true};
	uint32_t policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	struct endpoint to;

	dpt_neighbour(0, "192.0.2.77", dpt_peer[0]);
	dpt_neighbour(0, "192.0.2.78", dpt_peer[0]);
	peer_keys(&p, 60);
	peer_install(&p, policy, NULL);
	dpt_sleep_ms(2000);
	dpt_clear();
	p.seq = 10;
	peer_sends(&p, 0, NULL, "");
	assert_int_equal(dpt_seen.n_moved, 0);
	p.seq = 3; /* an old packet proves nothing */
	peer_sends(&p, 0, &moved, "");
	assert_int_equal(dpt_seen.n_moved, 0);
	p.seq = 11;
	peer_sends(&p, 0, &raw, ""); /* nor does one without UDP */
	assert_int_equal(dpt_seen.n_moved, 0);
	peer_sends(&p, 0, &moved, "");
	assert_int_equal(dpt_seen.n_moved, 1);
	assert_int_equal(dpt_seen.moved.spi, p.spi_in);
	to = dpt_ep("192.0.2.77", 50001);
	assert_true(endpoint_eq(&dpt_seen.moved.from, &to));
	peer_sends(&p, 0, &moved, ""); /* once a second */
	assert_int_equal(dpt_seen.n_moved, 1);
	dpt_sleep_ms(1250);
	peer_sends(&p, 0, &port, "");
	assert_int_equal(dpt_seen.n_moved, 2);
	expect_to(PEER_IP, 4500); /* nobody said so yet */
	assert_int_equal(dp_sa_move(p.spi_in, p.sa_out, &to), 0);
	expect_to("192.0.2.77", 50001);
	dpt_sleep_ms(1250);
	peer_sends(&p, 0, &moved, "");
	assert_int_equal(dpt_seen.n_moved, 2); /* known now */
	/* several moves within one grace period: the last one counts */
	for (uint16_t i = 0; i < 5; i++) {
		to = dpt_ep(i % 2 ? "192.0.2.77" : "192.0.2.78", (uint16_t)(6000 + i));
		assert_int_equal(dp_sa_move(p.spi_in, p.sa_out, &to), 0);
	}
	dpt_run();
	expect_to("192.0.2.78", 6004);
	/* removed before the grace period of a move is over */
	assert_int_equal(dp_sa_move(p.spi_in, p.sa_out, &to), 0);
	assert_int_equal(dp_sa_move(p.spi_in, p.sa_out, &to), 0);
	peer_remove(&p);
	assert_int_equal(dp_sa_move(p.spi_in, p.sa_out, &to), -ENOENT);
	assert_int_equal(dp_policy_del(policy), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlapping_proxy_ids),
		cmocka_unit_test(equal_proxy_ids),
		cmocka_unit_test(policies_are_checked),
		cmocka_unit_test(sas_are_checked),
		cmocka_unit_test(removal_wipes),
		cmocka_unit_test(other_worker),
		cmocka_unit_test(removed_while_handed_over),
		cmocka_unit_test(rekey),
		cmocka_unit_test(packet_limits),
		cmocka_unit_test(byte_limits),
		cmocka_unit_test(sequence_ends),
		cmocka_unit_test(sequence_goes_on_with_esn),
		cmocka_unit_test(past_the_tunnel),
		cmocka_unit_test(a_way_beside_the_tunnel),
		cmocka_unit_test(peer_moves),
	};

	return cmocka_run_group_tests_name("esp_flow", tests, setup, teardown);
}
