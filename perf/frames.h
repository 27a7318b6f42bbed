/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rig's frames hold: clear packets on their way to the targets, or the peer's ESP packets from there.
 *
 * Each frame belongs to a target and a flow of chance.  IMIX is seven packets of 64 bytes, four of 576 and one
 * of 1420, inner length, in a new order each time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "suite.h"

enum { INNER_IMIX = 0, INNER_MIN = 28, INNER_MAX = 1420 };

struct traffic {
	const struct suite *suite;
	bool inbound;
	uint16_t size;  /* inner bytes; INNER_IMIX */
	uint32_t flows; /* this many, spread over the targets; 0: a new one for every packet */
	bool walk;      /* the flows in turn, instead of by chance */
	/* For packets that must die: their inner far address belongs to the target so much further on, and
	 * their inner destination port is this. */
	uint32_t astray;
	uint16_t dport;
};

/* Mean inner bytes of a packet. */
double frames_mean(uint16_t size);
/* How many flows there are. */
uint32_t frames_flows(const struct traffic *t);
void frames_fill(const struct traffic *t);
/* Some of what came out, opened with the peer's keys or as it is, is what went in: or die. */
void frames_check(const struct traffic *t);

/* Bytes of ciphertext in frame i, and where its ESP header is. */
uint32_t frames_text_len(const struct traffic *t, unsigned i);
uint8_t *frames_esp(const struct traffic *t, unsigned i);
