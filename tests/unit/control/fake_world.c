/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"
#include "wire.h"

struct fake_world *fake;

static struct cfg_interface interfaces[2];
static struct cfg_route routes[2];
static struct cfg_gateway gateways[1];
static struct cfg_tunnel tunnels[1];
static struct cfg_proxy_id proxy_ids[2];
static struct ike_child_conf child_confs[2];
static struct ctl_policy policies[2];
static struct ctl_interface ctl_interfaces[2];
static struct ctl_child handle = {.spi_in = 0x1001, .sa_out = 7, .policy = 101};

static void make_conf(struct config *c)
{
	memset(interfaces, 0, sizeof(interfaces));
	strcpy(interfaces[0].name, "ethernet1/1");
	strcpy(interfaces[0].port, "net_null0");
	strcpy(interfaces[0].zone, "untrust");
	interfaces[0].mtu = 1500;
	interfaces[0].n_addr = 1;
	prefix_parse("198.51.100.20/24", &interfaces[0].addr[0]);
	strcpy(interfaces[1].name, "tunnel.1");
	interfaces[1].tunnel = true;
	strcpy(interfaces[1].zone, "VPN-Zone");
	memset(routes, 0, sizeof(routes));
	prefix_parse("0.0.0.0/0", &routes[0].dst);
	addr_parse("198.51.100.1", &routes[0].via);
	strcpy(routes[1].name, "Route-to-Branch");
	prefix_parse("10.10.10.0/24", &routes[1].dst);
	strcpy(routes[1].interface, "tunnel.1");
	memset(gateways, 0, sizeof(gateways));
	strcpy(gateways[0].ike.name, "G1");
	strcpy(gateways[0].interface, "ethernet1/1");
	gateways[0].ike.id = 1;
	gateways[0].ike.dpd_interval_s = 10;
	gateways[0].ike.dpd_retry = 3;
	gateways[0].ike.lifetime_s = 28800;
	gateways[0].ike.ike = (struct ike_algs){.n_encr = 1,
						.n_integ = 1,
						.n_dh = 2,
						.encr = {{ENCR_AES_CBC, 256}},
						.integ = {AUTH_HMAC_SHA2_256_128},
						.dh = {DH_MODP2048, DH_ECP256}};
	addr_parse("198.51.100.20", &gateways[0].ike.local);
	addr_parse("203.0.113.10", &gateways[0].ike.remote);
	memcpy(gateways[0].ike.psk, "never to be seen", 16);
	gateways[0].ike.psk_len = 16;
	memset(tunnels, 0, sizeof(tunnels));
	memset(proxy_ids, 0, sizeof(proxy_ids));
	strcpy(tunnels[0].name, "T1");
	strcpy(tunnels[0].interface, "tunnel.1");
	strcpy(tunnels[0].gateway, "G1");
	tunnels[0].n_proxy_ids = 2;
	tunnels[0].proxy_ids = proxy_ids;
	tunnels[0].replay_window = 1024;
	for (int i = 0; i < 2; i++) {
		char text[32];

		snprintf(proxy_ids[i].name, sizeof(proxy_ids[i].name), "P%d", i + 1);
		snprintf(text, sizeof(text), "10.20.%d.0/24", 20 + i);
		prefix_parse(text, &proxy_ids[i].local);
		prefix_parse("10.10.10.0/24", &proxy_ids[i].remote);
	}
	strcpy(c->sys.hostname, "hq");
	c->sys.workers = 1;
	c->sys.max_sas = 4096;
	c->n_interfaces = 2;
	c->interfaces = interfaces;
	c->n_routes = 2;
	c->routes = routes;
	c->n_gateways = 1;
	c->gateways = gateways;
	c->n_tunnels = 1;
	c->tunnels = tunnels;
}

static void make_children(void)
{
	memset(child_confs, 0, sizeof(child_confs));
	for (uint32_t i = 0; i < 2; i++) {
		struct ike_child_conf *k = &child_confs[i];

		strcpy(k->tunnel, "T1");
		memcpy(k->proxy_id, proxy_ids[i].name, sizeof(k->proxy_id));
		k->tunnel_id = i + 1;
		k->policy = 101 + i;
		k->n_local = k->n_remote = 1;
		k->local[0] = ts_of(&proxy_ids[i].local, 0, 0);
		k->remote[0] = ts_of(&proxy_ids[i].remote, 0, 0);
		k->lifetime_s = 3600;
		k->esp = (struct ike_algs){.n_encr = 1, .encr = {{ENCR_AES_GCM_16, 256}}};
		policies[i] = (struct ctl_policy){
			.tunnel = &tunnels[0], .proxy = &proxy_ids[i], .number = i + 1, .policy = 101 + i};
		fake->conf_children[i].gw = &gateways[0].ike;
		fake->conf_children[i].conf = k;
	}
	gateways[0].ike.children = child_confs;
	gateways[0].ike.n_children = 2;
	fake->n_conf_children = 2;
}

void fake_begin(void)
{
	fake = calloc(1, sizeof(*fake));
	fake->now = 1000ull * 1000000000;
	fake->epoch = 1764000000;
	make_conf(&fake->conf);
	make_children();
	fake->gateways[0].conf = &gateways[0].ike;
	fake->n_gateways = 1;
	fake->ctl.conf = &fake->conf;
	fake->ctl.conf_path = "/etc/culvert/culvert.conf";
	fake->ctl.n_policies = 2;
	fake->ctl.policies = policies;
	strcpy(ctl_interfaces[0].name, "ethernet1/1");
	strcpy(ctl_interfaces[1].name, "tunnel.1");
	ctl_interfaces[1].ifindex = 1;
	fake->ctl.n_interfaces = 2;
	fake->ctl.interfaces = ctl_interfaces;
	fake->ctl.started_ns = 1;
	fake->ctl.journal = journal_open("", NULL, 0);
}

void fake_end(void)
{
	journal_close(fake->ctl.journal);
	if (fake->ctl.loop)
		ev_loop_destroy(fake->ctl.loop);
	free(fake);
	fake = NULL;
}

struct ike_sa_info *fake_ike_sa(void)
{
	struct ike_sa_info *i = &fake->sas[fake->n_sas++];

	*i = (struct ike_sa_info){
		.ppk = "",
		.gateway = "G1",
		.gateway_id = 1,
		.serial = (uint32_t)fake->n_sas,
		.state = "Established",
		.established = true,
		.suite = {.encr = ENCR_AES_CBC,
			  .key_bits = 256,
			  .integ = AUTH_HMAC_SHA2_256_128,
			  .dh = DH_MODP2048},
		.created = fake->now,
		.established_at = fake->now,
		.expires = fake->now + 28800ull * 1000000000,
		.local = {gateways[0].ike.local, 500},
		.remote = {gateways[0].ike.remote, 500},
		.spi_i = 0x8669654AB024E4AE,
		.spi_r = 0xCABD66D702C02131,
	};
	return i;
}

struct ike_child_info *fake_child(uint32_t n)
{
	struct ike_child_info *i = &fake->children[fake->n_children++];

	*i = (struct ike_child_info){
		.gateway = "G1",
		.tunnel = "T1",
		.proxy_id = proxy_ids[n - 1].name,
		.gateway_id = 1,
		.tunnel_id = n,
		.policy = 100 + n,
		.id = (uint32_t)fake->n_children,
		.parent_serial = 1,
		.state = "Mature",
		.spi_in = 0x1001,
		.spi_out = 0xFCAEE176,
		.suite = {.encr = ENCR_AES_GCM_16, .key_bits = 256},
		.created = fake->now,
		.expires = fake->now + 3600ull * 1000000000,
		.rekey_at = fake->now + 3000ull * 1000000000,
		.lifetime_s = 3600,
		.host = &handle,
		.local = {gateways[0].ike.local, 500},
		.remote = {gateways[0].ike.remote, 500},
	};
	i->ts_local.n = i->ts_remote.n = 1;
	i->ts_local.t[0] = child_confs[n - 1].local[0];
	i->ts_remote.t[0] = child_confs[n - 1].remote[0];
	return i;
}

/* ---- ctl ---------------------------------------------------------------------------------------- */

uint64_t ctl_now(void)
{
	return fake->now;
}

int64_t ctl_wall(uint64_t now_time)
{
	return fake->epoch + (int64_t)(now_time / 1000000000);
}

int64_t ctl_wall_ms(void)
{
	return ctl_wall(fake->now) * 1000;
}

int ike_gateway_debug(struct ike *k, const char *gateway, uint64_t until)
{
	snprintf(fake->called, sizeof(fake->called), "debug %s %llu", gateway,
		 (unsigned long long)(until ? (until - fake->now) / 60000000000 : 0));
	return 0;
}

int ctl_ike_capture_start(struct ctl *c, const char *gateway, const char *file, uint64_t until, char *err,
			  size_t err_len)
{
	fake->ike_capture = (struct ike_capture_state){.on = true, .messages = 4, .until = until};
	snprintf(fake->ike_capture.gateway, sizeof(fake->ike_capture.gateway), "%s", gateway);
	snprintf(fake->ike_capture.file, sizeof(fake->ike_capture.file), "%s", file);
	return 0;
}

bool ctl_ike_capture_stop(struct ctl *c, const char *gateway)
{
	fake->ike_capture.on = false;
	strcpy(fake->ike_capture.ended, "stopped by the operator");
	return true;
}

bool ctl_ike_capture_state(const struct ctl *c, struct ike_capture_state *s)
{
	*s = fake->ike_capture;
	return s->file[0];
}

const char *ctl_interface_name(const struct ctl *c, uint16_t ifindex)
{
	return ifindex < c->n_interfaces ? c->interfaces[ifindex].name : "?";
}

void ctl_ike_rearm(struct ctl *c)
{
	fake->rearmed++;
}

bool ctl_route_active(const struct ctl *c, size_t i, unsigned *together)
{
	*together = 1;
	return !(fake->inactive >> i & 1);
}

int ctl_commit(struct ctl *c, config_say_fn *say, ctl_committed_fn *done, void *arg)
{
	struct ctl_commit_result r = {.changed_gateways = 1, .gateways = 2};

	if (fake->answer == -EALREADY)
		return -EALREADY;
	say(arg, true, "culvert.conf:1: a warning");
	if (fake->commit_says) {
		say(arg, false, fake->commit_says);
		r.rc = -EINVAL;
		r.partly = fake->commit_partly;
	}
	done(arg, &r);
	return 0;
}

void ctl_commit_forget(struct ctl *c, void *arg)
{
}

/* Says what it was asked, and whether it may. */
int ctl_capture_start(struct ctl *c, const struct capture_conf *conf, char *err, size_t err_len)
{
	snprintf(fake->called, sizeof(fake->called), "capture %s sides %u count %u policies %u file %s",
		 conf->tunnel, conf->sides, conf->count, conf->n_policies, conf->file);
	if (fake->answer < 0) {
		snprintf(err, err_len, "%s: no", conf->file);
		return fake->answer;
	}
	fake->capture = (struct capture_state){.on = true, .sides = conf->sides, .count = conf->count};
	snprintf(fake->capture.tunnel, sizeof(fake->capture.tunnel), "%s", conf->tunnel);
	snprintf(fake->capture.file, sizeof(fake->capture.file), "%s", conf->file);
	return 0;
}

bool ctl_capture_stop(struct ctl *c)
{
	bool was = fake->capture.on;

	fake->capture.on = false;
	snprintf(fake->capture.ended, sizeof(fake->capture.ended), "stopped by the operator");
	return was;
}

bool ctl_capture_state(const struct ctl *c, struct capture_state *s)
{
	*s = fake->capture;
	return s->file[0];
}

/* ---- the engine --------------------------------------------------------------------------------- */

const char *ike_cause_str(enum ike_cause c)
{
	return c == IKE_CAUSE_AUTH_FAILED       ? "auth-failed"
	       : c == IKE_CAUSE_TS_UNACCEPTABLE ? "ts-unacceptable"
						: "other";
}

static int called(const char *what, const char *name)
{
	snprintf(fake->called, sizeof(fake->called), "%s %s", what, name ? name : "(all)");
	return fake->answer;
}

/* In two parts. */
int ike_request_step(struct ike *k, struct ike_request *r, uint64_t now)
{
	static const char *const verbs[] = {
		[IKE_TEST_IKE_SA] = "test ike-sa",       [IKE_TEST_IPSEC_SA] = "test ipsec-sa",
		[IKE_REKEY_IKE_SA] = "rekey ike-sa",     [IKE_REAUTHENTICATE] = "reauthenticate",
		[IKE_REKEY_IPSEC_SA] = "rekey ipsec-sa", [IKE_CLEAR_IKE_SA] = "clear ike-sa",
		[IKE_CLEAR_IPSEC_SA] = "clear ipsec-sa"};
	int n = called(verbs[r->verb], r->tunnel ? r->tunnel : r->gateway);

	if (n < 0)
		return n;
	r->again = r->urge ? fake->again : 0;
	r->n = r->slot++ ? n : n / 2;
	return r->slot == 1 ? -EAGAIN : 0;
}

void ike_set_debug(struct ike *k, bool on)
{
	called("debug", on ? "on" : "off");
}

void ike_each_sa_after(struct ike *k, const char *gateway, uint64_t spi_own, uint32_t serial,
		       bool (*cb)(void *arg, const struct ike_sa_info *i), void *arg)
{
	for (size_t i = 0; i < fake->n_sas; i++) {
		const struct ike_sa_info *sa = &fake->sas[i];

		if (sa->serial <= serial || (gateway && strcmp(gateway, sa->gateway) != 0))
			continue;
		fake->looked++;
		if (!cb(arg, sa))
			return;
	}
}

void ike_each_sa(struct ike *k, bool (*cb)(void *arg, const struct ike_sa_info *i), void *arg)
{
	ike_each_sa_after(k, NULL, 0, 0, cb, arg);
}

void ike_each_child(struct ike *k, bool (*cb)(void *arg, const struct ike_child_info *i), void *arg)
{
	ike_each_child_after(k, 0, 0, cb, arg);
}

void ike_each_child_after(struct ike *k, uint32_t spi_in, uint32_t id,
			  bool (*cb)(void *arg, const struct ike_child_info *i), void *arg)
{
	for (size_t i = 0; i < fake->n_children; i++) {
		if (fake->children[i].id <= id)
			continue;
		fake->looked++;
		if (!cb(arg, &fake->children[i]))
			return;
	}
}

void ike_each_gateway(struct ike *k, bool (*cb)(void *arg, const struct ike_gw_info *i), void *arg)
{
	for (size_t i = 0; i < fake->n_gateways; i++)
		if (!cb(arg, &fake->gateways[i]))
			return;
}

/* A gateway that the test only configured is one that nothing has happened to. */
bool ike_gateway_read(struct ike *k, const char *name, struct ike_gw_info *i)
{
	fake->looked++;
	for (size_t n = 0; n < fake->n_gateways; n++) {
		*i = fake->gateways[n];
		if (strcmp(i->conf->name, name) == 0)
			return true;
	}
	for (size_t n = 0; n < fake->conf.n_gateways; n++) {
		*i = (struct ike_gw_info){.conf = &fake->conf.gateways[n].ike};
		if (strcmp(i->conf->name, name) == 0)
			return true;
	}
	return false;
}

void ike_each_conf_child(struct ike *k, bool (*cb)(void *arg, const struct ike_conf_child_info *i), void *arg)
{
	for (size_t i = 0; i < fake->n_conf_children; i++)
		if (!cb(arg, &fake->conf_children[i]))
			return;
}

bool ike_conf_child_read(struct ike *k, uint32_t policy, struct ike_conf_child_info *i)
{
	fake->looked++;
	for (size_t n = 0; n < fake->n_conf_children; n++) {
		if (fake->conf_children[n].conf->policy != policy)
			continue;
		*i = fake->conf_children[n];
		return true;
	}
	return false;
}

void ike_each_child_of(struct ike *k, uint32_t policy, bool (*cb)(void *arg, const struct ike_child_info *i),
		       void *arg)
{
	for (size_t i = 0; i < fake->n_children; i++) {
		if (fake->children[i].policy != policy)
			continue;
		fake->looked++;
		if (!cb(arg, &fake->children[i]))
			return;
	}
}

void ike_starts(const struct ike *k, uint32_t *out, uint32_t *max, uint32_t *in_line)
{
	*out = 12;
	*max = 256;
	*in_line = 340;
}

uint32_t ike_half_open(const struct ike *k)
{
	uint32_t n = 0;

	for (size_t i = 0; i < fake->n_sas; i++)
		n += !fake->sas[i].established && fake->sas[i].role == IKE_RESPONDER;
	return n;
}

void ike_count(const struct ike *k, uint32_t *sas, uint32_t *children)
{
	*sas = (uint32_t)fake->n_sas;
	*children = (uint32_t)fake->n_children;
}

const struct ike_tuning *ike_tuning(const struct ike *k)
{
	static const struct ike_tuning t = {.half_open_max = 2000};

	return &t;
}

void ike_each_call(struct ike *k, bool (*cb)(void *arg, const struct ike_call *i), void *arg)
{
	for (size_t i = 0; i < fake->n_calls; i++)
		if (!cb(arg, &fake->calls[i]))
			return;
}

const struct ike_counters *ike_counters(const struct ike *k)
{
	return &fake->counters;
}

const char *ike_counter_name(unsigned i)
{
	static const char *const names[] = {"rx-messages", "rx-malformed"};

	return i < 2 ? names[i] : NULL;
}

const char *ike_counter_help(unsigned i)
{
	return i ? "messages that break the protocol" : "messages received";
}

/* ---- the data plane ----------------------------------------------------------------------------- */

int dp_sa_in_stats(uint32_t spi, struct dp_sa_stats *s)
{
	*s = fake->in;
	return spi == handle.spi_in ? 0 : -ENOENT;
}

int dp_sa_out_stats(uint32_t sa_out, struct dp_sa_stats *s)
{
	*s = fake->out;
	return sa_out == handle.sa_out ? 0 : -ENOENT;
}

int dp_trace_packet(const struct dp_trace_packet *p, struct dp_trace *t)
{
	fake->asked = *p;
	*t = fake->trace;
	return 0;
}

int dp_rule_stats(uint32_t id, struct dp_rule_stats *s)
{
	*s = (struct dp_rule_stats){0};
	if (id != 42 && id != DP_RULE_INTERZONE)
		return id == DP_RULE_INTRAZONE ? 0 : -ENOENT;
	s->packets = id == 42 ? 1234567 : 3;
	s->last_hit_ns = fake->now;
	return 0;
}

uint16_t dp_sa_out_mtu(uint32_t sa_out)
{
	return sa_out == handle.sa_out ? 1438 : 0;
}

uint16_t dp_sa_out_pmtu(uint32_t sa_out)
{
	return sa_out == handle.sa_out ? 1492 : 0;
}

int dp_policy_stats(uint32_t policy, struct dp_policy_stats *s)
{
	*s = fake->policy;
	return 0;
}

int dp_drop_stats(unsigned i, struct dp_drop *d)
{
	static const char *const names[] = {"no-route", "esp-replay", "no-sa"};

	if (i >= 3)
		return -ENOENT;
	*d = (struct dp_drop){names[i], "why it is dropped", fake->drops[i]};
	return 0;
}

int dp_if_stats(uint16_t ifindex, struct dp_if_stats *s)
{
	if (ifindex > 1)
		return -ENOENT;
	*s = (struct dp_if_stats){
		.is_port = ifindex == 0, .link_up = true, .mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500};
	s->rx_packets = 11;
	s->tx_packets = 12;
	return 0;
}

int dp_policy_options(uint32_t policy, const struct dp_policy_options *o)
{
	return 0;
}

int dp_worker_stats(unsigned worker, struct dp_worker_stats *s)
{
	*s = (struct dp_worker_stats){.cpu = 3,
				      .loops = 1000,
				      .idle_loops = 750,
				      .rx_packets = 5,
				      .rx_bursts = 2,
				      .known_flows = 4,
				      .busy_ns = 1000,
				      .up_ns = 8000,
				      .tx_packets = 6,
				      .icmp_sent = 17,
				      .reassembled = 3};
	return worker ? -ENOENT : 0;
}

int dp_capacity(unsigned i, struct dp_capacity *c)
{
	*c = i ? (struct dp_capacity){.name = "memory-bytes", .help = "bytes", .used = 1000}
	       : (struct dp_capacity){.name = "inbound-sas", .help = "SPIs", .used = 3, .limit = 50};
	return i > 1 ? -ENOENT : 0;
}

int dp_stage_stats(unsigned worker, unsigned i, struct dp_stage *s)
{
	*s = (struct dp_stage){.name = i ? "out-seal" : "unused", .help = "encrypt", .cycles = 255};
	s->packets = i * 2;
	return worker || i > 1 ? -ENOENT : 0;
}

int dp_route_lookup(const struct addr *dst, struct dp_route *r)
{
	*r = fake->route;
	return fake->route_rc;
}

int dp_echo_open(uint16_t *id)
{
	*id = 0xfff8;
	return 0;
}

void dp_echo_close(uint16_t id)
{
	fake->echo_closed++;
}

int dp_echo_send(const struct dp_echo *e)
{
	fake->echo = *e;
	fake->echoes++;
	return 0;
}
