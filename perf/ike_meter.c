/* SPDX-License-Identifier: Apache-2.0 */
#include "ike_meter.h"

#include <string.h>
#include <time.h>

#include "heap.h"

struct meter meter[2];
bool meter_heap;

static const struct net *net;
static struct ike_host real[2];
static uint64_t cpu_since;
static size_t heap_since;

static uint64_t cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NET_S + (uint64_t)t.tv_nsec;
}

static void on(void)
{
	if (meter_heap)
		heap_since = heap_used();
	cpu_since = cpu_now();
}

static void off(int side)
{
	meter[side].cpu_ns += cpu_now() - cpu_since;
	meter[side].calls++;
	if (meter_heap)
		meter[side].heap += (int64_t)heap_used() - (int64_t)heap_since;
}

/* ---- the engine's calls ---------------------------------------------------------------------- */

void __real_ike_input(struct ike *k, const struct ike_packet *p, uint64_t now);
void __wrap_ike_input(struct ike *k, const struct ike_packet *p, uint64_t now);
void __real_ike_run(struct ike *k, uint64_t now);
void __wrap_ike_run(struct ike *k, uint64_t now);

void __wrap_ike_input(struct ike *k, const struct ike_packet *p, uint64_t now)
{
	on();
	__real_ike_input(k, p, now);
	off(net->turn);
}

void __wrap_ike_run(struct ike *k, uint64_t now)
{
	on();
	__real_ike_run(k, now);
	off(net->turn);
}

/* ---- the host's functions -------------------------------------------------------------------- */

static void host_send(void *ctx, const struct ike_packet *p)
{
	off(net->turn);
	real[net->turn].send(ctx, p);
	on();
}

static int host_spi_alloc(void *ctx, uint32_t *spi)
{
	int rc;

	off(net->turn);
	rc = real[net->turn].spi_alloc(ctx, spi);
	on();
	return rc;
}

static void host_spi_release(void *ctx, uint32_t spi)
{
	off(net->turn);
	real[net->turn].spi_release(ctx, spi);
	on();
}

static int host_install(void *ctx, struct ike_child_sa *c, bool activate)
{
	int rc;

	off(net->turn);
	rc = real[net->turn].child_install(ctx, c, activate);
	on();
	return rc;
}

static void host_activate(void *ctx, struct ike_child_sa *c)
{
	off(net->turn);
	real[net->turn].child_activate(ctx, c);
	on();
}

static void host_remove(void *ctx, struct ike_child_sa *c)
{
	off(net->turn);
	real[net->turn].child_remove(ctx, c);
	on();
}

static void host_usage(void *ctx, const struct ike_child_sa *c, struct ike_child_usage *u)
{
	off(net->turn);
	real[net->turn].child_usage(ctx, c, u);
	on();
}

static void host_event(void *ctx, const struct ike_event *e)
{
	off(net->turn);
	real[net->turn].event(ctx, e);
	on();
}

void meter_attach(struct net *n)
{
	net = n;
	for (int i = 0; i < 2; i++) {
		struct ike_host *vt = &n->host[i].vt;

		real[i] = *vt;
		vt->send = host_send;
		vt->spi_alloc = host_spi_alloc;
		vt->spi_release = host_spi_release;
		vt->child_install = host_install;
		vt->child_activate = host_activate;
		vt->child_remove = host_remove;
		vt->child_usage = host_usage;
		vt->event = host_event;
	}
	meter_reset();
}

void meter_reset(void)
{
	memset(meter, 0, sizeof(meter));
}

double meter_cost_ns(void)
{
	enum { TIMES = 2000 };
	struct meter saved = meter[0];
	double cost;

	meter_reset();
	for (unsigned i = 0; i < TIMES; i++) {
		on();
		off(0);
	}
	cost = (double)meter[0].cpu_ns / TIMES;
	meter[0] = saved;
	return cost;
}
