/* SPDX-License-Identifier: Apache-2.0 */
/* TFC padding that we send, and captures. */
#include "peer.h"

#include <errno.h>
#include <string.h>

#include "dp.h"

#define HOST "10.1.0.7"
#define FAR  "10.2.0.9"

static uint16_t tunnel, pad_to;
static uint32_t policy, other_policy;
static struct peer gcm = {.spi_out = 0xc0ffee01}, cbc = {.cbc = true, .udp = true, .spi_out = 0xc0ffee02};

static int setup(void **state)
{

	tunnel = peer_lab(NULL);
	policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/24", 0, 0, 0);
	other_policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.1.0/24", 0, 0, 0);
	peer_keys(&gcm, 1);
	peer_keys(&cbc, 2);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(dp_policy_del(policy), 0);
	assert_int_equal(dp_policy_del(other_policy), 0);
	dpt_fini();
	return 0;
}

/* ---- TFC padding ----------------------------------------------------------------------------- */

static void set_tfc(struct dp_sa_out_conf *c)
{
	c->tfc_pad_to = pad_to;
}

/* A packet with len bytes of data goes out with its text, without padding, `want` bytes long: itself, and
 * zeros behind it. */
static void pads(const struct peer *p, size_t data, size_t want)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, HOST, FAR, 1, data), n;
	uint64_t seq;

	dpt_inject_ip(1, 0, packet, len);
	dpt_run();
	dpt_expect_drop("", 0);
	n = dpt_take_one(0, frame);
	assert_in_range(n, 0, 14 + 1500);
	assert_int_equal(peer_open(p, frame + 14, n - 14, got, &seq), want);
	assert_int_equal(got[2] << 8 | got[3], len);
	packet[8]--;
	dpt_sum4(packet);
	assert_memory_equal(got, packet, len);
	for (size_t i = len; i < want; i++)
		assert_int_equal(got[i], 0);
}

/* RFC 4303 2.7 */
static void tfc_padding(void **state)
{
	const struct peer_edit edit = {.out = set_tfc};
	struct peer *peers[] = {&gcm, &cbc};

	for (unsigned i = 0; i < 2; i++) {
		struct dp_sa_stats s;
		size_t max;

		pad_to = 500;
		peer_install(peers[i], policy, &edit);
		max = dp_sa_out_mtu(peers[i]->sa_out);
		pads(peers[i], 0, 500);
		pads(peers[i], 471, 500);
		pads(peers[i], 472, 500);
		pads(peers[i], 473, 501);
		pads(peers[i], max - 28, max);
		assert_int_equal(dp_sa_out_stats(peers[i]->sa_out, &s), 0);
		assert_int_equal(s.bytes, 28 + 499 + 500 + 501 + max); /* padding is no traffic */
		peer_remove(peers[i]);
		pad_to = DP_TFC_MTU;
		peer_install(peers[i], policy, &edit);
		pads(peers[i], 0, max);
		pads(peers[i], 1000, max);
		pads(peers[i], max - 28, max);
		peer_remove(peers[i]);
	}
}

/* ---- capture --------------------------------------------------------------------------------- */

enum { SEEN_MAX = 64 };
static struct seen {
	struct dp_captured p;
	uint8_t data[DPT_FRAME_MAX];
} seen[SEEN_MAX];
static unsigned n_seen, stop_at;

static void on_captured(void *ctx, const struct dp_captured *p)
{
	assert_in_range(n_seen, 0, SEEN_MAX - 1);
	seen[n_seen].p = *p;
	memcpy(seen[n_seen].data, p->data, p->kept);
	if (++n_seen == stop_at)
		dp_capture_stop();
}

static size_t send_out(const char *to, uint16_t n, uint8_t *frame)
{
	uint8_t packet[DPT_FRAME_MAX];

	dpt_inject_ip(1, 0, packet, dpt_echo4(packet, HOST, to, n, 50));
	dpt_run();
	return dpt_take_one(0, frame);
}

static size_t send_in(struct peer *p, const char *from, uint16_t n, uint8_t *esp)
{
	uint8_t packet[DPT_FRAME_MAX];
	size_t len = peer_seal(p, packet, dpt_echo4(packet, from, HOST, n, 50), NULL, esp);

	dpt_inject_ip(0, 0, esp, len);
	dpt_run();
	return len;
}

/* ---- dummy packets --------------------------------------------------------------------------- */

/* RFC 4303 2.6: next header 59, any length that fits, numbers in one row with those of real packets. */
static void dummies_are_empty_esp(void **state)
{
	struct peer *peers[] = {&gcm, &cbc};

	for (unsigned i = 0; i < 2; i++) {
		uint8_t frame[DPT_FRAME_MAX], inner[DPT_FRAME_MAX];
		size_t n, least = SIZE_MAX, most = 0;
		struct dp_sa_stats s;
		uint64_t seq;

		peer_install(peers[i], policy, NULL);
		peers[i]->next = 59;
		for (unsigned k = 1; k <= 100; k++) {
			assert_int_equal(dp_dummy_send(peers[i]->sa_out), 0);
			dpt_run();
			n = dpt_take_one(0, frame);
			n = peer_open(peers[i], frame + 14, n - 14, inner, &seq);
			assert_int_equal(seq, k);
			least = RTE_MIN(least, n);
			most = RTE_MAX(most, n);
		}
		peers[i]->next = 0;
		assert_in_range(least, 40, 200);
		assert_in_range(most, 1200, dp_sa_out_mtu(peers[i]->sa_out));
		assert_int_equal(dp_sa_out_stats(peers[i]->sa_out, &s), 0);
		assert_int_equal(s.packets, 100);
		assert_int_equal(s.bytes, 0);
		assert_int_equal(s.last_used_ns, 0);
		send_out(FAR, 1, frame);
		dpt_expect_drop("", 0);
		/* One that is on its way when the SA goes does not go by another. */
		assert_int_equal(dp_dummy_send(peers[i]->sa_out), 0);
		peer_remove(peers[i]);
		dpt_run();
		dpt_expect_drop("no-sa", 1);
		assert_int_equal(dp_dummy_send(peers[i]->sa_out), -ESTALE);
	}
}

/* ---- what a capture sees ------------------------------------------------------------------------ */

static void expect_seen(unsigned i, enum dp_capture_side side, bool inbound, uint32_t spi, size_t len)
{
	assert_int_equal(seen[i].p.side, side);
	assert_int_equal(seen[i].p.inbound, inbound);
	assert_int_equal(seen[i].p.policy, policy);
	assert_int_equal(seen[i].p.spi, spi);
	assert_int_equal(seen[i].p.len, len);
	assert_int_equal(seen[i].p.kept, len);
	assert_int_equal(seen[i].data[0], 0x45);
	assert_int_equal(seen[i].data[2] << 8 | seen[i].data[3], len);
	assert_true(i == 0 || seen[i].p.after_ns >= seen[i - 1].p.after_ns);
}

static void both_sides_are_captured(void **state)
{
	uint8_t frame[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	size_t out_len, in_len;

	dp.handlers.captured = on_captured;
	peer_install(&gcm, policy, NULL);
	peer_install(&cbc, other_policy, NULL);
	send_out(FAR, 0, frame);
	assert_int_equal(n_seen, 0); /* off */
	assert_int_equal(dp_capture_start(&policy, 1, 0), -EINVAL);
	assert_int_equal(dp_capture_start(&policy, 1, DP_CAPTURE_INNER | DP_CAPTURE_OUTER), 0);
	assert_int_equal(dp_capture_start(&policy, 1, DP_CAPTURE_INNER), -EBUSY);
	out_len = send_out(FAR, 1, frame) - 14;
	expect_seen(0, DP_CAPTURE_INNER, false, gcm.spi_out, 78);
	expect_seen(1, DP_CAPTURE_OUTER, false, gcm.spi_out, out_len);
	assert_memory_equal(seen[1].data, frame + 14, out_len);
	in_len = send_in(&gcm, FAR, 2, esp);
	dpt_take_one(1, frame);
	expect_seen(2, DP_CAPTURE_OUTER, true, gcm.spi_in, in_len);
	assert_memory_equal(seen[2].data, esp, in_len);
	expect_seen(3, DP_CAPTURE_INNER, true, gcm.spi_in, 78);
	send_out("10.2.1.9", 3, frame); /* the other proxy-ID */
	send_in(&cbc, "10.2.1.9", 3, esp);
	dpt_take_one(1, frame);
	assert_int_equal(n_seen, 4);
	esp[in_len - 1] ^= 1;
	gcm.keys.encr[0] ^= 1; /* what is refused is seen outside only */
	send_in(&gcm, FAR, 4, esp);
	gcm.keys.encr[0] ^= 1;
	dpt_expect_drop("esp-auth-failed", 1);
	assert_int_equal(n_seen, 5);
	expect_seen(4, DP_CAPTURE_OUTER, true, gcm.spi_in, in_len);
	dp_capture_stop();
	send_out(FAR, 5, frame);
	assert_int_equal(n_seen, 5);
	assert_int_equal(dp_capture_lost(), 0);
	n_seen = 0;
}

/* One side only, ended by the handler; a proxy-ID that goes takes no one else's packets along. */
static void ends_and_sides(void **state)
{
	uint8_t frame[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	const uint32_t both[] = {policy, other_policy};

	assert_int_equal(dp_capture_start(both, 2, DP_CAPTURE_INNER), 0);
	stop_at = 3;
	for (uint16_t i = 0; i < 5; i++)
		send_out(i & 1 ? "10.2.1.9" : FAR, i, frame);
	assert_int_equal(n_seen, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(seen[i].p.side, DP_CAPTURE_INNER);
		assert_int_equal(seen[i].p.policy, both[i & 1]);
		assert_int_equal(seen[i].data[26] << 8 | seen[i].data[27], i);
	}
	n_seen = stop_at = 0;
	assert_int_equal(dp_capture_start(both, 2, DP_CAPTURE_OUTER), 0);
	send_in(&gcm, FAR, 1, esp);
	dpt_take_one(1, frame);
	assert_int_equal(n_seen, 1);
	assert_int_equal(seen[0].p.side, DP_CAPTURE_OUTER);
	peer_remove(&cbc);
	assert_int_equal(dp_policy_del(other_policy), 0);
	dpt_run();
	other_policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.1.0/24", 0, 0, 0);
	peer_install(&cbc, other_policy, NULL);
	send_out("10.2.1.9", 2, frame);
	assert_int_equal(n_seen, 1);
	dp_capture_stop();
	n_seen = 0;
	peer_remove(&gcm);
	peer_remove(&cbc);
}

/* Control is late: the ring is bounded, what does not fit is counted, and traffic goes on. */
static void a_full_ring_loses(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, HOST, FAR, 1, 50);
	unsigned sent = 0;

	dp.handlers.captured = NULL;
	peer_install(&gcm, policy, NULL);
	assert_int_equal(dp_capture_start(&policy, 1, DP_CAPTURE_INNER | DP_CAPTURE_OUTER), 0);
	while (dp_capture_lost() < 10 && sent < 10000) {
		dpt_inject_ip(1, 0, packet, len);
		dpt_turn(0);
		assert_int_not_equal(dpt_take(0, frame, NULL), 0);
		sent++;
	}
	assert_in_range(sent, 100, 9999);
	assert_int_equal(dp_capture_lost(), 10);
	dp_service(dpt_now);
	dpt_inject_ip(1, 0, packet, len);
	dpt_turn(0);
	assert_int_equal(dp_capture_lost(), 10); /* room again */
	dp_capture_stop();
	assert_int_equal(dp_capture_lost(), 10);
	dpt_clear();
	peer_remove(&gcm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tfc_padding),           cmocka_unit_test(both_sides_are_captured),
		cmocka_unit_test(ends_and_sides),        cmocka_unit_test(a_full_ring_loses),
		cmocka_unit_test(dummies_are_empty_esp),
	};

	return cmocka_run_group_tests_name("esp_extras", tests, setup, teardown);
}
