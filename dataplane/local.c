/* SPDX-License-Identifier: Apache-2.0 */
#include "local.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "dp.h"
#include "echo.h"
#include "ip6.h"
#include "nd.h"
#include "neigh.h"
#include "port.h"
#include "punt.h"
#include "xmit.h"

enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	FRAG_NEEDED = 4,
	ICMP_ECHO = 8,
	ICMP_EXCEEDED = 11,
	ICMP_PARAMETER = 12,
	ICMP_HDR = 8,
	TTL_OWN = 64
};
enum {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_PARAMETER = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129
};

struct arp { /* RFC 826; parse_arp_frame has checked that it is there and for Ethernet and IPv4 */
	uint8_t kind[6];
	uint8_t op[2];
	uint8_t sha[6], spa[4];
	uint8_t tha[6], tpa[4];
};

static uint16_t be16_at(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static void arp_answer(struct worker *w, struct pkt *p, struct arp *a)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, struct rte_ether_hdr *);
	const uint8_t *mac = ports[dp.ifs[p->in_if].port].mac;
	uint8_t asked[4];

	memcpy(asked, a->tpa, 4);
	memcpy(a->tha, a->sha, 6);
	memcpy(a->tpa, a->spa, 4);
	memcpy(a->sha, mac, 6);
	memcpy(a->spa, asked, 4);
	a->op[1] = RTE_ARP_OP_REPLY;
	memcpy(eth->dst_addr.addr_bytes, a->tha, 6);
	memcpy(eth->src_addr.addr_bytes, mac, 6);
	xmit_frame(w, p->in_if, p->m);
}

/* A request for an address of this port is answered here.  What the packet says of its sender goes to
 * control, as far as RFC 826 and caution allow: an answer to us and a request for us count, the rest is
 * only a rumour. */
static void arp_input(struct worker *w, struct pkt *p)
{
	struct arp *a = pkt_l3(p);
	struct addr sender = addr_v4(a->spa), target = addr_v4(a->tpa);
	uint8_t port = dp.ifs[p->in_if].port;
	bool for_us = port_has_addr(port, &target), request = a->op[1] == RTE_ARP_OP_REQUEST;
	enum neigh_news news = NEIGH_RUMOUR;

	if ((a->sha[0] & 1) || rte_is_zero_ether_addr((const struct rte_ether_addr *)a->sha)) {
		pkt_drop(w, p, DROP_ARP_MALFORMED);
		return;
	}
	if (for_us)
		news = request ? NEIGH_ASKS_US : NEIGH_ANSWER;
	/* A sender without address asks whether one is free (RFC 5227 2.1.1). */
	if (memcmp(a->spa, (const uint8_t[4]){0}, 4) != 0 && neigh_is_news(port, &sender, a->sha, news))
		punt_neigh(w, p, &sender, a->sha, news);
	if (for_us && request)
		arp_answer(w, p, a);
	else
		pkt_drop(w, p, for_us ? DROP_ARP_DONE : DROP_ARP_FOREIGN);
}

/* A monitor waits for what comes out of a tunnel only: there the peer has proved who it is.  The operator's ping, while
 * there is one, for what comes from anywhere. */
static bool awaited(const struct pkt *p, const uint8_t *icmp)
{
	uint16_t id = be16_at(icmp + 4);

	return id >= ECHO_ID_FIRST ? echo_wanted(id) : !dp.ifs[p->in_if].is_port;
}

/* An error that quotes an echo request of the operator's, from the address that the error was sent to: what control is told
 * of it.  icmp: the error, len bytes. */
static bool echo_error4(const struct rte_ipv4_hdr *ip, const uint8_t *icmp, uint16_t len,
			struct dp_echo_error *e)
{
	const uint8_t *q = icmp + ICMP_HDR, *echo;

	if ((icmp[0] != ICMP_UNREACHABLE && icmp[0] != ICMP_EXCEEDED && icmp[0] != ICMP_PARAMETER) ||
	    len < ICMP_HDR + sizeof(*ip) || q[0] >> 4 != 4 || (q[0] & 15) < 5 ||
	    len < ICMP_HDR + (q[0] & 15) * 4 + ICMP_HDR)
		return false;
	echo = q + (q[0] & 15) * 4;
	if (q[9] != IPPROTO_ICMP || (q[6] & 0x1f) || q[7] || memcmp(q + 12, &ip->dst_addr, 4) != 0 ||
	    echo[0] != ICMP_ECHO || !echo_wanted(be16_at(echo + 4)))
		return false;
	*e = (struct dp_echo_error){
		.host = addr_v4(q + 16),
		.from = addr_v4((const uint8_t *)&ip->src_addr),
		.id = be16_at(echo + 4),
		.seq = be16_at(echo + 6),
		.type = icmp[0],
		.code = icmp[1],
		.mtu = icmp[0] == ICMP_UNREACHABLE && icmp[1] == FRAG_NEEDED ? be16_at(icmp + 6) : 0};
	return true;
}

static bool echo_error6(const struct rte_ipv6_hdr *ip, const uint8_t *icmp, uint16_t len,
			struct dp_echo_error *e)
{
	const uint8_t *q = icmp + ICMP_HDR, *echo = q + sizeof(*ip);

	if (icmp[0] < ICMP6_UNREACHABLE || icmp[0] > ICMP6_PARAMETER ||
	    len < ICMP_HDR + sizeof(*ip) + ICMP_HDR || q[0] >> 4 != 6 || q[6] != IPPROTO_ICMPV6 ||
	    memcmp(q + 8, &ip->dst_addr, 16) != 0 || echo[0] != ICMP6_ECHO || !echo_wanted(be16_at(echo + 4)))
		return false;
	*e = (struct dp_echo_error){.host = addr_v6(q + 24),
				    .from = addr_v6((const uint8_t *)&ip->src_addr),
				    .id = be16_at(echo + 4),
				    .seq = be16_at(echo + 6),
				    .type = icmp[0],
				    .code = icmp[1],
				    .mtu = icmp[0] == ICMP6_TOO_BIG ? be16_at(icmp + 6) : 0};
	return true;
}

/* RFC 792, RFC 1812 4.3.3.6: the request becomes its answer, from the address it was sent to. */
static bool echo_answer(struct worker *w, struct pkt *p)
{
	struct rte_ipv4_hdr *ip = pkt_l3(p);
	uint8_t *icmp = (uint8_t *)ip + p->l3_len;
	uint16_t len = (uint16_t)(p->ip_len - p->l3_len);
	uint32_t src = ip->src_addr;
	struct dp_echo_error error;
	uint16_t sum;

	if (len < ICMP_HDR || rte_raw_cksum(icmp, len) != 0xffff) {
		pkt_drop(w, p, DROP_ICMP_MALFORMED);
		return false;
	}
	if (icmp[0] == ICMP_ECHO_REPLY && icmp[1] == 0 && awaited(p, icmp)) {
		punt_probe_answer(w, p, be16_at(icmp + 4), be16_at(icmp + 6), ip->time_to_live);
		pkt_drop(w, p, DROP_PROBE_DONE);
		return false;
	}
	if (echo_error4(ip, icmp, len, &error)) {
		punt_echo_error(w, &error);
		pkt_drop(w, p, DROP_PROBE_DONE);
		return false;
	}
	/* From a router on the way to a peer, and so not out of a tunnel (RFC 4301 8.2.1). */
	if (icmp[0] == ICMP_UNREACHABLE && icmp[1] == FRAG_NEEDED && dp.ifs[p->in_if].is_port) {
		punt_icmp(w, p);
		return false;
	}
	if (icmp[0] != ICMP_ECHO || icmp[1] != 0) {
		pkt_drop(w, p, DROP_LOCAL_NO_SERVICE);
		return false;
	}
	icmp[0] = ICMP_ECHO_REPLY;
	icmp[2] = icmp[3] = 0;
	sum = (uint16_t)~rte_raw_cksum(icmp, len);
	memcpy(icmp + 2, &sum, 2);
	ip->src_addr = ip->dst_addr;
	ip->dst_addr = src;
	ip->time_to_live = TTL_OWN;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, p->l3_len);
	p->src4 = ip->src_addr;
	p->dst4 = ip->dst_addr;
	p->dport = ICMP_ECHO_REPLY << 8;
	p->cls = PKT_TRANSIT;
	p->in_if = IF_SELF;
	return true;
}

/* RFC 4443 4.2. */
static bool echo_answer6(struct worker *w, struct pkt *p)
{
	struct rte_ipv6_hdr *ip = pkt_l3(p);
	uint8_t *icmp = (uint8_t *)ip + p->l3_len, src[16];
	uint16_t len = (uint16_t)(p->ip_len - p->l3_len), sum;
	struct dp_echo_error error;

	if (ip6_sum(ip, IPPROTO_ICMPV6, icmp, len) != 0xffff) {
		pkt_drop(w, p, DROP_ICMP_MALFORMED);
		return false;
	}
	if (icmp[0] == ICMP6_ECHO_REPLY && icmp[1] == 0 && awaited(p, icmp)) {
		punt_probe_answer(w, p, be16_at(icmp + 4), be16_at(icmp + 6), ip->hop_limits);
		pkt_drop(w, p, DROP_PROBE_DONE);
		return false;
	}
	if (echo_error6(ip, icmp, len, &error)) {
		punt_echo_error(w, &error);
		pkt_drop(w, p, DROP_PROBE_DONE);
		return false;
	}
	if (icmp[0] == ICMP6_TOO_BIG && dp.ifs[p->in_if].is_port) {
		punt_icmp(w, p);
		return false;
	}
	if (icmp[0] != ICMP6_ECHO || icmp[1] != 0) {
		pkt_drop(w, p, DROP_LOCAL_NO_SERVICE);
		return false;
	}
	icmp[0] = ICMP6_ECHO_REPLY;
	icmp[2] = icmp[3] = 0;
	memcpy(src, &ip->src_addr, 16);
	memcpy(&ip->src_addr, &ip->dst_addr, 16);
	memcpy(&ip->dst_addr, src, 16);
	ip->hop_limits = TTL_OWN;
	sum = (uint16_t)~ip6_sum(ip, IPPROTO_ICMPV6, icmp, len);
	memcpy(icmp + 2, &sum, 2);
	if (ip6_is_link_local(src)) { /* nothing routes to it; the way back is the way it came */
		struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, struct rte_ether_hdr *);

		eth->dst_addr = eth->src_addr;
		memcpy(&eth->src_addr, ports[dp.ifs[p->in_if].port].mac, 6);
		xmit_frame(w, p->in_if, p->m);
		return false;
	}
	p->dport = ICMP6_ECHO_REPLY << 8;
	p->cls = PKT_TRANSIT;
	p->in_if = IF_SELF;
	return true;
}

/* What comes by a route from inside a tunnel may be anything. */
static bool is_icmp(struct worker *w, struct pkt *p)
{
	uint8_t icmp = p->v == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (!p->fragment && p->proto == icmp)
		return true;
	pkt_drop(w, p, p->fragment ? DROP_IP_FRAGMENT : DROP_LOCAL_NO_SERVICE);
	return false;
}

void local_input(struct worker *w, struct list *l)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];

		if (p->cls == PKT_ARP)
			arp_input(w, p);
		else if (p->cls == PKT_ND)
			nd_input(w, p);
		else if (is_icmp(w, p) && (p->v == 4 ? echo_answer : echo_answer6)(w, p))
			l->p[kept++] = p;
	}
	l->n = kept;
}
