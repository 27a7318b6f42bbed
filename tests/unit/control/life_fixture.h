/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines that are brought up, with random numbers from a seed, for the tests of what comes then. */
#pragma once

#include "dice.h"
#include "net_fixture.h"

/* Of IKE and Child SAs, at either end, seconds; 0: as net_conf() has it. */
struct lives {
	uint32_t ike_a, ike_b, child_a, child_b;
};

/* cmocka's setup; the teardown is net_teardown(). */
int life_setup(void **state);
/* Anew, with other dice. */
void life_again(unsigned seed);
/* With so many proxy-IDs, all of them up at both ends. */
void life_up(unsigned children);
void life_up_for(unsigned children, struct lives l);
