/* SPDX-License-Identifier: Apache-2.0 */
#include "alt.h"

#include <stdlib.h>
#include <string.h>

#include "frag.h"
#include "xchg.h"

#define SWAP(a, b)                                                                                           \
	do {                                                                                                 \
		__typeof__(a) swap_tmp = (a);                                                                \
		(a) = (b);                                                                                   \
		(b) = swap_tmp;                                                                              \
	} while (0)

void alt_swap(struct ike_sa *sa, struct alt *a)
{
	uint8_t nr[IKE_NONCE_MAX];

	memcpy(nr, sa->init->nr, sizeof(nr));
	memcpy(sa->init->nr, a->nr, sizeof(nr));
	memcpy(a->nr, nr, sizeof(nr));
	SWAP(sa->init->nr_len, a->nr_len);
	SWAP(sa->init->response, a->response);
	SWAP(sa->init->sig_hashes, a->sig_hashes);
	SWAP(sa->init->childless_ok, a->childless_ok);
	SWAP(sa->init->ppk_peer, a->ppk_peer);
	SWAP(sa->req.d, a->request);
	SWAP(sa->spi_peer, a->spi_peer);
	SWAP(sa->suite, a->suite);
	SWAP(sa->keys, a->keys);
	SWAP(sa->local, a->local);
	SWAP(sa->remote, a->remote);
	SWAP(sa->nat_local, a->nat_local);
	SWAP(sa->nat_remote, a->nat_remote);
	SWAP(sa->nat_ignored, a->nat_ignored);
	SWAP(sa->natt_peer, a->natt_peer);
	SWAP(sa->udp_encap, a->udp_encap);
	SWAP(sa->fragmentation, a->fragmentation);
	SWAP(sa->frag[1], a->frag);
}

static bool same(const struct datagram *d, struct bytes m)
{
	return d->len == m.len && !memcmp(d->p, m.p, m.len);
}

bool alt_refused(const struct ike_sa *sa, const struct msg *m)
{
	const struct alt *a;

	if (sa->init->n_alts >= ALTS_MAX || suite_ake(&sa->suite, 0) < IKE_AKE_MAX ||
	    same(&sa->init->response, m->raw))
		return true;
	for (a = sa->init->alts; a; a = a->next)
		if (same(&a->response, m->raw))
			return true;
	return false;
}

static bool same_keys(const struct ike_keys *a, const struct ike_keys *b)
{
	return a->prf_len == b->prf_len && crypto_equal(a->d, b->d, a->prf_len);
}

bool alt_share(const struct ike_sa *sa, struct alt *a)
{
	const struct alt *o;

	if (same_keys(&sa->keys, &a->keys)) {
		a->keys.iv = sa->keys.iv;
		return !datagram_set(&a->request, sa->req.d.p, sa->req.d.len);
	}
	for (o = sa->init->alts; o; o = o->next)
		if (same_keys(&o->keys, &a->keys)) {
			a->keys.iv = o->keys.iv;
			return !datagram_set(&a->request, o->request.p, o->request.len);
		}
	return false;
}

void alt_add(struct ike_sa *sa, struct alt *a)
{
	a->next = sa->init->alts;
	sa->init->alts = a;
	sa->init->n_alts++;
}

void alt_free(struct alt *a)
{
	if (!a)
		return;
	datagram_free(&a->response);
	datagram_free(&a->request);
	frag_free(a->frag);
	crypto_wipe(a, sizeof(*a));
	free(a);
}

void alt_free_all(struct init *i)
{
	while (i->alts) {
		struct alt *a = i->alts;

		i->alts = a->next;
		alt_free(a);
	}
}

bool alt_knows(const struct ike_sa *sa, uint64_t spi_peer)
{
	const struct alt *a;

	for (a = sa->init ? sa->init->alts : NULL; a; a = a->next)
		if (a->spi_peer == spi_peer)
			return true;
	return false;
}

int alt_open(struct ike_sa *sa, const struct msg *m, uint8_t *plain, size_t *len)
{
	struct alt *a;
	int rc = -1;

	if (sa->spi_peer == m->hdr.spi_r)
		rc = sk_open(&sa->keys, false, m, plain, len);
	for (a = sa->init ? sa->init->alts : NULL; rc && a; a = a->next) {
		if (a->spi_peer != m->hdr.spi_r)
			continue;
		rc = sk_open(&a->keys, false, m, plain, len);
		if (!rc)
			alt_swap(sa, a);
	}
	return rc;
}

bool alt_next_same_keys(struct ike_sa *sa, unsigned *n)
{
	struct alt *a = sa->init->alts;
	unsigned i = 0;

	for (; a; a = a->next) {
		if (i++ < *n)
			continue;
		++*n;
		if (a->spi_peer == sa->spi_peer && same_keys(&a->keys, &sa->keys)) {
			alt_swap(sa, a);
			return true;
		}
	}
	return false;
}

bool alt_next(struct ike_sa *sa)
{
	struct alt *a = sa->init->alts;

	if (!a)
		return false;
	sa->init->alts = a->next; /* n_alts stays: it bounds how many are looked at */
	alt_swap(sa, a);
	alt_free(a);
	return true;
}

void alt_retransmit(struct ike_sa *sa)
{
	struct alt *a;

	for (a = sa->init ? sa->init->alts : NULL; a; a = a->next)
		if (a->request.p)
			xchg_send(sa, &a->local, &a->remote, a->request.p, a->request.len);
}
