/* SPDX-License-Identifier: Apache-2.0 */
#include "datagram.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include "dp.h"
#include "ip6.h"

enum { LIMIT = 256, TIMEOUT_S = 15 };

static uint32_t seed; /* addresses are a stranger's choice */

/* ---- fragments ------------------------------------------------------------------------------- */

static void fragment4(const struct pkt *p, struct fragment_info *f)
{
	const struct rte_ipv4_hdr *ip = pkt_l3(p);
	uint16_t bits = rte_be_to_cpu_16(ip->fragment_offset);

	memcpy(f->key.src, &ip->src_addr, 4);
	memcpy(f->key.dst, &ip->dst_addr, 4);
	f->key.id = ip->packet_id;
	f->key.proto = p->proto;
	f->off = (uint32_t)(bits & RTE_IPV4_HDR_OFFSET_MASK) * RTE_IPV4_HDR_OFFSET_UNITS;
	f->more = bits & RTE_IPV4_HDR_MF_FLAG;
}

/* The fragment header is the last that parse_ip() has walked over. */
static void fragment6(const struct pkt *p, struct fragment_info *f)
{
	const uint8_t *ip = pkt_l3(p), *ext = ip + p->l3_len - IP6_FRAG_HDR;
	uint16_t bits = (uint16_t)(ext[2] << 8 | ext[3]);

	memcpy(f->key.src, ip + 8, 16);
	memcpy(f->key.dst, ip + 24, 16);
	memcpy(&f->key.id, ext + 4, 4);
	f->off = bits & 0xfff8;
	f->more = bits & 1;
}

void fragment_of(const struct pkt *p, struct fragment_info *f)
{
	memset(f, 0, sizeof(*f));
	f->key.v = p->v;
	f->key.in_if = p->in_if == IF_SELF || dp.ifs[p->in_if].is_port ? IF_SELF : p->in_if;
	f->len = (uint32_t)p->ip_len - p->l3_len;
	if (p->v == 6)
		fragment6(p, f);
	else
		fragment4(p, f);
}

/* ---- the table ------------------------------------------------------------------------------- */

static uint32_t hash(const struct datagram_key *k)
{
	return rte_jhash_32b((const uint32_t *)k, sizeof(*k) / 4, seed);
}

uint16_t datagram_owner(const struct datagram_key *k)
{
	return (uint16_t)((uint64_t)hash(k) * dp.n_workers >> 32);
}

struct datagram *datagram_find(struct datagram_table *t, const struct datagram_key *k)
{
	struct datagram *d = t->bucket[hash(k) & t->mask];

	while (d && memcmp(&d->key, k, sizeof(*k)) != 0)
		d = d->chain;
	return d;
}

void datagram_remove(struct datagram_table *t, struct datagram *d)
{
	struct datagram **at = &t->bucket[hash(&d->key) & t->mask];

	while (*at != d)
		at = &(*at)->chain;
	*at = d->chain;
	TAILQ_REMOVE(&t->waiting, d, link);
	TAILQ_INSERT_HEAD(&t->free, d, link);
}

static void end(struct worker *w, struct datagram_table *t, struct datagram *d, enum drop why)
{
	t->end(w, d, why);
	datagram_remove(t, d);
}

struct datagram *datagram_add(struct worker *w, struct datagram_table *t, size_t entry,
			      const struct datagram_key *k)
{
	struct datagram **bucket = &t->bucket[hash(k) & t->mask], *d;

	if (TAILQ_EMPTY(&t->free))
		end(w, t, TAILQ_FIRST(&t->waiting), DROP_FRAG_FULL);
	d = TAILQ_FIRST(&t->free);
	TAILQ_REMOVE(&t->free, d, link);
	memset(d, 0, entry);
	d->key = *k;
	d->until = w->tsc + t->patience;
	d->chain = *bucket;
	*bucket = d;
	TAILQ_INSERT_TAIL(&t->waiting, d, link);
	return d;
}

void datagram_expire(struct worker *w, struct datagram_table *t)
{
	struct datagram *d;

	while ((d = TAILQ_FIRST(&t->waiting)) != NULL && (int64_t)(w->tsc - d->until) >= 0)
		end(w, t, d, DROP_FRAG_TIMEOUT);
}

/* ---- life ------------------------------------------------------------------------------------ */

uint32_t datagram_limit(void)
{
	uint32_t want = dp.conf.max_datagrams ? dp.conf.max_datagrams : LIMIT;

	/* Receiving must not starve, whatever is asked for. */
	return RTE_MAX(1u, RTE_MIN(want, dp.conf.n_mbufs / 8 / dp.conf.n_workers));
}

struct datagram_table *datagram_table_new(uint32_t n, size_t entry, int socket,
					  void (*fn)(struct worker *w, struct datagram *d, enum drop why))
{
	uint32_t buckets = rte_align32pow2(n * 2);
	size_t head = RTE_ALIGN(sizeof(struct datagram_table), RTE_CACHE_LINE_SIZE);
	size_t slot = RTE_ALIGN(entry, RTE_CACHE_LINE_SIZE);
	struct datagram_table *t = rte_zmalloc_socket(
		"datagrams", head + n * slot + buckets * sizeof(t->bucket[0]), RTE_CACHE_LINE_SIZE, socket);

	if (!t)
		return NULL;
	if (seed == 0)
		seed = (uint32_t)rte_rand() | 1;
	TAILQ_INIT(&t->free);
	TAILQ_INIT(&t->waiting);
	for (uint32_t i = 0; i < n; i++)
		TAILQ_INSERT_TAIL(&t->free, (struct datagram *)((char *)t + head + i * slot), link);
	t->bucket = (struct datagram **)((char *)t + head + n * slot);
	t->mask = buckets - 1;
	t->patience = rte_get_tsc_hz() *
		      (dp.conf.datagram_timeout_s ? dp.conf.datagram_timeout_s : TIMEOUT_S);
	t->end = fn;
	return t;
}

void datagram_table_free(struct worker *w, struct datagram_table *t)
{
	while (t && !TAILQ_EMPTY(&t->waiting))
		end(w, t, TAILQ_FIRST(&t->waiting), DROP_FRAG_TIMEOUT);
	rte_free(t);
}
