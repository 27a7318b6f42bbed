/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker runs on its own thread and never stops for control: SAs are installed, changed over, moved and
 * removed, proxy-IDs come and go, while packets flow.  Every packet must come out right or be counted
 * under a reason that fits; a rekey loses none.
 */
#include "peer.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "dp.h"

#define HOST "10.1.0.7"
#define FAR  "10.2.0.9"
enum { BATCH = 16, ROUNDS = 600 };

static uint16_t tunnel;
static uint32_t policy;
static struct endpoint moves[2];

static int setup(void **state)
{
	const struct dpt_conf c = {.max_sas = 256, .max_policies = 64};

	tunnel = peer_lab(&c);
	dpt_neighbour(0, "192.0.2.3", dpt_peer[0]);
	policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	moves[0] = dpt_ep(PEER_IP, 0);
	moves[1] = dpt_ep("192.0.2.3", 0);
	rte_eal_remote_launch(worker_main, dp.worker[0], dp.worker[0]->lcore);
	return 0;
}

static int teardown(void **state)
{
	atomic_store(&dp.worker[0]->stop, true);
	rte_eal_mp_wait_lcore();
	assert_int_equal(dp_policy_del(policy), 0);
	dpt_fini();
	return 0;
}

/* Serve control for a moment, which lets grace periods end. */
static void breathe(void)
{
	dp_service(dpt_now += 1000);
	rte_delay_us_block(20);
}

static size_t take(unsigned port, uint8_t *frame)
{
	uint64_t until = rte_rdtsc() + rte_get_tsc_hz() * 5;
	size_t n;

	while ((n = dpt_take(port, frame, NULL)) == 0 && rte_rdtsc() < until)
		breathe();
	return n;
}

static void put_out(unsigned n)
{
	uint8_t packet[DPT_FRAME_MAX];

	for (unsigned i = 0; i < n; i++)
		dpt_inject_ip(1, 0, packet, dpt_echo4(packet, HOST, FAR, (uint16_t)i, 64));
}

/* A hundred generations of an SA pair; the peer answers on the newest and on the one before. */
static void rekey_loses_nothing(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	struct peer gen[2] = {{.spi_out = 0x100000}, {.spi_out = 0x100001}};
	uint64_t seq;
	size_t n;

	peer_keys(&gen[0], 0);
	peer_install(&gen[0], policy, NULL);
	for (unsigned g = 1; g <= 100; g++) {
		struct peer *old = &gen[(g - 1) % 2], *new = &gen[g % 2];
		unsigned by_old = 0, by_new = 0;

		put_out(BATCH);
		*new = (struct peer){.spi_out = 0x100000 + g, .cbc = g % 3 == 0, .udp = g % 2};
		peer_keys(new, (uint8_t)g);
		peer_install(new, policy, NULL);
		put_out(BATCH);
		for (unsigned i = 0; i < 2 * BATCH; i++) {
			const struct peer *p;
			uint32_t spi;

			n = take(0, frame);
			assert_int_not_equal(n, 0);
			memcpy(&spi, frame + 14 + (frame[14 + 9] == 17 ? 28 : 20), 4);
			spi = __builtin_bswap32(spi);
			p = spi == old->spi_out ? old : new;
			peer_open(p, frame + 14, n - 14, got, &seq);
			*(p == old ? &by_old : &by_new) += 1;
			assert_true(p == new || by_new == 0); /* it changes over once */
		}
		assert_true(by_new >= BATCH);
		for (unsigned i = 0; i < BATCH; i++) {
			n = dpt_echo4(packet, FAR, HOST, (uint16_t)i, 64);
			n = peer_seal(i % 2 ? old : new, packet, n, NULL, frame);
			dpt_inject_ip(0, 0, frame, n);
		}
		for (unsigned i = 0; i < BATCH; i++)
			assert_int_not_equal(take(1, frame), 0);
		assert_int_equal(dp_sa_out_remove(old->sa_out), 0);
		assert_int_equal(dp_sa_in_remove(old->spi_in), 0);
		breathe();
	}
	dpt_expect_drop("", 0);
	assert_int_equal(dp_sa_out_remove(gen[0].sa_out), 0);
	assert_int_equal(dp_sa_in_remove(gen[0].spi_in), 0);
}

static uint64_t drops_so_far(void)
{
	struct dp_drop d;
	uint64_t sum = 0;

	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		sum += d.packets;
	return sum;
}

/* Count what comes out until at most `left` of the packets sent are unaccounted for. */
static void drain(uint64_t sent, uint64_t *came, uint64_t drops_before, uint64_t left)
{
	uint64_t until = rte_rdtsc() + rte_get_tsc_hz() * 10;
	uint8_t frame[DPT_FRAME_MAX];

	do {
		breathe();
		while (dpt_take(0, frame, NULL) > 0 || dpt_take(1, frame, NULL) > 0)
			++*came;
	} while (*came + drops_so_far() - drops_before + left < sent && rte_rdtsc() < until);
}

/* Everything at once, in random order, under traffic both ways. */
static void changes_under_traffic(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	uint64_t sent = 0, came = 0, drops, dropped;
	struct peer p = {.spi_out = 0x200000};
	uint32_t extra = 0;
	bool have = false, have_extra = false;
	size_t n;

	srandom(11);
	dpt_mark();
	drops = drops_so_far();
	for (unsigned r = 0; r < ROUNDS; r++) {
		put_out(BATCH);
		for (unsigned i = 0; have && i < BATCH; i++) {
			n = peer_seal(&p, packet, dpt_echo4(packet, FAR, HOST, 1, 64), NULL, frame);
			dpt_inject_ip(0, 0, frame, n);
			sent++;
		}
		sent += BATCH;
		switch (random() % 4) {
		case 0:
			if (have) {
				assert_int_equal(dp_sa_in_remove(p.spi_in), 0);
				assert_int_equal(dp_sa_out_remove(p.sa_out), 0);
			} else {
				p = (struct peer){.spi_out = 0x200000 + r, .cbc = random() % 2};
				peer_keys(&p, (uint8_t)r);
				peer_install(&p, policy, NULL);
			}
			have = !have;
			break;
		case 1: /* a more specific proxy-ID without SA takes the packets */
			if (have_extra)
				assert_int_equal(dp_policy_del(extra), 0);
			else
				extra = peer_policy(tunnel, "10.1.0.0/24", "10.2.0.0/24", 0, 0, 0);
			have_extra = !have_extra;
			break;
		case 2:
			if (have)
				assert_int_equal(dp_sa_move(p.spi_in, p.sa_out, &moves[random() % 2]), 0);
			break;
		default: assert_int_equal(dp_policy_bind(policy, have ? p.sa_out : DP_SA_NONE), 0); break;
		}
		drain(sent, &came, drops, 256);
	}
	drain(sent, &came, drops, 0);
	dropped = drops_so_far() - drops;
	assert_int_equal(came + dropped, sent);
	assert_int_equal(dpt_dropped("no-sa") + dpt_dropped("esp-unknown-spi"), dropped);
	assert_true(came > sent / 20); /* it did flow */
	if (have) {
		assert_int_equal(dp_sa_in_remove(p.spi_in), 0);
		assert_int_equal(dp_sa_out_remove(p.sa_out), 0);
	}
	if (have_extra)
		assert_int_equal(dp_policy_del(extra), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rekey_loses_nothing),
		cmocka_unit_test(changes_under_traffic),
	};

	return cmocka_run_group_tests_name("esp_live", tests, setup, teardown);
}
