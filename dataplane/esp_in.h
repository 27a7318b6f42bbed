/* SPDX-License-Identifier: Apache-2.0 */
/* ESP inbound (RFC 4303 3.4), in three steps over one list. */
#pragma once

#include "sa.h"
#include "worker.h"

void esp_in_check(struct worker *w, struct list *l);
void esp_in_open(struct worker *w, struct list *l);
void esp_in_finish(struct worker *w, struct list *l);
