/* SPDX-License-Identifier: Apache-2.0 */
#include "pki.h"

#include <getopt.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cert_int.h"
#include "pki_ca.h"

enum { FILE_MAX = 1 << 20, SOON_DAYS = 30, USAGE = 2 };

static void usage(FILE *out)
{
	fputs("usage: culvert pki ca    [--dir DIR] [--name DN] [--type TYPE] [--days N]\n"
	      "       culvert pki issue [--dir DIR] --name DN [--san NAME]… [--type TYPE] [--days N]\n"
	      "                         [--crl-url URL] [--ocsp-url URL]\n"
	      "       culvert pki crl   [--dir DIR] [--days N] [CERTIFICATE…]\n"
	      "       culvert pki show  FILE…\n"
	      "A small CA for labs: ca.pem, ca.key, ca.crl and each NAME.pem, NAME.key in DIR (default: here).\n"
	      "crl revokes the certificates named, beside those revoked before.  show says which identities a\n"
	      "certificate would match, and until when; exit status 1 when one is out of date or nearly.\n"
	      "  DN    \"C=CH, O=Example, CN=hq.example.com\"\n"
	      "  NAME  a host name, an address, or a mail address: what peer-id at the other end may be\n"
	      "  TYPE  p256 (default), p384, p521, rsa2048, rsa3072, rsa4096, ed25519\n",
	      out);
}

/* ---- show -------------------------------------------------------------------------------------------------------- */

static char *slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *text = f ? malloc(FILE_MAX) : NULL;

	*len = text ? fread(text, 1, FILE_MAX, f) : 0;
	if (f)
		fclose(f);
	return text;
}

/* true: it is good for a while yet. */
static bool show_cert(X509 *x)
{
	int64_t now = (int64_t)time(NULL);
	struct cert_info i;
	char ids[1024], from[CERT_TIME], to[CERT_TIME];
	const char *state;

	cert_info_of(x, &i);
	cert_ids(x, ids, sizeof(ids));
	state = i.not_after < now                       ? "  EXPIRED"
		: i.not_before > now                    ? "  NOT YET VALID"
		: i.not_after < now + SOON_DAYS * 86400 ? "  expires soon"
							: "";
	printf("%s\n  issuer       %s\n  matches      %s\n  key          %s\n", i.subject, i.issuer,
	       ids[0] ? ids : "nothing", i.key);
	printf("  valid        %s to %s%s\n", cert_time_str(i.not_before, from),
	       cert_time_str(i.not_after, to), state);
	printf("  CA           %s\n  serial       %s\n  SHA-256      %s\n", X509_check_ca(x) ? "yes" : "no",
	       i.serial, i.fingerprint);
	return !state[0];
}

static bool show_crl(const struct cert_text *t)
{
	BIO *b = BIO_new_mem_buf(t->b.p, (int)t->b.len);
	X509_CRL *l = b ? PEM_read_bio_X509_CRL(b, NULL, NULL, NULL) : NULL;
	char name[256], to[CERT_TIME];
	bool good;

	BIO_free(b);
	if (!l) {
		fprintf(stderr, "culvert pki: %s: neither certificates nor a revocation list\n", t->name);
		return false;
	}
	X509_NAME_oneline(X509_CRL_get_issuer(l), name, sizeof(name));
	good = cert_time(X509_CRL_get0_nextUpdate(l)) > (int64_t)time(NULL);
	printf("revocation list of %s\n  revoked      %d\n  next update  %s%s\n", name,
	       sk_X509_REVOKED_num(X509_CRL_get_REVOKED(l)) > 0 ? sk_X509_REVOKED_num(X509_CRL_get_REVOKED(l))
								: 0,
	       cert_time_str(cert_time(X509_CRL_get0_nextUpdate(l)), to), good ? "" : "  OUT OF DATE");
	X509_CRL_free(l);
	return good;
}

static bool show(const char *path)
{
	struct cert_text t = {.name = path};
	char *text = slurp(path, &t.b.len);
	STACK_OF(X509) *all = NULL;
	bool good = true;

	if (!text) {
		fprintf(stderr, "culvert pki: %s: cannot be read\n", path);
		return false;
	}
	t.b.p = (const uint8_t *)text;
	all = cert_read_all(&t);
	for (int i = 0; i < sk_X509_num(all); i++)
		good = show_cert(sk_X509_value(all, i)) && good;
	if (!all)
		good = show_crl(&t);
	sk_X509_pop_free(all, X509_free);
	free(text);
	return good;
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

static int number(const char *s)
{
	char *end;
	long v = strtol(s, &end, 10);

	return *s && !*end && v >= 1 && v <= 36500 ? (int)v : 0;
}

static bool options(int argc, char **argv, struct pki_wish *w)
{
	static const struct option all[] = {
		{"dir", required_argument, NULL, 'd'},      {"name", required_argument, NULL, 'n'},
		{"san", required_argument, NULL, 's'},      {"type", required_argument, NULL, 't'},
		{"days", required_argument, NULL, 'D'},     {"crl-url", required_argument, NULL, 'c'},
		{"ocsp-url", required_argument, NULL, 'o'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "", all, NULL)) != -1) {
		switch (c) {
		case 'd': w->dir = optarg; break;
		case 'n': w->name = optarg; break;
		case 't': w->type = optarg; break;
		case 'c': w->cdp = optarg; break;
		case 'o': w->ocsp = optarg; break;
		case 'D': w->days = number(optarg); break;
		case 's':
			if (w->n_san == PKI_SANS)
				return false;
			w->san[w->n_san++] = optarg;
			break;
		default: return false;
		}
	}
	return w->days;
}

int pki_main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	struct pki_wish w = {.dir = ".", .type = "p256", .days = 365};
	bool good = true;

	if (strcmp(verb, "help") == 0 || strcmp(verb, "--help") == 0) {
		usage(stdout);
		return 0;
	}
	argc--;
	argv++;
	if (argc < 1 || !options(argc, argv, &w)) {
		usage(stderr);
		return USAGE;
	}
	if (strcmp(verb, "crl") == 0)
		return pki_crl(&w, argv + optind, (size_t)(argc - optind)) ? 1 : 0;
	if (strcmp(verb, "show") == 0 && optind < argc) {
		for (int i = optind; i < argc; i++)
			good = show(argv[i]) && good;
		return good ? 0 : 1;
	}
	if (optind == argc && strcmp(verb, "ca") == 0) {
		w.name = w.name ? w.name : "O=culvert lab, CN=culvert lab CA";
		return pki_ca(&w) ? 1 : 0;
	}
	if (optind == argc && strcmp(verb, "issue") == 0 && w.name)
		return pki_issue(&w) ? 1 : 0;
	usage(stderr);
	return USAGE;
}
