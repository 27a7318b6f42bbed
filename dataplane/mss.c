/* SPDX-License-Identifier: Apache-2.0 */
#include "mss.h"

#include <string.h>

#include <rte_byteorder.h>

#include "sad.h"
#include "spd_table.h"

enum { TCP_HDR = 20, HDR4 = 20, HDR6 = 40, OPT_END = 0, OPT_NOP = 1, OPT_MSS = 2, OPT_MSS_LEN = 4 };

/* RFC 1624, eqn. 3; `odd`: the word lies across two of the sum's. */
static void replace(uint8_t *sum, uint8_t *at, uint16_t value, bool odd)
{
	uint16_t old, now = rte_cpu_to_be_16(value), hc;
	uint32_t s;

	memcpy(&old, at, sizeof(old));
	memcpy(at, &now, sizeof(now));
	memcpy(&hc, sum, sizeof(hc));
	if (odd) {
		old = rte_bswap16(old);
		now = rte_bswap16(now);
	}
	s = (uint16_t)~hc + (uint32_t)(uint16_t)~old + now;
	s = (s & 0xffff) + (s >> 16);
	hc = (uint16_t) ~(s + (s >> 16));
	memcpy(sum, &hc, sizeof(hc));
}

/* RFC 9293 3.7.1: the MSS counts neither IP nor TCP options, so fixed headers are what is taken off the MTU. */
void mss_clamp(struct pkt *p, uint16_t mtu, uint16_t mss)
{
	uint32_t hdr = (p->v == 4 ? HDR4 : HDR6) + TCP_HDR, len, have = (uint32_t)p->ip_len - p->l3_len;
	uint8_t *tcp = pkt_at(p, (uint16_t)(p->l3_off + p->l3_len));

	if (mss == DP_MSS_OFF || (mss == DP_MSS_FIT && mtu <= hdr))
		return;
	if (mss == DP_MSS_FIT)
		mss = (uint16_t)(mtu - hdr);
	len = (tcp[12] >> 4) * 4u;
	if (len > have)
		return;
	for (uint32_t at = TCP_HDR; at < len && tcp[at] != OPT_END;) {
		uint32_t n = tcp[at] == OPT_NOP ? 1 : at + 1 < len ? tcp[at + 1] : 0;

		if (n == 0 || at + n > len || (tcp[at] != OPT_NOP && n < 2))
			return;
		if (tcp[at] == OPT_MSS && n == OPT_MSS_LEN) {
			if ((tcp[at + 2] << 8 | tcp[at + 3]) > mss)
				replace(tcp + 16, tcp + at + 2, mss, at & 1);
			return;
		}
		at += n;
	}
}

void mss_clamp_in(const struct list *l)
{
	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];
		const struct policy *pol;
		uint32_t handle;

		if (likely(!mss_is_syn(p)))
			continue;
		pol = &spd_policy[p->sa_in->policy];
		handle = atomic_load_explicit(&pol->sa_out, memory_order_acquire);
		if (handle != DP_SA_NONE)
			mss_clamp(p,
				  atomic_load_explicit(&sad_out_at(handle)->max_inner, memory_order_relaxed),
				  atomic_load_explicit(&pol->mss, memory_order_relaxed));
	}
}
