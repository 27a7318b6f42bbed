/* SPDX-License-Identifier: Apache-2.0 */
/* The highest rate without loss, by halving (RFC 2544 26.1). */
#pragma once

#include <stdbool.h>

enum search_outcome {
	SEARCH_PASS,
	SEARCH_LOSS,
	SEARCH_SHORT, /* the generator itself did not reach the rate: nothing is learnt of the gateway */
};

struct search {
	double most, resolution; /* packets a second; how close, as a share of the result */
	enum search_outcome (*trial)(void *arg, double pps);
	void *arg;
};

/* 0: even the least rate tried has loss.  *limited: the generator, not the gateway, set the limit. */
double search_run(const struct search *s, bool *limited);
