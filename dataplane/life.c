/* SPDX-License-Identifier: Apache-2.0 */
#include "life.h"

#include "punt.h"

#define NEVER UINT64_MAX

enum { PACKET_MAX = UINT16_MAX }; /* inner bytes */

/* ESN or not, the last quarter of the numbers is for the time a successor takes. */
static uint64_t seq_last(const struct sa_out *sa)
{
	return sa->flags & SA_ESN ? UINT64_MAX : UINT32_MAX;
}

static uint64_t seq_soft(const struct sa_out *sa)
{
	return seq_last(sa) / 4 * 3;
}

static uint64_t or_never(uint64_t limit)
{
	return limit ? limit : NEVER;
}

/* What may pass before the slow path is to be asked again.  A soft limit is reached by the packet that makes it full,
 * hence the one less. */
static uint64_t before_limit(const struct sa_life *l, uint64_t hard, uint64_t soft, uint64_t used)
{
	uint64_t stop = l->soft_sent ? or_never(hard) : RTE_MIN(or_never(hard), or_never(soft) - 1);

	return stop > used ? stop - used : 0;
}

/* The mark for an SA that has passed so much: a count of packets. */
static uint64_t mark(const struct sa_life *l, uint64_t packets, uint64_t bytes)
{
	uint64_t by_packets = before_limit(l, l->limits.hard_packets, l->limits.soft_packets, packets);
	uint64_t by_bytes = before_limit(l, l->limits.hard_bytes, l->limits.soft_bytes, bytes) / PACKET_MAX;
	uint64_t more = RTE_MIN(by_packets, by_bytes);

	return more < NEVER - packets ? packets + more : NEVER;
}

static void mark_out(struct sa_out *sa, uint64_t packets, uint64_t bytes)
{
	uint64_t seq = sa->life.soft_sent ? seq_last(sa) : seq_soft(sa);

	sa->stop_seq = RTE_MIN(mark(&sa->life, packets, bytes), seq);
}

/* Tell control, once of each kind. */
static void tell(struct worker *w, struct sa_life *l, enum dp_expire_kind kind, enum dp_expire_cause cause,
		 bool inbound, uint32_t id)
{
	bool *sent = kind == DP_EXPIRE_SOFT ? &l->soft_sent : &l->hard_sent;
	struct dp_expire e = {.kind = kind, .cause = cause, .inbound = inbound, .sa = id};

	if (!*sent)
		*sent = punt_expire(w, &e); /* ring full: the next packet tries again */
}

/* The limit that `packets` and `bytes` exceed (hard) or reach (soft); false: none. */
static bool over(const struct dp_limits *l, bool hard, uint64_t packets, uint64_t bytes,
		 enum dp_expire_cause *cause)
{
	if (hard ? packets > or_never(l->hard_packets) : packets >= or_never(l->soft_packets))
		*cause = DP_EXPIRE_PACKETS;
	else if (hard ? bytes > or_never(l->hard_bytes) : bytes >= or_never(l->soft_bytes))
		*cause = DP_EXPIRE_BYTES;
	else
		return false;
	return true;
}

enum drop life_out(struct worker *w, struct sa_out *sa, uint32_t len)
{
	uint32_t id = atomic_load_explicit(&sa->handle, memory_order_relaxed);
	uint64_t packets = sa->seq + 1, bytes = sa->bytes + len;
	enum dp_expire_cause cause;

	if (sa->seq == seq_last(sa)) {
		tell(w, &sa->life, DP_EXPIRE_HARD, DP_EXPIRE_SEQUENCE, false, id);
		return DROP_ESP_SEQ_EXHAUSTED;
	}
	if (over(&sa->life.limits, true, packets, bytes, &cause)) {
		tell(w, &sa->life, DP_EXPIRE_HARD, cause, false, id);
		return DROP_ESP_LIFETIME;
	}
	if (over(&sa->life.limits, false, packets, bytes, &cause))
		tell(w, &sa->life, DP_EXPIRE_SOFT, cause, false, id);
	else if (packets > seq_soft(sa))
		tell(w, &sa->life, DP_EXPIRE_SOFT, DP_EXPIRE_SEQUENCE, false, id);
	mark_out(sa, packets, bytes);
	return DROP_NONE;
}

enum drop life_in(struct worker *w, struct sa_in *sa, uint32_t len)
{
	uint32_t id = atomic_load_explicit(&sa->spi, memory_order_relaxed);
	uint64_t packets = sa->packets + 1, bytes = sa->bytes + len;
	enum dp_expire_cause cause;

	if (over(&sa->life.limits, true, packets, bytes, &cause)) {
		tell(w, &sa->life, DP_EXPIRE_HARD, cause, true, id);
		return DROP_ESP_LIFETIME;
	}
	if (over(&sa->life.limits, false, packets, bytes, &cause))
		tell(w, &sa->life, DP_EXPIRE_SOFT, cause, true, id);
	sa->stop_packets = mark(&sa->life, packets, bytes);
	return DROP_NONE;
}

void life_out_init(struct sa_out *sa)
{
	mark_out(sa, 0, 0);
}

void life_in_init(struct sa_in *sa)
{
	sa->stop_packets = mark(&sa->life, 0, 0);
}
