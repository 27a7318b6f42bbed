/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cert.h"
#include "reason.h"
#include "wire.h"

const char *id_str(const struct ike_id *id, char *buf, size_t cap)
{
	struct addr a;
	char s[ADDR_STR];
	size_t n = 0;

	switch (id->type) {
	case 0: snprintf(buf, cap, "any"); break;
	case ID_IPV4_ADDR:
	case ID_IPV6_ADDR:
		if (id->len != (id->type == ID_IPV4_ADDR ? 4 : 16)) {
			snprintf(buf, cap, "malformed address");
			break;
		}
		a = id->len == 4 ? addr_v4(id->data) : addr_v6(id->data);
		snprintf(buf, cap, "%s", addr_str(&a, s));
		break;
	case ID_FQDN:
	case ID_RFC822_ADDR:
		/* Whatever a peer sends must not reach a terminal as control characters. */
		for (size_t i = 0; i < id->len && n + 1 < cap; i++)
			buf[n++] = isprint(id->data[i]) ? (char)id->data[i] : '?';
		buf[n] = '\0';
		break;
	case ID_DER_ASN1_DN:
		n = (size_t)snprintf(buf, cap, "dn:");
		cert_dn_str((struct bytes){.p = id->data, .len = id->len}, buf + n, cap - n);
		break;
	default:
		n = (size_t)snprintf(buf, cap, "%s", id->type == ID_KEY_ID ? "keyid:" : "id:");
		for (size_t i = 0; i < id->len && n + 3 < cap; i++)
			n += (size_t)snprintf(buf + n, cap - n, "%02x", id->data[i]);
	}
	return buf;
}

const char *id_type_str(const struct ike_id *id)
{
	switch (id->type) {
	case 0: return "any";
	case ID_IPV4_ADDR:
	case ID_IPV6_ADDR: return "ipaddr";
	case ID_FQDN: return "fqdn";
	case ID_RFC822_ADDR: return "ufqdn";
	case ID_DER_ASN1_DN: return "dn";
	case ID_KEY_ID: return "keyid";
	default: return "unknown";
	}
}

/* What an operator would have typed, len bytes; of most types that is what goes over the wire. */
static const char *typed(const struct ike_id *id, char buf[ID_STR], size_t *len)
{
	switch (id->type) {
	case ID_FQDN:
	case ID_RFC822_ADDR:
	case ID_KEY_ID: *len = id->len; return (const char *)id->data;
	case ID_DER_ASN1_DN: cert_dn_str((struct bytes){.p = id->data, .len = id->len}, buf, ID_STR); break;
	default: id_str(id, buf, ID_STR);
	}
	*len = strlen(buf);
	return buf;
}

bool id_alike(const struct ike_id *a, const struct ike_id *b)
{
	char s[ID_STR], t[ID_STR];
	const char *x, *y;
	size_t n, m;

	if (!a->type || !b->type || a->type == b->type)
		return false;
	x = typed(a, s, &n);
	y = typed(b, t, &m);
	return n > 0 && n == m && strncasecmp(x, y, n) == 0;
}
