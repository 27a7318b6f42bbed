/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the engine and the data plane: the engine's Child SAs become SAs and bindings of proxy-IDs,
 * its datagrams leave through a port; the data plane's events become engine calls.
 */
#include "ctl.h"
#include "ctl_fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "capture_file.h"
#include "ike_capture.h"
#include "journal.h"
#include "log.h"
#include "echo_user.h"
#include "soft_limit.h"
#include "wire.h"

/* As in the engine (ike/child.c), so that no turn has to move a hundred thousand. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS      16384U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 14U

/* ---- suites ---------------------------------------------------------------------------------- */

static const struct {
	uint16_t ike;
	enum dp_encr dp;
} encr_map[] = {
	{ENCR_AES_GCM_16, DP_AES_GCM_16}, {ENCR_AES_GCM_12, DP_AES_GCM_12},
	{ENCR_AES_GCM_8, DP_AES_GCM_8},   {ENCR_AES_CBC, DP_AES_CBC},
	{ENCR_AES_CTR, DP_AES_CTR},       {ENCR_CHACHA20_POLY1305, DP_CHACHA20_POLY1305},
	{ENCR_NULL, DP_ENCR_NULL},        {ENCR_NULL_AUTH_AES_GMAC, DP_AES_GMAC},
};

static const struct {
	uint16_t ike;
	enum dp_integ dp;
} integ_map[] = {
	{AUTH_NONE, DP_INTEG_NONE},
	{AUTH_HMAC_SHA1_96, DP_HMAC_SHA1_96},
	{AUTH_HMAC_SHA2_256_128, DP_HMAC_SHA256_128},
	{AUTH_HMAC_SHA2_384_192, DP_HMAC_SHA384_192},
	{AUTH_HMAC_SHA2_512_256, DP_HMAC_SHA512_256},
};

#define N_ELEMS(a) (sizeof(a) / sizeof((a)[0]))

bool ctl_dp_suite(uint16_t encr, uint16_t key_bits, uint16_t integ, struct dp_suite *s)
{
	struct dp_suite r = {.key_bits = key_bits};
	bool found = false;

	for (size_t i = 0; i < N_ELEMS(encr_map); i++) {
		if (encr_map[i].ike == encr) {
			r.encr = encr_map[i].dp;
			found = true;
		}
	}
	if (!found)
		return false;
	found = false;
	for (size_t i = 0; i < N_ELEMS(integ_map); i++) {
		if (integ_map[i].ike == integ) {
			r.integ = integ_map[i].dp;
			found = true;
		}
	}
	if (!found || !dp_suite_supported(&r))
		return false;
	*s = r;
	return true;
}

static bool host_esp_supported(void *ctx, uint16_t encr, uint16_t key_bits, uint16_t integ)
{
	struct dp_suite s;

	return ctl_dp_suite(encr, key_bits, integ, &s);
}

/* ---- SAs ------------------------------------------------------------------------------------- */

static int host_spi_alloc(void *ctx, uint32_t *spi)
{
	return dp_spi_alloc(spi);
}

static void host_spi_release(void *ctx, uint32_t spi)
{
	dp_spi_release(spi);
}

static void keys_set(struct dp_keys *k, const struct child_keys *c, const uint8_t *encr, const uint8_t *salt,
		     const uint8_t *integ)
{
	k->encr_len = (uint8_t)c->encr_len;
	k->salt_len = (uint8_t)c->salt_len;
	k->integ_len = (uint8_t)c->integ_len;
	memcpy(k->encr, encr, c->encr_len);
	memcpy(k->salt, salt, c->salt_len);
	memcpy(k->integ, integ, c->integ_len);
}

_Static_assert((int)DP_TS_MAX >= (int)TS_LIST_MAX, "what IKE agrees on can be installed");

static void selectors_set(struct ts *to, uint8_t *n, const struct ts_list *from)
{
	memcpy(to, from->t, from->n * sizeof(to[0]));
	*n = from->n;
}

/* What a busy SA uses up while its successor is negotiated: half a second at 1 Gbit/s. */
enum { SPARE_BYTES = 64 << 20, SPARE_PACKETS = 64 << 10 };

static uint64_t soft(uint64_t hard, uint64_t spare)
{
	uint16_t dice;

	crypto_random(&dice, sizeof(dice));
	return soft_limit(hard, spare, dice);
}

/* Volume limits (RFC 4301 4.4.2.1). */
static struct dp_limits limits_of(const struct ike_child_conf *c)
{
	struct dp_limits l = {.hard_bytes = c->life_bytes, .hard_packets = c->life_packets};

	if (c->life_bytes)
		l.soft_bytes = soft(c->life_bytes, SPARE_BYTES);
	if (c->life_packets)
		l.soft_packets = soft(c->life_packets, SPARE_PACKETS);
	return l;
}

static int install_out(const struct ike_child_sa *c, const struct dp_suite *suite,
		       const struct dp_limits *limits, uint32_t *sa_out)
{
	const struct child_keys *k = c->keys;
	struct dp_sa_out_conf o = {
		.spi = c->spi_out,
		.policy = c->conf->policy,
		.suite = *suite,
		.esn = c->suite.esn,
		.local = c->local,
		.remote = c->remote,
		.udp_encap = c->udp_encap,
		.transport = c->transport,
		.limits = *limits,
		.tfc_pad_to = c->no_tfc || c->transport ? 0 : c->conf->tfc_pad_to,
	};
	int err;

	/* KEYMAT's first half protects what the exchange's initiator sends (RFC 7296 2.17). */
	if (c->role == IKE_INITIATOR)
		keys_set(&o.keys, k, k->encr_i, k->salt_i, k->integ_i);
	else
		keys_set(&o.keys, k, k->encr_r, k->salt_r, k->integ_r);
	selectors_set(o.ts_local, &o.n_local, &c->ts_local);
	selectors_set(o.ts_remote, &o.n_remote, &c->ts_remote);
	err = dp_sa_out_install(&o, sa_out);
	crypto_wipe(&o.keys, sizeof(o.keys));
	return err;
}

static int install_in(const struct ike_child_sa *c, const struct dp_suite *suite,
		      const struct dp_limits *limits)
{
	const struct child_keys *k = c->keys;
	struct dp_sa_in_conf i = {
		.spi = c->spi_in,
		.policy = c->conf->policy,
		.suite = *suite,
		.esn = c->suite.esn,
		.replay_window = c->conf->replay_window,
		.local = c->local,
		.remote = c->remote,
		.udp_encap = c->udp_encap,
		.transport = c->transport,
		.limits = *limits,
	};
	int err;

	if (c->role == IKE_INITIATOR)
		keys_set(&i.keys, k, k->encr_r, k->salt_r, k->integ_r);
	else
		keys_set(&i.keys, k, k->encr_i, k->salt_i, k->integ_i);
	selectors_set(i.ts_local, &i.n_local, &c->ts_local);
	selectors_set(i.ts_remote, &i.n_remote, &c->ts_remote);
	err = dp_sa_in_install(&i);
	crypto_wipe(&i.keys, sizeof(i.keys));
	return err;
}

static void host_child_activate(void *ctx, struct ike_child_sa *sa)
{
	struct ctl_child *h = sa->host;

	if (!h)
		return;
	dp_policy_bind(h->policy, h->sa_out);
	for (unsigned i = 0; i < h->n_more; i++)
		dp_policy_bind(h->more[i], h->sa_out);
}

/* Those that share it are unbound one by one; its own goes with the SA. */
static void unbind_more(const struct ctl_child *h)
{
	struct dp_policy_stats s;

	for (unsigned i = 0; i < h->n_more; i++)
		if (dp_policy_stats(h->more[i], &s) == 0 && s.sa_out == h->sa_out)
			dp_policy_bind(h->more[i], DP_SA_NONE);
}

static uint16_t dummy_rate(const struct ctl *c, uint32_t policy)
{
	return c->dummy_rates && policy < c->n_leaders ? c->dummy_rates[policy] : 0;
}

/* At moments that say nothing: each tick sends the whole part of what is due to it, and one more as often as the rest
 * asks for. */
void ctl_dummies(struct ctl *c)
{
	enum { TICKS = 10 };

	struct ctl_child *h;

	DL_FOREACH2(c->dummies, h, dummy_next)
	{
		unsigned n = h->dummy_rate / TICKS;

		n += h->dummy_rate % TICKS > arc4random_uniform(TICKS);
		while (n-- > 0)
			(void)dp_dummy_send(h->sa_out); /* one that cannot be sent is not missed */
	}
}

/* Outbound first: until it is bound it does nothing, so that a failure of the inbound half leaves the
 * SPI reserved, as the engine expects. */
static int host_child_install(void *ctx, struct ike_child_sa *sa, bool activate)
{
	struct ctl *c = ctx;
	struct dp_limits limits = limits_of(sa->conf);
	struct ctl_child *h;
	struct dp_suite suite;
	int err;

	if (!ctl_dp_suite(sa->suite.encr, sa->suite.key_bits, sa->suite.integ, &suite))
		return -ENOTSUP;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->spi_in = sa->spi_in;
	h->policy = sa->conf->policy;
	h->n_more = sa->conf->n_more;
	memcpy(h->more, sa->conf->more, h->n_more * sizeof(h->more[0]));
	err = install_out(sa, &suite, &limits, &h->sa_out);
	if (err)
		goto fail;
	err = install_in(sa, &suite, &limits);
	if (err) {
		dp_sa_out_remove(h->sa_out);
		goto fail;
	}
	h->dummy_rate = dummy_rate(c, h->policy);
	if (h->dummy_rate)
		DL_APPEND2(c->dummies, h, dummy_prev, dummy_next);
	HASH_ADD(hh, c->children, sa_out, sizeof(h->sa_out), h);
	sa->host = h;
	if (activate)
		host_child_activate(ctx, sa);
	return 0;
fail:
	free(h);
	return err;
}

static void host_child_remove(void *ctx, struct ike_child_sa *sa)
{
	struct ctl *c = ctx;
	struct ctl_child *h = sa->host;

	if (!h)
		return;
	unbind_more(h);
	dp_sa_out_remove(h->sa_out);
	dp_sa_in_remove(h->spi_in);
	HASH_DEL(c->children, h);
	if (h->dummy_rate)
		DL_DELETE2(c->dummies, h, dummy_prev, dummy_next);
	free(h->cleared);
	free(h);
	sa->host = NULL;
}

static void host_child_move(void *ctx, struct ike_child_sa *sa)
{
	struct ctl_child *h = sa->host;

	if (h)
		dp_sa_move(h->spi_in, h->sa_out, &sa->remote);
}

static void host_child_usage(void *ctx, const struct ike_child_sa *sa, struct ike_child_usage *u)
{
	const struct ctl_child *h = sa->host;
	struct dp_sa_stats s;

	*u = (struct ike_child_usage){0};
	if (!h)
		return;
	if (dp_sa_in_stats(h->spi_in, &s) == 0) {
		u->packets_in = s.packets;
		u->bytes_in = s.bytes;
		u->last_in = s.last_used_ns;
	}
	if (dp_sa_out_stats(h->sa_out, &s) == 0) {
		u->packets_out = s.packets;
		u->bytes_out = s.bytes;
	}
}

/* ---- datagrams and events -------------------------------------------------------------------- */

static void host_send(void *ctx, const struct ike_packet *p)
{
	struct dp_udp u = {
		.local = p->local,
		.remote = p->remote,
		.data = p->data,
		.len = p->len,
		.keepalive = p->keepalive,
	};

	/* A datagram that cannot leave is a datagram lost: the engine retransmits, and says so when it
	 * gives up.  The data plane has counted the cause. */
	(void)dp_udp_send(&u);
}

static void host_event(void *ctx, const struct ike_event *e)
{
	struct ctl *c = ctx;

	log_ike_event(e);
	journal_ike_event(c->journal, e, ctl_wall_ms());
}

const struct ike_host ctl_ike_host = {
	.send = host_send,
	.spi_alloc = host_spi_alloc,
	.spi_release = host_spi_release,
	.child_install = host_child_install,
	.child_activate = host_child_activate,
	.child_remove = host_child_remove,
	.child_move = host_child_move,
	.child_usage = host_child_usage,
	.esp_supported = host_esp_supported,
	.event = host_event,
	.fetch = ctl_fetch,
	.clear = ctl_ike_clear,
};

static void dp_udp_in(void *ctx, const struct dp_udp *u)
{
	struct ctl *c = ctx;
	struct ike_packet p = {.local = u->local, .remote = u->remote, .data = u->data, .len = u->len};

	ike_input(c->ike, &p, ctl_now());
}

static void dp_acquire_in(void *ctx, const struct dp_acquire *a)
{
	struct ctl *c = ctx;

	struct ike_flow f = {.proto = a->proto, .src = a->src, .dst = a->dst};

	ike_acquire_packet(c->ike, a->policy < c->n_leaders ? c->leaders[a->policy] : a->policy, &f,
			   ctl_now());
}

static void dp_expire_in(void *ctx, const struct dp_expire *e)
{
	struct ctl *c = ctx;
	uint32_t spi_in = e->sa;

	if (!e->inbound) {
		struct ctl_child *h;

		HASH_FIND(hh, c->children, &e->sa, sizeof(e->sa), h);
		if (!h)
			return; /* removed while the event was on its way */
		spi_in = h->spi_in;
	}
	ike_child_expire(c->ike, spi_in, e->kind == DP_EXPIRE_HARD, ctl_now());
}

static void dp_moved_in(void *ctx, const struct dp_moved *m)
{
	struct ctl *c = ctx;

	ike_child_moved(c->ike, m->spi, &m->from, ctl_now());
}

static void dp_rule_hit_in(void *ctx, const struct dp_rule_hit *h)
{
	ctl_rule_hit(ctx, h);
}

static void dp_link_in(void *ctx, const struct dp_link *l)
{
	ctl_link(ctx, l);
}

static void dp_probe_answer_in(void *ctx, const struct dp_probe_answer *a)
{
	ctl_probe_answer(ctx, a);
}

static void dp_echo_answer_in(void *ctx, const struct dp_echo_answer *a)
{
	cli_echo_answer(a);
}

static void dp_echo_error_in(void *ctx, const struct dp_echo_error *e)
{
	cli_echo_error(e);
}

static void dp_unknown_spi_in(void *ctx, const struct dp_unknown_spi *u)
{
	struct ctl *c = ctx;

	ike_unknown_spi(c->ike, u->spi, &u->local, &u->remote, ctl_now());
}

const struct dp_handlers ctl_dp_handlers = {
	.udp = dp_udp_in,
	.acquire = dp_acquire_in,
	.expire = dp_expire_in,
	.moved = dp_moved_in,
	.unknown_spi = dp_unknown_spi_in,
	.rule_hit = dp_rule_hit_in,
	.captured = ctl_captured,
	.link = dp_link_in,
	.probe_answer = dp_probe_answer_in,
	.echo_answer = dp_echo_answer_in,
	.echo_error = dp_echo_error_in,
};
