/* SPDX-License-Identifier: Apache-2.0 */
#include "selector.h"

#include <netinet/in.h>
#include <string.h>

static bool any_port(const struct ts *t)
{
	return t->port_lo == 0 && t->port_hi == UINT16_MAX;
}

static bool one_has(const struct ts *t, uint8_t n, const struct addr *a, const struct pkt *p, uint16_t port)
{
	for (uint8_t i = 0; i < n; i++)
		if (ts_has(&t[i], a, p->proto, port) && (p->fragment != FRAG_BLIND || any_port(&t[i])))
			return true;
	return false;
}

bool selector_asks_ports(const struct sa_selectors *s)
{
	bool asks = false;

	for (uint8_t i = 0; s && i < s->n_local; i++)
		asks |= !any_port(&s->local[i]);
	for (uint8_t i = 0; s && i < s->n_remote; i++)
		asks |= !any_port(&s->remote[i]);
	return asks;
}

static bool prefix6_has(const struct sa_prefix6 *p, const uint8_t addr[16])
{
	uint64_t a[2];

	memcpy(a, addr, sizeof(a));
	return (((a[0] ^ p->net[0]) & p->mask[0]) | ((a[1] ^ p->net[1]) & p->mask[1])) == 0;
}

static bool plain6_has(const struct sa_selectors *s, const struct pkt *p, bool outbound)
{
	const uint8_t *ip = pkt_l3(p);

	return p->v == 6 && prefix6_has(outbound ? &s->local6 : &s->remote6, ip + 8) &&
	       prefix6_has(outbound ? &s->remote6 : &s->local6, ip + 24);
}

bool selector_has(const struct sa_selectors *s, const struct pkt *p, bool outbound)
{
	bool icmp = p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6;
	uint16_t sport = icmp ? p->dport : p->sport;
	struct addr src, dst;

	if (s->plain6)
		return plain6_has(s, p, outbound);
	pkt_addrs(p, &src, &dst);
	if (outbound)
		return one_has(s->local, s->n_local, &src, p, sport) &&
		       one_has(s->remote, s->n_remote, &dst, p, p->dport);
	return one_has(s->remote, s->n_remote, &src, p, sport) &&
	       one_has(s->local, s->n_local, &dst, p, p->dport);
}
