/* SPDX-License-Identifier: Apache-2.0 */
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { IP = 20, IP6 = 40, UDP = 8, ESP = 8, ICV = 16 };

static size_t iv_len(const struct peer *p)
{
	return p->cbc ? 16 : 8;
}

static size_t block(const struct peer *p)
{
	return p->cbc ? 16 : 4;
}

static void put32(uint8_t *b, uint32_t v)
{
	v = htonl(v);
	memcpy(b, &v, 4);
}

static uint32_t get32(const uint8_t *b)
{
	uint32_t v;

	memcpy(&v, b, 4);
	return ntohl(v);
}

/* ---- SAs of ours ----------------------------------------------------------------------------- */

struct ts peer_ts(const char *prefix, uint8_t proto, uint16_t port)
{
	struct prefix p;

	assert_int_equal(prefix_parse(prefix, &p), 0);
	return ts_of(&p, proto, port);
}

uint16_t peer_lab(const struct dpt_conf *c)
{
	struct dp_route inside = {0}, outside = {0};
	uint16_t tunnel;

	dpt_init(c);
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	assert_int_equal(prefix_parse("10.2.0.0/16", &outside.dst), 0);
	outside.ifindex = tunnel;
	assert_int_equal(dp_route_add(&outside), 0);
	assert_int_equal(prefix_parse("10.1.0.0/16", &inside.dst), 0);
	assert_int_equal(addr_parse("10.1.1.7", &inside.via), 0);
	assert_int_equal(dp_route_add(&inside), 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(1, "10.1.1.7", dpt_peer[1]);
	return tunnel;
}

uint32_t peer_policy(uint16_t tunnel_if, const char *local, const char *remote, uint8_t proto,
		     uint16_t local_port, uint16_t remote_port)
{
	struct dp_policy_conf c = {
		.tunnel_if = tunnel_if, .proto = proto, .local_port = local_port, .remote_port = remote_port};
	uint32_t policy;

	assert_int_equal(prefix_parse(local, &c.local), 0);
	assert_int_equal(prefix_parse(remote, &c.remote), 0);
	assert_int_equal(dp_policy_add(&c, &policy), 0);
	return policy;
}

void peer_keys(struct peer *p, uint8_t seed)
{
	p->keys = (struct dp_keys){.encr_len = 32, .salt_len = p->cbc ? 0 : 4, .integ_len = p->cbc ? 32 : 0};
	for (unsigned i = 0; i < 32; i++)
		p->keys.encr[i] = (uint8_t)(seed + i * 7);
	for (unsigned i = 0; i < p->keys.salt_len; i++)
		p->keys.salt[i] = (uint8_t)(seed ^ (0xa0 + i));
	for (unsigned i = 0; i < p->keys.integ_len; i++)
		p->keys.integ[i] = (uint8_t)(seed * 3 + i);
}

static struct endpoint own_end(const struct peer *p)
{
	return dpt_ep(p->outer6 ? OWN6 : OWN_IP, p->udp ? 4500 : 0);
}

static struct endpoint peer_end(const struct peer *p)
{
	return dpt_ep(p->outer6 ? PEER6 : PEER_IP, p->udp ? 4500 : 0);
}

void peer_install(struct peer *p, uint32_t policy, const struct peer_edit *edit)
{
	struct dp_suite suite = p->cbc ? (struct dp_suite){DP_AES_CBC, 256, DP_HMAC_SHA256_128}
				       : (struct dp_suite){DP_AES_GCM_16, 256, DP_INTEG_NONE};
	struct dp_sa_in_conf in = {
		.policy = policy,
		.suite = suite,
		.keys = p->keys,
		.esn = p->esn,
		.replay_window = 64,
		.local = own_end(p),
		.remote = peer_end(p),
		.udp_encap = p->udp,
		.n_local = 1,
		.n_remote = 1,
		.ts_local = {peer_ts("10.1.0.0/16", 0, 0)},
		.ts_remote = {peer_ts("10.2.0.0/16", 0, 0)},
	};
	struct dp_sa_out_conf out = {
		.spi = p->spi_out,
		.policy = policy,
		.suite = suite,
		.keys = p->keys,
		.esn = p->esn,
		.local = in.local,
		.remote = in.remote,
		.udp_encap = p->udp,
		.n_local = 1,
		.n_remote = 1,
		.ts_local = {in.ts_local[0]},
		.ts_remote = {in.ts_remote[0]},
	};

	assert_int_equal(dp_spi_alloc(&in.spi), 0);
	p->spi_in = in.spi;
	p->policy = policy;
	if (edit && edit->in)
		edit->in(&in);
	if (edit && edit->out)
		edit->out(&out);
	assert_int_equal(dp_sa_in_install(&in), 0);
	assert_int_equal(dp_sa_out_install(&out, &p->sa_out), 0);
	assert_int_equal(dp_policy_bind(policy, p->sa_out), 0);
}

void peer_remove(struct peer *p)
{
	assert_int_equal(dp_sa_out_remove(p->sa_out), 0);
	assert_int_equal(dp_sa_in_remove(p->spi_in), 0);
	dpt_run();
}

/* ---- crypto ---------------------------------------------------------------------------------- */

/* SPI, the upper half of the number with ESN, the lower: RFC 4106 5. */
static int make_aad(const struct peer *p, uint32_t spi, uint64_t seq, uint8_t aad[12])
{
	put32(aad, spi);
	put32(aad + 4, (uint32_t)(seq >> 32));
	put32(aad + (p->esn ? 8 : 4), (uint32_t)seq);
	return p->esn ? 12 : 8;
}

/* text in place, tag behind it */
static void gcm(const struct peer *p, bool seal, uint32_t spi, uint64_t seq, const uint8_t *iv, uint8_t *text,
		int len)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t nonce[12], aad[12];
	int n;

	memcpy(nonce, p->keys.salt, 4);
	memcpy(nonce + 4, iv, 8);
	assert_int_equal(EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, p->keys.encr, nonce, seal), 1);
	assert_int_equal(EVP_CipherUpdate(c, NULL, &n, aad, make_aad(p, spi, seq, aad)), 1);
	assert_int_equal(EVP_CipherUpdate(c, text, &n, text, len), 1);
	if (!seal)
		assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, ICV, text + len), 1);
	assert_int_equal(EVP_CipherFinal_ex(c, text + len, &n), 1);
	if (seal)
		assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, ICV, text + len), 1);
	EVP_CIPHER_CTX_free(c);
}

static void cbc(const struct peer *p, bool seal, const uint8_t *iv, uint8_t *text, int len)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	assert_int_equal(EVP_CipherInit_ex(c, EVP_aes_256_cbc(), NULL, p->keys.encr, iv, seal), 1);
	EVP_CIPHER_CTX_set_padding(c, 0);
	assert_int_equal(EVP_CipherUpdate(c, text, &n, text, len), 1);
	assert_int_equal(n, len);
	EVP_CIPHER_CTX_free(c);
}

/* Over the ESP packet without ICV, and the upper half of the number with ESN (RFC 4303 2.2.1). */
static void hmac(const struct peer *p, const uint8_t *esp, size_t len, uint64_t seq, uint8_t icv[ICV])
{
	uint8_t m[DPT_FRAME_MAX], full[32];

	memcpy(m, esp, len);
	put32(m + len, (uint32_t)(seq >> 32));
	assert_non_null(HMAC(EVP_sha256(), p->keys.integ, 32, m, len + (p->esn ? 4 : 0), full, NULL));
	memcpy(icv, full, ICV);
}

/* ---- packets --------------------------------------------------------------------------------- */

static size_t put_text(const struct peer *p, const struct peer_how *how, const uint8_t *inner, size_t len,
		       uint8_t *text)
{
	size_t n = len + how->tfc, pad = (0 - n - 2) & (block(p) - 1);

	pad += how->more_pad;
	memcpy(text, inner, len);
	memset(text + len, 0xee, how->tfc);
	for (size_t i = 0; i < pad; i++)
		text[n + i] = how->bad_pad ? 0 : (uint8_t)(i + 1);
	text[n + pad] = how->pad_len ? how->pad_len : (uint8_t)pad;
	text[n + pad + 1] = how->next ? how->next : inner[0] >> 4 == 6 ? 41 : 4;
	return n + pad + 2;
}

static size_t outer4(const struct peer_how *how, bool udp, const uint8_t *body, size_t len, uint8_t *out)
{
	size_t n = dpt_ip4(out,
			   &(struct dpt_ip4){.src = how->src ? how->src : PEER_IP,
					     .dst = OWN_IP,
					     .proto = udp ? IPPROTO_UDP : IPPROTO_ESP},
			   body, len);

	out[1] = how->tos;
	dpt_sum4(out);
	return n;
}

/* In UDP without a checksum, as tunnels may send it (RFC 6935). */
static size_t outer6(const struct peer_how *how, bool udp, const uint8_t *body, size_t len, uint8_t *out)
{
	return ip6_put(out,
		       &(struct ip6){.src = how->src ? how->src : PEER6,
				     .dst = OWN6,
				     .next = udp ? IPPROTO_UDP : IPPROTO_ESP,
				     .tc = how->tos},
		       body, len);
}

size_t peer_seal(struct peer *p, const uint8_t *inner, size_t len, const struct peer_how *how, uint8_t *out)
{
	static const struct peer_how right;
	uint8_t body[DPT_FRAME_MAX] = {0}, *esp, *iv, *text;
	size_t n, esp_len;
	bool udp;

	how = how ? how : &right;
	udp = (p->udp && !how->raw) || how->udp;
	esp = body + (udp ? UDP : 0);
	iv = esp + ESP;
	text = iv + iv_len(p);
	p->seq++;
	put32(esp, p->spi_in);
	put32(esp + 4, (uint32_t)p->seq);
	put32(iv, 0x5ca1ab1e);
	put32(iv + 4, (uint32_t)p->seq);
	n = put_text(p, how, inner, len, text);
	if (p->cbc) {
		cbc(p, true, iv, text, (int)n);
		hmac(p, esp, ESP + iv_len(p) + n, p->seq, text + n);
	} else {
		gcm(p, true, p->spi_in, p->seq, iv, text, (int)n);
	}
	esp_len = ESP + iv_len(p) + n + ICV;
	if (udp) {
		uint16_t sport = how->sport ? how->sport : 4500;

		put32(body, (uint32_t)sport << 16 | 4500);
		put32(body + 4, (uint32_t)(UDP + esp_len) << 16);
	}
	esp_len += udp ? UDP : 0;
	return p->outer6 ? outer6(how, udp, body, esp_len, out) : outer4(how, udp, body, esp_len, out);
}

/* Addresses, length, hop limit and protocol of a header of ours, and its checksum. */
static void header4_right(const struct peer *p, const uint8_t *ip, size_t len)
{
	uint8_t again[IP];

	assert_int_equal(ip[0], 0x45);
	assert_int_equal(get32(ip) & 0xffff, len);
	assert_int_equal(ip[8], 64);
	assert_int_equal(ip[9], p->udp ? IPPROTO_UDP : IPPROTO_ESP);
	assert_int_equal(get32(ip + 12), ntohl(dpt_ip(OWN_IP)));
	assert_int_equal(get32(ip + 16), ntohl(dpt_ip(PEER_IP)));
	memcpy(again, ip, IP);
	dpt_sum4(again);
	assert_memory_equal(again, ip, IP);
}

static void header6_right(const struct peer *p, const uint8_t *ip, size_t len)
{
	uint8_t own[16], peer[16];

	ip6_addr(OWN6, own);
	ip6_addr(PEER6, peer);
	assert_int_equal(ip[0] >> 4, 6);
	assert_int_equal((ip[1] & 15) | ip[2] | ip[3], 0); /* no flow label */
	assert_int_equal(get32(ip + 4) >> 16, len - IP6);
	assert_int_equal(ip[6], p->udp ? IPPROTO_UDP : IPPROTO_ESP);
	assert_int_equal(ip[7], 64);
	assert_memory_equal(ip + 8, own, 16);
	assert_memory_equal(ip + 24, peer, 16);
}

static void udp_right(const struct peer *p, const uint8_t *packet, size_t len, size_t ip)
{
	assert_int_equal(get32(packet + ip), 4500u << 16 | 4500);
	assert_int_equal(get32(packet + ip + 4) >> 16, len - ip);
	if (p->outer6)
		assert_true(ip6_sum_right(packet, len)); /* RFC 8200 8.1 */
	else
		assert_int_equal(get32(packet + ip + 4) & 0xffff, 0);
}

size_t peer_open(const struct peer *p, const uint8_t *packet, size_t len, uint8_t *inner, uint64_t *seq)
{
	size_t ip = p->outer6 ? IP6 : IP, head = ip + (p->udp ? UDP : 0), n, pad;
	uint8_t body[DPT_FRAME_MAX], *esp = body + head, *text = esp + ESP + iv_len(p), icv[ICV];

	assert_in_range(len, head + ESP + iv_len(p) + block(p) + ICV, sizeof(body));
	memcpy(body, packet, len);
	(p->outer6 ? header6_right : header4_right)(p, body, len);
	if (p->udp)
		udp_right(p, body, len, ip);
	assert_int_equal(get32(esp), p->spi_out);
	*seq = (uint64_t)p->high << 32 | get32(esp + 4);
	n = len - head - ESP - iv_len(p) - ICV;
	assert_int_equal(n % block(p), 0);
	if (p->cbc) {
		hmac(p, esp, ESP + iv_len(p) + n, *seq, icv);
		assert_memory_equal(icv, text + n, ICV);
		cbc(p, false, esp + ESP, text, (int)n);
	} else {
		gcm(p, false, p->spi_out, *seq, esp + ESP, text, (int)n);
	}
	assert_int_equal(text[n - 1], p->next ? p->next : text[0] >> 4 == 6 ? 41 : 4);
	pad = text[n - 2];
	assert_in_range(pad, 0, block(p) - 1);
	for (size_t i = 0; i < pad; i++)
		assert_int_equal(text[n - 2 - pad + i], i + 1);
	memcpy(inner, text, n - 2 - pad);
	return n - 2 - pad;
}
