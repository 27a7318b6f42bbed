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

static enum cli_page test_done(struct cli_job *j, json_t *doc, const char *what, const char *name, int n,
			       unsigned again)
{
	doc_str(doc, "type", "test-vpn");
	doc_str(doc, "what", what);
	doc_str(doc, "name", name);
	doc_int(doc, "initiated", n);
	doc_int(doc, "asked-again", again);
	doc_wall(doc, "start", ctl_now());
	ctl_ike_rearm(j->c);
	return CLI_LAST;
}

enum cli_page cli_test_ike_sa(struct cli_job *j, json_t *doc)
{
	const char *gateway = cli_arg(&j->m, "gateway");
	unsigned again;
	int n;

	if (gateway && !cli_gateway(j->c, gateway))
		return cli_no_gateway(j, gateway);
	n = ike_test_ike_sa(j->c->ike, gateway, ctl_now(), &again);
	return n < 0 ? refused(j, gateway ? gateway : "every gateway", n)
		     : test_done(j, doc, "ike-sa", gateway, n, again);
}

enum cli_page cli_test_ipsec_sa(struct cli_job *j, json_t *doc)
{
	const char *tunnel = cli_arg(&j->m, "tunnel");
	unsigned again;
	int n;

	if (tunnel && !cli_tunnel_known(j->c, tunnel))
		return cli_no_tunnel(j, tunnel);
	n = ike_test_ipsec_sa(j->c->ike, cli_child_name(j->c, tunnel), ctl_now(), &again);
	return n < 0 ? refused(j, tunnel ? "the gateway of this tunnel" : "every gateway", n)
		     : test_done(j, doc, "ipsec-sa", tunnel, n, again);
}

static enum cli_page rekey_done(struct cli_job *j, json_t *doc, const char *what, const char *name, int n)
{
	ctl_ike_rearm(j->c);
	if (n < 0)
		return refused(j, name ? name : what, n);
	doc_str(doc, "type", "request-vpn");
	doc_str(doc, "what", what);
	doc_str(doc, "name", name);
	doc_int(doc, "started", n);
	return CLI_LAST;
}

static enum cli_page rekey_ike(struct cli_job *j, json_t *doc, bool reauth)
{
	const char *gateway = cli_arg(&j->m, "gateway");

	if (gateway && !cli_gateway(j->c, gateway))
		return cli_no_gateway(j, gateway);
	return rekey_done(j, doc, reauth ? "reauthenticate" : "rekey-ike-sa", gateway,
			  ike_rekey_ike_sa(j->c->ike, gateway, reauth, ctl_now()));
}

enum cli_page cli_rekey_ike_sa(struct cli_job *j, json_t *doc)
{
	return rekey_ike(j, doc, false);
}

enum cli_page cli_reauthenticate(struct cli_job *j, json_t *doc)
{
	return rekey_ike(j, doc, true);
}

enum cli_page cli_rekey_ipsec_sa(struct cli_job *j, json_t *doc)
{
	const char *tunnel = cli_arg(&j->m, "tunnel");

	if (tunnel && !cli_tunnel_known(j->c, tunnel))
		return cli_no_tunnel(j, tunnel);
	return rekey_done(j, doc, "rekey-ipsec-sa", tunnel,
			  ike_rekey_ipsec_sa(j->c->ike, cli_child_name(j->c, tunnel), ctl_now()));
}

static enum cli_page clear_done(struct cli_job *j, json_t *doc, const char *what, const char *name, int n)
{
	ctl_ike_rearm(j->c);
	if (n < 0)
		return refused(j, name ? name : what, n);
	doc_str(doc, "type", "clear-vpn");
	doc_str(doc, "what", what);
	doc_str(doc, "name", name);
	doc_int(doc, "ikev1", 0);
	doc_int(doc, "ikev2", n);
	return CLI_LAST;
}

enum cli_page cli_clear_ike_sa(struct cli_job *j, json_t *doc)
{
	const char *gateway = cli_arg(&j->m, "gateway");

	if (gateway && !cli_gateway(j->c, gateway))
		return cli_no_gateway(j, gateway);
	return clear_done(j, doc, "ike-sa", gateway, ike_clear_ike_sa(j->c->ike, gateway, ctl_now()));
}

enum cli_page cli_clear_ipsec_sa(struct cli_job *j, json_t *doc)
{
	const char *tunnel = cli_arg(&j->m, "tunnel");

	if (tunnel && !cli_tunnel_known(j->c, tunnel))
		return cli_no_tunnel(j, tunnel);
	return clear_done(j, doc, "ipsec-sa", tunnel,
			  ike_clear_ipsec_sa(j->c->ike, cli_child_name(j->c, tunnel), ctl_now()));
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
