/* SPDX-License-Identifier: Apache-2.0 */
/* show vpn capacity: what is in use of everything that there is so much of and no more. */
#include "handlers.h"

static void entry(json_t *list, const char *name, uint64_t used, uint64_t limit, const char *help)
{
	json_t *e = doc_append(list);

	doc_str(e, "name", name);
	doc_uint(e, "used", used);
	if (limit) {
		doc_uint(e, "limit", limit);
		doc_uint(e, "left", used < limit ? limit - used : 0);
	}
	doc_str(e, "help", help);
}

enum cli_page cli_show_capacity(struct cli_job *j, json_t *doc)
{
	json_t *list = doc_list(doc, "entries");
	uint32_t sas, children, half_open, starts, starts_max, in_line;
	struct dp_capacity c;

	doc_str(doc, "type", "capacity");
	for (unsigned i = 0; dp_capacity(i, &c) == 0; i++)
		entry(list, c.name, c.used, c.limit, c.help);
	ike_count(j->c->ike, &sas, &children);
	half_open = ike_half_open(j->c->ike);
	entry(list, "ike-gateways", j->c->conf->n_gateways, 0, "no limit but memory");
	entry(list, "ike-sas", sas, 0, "no limit but memory");
	entry(list, "half-open-ike-sas", half_open, ike_tuning(j->c->ike)->half_open_max,
	      "peers that have not proved who they are; maximum-half-opened-sa");
	ike_starts(j->c->ike, &starts, &starts_max, &in_line);
	entry(list, "negotiations", starts, starts_max,
	      "of ours, that bring up something new; maximum-negotiations");
	entry(list, "negotiations-waiting", in_line, 0, "gateways and IKE SAs that wait for their turn");
	return CLI_LAST;
}
