/* SPDX-License-Identifier: Apache-2.0 */
#include "echo_user.h"

#include <stddef.h>

static struct cli_echo *users;

int cli_echo_open(struct cli_echo *u)
{
	int rc = dp_echo_open(&u->id);

	if (rc < 0)
		return rc;
	u->next = users;
	users = u;
	return 0;
}

void cli_echo_close(struct cli_echo *u)
{
	struct cli_echo **link = &users;

	while (*link && *link != u)
		link = &(*link)->next;
	if (!*link)
		return;
	*link = u->next;
	dp_echo_close(u->id);
}

static struct cli_echo *find(uint16_t id)
{
	struct cli_echo *u = users;

	while (u && u->id != id)
		u = u->next;
	return u;
}

void cli_echo_answer(const struct dp_echo_answer *a)
{
	struct cli_echo *u = find(a->echo.id);

	if (u)
		u->answer(u, a);
}

void cli_echo_error(const struct dp_echo_error *e)
{
	struct cli_echo *u = find(e->id);

	if (u)
		u->error(u, e);
}
