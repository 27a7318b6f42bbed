/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private keys that stay in a token: by PKCS#11 (RFC 7512 URIs), through OpenSSL's provider "pkcs11" where that is
 * installed (pkcs11-provider, Debian 13), else through its engine (libengine-pkcs11-openssl, Debian 12).
 *
 * The token signs on the control thread, which waits for it: an HSM in the machine takes a few milliseconds.  One behind a
 * network that hangs holds up negotiations, not traffic.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* engines: all that Debian 12 has */
#include "cert_key.h"

#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODULE_MAX = 256, URI_MAX = 1024 };

/* "module-path" of the URI's query: the library that drives the token. */
static bool module_of(const char *uri, char module[MODULE_MAX])
{
	static const char key[] = "module-path=";
	const char *p = strstr(uri, key);
	size_t n;

	if (!p)
		return false;
	p += sizeof(key) - 1;
	n = strcspn(p, "&;?");
	if (!n || n >= MODULE_MAX)
		return false;
	memcpy(module, p, n);
	module[n] = '\0';
	return true;
}

/* A URI to be shown: without the PIN, if that stands in it. */
static const char *shown(const char *uri, char buf[URI_MAX])
{
	static const char key[] = "pin-value=";
	const char *p = strstr(uri, key);
	size_t head = p ? (size_t)(p - uri) + sizeof(key) - 1 : strlen(uri);

	snprintf(buf, URI_MAX, "%.*s%s%s", (int)head, uri, p ? "***" : "",
		 p ? p + sizeof(key) - 1 + strcspn(p + sizeof(key) - 1, "&;?") : "");
	return buf;
}

/* ---- provider ---------------------------------------------------------------------------------------------------- */

static int give_pin(char *buf, int size, int for_writing, void *arg)
{
	const char *pin = arg;
	size_t n = pin ? strnlen(pin, (size_t)size + 1) : 0;

	if (!n || n > (size_t)size)
		return -1;
	memcpy(buf, pin, n);
	return (int)n;
}

static EVP_PKEY *by_provider(const char *uri, const char *pin)
{
	UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give_pin, 0);
	OSSL_STORE_CTX *s = ui ? OSSL_STORE_open(uri, ui, (void *)(uintptr_t)pin, NULL, NULL) : NULL;
	EVP_PKEY *k = NULL;

	if (s)
		OSSL_STORE_expect(s, OSSL_STORE_INFO_PKEY);
	while (s && !k && !OSSL_STORE_eof(s)) {
		OSSL_STORE_INFO *i = OSSL_STORE_load(s);

		if (!i)
			break;
		if (OSSL_STORE_INFO_get_type(i) == OSSL_STORE_INFO_PKEY)
			k = OSSL_STORE_INFO_get1_PKEY(i);
		OSSL_STORE_INFO_free(i);
	}
	OSSL_STORE_close(s);
	UI_destroy_method(ui);
	return k;
}

/* ---- engine ------------------------------------------------------------------------------------------------------ */

/* One for the process: a module is initialized once. */
static ENGINE *engine(const char *module)
{
	static ENGINE *e;

	if (e)
		return e;
	ENGINE_load_dynamic();
	e = ENGINE_by_id("pkcs11");
	if (e && (ENGINE_ctrl_cmd_string(e, "MODULE_PATH", module, 0) != 1 || ENGINE_init(e) != 1)) {
		ENGINE_free(e);
		e = NULL;
	}
	return e;
}

static EVP_PKEY *by_engine(const char *uri, const char *module, const char *pin)
{
	ENGINE *e = engine(module);
	char path[URI_MAX];

	/* It knows the path of a URI, but no query. */
	if ((size_t)snprintf(path, sizeof(path), "%.*s", (int)strcspn(uri, "?"), uri) >= sizeof(path))
		return NULL;
	if (!e || (pin && ENGINE_ctrl_cmd_string(e, "PIN", pin, 0) != 1))
		return NULL;
	return ENGINE_load_private_key(e, path, NULL, NULL);
}

/* ---- either ------------------------------------------------------------------------------------------------------- */

EVP_PKEY *cert_key_token(const char *uri, const char *pin, char err[CERT_ERR])
{
	char module[MODULE_MAX], buf[URI_MAX];
	EVP_PKEY *k;

	if (!module_of(uri, module)) {
		snprintf(err, CERT_ERR,
			 "\"%.150s\" does not say which module drives the token; allowed: with "
			 "?module-path=/usr/lib/…",
			 shown(uri, buf));
		return NULL;
	}
	/* Read when the provider is loaded for the first time. */
	setenv("PKCS11_PROVIDER_MODULE", module, 0);
	if (OSSL_PROVIDER_try_load(NULL, "pkcs11", 1))
		k = by_provider(uri, pin);
	else
		k = by_engine(uri, module, pin);
	if (!k)
		snprintf(err, CERT_ERR,
			 "no private key \"%.120s\": %s; allowed: a token that is there, its PIN in "
			 "passphrase-file, and OpenSSL's pkcs11 provider or engine installed",
			 shown(uri, buf),
			 ERR_peek_last_error() ? ERR_reason_error_string(ERR_peek_last_error())
					       : "not found");
	ERR_clear_error();
	return k;
}
