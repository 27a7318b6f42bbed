/* SPDX-License-Identifier: Apache-2.0 */
/* The SA tables.  An inbound SPI's low bits are the slot's index, its high bits a random generation, so
 * that finding an SA is one load and one compare. */
#pragma once

#include "sa.h"
#include "worker.h"

/* ESP packets: reads the SPI, sets sa_in and seq's low 32 bits; unknown SPIs are dropped. */
void sad_lookup(struct worker *w, struct list *l);

int sad_init(uint32_t max_sas);
void sad_fini(void); /* wipes keys */
/* Free and wipe removed SAs whose grace period is over.  Control thread. */
void sad_reclaim(void);
