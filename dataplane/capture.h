/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of a tunnel, copied for the operator: in clear (inner) and as they go over the wire (outer).
 *
 * Off, a tap costs a burst one load and a branch that never goes the other way.  On, the worker copies what
 * belongs to a wanted proxy-ID into a ring of slots that were allocated beforehand, one ring for each
 * worker; the control thread takes them out in dp_service().  A full ring loses and counts.
 */
#pragma once

#include <stdatomic.h>

#include "worker.h"

struct capture;
extern _Atomic(struct capture *) capture_now; /* control: w, workers: r */

void capture_list(struct worker *w, struct capture *c, const struct list *l, enum dp_capture_side side,
		  bool inbound);

/* Worker.  Every packet of the list has its SA, and its IP header at l3_off. */
static inline void capture_tap(struct worker *w, const struct list *l, enum dp_capture_side side,
			       bool inbound)
{
	struct capture *c = atomic_load_explicit(&capture_now, memory_order_acquire);

	if (unlikely(c != NULL))
		capture_list(w, c, l, side, inbound);
}

/* Control thread.  Deliver what was captured; a proxy-ID is no more; end. */
void capture_service(void);
void capture_forget(uint32_t policy);
void capture_fini(void);
