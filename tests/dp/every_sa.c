/* SPDX-License-Identifier: Apache-2.0 */
#include "every_sa.h"

#include <string.h>

#include <rte_mbuf.h>

#include "dp.h"
#include "sad.h"
#include "suite.h"

enum { NARROW = 4 }; /* this one's selectors are less than its policy */

static const struct {
	struct dp_suite suite;
	bool esn, udp;
	uint16_t window;
} kinds[EVERY_SA] = {
	{{DP_AES_GCM_16, 256, DP_INTEG_NONE}, false, false, 64},
	{{DP_AES_GCM_16, 256, DP_INTEG_NONE}, true, false, 1024},
	{{DP_AES_GCM_16, 128, DP_INTEG_NONE}, false, true, 128},
	{{DP_AES_GCM_12, 192, DP_INTEG_NONE}, true, true, 32},
	{{DP_AES_GCM_8, 128, DP_INTEG_NONE}, false, false, 64},
	{{DP_AES_GMAC, 128, DP_INTEG_NONE}, false, false, 64},
	{{DP_AES_GMAC, 256, DP_INTEG_NONE}, true, true, 64},
	{{DP_AES_CBC, 128, DP_HMAC_SHA256_128}, false, false, 64},
	{{DP_AES_CBC, 256, DP_HMAC_SHA1_96}, true, true, 128},
	{{DP_AES_CTR, 128, DP_HMAC_SHA384_192}, true, false, 64},
	{{DP_ENCR_NULL, 0, DP_HMAC_SHA512_256}, false, true, 64},
	{{DP_ENCR_NULL, 0, DP_HMAC_SHA1_96}, true, false, 0},
	{{DP_CHACHA20_POLY1305, 0, DP_INTEG_NONE}, false, false, 64},
	{{DP_CHACHA20_POLY1305, 0, DP_INTEG_NONE}, true, true, 64},
};

struct every_sa every_sa[EVERY_SA];
static struct {
	const struct suite *suite;
	struct dp_keys keys; /* of both directions */
	struct sa_out seals;
	struct sa_in opens;
} half[EVERY_SA];

static void make_keys(unsigned i)
{
	const struct suite *s = suite_find(&kinds[i].suite);
	struct dp_keys *k = &half[i].keys;

	half[i].suite = s;
	*k = (struct dp_keys){.encr_len = s->key_len, .salt_len = s->salt_len, .integ_len = s->integ_key_len};
	memset(k->encr, (int)i + 1, sizeof(k->encr));
	memset(k->salt, (int)i + 0x70, s->salt_len);
	memset(k->integ, (int)i + 0x30, s->integ_key_len);
	assert_int_equal(s->expand(s, dp.mb, k, half[i].seals.key), 0);
	assert_int_equal(s->expand(s, dp.mb, k, half[i].opens.key), 0);
	memcpy(&half[i].seals.salt, k->salt, sizeof(half[i].seals.salt));
	half[i].opens.salt = half[i].seals.salt;
	half[i].seals.flags = half[i].opens.flags = kinds[i].esn ? SA_ESN : 0;
}

void every_sa_policies(uint16_t tunnel_if)
{
	static const uint16_t mss[] = {DP_MSS_FIT, DP_MSS_FIT, DP_MSS_OFF, 900};

	for (unsigned i = 0; i < EVERY_SA; i++) {
		const struct dp_policy_options how = {.df = (enum dp_df)(i % 3),
						      .dscp_fixed = i % 5 == 1,
						      .dscp = 46,
						      .mss = mss[i % RTE_DIM(mss)]};
		char net[20];

		snprintf(net, sizeof(net), "10.2.%u.0/24", i);
		every_sa[i].policy = peer_policy(tunnel_if, "10.1.0.0/16", net, 0, 0, 0);
		assert_int_equal(dp_policy_options(every_sa[i].policy, &how), 0);
		make_keys(i);
	}
}

/* The prefix net/len, or its halves. */
static void ranges(const char *net, const char *middle, unsigned len, bool halved, struct ts *ts, uint8_t *n)
{
	char text[24];

	snprintf(text, sizeof(text), "%s/%u", net, len + halved);
	ts[0] = peer_ts(text, 0, 0);
	snprintf(text, sizeof(text), "%s/%u", middle, len + 1);
	ts[1] = peer_ts(text, 0, 0);
	*n = halved ? 2 : 1;
}

static void install(unsigned i, bool halved)
{
	const uint16_t port = kinds[i].udp ? 4500 : 0;
	struct dp_sa_in_conf in = {.policy = every_sa[i].policy,
				   .suite = kinds[i].suite,
				   .keys = half[i].keys,
				   .esn = kinds[i].esn,
				   .replay_window = kinds[i].window,
				   .local = dpt_ep(OWN_IP, port),
				   .remote = dpt_ep(PEER_IP, port),
				   .udp_encap = kinds[i].udp};
	struct dp_sa_out_conf out = {.spi = EVERY_SA_SPI + i,
				     .policy = in.policy,
				     .suite = in.suite,
				     .keys = in.keys,
				     .esn = in.esn,
				     .local = in.local,
				     .remote = in.remote,
				     .udp_encap = in.udp_encap};
	char net[20], middle[20];

	snprintf(net, sizeof(net), "10.2.%u.0", i);
	snprintf(middle, sizeof(middle), "10.2.%u.%u", i, i == NARROW ? 64u : 128u);
	ranges(net, middle, i == NARROW ? 25 : 24, halved, in.ts_remote, &in.n_remote);
	ranges("10.1.0.0", "10.1.128.0", 16, halved, in.ts_local, &in.n_local);
	out.n_local = in.n_local;
	out.n_remote = in.n_remote;
	memcpy(out.ts_local, in.ts_local, sizeof(out.ts_local));
	memcpy(out.ts_remote, in.ts_remote, sizeof(out.ts_remote));
	assert_int_equal(dp_spi_alloc(&in.spi), 0);
	assert_int_equal(dp_sa_in_install(&in), 0);
	assert_int_equal(dp_sa_out_install(&out, &every_sa[i].out), 0);
	assert_int_equal(dp_policy_bind(in.policy, every_sa[i].out), 0);
	every_sa[i].spi = in.spi;
	every_sa[i].seq = kinds[i].esn ? UINT32_MAX - 50u : 0;
	sad_in_find(in.spi)->seq_top = every_sa[i].seq;
	sad_out_find(every_sa[i].out)->seq = every_sa[i].seq;
}

void every_sa_install(bool halved)
{
	for (unsigned i = 0; i < EVERY_SA; i++)
		install(i, halved);
	dpt_run();
}

void every_sa_remove(void)
{
	for (unsigned i = 0; i < EVERY_SA; i++) {
		assert_int_equal(dp_sa_out_remove(every_sa[i].out), 0);
		assert_int_equal(dp_sa_in_remove(every_sa[i].spi), 0);
	}
	dpt_run();
}

bool every_sa_udp(unsigned i)
{
	return kinds[i].udp;
}

size_t every_sa_block(unsigned i)
{
	return half[i].suite->block;
}

size_t every_sa_front(unsigned i)
{
	return (size_t)ESP_HDR + half[i].suite->iv_len;
}

size_t every_sa_seal(unsigned i, uint64_t seq, uint8_t *b, size_t off, size_t len)
{
	const struct suite *s = half[i].suite;
	const uint32_t esp[2] = {rte_cpu_to_be_32(every_sa[i].spi), rte_cpu_to_be_32((uint32_t)seq)};
	struct rte_mbuf m = {.buf_addr = b};
	struct pkt p = {.m = &m,
			.sa_out = &half[i].seals,
			.l3_off = (uint16_t)off,
			.esp_off = (uint16_t)off,
			.text_len = (uint16_t)len,
			.ip_len = (uint16_t)(ESP_HDR + s->iv_len + len + s->icv_len),
			.seq = seq},
		   *list = &p;

	memcpy(b + off, esp, sizeof(esp));
	assert_true(s->seal(dp.worker[0], s, &list, 1));
	return p.ip_len;
}

uint8_t *every_sa_open(unsigned i, uint8_t *b, size_t off, size_t len, size_t *n)
{
	const struct suite *s = half[i].suite;
	struct rte_mbuf m = {.buf_addr = b};
	struct pkt p = {.m = &m,
			.sa_in = &half[i].opens,
			.esp_off = (uint16_t)off,
			.ip_len = (uint16_t)len,
			.spi = EVERY_SA_SPI + i},
		   *list = &p;
	uint32_t low;

	memcpy(&low, b + off + 4, sizeof(low));
	low = rte_be_to_cpu_32(low);
	p.seq = kinds[i].esn && low < UINT32_MAX / 2 ? UINT64_C(1) << 32 | low : low;
	p.text_len = (uint16_t)suite_text_len(s, &p);
	assert_true(s->open(dp.worker[0], s, &list, 1));
	*n = p.text_len;
	return b + off + ESP_HDR + s->iv_len;
}
