/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner packets: IPv4, UDP, and behind that a mark by which the receiver knows each of them again.
 *
 * Packet number n belongs to a flow by a mix, so flows come in no order, or in turn; the receiver can tell what the
 * packet must look like.  Host i of one side speaks to host i of the other: one proxy-ID each, where the gateways have
 * proxy-IDs for single hosts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

enum { PACKET_MIN = 64, PACKET_MAX = 1500, PACKET_IMIX = 0 };

struct traffic {
	uint32_t net[2]; /* the first host's address of each side, host order */
	uint32_t hosts, flows;
	uint16_t size; /* inner bytes, or PACKET_IMIX */
	bool in_order; /* packet n belongs to flow n, so that each flow has as many as the next */
};

/* What a sender and its packets have in common. */
struct stream {
	const struct traffic *t;
	unsigned way; /* 0: side A to side B */
	uint16_t trial;
	uint8_t src_mac[6], dst_mac[6];
};

enum packet_kind {
	PACKET_OURS,
	PACKET_OTHER, /* of another trial or the other way, or not ours at all */
	PACKET_ALTERED,
};

/* The flow that packet n belongs to. */
uint32_t packet_flow(const struct traffic *t, uint64_t n);
/* Frame number n into an empty buffer.  One in 64 has its payload written and will be looked at in full. */
void packet_make(const struct stream *s, uint64_t n, uint64_t tsc, struct rte_mbuf *m);
/* What came in on the side that stream s leads to; *n, *tsc as they were made. */
enum packet_kind packet_read(const struct stream *s, const struct rte_mbuf *m, uint64_t *n, uint64_t *tsc);
/* Mean inner bytes. */
double packet_mean(uint16_t size);
