/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments that travel on, with the ports of the datagram they are of (RFC 4301 7.4: stateful fragment checking).
 *
 * A fragment that is not the first tells no ports.  Where proxy-IDs, selectors or rules ask for them, the first
 * fragment's are remembered by its datagram, and those that come before it wait: bounded, each datagram's and all
 * together.  Nothing is put together or copied; each goes its way with ports that are the whole packet's.  A later
 * fragment must not reach into what the first one has shown (RFC 1858, RFC 3128).
 */
#pragma once

#include <stdatomic.h>

#include "worker.h"

/* How many of what the control thread has made ask for ports; workers: r. */
extern _Atomic(uint32_t) frag_ports_wanted;

static inline bool frag_ports_on(void)
{
	return atomic_load_explicit(&frag_ports_wanted, memory_order_relaxed) != 0;
}

/* A fragment that knows no ports gets them, and goes on: DROP_NONE.  DROP_MAX: it waits, and is not the caller's any
 * more; path_handed_over() has it again.  Else why it has to be dropped. */
enum drop frag_ports_find(struct worker *w, struct pkt *p);
/* The same for those of a list; what waits or is dropped leaves it. */
void frag_ports(struct worker *w, struct list *l);

/* Control thread.  One more, or one less, that asks for ports. */
void frag_ports_want(bool more);
/* Give the worker its table; false without memory. */
bool frag_ports_init(struct worker *w);
