/* SPDX-License-Identifier: Apache-2.0 */
#include "punt.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_ring_elem.h>
#include <rte_udp.h>

#include "dp.h"
#include "echo.h"
#include "ip6.h"
#include "pmtu.h"
#include "port.h"

enum event_kind {
	EV_IKE,
	EV_NEIGH,
	EV_UNRESOLVED,
	EV_NEIGH_USED,
	EV_ACQUIRE,
	EV_EXPIRE,
	EV_MOVED,
	EV_ICMP,
	EV_RULE,
	EV_PROBE,
	EV_ECHO_ERROR,
	EV_UNKNOWN_SPI
};

struct event {
	uint16_t kind;
	uint16_t port; /* EV_NEIGH, EV_UNRESOLVED */
	union {
		struct {
			struct rte_mbuf *m;
			uint16_t l3_off, udp_off;
			struct addr hop;
		} packet; /* EV_IKE; EV_UNRESOLVED: m starts with the IP header, for neighbour hop; EV_ICMP:
			   * m starts with the IP header, udp_off is where ICMP does */
		struct {
			struct addr a;
			uint8_t mac[6];
			uint8_t news;
		} neighbour;
		uint32_t neigh;
		struct dp_acquire acquire;
		struct dp_expire expire;
		struct dp_moved moved;
		struct dp_unknown_spi unknown_spi;
		struct dp_rule_hit rule;
		struct {
			uint16_t in_if, id, seq, len;
			uint8_t ttl;
			struct addr from, to;
			uint64_t tsc; /* when it arrived */
		} probe;
		struct dp_echo_error echo_error;
	};
};
static_assert(sizeof(struct event) <= 64, "an event is one cache line");
static_assert(sizeof(struct event) % 4 == 0, "rte_ring wants elements of whole words");

/* Per second and worker, and how many at once.  IKE: what a control thread can look at, and fewer of those that begin.  Unresolved: a
 * burst of packets for one neighbour is one question.  Rules: what a log can take of a flood. */
static const struct {
	uint32_t rate, burst;
} limits[PUNT_CLASSES] = {
	[PUNT_IKE] = {10000, 3000},      [PUNT_IKE_NEW] = {4000, 512}, [PUNT_NEIGH] = {500, 128},
	[PUNT_UNRESOLVED] = {1000, 128}, [PUNT_RULE] = {10, 50},       [PUNT_PROBE] = {5000, 1024},
	[PUNT_ECHO] = {200, 64},         [PUNT_ICMP] = {100, 64},      [PUNT_UNKNOWN_SPI] = {10, 20},
};

/* What control takes of each worker at once: an IKE_SA_INIT is 50 us of work. */
enum { EVENTS_A_CALL = 64 };

/* UDP port 4500 has a marker in front of IKE (RFC 3948 2.2). */
enum { PORT_NATT = 4500, MARKER = 4 };

/* Keep a quarter of the ring for events, for they are not repeated by a peer. */
enum { KEEP_FREE = CONTROL_RINGS / 4, KEEP_FREE_NEW = CONTROL_RINGS / 2 };

static int fd = -1;
/* Set by whoever wakes control, cleared by control before it looks at the rings: a worker that finds it
 * set after having put an event on its ring can rely on control still having to look. */
static atomic_bool woken;

/* ---- workers ------------------------------------------------------------------------------- */

static bool within_rate(struct worker *w, enum punt_class class)
{
	return bucket_take(&w->punt[class], w->tsc, w->tsc_hz, limits[class].rate, limits[class].burst);
}

static bool put(struct worker *w, struct event *e)
{
	if (rte_ring_sp_enqueue_elem(w->up, e, sizeof(*e)) < 0)
		return false;
	w->tell = true;
	return true;
}

static enum drop may_punt(struct worker *w, enum punt_class class)
{
	if (!within_rate(w, class))
		return DROP_PUNT_RATE;
	return rte_ring_free_count(w->up) > (class == PUNT_IKE_NEW ? KEEP_FREE_NEW : KEEP_FREE)
		       ? DROP_NONE
		       : DROP_PUNT_FULL;
}

static void put_packet(struct worker *w, struct pkt *p, struct event *e, enum punt_class class)
{
	enum drop why = may_punt(w, class);

	if (why == DROP_NONE && put(w, e))
		return;
	pkt_drop(w, p, why == DROP_NONE ? DROP_PUNT_FULL : why);
}

/* The first message of an exchange of strangers has no responder's SPI (RFC 7296 3.1).  It has a limit of its own: when a
 * thousand peers call at once, or a flood does, what belongs to an SA comes through.  So does an answer to a call of
 * ours: with COOKIE or INVALID_KE_PAYLOAD it has no such SPI either (RFC 7296 2.6). */
static bool begins(const struct pkt *p, uint16_t udp_off)
{
	enum { RESPONDER = 8, FLAGS = 19, NEED = 20, RESPONSE = 0x20 };
	static const uint8_t none[8];
	size_t at = udp_off + sizeof(struct rte_udp_hdr) + (p->dport == PORT_NATT ? MARKER : 0u);
	const uint8_t *ike = pkt_at(p, (uint16_t)at);

	return p->m->data_len >= at + NEED && memcmp(ike + RESPONDER, none, sizeof(none)) == 0 &&
	       !(ike[FLAGS] & RESPONSE);
}

void punt_ike(struct worker *w, struct pkt *p)
{
	struct event e = {.kind = EV_IKE};

	e.packet.m = p->m;
	e.packet.l3_off = p->l3_off;
	e.packet.udp_off = (uint16_t)(p->l3_off + p->l3_len);
	put_packet(w, p, &e, begins(p, e.packet.udp_off) ? PUNT_IKE_NEW : PUNT_IKE);
}

void punt_icmp(struct worker *w, struct pkt *p)
{
	struct event e = {.kind = EV_ICMP};

	rte_pktmbuf_adj(p->m, p->l3_off);
	e.packet.m = p->m;
	e.packet.udp_off = p->l3_len;
	put_packet(w, p, &e, PUNT_ICMP);
}

void punt_neigh(struct worker *w, const struct pkt *p, const struct addr *a, const uint8_t mac[6],
		enum neigh_news news)
{
	struct event e = {.kind = EV_NEIGH, .port = dp.ifs[p->in_if].port};

	e.neighbour.a = *a;
	memcpy(e.neighbour.mac, mac, 6);
	e.neighbour.news = (uint8_t)news;
	if (may_punt(w, PUNT_NEIGH) == DROP_NONE)
		(void)put(w, &e); /* neighbours ask again */
}

void punt_unresolved(struct worker *w, struct pkt *p, uint8_t port, const struct addr *hop)
{
	struct event e = {.kind = EV_UNRESOLVED, .port = port};

	e.packet.hop = *hop;
	rte_pktmbuf_adj(p->m, p->l3_off);
	p->l3_off = 0;
	if (unlikely(rte_pktmbuf_headroom(p->m) < RTE_ETHER_HDR_LEN)) {
		pkt_drop(w, p, DROP_TOO_BIG);
		return;
	}
	p->m->port = p->in_if; /* for neigh.c, should nobody answer */
	e.packet.m = p->m;
	put_packet(w, p, &e, PUNT_UNRESOLVED);
}

bool punt_neigh_used(struct worker *w, uint32_t neigh)
{
	struct event e = {.kind = EV_NEIGH_USED, .neigh = neigh};

	return put(w, &e);
}

bool punt_acquire(struct worker *w, uint32_t policy, const struct pkt *p)
{
	struct event e = {.kind = EV_ACQUIRE};

	e.acquire.policy = policy;
	e.acquire.proto = p->proto;
	pkt_addrs(p, &e.acquire.src.a, &e.acquire.dst.a);
	e.acquire.src.port = p->sport;
	e.acquire.dst.port = p->dport;
	return put(w, &e);
}

bool punt_expire(struct worker *w, const struct dp_expire *x)
{
	struct event e = {.kind = EV_EXPIRE, .expire = *x};

	return put(w, &e);
}

void punt_rule_hit(struct worker *w, uint32_t rule, bool allow, const struct pkt *p)
{
	struct event e = {.kind = EV_RULE,
			  .rule = {.rule = rule,
				   .allow = allow,
				   .in_if = p->in_if,
				   .out_if = p->out_if,
				   .proto = p->proto,
				   .src.port = p->sport,
				   .dst.port = p->dport}};

	if (may_punt(w, PUNT_RULE) != DROP_NONE)
		return;
	pkt_addrs(p, &e.rule.src.a, &e.rule.dst.a);
	(void)put(w, &e);
}

void punt_probe_answer(struct worker *w, const struct pkt *p, uint16_t id, uint16_t seq, uint8_t ttl)
{
	struct event e = {.kind = EV_PROBE,
			  .probe = {.in_if = p->in_if,
				    .id = id,
				    .seq = seq,
				    .len = p->ip_len,
				    .ttl = ttl,
				    .tsc = w->tsc}};

	pkt_addrs(p, &e.probe.from, &e.probe.to);
	if (may_punt(w, id >= ECHO_ID_FIRST ? PUNT_ECHO : PUNT_PROBE) == DROP_NONE)
		(void)put(w, &e); /* the next probe asks again */
}

void punt_echo_error(struct worker *w, const struct dp_echo_error *echo)
{
	struct event e = {.kind = EV_ECHO_ERROR, .echo_error = *echo};

	if (may_punt(w, PUNT_ECHO) == DROP_NONE)
		(void)put(w, &e); /* so it is not told */
}

void punt_unknown_spi(struct worker *w, const struct pkt *p)
{
	struct event e = {.kind = EV_UNKNOWN_SPI, .unknown_spi = {.spi = p->spi}};

	if (may_punt(w, PUNT_UNKNOWN_SPI) != DROP_NONE)
		return;
	pkt_addrs(p, &e.unknown_spi.remote.a, &e.unknown_spi.local.a);
	if (p->cls == PKT_ESP_UDP) {
		e.unknown_spi.local.port = p->dport;
		e.unknown_spi.remote.port = p->sport;
	}
	(void)put(w, &e); /* the peer sends more */
}

bool punt_moved(struct worker *w, uint32_t spi, const struct endpoint *from)
{
	struct event e = {.kind = EV_MOVED, .moved = {.spi = spi, .from = *from}};

	return put(w, &e);
}

static void wake(void)
{
	uint64_t one = 1;
	ssize_t n;

	/* Seen before what is on the ring? Then control might have looked too early: order the two. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&woken, memory_order_relaxed) ||
	    atomic_exchange_explicit(&woken, true, memory_order_seq_cst))
		return;
	n = write(fd, &one, sizeof(one));
	(void)n; /* EAGAIN: the counter is up already, which is as good */
}

void punt_tell(struct worker *w)
{
	if (likely(!w->tell))
		return;
	w->tell = false;
	wake();
}

/* ---- control thread ------------------------------------------------------------------------ */

/* RFC 768: 0 means none was computed, which IPv6 does not allow (RFC 8200 8.1); pseudo header as in
 * RFC 793. */
static bool udp_sum_right(const uint8_t *l3, const struct rte_udp_hdr *udp, uint16_t len)
{
	uint8_t pseudo[12] = {[9] = IPPROTO_UDP, [10] = (uint8_t)(len >> 8), [11] = (uint8_t)len};
	uint32_t sum;

	if (l3[0] >> 4 == 6)
		return udp->dgram_cksum != 0 &&
		       ip6_sum((const struct rte_ipv6_hdr *)l3, IPPROTO_UDP, udp, len) == 0xffff;
	if (udp->dgram_cksum == 0)
		return true;
	memcpy(pseudo, l3 + offsetof(struct rte_ipv4_hdr, src_addr), 8);
	sum = (uint32_t)rte_raw_cksum(pseudo, sizeof(pseudo)) + rte_raw_cksum(udp, len);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static void ip_addrs(const uint8_t *l3, struct addr *src, struct addr *dst)
{
	bool v4 = l3[0] >> 4 == 4;

	*src = v4 ? addr_v4(l3 + offsetof(struct rte_ipv4_hdr, src_addr)) : addr_v6(l3 + 8);
	*dst = v4 ? addr_v4(l3 + offsetof(struct rte_ipv4_hdr, dst_addr)) : addr_v6(l3 + 24);
}

/* Bounds are parse_burst()'s; they are checked again, for this is where control takes over. */
static void deliver_ike(const struct event *e)
{
	struct rte_mbuf *m = e->packet.m;
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *), *l3 = b + e->packet.l3_off;
	const struct rte_udp_hdr *udp = (const void *)(b + e->packet.udp_off);
	struct dp_udp u = {0};
	size_t len;

	if (m->data_len < e->packet.udp_off + sizeof(*udp) ||
	    m->data_len < e->packet.udp_off + ntohs(udp->dgram_len) || ntohs(udp->dgram_len) < sizeof(*udp)) {
		dp_drop(m, DROP_L4_TRUNCATED);
		return;
	}
	if (!udp_sum_right(l3, udp, ntohs(udp->dgram_len))) {
		dp_drop(m, DROP_UDP_CHECKSUM);
		return;
	}
	len = ntohs(udp->dgram_len) - sizeof(*udp);
	u.data = (const uint8_t *)(udp + 1);
	ip_addrs(l3, &u.remote.a, &u.local.a);
	u.local.port = ntohs(udp->dst_port);
	u.remote.port = ntohs(udp->src_port);
	u.marker = u.local.port == PORT_NATT;
	if (u.marker && len >= MARKER) {
		u.data += MARKER;
		len -= MARKER;
	}
	u.len = len;
	if (dp.handlers.udp)
		dp.handlers.udp(dp.ctx, &u);
	rte_pktmbuf_free(m);
}

static void deliver_echo(const struct event *e, uint64_t ago_ns)
{
	struct dp_echo_answer a = {
		.echo = {.src = e->probe.to,
			 .dst = e->probe.from,
			 .id = e->probe.id,
			 .seq = e->probe.seq,
			 .len = e->probe.len},
		.ttl = e->probe.ttl,
		.ago_ns = ago_ns,
	};

	if (dp.handlers.echo_answer)
		dp.handlers.echo_answer(dp.ctx, &a);
}

static void deliver_probe(const struct event *e)
{
	uint64_t now = rte_rdtsc();
	struct dp_probe_answer a = {
		.probe = {.tunnel_if = e->probe.in_if,
			  .id = e->probe.id,
			  .seq = e->probe.seq,
			  .src = e->probe.to,
			  .dst = e->probe.from},
	};

	if (now > e->probe.tsc)
		a.ago_ns = (uint64_t)((double)(now - e->probe.tsc) * 1e9 / (double)rte_get_tsc_hz());
	if (e->probe.id >= ECHO_ID_FIRST)
		deliver_echo(e, a.ago_ns);
	else if (dp.handlers.probe_answer)
		dp.handlers.probe_answer(dp.ctx, &a);
}

static void deliver(const struct event *e)
{
	struct rte_mbuf *m;

	switch ((enum event_kind)e->kind) {
	case EV_IKE: deliver_ike(e); break;
	case EV_NEIGH:
		neigh_learn((uint8_t)e->port, &e->neighbour.a, e->neighbour.mac,
			    (enum neigh_news)e->neighbour.news);
		break;
	case EV_UNRESOLVED:
		m = e->packet.m;
		(void)neigh_send((uint8_t)e->port, &e->packet.hop, &m, 1); /* counted there */
		break;
	case EV_NEIGH_USED: neigh_used(e->neigh); break;
	case EV_ACQUIRE:
		if (dp.handlers.acquire)
			dp.handlers.acquire(dp.ctx, &e->acquire);
		break;
	case EV_EXPIRE:
		if (dp.handlers.expire)
			dp.handlers.expire(dp.ctx, &e->expire);
		break;
	case EV_ICMP: pmtu_input(e->packet.m, e->packet.udp_off); break;
	case EV_MOVED:
		if (dp.handlers.moved)
			dp.handlers.moved(dp.ctx, &e->moved);
		break;
	case EV_PROBE: deliver_probe(e); break;
	case EV_ECHO_ERROR:
		if (dp.handlers.echo_error)
			dp.handlers.echo_error(dp.ctx, &e->echo_error);
		break;
	case EV_UNKNOWN_SPI:
		if (dp.handlers.unknown_spi)
			dp.handlers.unknown_spi(dp.ctx, &e->unknown_spi);
		break;
	case EV_RULE:
		if (dp.handlers.rule_hit)
			dp.handlers.rule_hit(dp.ctx, &e->rule);
		break;
	}
}

/* A few of each worker, so that neither a flood nor a thousand peers keep the control thread in here: it comes back. */
void punt_service(void)
{
	bool more = false;
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)n; /* EAGAIN: called by timer */
	atomic_store_explicit(&woken, false, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
	for (uint16_t i = 0; i < dp.n_workers; i++) {
		struct rte_ring *up = dp.worker[i]->up;
		struct event e;

		for (unsigned k = 0; k < EVENTS_A_CALL; k++) {
			if (rte_ring_sc_dequeue_elem(up, &e, sizeof(e)) < 0)
				break;
			deliver(&e);
		}
		more |= !rte_ring_empty(up);
	}
	if (more)
		wake();
}

void punt_drain(struct worker *w)
{
	struct event e;

	while (rte_ring_sc_dequeue_elem(w->up, &e, sizeof(e)) == 0)
		if (e.kind == EV_IKE || e.kind == EV_UNRESOLVED || e.kind == EV_ICMP)
			rte_pktmbuf_free(e.packet.m);
}

int punt_init(void)
{
	fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	atomic_store(&woken, false);
	return fd < 0 ? -errno : 0;
}

void punt_fini(void)
{
	if (fd >= 0)
		close(fd);
	fd = -1;
}

int punt_fd(void)
{
	return fd;
}

unsigned punt_event_size(void)
{
	return sizeof(struct event);
}
