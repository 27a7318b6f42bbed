/* SPDX-License-Identifier: Apache-2.0 */
#include "cert_cache.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	uint8_t key[SHA256_DIGEST_LENGTH];
	enum cache_state state; /* NONE: free */
	int64_t until;
	uint64_t used;
	uint8_t *content;
	size_t len;
	X509_CRL *list; /* instead of content */
	char why[96];
};

struct cert_cache {
	uint64_t clock; /* one more with every use */
	struct entry e[CACHE_ENTRIES];
};

struct cert_cache *cert_cache_new(void)
{
	return calloc(1, sizeof(struct cert_cache));
}

static void drop(struct entry *e)
{
	free(e->content);
	X509_CRL_free(e->list);
}

void cert_cache_free(struct cert_cache *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CACHE_ENTRIES; i++)
		drop(&c->e[i]);
	free(c);
}

static bool key_of(const struct cert_fetch *f, uint8_t key[SHA256_DIGEST_LENGTH])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
		  EVP_DigestUpdate(ctx, f->url, strlen(f->url) + 1) == 1 &&
		  EVP_DigestUpdate(ctx, f->post, f->post_len) == 1 && EVP_DigestFinal_ex(ctx, key, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

static struct entry *find(struct cert_cache *c, const uint8_t key[SHA256_DIGEST_LENGTH])
{
	for (unsigned i = 0; i < CACHE_ENTRIES; i++)
		if (c->e[i].state != CACHE_NONE && !memcmp(c->e[i].key, key, SHA256_DIGEST_LENGTH))
			return &c->e[i];
	return NULL;
}

/* The entry emptied, or a free one, or that which was not used for longest. */
static struct entry *renew(struct cert_cache *c, const struct cert_fetch *f)
{
	uint8_t key[SHA256_DIGEST_LENGTH];
	struct entry *e;

	if (!key_of(f, key))
		return NULL;
	e = find(c, key);
	for (unsigned i = 0; !e && i < CACHE_ENTRIES; i++)
		if (c->e[i].state == CACHE_NONE)
			e = &c->e[i];
	if (!e) {
		e = &c->e[0];
		for (unsigned i = 1; i < CACHE_ENTRIES; i++)
			if (c->e[i].used < e->used)
				e = &c->e[i];
	}
	drop(e);
	*e = (struct entry){.used = ++c->clock};
	memcpy(e->key, key, sizeof(key));
	return e;
}

/* The entry in force. */
static struct entry *current(struct cert_cache *c, const struct cert_fetch *f, int64_t now)
{
	uint8_t key[SHA256_DIGEST_LENGTH];
	struct entry *e = c && key_of(f, key) ? find(c, key) : NULL;

	return e && e->until > now ? e : NULL;
}

enum cache_state cert_cache_find(struct cert_cache *c, const struct cert_fetch *f, int64_t now,
				 struct bytes *content, const char **why)
{
	struct entry *e = current(c, f, now);

	*content = (struct bytes){0};
	*why = "";
	if (!e)
		return CACHE_NONE;
	e->used = ++c->clock;
	*content = (struct bytes){.p = e->content, .len = e->len};
	*why = e->why;
	return e->state;
}

X509_CRL *cert_cache_list(struct cert_cache *c, const struct cert_fetch *f, int64_t now)
{
	struct entry *e = current(c, f, now);

	if (!e || !e->list || X509_CRL_up_ref(e->list) != 1)
		return NULL;
	e->used = ++c->clock;
	return e->list;
}

void cert_cache_wait(struct cert_cache *c, const struct cert_fetch *f, int64_t now)
{
	struct entry *e = renew(c, f);

	if (!e)
		return;
	e->state = CACHE_WAITING;
	e->until = now + CACHE_WAIT_S;
}

void cert_cache_put(struct cert_cache *c, const struct cert_fetch *f, struct bytes content, int64_t until,
		    const char *why)
{
	struct entry *e = renew(c, f);

	if (!e)
		return;
	e->state = CACHE_FAILED;
	e->until = until;
	snprintf(e->why, sizeof(e->why), "%s", why);
	if (!content.p || !content.len)
		return;
	e->content = malloc(content.len);
	if (!e->content)
		return;
	memcpy(e->content, content.p, content.len);
	e->len = content.len;
	e->state = CACHE_HAVE;
}

void cert_cache_put_list(struct cert_cache *c, const struct cert_fetch *f, X509_CRL *list, int64_t until)
{
	struct entry *e = renew(c, f);

	if (!e)
		return;
	X509_CRL_up_ref(list);
	e->state = CACHE_HAVE;
	e->until = until;
	e->list = list;
}

void cert_cache_until(struct cert_cache *c, const struct cert_fetch *f, int64_t until)
{
	struct entry *e = current(c, f, until);

	if (e)
		e->until = until;
}
