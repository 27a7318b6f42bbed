/* SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "dp.h"
#include "sa.h"

enum {
	ROOM_EXTRA = 128,     /* packets from inside a tunnel may be longer than a port's MTU */
	RING_BYTES = 1 << 21, /* of each worker */
	SLOTS_MAX = 1024,
};

struct slot {
	uint64_t tsc;
	uint32_t policy, spi;
	uint16_t len, kept;
	uint8_t side, inbound;
	uint8_t data[];
};

/* Single producer, single consumer; head and tail only grow. */
struct ring {
	alignas(64) _Atomic uint32_t head; /* worker: w */
	uint64_t lost;                     /* worker: w, control: r */
	alignas(64) _Atomic uint32_t tail; /* control: w */
	uint8_t *slots;
};

struct capture {
	unsigned sides;
	uint32_t n_slots, slot_bytes; /* n_slots: a power of two */
	uint32_t n_bits;
	uint8_t *wanted; /* a bit for each proxy-ID; control clears bits while workers read */
	uint64_t from_tsc;
	struct ring ring[DP_WORKERS_MAX];
};

_Atomic(struct capture *) capture_now;
static uint64_t lost_before; /* of the capture that was stopped last */

/* ---- workers --------------------------------------------------------------------------------- */

static bool wanted(const struct capture *c, uint32_t policy)
{
	return policy < c->n_bits &&
	       __atomic_load_n(&c->wanted[policy / 8], __ATOMIC_RELAXED) >> policy % 8 & 1;
}

static void keep(struct worker *w, struct capture *c, const struct pkt *p, uint32_t policy, uint32_t spi,
		 enum dp_capture_side side, bool inbound)
{
	struct ring *r = &c->ring[w->id];
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t room = c->slot_bytes - (uint32_t)sizeof(struct slot);
	struct slot *s;

	if (head - atomic_load_explicit(&r->tail, memory_order_acquire) == c->n_slots) {
		count_add(&r->lost, 1);
		return;
	}
	s = (struct slot *)(r->slots + (size_t)(head & (c->n_slots - 1)) * c->slot_bytes);
	s->tsc = rte_rdtsc();
	s->policy = policy;
	s->spi = spi;
	s->side = (uint8_t)side;
	s->inbound = inbound;
	s->len = p->ip_len;
	s->kept = (uint16_t)RTE_MIN(p->ip_len, room);
	memcpy(s->data, pkt_l3(p), s->kept);
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	w->tell = true;
}

void capture_list(struct worker *w, struct capture *c, const struct list *l, enum dp_capture_side side,
		  bool inbound)
{
	if (!(c->sides & side))
		return;
	for (uint16_t i = 0; i < l->n; i++) {
		const struct pkt *p = l->p[i];
		uint32_t policy = inbound ? p->sa_in->policy : p->sa_out->policy;

		if (wanted(c, policy))
			keep(w, c, p, policy, inbound ? p->spi : p->sa_out->spi, side, inbound);
	}
}

/* ---- control thread -------------------------------------------------------------------------- */

static void capture_free(void *arg)
{
	struct capture *c = arg;

	for (unsigned i = 0; i < DP_WORKERS_MAX; i++)
		free(c->ring[i].slots);
	free(c->wanted);
	free(c);
}

/* Every page is touched here, so that no worker has to wait for one. */
static struct capture *capture_new(unsigned sides)
{
	struct capture *c = aligned_alloc(64, RTE_ALIGN(sizeof(*c), 64));

	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->sides = sides;
	c->slot_bytes = RTE_ALIGN((uint32_t)sizeof(struct slot) + dp.conf.max_mtu + ROOM_EXTRA, 64u);
	for (c->n_slots = SLOTS_MAX; c->n_slots * c->slot_bytes > RING_BYTES;)
		c->n_slots /= 2;
	c->n_bits = dp.conf.max_policies + 1;
	c->wanted = calloc(c->n_bits / 8 + 1, 1);
	for (uint16_t i = 0; c->wanted && i < dp.n_workers; i++) {
		c->ring[i].slots = malloc((size_t)c->n_slots * c->slot_bytes);
		if (!c->ring[i].slots)
			break;
		memset(c->ring[i].slots, 0, (size_t)c->n_slots * c->slot_bytes);
	}
	if (c->wanted && c->ring[dp.n_workers - 1].slots)
		return c;
	capture_free(c);
	return NULL;
}

int dp_capture_start(const uint32_t *policies, uint32_t n, unsigned sides)
{
	struct capture *c;

	if (!sides || sides & ~(unsigned)(DP_CAPTURE_INNER | DP_CAPTURE_OUTER))
		return -EINVAL;
	if (atomic_load_explicit(&capture_now, memory_order_relaxed))
		return -EBUSY;
	c = capture_new(sides);
	if (!c)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		if (policies[i] >= c->n_bits) {
			capture_free(c);
			return -EINVAL;
		}
		c->wanted[policies[i] / 8] |= (uint8_t)(1 << policies[i] % 8);
	}
	c->from_tsc = rte_rdtsc();
	lost_before = 0;
	atomic_store_explicit(&capture_now, c, memory_order_release);
	return 0;
}

/* Deliver what lies in a ring now.  The handler may end the capture. */
static void drain(struct capture *c, uint16_t worker)
{
	struct ring *r = &c->ring[worker];
	uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	double ns_per_tick = 1e9 / (double)rte_get_tsc_hz();

	while (tail != head && atomic_load_explicit(&capture_now, memory_order_relaxed) == c) {
		const struct slot *s = (const void *)(r->slots +
						      (size_t)(tail & (c->n_slots - 1)) * c->slot_bytes);
		struct dp_captured p = {
			.side = (enum dp_capture_side)s->side,
			.inbound = s->inbound,
			.policy = s->policy,
			.spi = s->spi,
			.worker = worker,
			.after_ns = s->tsc > c->from_tsc
					    ? (uint64_t)((double)(s->tsc - c->from_tsc) * ns_per_tick)
					    : 0,
			.len = s->len,
			.kept = s->kept,
			.data = s->data,
		};

		atomic_store_explicit(&r->tail, tail, memory_order_release);
		tail++;
		if (dp.handlers.captured)
			dp.handlers.captured(dp.ctx, &p);
	}
	if (atomic_load_explicit(&capture_now, memory_order_relaxed) == c)
		atomic_store_explicit(&r->tail, tail, memory_order_release);
}

void capture_service(void)
{
	struct capture *c = atomic_load_explicit(&capture_now, memory_order_relaxed);

	for (uint16_t i = 0; c && i < dp.n_workers; i++)
		drain(c, i);
}

uint64_t dp_capture_lost(void)
{
	const struct capture *c = atomic_load_explicit(&capture_now, memory_order_relaxed);
	uint64_t n = lost_before;

	for (uint16_t i = 0; c && i < dp.n_workers; i++)
		n += count_read(&c->ring[i].lost);
	return n;
}

void dp_capture_stop(void)
{
	struct capture *c = atomic_load_explicit(&capture_now, memory_order_relaxed);

	if (!c)
		return;
	lost_before = dp_capture_lost();
	atomic_store_explicit(&capture_now, NULL, memory_order_release);
	dp_retire(capture_free, c);
}

void capture_forget(uint32_t policy)
{
	struct capture *c = atomic_load_explicit(&capture_now, memory_order_relaxed);

	if (c && policy < c->n_bits)
		__atomic_and_fetch(&c->wanted[policy / 8], (uint8_t) ~(1 << policy % 8), __ATOMIC_RELAXED);
}

void capture_fini(void)
{
	dp_capture_stop();
}
