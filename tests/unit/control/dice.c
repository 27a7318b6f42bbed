/* SPDX-License-Identifier: Apache-2.0 */
#include "dice.h"

#include <stddef.h>

static uint64_t state;

void dice_seed(uint64_t seed)
{
	state = seed;
}

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t x = state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

void __wrap_crypto_random(void *p, size_t n);
void __wrap_crypto_random(void *p, size_t n)
{
	uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)draw();
}
