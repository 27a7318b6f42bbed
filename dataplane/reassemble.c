/* SPDX-License-Identifier: Apache-2.0 */
#include "reassemble.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_lcore.h>

#include "datagram.h"
#include "dp.h"
#include "ip6.h"
#include "parse.h"
#include "parse_l4.h"

enum {
	L2 = sizeof(struct rte_ether_hdr),
	PARTS_MAX = 64,
	HEADER_MAX = 128, /* of IPv6 with extension headers; longer ones nobody needs */
	/* Where the payload begins in its buffer; the header goes in front of it. */
	PAYLOAD = RTE_PKTMBUF_HEADROOM + L2 + IP6_HDR,
	ECN_NOT_ECT = 0,
	ECN_CE = 3,
};
static_assert(PAYLOAD >= HEADER_MAX + L2, "every header has room in front");

struct assembly {
	struct datagram d;
	struct rte_mbuf *m; /* NULL: refused, and all that still comes */
	enum drop refused;
	uint32_t total, have; /* bytes of the payload; total 0: the last fragment has not come */
	uint16_t in_if, n_parts, header_len;
	uint8_t ecn; /* a bit for each mark seen */
	uint8_t header[HEADER_MAX];
	struct {
		uint16_t off, len;
	} part[PARTS_MAX];
};

/* Whoever sent the fragments that are in it: they count as dropped with it. */
static void let_go(struct worker *w, struct assembly *a, enum drop why)
{
	count_add(&w->drops[why], a->n_parts);
	rte_pktmbuf_free(a->m);
	a->m = NULL;
	a->n_parts = 0;
}

static void end(struct worker *w, struct datagram *d, enum drop why)
{
	let_go(w, (struct assembly *)d, why);
}

static enum drop refuse(struct worker *w, struct assembly *a, enum drop why)
{
	let_go(w, a, why);
	a->refused = why;
	return why;
}

/* ---- one more fragment ----------------------------------------------------------------------- */

/* Does it lie where it may, beside those that are there? */
static enum drop place(const struct assembly *a, const struct fragment_info *f)
{
	uint32_t end_ = f->off + f->len;

	if (PAYLOAD + end_ > a->m->buf_len || a->n_parts == PARTS_MAX)
		return DROP_FRAG_TOO_BIG;
	if (a->total && (end_ > a->total || (!f->more && end_ != a->total)))
		return DROP_FRAG_OVERLAP;
	for (uint16_t i = 0; i < a->n_parts; i++) {
		uint32_t lo = a->part[i].off, hi = lo + a->part[i].len;

		if (lo == f->off && hi == end_)
			return DROP_FRAG_DUPLICATE;
		if (f->off < hi && lo < end_)
			return DROP_FRAG_OVERLAP;
		if (!f->more && hi > end_)
			return DROP_FRAG_OVERLAP;
	}
	return DROP_NONE;
}

/* The header of the first fragment is the datagram's, IPv6's without its fragment header. */
static bool keep_header(struct assembly *a, const struct pkt *p)
{
	const uint8_t *ip = pkt_l3(p);
	uint16_t len = (uint16_t)(p->l3_len - (p->v == 6 ? IP6_FRAG_HDR : 0)), next = 6;

	if (len > HEADER_MAX)
		return false;
	memcpy(a->header, ip, len);
	a->header_len = len;
	a->in_if = p->in_if;
	if (p->v != 6)
		return true;
	for (uint16_t at = IP6_HDR; at < len; at = (uint16_t)(at + (ip[at + 1] + 1) * 8))
		next = at; /* what stands in front of the fragment header says what is behind it */
	a->header[next] = ip[len];
	return true;
}

static enum drop put(struct assembly *a, const struct pkt *p, const struct fragment_info *f)
{
	uint8_t *payload = (uint8_t *)a->m->buf_addr + PAYLOAD;
	const uint8_t *ip = pkt_l3(p);

	if (f->off == 0 && !keep_header(a, p))
		return DROP_FRAG_TOO_BIG;
	memcpy(payload + f->off, ip + p->l3_len, f->len);
	a->part[a->n_parts].off = (uint16_t)f->off;
	a->part[a->n_parts].len = (uint16_t)f->len;
	a->n_parts++;
	a->have += f->len;
	a->ecn |= (uint8_t)(1 << ((p->v == 6 ? ip6_traffic_class(pkt_l3(p)) : ip[1]) & 3));
	if (!f->more)
		a->total = f->off + f->len;
	return DROP_NONE;
}

static struct assembly *find(struct worker *w, const struct fragment_info *f, enum drop *why)
{
	struct assembly *a = (struct assembly *)datagram_find(w->reassembly, &f->key);
	struct rte_mbuf *m;

	*why = DROP_NONE;
	if (a) {
		*why = a->refused;
		return a;
	}
	m = rte_pktmbuf_alloc(dp.pool);
	if (!m) {
		*why = DROP_NO_MBUF;
		return NULL;
	}
	a = (struct assembly *)datagram_add(w, w->reassembly, sizeof(*a), &f->key);
	a->m = m;
	return a;
}

/* DROP_NONE: it is in, and free.  *whole is the datagram if nothing is missing any more. */
static enum drop take_in(struct worker *w, const struct pkt *p, struct assembly **whole)
{
	struct fragment_info f;
	struct assembly *a;
	enum drop why;

	fragment_of(p, &f);
	/* RFC 791 3.2, RFC 8200 4.5: all but the last are whole units of eight bytes. */
	if (f.len == 0 || (f.more && f.len % 8) || f.off + f.len > UINT16_MAX)
		return DROP_IP_FRAGMENT;
	a = find(w, &f, &why);
	if (why != DROP_NONE)
		return why;
	why = place(a, &f);
	if (why == DROP_FRAG_DUPLICATE)
		return why;
	if (why == DROP_NONE)
		why = put(a, p, &f);
	if (why != DROP_NONE)
		return refuse(w, a, why);
	rte_pktmbuf_free(p->m);
	if (a->have == a->total)
		*whole = a;
	return DROP_NONE;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* RFC 3168 5.3: congestion that one fragment met is the datagram's, if it can carry the mark. */
static bool mark(const struct assembly *a, uint8_t v, uint8_t *ip)
{
	if (!(a->ecn & 1 << ECN_CE))
		return true;
	if (a->ecn & 1 << ECN_NOT_ECT)
		return false;
	if (v == 6)
		ip6_set_traffic_class((struct rte_ipv6_hdr *)ip,
				      ip6_traffic_class((const struct rte_ipv6_hdr *)ip) | ECN_CE);
	else
		ip[1] |= ECN_CE;
	return true;
}

static void finish_header(const struct assembly *a, uint8_t v, uint8_t *ip)
{
	uint16_t behind = (uint16_t)(a->header_len + a->total - (v == 6 ? IP6_HDR : 0));
	struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)ip;

	if (v == 6) {
		((struct rte_ipv6_hdr *)ip)->payload_len = rte_cpu_to_be_16(behind);
		return;
	}
	ip4->total_length = rte_cpu_to_be_16(behind);
	ip4->fragment_offset &= RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	ip4->hdr_checksum = 0;
	ip4->hdr_checksum = (uint16_t)~rte_raw_cksum(ip4, a->header_len);
}

/* p, whose own buffer is gone, becomes the datagram. */
static void become(struct pkt *p, struct assembly *a)
{
	uint8_t v = p->v, *ip = (uint8_t *)a->m->buf_addr + PAYLOAD - a->header_len;
	enum drop why;

	memcpy(ip, a->header, a->header_len);
	p->m = a->m;
	p->m->data_off = (uint16_t)(PAYLOAD - a->header_len - L2);
	p->m->data_len = (uint16_t)(L2 + a->header_len + a->total);
	p->m->pkt_len = p->m->data_len;
	p->l3_off = L2;
	p->in_if = a->in_if;
	if (!mark(a, v, ip)) {
		parse_drop(p, DROP_IP_FRAGMENT);
		return;
	}
	finish_header(a, v, ip);
	why = parse_ip(p, (uint16_t)(a->header_len + a->total));
	if (why != DROP_NONE)
		parse_drop(p, why);
	else if (dp.ifs[p->in_if].is_port)
		parse_local(p);
}

void reassemble(struct worker *w, struct list *l)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];
		struct assembly *whole = NULL;
		enum drop why;

		if (likely(!p->fragment)) {
			l->p[kept++] = p;
			continue;
		}
		why = take_in(w, p, &whole);
		if (why != DROP_NONE)
			pkt_drop(w, p, why);
		if (!whole)
			continue;
		become(p, whole);
		datagram_remove(w->reassembly, &whole->d);
		count_add(&w->reassembled, 1);
		l->p[kept++] = p;
	}
	l->n = kept;
}

bool reassemble_init(struct worker *w)
{
	w->reassembly = datagram_table_new(datagram_limit(), sizeof(struct assembly),
					   (int)rte_lcore_to_socket_id(w->lcore), end);
	return w->reassembly;
}
