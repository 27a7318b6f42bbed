/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequence numbers: the order of an SA's packets, windows of every size, how far out of order packets come,
 * and where the numbers end.
 */
#include "peer.h"

#include <netinet/in.h>
#include <string.h>

#include "sad.h"

#define HOST "10.1.0.7"

enum { SAS = 6 };

static uint16_t tunnel;
static uint32_t policy[SAS];
static char far[SAS][16]; /* a host behind each SA */
static struct peer peers[SAS];

static int setup(void **state)
{

	tunnel = peer_lab(NULL);
	for (unsigned i = 0; i < SAS; i++) {
		char net[20];

		snprintf(net, sizeof(net), "10.2.%u.0/24", i);
		snprintf(far[i], sizeof(far[i]), "10.2.%u.9", i);
		policy[i] = peer_policy(tunnel, "10.1.0.0/16", net, 0, 0, 0);
		/* Four share the lanes of one suite; of the others each has its own way. */
		peers[i] = (struct peer){
			.spi_out = 0xc0ffee00 + i, .cbc = i < 4, .udp = i & 1, .esn = i == 3};
		peer_keys(&peers[i], (uint8_t)(7 * i + 1));
	}
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < SAS; i++)
		assert_int_equal(dp_policy_del(policy[i]), 0);
	dpt_fini();
	return 0;
}

/* ---- order ----------------------------------------------------------------------------------- */

/* A jumble of SAs and lengths, the same in both directions. */
static unsigned sa_of(unsigned i)
{
	return i * 2654435761u >> 13 & 7 ? (i * 2654435761u >> 20) % SAS : 0;
}

static size_t len_of(unsigned i)
{
	return 1 + (i * 40503u >> 3) % 1300;
}

/* The next packet of an SA behind packet i, or the first: -1. */
static unsigned next_of(unsigned sa, int i)
{
	do
		i++;
	while (sa_of((unsigned)i) != sa);
	return (unsigned)i;
}

/* RFC 4303 wants no order, TCP does: short packets overtake long ones in the lanes, yet what leaves of an SA is in
 * the order in which it came, and numbers are given in that order.  Known flows may overtake new ones. */
static void order_is_kept(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	uint64_t sent[SAS] = {0}, seq;
	int out[SAS], in[SAS];
	size_t n;

	for (unsigned i = 0; i < SAS; i++) {
		peer_install(&peers[i], policy[i], NULL);
		out[i] = in[i] = -1;
	}
	for (unsigned i = 0; i < 320; i++) {
		dpt_inject_ip(1, 0, packet, dpt_echo4(packet, HOST, far[sa_of(i)], (uint16_t)i, len_of(i)));
		if (i % 64 == 63)
			dpt_run();
	}
	dpt_expect_drop("", 0);
	for (unsigned k = 0; k < 320; k++) {
		unsigned sa, i;

		n = dpt_take(0, frame, NULL);
		assert_int_not_equal(n, 0);
		sa = frame[frame[23] == IPPROTO_UDP ? 45 : 37] & 0xf; /* the SPI's last byte */
		assert_in_range(sa, 0, SAS - 1);
		i = next_of(sa, out[sa]);
		assert_int_equal(peer_open(&peers[sa], frame + 14, n - 14, got, &seq), 28 + len_of(i));
		assert_int_equal(got[26] << 8 | got[27], i);
		assert_int_equal(seq, ++sent[sa]);
		out[sa] = (int)i;
	}
	for (unsigned i = 0; i < 320; i++) {
		struct peer *p = &peers[sa_of(i)];

		n = dpt_echo4(packet, far[sa_of(i)], HOST, (uint16_t)i, len_of(i));
		dpt_inject_ip(0, 0, frame, peer_seal(p, packet, n, NULL, frame));
		if (i % 64 == 63)
			dpt_run();
	}
	dpt_expect_drop("", 0);
	for (unsigned k = 0; k < 320; k++) {
		unsigned sa, i;

		n = dpt_take(1, frame, NULL);
		sa = frame[14 + 14]; /* 10.2.SA.9 */
		assert_in_range(sa, 0, SAS - 1);
		i = next_of(sa, in[sa]);
		assert_int_equal(n, 14 + 28 + len_of(i));
		assert_int_equal(frame[14 + 26] << 8 | frame[14 + 27], i);
		in[sa] = (int)i;
	}
	for (unsigned i = 0; i < SAS; i++) {
		struct dp_sa_stats s;

		assert_int_equal(dp_sa_in_stats(peers[i].spi_in, &s), 0);
		assert_int_equal(dp_window_needed(&s), 0);
		peer_remove(&peers[i]);
		peers[i].seq = 0;
	}
}

/* ---- windows --------------------------------------------------------------------------------- */

static uint16_t window;

static void set_window(struct dp_sa_in_conf *c)
{
	c->replay_window = window;
}

/* Packet number `seq` of the peer is there. */
static void sends(struct peer *p, unsigned i, uint64_t seq)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, far[i], HOST, 1, 8);

	p->seq = seq - 1;
	dpt_inject_ip(0, 0, esp, peer_seal(p, packet, len, NULL, esp));
}

/* Packet number `seq` of the peer arrives, or is dropped for `why`. */
static void arrives(struct peer *p, unsigned i, uint64_t seq, const char *why)
{
	uint8_t frame[DPT_FRAME_MAX];

	sends(p, i, seq);
	dpt_run();
	dpt_expect_drop(why, *why ? 1 : 0);
	if (*why)
		dpt_take_none(1);
	else
		dpt_take_one(1, frame);
}

/* Both edges of windows of every size that the configuration knows, ESN on and off. */
static void window_edges(void **state)
{
	struct peer_edit edit = {.in = set_window};

	for (unsigned k = 0; k < 2 * 9; k++) {
		struct peer *p = &peers[k % 2 ? 3 : 4];
		unsigned i = (unsigned)(p - peers);
		uint64_t top = 100000;

		window = (uint16_t)(64 << k / 2);
		peer_install(p, policy[i], &edit);
		arrives(p, i, top, "");
		arrives(p, i, top - window + 1, ""); /* the last of it */
		arrives(p, i, top - window + 1, "esp-replay");
		arrives(p, i, top - window, p->esn ? "esp-auth-failed" : "esp-replay"); /* one too many */
		arrives(p, i, top + 1, "");
		arrives(p, i, top - window + 1, p->esn ? "esp-auth-failed" : "esp-replay"); /* moved on */
		arrives(p, i, top - window + 2, "");
		arrives(p, i, top + 3 * (uint64_t)window, ""); /* all that was known is out of it */
		arrives(p, i, top + 2 * (uint64_t)window + 1, "");
		peer_remove(p);
	}
}

/* A forgery far ahead must not move the window: what is under way would fall out of it. */
static void forgery_moves_nothing(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	unsigned who[] = {0, 3, 4}; /* CBC with HMAC, the same with ESN, GCM */

	for (unsigned k = 0; k < 3; k++) {
		struct peer *p = &peers[who[k]];
		size_t len = dpt_echo4(packet, far[who[k]], HOST, 1, 8), n;
		struct dp_sa_stats s;

		peer_install(p, policy[who[k]], NULL);
		arrives(p, who[k], 1000, "");
		p->seq = 0x7ffffff0;
		n = peer_seal(p, packet, len, NULL, esp);
		esp[n - 1] ^= 1;
		dpt_inject_ip(0, 0, esp, n);
		dpt_run();
		dpt_expect_drop("esp-auth-failed", 1);
		assert_int_equal(dp_sa_in_stats(p->spi_in, &s), 0);
		assert_int_equal(s.seq, 1000);
		arrives(p, who[k], 999, "");
		arrives(p, who[k], 1000 - 63, "");
		arrives(p, who[k], 1001, "");
		peer_remove(p);
	}
}

/* ---- how far out of order -------------------------------------------------------------------- */

static void expect_late(const struct peer *p, unsigned bucket, uint64_t late, uint64_t left, uint32_t needed)
{
	struct dp_sa_stats s;

	assert_int_equal(dp_sa_in_stats(p->spi_in, &s), 0);
	assert_int_equal(s.late[bucket], late);
	assert_int_equal(s.left[bucket], left);
	assert_int_equal(dp_window_needed(&s), needed);
}

static void lateness_is_counted(void **state)
{
	struct peer_edit edit = {.in = set_window};

	for (unsigned i = 3; i < 5; i++) { /* with ESN and without */
		struct peer *p = &peers[i];

		window = 256;
		peer_install(p, policy[i], &edit);
		arrives(p, i, 5000, "");
		expect_late(p, 0, 0, 0, 0);
		arrives(p, i, 4999, "");
		expect_late(p, 0, 1, 0, 2); /* one behind: a window of two has it */
		arrives(p, i, 4998, "");
		arrives(p, i, 4997, "");
		expect_late(p, 1, 2, 0, 4);
		arrives(p, i, 4997, "esp-replay"); /* a duplicate says nothing of order */
		expect_late(p, 1, 2, 0, 4);
		arrives(p, i, 5000 - 255, "");
		expect_late(p, 7, 1, 0, 256);
		arrives(p, i, 5000 - 256, p->esn ? "esp-auth-failed" : "esp-replay");
		expect_late(p, 8, 0, 1, 512);
		arrives(p, i, 5000 - 4500, p->esn ? "esp-auth-failed" : "esp-replay");
		expect_late(p, 12, 0, 1, 8192);
		arrives(p, i, 2000000, "");
		arrives(p, i, 1, p->esn ? "esp-auth-failed" : "esp-replay"); /* beyond the last border */
		expect_late(p, DP_LATE_BUCKETS - 1, 0, 1, UINT32_C(1) << DP_LATE_BUCKETS);
		peer_remove(p);
	}
	window = 0; /* all are taken, and counted none the less */
	peer_install(&peers[4], policy[4], &edit);
	arrives(&peers[4], 4, 5000, "");
	arrives(&peers[4], 4, 5000, "");
	expect_late(&peers[4], 0, 0, 0, 0);
	arrives(&peers[4], 4, 1000, "");
	expect_late(&peers[4], 11, 1, 0, 4096);
	peer_remove(&peers[4]);
}

/* A packet that one of its own burst has left behind is as late as others. */
static void late_within_a_burst(void **state)
{
	struct peer_edit edit = {.in = set_window};

	window = 64;
	for (unsigned i = 3; i < 5; i++) { /* with ESN and without */
		struct peer *p = &peers[i];

		peer_install(p, policy[i], &edit);
		arrives(p, i, 5000, "");
		sends(p, i, 5200);
		sends(p, i, 4999);
		sends(p, i, 5200); /* a duplicate is not late */
		dpt_run();
		dpt_expect_drop("esp-replay", 2);
		expect_late(p, 7, 0, 1, 256);
		dpt_clear();
		peer_remove(p);
	}
}

/* A forgery with ESN is no late packet: what is nearer ahead than behind is not counted as left. */
static void forgeries_ahead_are_not_late(void **state)
{
	struct dp_sa_stats s;
	struct peer *p = &peers[3];

	peer_install(p, policy[3], NULL);
	arrives(p, 3, 5000, "");
	p->keys.integ[0] ^= 1;
	arrives(p, 3, 6000, "esp-auth-failed");
	p->keys.integ[0] ^= 1;
	assert_int_equal(dp_sa_in_stats(p->spi_in, &s), 0);
	assert_int_equal(dp_window_needed(&s), 0);
	peer_remove(p);
}

/* ---- the end of the numbers ------------------------------------------------------------------ */

/* Inbound, the last number without ESN is taken, and nothing after it: zero is never one. */
static void last_inbound_number(void **state)
{
	struct peer *p = &peers[4];

	peer_install(p, policy[4], NULL);
	arrives(p, 4, UINT32_MAX, "");
	arrives(p, 4, UINT32_MAX, "esp-replay");
	arrives(p, 4, UINT64_C(1) << 32, "esp-replay");
	arrives(p, 4, (UINT64_C(1) << 32) + 1, "esp-replay");
	peer_remove(p);
}

/* With ESN there are 2^64 numbers: told of at three quarters, once, and the last is the last. */
static void esn_ends(void **state)
{
	const uint64_t soft = UINT64_MAX / 4 * 3;
	struct peer *p = &peers[3];
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	const uint64_t from[] = {soft - 1, soft, UINT64_MAX - 1, UINT64_MAX};
	uint64_t seq;
	size_t n;

	peer_install(p, policy[3], NULL);
	for (unsigned i = 0; i < 4; i++) {
		dpt_clear();
		sad_out_find(p->sa_out)->seq = from[i];
		dpt_inject_ip(1, 0, packet, dpt_echo4(packet, HOST, far[3], 1, 8));
		dpt_run();
		if (i == 3) {
			dpt_expect_drop("esp-sequence-exhausted", 1);
			dpt_take_none(0);
			assert_int_equal(dpt_seen.n_expire, 1);
			assert_int_equal(dpt_seen.expire.kind, DP_EXPIRE_HARD);
			assert_true(sad_out_find(p->sa_out)->seq == UINT64_MAX);
			break;
		}
		n = dpt_take_one(0, frame);
		p->high = (uint32_t)((from[i] + 1) >> 32);
		assert_int_equal(peer_open(p, frame + 14, n - 14, got, &seq), 36);
		assert_true(seq == from[i] + 1);
		assert_int_equal(dpt_seen.n_expire, i == 1);
		if (i == 1) {
			assert_int_equal(dpt_seen.expire.kind, DP_EXPIRE_SOFT);
			assert_int_equal(dpt_seen.expire.cause, DP_EXPIRE_SEQUENCE);
		}
	}
	peer_remove(p);
	p->high = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_kept),         cmocka_unit_test(window_edges),
		cmocka_unit_test(forgery_moves_nothing), cmocka_unit_test(lateness_is_counted),
		cmocka_unit_test(late_within_a_burst),   cmocka_unit_test(forgeries_ahead_are_not_late),
		cmocka_unit_test(last_inbound_number),   cmocka_unit_test(esn_ends),
	};

	return cmocka_run_group_tests_name("esp_seq", tests, setup, teardown);
}
