/* SPDX-License-Identifier: Apache-2.0 */
#include "pmtu.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "dp.h"
#include "ip6.h"
#include "mtu.h"
#include "sad.h"
#include "spd_table.h"
#include "suite.h"

enum {
	MTU4_MIN = 576,
	RECENT = 1 << 20, /* sequence numbers: a second of the fastest flow, or an hour of a slow one */
	ICMP_HDR = 8,
	IPV4_HDR = 20,
	UDP_HDR = 8,
};
#define KEEP_NS (UINT64_C(600) * 1000000000) /* RFC 1191 6.3 */
#define NO_SLOT UINT32_MAX

struct learned {
	STAILQ_ENTRY(learned) link;
	uint32_t sa;
	uint64_t until;
};

static struct {
	uint32_t mask;
	uint32_t *head, *next;        /* slots of SAs by SPI, chained */
	STAILQ_HEAD(, learned) queue; /* in order of `until` */
} t;

/* ---- SAs by SPI ------------------------------------------------------------------------------ */

static uint32_t bucket(uint32_t spi)
{
	return (spi * UINT32_C(0x9e3779b1)) >> 7 & t.mask;
}

static void remember(struct sa_out *sa, uint32_t handle, uint16_t mtu)
{
	struct learned *l = malloc(sizeof(*l));

	if (!l) /* nothing learned: the next message comes */
		return;
	l->sa = handle;
	l->until = dp.now_ns + KEEP_NS;
	STAILQ_INSERT_TAIL(&t.queue, l, link);
	sa->pmtu = mtu;
	sa->pmtu_until = l->until;
}

void pmtu_add(struct sa_out *sa, uint32_t slot)
{
	uint32_t b = bucket(sa->spi), before;
	const struct sa_out *old;

	t.next[slot] = t.head[b];
	t.head[b] = slot;
	before = atomic_load_explicit(&spd_policy[sa->policy].sa_out, memory_order_relaxed);
	old = before == DP_SA_NONE ? NULL : sad_out_find(before);
	if (old && old != sa && old->pmtu && endpoint_eq(&old->remote, &sa->remote))
		remember(sa, atomic_load_explicit(&sa->handle, memory_order_relaxed), old->pmtu);
}

void pmtu_del(struct sa_out *sa, uint32_t slot)
{
	uint32_t *at = &t.head[bucket(sa->spi)];

	while (*at != NO_SLOT && *at != slot)
		at = &t.next[*at];
	if (*at == slot)
		*at = t.next[slot];
}

uint16_t pmtu_of(const struct sa_out *sa, uint16_t port)
{
	return sa->pmtu && sa->pmtu < port ? sa->pmtu : port;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* What an error quotes of an outer packet. */
struct quoted {
	struct addr src, dst;
	uint32_t spi, seq; /* host order */
	uint16_t sport, dport, len;
	bool udp;
};

static uint32_t be32_at(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint16_t be16_at(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

/* ESP, raw or in UDP: what stands behind the IP header. */
static bool parse_esp(const uint8_t *b, size_t len, uint8_t proto, struct quoted *q)
{
	q->udp = proto == IPPROTO_UDP;
	if (len < (q->udp ? UDP_HDR : 0) + (size_t)ESP_HDR || (!q->udp && proto != IPPROTO_ESP))
		return false;
	if (q->udp) {
		q->sport = be16_at(b);
		q->dport = be16_at(b + 2);
		b += UDP_HDR;
	}
	q->spi = be32_at(b);
	q->seq = be32_at(b + 4);
	return true;
}

/* With DF and not a later fragment: nothing else can be too big for a router. */
static bool parse_quote4(const uint8_t *b, size_t len, struct quoted *q)
{
	size_t hlen;

	if (len < IPV4_HDR || b[0] >> 4 != 4)
		return false;
	hlen = (b[0] & 15u) * 4;
	if (hlen < IPV4_HDR || len < hlen || (be16_at(b + 6) & ~0x8000) != RTE_IPV4_HDR_DF_FLAG)
		return false;
	q->len = be16_at(b + 2);
	q->src = addr_v4(b + 12);
	q->dst = addr_v4(b + 16);
	return parse_esp(b + hlen, len - hlen, b[9], q);
}

/* Our outer headers have no extensions, but for the fragment header of what had to be cut; of those only the first
 * shows its SPI. */
static bool parse_quote6(const uint8_t *b, size_t len, struct quoted *q)
{
	size_t hlen = IP6_HDR;
	uint8_t proto;

	if (len < IP6_HDR + IP6_FRAG_HDR || b[0] >> 4 != 6)
		return false;
	proto = b[6];
	if (proto == IPPROTO_FRAGMENT) {
		if (be16_at(b + IP6_HDR + 2) & 0xfff8)
			return false;
		proto = b[IP6_HDR];
		hlen += IP6_FRAG_HDR;
	}
	q->len = (uint16_t)RTE_MIN(IP6_HDR + be16_at(b + 4), UINT16_MAX);
	q->src = addr_v6(b + 8);
	q->dst = addr_v6(b + 24);
	return parse_esp(b + hlen, len - hlen, proto, q);
}

static bool is_of(const struct sa_out *sa, const struct quoted *q)
{
	return sa->spi == q->spi && !(sa->flags & SA_UDP) == !q->udp && addr_eq(&sa->local.a, &q->src) &&
	       addr_eq(&sa->remote.a, &q->dst) &&
	       (!q->udp || (sa->local.port == q->sport && sa->remote.port == q->dport));
}

static struct sa_out *sender_of(const struct quoted *q)
{
	for (uint32_t s = t.head[bucket(q->spi)]; s != NO_SLOT; s = t.next[s])
		if (is_of(sad_out_at(s), q))
			return sad_out_at(s);
	return NULL;
}

/* RFC 1191 5 and 7.1: routers from before it leave the field zero; then the next smaller MTU that is in use. */
static uint16_t told_mtu4(const uint8_t *icmp, uint16_t quoted_len)
{
	static const uint16_t plateau[] = {8166, 4352, 2002, 1492, 1006, 508};
	uint16_t mtu = be16_at(icmp + 6);

	for (size_t i = 0; mtu == 0 && i < RTE_DIM(plateau); i++)
		if (plateau[i] < quoted_len)
			mtu = plateau[i];
	return mtu > MTU4_MIN ? mtu : MTU4_MIN;
}

/* RFC 8201 4: less than every link carries is no news, but an error or an attack. */
static uint16_t told_mtu6(const uint8_t *icmp, uint16_t quoted_len)
{
	uint32_t mtu = be32_at(icmp + 4);

	return mtu >= MTU6_MIN && mtu < quoted_len ? (uint16_t)mtu : quoted_len;
}

static enum drop judge(bool v6, const uint8_t *icmp, size_t len, const char *from)
{
	struct quoted q = {0};
	struct sa_out *sa;
	uint32_t handle;
	char peer[ADDR_STR];
	uint16_t mtu;

	if (!(v6 ? parse_quote6 : parse_quote4)(icmp + ICMP_HDR, len - ICMP_HDR, &q) || !(sa = sender_of(&q)))
		return DROP_PMTU_UNKNOWN;
	if ((uint32_t)count_read(&sa->seq) - q.seq >= RECENT)
		return DROP_PMTU_IMPLAUSIBLE;
	mtu = (v6 ? told_mtu6 : told_mtu4)(icmp, q.len);
	if (mtu >= q.len || (sa->pmtu && mtu >= sa->pmtu))
		return DROP_PMTU_IMPLAUSIBLE;
	handle = atomic_load_explicit(&sa->handle, memory_order_relaxed);
	remember(sa, handle, mtu);
	dp_log(DP_LOG_INFO, "way to %s carries packets of %u bytes, says %s; tunnel MTU is %u now",
	       addr_str(&sa->remote.a, peer), mtu, from, dp_sa_out_mtu(handle));
	return DROP_PMTU_LEARNED;
}

void pmtu_input(struct rte_mbuf *m, uint16_t icmp_off)
{
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v6 = b[0] >> 4 == 6;
	struct addr from;
	char text[ADDR_STR];

	if (icmp_off < (v6 ? IP6_HDR : IPV4_HDR) || m->data_len < icmp_off + ICMP_HDR) {
		dp_drop(m, DROP_ICMP_MALFORMED);
		return;
	}
	from = v6 ? addr_v6(b + 8) : addr_v4(b + 12);
	dp_drop(m, judge(v6, b + icmp_off, (size_t)(m->data_len - icmp_off), addr_str(&from, text)));
}

/* ---- life ------------------------------------------------------------------------------------ */

void pmtu_service(uint64_t now_ns)
{
	struct learned *l;

	while ((l = STAILQ_FIRST(&t.queue)) != NULL && l->until <= now_ns) {
		struct sa_out *sa = sad_out_find(l->sa);

		STAILQ_REMOVE_HEAD(&t.queue, link);
		if (sa && sa->pmtu_until == l->until) {
			sa->pmtu = 0;
			(void)dp_sa_out_mtu(l->sa); /* measures anew */
		}
		free(l);
	}
}

int pmtu_init(uint32_t sas)
{
	t.mask = sas - 1;
	t.head = malloc(sas * sizeof(*t.head));
	t.next = malloc(sas * sizeof(*t.next));
	STAILQ_INIT(&t.queue);
	if (!t.head || !t.next) {
		pmtu_fini();
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < sas; i++)
		t.head[i] = t.next[i] = NO_SLOT;
	return 0;
}

void pmtu_fini(void)
{
	struct learned *l;

	while ((l = STAILQ_FIRST(&t.queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&t.queue, link);
		free(l);
	}
	free(t.head);
	free(t.next);
	t.head = t.next = NULL;
}
