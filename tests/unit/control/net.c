/* SPDX-License-Identifier: Apache-2.0 */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint64_t net_random(struct net *n, uint64_t below)
{
	n->rng ^= n->rng << 13;
	n->rng ^= n->rng >> 7;
	n->rng ^= n->rng << 17;
	return below ? n->rng % below : 0;
}

/* ---- the wire ------------------------------------------------------------------------------------------ */

static uint16_t nat_out(struct net_nat *t, uint16_t in)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->map[i].in == in)
			return t->map[i].out;
	assert_true(t->n < NET_MAPS);
	t->map[t->n].in = in;
	t->map[t->n].out = t->next_port++;
	return t->map[t->n++].out;
}

static bool nat_in(const struct net_nat *t, uint16_t out, uint16_t *in)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->map[i].out == out) {
			*in = t->map[i].in;
			return true;
		}
	return false;
}

static void enqueue(struct net *n, struct net_packet *p)
{
	struct net_packet **at = &n->queue;

	while (*at && (*at)->at <= p->at)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
}

void net_inject(struct net *n, int to, const struct endpoint *src, const struct endpoint *dst,
		const void *data, size_t len, uint64_t delay)
{
	struct net_packet *p = calloc(1, sizeof(*p) + len);

	assert_non_null(p);
	p->to = to;
	p->at = n->now + delay;
	p->src = *src;
	p->dst = *dst;
	p->len = len;
	memcpy(p->data, data, len);
	enqueue(n, p);
}

static void on_send(void *ctx, const struct ike_packet *p)
{
	struct net_host *h = ctx;
	struct net *n = h->net;
	struct net_nat *t = &n->nat[h->side];
	struct endpoint src = p->local;
	unsigned copies;

	if (h->dead)
		return;
	if (p->keepalive) {
		n->keepalives++;
		return;
	}
	n->sent++;
	if (t->on) {
		src.port = nat_out(t, src.port);
		src.a = t->outside;
	}
	copies = net_random(n, 100) < n->loss ? 0 : net_random(n, 100) < n->dup ? 2 : 1;
	for (unsigned i = 0; i < copies; i++)
		net_inject(n, !h->side, &src, &p->remote, p->data, p->len,
			   n->latency + net_random(n, n->jitter + 1));
}

struct net_child *net_child_find(struct net_host *h, uint32_t spi_in)
{
	for (unsigned i = 0; i < h->n_child; i++)
		if (h->child[i].used && h->child[i].sa.spi_in == spi_in)
			return &h->child[i];
	return NULL;
}

void net_probe(struct net *n, unsigned policies, uint64_t every)
{
	n->probe_policies = policies;
	n->probe_every = every;
	n->next_probe = n->now;
}

static void probe(struct net *n, int from)
{
	const struct net_host *h = &n->host[from];
	unsigned active = 0;

	for (unsigned i = 0; i < h->n_child; i++) {
		const struct net_child *c = &h->child[i];
		struct net_packet *p;

		if (!c->used || !c->active)
			continue;
		active++;
		p = calloc(1, sizeof(*p));
		assert_non_null(p);
		p->to = !from;
		p->esp = c->sa.spi_out;
		p->at = n->now + n->latency + net_random(n, n->jitter + 1);
		enqueue(n, p);
	}
	if (active < n->probe_policies)
		n->probes_no_child += n->probe_policies - active;
}

static void deliver(struct net *n, struct net_packet *p)
{
	struct net_host *h = &n->host[p->to];
	struct net_nat *t = &n->nat[p->to];
	struct ike_packet in;

	if (p->esp) {
		struct net_child *c = net_child_find(h, p->esp);

		if (c)
			n->probes_ok++, c->packets_in++;
		else
			n->probes_lost++, (void)(h->verbose &&
						 printf("# %10.3f lost at %c spi %08x\n",
							(double)n->now / 1e9, (char)(65 + h->side), p->esp));
		return;
	}
	if (h->dead || (n->tap && !n->tap(n, p, n->tap_arg)))
		return;
	in = (struct ike_packet){.local = p->dst, .remote = p->src, .data = p->data, .len = p->len};
	if (t->on) {
		if (!addr_eq(&p->dst.a, &t->outside) || !nat_in(t, p->dst.port, &in.local.port))
			return;
		in.local.a = t->inside;
	}
	n->turn = h->side;
	ike_input(h->ike, &in, n->now);
}

unsigned net_in_flight(const struct net *n)
{
	unsigned count = 0;

	for (const struct net_packet *p = n->queue; p; p = p->next)
		count++;
	return count;
}

static struct net_packet *unlink_nth(struct net *n, unsigned i)
{
	struct net_packet **at = &n->queue, *p;

	while (i--)
		at = &(*at)->next;
	p = *at;
	*at = p->next;
	return p;
}

void net_deliver(struct net *n, unsigned i, bool copy_stays)
{
	struct net_packet *p = unlink_nth(n, i);

	if (copy_stays)
		net_inject(n, p->to, &p->src, &p->dst, p->data, p->len, 0);
	deliver(n, p);
	free(p);
}

void net_drop(struct net *n, unsigned i)
{
	free(unlink_nth(n, i));
}

/* ---- the host ---------------------------------------------------------------------------------------------- */

static int on_spi_alloc(void *ctx, uint32_t *spi)
{
	struct net_host *h = ctx;

	assert_true(h->n_spis < NET_SPIS);
	*spi = h->next_spi += 7;
	h->spis[h->n_spis++] = *spi;
	return 0;
}

static void spi_take(struct net_host *h, uint32_t spi)
{
	for (unsigned i = 0; i < h->n_spis; i++)
		if (h->spis[i] == spi) {
			h->spis[i] = h->spis[--h->n_spis];
			return;
		}
	fail_msg("SPI %08x was not reserved", spi);
}

static void on_spi_release(void *ctx, uint32_t spi)
{
	spi_take(ctx, spi);
}

static struct net_child *child_of(struct net_host *h, const struct ike_child_sa *c)
{
	struct net_child *n = c->host;

	assert_non_null(n);
	assert_true(n->used);
	assert_int_equal(n->sa.spi_in, c->spi_in);
	return n;
}

static void on_activate(void *ctx, struct ike_child_sa *c)
{
	struct net_host *h = ctx;
	struct net_child *me = child_of(h, c);

	for (unsigned i = 0; i < h->n_child; i++)
		if (h->child[i].used && h->child[i].policy == me->policy)
			h->child[i].active = false;
	me->active = true;
	if (h->verbose)
		printf("# %10.3f %c use in %08x out %08x\n", (double)h->net->now / 1e9, 'A' + h->side,
		       c->spi_in, c->spi_out);
}

static int on_install(void *ctx, struct ike_child_sa *c, bool activate)
{
	struct net_host *h = ctx;

	if (h->refuse_install)
		return -28; /* ENOSPC */
	for (unsigned i = 0; i < NET_CHILDREN; i++) {
		struct net_child *n = &h->child[i];

		if (n->used)
			continue;
		spi_take(h, c->spi_in);
		if (i >= h->n_child)
			h->n_child = i + 1;
		*n = (struct net_child){.used = true, .sa = *c, .keys = *c->keys, .policy = c->conf->policy};
		c->host = n;
		n->sa.host = n;
		h->installs++;
		if (activate)
			on_activate(ctx, c);
		return 0;
	}
	return -28;
}

static void on_remove(void *ctx, struct ike_child_sa *c)
{
	struct net_host *h = ctx;
	struct net_child *n = child_of(h, c);

	n->used = n->active = false;
	h->removes++;
	if (h->verbose)
		printf("# %10.3f %c remove in %08x out %08x\n", (double)h->net->now / 1e9, 'A' + h->side,
		       c->spi_in, c->spi_out);
}

static void on_move(void *ctx, struct ike_child_sa *c)
{
	struct net_child *n = child_of(ctx, c);

	n->sa.local = c->local;
	n->sa.remote = c->remote;
	n->sa.udp_encap = c->udp_encap;
}

static void on_usage(void *ctx, const struct ike_child_sa *c, struct ike_child_usage *u)
{
	struct net_host *h = ctx;

	u->packets_in = child_of(h, (struct ike_child_sa *)(uintptr_t)c)->packets_in;
	if (h->traffic)
		u->last_in = h->net->now;
}

static void on_event(void *ctx, const struct ike_event *e)
{
	struct net_host *h = ctx;

	assert_true((unsigned)e->type < NET_EVENTS);
	h->events[e->type]++;
	if (e->type == IKE_EV_IKE_FAIL || e->type == IKE_EV_CHILD_FAIL)
		h->last_reason = *e->reason;
	if ((e->type == IKE_EV_IKE_DOWN || e->type == IKE_EV_CHILD_DOWN) &&
	    e->reason->cause != IKE_CAUSE_REPLACED) {
		h->unasked_downs++;
		h->last_reason = *e->reason;
	}
	if (h->verbose)
		printf("# %10.3f %c %d %s %s%s%s\n", (double)h->net->now / 1e9, 'A' + h->side, e->type,
		       e->gateway, e->text ? e->text : "", e->reason ? " " : "",
		       e->reason ? e->reason->text : "");
}

static const struct ike_host vtable = {
	.send = on_send,
	.spi_alloc = on_spi_alloc,
	.spi_release = on_spi_release,
	.child_install = on_install,
	.child_activate = on_activate,
	.child_remove = on_remove,
	.child_move = on_move,
	.child_usage = on_usage,
	.event = on_event,
};

/* ---- life ----------------------------------------------------------------------------------------------------- */

void net_init(struct net *n, uint64_t seed)
{
	memset(n, 0, sizeof(*n));
	n->rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	n->now = NET_S;
	n->latency = 10 * NET_MS;
	for (int i = 0; i < 2; i++) {
		struct net_host *h = &n->host[i];

		h->net = n;
		h->side = i;
		h->vt = vtable;
		h->next_spi = 0x1000u + (uint32_t)i * 0x100000;
		h->ike = ike_new(&h->vt, h, n->now);
		assert_non_null(h->ike);
		if (getenv("NET_VERBOSE")) {
			h->verbose = true;
			ike_set_debug(h->ike, true);
		}
	}
}

void net_end(struct net *n)
{
	while (n->queue) {
		struct net_packet *p = n->queue;

		n->queue = p->next;
		free(p);
	}
	for (int i = 0; i < 2; i++) {
		ike_free(n->host[i].ike);
		assert_int_equal(net_children(&n->host[i]), 0);
		assert_int_equal(n->host[i].n_spis, 0);
	}
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void step(struct net *n)
{
	for (int i = 0; i < 2; i++)
		if (ike_next(n->host[i].ike) <= n->now) {
			n->turn = i;
			ike_run(n->host[i].ike, n->now);
		}
	while (n->probe_every && n->next_probe <= n->now) {
		probe(n, NET_A);
		probe(n, NET_B);
		n->next_probe += n->probe_every;
	}
	while (n->queue && n->queue->at <= n->now) {
		struct net_packet *p = n->queue;

		n->queue = p->next;
		deliver(n, p);
		free(p);
	}
}

bool net_until(struct net *n, bool (*cond)(struct net *n), uint64_t ns)
{
	uint64_t end = n->now + ns;

	for (;;) {
		uint64_t next;

		step(n);
		if (cond && cond(n))
			return true;
		next = min64(ike_next(n->host[0].ike), ike_next(n->host[1].ike));
		if (n->queue)
			next = min64(next, n->queue->at);
		if (n->probe_every)
			next = min64(next, n->next_probe);
		if (next > end)
			break;
		n->now = next > n->now ? next : n->now;
	}
	n->now = end;
	return false;
}

void net_run(struct net *n, uint64_t ns)
{
	net_until(n, NULL, ns);
}

/* ---- configuration ----------------------------------------------------------------------------------------------- */

static struct addr addr(const char *s)
{
	struct addr a;

	assert_int_equal(addr_parse(s, &a), 0);
	return a;
}

void net_ts(struct ts *t, const char *prefix)
{
	struct prefix p;

	assert_int_equal(prefix_parse(prefix, &p), 0);
	*t = ts_of(&p, 0, 0);
}

struct ike_gw_conf net_conf(int side, unsigned n_children)
{
	struct ike_gw_conf c = {.id = 1,
				.lifetime_s = 28800,
				.dpd_interval_s = 10,
				.dpd_retry = 3,
				.natt_keepalive_s = 20,
				.fragment_size = 1280,
				.n_children = (uint16_t)n_children};
	static const char psk[] = "correct horse battery staple";

	snprintf(c.name, sizeof(c.name), "GW-%c", 'A' + side);
	c.local = addr(side == NET_A ? "192.0.2.1" : "192.0.2.2");
	c.remote = addr(side == NET_A ? "192.0.2.2" : "192.0.2.1");
	memcpy(c.psk, psk, sizeof(psk) - 1);
	c.psk_len = sizeof(psk) - 1;
	c.ike.encr[c.ike.n_encr++] = (struct ike_alg){ENCR_AES_GCM_16, 256};
	c.ike.prf[c.ike.n_prf++] = PRF_HMAC_SHA2_256;
	c.ike.dh[c.ike.n_dh++] = DH_CURVE25519;
	c.children = calloc(n_children ? n_children : 1, sizeof(*c.children));
	assert_non_null(c.children);
	for (unsigned i = 0; i < n_children; i++) {
		struct ike_child_conf *k = &c.children[i];
		char prefix[32];

		snprintf(k->tunnel, sizeof(k->tunnel), "TUN");
		snprintf(k->proxy_id, sizeof(k->proxy_id), "P%u", i);
		k->tunnel_id = 1;
		k->policy = i + 1;
		k->esp.encr[k->esp.n_encr++] = (struct ike_alg){ENCR_AES_GCM_16, 128};
		k->lifetime_s = 3600;
		k->replay_window = 64;
		k->start = side == NET_A;
		snprintf(prefix, sizeof(prefix), "10.%d.%u.0/24", side + 1, i);
		net_ts(&k->local[k->n_local++], prefix);
		snprintf(prefix, sizeof(prefix), "10.%d.%u.0/24", 2 - side, i);
		net_ts(&k->remote[k->n_remote++], prefix);
	}
	return c;
}

void net_conf_free(struct ike_gw_conf *c)
{
	free(c->children);
	c->children = NULL;
}

void net_set(struct net *n, int side, struct ike_gw_conf *c)
{
	assert_int_equal(ike_gateway_set(n->host[side].ike, c, n->now), 0);
	net_conf_free(c);
}

void net_nat(struct net *n, int side, bool forward)
{
	struct net_nat *t = &n->nat[side];

	t->on = true;
	t->inside = addr(side == NET_A ? "192.0.2.1" : "192.0.2.2");
	t->outside = addr(side == NET_A ? "198.51.100.1" : "198.51.100.2");
	t->next_port = 20000;
	if (forward) {
		t->map[0].in = t->map[0].out = 500;
		t->map[1].in = t->map[1].out = 4500;
		t->n = 2;
	}
}

/* ---- looking ---------------------------------------------------------------------------------------------------------- */

static bool count_up(void *arg, const struct ike_sa_info *i)
{
	*(unsigned *)arg += i->established;
	return true;
}

static bool count_all(void *arg, const struct ike_sa_info *i)
{
	++*(unsigned *)arg;
	return true;
}

unsigned net_sas(struct net_host *h)
{
	unsigned n = 0;

	ike_each_sa(h->ike, count_up, &n);
	return n;
}

unsigned net_sas_all(struct net_host *h)
{
	unsigned n = 0;

	ike_each_sa(h->ike, count_all, &n);
	return n;
}

unsigned net_children(const struct net_host *h)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->n_child; i++)
		n += h->child[i].used;
	return n;
}

unsigned net_active(struct net_host *h)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->n_child; i++)
		n += h->child[i].used && h->child[i].active;
	return n;
}

static bool conf_children(void *arg, const struct ike_gw_info *i)
{
	*(unsigned *)arg += i->conf->n_children;
	return true;
}

bool net_up(struct net *n)
{
	unsigned want = 0;

	ike_each_gateway(n->host[NET_A].ike, conf_children, &want);
	return net_sas(&n->host[NET_A]) && net_sas(&n->host[NET_B]) && net_active(&n->host[NET_A]) == want &&
	       net_active(&n->host[NET_B]) == want;
}

static bool take_gw(void *arg, const struct ike_gw_info *i)
{
	*(const struct ike_reason **)arg = i->last_failure;
	return false;
}

const struct ike_reason *net_gw_failure(struct net_host *h)
{
	const struct ike_reason *r = NULL;

	ike_each_gateway(h->ike, take_gw, &r);
	return r;
}

struct pick {
	unsigned i;
	const struct ike_reason *r;
};

static bool take_child(void *arg, const struct ike_conf_child_info *i)
{
	struct pick *p = arg;

	p->r = i->last_failure;
	return p->i--;
}

const struct ike_reason *net_child_failure(struct net_host *h, unsigned i)
{
	struct pick p = {.i = i};

	ike_each_conf_child(h->ike, take_child, &p);
	return p.r;
}

static void check_pair(const struct net_child *a, const struct net_child *b)
{
	const struct child_keys *x = &a->keys, *y = &b->keys;

	assert_int_equal(a->sa.spi_in, b->sa.spi_out);
	assert_int_equal(x->encr_len, y->encr_len);
	assert_memory_equal(x->encr_i, y->encr_i, x->encr_len);
	assert_memory_equal(x->encr_r, y->encr_r, x->encr_len);
	assert_memory_equal(x->salt_i, y->salt_i, x->salt_len);
	assert_memory_equal(x->salt_r, y->salt_r, x->salt_len);
	assert_memory_equal(x->integ_i, y->integ_i, x->integ_len);
	assert_memory_equal(x->integ_r, y->integ_r, x->integ_len);
	assert_int_not_equal(a->sa.role, b->sa.role);
	assert_int_equal(a->sa.suite.encr, b->sa.suite.encr);
	assert_int_equal(a->sa.suite.key_bits, b->sa.suite.key_bits);
	assert_int_equal(a->sa.suite.esn, b->sa.suite.esn);
	assert_true(ts_list_eq(&a->sa.ts_local, &b->sa.ts_remote));
	assert_true(ts_list_eq(&a->sa.ts_remote, &b->sa.ts_local));
	assert_int_equal(a->sa.udp_encap, b->sa.udp_encap);
}

void net_check_pairs(struct net *n)
{
	for (int s = 0; s < 2; s++)
		for (unsigned i = 0; i < n->host[s].n_child; i++) {
			const struct net_child *a = &n->host[s].child[i], *b;

			if (!a->used)
				continue;
			b = net_child_find(&n->host[!s], a->sa.spi_out);
			assert_non_null(b);
			check_pair(a, b);
		}
}

uint64_t net_counter(struct net_host *h, const char *name)
{
	for (unsigned i = 0; ike_counter_name(i); i++)
		if (!strcmp(ike_counter_name(i), name))
			return ike_counters(h->ike)->v[i];
	fail_msg("no counter %s", name);
	return 0;
}

/* ---- net_fixture.h ------------------------------------------------------------------------------------ */

struct net net;

int net_setup(void **state)
{
	net_init(&net, 1);
	return 0;
}

int net_teardown(void **state)
{
	net_end(&net);
	return 0;
}

void net_both(unsigned children)
{
	struct ike_gw_conf a = net_conf(NET_A, children), b = net_conf(NET_B, children);

	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
}
