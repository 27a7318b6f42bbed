/* SPDX-License-Identifier: Apache-2.0 */
#include "esp_in.h"

#include <emmintrin.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_udp.h>

#include "frag_ports.h"
#include "ip6.h"
#include "life.h"
#include "parse.h"
#include "parse_plain.h"
#include "punt.h"
#include "replay.h"
#include "sad.h"
#include "selector.h"
#include "suite.h"
#include "transport.h"

enum { NEXT_IPV4 = 4, NEXT_IPV6 = 41, NEXT_NONE = 59, L2 = sizeof(struct rte_ether_hdr) };
enum { ECN_MASK = 3, ECN_NOT_ECT = 0, ECN_ECT1 = 1, ECN_CE = 3 };

static inline void in_drop(struct worker *w, struct pkt *p, enum drop why)
{
	struct sa_in *sa = p->sa_in;

	switch (why) {
	case DROP_ESP_AUTH: count_add(&sa->auth_errors, 1); break;
	case DROP_ESP_REPLAY: count_add(&sa->replays, 1); break;
	case DROP_ESP_SELECTOR: count_add(&sa->selector_drops, 1); break;
	case DROP_ESP_TRUNCATED:
	case DROP_ESP_ALIGN:
	case DROP_ESP_PADDING:
	case DROP_ESP_NEXT_HEADER:
	case DROP_ESP_INNER: count_add(&sa->malformed, 1); break;
	default: break;
	}
	pkt_drop(w, p, why);
}

/* ---- before the ICV --------------------------------------------------------------------------- */

/* In UDP the datagram's length counts, which parse has seen to lie within the IP packet. */
static inline void trim_udp(struct pkt *p)
{
	const struct rte_udp_hdr *u;

	if (p->cls != PKT_ESP_UDP)
		return;
	u = (const struct rte_udp_hdr *)pkt_at(p, (uint16_t)(p->esp_off - sizeof(*u)));
	p->ip_len = (uint16_t)(p->esp_off - sizeof(*u) - p->l3_off + rte_be_to_cpu_16(u->dgram_len));
}

/* How far left of the window: what a larger one would have taken. */
static void note_left(struct sa_in *sa, uint64_t behind)
{
	count_add(&sa->left[replay_bucket(behind)], 1);
}

static inline enum drop check(struct pkt *p, struct sa_in *sa)
{
	int text;

	trim_udp(p);
	text = p->l3_off + p->ip_len - p->esp_off - sa->around;
	if (unlikely(text <= sa->align))
		return DROP_ESP_TRUNCATED;
	if (unlikely(text & sa->align))
		return DROP_ESP_ALIGN;
	p->text_len = (uint16_t)text;
	if (sa->flags & SA_ESN && !replay_infer(sa->seq_top, sa->window_size, (uint32_t)p->seq, &p->seq))
		return DROP_ESP_REPLAY;
	if (sa->flags & SA_REPLAY &&
	    unlikely(!replay_ok(sa->window, sa->window_mask, sa->window_size, sa->seq_top, p->seq))) {
		if (p->seq != 0 && sa->seq_top - p->seq >= sa->window_size)
			note_left(sa, sa->seq_top - p->seq);
		return DROP_ESP_REPLAY;
	}
	rte_prefetch0(&sa->window[(p->seq >> 6) & sa->window_mask]); /* where it will be marked */
	return DROP_NONE;
}

void esp_in_check(struct worker *w, struct list *l)
{
	unsigned n = l->n, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];
		enum drop why = check(p, p->sa_in);

		if (unlikely(why != DROP_NONE)) {
			in_drop(w, p, why);
			continue;
		}
		p->drop = DROP_NONE;
		l->p[kept++] = p;
	}
	l->n = (uint16_t)kept;
}

/* With ESN a packet left of the window is taken for one of the next 2^32 and fails its ICV.  Count it by
 * the number it would have had in this subspace, if that is nearer behind than the other is ahead. */
static void note_left_esn(struct sa_in *sa, uint64_t seq)
{
	uint32_t behind = (uint32_t)(sa->seq_top - seq);

	if (sa->flags & SA_ESN && seq > sa->seq_top && behind >= sa->window_size && behind <= INT32_MAX)
		note_left(sa, behind);
}

/* Each suite's packets at once. */
static __rte_noinline bool open_mixed(struct worker *w, struct list *l)
{
	uint64_t todo = UINT64_MAX >> (64 - l->n);
	bool all = true;

	while (todo) {
		uint8_t suite = l->p[__builtin_ctzll(todo)]->sa_in->suite;
		struct pkt *same[BURST_MAX];
		uint16_t n = 0;

		for (uint64_t left = todo; left; left &= left - 1) {
			unsigned i = (unsigned)__builtin_ctzll(left);

			if (l->p[i]->sa_in->suite == suite) {
				same[n++] = l->p[i];
				todo &= ~(UINT64_C(1) << i);
			}
		}
		all &= suite_at(suite)->open(w, suite_at(suite), same, n);
	}
	return all;
}
static_assert(BURST_MAX <= 64, "a bit for each packet");

static __rte_noinline void drop_failed(struct worker *w, struct list *l)
{
	unsigned n = l->n, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];

		if (likely(p->drop == DROP_NONE)) {
			l->p[kept++] = p;
			continue;
		}
		if (p->drop == DROP_ESP_AUTH)
			note_left_esn(p->sa_in, p->seq);
		in_drop(w, p, (enum drop)p->drop);
	}
	l->n = (uint16_t)kept;
}

void esp_in_open(struct worker *w, struct list *l)
{
	unsigned n = l->n;
	uint8_t suite, differs = 0;
	bool all;

	if (n == 0)
		return;
	suite = l->p[0]->sa_in->suite;
	for (unsigned i = 1; i < n; i++)
		differs |= l->p[i]->sa_in->suite ^ suite;
	all = likely(!differs) ? suite_at(suite)->open(w, suite_at(suite), l->p, l->n) : open_mixed(w, l);
	if (unlikely(!all))
		drop_failed(w, l);
}

/* ---- after the ICV ---------------------------------------------------------------------------- */

/* An authentic packet in UDP that moves the window came from somewhere else: the peer's NAT has changed its
 * mind (RFC 7296 2.23).  Older packets prove nothing: they may have waited on the way. */
static __rte_noinline void watch_peer(struct worker *w, const struct pkt *p, struct sa_in *sa)
{
	const uint8_t *ip = pkt_l3(p);
	uint64_t from = likely(p->v == 4) ? sa_peer(p->src4, p->sport) : sa_peer6(ip + 8, p->sport);
	struct endpoint e = {.port = p->sport};
	struct addr dst;

	if (likely(from == atomic_load_explicit(&sa->peer, memory_order_relaxed)) || !(sa->flags & SA_UDP))
		return;
	if (sa->moved_at != 0 && (int64_t)(w->tsc - sa->moved_at) < (int64_t)w->tsc_hz)
		return;
	pkt_addrs(p, &e.a, &dst);
	if (punt_moved(w, p->spi, &e))
		sa->moved_at = w->tsc | 1;
}

/* Length of the text in front of the padding, or -1: padding must be 1, 2, 3, ... (RFC 4303 2.4). */
static int unpad(const uint8_t *text, uint32_t len)
{
	uint32_t pad = text[len - 2];

	if (pad + 2 > len)
		return -1;
	for (uint32_t i = 0; i < pad; i++)
		if (text[len - 2 - pad + i] != i + 1)
			return -1;
	return (int)(len - 2 - pad);
}

/* The same for a text that ends as nearly every one does: with padding shorter than a cipher's block, and IPv4 in front
 * of it.  Where the text begins IPv4 has to say for itself.  -1: perhaps not so. */
static inline int unpad_plain4(const uint8_t *text, uint32_t len)
{
	static const uint8_t pads[32] = {[16] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	uint32_t pad = text[len - 2];
	__m128i is, want;

	if (unlikely(pad >= 16 || pad + 2 > len || text[len - 1] != NEXT_IPV4))
		return -1;
	is = _mm_loadu_si128((const __m128i *)(text + len - 2) -
			     1); /* there are headers in front of the text */
	want = _mm_loadu_si128((const __m128i *)(pads + pad));
	if (unlikely((0xffffu & ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(is, want))) >> (16 - pad) != 0))
		return -1;
	return (int)(len - 2 - pad);
}

static inline uint8_t tos_of(const struct pkt *p)
{
	const struct rte_ipv4_hdr *ip = pkt_l3(p);

	return likely(p->v == 4) ? ip->type_of_service : ip6_traffic_class(pkt_l3(p));
}

static void ecn_put4(struct rte_ipv4_hdr *inner, uint8_t out)
{
	uint16_t was, is;

	memcpy(&was, inner, sizeof(was));
	inner->type_of_service = (uint8_t)((inner->type_of_service & ~ECN_MASK) | out);
	memcpy(&is, inner, sizeof(is));
	/* RFC 1624 eqn. 3 */
	uint32_t sum = (uint16_t)~inner->hdr_checksum + (uint32_t)(uint16_t)~was + is;
	sum = (sum & 0xffff) + (sum >> 16);
	inner->hdr_checksum = (uint16_t) ~(sum + (sum >> 16));
}

/* RFC 6040 4.2: what the path marked goes into the inner header; a mark on a packet that cannot carry
 * it means the packet must not pass. */
static inline bool ecn_decapsulate(struct pkt *p, uint8_t outer_tos)
{
	uint8_t outer = outer_tos & ECN_MASK, tos = tos_of(p), in = tos & ECN_MASK;

	if (likely(outer == in || outer == ECN_NOT_ECT))
		return true;
	if (in == ECN_NOT_ECT)
		return outer != ECN_CE;
	if (outer != ECN_CE && (outer != ECN_ECT1 || in == ECN_CE))
		return true;
	if (p->v == 4)
		ecn_put4(pkt_l3(p), outer);
	else
		ip6_set_traffic_class(pkt_l3(p), (uint8_t)((tos & ~ECN_MASK) | outer));
	return true;
}

/* Outside the selectors, unless it is a fragment that has yet to know its ports (RFC 4301 7).  DROP_MAX: it waits. */
static __rte_noinline enum drop ask_ports(struct worker *w, struct pkt *p, const struct sa_in *sa,
					  uint8_t outer_tos)
{
	enum drop why;

	if (p->fragment != FRAG_BLIND)
		return DROP_ESP_SELECTOR;
	if (!parse_addresses(p))
		return DROP_ESP_INNER;
	if (!ecn_decapsulate(p, outer_tos))
		return DROP_ESP_ECN;
	p->cls = PKT_WAITED_IN;
	why = frag_ports_find(w, p);
	p->cls = PKT_TRANSIT;
	if (why != DROP_NONE)
		return why;
	return selector_in(sa, p) ? DROP_NONE : DROP_ESP_SELECTOR;
}

/* Make the inner packet the packet.  The inner IP header says how long it is; what lies between it and
 * the padding hides the length (RFC 4303 2.7) and is cut off. */
static __rte_noinline enum drop unwrap(struct worker *w, struct pkt *p, const struct sa_in *sa,
				       const struct suite *s)
{
	uint8_t outer_tos = tos_of(p);
	uint32_t len = p->text_len, off = (uint32_t)p->esp_off + ESP_HDR + s->iv_len;
	const uint8_t *text = pkt_at(p, (uint16_t)off);
	uint8_t next = text[len - 1];
	int inner = unpad(text, len);

	if (unlikely(inner < 0))
		return DROP_ESP_PADDING;
	if (unlikely(next == NEXT_NONE))
		return DROP_ESP_DUMMY;
	if (unlikely(next != NEXT_IPV4 && next != NEXT_IPV6))
		return DROP_ESP_NEXT_HEADER;
	if (unlikely(inner < (int)sizeof(struct rte_ipv4_hdr) || text[0] >> 4 != (next == NEXT_IPV4 ? 4 : 6)))
		return DROP_ESP_INNER;

	p->m->ol_flags = 0; /* what the port said of the outer packet */
	p->in_if = sa->tunnel_if;
	p->m->data_off = (uint16_t)(p->m->data_off + off - L2);
	p->l3_off = L2;
	if (parse_headers(p, (uint16_t)inner) != DROP_NONE)
		return DROP_ESP_INNER;
	p->m->data_len = (uint16_t)(L2 + p->ip_len);
	p->m->pkt_len = L2 + p->ip_len;
	if (!selector_in(sa, p))
		return ask_ports(w, p, sa, outer_tos);
	if (!ecn_decapsulate(p, outer_tos))
		return DROP_ESP_ECN;
	p->cls = PKT_TRANSIT;
	return DROP_NONE;
}

/* What nearly every SA and packet is: one range of IPv4 addresses a side, plain IPv4 outside and inside, tunnel mode. */
static __rte_always_inline enum drop unwrap_plain(struct worker *w, struct pkt *p, const struct sa_in *sa,
						  const struct suite *s)
{
	struct rte_mbuf *m = p->m;
	const uint32_t off = (uint32_t)p->esp_off + ESP_HDR + s->iv_len;
	const uint8_t *data = pkt_at(p, 0), *text = data + off;
	const uint8_t outer_tos = data[p->l3_off + offsetof(struct rte_ipv4_hdr, type_of_service)];
	const int inner = unpad_plain4(text, p->text_len);

	if (unlikely(inner < 0 || !parse_plain4(p, text, (uint32_t)inner, L2, sa->tunnel_if)))
		return unwrap(w, p, sa, s);
	m->ol_flags = 0; /* what the port said of the outer packet */
	pkt_frame(m, m->data_off + off - L2, L2 + (uint32_t)p->ip_len);
	if (unlikely(
		    !selector_ranges_have(&sa->ranges, rte_be_to_cpu_32(p->dst4), rte_be_to_cpu_32(p->src4))))
		return DROP_ESP_SELECTOR;
	if (unlikely((outer_tos & ECN_MASK) != ECN_NOT_ECT) && !ecn_decapsulate(p, outer_tos))
		return DROP_ESP_ECN;
	p->cls = PKT_TRANSIT;
	return DROP_NONE;
}

/* Transport mode: the header that came in front of ESP moves to what was protected, and is told of that.  What NAT has
 * done to its addresses has been undone to the selectors (RFC 7296 2.23.1).  Checksums that cover addresses would
 * need the original ones (RFC 3948 3.1.2): of all that is answered here, ICMP of IPv4 has none such, and IPv6 has
 * no NAT. */
static __rte_noinline enum drop unwrap_transport(struct pkt *p, const struct sa_in *sa, const struct suite *s)
{
	uint32_t len = p->text_len, off = (uint32_t)p->esp_off + ESP_HDR + s->iv_len;
	uint8_t *text = pkt_at(p, (uint16_t)off), *ip = text - p->l3_len;
	uint8_t next = text[len - 1];
	int inner = unpad(text, len);

	if (inner < 0)
		return DROP_ESP_PADDING;
	if (next == NEXT_NONE)
		return DROP_ESP_DUMMY;
	memmove(ip, pkt_l3(p), p->l3_len);
	p->ip_len = (uint16_t)(p->l3_len + inner);
	transport_retell(ip, p, next);
	p->m->data_off = (uint16_t)(p->m->data_off + off - p->l3_len - L2);
	p->l3_off = L2;
	p->m->data_len = (uint16_t)(L2 + p->ip_len);
	p->m->pkt_len = L2 + p->ip_len;
	p->m->ol_flags = 0;
	if (parse_ip(p, p->ip_len) != DROP_NONE)
		return DROP_ESP_INNER;
	if (!selector_in(sa, p))
		return DROP_ESP_SELECTOR;
	p->in_if = sa->tunnel_if;
	p->cls = PKT_TRANSIT;
	return DROP_NONE;
}

/* Second look at the window, and move it (RFC 4303 3.4.3). */
static inline bool record(struct sa_in *sa, uint64_t seq)
{
	uint64_t behind = sa->seq_top - seq;

	if (likely(sa->flags & SA_REPLAY)) {
		if (unlikely(!replay_update(sa->window, sa->window_mask, sa->window_size, &sa->seq_top,
					    seq))) {
			if (behind >= sa->window_size) /* it was in the window when its burst began */
				note_left(sa, behind);
			return false;
		}
	} else if (seq > sa->seq_top) {
		sa->seq_top = seq;
	}
	if (unlikely((int64_t)behind > 0))
		count_add(&sa->late[replay_bucket(behind)], 1);
	return true;
}

static inline enum drop account(struct worker *w, const struct pkt *p, struct sa_in *sa)
{
	if (unlikely(sa->packets >= sa->stop_packets)) {
		enum drop why = life_in(w, sa, p->ip_len);

		if (why != DROP_NONE)
			return why;
	}
	count_add(&sa->packets, 1);
	count_add(&sa->bytes, p->ip_len);
	return DROP_NONE;
}

static __rte_noinline enum drop unwrap_special(struct worker *w, struct pkt *p, const struct sa_in *sa,
					       const struct suite *s)
{
	return sa->flags & SA_TRANSPORT ? unwrap_transport(p, sa, s) : unwrap(w, p, sa, s);
}

static inline enum drop finish(struct worker *w, struct pkt *p, struct sa_in *sa, uint32_t now)
{
	const struct suite *s = suite_at(sa->suite);
	bool newest = p->seq > sa->seq_top;
	enum drop why;

	if (unlikely(!record(sa, p->seq)))
		return DROP_ESP_REPLAY;
	sa_use(&sa->used, now);
	if (unlikely(p->cls == PKT_ESP_UDP) && newest)
		watch_peer(w, p, sa);
	why = likely((sa->flags & (SA_PLAIN4 | SA_TRANSPORT)) == SA_PLAIN4 && p->v == 4)
		      ? unwrap_plain(w, p, sa, s)
		      : unwrap_special(w, p, sa, s);
	return unlikely(why != DROP_NONE) ? why : account(w, p, sa);
}

void esp_in_finish(struct worker *w, struct list *l)
{
	const uint32_t now = sa_used_now(w->tsc);
	unsigned n = l->n, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];
		enum drop why = finish(w, p, p->sa_in, now);

		if (unlikely(why != DROP_NONE)) {
			if (why != DROP_MAX)
				in_drop(w, p, why);
			continue;
		}
		l->p[kept++] = p;
	}
	l->n = (uint16_t)kept;
}

void esp_in_admit(struct worker *w, struct list *l)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];

		if (unlikely(!parse_addresses(p)))
			in_drop(w, p, DROP_ESP_INNER);
		else
			l->p[kept++] = p;
	}
	l->n = kept;
}

void esp_in_resume(struct worker *w, struct list *l)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];
		enum drop why;

		p->sa_in = sad_in_find(p->spi);
		p->cls = PKT_TRANSIT;
		if (!p->sa_in) {
			pkt_drop(w, p, DROP_ESP_NO_SA);
			continue;
		}
		why = selector_in(p->sa_in, p) ? account(w, p, p->sa_in) : DROP_ESP_SELECTOR;
		if (why != DROP_NONE)
			in_drop(w, p, why);
		else
			l->p[kept++] = p;
	}
	l->n = kept;
}
