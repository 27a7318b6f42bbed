/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates of our own, and profiles of what is asked of peers' ones.  The files are read with the configuration. */
#include "config_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cert.h"

enum {
	FILE_BYTES_MAX = 1 << 20,
	CRL_BYTES_MAX = 16 << 20,
	FILES_MAX = 16,
	PASSPHRASE_MAX = 256,
	WARN_DAYS = 30,
	STATUS_TIMEOUT_S = 5,
	STATUS_TIMEOUT_MAX = 20
};

void cfg_path_beside(const struct cfg_load *l, const char *name, char *path, size_t cap)
{
	const char *slash = strrchr(l->path, '/');

	if (name[0] == '/' || !slash)
		snprintf(path, cap, "%s", name);
	else
		snprintf(path, cap, "%.*s/%s", (int)(slash - l->path), l->path, name);
}

/* ---- files ---------------------------------------------------------------------------------------- */

/* A file being used: its text goes when the object is made. */
struct file {
	char path[1024];
	char *text;
	size_t len;
};

static void file_free(struct file *f)
{
	if (f->text)
		explicit_bzero(f->text, f->len);
	free(f->text);
	f->text = NULL;
}

static struct cert_text text_of(const struct file *f)
{
	return (struct cert_text){.name = f->path, .b = {.p = (const uint8_t *)f->text, .len = f->len}};
}

static bool file_read(const struct cfg_obj *o, const config_setting_t *at, const char *key, const char *name,
		      size_t max, bool secret, struct file *f)
{
	unsigned mode;
	int rc;

	*f = (struct file){0};
	cfg_path_beside(o->l, name, f->path, sizeof(f->path));
	rc = cfg_slurp(f->path, max, &f->text, &f->len, &mode);
	if (rc < 0) {
		cfg_error(o, at, key, "\"%s\": %s", f->path,
			  rc == -EFBIG    ? "larger than any such file"
			  : rc == -EINVAL ? "not a regular file"
					  : strerror(-rc));
		return false;
	}
	if (secret && (mode & 077))
		cfg_warn(o, at, key, "\"%s\" may be read or written by others; recommended: mode 0600",
			 f->path);
	return true;
}

/* The files of a list, a string or nothing, each handed to `take`. */
static void each_file(const struct cfg_obj *o, const char *key, enum cfg_need need, const char *what,
		      size_t max,
		      void (*take)(const struct cfg_obj *o, const config_setting_t *at, const char *key,
				   struct file *f, void *arg),
		      void *arg)
{
	const config_setting_t *m = cfg_member(o, key, need, what), *at;
	const char *name;
	int i = 0, n = 0;

	while (m && (name = cfg_next_string(o, m, key, what, &i, &at))) {
		struct file f;

		if (++n > FILES_MAX) {
			cfg_error(o, at, key,
				  "found more than %d files; allowed: %d, of several certificates each",
				  FILES_MAX, FILES_MAX);
			return;
		}
		if (file_read(o, at, key, name, max, false, &f))
			take(o, at, key, &f, arg);
		file_free(&f);
	}
}

/* A certificate that ends soon is told of at every commit. */
static void warn_expiry(const struct cfg_obj *o, const config_setting_t *at, const char *key,
			const struct cert_info *i)
{
	int64_t now = (int64_t)time(NULL);
	char end[CERT_TIME];

	if (i->not_after < now)
		cfg_warn(o, at, key, "\"%s\" expired %s, and will be believed by nobody", i->subject,
			 cert_time_str(i->not_after, end));
	else if (i->not_before > now)
		cfg_warn(o, at, key, "\"%s\" is not valid before %s; is the clock right?", i->subject,
			 cert_time_str(i->not_before, end));
	else if (i->not_after < now + (int64_t)WARN_DAYS * 86400)
		cfg_warn(o, at, key, "\"%s\" expires %s, in %lld days", i->subject,
			 cert_time_str(i->not_after, end), (long long)(i->not_after - now) / 86400);
}

/* ---- our own -------------------------------------------------------------------------------------- */

struct chain {
	struct file files[FILES_MAX];
	struct cert_text text[FILES_MAX];
	size_t n;
};

static void take_chain(const struct cfg_obj *o, const config_setting_t *at, const char *key, struct file *f,
		       void *arg)
{
	struct chain *c = arg;

	c->files[c->n] = *f;
	f->text = NULL;
	c->text[c->n] = text_of(&c->files[c->n]);
	c->n++;
}

static bool read_passphrase(struct cfg_obj *o, char out[PASSPHRASE_MAX + 1])
{
	static const char key[] = "passphrase-file";
	const char *name = cfg_string(o, key, CFG_OPTIONAL,
				      "the path of a file that holds the passphrase alone");
	struct file f;

	if (!name || !file_read(o, config_setting_get_member(o->s, key), key, name, PASSPHRASE_MAX, true, &f))
		return false;
	while (f.len && (f.text[f.len - 1] == '\n' || f.text[f.len - 1] == '\r'))
		f.len--;
	memcpy(out, f.text, f.len);
	out[f.len] = '\0';
	file_free(&f);
	return true;
}

/* The key stands in a file, or the text itself says in which token. */
static bool read_key(struct cfg_obj *o, struct file *f)
{
	static const char key[] = "private-key";
	const char *name = cfg_string(o, key, CFG_REQUIRED, "the path of a PEM file, or a \"pkcs11:\" URI");

	*f = (struct file){0};
	if (!name)
		return false;
	if (strncmp(name, "pkcs11:", 7) != 0)
		return file_read(o, config_setting_get_member(o->s, key), key, name, FILE_BYTES_MAX, true, f);
	snprintf(f->path, sizeof(f->path), "%s", name);
	f->text = strdup(name);
	f->len = strlen(name);
	return f->text;
}

static void make_own(struct cfg_obj *o, struct cfg_certificate *c, const struct file *cert,
		     const struct file *key, const struct chain *chain, bool pss)
{
	char passphrase[PASSPHRASE_MAX + 1], err[CERT_ERR];
	struct cert_own_source s = {.cert = text_of(cert),
				    .chain = chain->text,
				    .n_chain = chain->n,
				    .key = text_of(key),
				    .pss = pss};
	struct cert_info i;

	if (read_passphrase(o, passphrase))
		s.passphrase = passphrase;
	c->own = cert_own_new(&s, err);
	explicit_bzero(passphrase, sizeof(passphrase));
	if (!c->own) {
		cfg_error(o, NULL, NULL, "%s", err);
		return;
	}
	cert_own_info(c->own, &i);
	warn_expiry(o, config_setting_get_member(o->s, "certificate"), "certificate", &i);
}

void cfg_read_certificate(struct cfg_obj *o, struct cfg_certificate *c)
{
	static const char *const known[] = {"name",  "certificate", "private-key", "passphrase-file",
					    "chain", "rsa-pss",     NULL};
	const char *name;
	struct chain chain = {.n = 0};
	struct file cert, key;
	bool pss = false;

	if (cfg_name(o, "name", CFG_REQUIRED, false, c->name))
		memcpy(o->name, c->name, sizeof(o->name));
	cfg_keys(o, known, NULL);
	cfg_bool(o, "rsa-pss", &pss);
	name = cfg_string(o, "certificate", CFG_REQUIRED, "the path of a PEM or DER file");
	if (!name || !file_read(o, config_setting_get_member(o->s, "certificate"), "certificate", name,
				FILE_BYTES_MAX, false, &cert))
		return;
	each_file(o, "chain", CFG_OPTIONAL, "paths of PEM files of intermediate certificates", FILE_BYTES_MAX,
		  take_chain, &chain);
	if (read_key(o, &key))
		make_own(o, c, &cert, &key, &chain, pss);
	file_free(&key);
	file_free(&cert);
	for (size_t i = 0; i < chain.n; i++)
		file_free(&chain.files[i]);
}

/* ---- profiles ------------------------------------------------------------------------------------- */

static void take_ca(const struct cfg_obj *o, const config_setting_t *at, const char *key, struct file *f,
		    void *arg)
{
	struct cert_profile *p = arg;
	struct cert_text t = text_of(f);
	char err[CERT_ERR];

	if (cert_profile_add_ca(p, &t, err) < 0)
		cfg_error(o, at, key, "%s", err);
}

static void take_crl(const struct cfg_obj *o, const config_setting_t *at, const char *key, struct file *f,
		     void *arg)
{
	struct cert_profile *p = arg;
	struct cert_text t = text_of(f);
	char err[CERT_ERR];

	if (cert_profile_add_crl(p, &t, err) < 0)
		cfg_error(o, at, key, "%s", err);
}

/* Where else to ask, and how long to wait for it. */
static void read_status(const struct cfg_obj *o, struct cert_policy *p)
{
	static const char *const keys[] = {"use-crl", "use-ocsp", "ocsp-responder", "status-timeout"};
	const config_setting_t *m = config_setting_get_member(o->s, "ocsp-responder");
	long long s;

	p->use_crl = p->use_ocsp = p->revocation != CERT_REVOCATION_OFF;
	p->timeout_s = STATUS_TIMEOUT_S;
	for (size_t i = 0; !p->use_crl && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (config_setting_get_member(o->s, keys[i]))
			cfg_error(
				o, config_setting_get_member(o->s, keys[i]), keys[i],
				"has no effect with revocation = \"off\"; allowed: with \"soft-fail\" or \"strict\"");
	cfg_bool(o, "use-crl", &p->use_crl);
	cfg_bool(o, "use-ocsp", &p->use_ocsp);
	if (cfg_int(o, "status-timeout", CFG_OPTIONAL, 1, STATUS_TIMEOUT_MAX, &s))
		p->timeout_s = (uint16_t)s;
	if (cfg_text(o, "ocsp-responder", CFG_OPTIONAL, "a URL of http or https", p->ocsp_url,
		     sizeof(p->ocsp_url)) &&
	    strncmp(p->ocsp_url, "http://", 7) != 0 && strncmp(p->ocsp_url, "https://", 8) != 0)
		cfg_error(o, m, "ocsp-responder", "found \"%s\"; allowed: a URL of http or https",
			  p->ocsp_url);
}

void cfg_read_cert_profile(struct cfg_obj *o, struct cfg_cert_profile *p)
{
	static const char *const known[] = {"name",
					    "ca",
					    "crl",
					    "revocation",
					    "use-crl",
					    "use-ocsp",
					    "ocsp-responder",
					    "status-timeout",
					    "extended-key-usage",
					    NULL};
	static const struct cfg_word revocations[] = {{"off", CERT_REVOCATION_OFF},
						      {"soft-fail", CERT_REVOCATION_SOFT},
						      {"strict", CERT_REVOCATION_STRICT},
						      {0}};
	static const struct cfg_word usages[] = {{"any", 0}, {"ike", 1}, {0}};
	bool crl = config_setting_get_member(o->s, "crl");
	struct cert_policy policy = {.revocation = crl ? CERT_REVOCATION_SOFT : CERT_REVOCATION_OFF};
	const struct cfg_word *w;

	struct cert_info i;

	if (cfg_name(o, "name", CFG_REQUIRED, false, p->name))
		memcpy(o->name, p->name, sizeof(o->name));
	cfg_keys(o, known, NULL);
	w = cfg_word(o, "revocation", CFG_OPTIONAL, revocations);
	if (w)
		policy.revocation = (enum cert_revocation)w->id;
	read_status(o, &policy);
	w = cfg_word(o, "extended-key-usage", CFG_OPTIONAL, usages);
	policy.ike_usage = w && w->id;
	p->profile = cert_profile_new(&policy);
	if (!p->profile) {
		cfg_out_of_memory(o->l);
		return;
	}
	each_file(o, "ca", CFG_REQUIRED, "paths of PEM files of the CAs that are trusted", FILE_BYTES_MAX,
		  take_ca, p->profile);
	each_file(o, "crl", CFG_OPTIONAL, "paths of certificate revocation lists", CRL_BYTES_MAX, take_crl,
		  p->profile);
	for (unsigned n = 0; cert_profile_anchor(p->profile, n, &i); n++)
		warn_expiry(o, config_setting_get_member(o->s, "ca"), "ca", &i);
}
