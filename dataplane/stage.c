/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <errno.h>

#include "dp.h"

void stage_charge(struct stage_clock *c, enum stage s, uint16_t n)
{
	uint64_t now = rte_rdtsc();

	count_add(&c->cycles[s], now - c->last);
	count_add(&c->packets[s], n);
	c->last = rte_rdtsc(); /* the counting is not the next stage's either */
}

int dp_stage_stats(unsigned worker, unsigned i, struct dp_stage *s)
{
	static const struct {
		const char *name, *help;
	} text[STAGE_MAX] = {
#define X(id, name, help) [id] = {name, help},
		STAGES(X)
#undef X
	};
	const struct worker *w = worker < dp.n_workers ? dp.worker[worker] : NULL;

	if (!w || i >= STAGE_MAX)
		return -ENOENT;
	*s = (struct dp_stage){.name = text[i].name,
			       .help = text[i].help,
			       .packets = count_read(&w->stage.packets[i]),
			       .cycles = count_read(&w->stage.cycles[i])};
	return 0;
}
