/* SPDX-License-Identifier: Apache-2.0 */
#include "nd.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>

#include "dp.h"
#include "ip6.h"
#include "neigh.h"
#include "port.h"
#include "punt.h"
#include "xmit.h"

enum {
	SOLICITATION = 135,
	ADVERTISEMENT = 136,
	ND_HOPS = 255,
	OPT_SOURCE_MAC = 1,
	OPT_TARGET_MAC = 2,
	MAC_OPTION = 8,
	ROUTER = 0x80, /* flags of an advertisement */
	SOLICITED = 0x40,
	OVERRIDE = 0x20,
};

/*     type | code | checksum     RFC 4861 4.3, 4.4
 *     flags, reserved
 *     target address
 *     options: type | length / 8 | ... */
struct nd {
	uint8_t type, code, sum[2];
	uint8_t flags, reserved[3];
	uint8_t target[16];
	struct { /* of what we send */
		uint8_t type, len8, mac[6];
	} option;
};
enum {
	ND_MIN = offsetof(struct nd, option),
	FRAME = sizeof(struct rte_ether_hdr) + IP6_HDR + sizeof(struct nd)
};
static_assert(sizeof(struct nd) == 32, "as on the wire");

static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

void nd_link_local(const uint8_t mac[6], uint8_t ip[16])
{
	const uint8_t a[16] = {0xfe,       0x80,   0,      0,    0,    0,      0,      0,
			       mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

	memcpy(ip, a, 16);
}

/* RFC 4291 2.7.1. */
static void solicited_node(const uint8_t target[16], uint8_t group[16])
{
	const uint8_t prefix[13] = {0xff, 2, [11] = 1, [12] = 0xff};

	memcpy(group, prefix, 13);
	memcpy(group + 13, target + 13, 3);
}

/* ---- what comes in --------------------------------------------------------------------------- */

/* The MAC of the option of this type, or NULL; false when the options are unsound (RFC 4861 4.6). */
static bool find_mac(const uint8_t *o, unsigned len, uint8_t type, const uint8_t **mac)
{
	*mac = NULL;
	while (len > 0) {
		unsigned skip;

		if (len < 8 || o[1] == 0 || (skip = o[1] * 8u) > len)
			return false;
		if (o[0] == type && o[1] == MAC_OPTION / 8)
			*mac = o + 2;
		o += skip;
		len -= skip;
	}
	return true;
}

/* RFC 4861 7.1.1 and 7.1.2; the hop limit is parse6.c's.  A MAC must be one host's. */
static bool sound(const struct pkt *p, const struct rte_ipv6_hdr *ip, const struct nd *nd,
		  const uint8_t **mac)
{
	const uint8_t *src = (const uint8_t *)&ip->src_addr, *dst = (const uint8_t *)&ip->dst_addr;
	unsigned len = (unsigned)(p->ip_len - p->l3_len);
	uint8_t group[16];

	if (len < ND_MIN || nd->code != 0 || ip6_sum(ip, IPPROTO_ICMPV6, nd, len) != 0xffff)
		return false;
	if (ip6_is_multicast(nd->target) || ip6_is_multicast(src))
		return false;
	if (!find_mac((const uint8_t *)nd + ND_MIN, len - ND_MIN,
		      nd->type == SOLICITATION ? OPT_SOURCE_MAC : OPT_TARGET_MAC, mac))
		return false;
	if (*mac && ((*mac)[0] & 1 || rte_is_zero_ether_addr((const struct rte_ether_addr *)*mac)))
		return false;
	if (nd->type == ADVERTISEMENT)
		return !ip6_is_unspecified(src) && !(ip6_is_multicast(dst) && nd->flags & SOLICITED);
	solicited_node(nd->target, group);
	return !ip6_is_unspecified(src) || (memcmp(dst, group, 16) == 0 && !*mac);
}

static void tell(struct worker *w, const struct pkt *p, const uint8_t ip[16], const uint8_t *mac,
		 enum neigh_news news)
{
	struct addr a = addr_v6(ip);

	if (neigh_is_news(dp.ifs[p->in_if].port, &a, mac, news))
		punt_neigh(w, p, &a, mac, news);
}

/* The question, in its own buffer, becomes its answer (RFC 4861 7.2.4).  An address that is being tried
 * out has no owner yet whom one could answer: all nodes learn that it is taken. */
static void advertise(struct worker *w, struct pkt *p, const uint8_t to_mac[6])
{
	const uint8_t *mac = ports[dp.ifs[p->in_if].port].mac;
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, struct rte_ether_hdr *);
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(eth + 1);
	struct nd *nd = (struct nd *)(ip + 1);
	struct nd answer = {
		.type = ADVERTISEMENT, .flags = ROUTER | OVERRIDE, .option = {OPT_TARGET_MAC, 1, {0}}};
	const struct nd *asked = (const struct nd *)((const uint8_t *)pkt_l3(p) + p->l3_len);
	const struct rte_ipv6_hdr *was = pkt_l3(p);
	bool trial = ip6_is_unspecified((const uint8_t *)&was->src_addr);
	uint8_t dst[16];
	uint16_t sum;

	memcpy(dst, trial ? all_nodes : (const uint8_t *)&was->src_addr, 16);
	memcpy(answer.target, asked->target, 16);
	memcpy(answer.option.mac, mac, 6);
	if (!trial)
		answer.flags |= SOLICITED;
	memcpy(eth->dst_addr.addr_bytes, trial ? (const uint8_t[6]){0x33, 0x33, 0, 0, 0, 1} : to_mac, 6);
	memcpy(eth->src_addr.addr_bytes, mac, 6);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
	*ip = (struct rte_ipv6_hdr){.vtc_flow = RTE_BE32(0x60000000),
				    .payload_len = RTE_BE16(sizeof(*nd)),
				    .proto = IPPROTO_ICMPV6,
				    .hop_limits = ND_HOPS};
	memcpy(&ip->src_addr, answer.target, 16);
	memcpy(&ip->dst_addr, dst, 16);
	*nd = answer;
	sum = (uint16_t)~ip6_sum(ip, IPPROTO_ICMPV6, nd, sizeof(*nd));
	memcpy(nd->sum, &sum, 2);
	p->m->data_len = FRAME;
	p->m->pkt_len = FRAME;
	xmit_frame(w, p->in_if, p->m);
}

static void solicited(struct worker *w, struct pkt *p, const struct rte_ipv6_hdr *ip, const struct nd *nd,
		      const uint8_t *mac)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
	struct addr target = addr_v6(nd->target);
	uint8_t to[6];

	if (!port_has_addr(dp.ifs[p->in_if].port, &target)) {
		pkt_drop(w, p, DROP_ND_FOREIGN);
		return;
	}
	memcpy(to, mac ? mac : eth->src_addr.addr_bytes, 6);
	if (ip6_is_unspecified((const uint8_t *)&ip->src_addr)) /* another host wants our address */
		tell(w, p, nd->target, eth->src_addr.addr_bytes, NEIGH_RUMOUR);
	else if (mac)
		tell(w, p, (const uint8_t *)&ip->src_addr, mac, NEIGH_ASKS_US);
	if (rte_pktmbuf_tailroom(p->m) + p->m->data_len < FRAME)
		pkt_drop(w, p, DROP_ND_MALFORMED);
	else
		advertise(w, p, to);
}

/* RFC 4861 7.2.5.  Without an option the answer comes from the frame's own sender. */
static void advertised(struct worker *w, struct pkt *p, const struct nd *nd, const uint8_t *mac)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
	enum neigh_news news = NEIGH_RUMOUR;

	if (nd->flags & SOLICITED)
		news = mac && nd->flags & OVERRIDE ? NEIGH_ANSWER : NEIGH_CONFIRMS;
	else if (!mac) {
		pkt_drop(w, p, DROP_ND_FOREIGN);
		return;
	}
	tell(w, p, nd->target, mac ? mac : eth->src_addr.addr_bytes, news);
	pkt_drop(w, p, DROP_ND_DONE);
}

void nd_input(struct worker *w, struct pkt *p)
{
	const struct rte_ipv6_hdr *ip = pkt_l3(p);
	const struct nd *nd = (const struct nd *)((const uint8_t *)ip + p->l3_len);
	const uint8_t *mac;

	/* Extension headers have no place in these (RFC 6980 for fragments), and the rest has no use for us. */
	if (nd->type != SOLICITATION && nd->type != ADVERTISEMENT)
		pkt_drop(w, p, DROP_ND_FOREIGN);
	else if (!sound(p, ip, nd, &mac))
		pkt_drop(w, p, DROP_ND_MALFORMED);
	else if (nd->type == SOLICITATION)
		solicited(w, p, ip, nd, mac);
	else
		advertised(w, p, nd, mac);
}

/* ---- what goes out --------------------------------------------------------------------------- */

static struct rte_mbuf *make_frame(uint8_t port, const uint8_t dst_mac[6], const uint8_t src[16],
				   const uint8_t dst[16], struct nd *nd, uint16_t nd_len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool);
	struct rte_ether_hdr *eth;
	struct rte_ipv6_hdr *ip;
	uint16_t sum;

	eth = m ? (struct rte_ether_hdr *)rte_pktmbuf_append(m, (uint16_t)(sizeof(*eth) + IP6_HDR + nd_len))
		: NULL;
	if (!eth) {
		count_add(&dp.drops[DROP_NO_MBUF], 1);
		rte_pktmbuf_free(m);
		return NULL;
	}
	memcpy(eth->dst_addr.addr_bytes, dst_mac, 6);
	memcpy(eth->src_addr.addr_bytes, ports[port].mac, 6);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
	ip = (struct rte_ipv6_hdr *)(eth + 1);
	*ip = (struct rte_ipv6_hdr){.vtc_flow = RTE_BE32(0x60000000),
				    .payload_len = rte_cpu_to_be_16(nd_len),
				    .proto = IPPROTO_ICMPV6,
				    .hop_limits = ND_HOPS};
	memcpy(&ip->src_addr, src, 16);
	memcpy(&ip->dst_addr, dst, 16);
	sum = (uint16_t)~ip6_sum(ip, IPPROTO_ICMPV6, nd, nd_len);
	memcpy(nd->sum, &sum, 2);
	memcpy(ip + 1, nd, nd_len);
	return m;
}

struct rte_mbuf *nd_solicit(uint8_t port, const struct addr *own, const struct addr *asked,
			    const uint8_t *dst)
{
	static const uint8_t none[16];
	struct nd nd = {.type = SOLICITATION, .option = {OPT_SOURCE_MAC, 1, {0}}};
	uint8_t group[16], group_mac[6] = {0x33, 0x33}; /* RFC 2464 7 */

	memcpy(nd.target, asked->b, 16);
	memcpy(nd.option.mac, ports[port].mac, 6);
	solicited_node(asked->b, group);
	memcpy(group_mac + 2, group + 12, 4);
	return make_frame(port, dst ? dst : group_mac, own ? own->b : none, dst ? asked->b : group, &nd,
			  own ? sizeof(nd) : ND_MIN);
}

struct rte_mbuf *nd_announce(uint8_t port, const struct addr *own)
{
	static const uint8_t mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	struct nd nd = {
		.type = ADVERTISEMENT, .flags = ROUTER | OVERRIDE, .option = {OPT_TARGET_MAC, 1, {0}}};

	memcpy(nd.target, own->b, 16);
	memcpy(nd.option.mac, ports[port].mac, 6);
	return make_frame(port, mac, own->b, all_nodes, &nd, sizeof(nd));
}
