/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SA tables.  An inbound SPI's low bits are the slot's index, its high bits a random generation, so
 * that finding an SA is one load and one compare.  There are as many slots as were asked for: an SPI from the wire
 * may name one behind the last.  An outbound SA's handle is made the same way, with a
 * counted generation: a stale handle is refused.
 *
 * Slots are reused after a grace period (dp_retire) and in order of release, as late as possible.
 * Memory for all slots is taken at init; a worker may hold a pointer to a slot until its turn ends.
 */
#pragma once

#include "sa.h"
#include "worker.h"

/* ESP packets: reads the SPI, sets spi, sa_in and seq's low 32 bits; unknown SPIs are dropped, or wait (early.h).  True:
 * the SA of some is another worker's. */
bool sad_lookup(struct worker *w, struct list *l);

/* IPv4 packets of ESP, and nobody has asked yet whom they are for (PKT_IP): those between the two addresses of the SA
 * that their SPI names are for us, and move to `ours` as sad_lookup() would leave them. */
bool sad_lookup_plain(const struct worker *w, struct list *l, struct list *ours);

/* Has control reserved this SPI for an SA that is not there yet? */
bool sad_reserved(uint32_t spi);

/* The slot of a handle that a policy is bound to. */
extern struct sa_out *sad_out;
extern uint32_t sad_mask, sad_slots;

static inline struct sa_out *sad_out_at(uint32_t handle)
{
	return &sad_out[handle & sad_mask];
}

/* The live inbound SA of an SPI, or NULL.  A worker has it for the turn. */
struct sa_in *sad_in_find(uint32_t spi);
/* The live outbound SA of a handle, or NULL when the handle is stale.  Control thread. */
struct sa_out *sad_out_find(uint32_t handle);

/* Some live inbound SA of a policy, NULL behind the last; *next goes on from zero.  Control thread. */
struct sa_in *sad_in_of(uint32_t policy, uint32_t *next);
/* What an outbound SA's template and limits follow from has changed: make them anew, if it lives. */
void sad_out_refresh(uint32_t handle);

/* Measure outbound SAs anew after routes have changed, some with every call.  Control thread. */
void sad_service(void);

/* Slots in use, and how many there are.  Control thread. */
void sad_use(bool inbound, uint64_t *used, uint64_t *limit);

int sad_init(uint32_t max_sas);
void sad_fini(void); /* wipes keys; no worker runs */
