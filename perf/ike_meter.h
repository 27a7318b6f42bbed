/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine of tests/unit/control/net.h uses up: every call of ike_input() and ike_run() is measured, less the
 * time its host's functions take, which are the test network's and not the engine's.  The linker puts
 * the meter between (--wrap), so neither the engine nor the network knows.
 */
#pragma once

#include <stdbool.h>

#include "net.h"

struct meter {
	uint64_t cpu_ns; /* of this thread, as the kernel counts it */
	int64_t heap;    /* bytes; only while meter_heap is set, for asking takes time */
	unsigned calls;  /* of the engine, and of the host's functions inside */
};
extern struct meter meter[2]; /* by side */
extern bool meter_heap;

/* After net_init(): put the meter between the engines and their hosts. */
void meter_attach(struct net *n);
void meter_reset(void);
/* What the meter itself adds to a call, ns. */
double meter_cost_ns(void);
