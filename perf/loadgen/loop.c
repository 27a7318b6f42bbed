/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <errno.h>

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ring.h>

enum { LOOP_SLOTS = 4096 };

int loop_make(void)
{
	struct rte_ring *ab = rte_ring_create("loop-ab", LOOP_SLOTS, SOCKET_ID_ANY,
					      RING_F_SP_ENQ | RING_F_SC_DEQ);
	struct rte_ring *ba = rte_ring_create("loop-ba", LOOP_SLOTS, SOCKET_ID_ANY,
					      RING_F_SP_ENQ | RING_F_SC_DEQ);

	if (!ab || !ba)
		return -ENOMEM;
	if (rte_eth_from_rings("loopa", &ba, 1, &ab, 1, 0) < 0 ||
	    rte_eth_from_rings("loopb", &ab, 1, &ba, 1, 0) < 0)
		return -rte_errno;
	return 0;
}
