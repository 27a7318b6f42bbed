/* SPDX-License-Identifier: Apache-2.0 */
#include "sad.h"
#include "sad_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_byteorder.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "dp.h"
#include "early.h"
#include "pmtu.h"
#include "punt.h"

enum { SPI_MIN = 256 }; /* RFC 4303 2.1: 1..255 are reserved, 0 is never sent */

struct sa_out *sad_out;
uint32_t sad_mask, sad_slots;

enum slot_state { SLOT_FREE, SLOT_RESERVED, SLOT_SA };

struct fifo { /* free slots, the one that was freed first leaves first */
	uint32_t *slot, head, n;
};

static struct sa_in *sad_in;
static _Atomic uint32_t
	*early_spi; /* of a slot: reserved and without SA yet, or 0.  control: w, workers: r */
static struct {
	struct fifo free_in, free_out;
	uint8_t *state_in; /* enum slot_state */
	uint32_t *spi;     /* of a slot: reserved, installed, or the last it had */
	uint32_t *gen_out; /* last generation of an outbound slot */
	uint32_t pool[64]; /* random numbers in store */
	unsigned n_pool;
} t;

/* ---- workers --------------------------------------------------------------------------------- */

/* The slot of an SPI, whoever names it.  Behind the last there is none, so it gets the first one, whose SPI is
 * another. */
static inline uint32_t slot_of(uint32_t spi)
{
	uint32_t slot = spi & sad_mask;

	return slot < sad_slots ? slot : 0;
}

bool sad_lookup(struct worker *w, struct list *l)
{
	uint16_t kept = 0, others = 0;

	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];
		uint32_t spi_seq[2];

		/* whoever classified the packet as ESP has seen eight bytes there */
		memcpy(spi_seq, pkt_at(p, p->esp_off), sizeof(spi_seq));
		p->spi = rte_be_to_cpu_32(spi_seq[0]);
		p->seq = rte_be_to_cpu_32(spi_seq[1]);
		p->sa_in = &sad_in[slot_of(p->spi)];
		rte_prefetch0(p->sa_in);
		rte_prefetch0(&p->sa_in->ranges);
	}
	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];
		uint32_t spi = atomic_load_explicit(&p->sa_in->spi, memory_order_acquire);

		if (unlikely(spi != p->spi || spi == 0)) {
			if (early_keep(w, p))
				continue;
			punt_unknown_spi(w, p);
			pkt_drop(w, p, DROP_ESP_NO_SA);
		} else {
			others |= p->sa_in->owner ^ w->id;
			l->p[kept++] = p;
		}
	}
	l->n = kept;
	return others != 0;
}

static inline bool between_its_ends(const struct pkt *p, const struct sa_in *sa)
{
	return p->dst4 == sa->local4 && sa->local4 != 0 &&
	       p->src4 == (uint32_t)(atomic_load_explicit(&sa->peer, memory_order_relaxed) >> SA_PEER_ADDR);
}

bool sad_lookup_plain(const struct worker *w, struct list *l, struct list *ours)
{
	unsigned n = l->n, kept = 0, taken = 0;
	uint16_t others = 0;

	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];
		uint64_t spi_seq = 0;

		p->esp_off = (uint16_t)(p->l3_off + p->l3_len);
		if (likely(p->ip_len >= p->l3_len + sizeof(spi_seq)))
			memcpy(&spi_seq, pkt_at(p, p->esp_off), sizeof(spi_seq));
		spi_seq = rte_be_to_cpu_64(spi_seq);
		p->spi = (uint32_t)(spi_seq >> 32);
		p->seq = (uint32_t)spi_seq;
		p->sa_in = &sad_in[slot_of(p->spi)];
		rte_prefetch0(p->sa_in);
		rte_prefetch0(&p->sa_in->ranges);
	}
	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];
		uint32_t spi = atomic_load_explicit(&p->sa_in->spi, memory_order_acquire);

		if (unlikely(spi != p->spi || spi == 0 || !between_its_ends(p, p->sa_in))) {
			l->p[kept++] = p;
			continue;
		}
		p->cls = PKT_ESP;
		others |= p->sa_in->owner ^ w->id;
		ours->p[taken++] = p;
	}
	l->n = (uint16_t)kept;
	ours->n = (uint16_t)taken;
	return others != 0;
}

bool sad_reserved(uint32_t spi)
{
	return spi != 0 && atomic_load_explicit(&early_spi[slot_of(spi)], memory_order_acquire) == spi;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static void put(struct fifo *f, uint32_t slot)
{
	f->slot[(f->head + f->n++) & sad_mask] = slot;
}

static bool take(struct fifo *f, uint32_t *slot)
{
	if (f->n == 0)
		return false;
	*slot = f->slot[f->head & sad_mask];
	f->head++;
	f->n--;
	return true;
}

/* A random number, 0 or -EIO. */
static int random_u32(uint32_t *r)
{
	if (t.n_pool == 0) {
		if (getrandom(t.pool, sizeof(t.pool), 0) != (ssize_t)sizeof(t.pool))
			return -EIO;
		t.n_pool = RTE_DIM(t.pool);
	}
	*r = t.pool[--t.n_pool];
	t.pool[t.n_pool] = 0;
	return 0;
}

int dp_spi_alloc(uint32_t *spi)
{
	uint32_t slot, r;

	if (!take(&t.free_in, &slot))
		return -ENOSPC;
	do {
		if (random_u32(&r) != 0) {
			put(&t.free_in, slot);
			return -EIO;
		}
		r = (r & ~sad_mask) | slot;
	} while (r < SPI_MIN || r == t.spi[slot]); /* a late packet must not meet the successor */
	t.spi[slot] = r;
	t.state_in[slot] = SLOT_RESERVED;
	atomic_store_explicit(&early_spi[slot], r, memory_order_relaxed);
	*spi = r;
	return 0;
}

void dp_spi_release(uint32_t spi)
{
	uint32_t slot = slot_of(spi);

	if (t.state_in[slot] != SLOT_RESERVED || t.spi[slot] != spi)
		return;
	atomic_store_explicit(&early_spi[slot], 0, memory_order_relaxed);
	t.state_in[slot] = SLOT_FREE;
	put(&t.free_in, slot);
}

struct sa_in *sad_in_take(uint32_t spi, int *err)
{
	uint32_t slot = slot_of(spi);

	*err = -EINVAL;
	if (t.spi[slot] != spi || t.state_in[slot] == SLOT_FREE)
		return NULL;
	*err = -EBUSY;
	if (t.state_in[slot] == SLOT_SA)
		return NULL;
	t.state_in[slot] = SLOT_SA;
	return &sad_in[slot];
}

void sad_in_untake(struct sa_in *sa)
{
	t.state_in[sa - sad_in] = SLOT_RESERVED;
}

struct sa_in *sad_in_find(uint32_t spi)
{
	struct sa_in *sa = &sad_in[slot_of(spi)];

	return spi != 0 && atomic_load_explicit(&sa->spi, memory_order_acquire) == spi ? sa : NULL;
}

struct sa_in *sad_in_of(uint32_t policy, uint32_t *next)
{
	while (*next < sad_slots) {
		uint32_t slot = (*next)++;

		if (t.state_in[slot] == SLOT_SA && sad_in[slot].policy == policy && !sad_in[slot].dying)
			return &sad_in[slot];
	}
	return NULL;
}

void sad_in_publish(struct sa_in *sa, uint32_t spi)
{
	atomic_store_explicit(&sa->spi, spi, memory_order_release);
	atomic_store_explicit(&early_spi[slot_of(spi)], 0, memory_order_release);
}

void sad_in_put(struct sa_in *sa)
{
	uint32_t slot = (uint32_t)(sa - sad_in);

	t.state_in[slot] = SLOT_FREE;
	put(&t.free_in, slot);
}

struct sa_out *sad_out_take(uint32_t *handle)
{
	uint32_t slot;

	if (!take(&t.free_out, &slot))
		return NULL;
	do
		t.gen_out[slot] += sad_mask + 1;
	while (t.gen_out[slot] == 0); /* so that no handle is DP_SA_NONE */
	*handle = t.gen_out[slot] | slot;
	return &sad_out[slot];
}

struct sa_out *sad_out_find(uint32_t handle)
{
	struct sa_out *sa = &sad_out[slot_of(handle)];

	return handle != DP_SA_NONE && atomic_load_explicit(&sa->handle, memory_order_relaxed) == handle
		       ? sa
		       : NULL;
}

void sad_out_put(struct sa_out *sa)
{
	put(&t.free_out, (uint32_t)(sa - sad_out));
}

void sad_in_wipe(struct sa_in *sa)
{
	rte_free(sa->window);
	free(sa->sel);
	imb_clear_mem(sa, sizeof(*sa));
}

void sad_out_wipe(struct sa_out *sa)
{
	free(sa->sel);
	imb_clear_mem(sa, sizeof(*sa));
}

/* ---- life ------------------------------------------------------------------------------------ */

/* All slots, in an order that nobody can guess: it is the low half of the SPIs to come. */
static int fill(struct fifo *f, uint32_t n)
{
	f->slot = calloc(sad_mask + 1, sizeof(*f->slot)); /* a ring */
	if (!f->slot)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t r, j;

		if (random_u32(&r) != 0)
			return -EIO;
		j = r % (i + 1);
		f->slot[i] = f->slot[j];
		f->slot[j] = i;
	}
	f->head = 0;
	f->n = n;
	return 0;
}

void sad_use(bool inbound, uint64_t *used, uint64_t *limit)
{
	*limit = sad_slots;
	*used = sad_slots - (inbound ? t.free_in.n : t.free_out.n);
}

int sad_init(uint32_t max_sas)
{
	uint32_t n = RTE_MAX(max_sas, 16u);
	int err;

	if (max_sas > UINT32_C(1) << 24) /* at least eight random bits of SPI remain */
		return -EINVAL;
	sad_slots = n;
	sad_mask = rte_align32pow2(n) - 1;
	sad_in = rte_zmalloc("sad_in", n * sizeof(*sad_in), RTE_CACHE_LINE_SIZE);
	sad_out = rte_zmalloc("sad_out", n * sizeof(*sad_out), RTE_CACHE_LINE_SIZE);
	early_spi = calloc(n, sizeof(*early_spi));
	t.state_in = calloc(n, sizeof(*t.state_in));
	t.spi = calloc(n, sizeof(*t.spi));
	t.gen_out = calloc(n, sizeof(*t.gen_out));
	err = sad_in && sad_out && early_spi && t.state_in && t.spi && t.gen_out ? 0 : -ENOMEM;
	if (err == 0)
		err = fill(&t.free_in, n);
	if (err == 0)
		err = fill(&t.free_out, n);
	if (err == 0)
		err = pmtu_init(n);
	if (err != 0)
		sad_fini();
	return err;
}

void sad_fini(void)
{
	for (uint32_t i = 0; sad_in && i < sad_slots; i++)
		sad_in_wipe(&sad_in[i]);
	for (uint32_t i = 0; sad_out && i < sad_slots; i++)
		sad_out_wipe(&sad_out[i]);
	pmtu_fini();
	rte_free(sad_in);
	rte_free(sad_out);
	free(early_spi);
	free(t.free_in.slot);
	free(t.free_out.slot);
	free(t.state_in);
	free(t.spi);
	free(t.gen_out);
	sad_in = NULL;
	sad_out = NULL;
	early_spi = NULL;
	memset(&t, 0, sizeof(t));
}
