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

/* Everything that can be said against the packet, before it costs a sequence number.  `total` is what it will be as an
 * outer one. */
static inline enum drop admit(struct worker *w, const struct pkt *p, struct sa_out *sa, uint32_t total)
{
	uint32_t start = (uint32_t)p->m->data_off + p->l3_off;

	if (unlikely(start < sa->hdr_len + (uint32_t)L2 || start - sa->hdr_len + total > p->m->buf_len))
		return DROP_NO_ROOM;
	if (unlikely(sa->seq >= sa->stop_seq))
		return life_out(w, sa, p->ip_len);
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

/* SPI and sequence number are stored as one word: the cipher loads them as one. */
static inline void put_esp(uint8_t *to, uint32_t spi_be, uint64_t seq)
{
	uint64_t both = spi_be | (uint64_t)rte_cpu_to_be_32((uint32_t)seq) << 32;

	memcpy(to, &both, sizeof(both));
}

/* The first eight bytes of an inner IPv4 header, or what they would be if an IPv6 header were one: what the outer header
 * takes of them, DSCP and DF (RFC 4301 5.1.2.1) unless the tunnel has its own, and ECN always (RFC 6040 4.1, normal
 * mode), is in struct sa_outer. */
static inline uint64_t inherited(const struct pkt *p)
{
	const uint64_t df = RTE_BE64((uint64_t)RTE_IPV4_HDR_DF_FLAG); /* no router may fragment IPv6 */
	uint64_t first;

	if (unlikely(p->v == 6))
		return (uint64_t)ip6_traffic_class(pkt_l3(p)) << 8 | df;
	memcpy(&first, pkt_l3(p), sizeof(first));
	return first;
}

/* The outer header up to SPI and sequence number: the template, with what changes filled in.  The checksum starts from the
 * template's sum.  A port that made it would want flags and header lengths written into every buffer, and many drivers
 * send by a slower function then, so nothing is left to it.  A counter that starts at the SPI is as good an ID as any. */
static __rte_always_inline void put_header4(uint8_t *to, const struct sa_outer *o, uint64_t from_inner,
					    bool udp, uint32_t total, uint64_t seq)
{
	const uint32_t esp = IPV4_HDR + (udp ? UDP_HDR : 0);
	uint64_t first, second, sum;
	uint32_t spi_be, half;

	memcpy(&first, o->hdr, sizeof(first));
	memcpy(&second, o->hdr + 8, sizeof(second)); /* TTL, protocol, checksum (zero), source */
	memcpy(&spi_be, o->hdr + esp, sizeof(spi_be));
	first |= (from_inner & o->keep) | rte_cpu_to_be_32(total) | (uint64_t)(uint16_t)(spi_be + seq) << 32;
	sum = (first & UINT32_MAX) + (first >> 32) + o->sum;
	sum += sum << 32 | sum >> 32; /* folded in its upper half (RFC 1071 2) */
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	second |= (uint64_t)(uint16_t) ~(half >> 16) << 16;
	memcpy(to, &first, sizeof(first));
	memcpy(to + 8, &second, sizeof(second));
	memcpy(to + 16, o->hdr + 16, 4); /* destination */
	if (udp) {
		uint64_t u;

		memcpy(&u, o->hdr + IPV4_HDR, sizeof(u)); /* ports, length (zero), no checksum */
		u |= (uint64_t)rte_cpu_to_be_32(total - IPV4_HDR) << 16;
		memcpy(to + IPV4_HDR, &u, sizeof(u));
	}
	put_esp(to + esp, spi_be, seq);
}

static void put_header6(uint8_t *to, const struct sa_outer *o, uint64_t from_inner, bool udp, uint32_t total,
			uint64_t seq)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)to;
	struct rte_udp_hdr *u = (struct rte_udp_hdr *)(ip + 1);
	const uint32_t esp = IP6_HDR + (udp ? UDP_HDR : 0);
	uint32_t spi_be;

	memcpy(to, o->hdr, esp);
	memcpy(&spi_be, o->hdr + esp, sizeof(spi_be));
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(total - IP6_HDR));
	ip6_set_traffic_class(ip, (uint8_t)((from_inner & o->keep) >> 8 | o->tos_set));
	if (udp)
		u->dgram_len = ip->payload_len;
	put_esp(to + esp, spi_be, seq);
}

/* ---- what nearly every SA and packet is: one range of IPv4 addresses a side, IPv4 outside and inside, tunnel mode, no
 * padding to hide lengths ---- */

static inline bool is_plain(const struct sa_out *sa, const struct pkt *p)
{
	return (sa->flags & (SA_PLAIN4 | SA_TFC | SA_OUTER6 | SA_TRANSPORT)) == SA_PLAIN4 && p->v == 4;
}

/* All that is needed is loaded before the first store, which the compiler takes for a change of anything. */
static inline enum drop prepare_plain(struct worker *w, struct pkt *p, struct sa_out *sa, uint32_t now)
{
	const struct suite *s = suite_at(sa->suite);
	const struct sa_outer *o = &sa->outer[atomic_load_explicit(&sa->outer_now, memory_order_acquire)];
	const uint32_t len = p->ip_len, text = len + trailer_len(s, len), hdr_len = sa->hdr_len;
	const uint32_t total = hdr_len + text + s->icv_len;
	const bool udp = sa->flags & SA_UDP;
	struct rte_mbuf *m = p->m;
	const uint32_t start = (uint32_t)m->data_off + p->l3_off;
	uint8_t *inner = (uint8_t *)m->buf_addr + start;
	const uint64_t seq = sa->seq + 1;
	uint64_t in;
	enum drop why;

	memcpy(&in, inner, sizeof(in));
	if (unlikely(
		    !selector_ranges_have(&sa->ranges, rte_be_to_cpu_32(p->src4), rte_be_to_cpu_32(p->dst4))))
		return DROP_TUNNEL_SELECTOR;
	why = admit(w, p, sa, total);
	if (unlikely(why != DROP_NONE))
		return why;
	put_trailer(s, inner + len, text - len, NEXT_IPV4);
	if (unlikely(udp))
		put_header4(inner - hdr_len, o, in, true, total, seq);
	else
		put_header4(inner - hdr_len, o, in, false, total, seq);
	pkt_frame(m, start - hdr_len - L2, L2 + total);
	pkt_lay_out(p, L2, IPV4_HDR, total, L2 + IPV4_HDR + (udp ? UDP_HDR : 0u));
	p->seq = seq;
	p->text_len = (uint16_t)text;
	p->in_if = IF_SELF; /* nobody is told what becomes of it; its addresses are read from its header */
	p->fragment = 0;
	p->drop = DROP_NONE;
	count_set(&sa->seq, seq);
	count_add(&sa->bytes, len);
	sa_use(&sa->used, now);
	return DROP_NONE;
}

/* ---- tunnel mode for all others ---- */

/* The packet is the outer one from here on.  Its addresses are read from its header by those few who ask
 * (fib_lookup_outer). */
static void become_outer(struct pkt *p, const uint8_t *tmpl, uint8_t flags, uint32_t total)
{
	const uint16_t ip = flags & SA_OUTER6 ? IP6_HDR : IPV4_HDR;

	pkt_lay_out(p, L2, ip, total, L2 + ip + (flags & SA_UDP ? UDP_HDR : 0u));
	p->fragment = 0;
	p->in_if = IF_SELF; /* nobody is told what becomes of it */
	p->drop = DROP_NONE;
	p->v = flags & SA_OUTER6 ? 6 : 4;
	p->src4 = p->dst4 = 0;
	p->proto = tmpl[flags & SA_OUTER6 ? offsetof(struct rte_ipv6_hdr, proto)
					  : offsetof(struct rte_ipv4_hdr, next_proto_id)];
}

/* An IPv6 packet of no more than 1280 bytes goes out even if the way to the peer carries less than it needs: in
 * fragments, whatever DF is otherwise (RFC 2473 7.1, RFC 4213 3.2.2).  mtu.h has let no others so far. */
static void mark_wide(struct worker *w, struct pkt *p)
{
	p->wide = true;
	w->n_wide++;
}

static void forget_df(struct sa_outer *o)
{
	o->keep &= ~RTE_BE64((uint64_t)RTE_IPV4_HDR_DF_FLAG);
	((struct rte_ipv4_hdr *)o->hdr)->fragment_offset = 0;
}

static void wrap(struct worker *w, struct pkt *p, struct sa_out *sa, const struct suite *s, uint32_t tfc,
		 uint32_t trailer)
{
	uint8_t now = atomic_load_explicit(&sa->outer_now, memory_order_acquire);
	struct sa_outer o = sa->outer[now];
	const uint32_t len = p->ip_len, text = len + tfc + trailer, total = sa->hdr_len + text + s->icv_len;
	const bool udp = sa->flags & SA_UDP;
	uint8_t *inner = pkt_l3(p), *outer = inner - sa->hdr_len;
	const uint64_t in = inherited(p), seq = sa->seq + 1;

	count_add(&sa->seq, 1);
	if (p->v) { /* a dummy is no use of it */
		count_add(&sa->bytes, len);
		sa_use(&sa->used, sa_used_now(w->tsc));
	}
	if (tfc)
		memset(inner + len, 0, tfc);
	if (p->v == 6 && len > atomic_load_explicit(&sa->max_inner, memory_order_relaxed))
		mark_wide(w, p);
	p->seq = seq;
	p->text_len = (uint16_t)text;
	pkt_frame(p->m, (uint32_t)p->m->data_off + p->l3_off - sa->hdr_len - L2, L2 + total);
	put_trailer(s, inner + len + tfc, trailer, p->v == 4 ? NEXT_IPV4 : p->v ? NEXT_IPV6 : NEXT_NONE);
	become_outer(p, o.hdr, sa->flags, total);
	if (sa->flags & SA_OUTER6) {
		put_header6(outer, &o, in, udp, total, seq);
		return;
	}
	if (p->wide)
		forget_df(&o);
	put_header4(outer, &o, in, udp, total, seq);
}

static enum drop prepare_tunnel(struct worker *w, struct pkt *p, struct sa_out *sa, const struct suite *s)
{
	uint32_t tfc = sa->flags & SA_TFC ? tfc_len(sa, p->ip_len) : 0;
	uint32_t trailer = trailer_len(s, p->ip_len + tfc);
	enum drop why;

	if (!selector_out(sa, p) && p->v)
		return DROP_TUNNEL_SELECTOR;
	why = admit(w, p, sa, sa->hdr_len + p->ip_len + tfc + trailer + s->icv_len);
	if (why == DROP_NONE)
		wrap(w, p, sa, s, tfc, trailer);
	return why;
}

/* ---- transport mode (RFC 4303 3.1.1): the packet's own header goes in front, ESP between it and the rest ---- */

static __rte_noinline void wrap_transport(struct worker *w, struct pkt *p, struct sa_out *sa,
					  const struct suite *s, uint32_t trailer)
{
	uint8_t now = atomic_load_explicit(&sa->outer_now, memory_order_acquire);
	const uint8_t *tmpl = sa->outer[now].hdr + (p->v == 6 ? IP6_HDR : IPV4_HDR);
	uint8_t *ip = pkt_l3(p), *front = ip - sa->hdr_len, *esp = front + p->l3_len;
	uint32_t spi_be, udp = sa->flags & SA_UDP ? UDP_HDR : 0, text = (uint32_t)p->ip_len - p->l3_len;
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
	memcpy(&spi_be, tmpl + udp, sizeof(spi_be));
	put_esp(esp + udp, spi_be, p->seq);

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
	enum drop why;

	if (p->fragment)
		return DROP_IP_FRAGMENT;
	if (!selector_out(sa, p))
		return DROP_TUNNEL_SELECTOR;
	why = admit(w, p, sa, sa->hdr_len + p->ip_len + trailer + s->icv_len);
	if (why == DROP_NONE)
		wrap_transport(w, p, sa, s, trailer);
	return why;
}

static __rte_noinline enum drop prepare_special(struct worker *w, struct pkt *p, struct sa_out *sa,
						const struct suite *s)
{
	return sa->flags & SA_TRANSPORT ? prepare_transport(w, p, sa, s) : prepare_tunnel(w, p, sa, s);
}

void esp_out_prepare(struct worker *w, struct list *l)
{
	const uint32_t now = sa_used_now(w->tsc);
	unsigned n = l->n, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];
		struct sa_out *sa = p->sa_out;
		enum drop why = likely(is_plain(sa, p)) ? prepare_plain(w, p, sa, now)
							: prepare_special(w, p, sa, suite_at(sa->suite));

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
static __rte_noinline bool seal_mixed(struct worker *w, struct list *l)
{
	uint64_t todo = UINT64_MAX >> (64 - l->n);
	bool all = true;

	while (todo) {
		uint8_t suite = l->p[__builtin_ctzll(todo)]->sa_out->suite;
		struct pkt *same[BURST_MAX];
		uint16_t n = 0;

		for (uint64_t left = todo; left; left &= left - 1) {
			unsigned i = (unsigned)__builtin_ctzll(left);

			if (l->p[i]->sa_out->suite == suite) {
				same[n++] = l->p[i];
				todo &= ~(UINT64_C(1) << i);
			}
		}
		all &= suite_at(suite)->seal(w, suite_at(suite), same, n);
	}
	return all;
}
static_assert(BURST_MAX <= 64, "a bit for each packet");

static __rte_noinline void drop_failed(struct worker *w, struct list *l)
{
	unsigned n = l->n, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];

		if (p->drop != DROP_NONE)
			pkt_drop(w, p, (enum drop)p->drop);
		else
			l->p[kept++] = p;
	}
	l->n = (uint16_t)kept;
}

/* Outer packets of IPv6 whose ESP is in UDP have a checksum over all. */
static __rte_noinline void put_udp_sums(const struct list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->p[i]->v == 6 && l->p[i]->proto == IPPROTO_UDP)
			put_udp_sum(l->p[i]);
}

void esp_out_seal(struct worker *w, struct list *l)
{
	uint8_t suite, differs = 0, flags = 0;
	unsigned n = l->n;
	bool all;

	if (n == 0)
		return;
	suite = l->p[0]->sa_out->suite;
	for (unsigned i = 0; i < n; i++) {
		differs |= l->p[i]->sa_out->suite ^ suite;
		flags |= l->p[i]->sa_out->flags;
	}
	all = likely(!differs) ? suite_at(suite)->seal(w, suite_at(suite), l->p, l->n) : seal_mixed(w, l);
	if (unlikely(!all))
		drop_failed(w, l);
	if (unlikely(flags & SA_UDP))
		put_udp_sums(l);
}
