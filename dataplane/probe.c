/* SPDX-License-Identifier: Apache-2.0 */
/* Echo requests of tunnel monitors: made here, sent by a worker through the tunnel like any packet. */
#include <errno.h>

#include "dp.h"
#include "echo.h"
#include "ip6.h"

enum { IP4_HDR = 20, ICMP_HDR = 8, DATA = 36 };

/* The first worker sends it, or hands it to the SA's owner. */
int dp_probe_send(const struct dp_probe *p)
{
	struct dp_echo e = {.src = p->src,
			    .dst = p->dst,
			    .id = p->id,
			    .seq = p->seq,
			    .len = (uint16_t)((p->src.v == 6 ? IP6_HDR : IP4_HDR) + ICMP_HDR + DATA)};
	struct rte_mbuf *m;
	int err;

	if (addr_len(&p->src) == 0 || p->src.v != p->dst.v)
		return -EAFNOSUPPORT;
	if (p->tunnel_if >= dp.n_ifs || dp.ifs[p->tunnel_if].is_port || !echo_is_own(&p->src))
		return -EINVAL;
	m = echo_make(&e, &err);
	return m ? echo_inject(m, p->tunnel_if) : err;
}
