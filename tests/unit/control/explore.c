/* SPDX-License-Identifier: Apache-2.0 */
#include "explore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_state.h"

enum { DEPTH = 200, CHOICES = 64 };

/* Half a minute in which timers may start something new; then whatever lingers has to be gone. */
#define HORIZON (30 * NET_S)
#define SETTLED (400 * NET_S)

static struct net net;
static uint64_t draws[2], seed_now;

/* The engines' random numbers: a function of the seed, the end, and how many it drew before.  So what one end
 * draws does not hang on what the other does meanwhile. */
void __wrap_crypto_random(void *p, size_t n);
void __wrap_crypto_random(void *p, size_t n)
{
	uint64_t x = seed_now * 2 + (uint64_t)net.turn + 1;
	uint8_t *b = p;

	x = x * UINT64_C(0x9e3779b97f4a7c15) + ++draws[net.turn] * UINT64_C(0xd1b54a32d192ed03);
	for (size_t i = 0; i < n; i++) {
		x ^= x >> 30;
		x *= UINT64_C(0xbf58476d1ce4e5b9);
		x ^= x >> 27;
		b[i] = (uint8_t)(x >> 32);
		x += UINT64_C(0x94d049bb133111eb);
	}
}

/* ---- decisions ----------------------------------------------------------------------------------------------- */

enum what { START, DELIVER, LOSE, COPY, TIMER };

struct choice {
	enum what what;
	unsigned which;
};

struct decisions {
	struct decisions *next;
	unsigned n;
	uint8_t d[DEPTH];
};

struct run {
	const struct explore_scenario *s;
	struct explore_limits left;
	bool started[EXPLORE_ACTIONS];
	uint64_t end_at; /* HORIZON ends */
	uint64_t before[2][EXPLORE_COUNTERS];
	struct decisions d; /* what was decided so far, or has to be */
	unsigned at;        /* step */
	bool tell;
	const char *wrong;
	char text[200];
};

static uint64_t next_timer(void)
{
	uint64_t a = ike_next(net.host[0].ike), b = ike_next(net.host[1].ike);

	return a < b ? a : b;
}

static unsigned choices(const struct run *r, struct choice c[CHOICES])
{
	unsigned n = 0, flying = net_in_flight(&net);

	if (flying > 12)
		flying = 12;
	for (unsigned i = 0; i < flying; i++)
		c[n++] = (struct choice){DELIVER, i};
	for (unsigned i = 0; i < EXPLORE_ACTIONS; i++)
		if (r->s->act[i].run && !r->started[i])
			c[n++] = (struct choice){START, i};
	for (unsigned i = 0; i < flying && r->left.losses && r->left.all; i++)
		c[n++] = (struct choice){LOSE, i};
	for (unsigned i = 0; i < flying && r->left.copies && r->left.all; i++)
		c[n++] = (struct choice){COPY, i};
	if (n && r->left.timers && r->left.all && next_timer() < r->end_at)
		c[n++] = (struct choice){TIMER, 0};
	return n;
}

static void fire(void)
{
	uint64_t at = next_timer();

	if (at > net.now)
		net.now = at;
	for (int i = 0; i < 2; i++) {
		net.turn = i;
		if (ike_next(net.host[i].ike) <= net.now)
			ike_run(net.host[i].ike, net.now);
	}
}

static void tell(const struct choice *c)
{
	static const char *const words[] = {"start", "deliver", "lose", "copy", "timer"};
	const struct net_packet *p = net.queue;

	printf("# %10.3f %s %u", (double)net.now / 1e9, words[c->what], c->which);
	for (unsigned i = 0; (c->what == DELIVER || c->what == LOSE || c->what == COPY) && i < c->which; i++)
		p = p->next;
	if (p && (c->what == DELIVER || c->what == LOSE || c->what == COPY))
		printf(" to %c: exchange %u flags %02x id %u, %zu bytes", 'A' + p->to, p->data[18],
		       p->data[19], (unsigned)p->data[23], p->len);
	printf("\n");
}

static void take(struct run *r, const struct choice *c)
{
	if (r->tell)
		tell(c);
	net.now += NET_MS;
	switch (c->what) {
	case START:
		r->started[c->which] = true;
		r->end_at = net.now + HORIZON;
		net.turn = r->s->act[c->which].side;
		r->s->act[c->which].run(&net.host[net.turn]);
		break;
	case DELIVER: net_deliver(&net, c->which, false); break;
	case COPY:
		r->left.copies--;
		r->left.all--;
		net_deliver(&net, c->which, true);
		break;
	case LOSE:
		r->left.losses--;
		r->left.all--;
		net_drop(&net, c->which);
		break;
	case TIMER:
		r->left.timers--;
		r->left.all--;
		fire();
		break;
	}
}

/* ---- states seen ---------------------------------------------------------------------------------------------- */

static uint64_t *seen;
static size_t n_seen, cap_seen;

static bool put(uint64_t *set, size_t cap, uint64_t h)
{
	size_t i = (size_t)h & (cap - 1);

	for (; set[i]; i = (i + 1) & (cap - 1))
		if (set[i] == h)
			return false;
	set[i] = h;
	return true;
}

/* True when it is new. */
static bool see(uint64_t h)
{
	if (2 * n_seen >= cap_seen) {
		size_t cap = cap_seen ? 2 * cap_seen : 1 << 16;
		uint64_t *set = calloc(cap, sizeof(*set));

		assert_non_null(set);
		for (size_t i = 0; i < cap_seen; i++)
			if (seen[i])
				put(set, cap, seen[i]);
		free(seen);
		seen = set;
		cap_seen = cap;
	}
	if (!put(seen, cap_seen, h | 1))
		return false;
	n_seen++;
	return true;
}

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t state(const struct run *r)
{
	uint64_t h = HASH_START, packets[CHOICES] = {0};
	unsigned n = 0;

	for (const struct net_packet *p = net.queue; p && n < CHOICES; p = p->next)
		packets[n++] = hash_u64(hash_bytes(HASH_START, p->data, 28), p->len << 1 | (unsigned)p->to);
	qsort(packets, n, sizeof(packets[0]), order);
	h = hash_bytes(h, packets, n * sizeof(packets[0]));
	for (int i = 0; i < 2; i++) {
		h = hash_u64(h, engine_state_hash(&net.host[i]));
		h = hash_u64(h, draws[i]);
	}
	h = hash_bytes(h, &r->left, sizeof(r->left));
	return hash_bytes(h, r->started, sizeof(r->started));
}

/* ---- what has to hold -------------------------------------------------------------------------------------------- */

static void wrong(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void wrong(struct run *r, const char *fmt, ...)
{
	va_list ap;

	if (r->wrong)
		return;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	r->wrong = r->text;
}

/* A packet each way, on each proxy-ID: it has an SA to go on, and the other end has that, too.  (One that was
 * not up is different: the responder has its SA before the initiator can have it.) */
static void check_traffic(struct run *r)
{
	for (int side = 0; side < 2; side++) {
		struct net_host *h = &net.host[side];

		for (unsigned i = 0; i < h->n_child; i++) {
			struct net_child *c = &h->child[i], *peer;

			if (!c->used || !c->active)
				continue;
			peer = net_child_find(&net.host[!side], c->sa.spi_out);
			/* Every other seed has no traffic: then only timers tell that the peer is there. */
			if (peer && seed_now % 2)
				peer->packets_in++;
			if (!peer && !r->s->outage && c->policy + r->s->waiting <= r->s->children)
				wrong(r, "%c sends on SPI %08x, which the other end has not got", 'A' + side,
				      c->sa.spi_out);
		}
		if (!r->s->outage && net_active(h) + r->s->waiting < r->s->children)
			wrong(r, "%c has a proxy-ID without Child SA", 'A' + side);
	}
}

static unsigned expected; /* Child SAs */

static const char *unrest(void)
{
	const char *what = net.queue ? "something in flight" : engine_unrest(&net.host[0], 1, expected);

	return what ? what : engine_unrest(&net.host[1], 1, expected);
}

static bool at_rest(struct net *n)
{
	return !unrest();
}

static void check_end(struct run *r)
{
	expected = r->s->children;
	if (net_until(&net, at_rest, SETTLED))
		net_check_pairs(&net);
	else
		wrong(r, "no rest: A or B has %s", unrest());
}

/* ---- runs ----------------------------------------------------------------------------------------------------------- */

static void begin(struct run *r)
{
	const struct explore_scenario *s = r->s;
	struct ike_gw_conf a, b;

	draws[0] = draws[1] = 0;
	net_init(&net, 1);
	a = net_conf(NET_A, s->children);
	b = net_conf(NET_B, s->children);
	a.dpd_interval_s = b.dpd_interval_s = 120;
	for (unsigned i = 0; i < s->children; i++)
		a.children[i].start = i + s->waiting < s->children;
	if (s->conf)
		s->conf(&a, &b);
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	expected = s->children - s->waiting;
	if (expected && !net_until(&net, at_rest, SETTLED))
		fail_msg("%s: does not come up", s->name);
	r->end_at = net.now + HORIZON;
	for (int i = 0; i < 2; i++)
		for (unsigned c = 0; c < EXPLORE_COUNTERS && s->reach[c]; c++)
			r->before[i][c] = net_counter(&net.host[i], s->reach[c]);
	if (r->tell)
		for (int i = 0; i < 2; i++) {
			net.host[i].verbose = true;
			ike_set_debug(net.host[i].ike, true);
		}
}

static struct decisions *todo;

static void branch(const struct run *r, unsigned n)
{
	for (unsigned i = n; i-- > 1;) {
		struct decisions *d = malloc(sizeof(*d));

		assert_non_null(d);
		memcpy(d, &r->d, sizeof(*d));
		d->d[d->n++] = (uint8_t)i;
		d->next = todo;
		todo = d;
	}
}

/* One step; false: the run is over, or goes where another one went. */
static bool step(struct run *r, bool *over)
{
	struct choice c[CHOICES];
	unsigned n = choices(r, c), pick = 0;

	*over = false;
	if (!n) {
		*over = next_timer() >= r->end_at;
		if (!*over)
			fire();
		return !*over;
	}
	if (n > 1 && r->at < r->d.n) {
		pick = r->d.d[r->at++];
	} else if (n > 1 && r->at < DEPTH) {
		if (!see(state(r)))
			return false;
		branch(r, n);
		r->d.d[r->d.n++] = 0;
		r->at++;
	}
	take(r, &c[pick]);
	return true;
}

static void note(const struct run *r, struct explore_result *out)
{
	out->ends++;
	for (unsigned c = 0; c < EXPLORE_COUNTERS && r->s->reach[c]; c++)
		out->reached[c] += net_counter(&net.host[0], r->s->reach[c]) > r->before[0][c] ||
				   net_counter(&net.host[1], r->s->reach[c]) > r->before[1][c];
}

static void one(struct run *r, struct explore_result *out)
{
	bool over = false;

	begin(r);
	check_traffic(r);
	while (!r->wrong && step(r, &over))
		check_traffic(r);
	if (over)
		check_end(r);
	if (over && !r->wrong)
		note(r, out);
	if (r->d.n > out->deepest)
		out->deepest = r->d.n;
	out->runs++;
}

/* Once more, aloud. */
static void report(const struct run *bad)
{
	struct run r = {.s = bad->s, .d = bad->d, .tell = true};
	struct explore_result out = {0};

	printf("# %s: %s; seed %lu, decisions", bad->s->name, bad->text, (unsigned long)seed_now);
	for (unsigned i = 0; i < bad->d.n; i++)
		printf(" %u", bad->d.d[i]);
	printf("\n");
	r.left = bad->left;
	one(&r, &out);
	fail_msg("%s: %s", bad->s->name, bad->text);
}

static void forget(void)
{
	while (todo) {
		struct decisions *d = todo;

		todo = d->next;
		free(d);
	}
	free(seen);
	seen = NULL;
	n_seen = cap_seen = 0;
}

void explore(const struct explore_scenario *s, const struct explore_limits *l, uint64_t seed,
	     struct explore_result *out)
{
	struct decisions *d = calloc(1, sizeof(*d));
	struct explore_limits most = *l;

	most.all = l->all > s->spare ? l->all - s->spare : 0;
	*out = (struct explore_result){0};
	forget();
	seed_now = seed;
	assert_non_null(d);
	todo = d;
	while ((d = todo)) {
		struct run r = {.s = s, .left = most, .d = *d};

		todo = d->next;
		free(d);
		one(&r, out);
		if (r.wrong) {
			r.left = most;
			net_end(&net);
			report(&r);
		}
		net_end(&net);
	}
	out->states = n_seen;
	forget();
}
