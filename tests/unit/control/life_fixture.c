/* SPDX-License-Identifier: Apache-2.0 */
#include "life_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

int life_setup(void **state)
{
	dice_seed(1);
	net_init(&net, 1);
	return 0;
}

void life_again(unsigned seed)
{
	net_end(&net);
	dice_seed(seed);
	net_init(&net, seed);
}

void life_up_for(unsigned children, struct lives l)
{
	struct ike_gw_conf a = net_conf(NET_A, children), b = net_conf(NET_B, children);

	if (l.ike_a)
		a.lifetime_s = l.ike_a;
	if (l.ike_b)
		b.lifetime_s = l.ike_b;
	for (unsigned i = 0; i < children; i++) {
		if (l.child_a)
			a.children[i].lifetime_s = l.child_a;
		if (l.child_b)
			b.children[i].lifetime_s = l.child_b;
	}
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	assert_true(net_until(&net, net_up, 60 * NET_S));
	net_run(&net, 5 * NET_S);
	net_check_pairs(&net);
}

void life_up(unsigned children)
{
	life_up_for(children, (struct lives){0});
}
