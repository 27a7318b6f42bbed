/* SPDX-License-Identifier: Apache-2.0 */
#include "esp_out.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "icmp.h"
#include "ip6.h"
#include "life.h"
#include "selector.h"
#include "suite.h"
#include "transport.h"

enum {
	NEXT_IPV4 = 4,
	NEXT_IPV6 = 41,
	NEXT_NONE = 59,
	L2 = sizeof(struct rte_ether_hdr),
	IPV4_HDR = 20,
	UDP_HDR = 8
};

/* Bytes behind the inner packet: padding, pad length, next header (RFC 4303 2.4 to 2.6). */
static inline uint32_t trailer_len(const struct suite *s, uint32_t inner)
{
	return ((0 - inner - 2) & (s->block - 1u)) + 2;
}

/* Bytes between the inner packet and the padding that hide its length (RFC 4303 2.7); the inner IP header
 * tells the receiver where to cut. */
static inline uint32_t tfc_len(const struct sa_out *sa, uint32_t inner)
{
	uint32_t to = RTE_MIN(sa->tfc_pad_to, atomic_load_explicit(&sa->max_inner, memory_order_relaxed));

	return to > inner ? to - inner : 0;
}

/* Everything that can be said against the packet, before it costs a sequence number. */
static inline enum drop admit(struct worker *w, const struct pkt *p, struct sa_out *sa, uint32_t behind)
{
	if (unlikely(!selector_out(sa, p) && p->v))
		return DROP_TUNNEL_SELECTOR;
	if (unlikely(p->m->data_off + p->l3_off < sa->hdr_len + L2 ||
		     p->m->data_off + p->l3_off + p->ip_len + behind > p->m->buf_len))
		return DROP_NO_ROOM;
	if (unlikely(sa->seq >= sa->stop_seq))
		return life_out(w, sa, p->ip_len);
	return DROP_NONE;
}

/* 1, 2, 3, ... as RFC 4303 2.4 wants it.  Where padding is short, four bytes are written whatever is
 * needed: the trailer and ICV that follow overwrite the rest. */
static inline void put_trailer(const struct suite *s, uint8_t *at, uint32_t len, uint8_t next)
{
	static const uint8_t pad[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

	if (s->block == 4)
		memcpy(at, pad, 4);
	else
		memcpy(at, pad, len - 2);
	at[len - 2] = (uint8_t)(len - 2);
	at[len - 1] = next;
}

static inline uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* What the outer header takes from the inner one: DSCP and DF (RFC 4301 5.1.2.1) unless the tunnel has its own,
 * ECN always (RFC 6040 4.1, normal mode). */
struct inherited {
	uint8_t tos;
	uint16_t df; /* network order */
};

static inline struct inherited inherit(const struct pkt *p, const struct sa_outer *o)
{
	const struct rte_ipv4_hdr *ip = pkt_l3(p);
	uint16_t df = ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	uint8_t tos = ip->type_of_service;

	if (unlikely(p->v == 6)) { /* which no router may fragment */
		tos = ip6_traffic_class(pkt_l3(p));
		df = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	}
	return (struct inherited){(uint8_t)((tos & o->tos_keep) | o->tos_set),
				  (uint16_t)((df & o->df_keep) | o->df_set)};
}

/* Complete the outer IPv4 header.  The checksum starts from the template's sum: four additions.  A port that made it
 * would want flags and header lengths written into every buffer, and many drivers send by a slower function then, so
 * nothing is left to it. */
static inline void put_ipv4(struct rte_ipv4_hdr *ip, struct inherited in, uint32_t total, uint64_t seq)
{
	uint16_t len = rte_cpu_to_be_16((uint16_t)total);
	uint16_t id = (uint16_t)(ip->packet_id + seq);

	ip->hdr_checksum = (uint16_t)~fold((uint32_t)ip->hdr_checksum + len + id + in.df +
					   rte_cpu_to_be_16(in.tos));
	ip->type_of_service = in.tos;
	ip->total_length = len;
	ip->packet_id = id;
	ip->fragment_offset = in.df;
}

/* Copy the template in front and fill in what changes.  SPI and sequence number are stored as one word:
 * the cipher loads them as one. */
static inline void put_header(uint8_t *to, const uint8_t *tmpl, bool v6, bool udp, struct inherited in,
			      uint32_t total, uint64_t seq)
{
	const uint32_t ip = v6 ? IP6_HDR : IPV4_HDR, esp = ip + (udp ? UDP_HDR : 0);
	uint32_t spi_seq[2];

	memcpy(to, tmpl, esp);
	if (v6) {
		((struct rte_ipv6_hdr *)to)->payload_len = rte_cpu_to_be_16((uint16_t)(total - ip));
		ip6_set_traffic_class((struct rte_ipv6_hdr *)to, in.tos);
	} else {
		put_ipv4((struct rte_ipv4_hdr *)to, in, total, seq);
	}
	if (udp)
		((struct rte_udp_hdr *)(to + ip))->dgram_len = rte_cpu_to_be_16((uint16_t)(total - ip));
	memcpy(spi_seq, tmpl + esp, sizeof(spi_seq[0]));
	spi_seq[1] = rte_cpu_to_be_32((uint32_t)seq);
	memcpy(to + esp, spi_seq, sizeof(spi_seq));
}

/* The packet is the outer one from here on; its addresses and protocol stand in the template. */
static inline void become_outer(struct pkt *p, const uint8_t *tmpl, uint8_t flags, uint32_t total)
{
	const uint16_t ip = flags & SA_OUTER6 ? IP6_HDR : IPV4_HDR;

	p->l3_off = L2;
	p->l3_len = ip;
	p->ip_len = (uint16_t)total;
	p->esp_off = (uint16_t)(L2 + ip + (flags & SA_UDP ? UDP_HDR : 0));
	if (unlikely(flags & SA_OUTER6)) {
		p->v = 6;
		p->src4 = p->dst4 = 0;
		p->proto = ((const struct rte_ipv6_hdr *)tmpl)->proto;
	} else {
		p->v = 4;
		memcpy(&p->src4, tmpl + offsetof(struct rte_ipv4_hdr, src_addr), 4);
		memcpy(&p->dst4, tmpl + offsetof(struct rte_ipv4_hdr, dst_addr), 4);
		p->proto = tmpl[offsetof(struct rte_ipv4_hdr, next_proto_id)];
	}
	p->fragment = 0;
	p->in_if = IF_SELF; /* nobody is told what becomes of it */
	p->drop = DROP_NONE;
}

/* An IPv6 packet of no more than 1280 bytes goes out even if the way to the peer carries less than it needs: in
 * fragments, whatever DF is otherwise (RFC 2473 7.1, RFC 4213 3.2.2).  mtu.h has let no others so far. */
static __rte_noinline void mark_wide(struct worker *w, struct pkt *p, struct inherited *in)
{
	p->wide = true;
	in->df = 0;
	w->n_wide++;
}

static inline void wrap(struct worker *w, struct pkt *p, struct sa_out *sa, const struct suite *s,
			uint32_t tfc, uint32_t trailer)
{
	uint8_t now = atomic_load_explicit(&sa->outer_now, memory_order_acquire);
	const struct sa_outer *o = &sa->outer[now];
	const uint8_t *tmpl = o->hdr;
	uint8_t *inner = pkt_l3(p), *outer = inner - sa->hdr_len;
	uint32_t total = sa->hdr_len + p->ip_len + tfc + trailer + s->icv_len;
	struct inherited in = inherit(p, o);
	uint64_t seq = sa->seq + 1;

	count_add(&sa->seq, 1);
	if (likely(p->v)) { /* a dummy is no use of it */
		count_add(&sa->bytes, p->ip_len);
		__atomic_store_n(&sa->used, sa_used_now(w->tsc), __ATOMIC_RELAXED);
	}
	if (unlikely(tfc))
		memset(inner + p->ip_len, 0, tfc);
	if (unlikely(p->v == 6) && p->ip_len > atomic_load_explicit(&sa->max_inner, memory_order_relaxed))
		mark_wide(w, p, &in);
	put_trailer(s, inner + p->ip_len + tfc, trailer,
		    p->v == 4 ? NEXT_IPV4
		    : p->v    ? NEXT_IPV6
			      : NEXT_NONE);
	if (unlikely(sa->flags & SA_OUTER6))
		put_header(outer, tmpl, true, sa->flags & SA_UDP, in, total, seq);
	else if (sa->flags & SA_UDP)
		put_header(outer, tmpl, false, true, in, total, seq);
	else
		put_header(outer, tmpl, false, false, in, total, seq);

	p->m->data_off = (uint16_t)(p->m->data_off + p->l3_off - sa->hdr_len - L2);
	p->m->data_len = (uint16_t)(L2 + total);
	p->m->pkt_len = L2 + total;
	p->seq = seq;
	become_outer(p, tmpl, sa->flags, total);
}

/* ---- transport mode (RFC 4303 3.1.1): the packet's own header goes in front, ESP between it and the rest ---- */

static __rte_noinline void wrap_transport(struct worker *w, struct pkt *p, struct sa_out *sa,
					  const struct suite *s, uint32_t trailer)
{
	uint8_t now = atomic_load_explicit(&sa->outer_now, memory_order_acquire);
	const uint8_t *tmpl = sa->outer[now].hdr + (p->v == 6 ? IP6_HDR : IPV4_HDR);
	uint8_t *ip = pkt_l3(p), *front = ip - sa->hdr_len, *esp = front + p->l3_len;
	uint32_t spi_seq[2], udp = sa->flags & SA_UDP ? UDP_HDR : 0, text = (uint32_t)p->ip_len - p->l3_len;
	uint8_t next = p->proto;

	p->seq = sa->seq + 1;
	count_add(&sa->seq, 1);
	count_add(&sa->bytes, p->ip_len);
	__atomic_store_n(&sa->used, sa_used_now(w->tsc), __ATOMIC_RELAXED);
	put_trailer(s, ip + p->l3_len + text, trailer, next);
	p->ip_len = (uint16_t)(p->ip_len + sa->hdr_len + trailer + s->icv_len);
	p->wide = p->ip_len > atomic_load_explicit(&sa->outer_mtu, memory_order_relaxed);
	w->n_wide = (uint16_t)(w->n_wide + p->wide);
	p->proto = udp ? IPPROTO_UDP : IPPROTO_ESP;
	memmove(front, ip, p->l3_len);
	if (p->wide && p->v == 4)
		((struct rte_ipv4_hdr *)front)->fragment_offset = 0;
	transport_retell(front, p, p->proto);
	memcpy(esp, tmpl, udp);
	if (udp)
		((struct rte_udp_hdr *)esp)->dgram_len = rte_cpu_to_be_16((uint16_t)(p->ip_len - p->l3_len));
	memcpy(spi_seq, tmpl + udp, sizeof(spi_seq[0]));
	spi_seq[1] = rte_cpu_to_be_32((uint32_t)p->seq);
	memcpy(esp + udp, spi_seq, sizeof(spi_seq));

	p->m->data_off = (uint16_t)(p->m->data_off + p->l3_off - sa->hdr_len - L2);
	p->m->data_len = (uint16_t)(L2 + p->ip_len);
	p->m->pkt_len = L2 + p->ip_len;
	p->l3_off = L2;
	p->esp_off = (uint16_t)(L2 + p->l3_len + udp);
	p->drop = DROP_NONE;
}

/* A fragment cannot be protected: the packet has to be whole (RFC 4303 3.3.4). */
static __rte_noinline enum drop prepare_transport(struct worker *w, struct pkt *p, struct sa_out *sa,
						  const struct suite *s)
{
	uint32_t trailer = trailer_len(s, (uint32_t)p->ip_len - p->l3_len);
	enum drop why = p->fragment ? DROP_IP_FRAGMENT : admit(w, p, sa, trailer + s->icv_len);

	if (why == DROP_NONE)
		wrap_transport(w, p, sa, s, trailer);
	return why;
}

static inline enum drop prepare_tunnel(struct worker *w, struct pkt *p, struct sa_out *sa,
				       const struct suite *s)
{
	uint32_t tfc = unlikely(sa->flags & SA_TFC) ? tfc_len(sa, p->ip_len) : 0;
	uint32_t trailer = trailer_len(s, p->ip_len + tfc);
	enum drop why = admit(w, p, sa, tfc + trailer + s->icv_len);

	if (likely(why == DROP_NONE))
		wrap(w, p, sa, s, tfc, trailer);
	return why;
}

void esp_out_prepare(struct worker *w, struct list *l)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];
		struct sa_out *sa = p->sa_out;
		const struct suite *s = suite_at(sa->suite);
		enum drop why = unlikely(sa->flags & SA_TRANSPORT) ? prepare_transport(w, p, sa, s)
								   : prepare_tunnel(w, p, sa, s);

		if (unlikely(why != DROP_NONE)) {
			if (why == DROP_TUNNEL_SELECTOR)
				count_add(&sa->selector_drops, 1);
			icmp_drop(w, p, why);
			continue;
		}
		l->p[kept++] = p;
	}
	l->n = kept;
}

/* RFC 8200 8.1 wants one, and hosts that have no exception for tunnels (RFC 6935) drop what comes without. */
static void put_udp_sum(struct pkt *p)
{
	const struct rte_ipv6_hdr *ip = pkt_l3(p);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)pkt_at(p, (uint16_t)(p->l3_off + p->l3_len));
	uint16_t sum = (uint16_t)~ip6_sum(ip, IPPROTO_UDP, udp, (uint32_t)p->ip_len - p->l3_len);

	udp->dgram_cksum = sum ? sum : 0xffff;
}

void esp_out_seal(struct worker *w, struct list *l)
{
	uint32_t todo = (uint32_t)((UINT64_C(1) << l->n) - 1);
	uint16_t kept = 0;

	while (todo) { /* once for each suite in the list */
		uint8_t suite = l->p[__builtin_ctz(todo)]->sa_out->suite;
		struct pkt *same[BURST_MAX];
		uint16_t n = 0;

		for (uint32_t left = todo; left; left &= left - 1) {
			unsigned i = (unsigned)__builtin_ctz(left);

			if (l->p[i]->sa_out->suite == suite) {
				same[n++] = l->p[i];
				todo &= ~(UINT32_C(1) << i);
			}
		}
		suite_at(suite)->seal(w, suite_at(suite), same, n);
	}
	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];

		if (unlikely(p->drop != DROP_NONE)) {
			pkt_drop(w, p, (enum drop)p->drop);
			continue;
		}
		if (unlikely(p->v == 6) && p->proto == IPPROTO_UDP)
			put_udp_sum(p);
		l->p[kept++] = p;
	}
	l->n = kept;
}
static_assert(BURST_MAX <= 32, "a bit for each packet");
