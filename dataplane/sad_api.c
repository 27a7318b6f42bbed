/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SAs as the control thread handles them: install, move, remove, read.
 *
 * An SA is complete before its SPI (inbound) or a policy's binding (outbound) makes it visible.  It is
 * withdrawn the same way, and wiped a grace period later.
 */
#include "sad_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_udp.h>

#include "dp.h"
#include "fib.h"
#include "frag_ports.h"
#include "ip6.h"
#include "life.h"
#include "pmtu.h"
#include "port.h"
#include "replay.h"
#include "selector.h"
#include "spd.h"
#include "suite.h"

enum { OUTER_TTL = 64, MTU_UNKNOWN = 1500, ECN_MASK = 3 };

/* Up to which change of routes outbound SAs have been measured, and how far the round that goes on has come. */
static struct {
	uint64_t changes;
	uint32_t slot;
} measured;

/* ---- selectors ------------------------------------------------------------------------------- */

static bool any_proto(const struct ts *s, uint8_t v)
{
	return s->proto == 0 && s->port_lo == 0 && s->port_hi == UINT16_MAX && s->lo.v == v;
}

static uint32_t host4(const struct addr *a)
{
	return (uint32_t)a->b[0] << 24 | (uint32_t)a->b[1] << 16 | (uint32_t)a->b[2] << 8 | a->b[3];
}

/* The compare of a range takes for granted that it has a beginning and an end. */
static bool sound(const struct ts *s, uint8_t n)
{
	if (n == 0 || n > DP_TS_MAX)
		return false;
	for (uint8_t i = 0; i < n; i++)
		if (s[i].lo.v != s[i].hi.v || addr_cmp(&s[i].lo, &s[i].hi) > 0)
			return false;
	return true;
}

/* False: it is a range that is no prefix. */
static bool prefix6_of(const struct ts *t, struct sa_prefix6 *p)
{
	struct addr mask = {.v = 6};
	struct prefix as;

	if (!ts_prefix(t, &as))
		return false;
	for (unsigned i = 0; i < 16; i++)
		mask.b[i] = (uint8_t) ~(t->lo.b[i] ^ t->hi.b[i]);
	memcpy(p->net, t->lo.b, sizeof(p->net));
	memcpy(p->mask, mask.b, sizeof(p->mask));
	return true;
}

/* One IPv4 range a side and nothing else goes into *r, and *sel stays NULL; all else into *sel.  0 or
 * -errno. */
static int selectors(const struct ts *local, uint8_t n_local, const struct ts *remote, uint8_t n_remote,
		     struct sa_ranges *r, struct sa_selectors **sel)
{
	struct sa_selectors *s;

	if (!sound(local, n_local) || !sound(remote, n_remote))
		return -EINVAL;
	if (n_local == 1 && n_remote == 1 && any_proto(local, 4) && any_proto(remote, 4)) {
		*r = (struct sa_ranges){host4(&local->lo), host4(&local->hi) - host4(&local->lo),
					host4(&remote->lo), host4(&remote->hi) - host4(&remote->lo)};
		return 0;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->n_local = n_local;
	s->n_remote = n_remote;
	memcpy(s->local, local, n_local * sizeof(*local));
	memcpy(s->remote, remote, n_remote * sizeof(*remote));
	s->plain6 = n_local == 1 && n_remote == 1 && any_proto(local, 6) && any_proto(remote, 6) &&
		    prefix6_of(local, &s->local6) && prefix6_of(remote, &s->remote6);
	*sel = s;
	return 0;
}

/* ---- checks common to both directions ---------------------------------------------------------- */

static int check(const struct dp_suite *suite, const struct dp_keys *keys, const struct endpoint *local,
		 const struct endpoint *remote, const struct suite **s)
{
	*s = suite_find(suite);
	if (!*s)
		return -ENOTSUP;
	if (!suite_keys_fit(*s, keys) || local->a.v != remote->a.v || addr_len(&local->a) == 0)
		return -EINVAL;
	return 0;
}

static uint32_t addr4_be(const struct addr *a)
{
	uint32_t v;

	memcpy(&v, a->b, sizeof(v));
	return v;
}

static uint64_t peer_of(const struct endpoint *e)
{
	return e->a.v == 4 ? sa_peer(addr4_be(&e->a), e->port) : sa_peer6(e->a.b, e->port);
}

/* ---- inbound --------------------------------------------------------------------------------- */

static int fill_in(struct sa_in *sa, const struct dp_sa_in_conf *c, const struct suite *s)
{
	uint16_t window = c->replay_window;
	int err;

	if (window > REPLAY_WINDOW_MAX)
		return -EINVAL;
	if (window && window < REPLAY_WINDOW_MIN)
		window = REPLAY_WINDOW_MIN;
	err = selectors(c->ts_local, c->n_local, c->ts_remote, c->n_remote, &sa->ranges, &sa->sel);
	if (err != 0)
		return err;
	if (window) {
		uint32_t words = replay_words(window);

		sa->window = rte_zmalloc("replay", words * sizeof(*sa->window), RTE_CACHE_LINE_SIZE);
		if (!sa->window)
			return -ENOMEM;
		sa->window_mask = (uint16_t)(words - 1);
	}
	err = s->expand(s, dp.mb, &c->keys, sa->key);
	if (err != 0)
		return err;
	memcpy(&sa->salt, c->keys.salt, sizeof(sa->salt));
	sa->window_size = window;
	sa->suite = (uint8_t)(s - suite_table);
	sa->around = (uint8_t)(ESP_HDR + s->iv_len + s->icv_len);
	sa->align = (uint8_t)(s->block - 1);
	sa->flags = (uint8_t)((sa->sel ? 0 : SA_PLAIN4) | (c->esn ? SA_ESN : 0) |
			      (c->udp_encap ? SA_UDP : 0) | (window ? SA_REPLAY : 0) |
			      (c->transport ? SA_TRANSPORT : 0));
	sa->policy = c->policy;
	sa->local = c->local;
	sa->remote = c->remote;
	atomic_init(&sa->peer, peer_of(&c->remote));
	sa->local4 = c->local.a.v == 4 ? addr4_be(&c->local.a) : 0;
	sa->life.limits = c->limits;
	life_in_init(sa);
	return 0;
}

int dp_sa_in_install(const struct dp_sa_in_conf *c)
{
	const struct suite *s;
	struct spd_place at;
	struct sa_in *sa;
	int err;

	err = check(&c->suite, &c->keys, &c->local, &c->remote, &s);
	if (err == 0)
		err = spd_place(c->policy, &at);
	if (err != 0)
		return err;
	sa = sad_in_take(c->spi, &err);
	if (!sa)
		return err;
	err = fill_in(sa, c, s);
	if (err != 0) {
		/* The SPI stays the caller's, as it was. */
		sad_in_wipe(sa);
		sad_in_untake(sa);
		return err;
	}
	sa->owner = at.owner;
	sa->tunnel_if = at.tunnel_if;
	sad_in_publish(sa, c->spi);
	return 0;
}

static void free_in(void *arg)
{
	struct sa_in *sa = arg;

	sad_in_wipe(sa);
	sad_in_put(sa);
}

int dp_sa_in_remove(uint32_t spi)
{
	struct sa_in *sa = sad_in_find(spi);

	if (!sa)
		return -ENOENT;
	atomic_store_explicit(&sa->spi, 0, memory_order_release);
	dp_retire(free_in, sa);
	return 0;
}

/* ---- outbound -------------------------------------------------------------------------------- */

/* What the inner header decides about the outer one, and what the tunnel does. */
static void put_options(struct sa_outer *o, const struct dp_policy_options *how)
{
	struct rte_ipv4_hdr keep = {
		.type_of_service = how->dscp_fixed ? ECN_MASK : UINT8_MAX,
		.fragment_offset = how->df == DP_DF_COPY ? RTE_BE16(RTE_IPV4_HDR_DF_FLAG) : 0,
	};

	memcpy(&o->keep, &keep, sizeof(o->keep));
	o->tos_set = how->dscp_fixed ? (uint8_t)(how->dscp << 2) : 0;
}

/* The outer header with all that does not change from packet to packet. */
static void put_outer4(struct sa_outer *o, const struct sa_out *sa, const struct endpoint *remote,
		       uint8_t proto)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)o->hdr;

	ip->time_to_live = OUTER_TTL;
	ip->next_proto_id = proto;
	ip->src_addr = addr4_be(&sa->local.a);
	ip->dst_addr = addr4_be(&remote->a);
	o->sum = rte_raw_cksum(ip, sizeof(*ip));
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->type_of_service = o->tos_set;
	ip->fragment_offset = spd_options(sa->policy)->df == DP_DF_SET ? RTE_BE16(RTE_IPV4_HDR_DF_FLAG) : 0;
}

/* Flow label zero: any other would have to be the same for all of a flow (RFC 6437 3), and telling the
 * flows inside apart is what a tunnel is to prevent. */
static void put_outer6(struct sa_outer *o, const struct sa_out *sa, const struct endpoint *remote,
		       uint8_t proto)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)o->hdr;

	ip->vtc_flow = RTE_BE32(0x60000000);
	ip->proto = proto;
	ip->hop_limits = IP6_HOPS;
	memcpy(&ip->src_addr, sa->local.a.b, 16);
	memcpy(&ip->dst_addr, remote->a.b, 16);
}

static uint8_t ip_hdr_len(const struct sa_out *sa)
{
	return sa->flags & SA_OUTER6 ? IP6_HDR : sizeof(struct rte_ipv4_hdr);
}

static void put_outer(struct sa_outer *o, const struct sa_out *sa, const struct endpoint *remote)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(o->hdr + ip_hdr_len(sa));
	uint32_t spi_be = rte_cpu_to_be_32(sa->spi);
	bool encap = sa->flags & SA_UDP;

	memset(o, 0, sizeof(*o));
	put_options(o, spd_options(sa->policy));
	(sa->flags & SA_OUTER6 ? put_outer6 : put_outer4)(o, sa, remote, encap ? IPPROTO_UDP : IPPROTO_ESP);
	if (encap) {
		udp->src_port = rte_cpu_to_be_16(sa->local.port);
		udp->dst_port = rte_cpu_to_be_16(remote->port); /* checksum zero: RFC 3948 2.1 */
	}
	memcpy(o->hdr + ip_hdr_len(sa) + (encap ? sizeof(*udp) : 0), &spi_be, sizeof(spi_be));
}

/* MTU of the way to the peer: its port's, or less if routers say so. */
static uint16_t outer_mtu(const struct sa_out *sa)
{
	struct addr next_hop;
	uint8_t port;

	return pmtu_of(sa, fib_resolve(&sa->remote.a, &port, &next_hop) == 0 ? ports[port].mtu : MTU_UNKNOWN);
}

/* The largest inner packet that fits `mtu`: the text is a whole number of blocks, two bytes of it are
 * pad length and next header (RFC 4303 2.4). */
static uint16_t max_inner(const struct sa_out *sa, uint16_t mtu)
{
	const struct suite *s = suite_at(sa->suite);
	int ip = sa->flags & SA_TRANSPORT ? ip_hdr_len(sa) : 0;
	int text = (mtu - ip - sa->hdr_len - s->icv_len) / s->block * s->block;

	return text > 2 ? (uint16_t)(ip + text - 2) : 0;
}

/* Workers are told what the way to the peer carries now.  In transport mode all fits: a whole packet is protected, and
 * what that makes is cut (RFC 4303 3.3.4). */
static uint16_t set_mtu(struct sa_out *sa)
{
	uint16_t outer = outer_mtu(sa), inner = max_inner(sa, outer);

	atomic_store_explicit(&sa->outer_mtu, outer, memory_order_relaxed);
	atomic_store_explicit(&sa->max_inner, sa->flags & SA_TRANSPORT ? UINT16_MAX : inner,
			      memory_order_relaxed);
	return inner;
}

static int fill_out(struct sa_out *sa, const struct dp_sa_out_conf *c, const struct suite *s)
{
	int err;

	err = selectors(c->ts_local, c->n_local, c->ts_remote, c->n_remote, &sa->ranges, &sa->sel);
	if (err == 0)
		err = s->expand(s, dp.mb, &c->keys, sa->key);
	if (err != 0)
		return err;
	memcpy(&sa->salt, c->keys.salt, sizeof(sa->salt));
	sa->suite = (uint8_t)(s - suite_table);
	sa->flags = (uint8_t)((sa->sel ? 0 : SA_PLAIN4) | (c->esn ? SA_ESN : 0) |
			      (c->udp_encap ? SA_UDP : 0) | (c->tfc_pad_to ? SA_TFC : 0) |
			      (c->local.a.v == 6 ? SA_OUTER6 : 0) | (c->transport ? SA_TRANSPORT : 0));
	sa->tfc_pad_to = c->tfc_pad_to;
	sa->hdr_len = (uint8_t)((c->transport ? 0 : ip_hdr_len(sa)) +
				(c->udp_encap ? sizeof(struct rte_udp_hdr) : 0) + ESP_HDR + s->iv_len);
	sa->spi = c->spi;
	sa->policy = c->policy;
	sa->guests = 0;
	sa->local = c->local;
	sa->remote = c->remote;
	sa->life.limits = c->limits;
	life_out_init(sa);
	put_outer(&sa->outer[0], sa, &c->remote);
	(void)set_mtu(sa);
	return 0;
}

int dp_sa_out_install(const struct dp_sa_out_conf *c, uint32_t *sa_out)
{
	const struct suite *s;
	struct spd_place at;
	struct sa_out *sa;
	uint32_t handle;
	int err;

	if (c->spi < 256 ||
	    (c->transport && c->tfc_pad_to)) /* nothing would tell the receiver where to cut */
		return -EINVAL;
	err = check(&c->suite, &c->keys, &c->local, &c->remote, &s);
	if (err == 0)
		err = spd_place(c->policy, &at);
	if (err != 0)
		return err;
	sa = sad_out_take(&handle);
	if (!sa)
		return -ENOSPC;
	err = fill_out(sa, c, s);
	if (err != 0) {
		sad_out_wipe(sa);
		sad_out_put(sa);
		return err;
	}
	sa->owner = at.owner;
	sa->tunnel_if = at.tunnel_if;
	atomic_store_explicit(&sa->handle, handle, memory_order_release);
	pmtu_add(sa, handle & sad_mask);
	(void)dp_sa_out_mtu(handle);
	if (selector_asks_ports(sa->sel))
		frag_ports_want(true);
	*sa_out = handle;
	return 0;
}

static void free_out(void *arg)
{
	struct sa_out *sa = arg;

	if (sa->moving) { /* moved() still comes; it frees */
		sa->dying = true;
		return;
	}
	sad_out_wipe(sa);
	sad_out_put(sa);
}

int dp_sa_out_remove(uint32_t sa_out)
{
	struct sa_out *sa = sad_out_find(sa_out);

	if (!sa)
		return -ENOENT;
	if (sa->guests) /* their bindings would lead nowhere */
		return -EBUSY;
	spd_unbind(sa->policy, sa_out);
	if (selector_asks_ports(sa->sel))
		frag_ports_want(false);
	pmtu_del(sa, sa_out & sad_mask);
	atomic_store_explicit(&sa->handle, DP_SA_NONE, memory_order_release);
	dp_retire(free_out, sa);
	return 0;
}

/* ---- moving peers ---------------------------------------------------------------------------- */

static void moved(void *arg);

/* Write the template that is not in force, put it in force, and leave the other alone for a grace
 * period.  The sequence number stays where it is: an SA must never exist twice. */
static void move_out(struct sa_out *sa)
{
	uint8_t next = !atomic_load_explicit(&sa->outer_now, memory_order_relaxed);

	put_outer(&sa->outer[next], sa, &sa->remote);
	atomic_store_explicit(&sa->outer_now, next, memory_order_release);
	(void)set_mtu(sa);
	sa->moving = true;
	sa->move_again = false;
	dp_retire(moved, sa);
}

static void moved(void *arg)
{
	struct sa_out *sa = arg;

	sa->moving = false;
	if (sa->dying)
		free_out(sa);
	else if (sa->move_again)
		move_out(sa);
}

void sad_out_refresh(uint32_t handle)
{
	struct sa_out *sa = sad_out_find(handle);

	if (!sa)
		return;
	if (sa->moving)
		sa->move_again = true;
	else
		move_out(sa);
}

int dp_sa_move(uint32_t spi_in, uint32_t sa_out, const struct endpoint *remote)
{
	struct sa_in *in = sad_in_find(spi_in);
	struct sa_out *out = sad_out_find(sa_out);

	if (!in || !out)
		return -ENOENT;
	if (remote->a.v != out->remote.a.v)
		return -EAFNOSUPPORT;
	in->remote = *remote;
	atomic_store_explicit(&in->peer, peer_of(remote), memory_order_relaxed);
	out->remote = *remote;
	out->pmtu = 0; /* it was another way's */
	sad_out_refresh(sa_out);
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

int dp_sa_in_stats(uint32_t spi, struct dp_sa_stats *s)
{
	const struct sa_in *sa = sad_in_find(spi);

	if (!sa)
		return -ENOENT;
	*s = (struct dp_sa_stats){
		.packets = count_read(&sa->packets),
		.bytes = count_read(&sa->bytes),
		.seq = count_read(&sa->seq_top),
		.last_used_ns = dp_used_ns(__atomic_load_n(&sa->used, __ATOMIC_RELAXED)),
		.auth_errors = count_read(&sa->auth_errors),
		.replays = count_read(&sa->replays),
		.selector_drops = count_read(&sa->selector_drops),
		.malformed = count_read(&sa->malformed),
		.worker = sa->owner,
	};
	for (unsigned i = 0; i < DP_LATE_BUCKETS; i++) {
		s->late[i] = count_read(&sa->late[i]);
		s->left[i] = count_read(&sa->left[i]);
	}
	return 0;
}

int dp_sa_out_stats(uint32_t sa_out, struct dp_sa_stats *s)
{
	const struct sa_out *sa = sad_out_find(sa_out);

	if (!sa)
		return -ENOENT;
	*s = (struct dp_sa_stats){
		.packets = count_read(&sa->seq),
		.bytes = count_read(&sa->bytes),
		.seq = count_read(&sa->seq),
		.last_used_ns = dp_used_ns(__atomic_load_n(&sa->used, __ATOMIC_RELAXED)),
		.selector_drops = count_read(&sa->selector_drops),
		.worker = sa->owner,
	};
	return 0;
}

uint16_t dp_sa_out_mtu(uint32_t sa_out)
{
	struct sa_out *sa = sad_out_find(sa_out);

	return sa ? set_mtu(sa) : 0; /* routes may have changed */
}

/* The route to a peer may lead to a port of another MTU now.  A round that routes change under is followed by
 * another one. */
void sad_service(void)
{
	enum { SLOTS = 4096 }; /* at once: a fraction of a millisecond */

	if (measured.slot == 0) {
		if (measured.changes == fib_changes())
			return;
		measured.changes = fib_changes();
	}
	for (uint32_t i = 0; i < SLOTS && measured.slot < sad_slots; i++, measured.slot++) {
		const struct sa_out *sa = sad_out_at(measured.slot);

		(void)dp_sa_out_mtu(atomic_load_explicit(&sa->handle, memory_order_relaxed));
	}
	if (measured.slot >= sad_slots)
		measured.slot = 0;
}

uint16_t dp_sa_out_pmtu(uint32_t sa_out)
{
	const struct sa_out *sa = sad_out_find(sa_out);

	return sa ? sa->pmtu : 0;
}
