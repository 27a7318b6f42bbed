/* SPDX-License-Identifier: Apache-2.0 */
/* Dummy packets (RFC 4303 2.6): ESP with nothing in it, sent so that the times of real packets tell less.  As long as
 * real ones may be, of random length, and padded like them. */
#include "dp_api.h"

#include <errno.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_random.h>

#include "dp.h"
#include "sad.h"
#include "worker.h"

enum { DUMMY_MIN = 40, L2 = sizeof(struct rte_ether_hdr) };

int dp_dummy_send(uint32_t sa_out)
{
	const struct sa_out *sa = sad_out_find(sa_out);
	uint16_t most, len;
	struct rte_mbuf *m;
	void *text;

	if (!sa)
		return -ESTALE;
	if (sa->flags & SA_TRANSPORT)
		return -EINVAL;
	most = atomic_load_explicit(&sa->max_inner, memory_order_relaxed);
	len = (uint16_t)(DUMMY_MIN + rte_rand_max(most > DUMMY_MIN ? most - DUMMY_MIN + 1u : 1));
	m = rte_pktmbuf_alloc(dp.pool);
	text = m ? rte_pktmbuf_append(m, (uint16_t)(L2 + len)) : NULL;
	if (!text) {
		rte_pktmbuf_free(m);
		count_add(&dp.drops[DROP_NO_MBUF], 1);
		return -ENOBUFS;
	}
	memset(text, 0, L2 + len); /* encrypted, zeros are as good as anything */
	m->port = INJECT_DUMMY;
	m->hash.usr = sa_out;
	if (rte_ring_enqueue(dp.worker[sa->owner]->inject, m) < 0) {
		dp_drop(m, DROP_INJECT_FULL);
		return -ENOBUFS;
	}
	return 0;
}
