/* SPDX-License-Identifier: Apache-2.0 */
/* Proxy-IDs: (tunnel interface, inner addresses, protocol, ports) -> policy -> outbound SA.  A hash is
 * tried once per distinct mask combination of the tunnel, most specific first, so the number of
 * proxy-IDs does not matter. */
#pragma once

#include "sa.h"
#include "worker.h"

/* Sets sa_out; packets outside all proxy-IDs or without SA are dropped, the latter asking for keys. */
void spd_match(struct worker *w, struct list *l);

int spd_init(uint32_t max_policies);
void spd_fini(void);
