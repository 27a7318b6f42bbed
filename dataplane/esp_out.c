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

/* What nearly every SA and packet is: one range of IPv4 addresses a side, IPv4 outside and inside, tunnel mode, no
 * padding to hide lengths.  Functions that have a parameter `plain` know it when they are compiled. */
enum { SA_KINDS = SA_PLAIN4 | SA_TFC | SA_OUTER6 | SA_TRANSPORT };

static inline bool is_plain(const struct sa_out *sa, const struct pkt *p)
{
	return (sa->flags & SA_KINDS) == SA_PLAIN4 && p->v == 4;
}

static inline bool selected(const struct sa_out *sa, const struct pkt *p, bool plain)
{
	if (plain)
		return selector_ranges_have(&sa->ranges, rte_be_to_cpu_32(p->src4),
					    rte_be_to_cpu_32(p->dst4));
	return selector_out(sa, p) || !p->v;
}

/* Everything that can be said against the packet, before it costs a sequence number. */
static __rte_always_inline enum drop admit(struct worker *w, const struct pkt *p, struct sa_out *sa,
					   uint32_t behind, bool plain)
{
	uint32_t start = (uint32_t)p->m->data_off + p->l3_off, len = p->ip_len;

	if (unlikely(!selected(sa, p, plain)))
		return DROP_TUNNEL_SELECTOR;
	if (unlikely(start < sa->hdr_len + (uint32_t)L2 || start + len + behind > p->m->buf_len))
		return DROP_NO_ROOM;
	if (unlikely(sa->seq >= sa->stop_seq))
		return life_out(w, sa, len);
	return DROP_NONE;
}

/* 1, 2, 3, ... as RFC 4303 2.4 wants it.  What has a block of four is written at once, eight bytes whatever is needed:
 * the ICV that follows, eight bytes at least, overwrites what is too much. */
static inline void put_trailer(const struct suite *s, uint8_t *at, uint32_t len, uint8_t next)
{
	static const uint8_t pad[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	static const uint64_t four[4] = {0x00, 0x0101, 0x020201, 0x03030201}; /* padding and its length */

	if (likely(s->block == 4)) {
		uint64_t all = four[len - 2] | (uint64_t)next << (8 * (len - 1));

		memcpy(at, &all, sizeof(all));
		return;
	}
	memcpy(at, pad, 8);
	if (len > 8)
		memcpy(at + 8, pad + 8, 8);
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

static __rte_always_inline struct inherited inherit(const struct pkt *p, const struct sa_outer *o, bool plain)
{
	const struct rte_ipv4_hdr *ip = pkt_l3(p);
	uint16_t df = ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	uint8_t tos = ip->type_of_service;

	if (!plain && p->v == 6) { /* which no router may fragment */
		tos = ip6_traffic_class(pkt_l3(p));
		df = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	}
	return (struct inherited){(uint8_t)((tos & o->tos_keep) | o->tos_set),
				  (uint16_t)((df & o->df_keep) | o->df_set)};
}

/* The outer IPv4 header.  The checksum starts from the template's sum: four additions.  A port that made it
 * would want flags and header lengths written into every buffer, and many drivers send by a slower function then, so
 * nothing is left to it. */
static inline void put_ipv4(struct rte_ipv4_hdr *ip, const struct rte_ipv4_hdr *tmpl, struct inherited in,
			    uint32_t total, uint64_t seq)
{
	uint16_t len = rte_cpu_to_be_16((uint16_t)total);
	uint16_t id = (uint16_t)(tmpl->packet_id + seq);
	uint16_t sum = (uint16_t)~fold((uint32_t)tmpl->hdr_checksum + len + id + in.df +
				       ((uint32_t)in.tos << 8));
	uint64_t first = tmpl->version_ihl | (uint64_t)in.tos << 8 | (uint64_t)len << 16 |
			 (uint64_t)id << 32 | (uint64_t)in.df << 48;
	uint64_t second;

	memcpy(&second, (const uint8_t *)tmpl + 8, sizeof(second)); /* TTL, protocol, checksum, source */
	second = (second & ~(UINT64_C(0xffff) << 16)) | (uint64_t)sum << 16;
	memcpy(ip, &first, sizeof(first));
	memcpy((uint8_t *)ip + 8, &second, sizeof(second));
	ip->dst_addr = tmpl->dst_addr;
}

/* The template in front, with what changes filled in.  SPI and sequence number are stored as one word: the cipher loads
 * them as one. */
static __rte_always_inline void put_header(uint8_t *to, const uint8_t *tmpl, bool v6, bool udp,
					   struct inherited in, uint32_t total, uint64_t seq)
{
	const uint32_t ip = v6 ? IP6_HDR : IPV4_HDR, esp = ip + (udp ? UDP_HDR : 0);
	uint32_t spi_seq[2];

	if (v6) {
		memcpy(to, tmpl, IP6_HDR);
		((struct rte_ipv6_hdr *)to)->payload_len = rte_cpu_to_be_16((uint16_t)(total - ip));
		ip6_set_traffic_class((struct rte_ipv6_hdr *)to, in.tos);
	} else {
		put_ipv4((struct rte_ipv4_hdr *)to, (const struct rte_ipv4_hdr *)tmpl, in, total, seq);
	}
	if (udp) {
		memcpy(to + ip, tmpl + ip, UDP_HDR);
		((struct rte_udp_hdr *)(to + ip))->dgram_len = rte_cpu_to_be_16((uint16_t)(total - ip));
	}
	memcpy(spi_seq, tmpl + esp, sizeof(spi_seq[0]));
	spi_seq[1] = rte_cpu_to_be_32((uint32_t)seq);
	memcpy(to + esp, spi_seq, sizeof(spi_seq));
}

/* The packet is the outer one from here on.  Its addresses are read from its header by those few who ask
 * (fib_lookup_outer). */
static __rte_always_inline void become_outer(struct pkt *p, const uint8_t *tmpl, uint8_t flags,
					     uint32_t total, bool plain)
{
	const uint16_t ip = !plain && flags & SA_OUTER6 ? IP6_HDR : IPV4_HDR;

	pkt_lay_out(p, L2, ip, total, L2 + ip + (flags & SA_UDP ? UDP_HDR : 0u));
	p->fragment = 0;
	p->in_if = IF_SELF; /* nobody is told what becomes of it */
	p->drop = DROP_NONE;
	if (plain)
		return;
	p->v = flags & SA_OUTER6 ? 6 : 4;
	p->src4 = p->dst4 = 0;
	p->proto = tmpl[flags & SA_OUTER6 ? offsetof(struct rte_ipv6_hdr, proto)
					  : offsetof(struct rte_ipv4_hdr, next_proto_id)];
}

/* An IPv6 packet of no more than 1280 bytes goes out even if the way to the peer carries less than it needs: in
 * fragments, whatever DF is otherwise (RFC 2473 7.1, RFC 4213 3.2.2).  mtu.h has let no others so far. */
static __rte_noinline void mark_wide(struct worker *w, struct pkt *p, struct inherited *in)
{
	p->wide = true;
	in->df = 0;
	w->n_wide++;
}

static __rte_always_inline void wrap(struct worker *w, struct pkt *p, struct sa_out *sa,
				     const struct suite *s, uint32_t tfc, uint32_t trailer, bool plain)
{
	uint8_t now = atomic_load_explicit(&sa->outer_now, memory_order_acquire);
	const struct sa_outer *o = &sa->outer[now];
	const uint8_t *tmpl = o->hdr;
	const uint8_t flags = sa->flags, hdr_len = sa->hdr_len;
	const uint32_t len = p->ip_len, text = len + tfc + trailer, total = hdr_len + text + s->icv_len;
	struct rte_mbuf *m = p->m;
	const uint16_t start = (uint16_t)(m->data_off + p->l3_off);
	uint8_t *inner = (uint8_t *)m->buf_addr + start, *outer = inner - hdr_len;
	struct inherited in = inherit(p, o, plain);
	const uint64_t seq = sa->seq + 1;

	count_add(&sa->seq, 1);
	if (plain || p->v) { /* a dummy is no use of it */
		count_add(&sa->bytes, len);
		sa_use(&sa->used, w->tsc);
	}
	if (!plain && tfc)
		memset(inner + len, 0, tfc);
	if (!plain && p->v == 6 && len > atomic_load_explicit(&sa->max_inner, memory_order_relaxed))
		mark_wide(w, p, &in);
	p->seq = seq;
	p->text_len = (uint16_t)text;
	pkt_frame(m, start - hdr_len - (uint32_t)L2, L2 + total);
	put_trailer(s, inner + len + tfc, trailer,
		    plain || p->v == 4 ? NEXT_IPV4
		    : p->v             ? NEXT_IPV6
				       : NEXT_NONE);
	become_outer(p, tmpl, flags, total, plain);
	if (!plain && flags & SA_OUTER6)
		put_header(outer, tmpl, true, flags & SA_UDP, in, total, seq);
	else if (flags & SA_UDP)
		put_header(outer, tmpl, false, true, in, total, seq);
	else
		put_header(outer, tmpl, false, false, in, total, seq);
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
	p->text_len = (uint16_t)(text + trailer);
	p->drop = DROP_NONE;
}

/* A fragment cannot be protected: the packet has to be whole (RFC 4303 3.3.4). */
static __rte_noinline enum drop prepare_transport(struct worker *w, struct pkt *p, struct sa_out *sa,
						  const struct suite *s)
{
	uint32_t trailer = trailer_len(s, (uint32_t)p->ip_len - p->l3_len);
	enum drop why = p->fragment ? DROP_IP_FRAGMENT : admit(w, p, sa, trailer + s->icv_len, false);

	if (why == DROP_NONE)
		wrap_transport(w, p, sa, s, trailer);
	return why;
}

static __rte_always_inline enum drop prepare_tunnel(struct worker *w, struct pkt *p, struct sa_out *sa,
						    const struct suite *s, bool plain)
{
	uint32_t tfc = !plain && sa->flags & SA_TFC ? tfc_len(sa, p->ip_len) : 0;
	uint32_t trailer = trailer_len(s, p->ip_len + tfc);
	enum drop why = admit(w, p, sa, tfc + trailer + s->icv_len, plain);

	if (likely(why == DROP_NONE))
		wrap(w, p, sa, s, tfc, trailer, plain);
	return why;
}

static __rte_noinline enum drop prepare_special(struct worker *w, struct pkt *p, struct sa_out *sa,
						const struct suite *s)
{
	return sa->flags & SA_TRANSPORT ? prepare_transport(w, p, sa, s) : prepare_tunnel(w, p, sa, s, false);
}

void esp_out_prepare(struct worker *w, struct list *l)
{
	unsigned n = l->n, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];
		struct sa_out *sa = p->sa_out;
		const struct suite *s = suite_at(sa->suite);
		enum drop why = likely(is_plain(sa, p)) ? prepare_tunnel(w, p, sa, s, true)
							: prepare_special(w, p, sa, s);

		if (unlikely(why != DROP_NONE)) {
			if (why == DROP_TUNNEL_SELECTOR)
				count_add(&sa->selector_drops, 1);
			icmp_drop(w, p, why);
			continue;
		}
		l->p[kept++] = p;
	}
	l->n = (uint16_t)kept;
}

/* RFC 8200 8.1 wants one, and hosts that have no exception for tunnels (RFC 6935) drop what comes without. */
static void put_udp_sum(struct pkt *p)
{
	const struct rte_ipv6_hdr *ip = pkt_l3(p);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)pkt_at(p, (uint16_t)(p->l3_off + p->l3_len));
	uint16_t sum = (uint16_t)~ip6_sum(ip, IPPROTO_UDP, udp, (uint32_t)p->ip_len - p->l3_len);

	udp->dgram_cksum = sum ? sum : 0xffff;
}

/* Each suite's packets at once, in order. */
static __rte_noinline void seal_mixed(struct worker *w, struct list *l)
{
	uint32_t todo = (uint32_t)((UINT64_C(1) << l->n) - 1);

	while (todo) {
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
}
static_assert(BURST_MAX <= 32, "a bit for each packet");

void esp_out_seal(struct worker *w, struct list *l)
{
	unsigned n = l->n, kept = 0;
	uint8_t suite, differs = 0;

	if (n == 0)
		return;
	suite = l->p[0]->sa_out->suite;
	for (unsigned i = 1; i < n; i++)
		differs |= l->p[i]->sa_out->suite ^ suite;
	if (likely(!differs))
		suite_at(suite)->seal(w, suite_at(suite), l->p, l->n);
	else
		seal_mixed(w, l);
	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];

		if (unlikely(p->drop != DROP_NONE)) {
			pkt_drop(w, p, (enum drop)p->drop);
			continue;
		}
		if (unlikely(p->v == 6) && p->proto == IPPROTO_UDP)
			put_udp_sum(p);
		l->p[kept++] = p;
	}
	l->n = (uint16_t)kept;
}
