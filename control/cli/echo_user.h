/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that send echo requests and wait for the answers: each has an identifier of its own, by which answers find
 * it.  So many at once as dp_echo_open() gives. */
#pragma once

#include "dp_api.h"

struct cli_echo {
	void (*answer)(struct cli_echo *u, const struct dp_echo_answer *a);
	void (*error)(struct cli_echo *u, const struct dp_echo_error *e);
	/* cli_echo_open()'s */
	uint16_t id;
	struct cli_echo *next;
};

/* 0, or what dp_echo_open() says.  u is kept until cli_echo_close(). */
int cli_echo_open(struct cli_echo *u);
void cli_echo_close(struct cli_echo *u);
/* From the data plane; what nobody waits for is ignored. */
void cli_echo_answer(const struct dp_echo_answer *a);
void cli_echo_error(const struct dp_echo_error *e);
