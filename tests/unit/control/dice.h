/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engines' random numbers drawn from a seed, for tests linked with --wrap=crypto_random: what happened once in
 * a thousand runs can then be looked at again.
 */
#pragma once

#include <stdint.h>

void dice_seed(uint64_t seed);
