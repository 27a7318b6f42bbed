/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching by HTTP what tells whether a certificate is revoked, on the event loop: nothing here blocks, names are
 * resolved by libcurl's own thread.
 *
 * URLs come out of certificates that a trusted CA signed, or out of the configuration.  Only http and https are
 * spoken, no redirection is followed, size and time are bounded, and addresses of this very host and of a link (loopback,
 * link-local) are not connected to, whatever a name resolves to: a certificate must not make the gateway talk to its
 * own services.  Private addresses are allowed, for that is where a PKI's servers are.
 */
#pragma once

#include "ctl.h"

struct cert_fetch;
struct ctl_fetcher;

/* struct ike_host.fetch; ctx is struct ctl. */
void ctl_fetch(void *ctx, const struct cert_fetch *f);
void ctl_fetch_fini(struct ctl *c);
