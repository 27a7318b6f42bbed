/* SPDX-License-Identifier: Apache-2.0 */
/* ESP outbound (RFC 4303 3.3), in two steps over one list. */
#pragma once

#include "sa.h"
#include "worker.h"

void esp_out_prepare(struct worker *w, struct list *l);
void esp_out_seal(struct worker *w, struct list *l);
