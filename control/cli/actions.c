/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that change something: test, request, clear, debug, commit. */
#include "handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum cli_page refused(struct cli_job *j, const char *what, int rc)
{
	if (rc == -EPERM)
		snprintf(j->err, sizeof(j->err),
			 "%s is passive-mode: it waits for its peer to begin; start the negotiation there",
			 what);
	else
		snprintf(j->err, sizeof(j->err), "%s: %s", what, strerror(-rc));
	return CLI_FAILED;
}

/* A request to the engine, from its first part to its last: the document of each part tells what has been done so far. */
struct parts {
	struct ike_request r;
	char gateway[DOC_NAME], tunnel[DOC_NAME];
};

static void end_parts(struct cli_job *j)
{
	free(j->state);
}

/* Names are those of the configuration as it is now; NULL: all. */
static struct parts *begin_parts(struct cli_job *j, enum ike_verb verb, const char *gateway,
				 const char *tunnel)
{
	struct parts *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->r.verb = verb;
	p->r.urge = verb == IKE_TEST_IKE_SA || verb == IKE_TEST_IPSEC_SA;
	if (gateway) {
		snprintf(p->gateway, sizeof(p->gateway), "%s", gateway);
		p->r.gateway = p->gateway;
	}
	if (tunnel) {
		snprintf(p->tunnel, sizeof(p->tunnel), "%s", tunnel);
		p->r.tunnel = p->tunnel;
	}
	j->state = p;
	j->state_end = end_parts;
	return p;
}

static enum cli_page next_part(struct cli_job *j, const char *whose, const struct ike_request **done)
{
	struct parts *p = j->state;
	int rc = p ? ike_request_step(j->c->ike, &p->r, ctl_now()) : -ENOMEM;

	ctl_ike_rearm(j->c);
	if (rc < 0 && rc != -EAGAIN)
		return refused(j, whose, rc);
	*done = &p->r;
	return rc == -EAGAIN ? CLI_MORE : CLI_LAST;
}

static enum cli_page of_gateways(struct cli_job *j, enum ike_verb verb, const struct ike_request **done)
{
	const char *gateway = cli_arg(&j->m, "gateway");

	if (!j->state) {
		if (gateway && !cli_gateway(j->c, gateway))
			return cli_no_gateway(j, gateway);
		begin_parts(j, verb, gateway, NULL);
	}
	return next_part(j, gateway ? gateway : "every gateway", done);
}

static enum cli_page of_tunnels(struct cli_job *j, enum ike_verb verb, const struct ike_request **done)
{
	const char *tunnel = cli_arg(&j->m, "tunnel");

	if (!j->state) {
		const struct cfg_tunnel *t = tunnel ? cli_tunnel_of(j->c, tunnel) : NULL;

		if (tunnel && !t)
			return cli_no_tunnel(j, tunnel);
		begin_parts(j, verb, t ? t->gateway : NULL, cli_child_name(j->c, tunnel));
	}
	return next_part(j, tunnel ? "the gateway of this tunnel" : "every gateway", done);
}

static enum cli_page test_done(struct cli_job *j, json_t *doc, enum cli_page page, const char *what,
			       const char *name, const struct ike_request *r)
{
	if (page == CLI_FAILED)
		return page;
	doc_str(doc, "type", "test-vpn");
	doc_str(doc, "what", what);
	doc_str(doc, "name", name);
	doc_int(doc, "initiated", r->n);
	doc_int(doc, "asked-again", r->again);
	doc_wall(doc, "start", ctl_now());
	return page;
}

enum cli_page cli_test_ike_sa(struct cli_job *j, json_t *doc)
{
	const struct ike_request *r = NULL;
	enum cli_page page = of_gateways(j, IKE_TEST_IKE_SA, &r);

	return test_done(j, doc, page, "ike-sa", cli_arg(&j->m, "gateway"), r);
}

enum cli_page cli_test_ipsec_sa(struct cli_job *j, json_t *doc)
{
	const struct ike_request *r = NULL;
	enum cli_page page = of_tunnels(j, IKE_TEST_IPSEC_SA, &r);

	return test_done(j, doc, page, "ipsec-sa", cli_arg(&j->m, "tunnel"), r);
}

static enum cli_page rekey_done(struct cli_job *j, json_t *doc, enum cli_page page, const char *what,
				const char *name, const struct ike_request *r)
{
	if (page == CLI_FAILED)
		return page;
	doc_str(doc, "type", "request-vpn");
	doc_str(doc, "what", what);
	doc_str(doc, "name", name);
	doc_int(doc, "started", r->n);
	return page;
}

enum cli_page cli_rekey_ike_sa(struct cli_job *j, json_t *doc)
{
	const struct ike_request *r = NULL;
	enum cli_page page = of_gateways(j, IKE_REKEY_IKE_SA, &r);

	return rekey_done(j, doc, page, "rekey-ike-sa", cli_arg(&j->m, "gateway"), r);
}

enum cli_page cli_reauthenticate(struct cli_job *j, json_t *doc)
{
	const struct ike_request *r = NULL;
	enum cli_page page = of_gateways(j, IKE_REAUTHENTICATE, &r);

	return rekey_done(j, doc, page, "reauthenticate", cli_arg(&j->m, "gateway"), r);
}

enum cli_page cli_rekey_ipsec_sa(struct cli_job *j, json_t *doc)
{
	const struct ike_request *r = NULL;
	enum cli_page page = of_tunnels(j, IKE_REKEY_IPSEC_SA, &r);

	return rekey_done(j, doc, page, "rekey-ipsec-sa", cli_arg(&j->m, "tunnel"), r);
}

static enum cli_page clear_done(struct cli_job *j, json_t *doc, enum cli_page page, const char *what,
				const char *name, const struct ike_request *r)
{
	if (page == CLI_FAILED)
		return page;
	doc_str(doc, "type", "clear-vpn");
	doc_str(doc, "what", what);
	doc_str(doc, "name", name);
	doc_int(doc, "ikev1", 0);
	doc_int(doc, "ikev2", r->n);
	return page;
}

enum cli_page cli_clear_ike_sa(struct cli_job *j, json_t *doc)
{
	const struct ike_request *r = NULL;
	enum cli_page page = of_gateways(j, IKE_CLEAR_IKE_SA, &r);

	return clear_done(j, doc, page, "ike-sa", cli_arg(&j->m, "gateway"), r);
}

enum cli_page cli_clear_ipsec_sa(struct cli_job *j, json_t *doc)
{
	const struct ike_request *r = NULL;
	enum cli_page page = of_tunnels(j, IKE_CLEAR_IPSEC_SA, &r);

	return clear_done(j, doc, page, "ipsec-sa", cli_arg(&j->m, "tunnel"), r);
}

/* ---- commit -------------------------------------------------------------------------------------- */

/* Of one commit, from its beginning to its end in the control thread. */
struct said {
	struct cli_job *job;
	json_t *list;
	unsigned errors;
	bool over;
	struct ctl_commit_result result;
};

static void say(void *arg, bool warning, const char *line)
{
	struct said *s = arg;
	json_t *e = doc_append(s->list);

	doc_str(e, "severity", warning ? "warning" : "error");
	doc_str(e, "text", line);
	s->errors += !warning;
}

static void committed(void *arg, const struct ctl_commit_result *r)
{
	struct said *s = arg;

	s->over = true;
	s->result = *r;
	cli_job_wake(s->job);
}

static void end_commit(struct cli_job *j)
{
	struct said *s = j->state;

	ctl_commit_forget(j->c, s);
	json_decref(s->list);
	free(s);
}

static bool begin_commit(struct cli_job *j)
{
	struct said *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (s) {
		s->job = j;
		s->list = json_array();
		j->state = s;
		j->state_end = end_commit;
		rc = ctl_commit(j->c, say, committed, s);
	}
	if (rc < 0)
		snprintf(j->err, sizeof(j->err), "%s",
			 rc == -EALREADY ? "another commit is going on: wait until it has ended"
					 : strerror(-rc));
	return rc == 0;
}

/* The document tells every problem; the refusal, where there is one, comes behind it. */
enum cli_page cli_commit(struct cli_job *j, json_t *doc)
{
	const struct said *s;
	int rc;

	if (!j->state && !begin_commit(j))
		return CLI_FAILED;
	s = j->state;
	if (!s->over)
		return CLI_WAIT;
	rc = s->result.rc;
	json_object_set(doc, "entries", s->list);
	doc_str(doc, "type", "commit");
	doc_bool(doc, "committed", rc == 0);
	doc_str(doc, "configuration", j->c->conf_path);
	if (rc == 0) {
		doc_uint(doc, "changed-gateways", s->result.changed_gateways);
		doc_uint(doc, "gateways", s->result.gateways);
	}
	if (rc < 0 && s->errors)
		snprintf(j->err, sizeof(j->err), "%s: %u error%s; nothing was changed", j->c->conf_path,
			 s->errors, s->errors == 1 ? "" : "s");
	else if (rc < 0)
		snprintf(j->err, sizeof(j->err), "%s: %s; nothing was changed", j->c->conf_path,
			 strerror(-rc));
	return CLI_LAST;
}
