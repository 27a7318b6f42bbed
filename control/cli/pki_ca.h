/* SPDX-License-Identifier: Apache-2.0 */
/* Making keys, certificates and revocation lists, as files of one folder: ca.pem, ca.key, ca.crl, NAME.pem, NAME.key. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { PKI_SANS = 16 };

struct pki_wish {
	const char *dir, *name,
		*type; /* type: "p256" "p384" "p521" "rsa2048" "rsa3072" "rsa4096" "ed25519" */
	const char *san[PKI_SANS];
	size_t n_san;
	const char *cdp, *ocsp; /* URLs that go into the certificate; NULL: none */
	int days;
};

/* Each: 0, or -1 when it has said why on stderr; what was written is told on stdout. */
int pki_ca(const struct pki_wish *w);
int pki_issue(const struct pki_wish *w);
/* revoke: certificate files; what the list had stays on it. */
int pki_crl(const struct pki_wish *w, char **revoke, size_t n);
