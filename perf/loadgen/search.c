/* SPDX-License-Identifier: Apache-2.0 */
#include "search.h"

double search_run(const struct search *s, bool *limited)
{
	double good = 0, bad = s->most * (1 + s->resolution), rate = s->most;

	*limited = false;
	while (bad - good > s->resolution * bad) {
		enum search_outcome o = s->trial(s->arg, rate);

		if (o == SEARCH_PASS) {
			good = rate;
		} else {
			bad = rate;
			*limited = o == SEARCH_SHORT;
		}
		/* A gateway that passes nothing is not asked for ever. */
		if (bad < s->most * s->resolution / 10)
			return 0;
		rate = (good + bad) / 2;
	}
	/* Nothing above the wanted rate was tried. */
	if (good >= s->most * (1 - s->resolution / 2))
		*limited = false;
	return good;
}
