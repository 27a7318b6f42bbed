/* SPDX-License-Identifier: Apache-2.0 */
#include "config_read.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_ELEMS(a) (sizeof(a) / sizeof((a)[0]))

/* ---- complaints ------------------------------------------------------------------------------- */

static void line_out(struct cfg_load *l, bool warning, char *line)
{
	unsigned *n = warning ? &l->warnings : &l->errors;
	unsigned max = warning ? CFG_WARNINGS_MAX : CFG_ERRORS_MAX;

	/* One complaint is one line, whatever the strings in the file hold. */
	for (char *c = line; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	if (*n < max)
		l->say(l->arg, warning, line);
	else if (*n == max)
		l->say(l->arg, warning,
		       warning ? "more warnings like these are not shown" : "more errors are not shown");
	(*n)++;
}

static const char *file_of(const struct cfg_load *l, const config_setting_t *s)
{
	const char *f = s ? config_setting_source_file(s) : NULL;

	return f ? f : l->path;
}

static void call(const struct cfg_obj *o, char *who, size_t cap)
{
	if (o->name[0])
		snprintf(who, cap, "%s \"%s\"", o->kind, o->name);
	else if (o->s && o->s->parent && !o->s->name && config_setting_index(o->s) >= 0)
		snprintf(who, cap, "%s no. %d", o->kind, config_setting_index(o->s) + 1);
	else
		snprintf(who, cap, "%s", o->kind);
}

struct cfg_obj cfg_sub(const struct cfg_obj *o, const config_setting_t *s, const char *key,
		       char kind[CFG_KIND])
{
	char who[CFG_NAME + 64];

	call(o, who, sizeof(who));
	snprintf(kind, CFG_KIND, "%s: %s", who, key);
	return (struct cfg_obj){.l = o->l, .s = s, .kind = kind};
}

static void complain(const struct cfg_obj *o, const config_setting_t *at, const char *key, bool warning,
		     const char *fmt, va_list ap)
{
	const config_setting_t *s = at ? at : o->s;
	char text[768], line[1400], who[CFG_KIND + CFG_NAME];

	vsnprintf(text, sizeof(text), fmt, ap);
	call(o, who, sizeof(who));
	snprintf(line, sizeof(line), "%s:%u: %s: %s%s%s", file_of(o->l, s),
		 s ? config_setting_source_line(s) : 0, who, key ? key : "", key ? ": " : "", text);
	line_out(o->l, warning, line);
}

void cfg_error(const struct cfg_obj *o, const config_setting_t *at, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(o, at, key, false, fmt, ap);
	va_end(ap);
}

void cfg_warn(const struct cfg_obj *o, const config_setting_t *at, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(o, at, key, true, fmt, ap);
	va_end(ap);
}

void cfg_file_error(struct cfg_load *l, const char *file, unsigned line, const char *fmt, ...)
{
	char text[768], out[1400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (line)
		snprintf(out, sizeof(out), "%s:%u: %s", file ? file : l->path, line, text);
	else
		snprintf(out, sizeof(out), "%s: %s", file ? file : l->path, text);
	line_out(l, false, out);
}

void cfg_out_of_memory(struct cfg_load *l)
{
	cfg_file_error(l, NULL, 0, "out of memory");
}

const char *cfg_found(const config_setting_t *s, bool secret, char buf[CFG_FOUND])
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_STRING: {
		const char *v = config_setting_get_string(s);
		size_t n = 0;

		if (secret)
			return "a string";
		buf[n++] = '"';
		for (; v && *v && n < CFG_FOUND - 6; v++)
			buf[n++] = isprint((unsigned char)*v) ? *v : '?';
		snprintf(buf + n, CFG_FOUND - n, "%s\"", v && *v ? "..." : "");
		return buf;
	}
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		if (secret)
			return "a number";
		snprintf(buf, CFG_FOUND, "the number %lld", config_setting_get_int64(s));
		return buf;
	case CONFIG_TYPE_FLOAT: return secret ? "a number" : "a number with a fraction";
	case CONFIG_TYPE_BOOL: return config_setting_get_bool(s) ? "true" : "false";
	case CONFIG_TYPE_GROUP: return "a group { }";
	case CONFIG_TYPE_LIST: return config_setting_length(s) ? "a list ( )" : "an empty list ( )";
	case CONFIG_TYPE_ARRAY: return config_setting_length(s) ? "an array [ ]" : "an empty array [ ]";
	default: return "nothing";
	}
}

/* Levenshtein distance of two short words; words beyond the bound are never near. */
static unsigned distance(const char *a, const char *b)
{
	enum { MAX = 48 };
	size_t la = strlen(a), lb = strlen(b);
	unsigned row[MAX + 1];

	if (la > MAX || lb > MAX)
		return MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diag = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned sub = diag +
				       (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));

			diag = row[j];
			row[j] = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
			if (sub < row[j])
				row[j] = sub;
		}
	}
	return row[lb];
}

const char *cfg_nearest(const char *found, const char *const *words)
{
	const char *best = NULL;
	unsigned best_d = 0;

	for (; *words; words++) {
		unsigned d = distance(found, *words);
		size_t len = strlen(*words);

		if (d > (len < 5 ? 1u : len / 3) || (best && d >= best_d))
			continue;
		best = *words;
		best_d = d;
	}
	return best;
}

/* ---- keys -------------------------------------------------------------------------------------- */

static bool among(const char *word, const char *const *words)
{
	for (; words && *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

/* "a, b, c" of a NULL-terminated list, cut where the buffer ends. */
static const char *joined(const char *const *words, char *buf, size_t cap)
{
	size_t n = 0;

	buf[0] = 0;
	for (; *words && n < cap; words++)
		n += (size_t)snprintf(buf + n, cap - n, "%s%s", n ? ", " : "", *words);
	return buf;
}

void cfg_keys(const struct cfg_obj *o, const char *const *known, const char *const *later)
{
	for (unsigned i = 0; i < (unsigned)config_setting_length(o->s); i++) {
		const config_setting_t *m = config_setting_get_elem(o->s, i);
		const char *key = config_setting_name(m), *near;
		char list[512];

		if (!key || among(key, known))
			continue;
		if (among(key, later)) {
			cfg_error(o, m, key, "not available in this version");
			continue;
		}
		near = cfg_nearest(key, known);
		if (near)
			cfg_error(o, m, key, "unknown key; did you mean \"%s\"?", near);
		else
			cfg_error(o, m, key, "unknown key; allowed: %s", joined(known, list, sizeof(list)));
	}
}

const config_setting_t *cfg_member(const struct cfg_obj *o, const char *key, enum cfg_need need,
				   const char *allowed)
{
	const config_setting_t *m = config_setting_get_member(o->s, key);

	if (!m && need == CFG_REQUIRED)
		cfg_error(o, NULL, key, "missing; allowed: %s", allowed);
	return m;
}

static const char *string_of(const struct cfg_obj *o, const config_setting_t *m, const char *key,
			     const char *allowed)
{
	char found[CFG_FOUND];

	if (config_setting_type(m) == CONFIG_TYPE_STRING && config_setting_get_string(m))
		return config_setting_get_string(m);
	cfg_error(o, m, key, "found %s; allowed: %s", cfg_found(m, false, found), allowed);
	return NULL;
}

const char *cfg_string(const struct cfg_obj *o, const char *key, enum cfg_need need, const char *allowed)
{
	const config_setting_t *m = cfg_member(o, key, need, allowed);

	return m ? string_of(o, m, key, allowed) : NULL;
}

bool cfg_text(const struct cfg_obj *o, const char *key, enum cfg_need need, const char *allowed, char *to,
	      size_t cap)
{
	const char *v = cfg_string(o, key, need, allowed);
	size_t n = v ? strlen(v) : 0;

	if (!v)
		return false;
	if (n >= cap) {
		cfg_error(o, config_setting_get_member(o->s, key), key,
			  "found %zu characters; allowed: at most %zu", n, cap - 1);
		return false;
	}
	memcpy(to, v, n + 1);
	return true;
}

bool cfg_name_ok(const char *s, bool slash)
{
	size_t n = strlen(s);

	if (n == 0 || n >= CFG_NAME || !(isalnum((unsigned char)s[0]) || s[0] == '_'))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s) && !(slash && *s == '/'))
			return false;
	return true;
}

bool cfg_name(const struct cfg_obj *o, const char *key, enum cfg_need need, bool slash, char to[CFG_NAME])
{
	const char *allowed = slash ? "letters, digits and . _ - /, at most 63, a letter or digit first"
				    : "letters, digits and . _ -, at most 63, a letter or digit first";
	const config_setting_t *m = cfg_member(o, key, need, allowed);
	const char *v = m ? string_of(o, m, key, allowed) : NULL;
	char found[CFG_FOUND];

	if (!v)
		return false;
	if (!cfg_name_ok(v, slash)) {
		cfg_error(o, m, key, "found %s; allowed: %s", cfg_found(m, false, found), allowed);
		return false;
	}
	memcpy(to, v, strlen(v) + 1);
	return true;
}

bool cfg_int(const struct cfg_obj *o, const char *key, enum cfg_need need, long long lo, long long hi,
	     long long *to)
{
	const config_setting_t *m;
	char allowed[64], found[CFG_FOUND];
	long long v;

	snprintf(allowed, sizeof(allowed), "%lld to %lld", lo, hi);
	m = cfg_member(o, key, need, allowed);
	if (!m)
		return false;
	v = config_setting_get_int64(m);
	if ((config_setting_type(m) != CONFIG_TYPE_INT && config_setting_type(m) != CONFIG_TYPE_INT64) ||
	    v < lo || v > hi) {
		cfg_error(o, m, key, "found %s; allowed: %s", cfg_found(m, false, found), allowed);
		return false;
	}
	*to = v;
	return true;
}

bool cfg_bool(const struct cfg_obj *o, const char *key, bool *to)
{
	const config_setting_t *m = config_setting_get_member(o->s, key);
	char found[CFG_FOUND];

	if (!m)
		return false;
	if (config_setting_type(m) != CONFIG_TYPE_BOOL) {
		cfg_error(o, m, key, "found %s; allowed: true, false", cfg_found(m, false, found));
		return false;
	}
	*to = config_setting_get_bool(m);
	return true;
}

/* ---- addresses --------------------------------------------------------------------------------- */

bool cfg_addr_of(const struct cfg_obj *o, const config_setting_t *at, const char *key, const char *text,
		 const char *allowed, struct addr *to)
{
	char found[CFG_FOUND];
	struct addr a;

	if (addr_parse(text, &a) < 0) {
		cfg_error(o, at, key, "found %s; allowed: %s", cfg_found(at, false, found), allowed);
		return false;
	}
	*to = a;
	return true;
}

bool cfg_addr(const struct cfg_obj *o, const char *key, enum cfg_need need, const char *allowed,
	      struct addr *to)
{
	const char *v = cfg_string(o, key, need, allowed);

	return v && cfg_addr_of(o, config_setting_get_member(o->s, key), key, v, allowed, to);
}

bool cfg_unicast(const struct addr *a)
{
	static const uint8_t zero[10];

	if (a->v == 4)
		return a->b[0] != 0 && a->b[0] != 127 && a->b[0] < 224;
	/* Unspecified, loopback, IPv4 in IPv6's clothes; multicast (RFC 4291 2.4, 2.5.5). */
	return a->v == 6 && a->b[0] != 0xff && memcmp(a->b, zero, sizeof(zero)) != 0;
}

bool cfg_prefix_of(const struct cfg_obj *o, const config_setting_t *at, const char *key, const char *text,
		   bool host_bits, struct prefix *to)
{
	static const char allowed[] =
		"an address with a prefix length, such as \"10.20.20.0/24\" or \"2001:db8:1::/64\"";
	char found[CFG_FOUND], want[PREFIX_STR];
	struct prefix p, net;

	if (prefix_parse(text, &p) < 0 || !strchr(text, '/')) {
		cfg_error(o, at, key, "found %s; allowed: %s", cfg_found(at, false, found), allowed);
		return false;
	}
	net = prefix_mask(p);
	if (!host_bits && !prefix_eq(&net, &p)) {
		cfg_error(o, at, key, "found %s, which has bits behind the prefix; allowed: \"%s\"",
			  cfg_found(at, false, found), prefix_str(&net, want));
		return false;
	}
	*to = p;
	return true;
}

bool cfg_prefix(const struct cfg_obj *o, const char *key, enum cfg_need need, struct prefix *to)
{
	const char *v = cfg_string(o, key, need, "a prefix such as \"10.20.20.0/24\"");

	return v && cfg_prefix_of(o, config_setting_get_member(o->s, key), key, v, false, to);
}

/* ---- words ------------------------------------------------------------------------------------- */

/* Room for the longest list of words that a key allows. */
enum { CFG_WORDS = 512 };

static const char *vocabulary(const struct cfg_word *words, char *buf, size_t cap)
{
	size_t n = 0;

	buf[0] = 0;
	for (; words->word && n < cap; words++)
		if (!words->refused)
			n += (size_t)snprintf(buf + n, cap - n, "%s%s", n ? ", " : "", words->word);
	return buf;
}

static const struct cfg_word *word_of(const struct cfg_obj *o, const config_setting_t *at, const char *key,
				      const char *text, const struct cfg_word *words)
{
	char found[CFG_FOUND], list[CFG_WORDS];

	for (const struct cfg_word *w = words; w->word; w++) {
		if (strcmp(text, w->word) != 0)
			continue;
		if (!w->refused)
			return w;
		cfg_error(o, at, key, "found %s: %s; allowed: %s", cfg_found(at, false, found), w->refused,
			  vocabulary(words, list, sizeof(list)));
		return NULL;
	}
	cfg_error(o, at, key, "found %s; allowed: %s", cfg_found(at, false, found),
		  vocabulary(words, list, sizeof(list)));
	return NULL;
}

const struct cfg_word *cfg_word(const struct cfg_obj *o, const char *key, enum cfg_need need,
				const struct cfg_word *words)
{
	char list[CFG_WORDS];
	const char *v = cfg_string(o, key, need, vocabulary(words, list, sizeof(list)));

	return v ? word_of(o, config_setting_get_member(o->s, key), key, v, words) : NULL;
}

const char *cfg_next_string(const struct cfg_obj *o, const config_setting_t *s, const char *key,
			    const char *allowed, int *i, const config_setting_t **at)
{
	bool many = config_setting_is_list(s) || config_setting_is_array(s);
	int n = many ? config_setting_length(s) : 1;

	while (*i < n) {
		const config_setting_t *e = many ? config_setting_get_elem(s, (unsigned)*i) : s;
		const char *v;

		(*i)++;
		*at = e;
		v = string_of(o, e, key, allowed);
		if (v)
			return v;
	}
	return NULL;
}

unsigned cfg_words(const struct cfg_obj *o, const char *key, enum cfg_need need, const struct cfg_word *words,
		   const struct cfg_word **got, unsigned cap)
{
	char list[CFG_WORDS];
	const config_setting_t *m = cfg_member(o, key, need, vocabulary(words, list, sizeof(list)));

	return m ? cfg_words_of(o, m, key, words, got, cap) : 0;
}

unsigned cfg_words_of(const struct cfg_obj *o, const config_setting_t *m, const char *key,
		      const struct cfg_word *words, const struct cfg_word **got, unsigned cap)
{
	char list[CFG_WORDS], found[CFG_FOUND];
	const char *allowed = vocabulary(words, list, sizeof(list));
	const config_setting_t *at = m;
	unsigned before = o->l->errors, n = 0;
	const char *v;
	int i = 0;

	if (config_setting_is_aggregate(m) && config_setting_length(m) == 0)
		cfg_error(o, m, key, "found %s; allowed: one or more of %s", cfg_found(m, false, found),
			  allowed);
	while ((v = cfg_next_string(o, m, key, allowed, &i, &at))) {
		const struct cfg_word *w = word_of(o, at, key, v, words);

		for (unsigned k = 0; w && k < n; k++) {
			if (got[k] == w) {
				cfg_error(o, at, key, "\"%s\" stands there twice", v);
				w = NULL;
			}
		}
		if (w && n == cap) {
			cfg_error(o, at, key, "found more than %u words; allowed: at most %u", cap, cap);
			break;
		}
		if (w)
			got[n++] = w;
	}
	return o->l->errors == before ? n : 0;
}

/* ---- units ------------------------------------------------------------------------------------- */

struct unit {
	const char *name;
	uint64_t factor;
	uint32_t lo, hi;
};

static bool with_unit(const char *text, const struct unit *units, size_t n_units, uint64_t *to)
{
	char *end;
	unsigned long long v;

	if (!isdigit((unsigned char)text[0]) || strlen(text) > 12)
		return false;
	v = strtoull(text, &end, 10);
	for (size_t i = 0; i < n_units; i++) {
		if (strcmp(end, units[i].name) == 0 && v >= units[i].lo && v <= units[i].hi) {
			*to = v * units[i].factor;
			return true;
		}
	}
	return false;
}

/* The ranges are those of PAN-OS. */
bool cfg_seconds(const struct cfg_obj *o, const char *key, uint32_t *to)
{
	static const struct unit units[] = {
		{"s", 1, 180, 65535}, {"m", 60, 3, 65535}, {"h", 3600, 1, 65535}, {"d", 86400, 1, 365}};
	static const char allowed[] = "\"180s\" to \"65535s\", \"3m\" to \"65535m\", \"1h\" to \"65535h\", "
				      "\"1d\" to \"365d\"";
	const char *v = cfg_string(o, key, CFG_OPTIONAL, allowed);
	const config_setting_t *m = config_setting_get_member(o->s, key);
	char found[CFG_FOUND];
	uint64_t r;

	if (!v)
		return false;
	if (!with_unit(v, units, N_ELEMS(units), &r)) {
		cfg_error(o, m, key, "found %s; allowed: %s", cfg_found(m, false, found), allowed);
		return false;
	}
	*to = (uint32_t)r;
	return true;
}

bool cfg_bytes(const struct cfg_obj *o, const char *key, uint64_t *to)
{
	static const struct unit units[] = {
		{"kb", 1ull << 10, 1, 65535},
		{"mb", 1ull << 20, 1, 65535},
		{"gb", 1ull << 30, 1, 65535},
		{"tb", 1ull << 40, 1, 65535},
	};
	static const char allowed[] =
		"\"0\" (no limit), or 1 to 65535 with kb, mb, gb or tb, such as \"100gb\"";
	const char *v = cfg_string(o, key, CFG_OPTIONAL, allowed);
	const config_setting_t *m = config_setting_get_member(o->s, key);
	char found[CFG_FOUND];

	if (!v)
		return false;
	if (strcmp(v, "0") == 0) {
		*to = 0;
		return true;
	}
	if (!with_unit(v, units, N_ELEMS(units), to)) {
		cfg_error(o, m, key, "found %s; allowed: %s", cfg_found(m, false, found), allowed);
		return false;
	}
	return true;
}

bool cfg_ports_of(const char *s, uint16_t *lo, uint16_t *hi)
{
	char *end;
	unsigned long a, b;

	if (!isdigit((unsigned char)*s))
		return false;
	a = b = strtoul(s, &end, 10);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		b = strtoul(end + 1, &end, 10);
	if (*end || a == 0 || a > b || b > UINT16_MAX)
		return false;
	*lo = (uint16_t)a;
	*hi = (uint16_t)b;
	return true;
}
