/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the ends of a gateway authenticate themselves: we by local-certificate, the peer by certificate-profile, and
 * by the pre-shared key whoever has no such thing.
 */
#include "config_read.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cert.h"

/* Recommended least length of a pre-shared key: what an eavesdropper can try offline must be long. */
enum { PSK_RECOMMENDED = 32 };

/* ---- pre-shared keys: never echoed ------------------------------------------------------------- */

static void psk_set(struct cfg_obj *o, const config_setting_t *at, const char *key, const char *psk,
		    size_t len, struct ike_gw_conf *g)
{
	if (len == 0 || len > IKE_PSK_MAX) {
		cfg_error(o, at, key, "found %zu characters; allowed: 1 to %d", len, IKE_PSK_MAX);
		return;
	}
	memcpy(g->psk, psk, len);
	g->psk_len = (uint16_t)len;
	if (isspace((unsigned char)psk[0]) || isspace((unsigned char)psk[len - 1]))
		cfg_warn(o, at, key,
			 "begins or ends with white space, which counts: the peer needs it as well");
	else if (len >= 2 && psk[0] == psk[len - 1] && strchr("\"'", psk[0]))
		cfg_warn(o, at, key, "stands in quotes that belong to the key: the peer needs them as well");
	if (len < PSK_RECOMMENDED)
		cfg_warn(o, at, key, "has %zu characters; recommended: at least %d", len, PSK_RECOMMENDED);
}

char *cfg_secret_file(struct cfg_obj *o, const config_setting_t *at, const char *key, size_t max, size_t *len)
{
	const char *name = cfg_string(o, key, CFG_OPTIONAL, "the path of a file that holds the key alone");
	char path[1024], *text;
	unsigned mode;
	int rc;

	if (!name)
		return NULL;
	cfg_path_beside(o->l, name, path, sizeof(path));
	/* One byte over the limit and a line end, so that a key that is too long is told as such. */
	rc = cfg_slurp(path, max + 3, &text, len, &mode);
	if (rc < 0) {
		cfg_error(o, at, key, "\"%s\": %s", path,
			  rc == -EFBIG    ? "longer than any key"
			  : rc == -EINVAL ? "not a regular file"
					  : strerror(-rc));
		return NULL;
	}
	if (mode & 077)
		cfg_warn(o, at, key, "\"%s\" may be read or written by others; recommended: mode 0600", path);
	while (*len && (text[*len - 1] == '\n' || text[*len - 1] == '\r'))
		--*len;
	return text;
}

static void psk_from_file(struct cfg_obj *o, const config_setting_t *m, struct ike_gw_conf *g)
{
	static const char key[] = "pre-shared-key-file";
	size_t len;
	char *text = cfg_secret_file(o, m, key, IKE_PSK_MAX, &len);

	if (!text)
		return;
	psk_set(o, m, key, text, len, g);
	explicit_bzero(text, len);
	free(text);
}

static void read_psk(struct cfg_obj *o, struct ike_gw_conf *g, bool needed)
{
	static const char key[] = "pre-shared-key";
	const config_setting_t *m = config_setting_get_member(o->s, key);
	const config_setting_t *f = config_setting_get_member(o->s, "pre-shared-key-file");
	const char *v = m ? config_setting_get_string(m) : NULL;
	char found[CFG_FOUND];

	if (m && f)
		cfg_error(o, f, "pre-shared-key-file",
			  "stands beside pre-shared-key; allowed: one of the two");
	else if (!m && !f && needed)
		cfg_error(o, NULL, key,
			  "missing; allowed: a string, or pre-shared-key-file = the path of a file; or "
			  "local-certificate and certificate-profile");
	else if (!m && !f)
		return;
	else if (!needed)
		cfg_error(
			o, m ? m : f, m ? key : "pre-shared-key-file",
			"has no effect with both local-certificate and certificate-profile; allowed: one of the "
			"three taken out");
	else if (f)
		psk_from_file(o, f, g);
	else if (!v)
		cfg_error(o, m, key, "found %s; allowed: a string", cfg_found(m, true, found));
	else
		psk_set(o, m, key, v, strlen(v), g);
}

/* ---- which method --------------------------------------------------------------------------------- */

void cfg_read_authentication(struct cfg_obj *o, struct cfg_gateway *gw)
{
	bool own = cfg_name(o, "local-certificate", CFG_OPTIONAL, false, gw->certificate);
	bool trust = cfg_name(o, "certificate-profile", CFG_OPTIONAL, false, gw->cert_profile);

	read_psk(o, &gw->ike, !own || !trust);
	cfg_bool(o, "rsa-sha1", &gw->ike.rsa_sha1);
	if (gw->ike.rsa_sha1 && !own && !trust)
		cfg_error(
			o, config_setting_get_member(o->s, "rsa-sha1"), "rsa-sha1",
			"has no effect without local-certificate or certificate-profile; allowed: with one of "
			"them");
	else if (gw->ike.rsa_sha1)
		cfg_warn(o, config_setting_get_member(o->s, "rsa-sha1"), "rsa-sha1",
			 "lets SHA-1 sign, which is broken; recommended: only until the peer knows RFC 7427");
}

/* Certificates are few: a walk finds them. */
static struct cert_own *own_by_name(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_certificates; i++)
		if (strcmp(c->certificates[i].name, name) == 0)
			return c->certificates[i].own;
	return NULL;
}

static struct cert_profile *profile_by_name(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_cert_profiles; i++)
		if (strcmp(c->cert_profiles[i].name, name) == 0)
			return c->cert_profiles[i].profile;
	return NULL;
}

static bool named(const char *name, const char *objects, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(objects + i * size, name) == 0)
			return true;
	return false;
}

static void unknown_name(const struct cfg_obj *o, const char *key, const char *name, const char *list)
{
	cfg_error(o, config_setting_get_member(o->s, key), key,
		  "found \"%s\", but nothing in %s has that name; allowed: a name that stands there", name,
		  list);
}

/* We say who we are as the certificate does, or else the peer will not believe it. */
static void check_own_identity(const struct cfg_obj *o, struct ike_gw_conf *g)
{
	char has[512];

	if (!g->local_id.type && cert_own_dn(g->own, &g->local_id))
		return;
	if (!cert_own_is(g->own, &g->local_id, has, sizeof(has)))
		cfg_error(o, config_setting_get_member(o->s, "local-id"), "local-id",
			  "%s; allowed: one of %s",
			  g->local_id.type
				  ? "is not in local-certificate"
				  : "missing, and the subject of local-certificate is too long for one",
			  has[0] ? has : "(it has no name at all)");
}

void cfg_check_authentication(struct cfg_load *l)
{
	struct config *c = l->conf;

	for (size_t i = 0; i < c->n_gateways; i++) {
		struct cfg_gateway *g = &c->gateways[i];
		struct cfg_obj o = {.l = l, .s = l->src.gateways[i], .kind = "ike-gateway"};

		snprintf(o.name, sizeof(o.name), "%s", g->ike.name);
		if (g->certificate[0] && !named(g->certificate, (const char *)c->certificates,
						c->n_certificates, sizeof(c->certificates[0])))
			unknown_name(&o, "local-certificate", g->certificate, "certificates");
		if (g->cert_profile[0] && !named(g->cert_profile, (const char *)c->cert_profiles,
						 c->n_cert_profiles, sizeof(c->cert_profiles[0])))
			unknown_name(&o, "certificate-profile", g->cert_profile, "certificate-profiles");
		g->ike.own = own_by_name(c, g->certificate);
		g->ike.trust = profile_by_name(c, g->cert_profile);
		if (g->ike.own)
			check_own_identity(&o, &g->ike);
	}
}
