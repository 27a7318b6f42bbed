/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "dp_api.h"

/* An answer to somebody's ping; one that nobody waits for is ignored. */
void cli_ping_answer(const struct dp_echo_answer *a);
