/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP that comes before its SA: the peer may send on a new SA as soon as it has answered, and its packets may be here
 * before control has made sense of the answer (RFC 7296 1.2).  A few of them wait, for a moment, if their SPI is one
 * that control has reserved: nobody else knows it.
 */
#pragma once

#include "worker.h"

/* p waits from now on, or false: it is the caller's as before. */
bool early_keep(struct worker *w, const struct pkt *p);
/* Those whose SA is there now, into l and w->pkts; those that have waited too long are dropped. */
void early_take(struct worker *w, struct list *l);
/* The worker has ended. */
void early_free(struct worker *w);
