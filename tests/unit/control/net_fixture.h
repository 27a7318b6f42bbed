/* SPDX-License-Identifier: Apache-2.0 */
/* One network for the tests of a file, made before each of them and looked at for leaks after it. */
#pragma once

#include "net.h"

extern struct net net;
static struct net_host *const A = &net.host[NET_A], *const B = &net.host[NET_B];

/* cmocka's setup and teardown. */
int net_setup(void **state);
int net_teardown(void **state);
/* Both ends get net_conf() with so many proxy-IDs; A starts. */
void net_both(unsigned children);
