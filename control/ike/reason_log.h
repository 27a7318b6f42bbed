/* SPDX-License-Identifier: Apache-2.0 */
/* The last few failures of a gateway or proxy-ID.  The same one again counts instead of pushing others out, so that
 * an hour of retries leaves what came before it. */
#pragma once

#include "ike.h"

enum { REASONS_KEPT = 8 };

struct reason_log {
	struct ike_reason *r[REASONS_KEPT]; /* newest first */
	uint8_t n;
	bool mended; /* it worked since the newest */
};

void reason_log_add(struct reason_log *l, const struct ike_reason *r);
/* It works: what failed before is history.  Of the exchange that went well it is past as well; 0: of all of them. */
void reason_log_mended(struct reason_log *l, uint8_t exchange);
/* What is wrong now; NULL: nothing. */
const struct ike_reason *reason_log_last(const struct reason_log *l);
void reason_log_free(struct reason_log *l);
