/* SPDX-License-Identifier: Apache-2.0 */
#include "mtu.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "dp.h"
#include "icmp.h"
#include "ip6.h"
#include "mss.h"
#include "sa.h"
#include "spd_table.h"

enum {
	L2 = sizeof(struct rte_ether_hdr),
	HDR4 = 20,
	HDR4_MAX = 60,
	HDR6_FRAGMENT = IP6_HDR + IP6_FRAG_HDR,
};

static inline uint16_t fits(const struct pkt *p)
{
	uint16_t most = atomic_load_explicit(&p->sa_out->max_inner, memory_order_relaxed);

	return unlikely(p->v == 6 && most < MTU6_MIN) ? MTU6_MIN : most;
}

static void clamp(struct pkt *p)
{
	const struct policy *pol = &spd_policy[p->sa_out->policy];

	mss_clamp(p, atomic_load_explicit(&p->sa_out->max_inner, memory_order_relaxed),
		  atomic_load_explicit(&pol->mss, memory_order_relaxed));
}

bool mtu_fit(struct list *l)
{
	unsigned n = l->n;
	bool all = true;

	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];

		if (unlikely(p->ip_len > atomic_load_explicit(&p->sa_out->max_inner, memory_order_relaxed)))
			all &= p->ip_len <= fits(p);
		if (unlikely(mss_is_syn(p)))
			clamp(p);
	}
	if (likely(all))
		return true;
	for (uint16_t i = 0; i < l->n; i++)
		l->p[i]->fits = fits(l->p[i]);
	return false;
}

/* ---- fragments of IPv4 (RFC 791 3.2) --------------------------------------------------------- */

/* The header of a fragment that is not the first: only options that say so are in all of them.  parse_ip() has
 * seen that the options are sound. */
static uint32_t later_header(const uint8_t *ip, uint32_t hlen, uint8_t hdr[HDR4_MAX])
{
	uint32_t n = HDR4;

	memcpy(hdr, ip, HDR4);
	for (uint32_t at = HDR4; at < hlen && ip[at] != 0;) {
		uint32_t len = ip[at] == 1 ? 1 : ip[at + 1];

		if (ip[at] & 0x80) {
			memcpy(hdr + n, ip + at, len);
			n += len;
		}
		at += len;
	}
	while (n % 4)
		hdr[n++] = 0;
	hdr[0] = (uint8_t)(0x40 | n / 4);
	return n;
}

static void set4(uint8_t *at, uint32_t hlen, uint32_t n, uint32_t done, bool more)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)at;
	uint16_t was = rte_be_to_cpu_16(ip->fragment_offset);

	ip->total_length = rte_cpu_to_be_16((uint16_t)(hlen + n));
	/* A fragment that is cut again keeps its place, and its "more". */
	ip->fragment_offset = rte_cpu_to_be_16(
		(uint16_t)((was & RTE_IPV4_HDR_OFFSET_MASK) + done / 8 +
			   ((was | (more ? RTE_IPV4_HDR_MF_FLAG : 0)) & RTE_IPV4_HDR_MF_FLAG)));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, hlen);
}

/* ---- fragments of IPv6: of outer packets, for only a packet's source may cut it (RFC 8200 4.5) -- */

/* The fixed header and the fragment header behind it; our outer packets have no others.  Identification: as with
 * IPv4 the sequence number, counted from where only the peers know. */
static uint32_t header6(const struct pkt *p, uint8_t hdr[HDR6_FRAGMENT])
{
	uint32_t spi_seq[2], id;

	memcpy(spi_seq, pkt_at(p, p->esp_off), sizeof(spi_seq));
	id = rte_be_to_cpu_32(spi_seq[0]) + rte_be_to_cpu_32(spi_seq[1]);
	id = rte_cpu_to_be_32(id);
	memcpy(hdr, pkt_l3(p), IP6_HDR);
	memset(hdr + IP6_HDR, 0, IP6_FRAG_HDR);
	hdr[IP6_HDR] = hdr[6];
	hdr[6] = IPPROTO_FRAGMENT;
	memcpy(hdr + IP6_HDR + 4, &id, sizeof(id));
	return HDR6_FRAGMENT;
}

static void set6(uint8_t *ip, uint32_t n, uint32_t done, bool more)
{
	uint16_t len = rte_cpu_to_be_16((uint16_t)(IP6_FRAG_HDR + n));
	uint16_t offset = rte_cpu_to_be_16((uint16_t)(done | more));

	memcpy(ip + 4, &len, sizeof(len));
	memcpy(ip + IP6_HDR + 2, &offset, sizeof(offset));
}

/* ---- both ---------------------------------------------------------------------------------------- */

static bool may_cut(const struct pkt *p)
{
	const struct rte_ipv4_hdr *ip = pkt_l3(p);

	if (p->v == 6)
		return p->wide && p->fits >= HDR6_FRAGMENT + 8;
	return !(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG)) && p->fits >= HDR4_MAX + 8;
}

/* The header of the fragment that begins `done` bytes into the payload: its length, and where it stands. */
static uint32_t header_of(const struct pkt *p, uint32_t done, uint8_t room[HDR4_MAX], const uint8_t **hdr)
{
	*hdr = room;
	if (p->v == 6)
		return header6(p, room);
	if (done)
		return later_header(pkt_l3(p), p->l3_len, room);
	*hdr = pkt_l3(p);
	return p->l3_len;
}

/* One fragment: `n` bytes of the payload from `done` on behind a header of `hlen` bytes. */
static bool put_fragment(struct pkt *f, const struct pkt *p, const uint8_t *hdr, uint32_t hlen, uint32_t done,
			 uint32_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool);
	uint8_t *to = m ? (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(L2 + hlen + n)) : NULL;
	bool more = p->l3_len + done + n < p->ip_len;

	if (!to) {
		rte_pktmbuf_free(m);
		return false;
	}
	memcpy(to + L2, hdr, hlen);
	if (p->v == 6)
		set6(to + L2, n, done, more);
	else
		set4(to + L2, hlen, n, done, more);
	memcpy(to + L2 + hlen, (const uint8_t *)pkt_l3(p) + p->l3_len + done, n);
	*f = *p;
	f->m = m;
	f->l3_off = L2;
	f->l3_len = (uint16_t)hlen;
	f->ip_len = (uint16_t)(hlen + n);
	if (f->fragment == FRAG_NO)
		f->fragment = FRAG_KNOWN;
	return true;
}

/* Fragments of p until it is done or `out` is full.  False: buffers have run out. */
static bool cut_one(struct worker *w, struct mtu_walk *c, const struct pkt *p, struct list *out)
{
	uint32_t payload = (uint32_t)p->ip_len - p->l3_len;
	uint8_t room_for_hdr[HDR4_MAX];
	const uint8_t *hdr;

	while (c->done < payload && out->n < BURST_MAX) {
		uint32_t hlen = header_of(p, c->done, room_for_hdr, &hdr);
		uint32_t room = (uint32_t)p->fits - hlen, n = payload - c->done;
		struct pkt *f = &c->frags[c->n_frags];

		if (n > room)
			n = room & ~UINT32_C(7);
		if (!put_fragment(f, p, hdr, hlen, c->done, n))
			return false;
		c->n_frags++;
		c->done += n;
		list_add(out, f);
		count_add(&w->fragments, 1);
	}
	return true;
}

bool mtu_cut(struct worker *w, struct mtu_walk *c, struct list *out)
{
	out->n = 0;
	c->n_frags = 0;
	while (c->next < c->l->n && out->n < BURST_MAX) {
		struct pkt *p = c->l->p[c->next];

		if (p->ip_len <= p->fits) {
			list_add(out, p);
		} else if (!may_cut(p)) {
			icmp_drop_too_big(w, p, (uint16_t)p->fits);
		} else if (!cut_one(w, c, p, out)) {
			pkt_drop(w, p, DROP_NO_MBUF);
		} else if (p->l3_len + c->done < p->ip_len) {
			break; /* the list is full; more of it in the next step */
		} else {
			rte_pktmbuf_free(p->m);
		}
		c->next++;
		c->done = 0;
	}
	return out->n > 0;
}
