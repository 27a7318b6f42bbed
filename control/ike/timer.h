/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every timer of the engine, in a sentence each, and the heap that keeps them.
 *
 * A timer lives inside the object it belongs to and is armed at most once.  Whoever creates the object
 * reserves its places in the heap, so arming never fails; whoever frees it stops them first.
 */
#pragma once

#include <stdint.h>

enum timer_kind {
	/* A request had no answer yet: send it again, twice as late each time, then give up. */
	TIMER_RETRANSMIT,
	/* A half-open SA we answered was not completed within half_open_s (30 s): drop it.  On an SA that
	 * came up it only forgets the IKE_SA_INIT whose duplicates were being recognised. */
	TIMER_HALF_OPEN,
	/* Nothing authenticated came for dpd_interval: ask the peer whether it lives. */
	TIMER_DPD,
	/* We are behind a NAT: send the one byte that keeps its mapping open (natt_keepalive_s). */
	TIMER_KEEPALIVE,
	/* 80-90 % of the IKE SA's lifetime are over, at a random point: rekey it, or begin to replace it by one that
	 * authenticates anew (authentication-multiple).  Again before the lifetime ends, in case that fails. */
	TIMER_IKE_REKEY,
	/* The IKE SA's lifetime is over: close it. */
	TIMER_IKE_EXPIRE,
	/* An SA that is finished stays this long (30 s): to answer retransmissions of the peer's last request,
	 * or, once rekeyed by the peer, for the peer's Delete. */
	TIMER_LINGER,
	/* Both ends initiated at once and both SAs came up: the one with the smaller SPIi goes (5 s). */
	TIMER_DUPLICATE,
	/* The peer answered TEMPORARY_FAILURE: nothing that could cross it again until now.  The SA's initiator
	 * waits 0.2-0.6 s, doubling to eight times that; its responder 3-6 s, then 6-12 s: two ends that crossed
	 * do not go on crossing, and both come back well before a Child SA that is being rekeyed expires. */
	TIMER_HOLD,
	/* The peer's CREATE_CHILD_SA agreed on additional key exchanges, and the next of them did not come for 60 s:
	 * forget it. */
	TIMER_FOLLOWUP,
	/* 80-90 % of the Child SA's lifetime are over: rekey it. */
	TIMER_CHILD_REKEY,
	/* The Child SA's lifetime is over: delete it. */
	TIMER_CHILD_EXPIRE,
	/* The peer made a successor, or another one, but did not delete the old Child SA yet: when packets come in on the
	 * new one (asked every 2 s), or after 30 s, traffic goes out on it, too.  On a replaced Child SA that
	 * nobody deleted: it goes (60 s).  On one that was deleted after a rekey: the last packets are in
	 * (3 s). */
	TIMER_CHILD_SETTLE,
	/* The other fragments of a message did not come within 15 s: forget those that did. */
	TIMER_FRAGMENTS,
	/* The gateway's back-off after a failure is over (1 s, doubling to 60 s): try again. */
	TIMER_GW_RETRY,
	/* The same for one proxy-ID on a living IKE SA (5 s, doubling to 300 s). */
	TIMER_SLOT_RETRY,
	TIMER_KINDS
};

struct timer {
	uint64_t at;
	uint32_t pos; /* place in the heap + 1; 0: not armed */
	uint8_t kind; /* enum timer_kind */
	void *owner;
};

struct timers {
	struct timer **v;
	uint32_t n, cap, reserved;
};

/* Make room for n more timers; -ENOMEM.  timer_unreserve gives the room back. */
int timer_reserve(struct timers *h, uint32_t n);
void timer_unreserve(struct timers *h, uint32_t n);
void timer_init(struct timer *t, enum timer_kind kind, void *owner);
/* Arm, or move when armed already. */
void timer_set(struct timers *h, struct timer *t, uint64_t at);
void timer_stop(struct timers *h, struct timer *t);
/* Take the earliest timer that is due off the heap; NULL when none is. */
struct timer *timer_pop(struct timers *h, uint64_t now);
/* When the earliest is due; UINT64_MAX: none. */
uint64_t timer_next(const struct timers *h);
void timer_free(struct timers *h);
