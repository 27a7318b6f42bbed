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
	uint32_t src, dst; /* network order */
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

/* ESP, raw or in UDP, with DF and not a later fragment: nothing else can be too big for a router. */
static bool parse_quote(const uint8_t *b, size_t len, struct quoted *q)
{
	size_t hlen, need;

	if (len < IPV4_HDR || b[0] >> 4 != 4)
		return false;
	hlen = (b[0] & 15u) * 4;
	q->udp = b[9] == IPPROTO_UDP;
	need = hlen + (q->udp ? UDP_HDR : 0) + ESP_HDR;
	if (hlen < IPV4_HDR || len < need || (!q->udp && b[9] != IPPROTO_ESP))
		return false;
	if ((be16_at(b + 6) & ~0x8000) != RTE_IPV4_HDR_DF_FLAG)
		return false;
	q->len = be16_at(b + 2);
	memcpy(&q->src, b + 12, 4);
	memcpy(&q->dst, b + 16, 4);
	b += hlen;
	if (q->udp) {
		q->sport = be16_at(b);
		q->dport = be16_at(b + 2);
		b += UDP_HDR;
	}
	q->spi = be32_at(b);
	q->seq = be32_at(b + 4);
	return true;
}

static bool is_of(const struct sa_out *sa, const struct quoted *q)
{
	uint32_t src, dst;

	if (sa->spi != q->spi || sa->local.a.v != 4 || !(sa->flags & SA_UDP) != !q->udp)
		return false;
	memcpy(&src, sa->local.a.b, 4);
	memcpy(&dst, sa->remote.a.b, 4);
	return src == q->src && dst == q->dst &&
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
static uint16_t told_mtu(const uint8_t *icmp, uint16_t quoted_len)
{
	static const uint16_t plateau[] = {8166, 4352, 2002, 1492, 1006, 508};
	uint16_t mtu = be16_at(icmp + 6);

	for (size_t i = 0; mtu == 0 && i < RTE_DIM(plateau); i++)
		if (plateau[i] < quoted_len)
			mtu = plateau[i];
	return mtu > MTU4_MIN ? mtu : MTU4_MIN;
}

static enum drop judge(const uint8_t *icmp, size_t len, const char *from)
{
	struct quoted q = {0};
	struct sa_out *sa;
	uint32_t handle;
	char peer[ADDR_STR];
	uint16_t mtu;

	if (!parse_quote(icmp + ICMP_HDR, len - ICMP_HDR, &q) || !(sa = sender_of(&q)))
		return DROP_PMTU_UNKNOWN;
	if ((uint32_t)count_read(&sa->seq) - q.seq >= RECENT)
		return DROP_PMTU_IMPLAUSIBLE;
	mtu = told_mtu(icmp, q.len);
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
	struct addr from;
	char text[ADDR_STR];

	if (icmp_off < IPV4_HDR || m->data_len < icmp_off + ICMP_HDR) {
		dp_drop(m, DROP_ICMP_MALFORMED);
		return;
	}
	from = addr_v4(b + 12);
	dp_drop(m, judge(b + icmp_off, (size_t)(m->data_len - icmp_off), addr_str(&from, text)));
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
