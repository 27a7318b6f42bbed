/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that change something: test, request, clear, commit. */
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

/* Names are those of the configuration as it is now; NULL: all.  False: no memory. */
static bool begin_parts(struct cli_job *j, enum ike_verb verb, const char *gateway, const char *tunnel)
{
	struct parts *p = calloc(1, sizeof(*p));

	if (!p) {
		snprintf(j->err, sizeof(j->err), "out of memory");
		return false;
	}
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
	return true;
}

/* A command: what it asks of whom, and how its answer is called. */
struct action {
	enum ike_verb verb;
	bool of_tunnels;
	const char *type, *what;
};

static bool begin_action(struct cli_job *j, const struct action *a, const char *name)
{
	const struct cfg_tunnel *t = a->of_tunnels && name ? cli_tunnel_of(j->c, name) : NULL;

	if (a->of_tunnels && name && !t) {
		cli_no_tunnel(j, name);
		return false;
	}
	if (!a->of_tunnels && name && !cli_gateway(j->c, name)) {
		cli_no_gateway(j, name);
		return false;
	}
	if (a->of_tunnels)
		return begin_parts(j, a->verb, t ? t->gateway : NULL, cli_child_name(j->c, name));
	return begin_parts(j, a->verb, name, NULL);
}

static void tell_action(json_t *doc, const struct action *a, const struct ike_request *r)
{
	switch (a->verb) {
	case IKE_TEST_IKE_SA:
	case IKE_TEST_IPSEC_SA:
		doc_int(doc, "initiated", r->n);
		doc_int(doc, "asked-again", r->again);
		doc_wall(doc, "start", ctl_now());
		break;
	case IKE_CLEAR_IKE_SA:
	case IKE_CLEAR_IPSEC_SA:
		doc_int(doc, "ikev1", 0);
		doc_int(doc, "ikev2", r->n);
		break;
	default: doc_int(doc, "started", r->n);
	}
}

/* Each page goes on with it, and tells what has been done so far. */
static enum cli_page act(struct cli_job *j, json_t *doc, const struct action *a)
{
	const char *name = cli_arg(&j->m, a->of_tunnels ? "tunnel" : "gateway");
	struct parts *p;
	int rc;

	if (!j->state && !begin_action(j, a, name))
		return CLI_FAILED;
	p = j->state;
	rc = ike_request_step(j->c->ike, &p->r, ctl_now());
	ctl_ike_rearm(j->c);
	if (rc < 0 && rc != -EAGAIN)
		return refused(j,
			       !name           ? "every gateway"
			       : a->of_tunnels ? "the gateway of this tunnel"
					       : name,
			       rc);
	doc_str(doc, "type", a->type);
	doc_str(doc, "what", a->what);
	doc_str(doc, "name", name);
	tell_action(doc, a, &p->r);
	return rc == -EAGAIN ? CLI_MORE : CLI_LAST;
}

enum cli_page cli_test_ike_sa(struct cli_job *j, json_t *doc)
{
	return act(j, doc, &(struct action){IKE_TEST_IKE_SA, false, "test-vpn", "ike-sa"});
}

enum cli_page cli_test_ipsec_sa(struct cli_job *j, json_t *doc)
{
	return act(j, doc, &(struct action){IKE_TEST_IPSEC_SA, true, "test-vpn", "ipsec-sa"});
}

enum cli_page cli_rekey_ike_sa(struct cli_job *j, json_t *doc)
{
	return act(j, doc, &(struct action){IKE_REKEY_IKE_SA, false, "request-vpn", "rekey-ike-sa"});
}

enum cli_page cli_reauthenticate(struct cli_job *j, json_t *doc)
{
	return act(j, doc, &(struct action){IKE_REAUTHENTICATE, false, "request-vpn", "reauthenticate"});
}

enum cli_page cli_rekey_ipsec_sa(struct cli_job *j, json_t *doc)
{
	return act(j, doc, &(struct action){IKE_REKEY_IPSEC_SA, true, "request-vpn", "rekey-ipsec-sa"});
}

enum cli_page cli_clear_ike_sa(struct cli_job *j, json_t *doc)
{
	return act(j, doc, &(struct action){IKE_CLEAR_IKE_SA, false, "clear-vpn", "ike-sa"});
}

enum cli_page cli_clear_ipsec_sa(struct cli_job *j, json_t *doc)
{
	return act(j, doc, &(struct action){IKE_CLEAR_IPSEC_SA, true, "clear-vpn", "ipsec-sa"});
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
		snprintf(j->err, sizeof(j->err), "%s: %u error%s; %s", j->c->conf_path, s->errors,
			 s->errors == 1 ? "" : "s",
			 s->result.partly ? "what was applied before it stays: mend it and commit again"
					  : "nothing was changed");
	else if (rc < 0)
		snprintf(j->err, sizeof(j->err), "%s: %s; nothing was changed", j->c->conf_path,
			 strerror(-rc));
	return CLI_LAST;
}
