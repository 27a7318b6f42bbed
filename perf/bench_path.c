/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cycles per packet of the production path on one core, beside bare intel-ipsec-mb on the same lengths,
 * buffers and number of keys, in the same run.
 *
 *     bench_path [--quick | --intervals N] [--sas N] [--suite WORD] [--size BYTES] [--way in|out]
 *
 * What is timed is worker_turn(), whole: from the burst that a port returns to the burst handed to a
 * port, with every check on.  The two ports are ethdevs whose burst functions were replaced by one that
 * hands out pointers and one that takes them down, which costs about a cycle a packet.  Filling the
 * buffers with fresh packets (and sealing the ones for the way in) happens between timed stretches.
 *
 * With more than one SA, each has a proxy-ID (a host behind the peer), and every packet belongs to
 * another one at random.
 */
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_malloc.h>

#include "bench.h"
#include "dp.h"
#include "neigh.h"
#include "port.h"
#include "sad.h"
#include "suite.h"

enum {
	BURSTS = 8, /* timed together */
	FRAMES = BURSTS * BURST_MAX,
	L2 = 14,
	INTERVAL_US = 1000,
};

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 1, 1};
static uint16_t port_if[2], tunnel;
static struct rte_mbuf *frame[FRAMES];
static uint16_t frame_off[FRAMES];
static unsigned rx_next, rx_left, n_tx;
static struct rte_mbuf *tx[FRAMES];

static void die(const char *what)
{
	fprintf(stderr, "bench_path: %s\n", what);
	exit(1);
}

/* Say why packets were lost, and give up. */
static void die_of_drops(void)
{
	struct dp_drop d;

	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		if (d.packets)
			fprintf(stderr, "bench_path: %s: %lu\n", d.name, (unsigned long)d.packets);
	die("packets were lost on the way");
}

static void must(int err, const char *what)
{
	if (err < 0) {
		fprintf(stderr, "bench_path: %s: %s\n", what, strerror(-err));
		exit(1);
	}
}

/* ---- ports in memory ------------------------------------------------------------------------- */

static uint16_t burst_rx(void *queue, struct rte_mbuf **m, uint16_t n)
{
	if (rx_left < n)
		return 0;
	memcpy(m, &frame[rx_next], n * sizeof(*m));
	rx_next += n;
	rx_left -= n;
	return n;
}

static uint16_t burst_none(void *queue, struct rte_mbuf **m, uint16_t n)
{
	return 0;
}

static uint16_t burst_tx(void *queue, struct rte_mbuf **m, uint16_t n)
{
	if (n_tx + n > FRAMES)
		return 0;
	memcpy(&tx[n_tx], m, n * sizeof(*m));
	n_tx += n;
	return n;
}

/* What control sends on its own: ARP. */
static uint16_t burst_free(void *queue, struct rte_mbuf **m, uint16_t n)
{
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

static void take_port(unsigned i, eth_rx_burst_t rx, eth_tx_burst_t send)
{
	uint16_t ethdev = ports[dp.ifs[port_if[i]].port].ethdev;

	rte_eth_fp_ops[ethdev].rx_pkt_burst = rx;
	rte_eth_fp_ops[ethdev].tx_pkt_burst = send;
}

static void make_port(unsigned i, const char *name, const char *address)
{
	struct dp_port_conf c = {.mtu = 1600, .n_addr = 1};
	char err[256] = "";

	snprintf(c.name, sizeof(c.name), "%s", name);
	snprintf(c.device, sizeof(c.device), "net_null%u", i);
	prefix_parse(address, &c.addr[0]);
	if (dp_port_add(&c, &port_if[i], err, sizeof(err)) < 0)
		die(err);
}

static void handle_udp(void *ctx, const struct dp_udp *u)
{
}
static void handle_acquire(void *ctx, const struct dp_acquire *a)
{
}
static void handle_expire(void *ctx, const struct dp_expire *e)
{
}
static void handle_moved(void *ctx, const struct dp_moved *m)
{
}

/* Let control do what it has to, and throw away what it sends. */
static void settle(void)
{
	static uint64_t now_ns = 1000000000;

	for (unsigned i = 0; i < 2; i++)
		take_port(i, burst_none, burst_free);
	for (unsigned i = 0; i < 4; i++) {
		dp_service(now_ns++);
		worker_turn(dp.worker[0]);
	}
}

static void start(uint32_t sas)
{
	const struct dp_handlers h = {handle_udp, handle_acquire, handle_expire, handle_moved};
	char name[32], err[256] = "";
	struct dp_conf conf = {
		.name = name,
		.n_workers = 1,
		.memory_mb = 256 + sas / 1000 * 5,
		.max_sas = sas,
		.max_policies = sas,
		.max_routes = 64,
		.max_neighbours = 64,
		.max_mtu = 1600,
		.n_mbufs = 4096,
	};
	struct dp_route r = {0};
	struct addr a;

	snprintf(name, sizeof(name), "bench%d", getpid());
	if (dp_init(&conf, &h, NULL, err, sizeof(err)) < 0)
		die(err);
	make_port(0, "out", "192.0.2.1/24");
	make_port(1, "in", "10.1.1.1/24");
	if (dp_prepare(err, sizeof(err)) < 0)
		die(err);
	must(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), "tunnel");
	prefix_parse("10.128.0.0/9", &r.dst);
	r.ifindex = tunnel;
	must(dp_route_add(&r), "route");
	memset(&r, 0, sizeof(r));
	prefix_parse("10.1.0.0/16", &r.dst);
	addr_parse("10.1.1.7", &r.via);
	must(dp_route_add(&r), "route");
	for (unsigned i = 0; i < 2; i++) {
		addr_parse(i ? "10.1.1.7" : "192.0.2.2", &a);
		neigh_learn(dp.ifs[port_if[i]].port, &a, peer_mac, NEIGH_ASKS_US);
	}
	settle();
	for (unsigned i = 0; i < FRAMES; i++) {
		frame[i] = rte_pktmbuf_alloc(dp.pool);
		if (!frame[i])
			die("buffers");
		frame_off[i] = frame[i]->data_off;
	}
}

/* ---- SAs ------------------------------------------------------------------------------------- */

/* One SA pair; the peer's half is a struct sa_out and sa_in of our own, with the same key area. */
struct pair {
	uint32_t policy, spi_in, sa_out;
	uint64_t seq; /* the peer's */
};
static struct pair *pair;
static uint32_t n_pairs;

/* The host behind the peer that pair i is for: in 10.128.0.0/9. */
static uint32_t far_ip(uint32_t i)
{
	return htonl(0x0a800001u + i);
}

static struct ts everything(void)
{
	struct prefix p;

	prefix_parse("0.0.0.0/0", &p);
	return ts_of(&p, 0, 0);
}

static void pair_install(uint32_t i, const struct suite *s)
{
	struct dp_policy_conf pol = {.tunnel_if = tunnel, .local.a.v = 4, .remote.a.v = 4};
	struct dp_sa_in_conf in = {.suite = s->id, .replay_window = 1024, .n_local = 1, .n_remote = 1};
	struct dp_sa_out_conf out = {.suite = s->id, .spi = 0x10000 + i, .n_local = 1, .n_remote = 1};
	uint32_t ip = far_ip(i);

	if (n_pairs > 1) {
		memcpy(pol.remote.a.b, &ip, 4);
		pol.remote.len = 32;
	}
	must(dp_policy_add(&pol, &pair[i].policy), "dp_policy_add");
	in.keys.encr_len = s->key_len;
	in.keys.salt_len = s->salt_len;
	in.keys.integ_len = s->integ_key_len;
	for (unsigned k = 0; k < s->key_len; k++)
		in.keys.encr[k] = (uint8_t)(i + k * 31);
	out.keys = in.keys;
	in.policy = out.policy = pair[i].policy;
	in.local.a.v = in.remote.a.v = 4;
	addr_parse("192.0.2.1", &in.local.a);
	addr_parse("192.0.2.2", &in.remote.a);
	out.local = in.local;
	out.remote = in.remote;
	in.ts_local[0] = in.ts_remote[0] = out.ts_local[0] = out.ts_remote[0] = everything();
	must(dp_spi_alloc(&in.spi), "dp_spi_alloc");
	must(dp_sa_in_install(&in), "dp_sa_in_install");
	must(dp_sa_out_install(&out, &pair[i].sa_out), "dp_sa_out_install");
	must(dp_policy_bind(pair[i].policy, pair[i].sa_out), "dp_policy_bind");
	pair[i].spi_in = in.spi;
	pair[i].seq = 0;
}

static void install(const struct suite *s, uint32_t n)
{
	uint64_t start_tsc = rte_rdtsc();

	n_pairs = n;
	pair = calloc(n, sizeof(*pair));
	if (!pair)
		die("memory");
	for (uint32_t i = 0; i < n; i++)
		pair_install(i, s);
	if (n > 1)
		printf("  %u pairs and proxy-IDs installed at %.0f k/s\n", n,
		       n / 1e3 * (double)rte_get_tsc_hz() / (double)(rte_rdtsc() - start_tsc));
}

static void uninstall(void)
{
	for (uint32_t i = 0; i < n_pairs; i++) {
		must(dp_sa_in_remove(pair[i].spi_in), "dp_sa_in_remove");
		must(dp_sa_out_remove(pair[i].sa_out), "dp_sa_out_remove");
		must(dp_policy_del(pair[i].policy), "dp_policy_del");
	}
	settle();
	free(pair);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static uint32_t whose[FRAMES]; /* pair of each frame */

static void put_inner(uint8_t *b, uint32_t src, uint32_t dst, uint16_t size, uint8_t fill)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)b;
	uint8_t *udp = b + 20;

	memset(b, fill, size);
	memset(b, 0, 28);
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16(size);
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = src;
	ip->dst_addr = dst;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	udp[1] = udp[3] = 99;
	udp[4] = (uint8_t)((size - 20) >> 8);
	udp[5] = (uint8_t)(size - 20);
}

static uint8_t *put_ethernet(unsigned i, uint16_t len, unsigned port)
{
	struct rte_mbuf *m = frame[i];
	uint8_t *b;

	m->data_off = frame_off[i];
	m->data_len = (uint16_t)(L2 + len);
	m->pkt_len = m->data_len;
	m->ol_flags = 0;
	b = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(b, ports[dp.ifs[port_if[port]].port].mac, 6);
	memcpy(b + 6, peer_mac, 6);
	b[12] = 8;
	b[13] = 0;
	return b + L2;
}

static const uint32_t near_ip = RTE_BE32(0x0a010107);

static void fill_out(uint16_t size)
{
	for (unsigned i = 0; i < FRAMES; i++)
		put_inner(put_ethernet(i, size, 1), near_ip, far_ip(whose[i]), size, (uint8_t)i);
}

/* The peer's packets: sealed by the suite with a copy of the SA's keys, outside the time that counts. */
static void fill_in(const struct suite *s, uint16_t size)
{
	static struct sa_out peer[BURST_MAX];
	uint16_t trailer = (uint16_t)(((0 - size - 2) & (s->block - 1)) + 2), esp_len, len;

	esp_len = (uint16_t)(ESP_HDR + s->iv_len + size + trailer + s->icv_len);
	len = (uint16_t)(20 + esp_len);
	for (unsigned b = 0; b < BURSTS; b++) {
		struct pkt p[BURST_MAX] = {0}, *list[BURST_MAX];

		for (unsigned k = 0; k < BURST_MAX; k++) {
			unsigned i = b * BURST_MAX + k;
			struct pair *q = &pair[whose[i]];
			const struct sa_in *sa = sad_in_find(q->spi_in);
			uint8_t *ip = put_ethernet(i, len, 0), *text = ip + 20 + ESP_HDR + s->iv_len;
			uint32_t head[2] = {htonl(q->spi_in), htonl((uint32_t)++q->seq)};

			memset(ip, 0, 20);
			ip[0] = 0x45;
			ip[2] = (uint8_t)(len >> 8);
			ip[3] = (uint8_t)len;
			ip[8] = 64;
			ip[9] = IPPROTO_ESP;
			memcpy(ip + 12, &(uint32_t){RTE_BE32(0xc0000202)}, 4);
			memcpy(ip + 16, &(uint32_t){RTE_BE32(0xc0000201)}, 4);
			((struct rte_ipv4_hdr *)ip)->hdr_checksum = rte_ipv4_cksum((struct rte_ipv4_hdr *)ip);
			memcpy(ip + 20, head, sizeof(head));
			put_inner(text, far_ip(whose[i]), near_ip, size, (uint8_t)i);
			for (unsigned n = 0; n < trailer - 2u; n++)
				text[size + n] = (uint8_t)(n + 1);
			text[size + trailer - 2] = (uint8_t)(trailer - 2);
			text[size + trailer - 1] = 4;
			peer[k].salt = sa->salt;
			memcpy(peer[k].key, sa->key, sizeof(peer[k].key));
			p[k].m = frame[i];
			p[k].sa_out = &peer[k];
			p[k].seq = q->seq;
			p[k].l3_off = L2;
			p[k].ip_len = len;
			p[k].esp_off = L2 + 20;
			list[k] = &p[k];
		}
		s->seal(dp.worker[0], s, list, BURST_MAX);
	}
}

/* ---- what came out --------------------------------------------------------------------------- */

/* A packet of ours, opened with the keys of its SA, is what went in, a hop older. */
static void check_out(const struct suite *s, unsigned i, uint16_t size)
{
	const struct sa_out *sa = sad_out_find(pair[whose[i]].sa_out);
	static struct sa_in peer;
	struct pkt p = {.m = tx[i], .l3_off = L2, .sa_in = &peer}, *list = &p;
	uint8_t want[2048];
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(p.m, struct rte_ipv4_hdr *, L2);
	uint32_t seq;

	p.ip_len = rte_be_to_cpu_16(ip->total_length);
	p.esp_off = L2 + 20;
	memcpy(&seq, pkt_at(&p, L2 + 24), 4);
	p.seq = ntohl(seq);
	peer.salt = sa->salt;
	memcpy(peer.key, sa->key, sizeof(peer.key));
	s->open(dp.worker[0], s, &list, 1);
	put_inner(want, near_ip, far_ip(whose[i]), size, (uint8_t)i);
	ip = (struct rte_ipv4_hdr *)want;
	ip->time_to_live--;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	if (p.drop != DROP_NONE ||
	    memcmp(pkt_at(&p, (uint16_t)(L2 + 20 + ESP_HDR + s->iv_len)), want, size) != 0)
		die("an output does not decrypt to its input");
}

static void check_in(unsigned i, uint16_t size)
{
	uint8_t want[2048];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)want;

	put_inner(want, far_ip(whose[i]), near_ip, size, (uint8_t)i);
	ip->time_to_live--;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	if (tx[i]->data_len != L2 + size ||
	    memcmp(rte_pktmbuf_mtod_offset(tx[i], void *, L2), want, size) != 0)
		die("an output is not what the peer sealed");
}

/* ---- one measurement ------------------------------------------------------------------------- */

struct run {
	const struct suite *s;
	bool inbound;
	uint16_t size;
};

static void fill(const struct run *r)
{
	for (unsigned i = 0; i < FRAMES; i++)
		whose[i] = n_pairs > 1 ? (uint32_t)random() % n_pairs : 0;
	if (r->inbound)
		fill_in(r->s, r->size);
	else
		fill_out(r->size);
}

/* All frames through the path; cycles. */
static uint64_t time_path(const struct run *r)
{
	struct worker *w = dp.worker[0];
	uint64_t start_tsc, cost;

	fill(r);
	rx_next = n_tx = 0;
	rx_left = FRAMES;
	start_tsc = rte_rdtsc_precise();
	while (rx_left) {
		w->tsc = rte_rdtsc();
		worker_turn(w);
	}
	cost = rte_rdtsc_precise() - start_tsc;
	if (n_tx != FRAMES)
		die_of_drops();
	for (unsigned i = (unsigned)random() % 64; i < FRAMES; i += 64) {
		if (r->inbound)
			check_in(i, r->size);
		else
			check_out(r->s, i, r->size);
	}
	return cost;
}

/* The bare library on the same frames: one call a packet, or jobs in bursts; nonces ready beforehand. */
static uint64_t time_gcm(const struct run *r)
{
	static uint8_t nonce[FRAMES][16], tag[FRAMES][16];
	const struct gcm_key_data *key[FRAMES];
	IMB_MGR *mb = dp.worker[0]->mb;
	aes_gcm_enc_dec_t fn = r->s->key_len == 16   ? (r->inbound ? mb->gcm128_dec : mb->gcm128_enc)
			       : r->s->key_len == 24 ? (r->inbound ? mb->gcm192_dec : mb->gcm192_enc)
						     : (r->inbound ? mb->gcm256_dec : mb->gcm256_enc);
	uint32_t len = r->size + ((0u - r->size - 2) & 3) + 2;
	struct gcm_context_data ctx;
	uint64_t start_tsc;

	fill(r);
	for (unsigned i = 0; i < FRAMES; i++) {
		memcpy(nonce[i], &i, sizeof(i));
		key[i] = r->inbound ? (const void *)sad_in_find(pair[whose[i]].spi_in)->key
				    : (const void *)sad_out_find(pair[whose[i]].sa_out)->key;
	}
	start_tsc = rte_rdtsc_precise();
	for (unsigned i = 0; i < FRAMES; i++) {
		uint8_t *esp = rte_pktmbuf_mtod_offset(frame[i], uint8_t *, L2 + 20), *text = esp + 16;

		fn(key[i], &ctx, text, text, len, nonce[i], esp, 8, tag[i], r->s->icv_len);
	}
	return rte_rdtsc_precise() - start_tsc;
}

static const struct {
	enum dp_integ integ;
	IMB_HASH_ALG alg;
} hashes[] = {
	{DP_HMAC_SHA1_96, IMB_AUTH_HMAC_SHA_1},
	{DP_HMAC_SHA256_128, IMB_AUTH_HMAC_SHA_256},
	{DP_HMAC_SHA384_192, IMB_AUTH_HMAC_SHA_384},
	{DP_HMAC_SHA512_256, IMB_AUTH_HMAC_SHA_512},
};

static void flush_jobs(IMB_MGR *mb)
{
	while (IMB_FLUSH_JOB(mb))
		;
}

static uint64_t time_cbc(const struct run *r)
{
	static uint8_t iv[16] __attribute__((aligned(16)));
	static uint8_t enc[240] __attribute__((aligned(16))), dec[240] __attribute__((aligned(16)));
	static uint8_t pads[2][64] __attribute__((aligned(16))), tag[FRAMES][32], key[32];
	uint32_t len = r->size + ((0u - r->size - 2) & 15) + 2;
	IMB_MGR *mb = dp.worker[0]->mb;
	IMB_HASH_ALG alg = IMB_AUTH_HMAC_SHA_256;
	uint64_t start_tsc;

	for (unsigned i = 0; i < RTE_DIM(hashes); i++)
		if (hashes[i].integ == r->s->id.integ)
			alg = hashes[i].alg;
	if (r->s->key_len == 16)
		IMB_AES_KEYEXP_128(mb, key, enc, dec);
	else if (r->s->key_len == 24)
		IMB_AES_KEYEXP_192(mb, key, enc, dec);
	else
		IMB_AES_KEYEXP_256(mb, key, enc, dec);
	fill(r);
	start_tsc = rte_rdtsc_precise();
	for (unsigned i = 0; i < FRAMES; i++) {
		IMB_JOB *j = IMB_GET_NEXT_JOB(mb);

		j->enc_keys = enc;
		j->dec_keys = dec;
		j->key_len_in_bytes = r->s->key_len;
		j->src = rte_pktmbuf_mtod_offset(frame[i], uint8_t *, L2 + 20);
		j->dst = rte_pktmbuf_mtod_offset(frame[i], uint8_t *, L2 + 20 + 24);
		j->cipher_start_src_offset_in_bytes = 24;
		j->msg_len_to_cipher_in_bytes = len;
		j->hash_start_src_offset_in_bytes = 0;
		j->msg_len_to_hash_in_bytes = len + 24;
		j->iv = iv;
		j->iv_len_in_bytes = 16;
		j->auth_tag_output = tag[i];
		j->auth_tag_output_len_in_bytes = r->s->icv_len;
		j->u.HMAC._hashed_auth_key_xor_ipad = pads[0];
		j->u.HMAC._hashed_auth_key_xor_opad = pads[1];
		j->cipher_mode = IMB_CIPHER_CBC;
		j->cipher_direction = r->inbound ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
		j->chain_order = r->inbound ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
		j->hash_alg = alg;
		IMB_SUBMIT_JOB_NOCHECK(mb);
		while (IMB_GET_COMPLETED_JOB(mb))
			;
		if (i % BURST_MAX == BURST_MAX - 1) /* a burst must be whole before it can leave */
			flush_jobs(mb);
	}
	flush_jobs(mb);
	return rte_rdtsc_precise() - start_tsc;
}

static uint64_t time_bound(const struct run *r)
{
	return r->s->id.integ ? time_cbc(r) : time_gcm(r);
}

static double interval(uint64_t (*fn)(const struct run *r), const struct run *r)
{
	uint64_t cost = 0, want = rte_get_tsc_hz() / 1000000 * INTERVAL_US;
	unsigned n = 0;

	while (cost < want) {
		cost += fn(r);
		n += FRAMES;
	}
	return (double)cost / n;
}

static void measure(const struct run *r, unsigned intervals)
{
	static struct bench_series path, bound;
	double p, b, path_spread, bound_spread;
	unsigned path_quiet, bound_quiet;
	uint64_t before, between, after;

	path.n = bound.n = 0;
	for (unsigned i = 0; i < intervals; i++) {
		double c;

		before = bench_canary();
		c = interval(time_bound, r);
		between = bench_canary();
		bench_add(&bound, c, before, between);
		c = interval(time_path, r);
		after = bench_canary();
		bench_add(&path, c, between, after);
	}
	p = bench_median(&path, &path_spread, &path_quiet);
	b = bench_median(&bound, &bound_spread, &bound_quiet);
	printf("%-24s %-3s %5u %7u  %7.0f %3.0f %%  %7.0f %3.0f %%   %5.2f   %u/%u\n", r->s->name,
	       r->inbound ? "in" : "out", r->size, n_pairs, p, path_spread * 100, b, bound_spread * 100,
	       p / b, path_quiet, path.n);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"quick", 0, NULL, 'q'}, {"sas", 1, NULL, 's'}, {"suite", 1, NULL, 'u'}, {NULL, 0, NULL, 0}};
	static const char *const suites[] = {"AES256-GCM16", "AES128-GCM16", "AES256-CBC-SHA256-128"};
	const char *only = "", *way = "";
	uint16_t sizes[] = {64, 1420};
	unsigned intervals = 60;
	uint32_t sas = 1;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'q': intervals = 10; break;
		case 's': sas = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'u': only = optarg; break;
		case 'z': sizes[0] = sizes[1] = (uint16_t)strtoul(optarg, NULL, 10); break;
		case 'w': way = optarg; break;
		case 'i': intervals = (unsigned)strtoul(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	if (sas < 1 || sas > 1000000)
		die("--sas: 1 to 1000000");
	if (sizes[0] < 28 || sizes[0] > 1500)
		die("--size: 28 to 1500");
	intervals = RTE_MIN(RTE_MAX(intervals, 1u), (unsigned)BENCH_INTERVALS);
	start(sas);
	printf("cycles per packet at %.2f GHz (TSC); spread is half the distance between quartiles\n"
	       "suite                    dir inner     SAs     path  +-      library  +-    ratio   quiet\n",
	       (double)rte_get_tsc_hz() / 1e9);
	for (unsigned i = 0; i < RTE_DIM(suites); i++) {
		const struct suite *s = NULL;

		if (!strstr(suites[i], only))
			continue;
		for (unsigned k = 0; k < suite_count; k++)
			if (strcmp(suite_table[k].name, suites[i]) == 0)
				s = &suite_table[k];
		if (!s)
			die(suites[i]);
		install(s, sas);
		for (unsigned k = 0; k < RTE_DIM(sizes) && (k == 0 || sizes[k] != sizes[0]); k++) {
			for (unsigned in = 0; in < 2; in++) {
				if (*way && (strcmp(way, "in") == 0) != in)
					continue;
				struct run r = {.s = s, .inbound = in, .size = sizes[k]};

				take_port(0, in ? burst_rx : burst_none, burst_tx);
				take_port(1, in ? burst_none : burst_rx, burst_tx);
				measure(&r, intervals);
			}
		}
		uninstall();
	}
	return 0;
}
