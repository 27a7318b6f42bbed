/* SPDX-License-Identifier: Apache-2.0 */
#include "up_count.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

struct up_count {
	char *name;
	unsigned n;
	UT_hash_handle hh;
};

static void count_free(struct up_count *u)
{
	free(u->name);
	free(u);
}

static struct up_count *count_new(struct up_count **table, const char *name)
{
	struct up_count *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->name = strdup(name);
	if (!u->name) {
		free(u);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, *table, u->name, strlen(u->name), u);
	return u;
}

bool up_count_change(struct up_count **table, const char *name, bool up)
{
	struct up_count *u;

	HASH_FIND_STR(*table, name, u);
	if (!u && up)
		u = count_new(table, name);
	if (!u)
		return false;
	u->n = up ? u->n + 1 : u->n - 1;
	if (u->n == 0) {
		HASH_DEL(*table, u);
		count_free(u);
		return true;
	}
	return up && u->n == 1;
}

void up_count_free(struct up_count **table)
{
	struct up_count *u = *table, *next;

	HASH_CLEAR(hh, *table); /* the table; its elements are still chained */
	for (; u; u = next) {
		next = u->hh.next;
		count_free(u);
	}
}
