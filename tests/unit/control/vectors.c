/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct vector {
	char *name;
	uint8_t *data;
	size_t len;
};
struct vectors {
	size_t n;
	struct vector v[256];
};

static int digit(char c)
{
	const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* Into out; false when s is no even number of digits. */
static bool unhex(const char *s, uint8_t *out, size_t *len)
{
	int hi = -1;

	*len = 0;
	for (; *s && *s != '\n'; s++) {
		int d = digit(*s);

		if (*s == ' ')
			continue;
		if (d < 0)
			return false;
		if (hi < 0) {
			hi = d;
			continue;
		}
		out[(*len)++] = (uint8_t)(hi << 4 | d);
		hi = -1;
	}
	return hi < 0;
}

static bool add(struct vectors *v, char *line)
{
	struct vector *x = &v->v[v->n];
	char *eq = strstr(line, " = ");

	if (!eq || v->n == sizeof(v->v) / sizeof(v->v[0]))
		return false;
	*eq = 0;
	x->name = strdup(line);
	x->data = malloc(strlen(eq + 3));
	v->n++;
	return unhex(eq + 3, x->data, &x->len);
}

struct vectors *vectors_load(const char *file)
{
	struct vectors *v = calloc(1, sizeof(*v));
	char path[512], *line = NULL;
	size_t cap = 0;
	bool ok = true;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", VECTOR_DIR, file);
	f = fopen(path, "r");
	while (f && ok && getline(&line, &cap, f) > 0)
		ok = line[0] == '#' || line[0] == '\n' || add(v, line);
	free(line);
	if (f)
		fclose(f);
	if (f && ok && v->n)
		return v;
	fprintf(stderr, "%s: missing or malformed\n", path);
	vectors_free(v);
	return NULL;
}

void vectors_free(struct vectors *v)
{
	for (size_t i = 0; v && i < v->n; i++) {
		free(v->v[i].name);
		free(v->v[i].data);
	}
	free(v);
}

static const struct vector *find(const struct vectors *v, const char *name)
{
	for (size_t i = 0; i < v->n; i++)
		if (!strcmp(v->v[i].name, name))
			return &v->v[i];
	return NULL;
}

bool vectors_has(const struct vectors *v, const char *name)
{
	return find(v, name) != NULL;
}

struct bytes vector(const struct vectors *v, const char *fmt, ...)
{
	const struct vector *x;
	char name[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	x = find(v, name);
	if (!x) {
		fail_msg("no vector %s", name);
		return (struct bytes){0};
	}
	return (struct bytes){x->data, x->len};
}

void assert_bytes(struct bytes got, struct bytes want)
{
	assert_int_equal(got.len, want.len);
	if (want.len)
		assert_memory_equal(got.p, want.p, want.len);
}

struct bytes hex(const char *s)
{
	static uint8_t buf[16][2048];
	static unsigned turn;
	uint8_t *b = buf[turn++ % 16];
	size_t len;

	assert_true(strlen(s) <= 4096);
	assert_true(unhex(s, b, &len));
	return (struct bytes){b, len};
}
