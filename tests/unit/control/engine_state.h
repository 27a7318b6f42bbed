/* SPDX-License-Identifier: Apache-2.0 */
/* What is inside an engine: a hash to tell states apart, and what must not be left over. */
#pragma once

#include "net.h"

/* FNV-1a, 64 bits: start with HASH_START. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t hash_bytes(uint64_t h, const void *p, size_t len);
uint64_t hash_u64(uint64_t h, uint64_t v);

/* All that decides what the engine and its host do next: SAs, exchanges, tasks, and what each timer has left,
 * coarsely (half a second, or a power of two), so that mere jitter makes no new state. */
uint64_t engine_state_hash(const struct net_host *h);

/* NULL when the engine is at rest with n_ike IKE SAs and n_child Child SAs and nothing is left over of anything
 * that went before; else what is there, in words. */
const char *engine_unrest(const struct net_host *h, unsigned n_ike, unsigned n_child);
