/* SPDX-License-Identifier: Apache-2.0 */
/* For diag_facts.c: a packet's way into the tunnel and out of it. */
#pragma once

#include "diag.h"

/* A packet from the proxy-ID's local to its remote network, as test vpn packet would be asked; f->outer_if is known. */
void diag_take_way(const struct ctl *c, const struct ctl_policy *p, struct diag_facts *f);
