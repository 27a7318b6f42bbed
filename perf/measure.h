/* SPDX-License-Identifier: Apache-2.0 */
/* One case: the path and the bound in turns until there are enough quiet rounds of them, or patience ends. */
#pragma once

#include "bound.h"
#include "frames.h"
#include "rig.h"

/* May a figure be believed? */
enum verdict {
	VERDICT_OK,
	VERDICT_NOISY,      /* too few quiet rounds */
	VERDICT_UNSTEADY,   /* the quiet rounds differ too much from each other */
	VERDICT_IMPOSSIBLE, /* the path faster than the library alone */
};
const char *verdict_name(enum verdict v);

struct effort {
	unsigned quiet; /* rounds wanted */
	double seconds; /* of patience */
};

struct result {
	struct layout layout;
	struct traffic traffic;
	uint32_t rules;
	const char *way; /* of the bound */
	double cycles, spread, bound, bound_spread, ratio;
	double stage[STAGE_MAX]; /* cycles a packet */
	unsigned quiet, rounds;
	enum verdict verdict;
};

void measure(const struct effort *e, struct result *r);
/* The same work once, checked, no figures: every way of the bound as well. */
void measure_nothing(const struct traffic *t);
