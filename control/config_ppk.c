/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway's postquantum preshared key (RFC 8784): text, or "0x…" for any bytes.
 *
 *     ppk = { id = "branch-1"; key-file = "branch-1.ppk"; required = true; };
 */
#include "config_read.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* RFC 8784 6: 256 bits of entropy. */
enum { PPK_RECOMMENDED = 32 };

static const char allowed[] =
	"found %zu bytes; allowed: 1 to %d, as text or as 0x and pairs of hexadecimal digits";

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

static void key_set(struct cfg_obj *o, const config_setting_t *at, const char *key, const char *text,
		    size_t len, struct ike_gw_conf *g)
{
	bool hex = len > 2 && text[0] == '0' && text[1] == 'x';
	size_t n = hex ? (len - 2) / 2 : len;

	if (n == 0 || n > IKE_PPK_MAX || (hex && len % 2)) {
		cfg_error(o, at, key, allowed, n, IKE_PPK_MAX);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		int hi = hex ? hex_digit(text[2 + 2 * i]) : 0, lo = hex ? hex_digit(text[3 + 2 * i]) : 0;

		if (hi < 0 || lo < 0) {
			cfg_error(o, at, key, allowed, n, IKE_PPK_MAX);
			return;
		}
		g->ppk[i] = (uint8_t)(hex ? hi << 4 | lo : text[i]);
	}
	g->ppk_len = (uint8_t)n;
	if (n < PPK_RECOMMENDED)
		cfg_warn(o, at, key, "has %zu bytes; recommended: at least %d, random ones (RFC 8784 6)", n,
			 PPK_RECOMMENDED);
}

static void key_from_file(struct cfg_obj *o, const config_setting_t *m, struct ike_gw_conf *g)
{
	static const char key[] = "key-file";
	size_t len;
	char *text = cfg_secret_file(o, m, key, 2 + 2 * IKE_PPK_MAX, &len);

	if (!text)
		return;
	key_set(o, m, key, text, len, g);
	explicit_bzero(text, len);
	free(text);
}

static void read_key(struct cfg_obj *o, struct ike_gw_conf *g)
{
	const config_setting_t *m = config_setting_get_member(o->s, "key");
	const config_setting_t *f = config_setting_get_member(o->s, "key-file");
	const char *v = m ? config_setting_get_string(m) : NULL;
	char found[CFG_FOUND];

	if (m && f)
		cfg_error(o, f, "key-file", "stands beside key; allowed: one of the two");
	else if (f)
		key_from_file(o, f, g);
	else if (!m)
		cfg_error(o, NULL, "key", "missing; allowed: a string, or key-file = the path of a file");
	else if (!v)
		cfg_error(o, m, "key", "found %s; allowed: a string", cfg_found(m, true, found));
	else
		key_set(o, m, "key", v, strlen(v), g);
}

void cfg_read_ppk(struct cfg_obj *gw, struct ike_gw_conf *g)
{
	static const char *const known[] = {"id", "key", "key-file", "required", NULL};
	const config_setting_t *m = config_setting_get_member(gw->s, "ppk");
	char found[CFG_FOUND], kind[CFG_KIND];
	struct cfg_obj o;

	if (!m)
		return;
	if (!config_setting_is_group(m)) {
		cfg_error(gw, m, "ppk", "found %s; allowed: { id = \"…\"; key-file = \"…\"; }",
			  cfg_found(m, true, found));
		return;
	}
	o = cfg_sub(gw, m, "ppk", kind);
	cfg_keys(&o, known, NULL);
	if (cfg_text(&o, "id", CFG_REQUIRED, "the name under which the peer has the same key", g->ppk_id,
		     sizeof(g->ppk_id)) &&
	    !g->ppk_id[0])
		cfg_error(&o, config_setting_get_member(m, "id"), "id",
			  "found nothing; allowed: 1 to %d characters", IKE_NAME - 1);
	g->ppk_required = true;
	cfg_bool(&o, "required", &g->ppk_required);
	read_key(&o, g);
}
