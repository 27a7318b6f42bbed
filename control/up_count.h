/* SPDX-License-Identifier: Apache-2.0 */
/* Child SAs that are up, counted by name: a tunnel is down when its last one is gone, and a rekey, which has two
 * for a moment, is neither up nor down. */
#pragma once

#include <stdbool.h>

struct up_count; /* a table; NULL is an empty one */

/* One more, or one less, Child SA of that name.  True when this changes whether it has any.  Out of memory shows
 * as a name that never comes up. */
bool up_count_change(struct up_count **table, const char *name, bool up);
void up_count_free(struct up_count **table);
