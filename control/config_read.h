/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading libconfig settings into the model, key by key, and saying what is wrong with them.  Only the
 * config*.c files include this.
 *
 * Every complaint is one line:  FILE:LINE: KIND "NAME": KEY: found X; allowed: Y
 */
#pragma once

#include <libconfig.h>
#include <stdarg.h>

#include "config.h"

/* Lines passed on before the rest is only counted: one per line of a huge file helps nobody, and warnings
 * must not crowd out an error. */
enum { CFG_ERRORS_MAX = 200, CFG_WARNINGS_MAX = 50 };

/* Where the objects of the model stand in the file, by the same index. */
struct cfg_sources {
	const config_setting_t **interfaces, **routes, **ike_profiles, **ipsec_profiles, **gateways,
		**tunnels, **rules, **certificates, **cert_profiles;
};

/* A load that is going on. */
struct cfg_load {
	const char *path;
	config_say_fn *say;
	void *arg;
	unsigned errors, warnings;
	bool paths_unsure; /* something is wrong with interfaces or routes: say nothing that follows from them */
	struct config *conf;
	struct cfg_sources src;
};

/* One object of the file: a group with a kind, and a name once it has been read. */
struct cfg_obj {
	struct cfg_load *l;
	const config_setting_t *s;
	const char *kind; /* "ike-gateway" */
	char name[CFG_NAME];
};

enum cfg_need { CFG_OPTIONAL, CFG_REQUIRED };

/* A word of a key's vocabulary.  A word with `refused` is known, and not accepted for that reason. */
struct cfg_word {
	const char *word;
	uint16_t id, bits;
	const char *refused;
};

/* Complain.  `at`: the setting whose line is shown (NULL: the object's); key NULL: about the object. */
void cfg_error(const struct cfg_obj *o, const config_setting_t *at, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void cfg_warn(const struct cfg_obj *o, const config_setting_t *at, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* An object inside an object, `s` under key of o; kind is room for what it is called. */
enum { CFG_KIND = 2 * CFG_NAME + 64 };
struct cfg_obj cfg_sub(const struct cfg_obj *o, const config_setting_t *s, const char *key,
		       char kind[CFG_KIND]);
/* A line about the file as a whole, or a line of it that is no object's; line 0: none. */
void cfg_file_error(struct cfg_load *l, const char *file, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* What is wrong with the text before libconfig reads it: numbers it would cut, a byte order mark, brackets without
 * end.  False: said. */
bool cfg_lex(struct cfg_load *l, const char *text);
void cfg_out_of_memory(struct cfg_load *l);

/* What a setting holds, in words: "\"abc\"", "the number 5", "a list".  For secrets pass secret = true. */
enum { CFG_FOUND = 96 };
const char *cfg_found(const config_setting_t *s, bool secret, char buf[CFG_FOUND]);

/* The word of a NULL-terminated list that `found` was probably meant to be, or NULL. */
const char *cfg_nearest(const char *found, const char *const *words);

/* The group's keys must be among `known`; those among `later` (may be NULL) are told apart: they exist,
 * but not in this version.  Both NULL-terminated. */
void cfg_keys(const struct cfg_obj *o, const char *const *known, const char *const *later);

/* Typed members.  The finders return NULL, the others false, when there is no value that can be used:
 * absent, or complained about.  `allowed` is the text behind "allowed: ". */
const config_setting_t *cfg_member(const struct cfg_obj *o, const char *key, enum cfg_need need,
				   const char *allowed);
const char *cfg_string(const struct cfg_obj *o, const char *key, enum cfg_need need, const char *allowed);
/* A string that fits; longer ones are complained about. */
bool cfg_text(const struct cfg_obj *o, const char *key, enum cfg_need need, const char *allowed, char *to,
	      size_t cap);
/* A name: letters, digits, and . _ - (and / where slash). */
bool cfg_name(const struct cfg_obj *o, const char *key, enum cfg_need need, bool slash, char to[CFG_NAME]);
bool cfg_name_ok(const char *s, bool slash);
bool cfg_int(const struct cfg_obj *o, const char *key, enum cfg_need need, long long lo, long long hi,
	     long long *to);
bool cfg_bool(const struct cfg_obj *o, const char *key, bool *to);
bool cfg_addr(const struct cfg_obj *o, const char *key, enum cfg_need need, const char *allowed,
	      struct addr *to);
bool cfg_prefix(const struct cfg_obj *o, const char *key, enum cfg_need need, struct prefix *to);
/* May a host have this address, or be called by it? */
bool cfg_unicast(const struct addr *a);
/* Text of an address or prefix that stands at `at`. */
bool cfg_addr_of(const struct cfg_obj *o, const config_setting_t *at, const char *key, const char *text,
		 const char *allowed, struct addr *to);
bool cfg_prefix_of(const struct cfg_obj *o, const config_setting_t *at, const char *key, const char *text,
		   bool host_bits, struct prefix *to);
/* A word of the vocabulary (terminated by word == NULL). */
const struct cfg_word *cfg_word(const struct cfg_obj *o, const char *key, enum cfg_need need,
				const struct cfg_word *words);
/* Words in order of preference: a list, an array, or a single string.  Returns how many were put into
 * got[]; 0 when absent or complained about. */
unsigned cfg_words(const struct cfg_obj *o, const char *key, enum cfg_need need, const struct cfg_word *words,
		   const struct cfg_word **got, unsigned cap);
/* The same at a setting of its own, which stands under key. */
unsigned cfg_words_of(const struct cfg_obj *o, const config_setting_t *m, const char *key,
		      const struct cfg_word *words, const struct cfg_word **got, unsigned cap);
/* The strings of a list, an array or a single string, one after the other: *i counts. */
const char *cfg_next_string(const struct cfg_obj *o, const config_setting_t *s, const char *key,
			    const char *allowed, int *i, const config_setting_t **at);
/* "443", "5000-5010": ports from 1 to 65535. */
bool cfg_ports_of(const char *s, uint16_t *lo, uint16_t *hi);
/* A span of time as PAN-OS writes it, "28800s" "8h", and an amount of data, "100gb"; "0": no limit. */
bool cfg_seconds(const struct cfg_obj *o, const char *key, uint32_t *to);
bool cfg_bytes(const struct cfg_obj *o, const char *key, uint64_t *to);

/* ---- the kinds of object (config_objects.c, config_crypto.c, config_gateway.c, config_tunnel.c, config_rules.c) ---- */

void cfg_read_system(struct cfg_load *l, const config_setting_t *s);
void cfg_read_interface(struct cfg_obj *o, struct cfg_interface *i);
void cfg_read_route(struct cfg_obj *o, struct cfg_route *r);
void cfg_read_ike_profile(struct cfg_obj *o, struct cfg_ike_profile *p);
/* The additional key exchanges of either (config_ke.c). */
void cfg_read_ake(struct cfg_obj *o, struct ike_algs *a);
void cfg_read_ipsec_profile(struct cfg_obj *o, struct cfg_ipsec_profile *p);
void cfg_read_certificate(struct cfg_obj *o, struct cfg_certificate *c);
void cfg_read_cert_profile(struct cfg_obj *o, struct cfg_cert_profile *p);
void cfg_read_gateway(struct cfg_obj *o, struct cfg_gateway *g);
/* How the ends authenticate themselves (config_auth.c). */
void cfg_read_authentication(struct cfg_obj *o, struct cfg_gateway *g);
void cfg_read_tunnel(struct cfg_obj *o, struct cfg_tunnel *t);
/* A gateway's postquantum preshared key (config_ppk.c). */
void cfg_read_ppk(struct cfg_obj *gw, struct ike_gw_conf *g);
/* The keys of a tunnel that say how it carries packets (config_carry.c). */
void cfg_read_carry(struct cfg_obj *o, struct dp_policy_options *c);
void cfg_read_monitor(struct cfg_obj *tun, struct cfg_monitor *mon);
void cfg_read_rule(struct cfg_obj *o, struct cfg_rule *r);
void cfg_rule_free(struct cfg_rule *r);
void cfg_default_system(struct cfg_system *sys);

/* A whole file's worth of text, or a key: -errno, and the text, NUL-terminated and with room for one more
 * character, to be freed.  *mode gets the file's permissions. */
int cfg_slurp(const char *path, size_t max, char **text, size_t *len, unsigned *mode);

/* What the file that `key` names holds, but for line ends: a secret of at most `max` bytes.  The caller wipes and frees it.
 * NULL: there is no such key, or what is wrong with the file has been said. */
char *cfg_secret_file(struct cfg_obj *o, const config_setting_t *at, const char *key, size_t max,
		      size_t *len);

/* The path of a file named in the configuration: relative to the configuration's own folder. */
void cfg_path_beside(const struct cfg_load *l, const char *name, char *path, size_t cap);

/* ---- what must hold between objects (config_check.c, config_links.c, config_overlap.c, config_rules.c) ---- */

void cfg_check(struct cfg_load *l);
void cfg_check_authentication(struct cfg_load *l);
void cfg_check_interfaces(struct cfg_load *l);
void cfg_check_overlaps(struct cfg_load *l);
void cfg_check_rules(struct cfg_load *l);
void cfg_check_transport(struct cfg_load *l);
void cfg_check_monitors(struct cfg_load *l);
