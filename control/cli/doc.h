/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building documents.  Every value that can hold bytes of a peer's goes through doc_str(), which makes it
 * valid text.  Out of memory shows as a member that is missing, or as no line at all; never as a crash.
 *
 * Names of members are those of PAN-OS' XML where it has the thing, so that what reads one reads the other.
 */
#pragma once

#include <jansson.h>

#include "config.h"
#include "ctl.h"
#include "ike.h"

void doc_str(json_t *o, const char *key, const char *value);
void doc_int(json_t *o, const char *key, int64_t value);
void doc_uint(json_t *o, const char *key, uint64_t value);
void doc_bool(json_t *o, const char *key, bool value);
void doc_null(json_t *o, const char *key);
/* The array of this name, made if it is not there. */
json_t *doc_list(json_t *o, const char *key);
/* A new object at the end of a list, or below a key.  Owned by what holds it. */
json_t *doc_append(json_t *list);
json_t *doc_object(json_t *o, const char *key);
void doc_addr(json_t *o, const char *key, const struct addr *a);
void doc_spi(json_t *o, const char *key, uint64_t spi);       /* 16 hexadecimal digits */
void doc_wall(json_t *o, const char *key, uint64_t now_time); /* seconds since 1970; null for 0 */
/* {"type": "ipaddr", "value": "192.0.2.1"}; an identity that is not set is that of the address */
void doc_certificate(json_t *o, const char *key, const struct cert_info *i);
void doc_id(json_t *o, const char *key, const struct ike_id *id, const struct addr *address);
void doc_reason(json_t *o, const struct ike_reason *r);
void doc_ts(json_t *o, const char *key, const struct ts_list *l); /* a list of texts */

/* PAN-OS' words: "A256" "G128", "SHA256", "DH14", and long "AES256-CBC" "AES256-GCM16". */
enum { DOC_ALG = 32 };
const char *doc_encr(uint16_t id, uint16_t key_bits, char buf[DOC_ALG]);
const char *doc_encr_long(uint16_t id, uint16_t key_bits, char buf[DOC_ALG]);
const char *doc_integ(uint16_t id); /* "" for none */
const char *doc_prf(uint16_t id);
const char *doc_dh(uint16_t id, char buf[DOC_ALG]);
/* All key exchanges of a suite: "DH31+ML-KEM-768". */
enum { DOC_KE = 128 };
const char *doc_ke(const struct suite_choice *s, char buf[DOC_KE]);
/* A profile's words, in their order, as a list. */
void doc_algs(json_t *o, const struct ike_algs *a);

/* "tunnel" or "tunnel:proxy-id" */
enum { DOC_NAME = 2 * CFG_NAME + 2 };
const char *doc_tunnel_name(const char *tunnel, const char *proxy_id, char buf[DOC_NAME]);
/* Does "tunnel" or "tunnel:proxy-id" name this one?  NULL names all. */
bool doc_tunnel_is(const char *filter, const char *tunnel, const char *proxy_id);
