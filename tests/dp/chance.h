/* SPDX-License-Identifier: Apache-2.0 */
/* Random packets, the same again from the same start on every machine. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern uint64_t chance; /* the state: set it to begin */

/* A number from 0 to n - 1. */
uint32_t below(uint32_t n);
static inline bool once_in(uint32_t n)
{
	return below(n) == 0;
}
#define one_of(list) ((list)[below(sizeof(list) / sizeof((list)[0]))])

void chance_fill(uint8_t *b, size_t len);

/* An IPv4 packet between two addresses (host order), sound nearly always: UDP and TCP of few ports for the most part, now
 * and then with options, a fragment, very short, or wrong.  Up to 1500 bytes; its length. */
enum { CHANCE_PORT = 7777 }; /* one of the ports */
size_t chance_packet(uint8_t *b, uint32_t src, uint32_t dst, uint16_t id);
