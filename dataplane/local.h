/* SPDX-License-Identifier: Apache-2.0 */
/* Packets for the gateway itself: answers ARP requests and ICMP echo in place, passes ARP replies to
 * the neighbour table, drops the rest by name. */
#pragma once

#include "worker.h"

void local_input(struct worker *w, struct list *l);
