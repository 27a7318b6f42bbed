/* SPDX-License-Identifier: Apache-2.0 */
#include "local.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "dp.h"
#include "fib.h"
#include "neigh.h"
#include "port.h"
#include "punt.h"
#include "xmit.h"

enum { ICMP_ECHO_REPLY = 0, ICMP_ECHO = 8, ICMP_HDR = 8, TTL_OWN = 64 };

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

static uint32_t ip_at(const uint8_t b[4])
{
	uint32_t ip;

	memcpy(&ip, b, 4);
	return ip;
}

static bool is_address_of(const struct dp_if *f, uint32_t ip)
{
	for (unsigned i = 0; i < f->n_addr; i++)
		if (f->addr[i].a.v == 4 && ip_at(f->addr[i].a.b) == ip)
			return true;
	return false;
}

/* Would this change what control knows of its sender?  Saves it an event for each broadcast of the LAN:
 * only a request for us makes a new neighbour, only an answer counts when nothing changes. */
static bool is_news(uint8_t port, uint32_t ip, const uint8_t mac[6], enum neigh_news news)
{
	uint64_t adj, have = 0;
	uint32_t neigh;

	if (ip == 0) /* asks whether an address is free (RFC 5227 2.1.1) */
		return false;
	if (fib_is_own(ip)) /* another host has our address: control tells the operator */
		return true;
	neigh_find_burst(&port, &ip, &neigh, 1);
	if (neigh == NEIGH_NONE)
		return news == NEIGH_ASKS_US;
	if (news == NEIGH_ANSWER)
		return true;
	adj = atomic_load_explicit(&neigh_hot[neigh].adj, memory_order_acquire);
	memcpy(&have, mac, 6);
	return !(adj & ADJ_VALID) || (adj & ((UINT64_C(1) << ADJ_PORT_SHIFT) - 1)) != have;
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
	const struct dp_if *f = &dp.ifs[p->in_if];
	uint32_t sender = ip_at(a->spa), target = ip_at(a->tpa);
	bool for_us = is_address_of(f, target), request = a->op[1] == RTE_ARP_OP_REQUEST;
	enum neigh_news news = NEIGH_RUMOUR;

	if ((a->sha[0] & 1) || rte_is_zero_ether_addr((const struct rte_ether_addr *)a->sha)) {
		pkt_drop(w, p, DROP_ARP_MALFORMED);
		return;
	}
	if (for_us)
		news = request ? NEIGH_ASKS_US : NEIGH_ANSWER;
	if (is_news(f->port, sender, a->sha, news))
		punt_arp(w, p, sender, a->sha, news);
	if (for_us && request)
		arp_answer(w, p, a);
	else
		pkt_drop(w, p, for_us ? DROP_ARP_DONE : DROP_ARP_FOREIGN);
}

/* RFC 792, RFC 1812 4.3.3.6: the request becomes its answer, from the address it was sent to. */
static bool echo_answer(struct worker *w, struct pkt *p)
{
	struct rte_ipv4_hdr *ip = pkt_l3(p);
	uint8_t *icmp = (uint8_t *)ip + p->l3_len;
	uint16_t len = (uint16_t)(p->ip_len - p->l3_len);
	uint32_t src = ip->src_addr;
	uint16_t sum;

	if (p->fragment || p->proto != IPPROTO_ICMP) {
		pkt_drop(w, p, p->fragment ? DROP_IP_FRAGMENT : DROP_LOCAL_NO_SERVICE);
		return false;
	}
	if (len < ICMP_HDR || rte_raw_cksum(icmp, len) != 0xffff) {
		pkt_drop(w, p, DROP_ICMP_MALFORMED);
		return false;
	}
	/* What a tunnel monitor waits for.  Out of a tunnel only: there the peer has proved who it is. */
	if (icmp[0] == ICMP_ECHO_REPLY && icmp[1] == 0 && !dp.ifs[p->in_if].is_port) {
		punt_probe_answer(w, p, be16_at(icmp + 4), be16_at(icmp + 6));
		pkt_drop(w, p, DROP_PROBE_DONE);
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

void local_input(struct worker *w, struct list *l)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];

		if (p->cls == PKT_ARP)
			arp_input(w, p);
		else if (echo_answer(w, p))
			l->p[kept++] = p;
	}
	l->n = kept;
}
