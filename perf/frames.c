/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_udp.h>

#include "dp.h"
#include "rig.h"

enum { OUTER = 20, UDP = 8, CHECK_EVERY = 64, DPORT = 99, SPORT = 1024 };

static const uint16_t imix[] = {64, 576, 64, 64, 576, 64, 1420, 64, 576, 64, 576, 64};
static_assert(FRAMES % RTE_DIM(imix) == 0, "all frames together are a whole number of mixes");

/* What each frame holds. */
static struct {
	uint32_t target, flow;
	uint16_t size;
} hold[FRAMES];

double frames_mean(uint16_t size)
{
	double sum = 0;

	if (size != INNER_IMIX)
		return size;
	for (unsigned i = 0; i < RTE_DIM(imix); i++)
		sum += imix[i];
	return sum / RTE_DIM(imix);
}

static uint32_t below(uint32_t n)
{
	return n > 1 ? (uint32_t)random() % n : 0;
}

uint32_t frames_flows(const struct traffic *t)
{
	return RTE_MAX(t->flows, rig_targets());
}

static void choose(const struct traffic *t)
{
	static uint32_t fresh, walked;
	uint32_t targets = rig_targets(), flows = frames_flows(t);

	for (unsigned i = 0; i < FRAMES; i++) {
		hold[i].size = t->size == INNER_IMIX ? imix[i % RTE_DIM(imix)] : t->size;
		hold[i].flow = !t->flows ? fresh++ : t->walk ? walked++ % flows : below(flows);
		hold[i].target = t->flows ? hold[i].flow % targets : below(targets);
	}
	for (unsigned i = FRAMES - 1; t->size == INNER_IMIX && i > 0; i--) {
		unsigned k = below(i + 1);
		uint16_t size = hold[i].size;

		hold[i].size = hold[k].size;
		hold[k].size = size;
	}
}

/* ---- packets --------------------------------------------------------------------------------- */

/* The host on our side that has the flow: in 10.1.128.0/17. */
static uint32_t near_ip(uint32_t flow)
{
	return htonl(0x0a018000u | (flow >> 15 & 0x7fff));
}

static void put_inner(const struct traffic *t, unsigned i, uint8_t *b)
{
	uint32_t near = near_ip(hold[i].flow), far = rig_far_ip(hold[i].target + t->astray);
	uint16_t size = hold[i].size, sport = (uint16_t)(SPORT + (hold[i].flow & 0x7fff)),
		 dport = t->dport ? t->dport : DPORT;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)b;
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(b + sizeof(*ip));

	memset(b, (uint8_t)i, size);
	*ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
				    .total_length = rte_cpu_to_be_16(size),
				    .time_to_live = 64,
				    .next_proto_id = IPPROTO_UDP,
				    .src_addr = t->inbound ? far : near,
				    .dst_addr = t->inbound ? near : far};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*udp = (struct rte_udp_hdr){.src_port = rte_cpu_to_be_16(t->inbound ? dport : sport),
				    .dst_port = rte_cpu_to_be_16(t->inbound ? sport : dport),
				    .dgram_len = rte_cpu_to_be_16((uint16_t)(size - sizeof(*ip)))};
}

static uint8_t *put_ethernet(unsigned i, uint16_t len, unsigned port)
{
	struct rte_mbuf *m = rig_frame[i];
	uint8_t *b;

	m->data_off = rig_frame_off[i];
	m->data_len = (uint16_t)(L2 + len);
	m->pkt_len = m->data_len;
	m->ol_flags = 0;
	b = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(b, rig_port_mac(port), 6);
	memcpy(b + 6, rig_peer_mac, 6);
	b[12] = 8;
	b[13] = 0;
	return b + L2;
}

static uint16_t trailer_len(const struct suite *s, uint16_t size)
{
	return (uint16_t)(((0u - size - 2) & (s->block - 1u)) + 2);
}

/* Outer header, ESP header and the clear text with its trailer; what is left is to seal it. */
static uint16_t put_outer(const struct traffic *t, unsigned i, uint64_t seq)
{
	const struct suite *s = t->suite;
	uint16_t size = hold[i].size, trailer = trailer_len(s, size);
	uint16_t len = (uint16_t)(OUTER + ESP_HDR + s->iv_len + size + trailer + s->icv_len);
	uint8_t *b = put_ethernet(i, len, 0), *text = b + OUTER + ESP_HDR + s->iv_len, *end;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)b;
	uint32_t esp[2] = {htonl(rig_pair(hold[i].target)->spi_in), htonl((uint32_t)seq)};

	*ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
				    .total_length = rte_cpu_to_be_16(len),
				    .time_to_live = 64,
				    .next_proto_id = IPPROTO_ESP,
				    .src_addr = RTE_BE32(0xc0000202),
				    .dst_addr = RTE_BE32(0xc0000201)};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memcpy(b + OUTER, esp, sizeof(esp));
	put_inner(t, i, text);
	end = text + size;
	for (unsigned n = 0; n + 2 < trailer; n++)
		end[n] = (uint8_t)(n + 1);
	end[trailer - 2] = (uint8_t)(trailer - 2);
	end[trailer - 1] = IPPROTO_IPIP;
	return len;
}

/* The peer's packets, sealed by the suite with the peer's copy of the keys, outside the time that counts. */
static void fill_in(const struct traffic *t)
{
	for (unsigned b = 0; b < BURSTS; b++) {
		struct pkt p[BURST_MAX] = {0}, *list[BURST_MAX];

		for (unsigned k = 0; k < BURST_MAX; k++) {
			unsigned i = b * BURST_MAX + k;
			struct pair *q = rig_pair(hold[i].target);

			list[k] = &p[k];
			p[k].m = rig_frame[i];
			p[k].sa_out = q->peer;
			p[k].seq = ++q->seq;
			p[k].ip_len = put_outer(t, i, q->seq);
			p[k].l3_off = L2;
			p[k].esp_off = L2 + OUTER;
			p[k].text_len = (uint16_t)suite_text_len(t->suite, &p[k]);
		}
		t->suite->seal(dp.worker[0], t->suite, list, BURST_MAX);
	}
}

void frames_fill(const struct traffic *t)
{
	choose(t);
	if (t->inbound)
		fill_in(t);
	for (unsigned i = 0; !t->inbound && i < FRAMES; i++)
		put_inner(t, i, put_ethernet(i, hold[i].size, 1));
}

uint32_t frames_text_len(const struct traffic *t, unsigned i)
{
	return hold[i].size + trailer_len(t->suite, hold[i].size);
}

/* Outbound, the clear text is not moved: headers are put before it. */
uint8_t *frames_esp(const struct traffic *t, unsigned i)
{
	uint8_t *ip = (uint8_t *)rig_frame[i]->buf_addr + rig_frame_off[i] + L2;

	return t->inbound ? ip + OUTER : ip - t->suite->iv_len - ESP_HDR;
}

/* ---- what came out --------------------------------------------------------------------------- */

/* Each in the buffer that it went in with, though not in that order: flows overtake each other. */
static bool came_out(unsigned i)
{
	for (unsigned k = 0; k < rig_n_tx; k++)
		if (rig_tx[k] == rig_frame[i])
			return true;
	return false;
}

/* What went in, a hop older. */
static void expected(const struct traffic *t, unsigned i, uint8_t *b)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)b;

	put_inner(t, i, b);
	ip->time_to_live--;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

/* The peer opens a packet of ours. */
static void check_out(const struct traffic *t, unsigned i)
{
	static struct sa_in peer;
	const struct sa_out *keys = rig_pair(hold[i].target)->peer;
	struct pkt p = {.m = rig_frame[i], .l3_off = L2, .esp_off = L2 + OUTER, .sa_in = &peer}, *list = &p;
	uint16_t text = (uint16_t)(L2 + OUTER + ESP_HDR + t->suite->iv_len);
	uint8_t want[INNER_MAX + 64];
	uint32_t seq;

	p.ip_len = rte_be_to_cpu_16(rte_pktmbuf_mtod_offset(p.m, struct rte_ipv4_hdr *, L2)->total_length);
	memcpy(&seq, pkt_at(&p, L2 + OUTER + 4), sizeof(seq));
	p.seq = ntohl(seq);
	p.text_len = (uint16_t)suite_text_len(t->suite, &p);
	peer.salt = keys->salt;
	memcpy(peer.key, keys->key, sizeof(peer.key));
	t->suite->open(dp.worker[0], t->suite, &list, 1);
	expected(t, i, want);
	if (p.drop != DROP_NONE || memcmp(pkt_at(&p, text), want, hold[i].size) != 0)
		die("%s, %u bytes: an output does not decrypt to its input", t->suite->name, hold[i].size);
}

static void check_in(const struct traffic *t, unsigned i)
{
	uint8_t want[INNER_MAX + 64];

	expected(t, i, want);
	if (rig_frame[i]->data_len != L2 + hold[i].size ||
	    memcmp(rte_pktmbuf_mtod_offset(rig_frame[i], void *, L2), want, hold[i].size) != 0)
		die("%s, %u bytes: an output is not what the peer sealed", t->suite->name, hold[i].size);
}

void frames_check(const struct traffic *t)
{
	for (unsigned i = below(CHECK_EVERY); i < FRAMES; i += CHECK_EVERY) {
		if (!came_out(i))
			die("%s: an output is missing", t->suite->name);
		if (t->inbound)
			check_in(t, i);
		else
			check_out(t, i);
	}
}
