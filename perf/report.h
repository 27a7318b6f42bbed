/* SPDX-License-Identifier: Apache-2.0 */
/* What bench_path prints and writes.  A figure that may not be believed is printed in brackets, with the reason and
 * without a ratio; in JSON its ratio is null. */
#pragma once

#include "measure.h"

struct report_head {
	double harness, idle_turn; /* cycles a packet; cycles a turn */
	uint32_t flows, rules;
	bool hugepages, shared;
};

void report_head(const struct report_head *h);
void report_layout(const struct layout *l, double install_per_s);
void report_row(const struct result *r);
/* "IMIX", "64" */
const char *report_size(uint16_t size);
void report_json(const char *path, const struct report_head *h, const struct result *r, unsigned n);
