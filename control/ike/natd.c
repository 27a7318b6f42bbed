/* SPDX-License-Identifier: Apache-2.0 */
#include "natd.h"

#include <string.h>

#include "child.h"
#include "xchg.h"

static void natd_hash(uint64_t spi_i, uint64_t spi_r, const struct endpoint *e, uint8_t out[20])
{
	uint8_t buf[8 + 8 + 16 + 2];
	struct wr w = wr_of(buf, sizeof(buf));
	struct bytes part;

	wr_u64(&w, spi_i);
	wr_u64(&w, spi_r);
	wr_bytes(&w, e->a.b, addr_len(&e->a));
	wr_u16(&w, e->port);
	part = (struct bytes){.p = buf, .len = w.len};
	/* Should the hash not be available, random bytes: both ends then take the safe way, encapsulation. */
	if (crypto_sha1(&part, 1, out))
		crypto_random(out, 20);
}

void natd_write(struct msg_wr *w, enum ike_natt natt, uint64_t spi_i, uint64_t spi_r,
		const struct endpoint *local, const struct endpoint *remote)
{
	uint8_t hash[20];

	if (natt == IKE_NATT_OFF)
		return;
	natd_hash(spi_i, spi_r, local, hash);
	/* A source that cannot be right makes the peer see a NAT, and encapsulate. */
	if (natt == IKE_NATT_FORCE)
		crypto_random(hash, sizeof(hash));
	msg_wr_notify(w, PROTO_NONE, NULL, 0, N_NAT_DETECTION_SOURCE_IP, hash, sizeof(hash));
	natd_hash(spi_i, spi_r, remote, hash);
	msg_wr_notify(w, PROTO_NONE, NULL, 0, N_NAT_DETECTION_DESTINATION_IP, hash, sizeof(hash));
}

void natd_read(struct ike_sa *sa, const struct msg *m, enum ike_natt natt, const struct ike_packet *p)
{
	uint8_t src[20], dst[20];
	bool n_src = false, n_dst = false, src_ok = false, dst_ok = false;

	natd_hash(m->hdr.spi_i, m->hdr.spi_r, &p->remote, src);
	natd_hash(m->hdr.spi_i, m->hdr.spi_r, &p->local, dst);
	for (unsigned i = 0; i < m->n_notify; i++) {
		const struct msg_notify *n = &m->notify[i];

		/* Several source notifies: the sender does not know its address; one match is enough. */
		if (n->type == N_NAT_DETECTION_SOURCE_IP) {
			n_src = true;
			src_ok |= n->data.len == 20 && !memcmp(n->data.p, src, 20);
		} else if (n->type == N_NAT_DETECTION_DESTINATION_IP) {
			n_dst = true;
			dst_ok |= n->data.len == 20 && !memcmp(n->data.p, dst, 20);
		}
	}
	sa->natt_peer = n_src && n_dst && natt != IKE_NATT_OFF;
	sa->nat_ignored = n_src && n_dst && natt == IKE_NATT_OFF && !(src_ok && dst_ok);
	sa->nat_remote = sa->natt_peer && !src_ok;
	sa->nat_local = sa->natt_peer && !dst_ok;
	sa->udp_encap = sa->natt_peer && (natt == IKE_NATT_FORCE || sa->nat_local || sa->nat_remote);
}

void natd_float(struct ike_sa *sa)
{
	/* A peer that may move is on port 4500 from the start (RFC 4555 3.3). */
	if (!sa->udp_encap && !(sa->natt_peer && sa->gw && sa->gw->conf.mobike))
		return;
	sa->local.port = IKE_NATT_PORT;
	/* A peer that was not on port 500 has its mapping there. */
	if (sa->remote.port == IKE_PORT)
		sa->remote.port = IKE_NATT_PORT;
}

static void move(struct ike_sa *sa, const struct endpoint *local, const struct endpoint *remote)
{
	sa->local = *local;
	sa->remote = *remote;
	COUNT(sa->k, peer_moved);
	child_move_all(sa);
	sa_event(sa, IKE_EV_PEER_MOVED, NULL, NULL);
}

void natd_follow(struct ike_sa *sa, const struct endpoint *local, const struct endpoint *remote)
{
	if (endpoint_eq(&sa->local, local) && endpoint_eq(&sa->remote, remote))
		return;
	/* As responder the peer may float to port 4500 with IKE_AUTH, NAT or not. */
	if (sa->state == SA_INIT_RCVD) {
		sa->local = *local;
		sa->remote = *remote;
		return;
	}
	/* Follow a peer behind a NAT; behind one ourselves RFC 7296 2.23 advises against it. */
	if (sa->state != SA_UP || !sa->nat_remote || sa->nat_local || sa->mobike)
		return;
	if (!addr_eq(&sa->local.a, &local->a))
		return;
	move(sa, local, remote);
}

void ike_child_moved(struct ike *k, uint32_t spi_in, const struct endpoint *from, uint64_t now)
{
	struct child_sa *c = child_find(k, spi_in);

	k->now = now;
	if (!c || c->sa->state != SA_UP || !c->sa->nat_remote || c->sa->nat_local || c->sa->mobike ||
	    endpoint_eq(&c->sa->remote, from))
		return;
	move(c->sa, &c->sa->local, from);
	engine_done(k);
}

void natd_up(struct ike_sa *sa)
{
	struct ike *k = sa->k;
	uint16_t s = sa->gw->conf.natt_keepalive_s;

	if (sa->nat_local && s)
		timer_set(&k->timers, &sa->t[SA_T_KEEPALIVE], k->now + s * NS_S);
}

void natd_on_keepalive(struct ike *k, void *p)
{
	struct ike_sa *sa = p;
	uint64_t every = sa->gw->conf.natt_keepalive_s * NS_S;
	struct ike_packet out = {.local = sa->local, .remote = sa->remote, .keepalive = true};

	if (!every)
		return;
	if (k->now - sa->last_sent < every) {
		timer_set(&k->timers, &sa->t[SA_T_KEEPALIVE], sa->last_sent + every);
		return;
	}
	COUNT(k, tx_keepalive);
	k->host->send(k->ctx, &out);
	timer_set(&k->timers, &sa->t[SA_T_KEEPALIVE], k->now + every);
}
