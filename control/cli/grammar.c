/* SPDX-License-Identifier: Apache-2.0 */
#include "grammar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPT_GATEWAY                                                                                          \
	{                                                                                                    \
		"gateway", CLI_ARG_GATEWAY, "of this gateway only"                                           \
	}
#define OPT_TUNNEL                                                                                           \
	{                                                                                                    \
		"tunnel", CLI_ARG_TUNNEL, "of this tunnel, or tunnel:proxy-id, only"                         \
	}

const struct cli_command cli_commands[] = {
	{CLI_SHOW_VPN_IKE_SA,
	 {"show", "vpn", "ike-sa"},
	 {{"detail", CLI_ARG_NONE, "everything known of each IKE SA"}, OPT_GATEWAY},
	 "IKE SAs and their Child SAs; of one gateway, also why it failed last"},
	{CLI_SHOW_VPN_IPSEC_SA,
	 {"show", "vpn", "ipsec-sa"},
	 {OPT_TUNNEL},
	 "IPsec SAs: SPIs, algorithms, life times"},
	{CLI_SHOW_VPN_FLOW,
	 {"show", "vpn", "flow"},
	 {{"name", CLI_ARG_TUNNEL, "everything known of this tunnel"},
	  {"tunnel-id", CLI_ARG_TUNNEL_ID, "everything known of the tunnel with this number"}},
	 "tunnels in the data plane: state, counters of packets in and out"},
	{CLI_SHOW_VPN_GATEWAY,
	 {"show", "vpn", "gateway"},
	 {{"name", CLI_ARG_GATEWAY, "this gateway only"}},
	 "configured IKE gateways and what they offer"},
	{CLI_SHOW_VPN_TUNNEL,
	 {"show", "vpn", "tunnel"},
	 {{"name", CLI_ARG_TUNNEL, "this tunnel only"}},
	 "configured tunnels and proxy-IDs"},
	{CLI_SHOW_VPN_MONITOR,
	 {"show", "vpn", "tunnel-monitor"},
	 {{0}},
	 "monitored destinations: answered or not, round-trip times"},
	{CLI_SHOW_VPN_HISTORY,
	 {"show", "vpn", "history"},
	 {{"tunnel", CLI_ARG_TUNNEL, "what happened to this one"},
	  {"gateway", CLI_ARG_GATEWAY, "what happened to this one and its tunnels"}},
	 "ups and downs of tunnels, by whom and why, and the period of outages"},
	{CLI_SHOW_COUNTER_DROP,
	 {"show", "counter", "drop"},
	 {{"all", CLI_ARG_NONE, "also those that are 0"}},
	 "packets dropped, by reason"},
	{CLI_SHOW_COUNTER_IKE,
	 {"show", "counter", "ike"},
	 {{"all", CLI_ARG_NONE, "also those that are 0"}},
	 "IKE messages sent, received and refused"},
	{CLI_SHOW_COUNTER_GLOBAL,
	 {"show", "counter", "global"},
	 {{"delta", CLI_ARG_NONE, "since delta was last asked for"},
	  {"all", CLI_ARG_NONE, "also those that are 0"}},
	 "every counter of the data plane and of IKE, with rates"},
	{CLI_SHOW_LOG_SYSTEM,
	 {"show", "log", "system"},
	 {{"match", CLI_ARG_TEXT, "lines with this in them, upper or lower case"},
	  {"count", CLI_ARG_COUNT, "so many of the last lines; 50 when not given"}},
	 "the end of the system log"},
	{CLI_SHOW_DATAPLANE, {"show", "dataplane"}, {{0}}, "workers: cores, packets, how busy they are"},
	{CLI_SHOW_INTERFACE,
	 {"show", "interface"},
	 {{NULL, CLI_ARG_INTERFACE, "this interface, or all"}},
	 "interfaces: link, addresses, counters"},
	{CLI_SHOW_ROUTING_ROUTE,
	 {"show", "routing", "route"},
	 {{"destination", CLI_ARG_IP, "the route that a packet to this address takes"}},
	 "routes"},
	{CLI_SHOW_SECURITY_POLICY,
	 {"show", "running", "security-policy"},
	 {{0}},
	 "security rules in force, in the order in which they are tried"},
	{CLI_SHOW_RULE_HITS,
	 {"show", "rule-hit-count"},
	 {{0}},
	 "packets that met each security rule, and when the last one did"},
	{CLI_SHOW_SYSTEM_INFO, {"show", "system", "info"}, {{0}}, "this daemon: version, up time, sizes"},
	{CLI_TEST_VPN_IKE_SA, {"test", "vpn", "ike-sa"}, {OPT_GATEWAY}, "start negotiating IKE SAs"},
	{CLI_TEST_VPN_IPSEC_SA, {"test", "vpn", "ipsec-sa"}, {OPT_TUNNEL}, "start negotiating IPsec SAs"},
	{CLI_TEST_VPN_PACKET,
	 {"test", "vpn", "packet"},
	 {{"source", CLI_ARG_IP, "the packet's source address"},
	  {"destination", CLI_ARG_IP, "its destination address"},
	  {"protocol", CLI_ARG_PROTOCOL, "icmp or icmp6 (default), tcp, udp, gre, esp, sctp, or a number"},
	  {"source-port", CLI_ARG_PORT, "with protocols that have ports"},
	  {"destination-port", CLI_ARG_PORT, "with protocols that have ports"},
	  {"size", CLI_ARG_BYTES, "length of the whole IP packet"},
	  {"interface", CLI_ARG_INTERFACE, "where it arrives; without: where the route to its source leads"}},
	 "what would happen to a packet, step by step; nothing is sent"},
	{CLI_TEST_FIB_LOOKUP,
	 {"test", "routing", "fib-lookup"},
	 {{"ip", CLI_ARG_IP, "the address"}},
	 "the route that a packet to an address takes"},
	{CLI_DIAGNOSE_VPN,
	 {"diagnose", "vpn"},
	 {{"tunnel", CLI_ARG_TUNNEL, "this one, with the evidence and what to do"}},
	 "what is wrong with tunnels: phase 1, phase 2, which way packets go, and a verdict"},
	{CLI_REKEY_IKE_SA,
	 {"request", "vpn", "rekey", "ike-sa"},
	 {OPT_GATEWAY},
	 "new keys for IKE SAs now; traffic goes on"},
	{CLI_REKEY_IPSEC_SA,
	 {"request", "vpn", "rekey", "ipsec-sa"},
	 {OPT_TUNNEL},
	 "new keys for IPsec SAs now; traffic goes on"},
	{CLI_REAUTHENTICATE,
	 {"request", "vpn", "reauthenticate"},
	 {OPT_GATEWAY},
	 "new IKE SAs, with all that is in them, beside the old ones, which then go; traffic goes on"},
	{CLI_CLEAR_VPN_IKE_SA,
	 {"clear", "vpn", "ike-sa"},
	 {OPT_GATEWAY},
	 "delete IKE SAs and their Child SAs, here and at the peer"},
	{CLI_CLEAR_VPN_IPSEC_SA,
	 {"clear", "vpn", "ipsec-sa"},
	 {OPT_TUNNEL},
	 "delete IPsec SAs, here and at the peer"},
	{CLI_DEBUG_IKE_ON, {"debug", "ike", "on"}, {{0}}, "log every IKE message; remember to turn it off"},
	{CLI_DEBUG_IKE_OFF, {"debug", "ike", "off"}, {{0}}, "log events only"},
	{CLI_DEBUG_IKE_ON, {"debug", "ike", "global", "on"}, {{0}}, "same as debug ike on"},
	{CLI_DEBUG_IKE_OFF, {"debug", "ike", "global", "off"}, {{0}}, "same as debug ike off"},
	{CLI_DEBUG_IKE_GATEWAY,
	 {"debug", "ike", "gateway"},
	 {{NULL, CLI_ARG_GATEWAY, "of which one; without more words: what goes on"},
	  {"on", CLI_ARG_NONE, "log its messages"},
	  {"off", CLI_ARG_NONE, "end both"},
	  {"pcap", CLI_ARG_FILE,
	   "its messages, decrypted, to a new file: an absolute path ending in .pcapng"},
	  {"minutes", CLI_ARG_MINUTES, "it ends by itself; 10 when not given"}},
	 "IKE of one gateway: more of it in the log, or decrypted into a file"},
	{CLI_DEBUG_CAPTURE,
	 {"debug", "capture", "tunnel"},
	 {{NULL, CLI_ARG_TUNNEL, "whose packets"},
	  {"inner", CLI_ARG_NONE, "in clear"},
	  {"outer", CLI_ARG_NONE, "as they go over the wire"},
	  {"both", CLI_ARG_NONE, "both, the default"},
	  {"count", CLI_ARG_COUNT, "end after so many packets; 1000 when not given"},
	  {"file", CLI_ARG_FILE, "a new file, an absolute path ending in .pcapng"}},
	 "write packets of a tunnel to a pcapng file"},
	{CLI_DEBUG_CAPTURE_STOP, {"debug", "capture", "stop"}, {{0}}, "end the capture"},
	{CLI_DEBUG_CAPTURE_SHOW,
	 {"debug", "capture", "show"},
	 {{0}},
	 "the capture that goes on, or the last"},
	{CLI_COMMIT, {"commit"}, {{0}}, "read the configuration file again and apply what changed"},
	{CLI_EXPLAIN,
	 {"explain"},
	 {{NULL, CLI_ARG_TERM, "a term, or a way to fail; all when not given"}},
	 "what a term means; how a failure looks and is told from others"},
	{CLI_REFERENCE,
	 {"reference"},
	 {{NULL, CLI_ARG_VENDOR, "the other end; all when not given"}},
	 "what to type at the other vendor's end"},
};
const size_t cli_n_commands = sizeof(cli_commands) / sizeof(cli_commands[0]);

static size_t n_words(const struct cli_command *c)
{
	size_t n = 0;

	while (c->words[n])
		n++;
	return n;
}

static bool is_option(const struct cli_option *o)
{
	return o->word || o->arg != CLI_ARG_NONE;
}

const char *cli_arg_name(enum cli_arg kind)
{
	switch (kind) {
	case CLI_ARG_GATEWAY: return "<gateway>";
	case CLI_ARG_TUNNEL: return "<tunnel[:proxy-id]>";
	case CLI_ARG_TUNNEL_ID: return "<tunnel-id>";
	case CLI_ARG_INTERFACE: return "<interface>";
	case CLI_ARG_IP: return "<ip-address>";
	case CLI_ARG_PROTOCOL: return "<protocol>";
	case CLI_ARG_PORT: return "<port>";
	case CLI_ARG_BYTES: return "<bytes>";
	case CLI_ARG_COUNT: return "<count>";
	case CLI_ARG_MINUTES: return "<minutes>";
	case CLI_ARG_FILE: return "<file>";
	case CLI_ARG_TEXT: return "<text>";
	case CLI_ARG_TERM: return "<term>";
	case CLI_ARG_VENDOR: return "<vendor>";
	default: return "";
	}
}

const char *cli_syntax(const struct cli_command *c, char *buf, size_t cap)
{
	size_t n = 0;

	buf[0] = 0;
	for (size_t i = 0; c->words[i] && n < cap; i++)
		n += (size_t)snprintf(buf + n, cap - n, "%s%s", i ? " " : "", c->words[i]);
	for (const struct cli_option *o = c->options; is_option(o) && n < cap; o++)
		n += (size_t)snprintf(buf + n, cap - n, " [%s%s%s]", o->word ? o->word : "",
				      o->word && o->arg ? " " : "", cli_arg_name(o->arg));
	return buf;
}

/* ---- walking the words ----------------------------------------------------------------------- */

/* A set of words with what they mean; fed one by one, keeps distinct ones. */
struct choice {
	const char *word[32];
	size_t n;
};

static void choice_add(struct choice *c, const char *word)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->word[i], word) == 0)
			return;
	if (c->n < sizeof(c->word) / sizeof(c->word[0]))
		c->word[c->n++] = word;
}

/* The one word that is `given`, or the only one that begins with it.  NULL: *n_begin do. */
static const char *choice_pick(const struct choice *c, const char *given, size_t *n_begin)
{
	const char *found = NULL;

	*n_begin = 0;
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->word[i], given) == 0)
			return c->word[i];
		if (given[0] && strncmp(c->word[i], given, strlen(given)) == 0) {
			found = c->word[i];
			(*n_begin)++;
		}
	}
	return *n_begin == 1 ? found : NULL;
}

static void say_words(char *why, size_t cap, size_t *n, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count && *n < cap; i++)
		*n += (size_t)snprintf(why + *n, cap - *n, "%s%s", i ? " " : "", words[i]);
}

/* "show vpn x: unknown word "x"; allowed: a, b" */
static int refuse(const char *const *words, size_t at, const struct choice *c, size_t n_begin, bool missing,
		  char why[CLI_WHY])
{
	size_t n = 0, listed = 0;

	why[0] = 0;
	say_words(why, CLI_WHY, &n, words, at + !missing);
	if (n < CLI_WHY && missing)
		n += (size_t)snprintf(why + n, CLI_WHY - n, "%sincomplete; allowed next:", n ? ": " : "");
	else if (n < CLI_WHY && n_begin > 1)
		n += (size_t)snprintf(why + n, CLI_WHY - n, ": \"%s\" is ambiguous; it may be:", words[at]);
	else if (n < CLI_WHY)
		n += (size_t)snprintf(why + n, CLI_WHY - n, ": unknown word \"%s\"; allowed:", words[at]);
	for (size_t i = 0; i < c->n && n < CLI_WHY; i++) {
		if (!missing && n_begin > 1 && strncmp(c->word[i], words[at], strlen(words[at])) != 0)
			continue;
		n += (size_t)snprintf(why + n, CLI_WHY - n, "%s %s", listed++ ? "," : "", c->word[i]);
	}
	if (!c->n && n < CLI_WHY)
		snprintf(why + n, CLI_WHY - n, " nothing more");
	return -EINVAL;
}

/* Words that may follow those in path[0..depth). */
static void next_words(const char *const *path, size_t depth, struct choice *c)
{
	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct cli_command *k = &cli_commands[i];
		size_t d = 0;

		while (d < depth && k->words[d] && strcmp(k->words[d], path[d]) == 0)
			d++;
		if (d == depth && k->words[d])
			choice_add(c, k->words[d]);
	}
}

static const struct cli_command *command_of(const char *const *path, size_t depth)
{
	for (size_t i = 0; i < cli_n_commands; i++) {
		size_t d = 0;

		while (d < depth && cli_commands[i].words[d] &&
		       strcmp(cli_commands[i].words[d], path[d]) == 0)
			d++;
		if (d == depth && n_words(&cli_commands[i]) == depth)
			return &cli_commands[i];
	}
	return NULL;
}

/* Resolve the command's own words; *used gets how many, why what is wrong when it is NULL.  No command's
 * words begin another's (a test holds the table to that), so the first complete one is it. */
static const struct cli_command *find_command(const char *const *words, size_t n, size_t *used,
					      char why[CLI_WHY])
{
	const char *path[CLI_WORDS];

	for (size_t d = 0;; d++) {
		const struct cli_command *cmd = d ? command_of(path, d) : NULL;
		struct choice c = {0};
		size_t n_begin;

		*used = d;
		if (cmd)
			return cmd;
		next_words(path, d, &c);
		if (d == n) {
			refuse(words, d, &c, 0, true, why);
			return NULL;
		}
		path[d] = choice_pick(&c, words[d], &n_begin);
		if (!path[d]) {
			refuse(words, d, &c, n_begin, false, why);
			return NULL;
		}
	}
}

static void open_options(const struct cli_match *m, struct choice *c, int *alone)
{
	*alone = -1;
	for (int i = 0; is_option(&m->cmd->options[i]); i++) {
		if (m->given[i])
			continue;
		if (m->cmd->options[i].word)
			choice_add(c, m->cmd->options[i].word);
		else
			*alone = i;
	}
}

/* Which option words[at] is, -1 none.  The words after it that belong to it are for the caller. */
static int pick_option(const struct cli_match *m, const char *word, struct choice *c, size_t *n_begin)
{
	const char *picked;
	int alone;

	open_options(m, c, &alone);
	picked = choice_pick(c, word, n_begin);
	for (int i = 0; picked && is_option(&m->cmd->options[i]); i++)
		if (m->cmd->options[i].word && strcmp(m->cmd->options[i].word, picked) == 0)
			return i;
	if (*n_begin == 0 && alone >= 0)
		return alone;
	return -1;
}

int cli_parse(const char *const *words, size_t n, struct cli_match *m, char why[CLI_WHY])
{
	size_t at;

	*m = (struct cli_match){0};
	why[0] = 0;
	m->cmd = find_command(words, n, &at, why);
	if (!m->cmd)
		return -EINVAL;
	for (; at < n; at++) {
		struct choice c = {0};
		size_t n_begin;
		int i = pick_option(m, words[at], &c, &n_begin);

		if (i < 0)
			return refuse(words, at, &c, n_begin, false, why);
		m->given[i] = true;
		if (m->cmd->options[i].arg == CLI_ARG_NONE)
			continue;
		if (m->cmd->options[i].word && ++at == n) {
			struct choice arg = {0};

			choice_add(&arg, cli_arg_name(m->cmd->options[i].arg));
			return refuse(words, n, &arg, 0, true, why);
		}
		m->arg[i] = words[at];
	}
	return 0;
}

static int option_index(const struct cli_match *m, const char *word)
{
	for (int i = 0; is_option(&m->cmd->options[i]); i++)
		if (strcmp(m->cmd->options[i].word ? m->cmd->options[i].word : "", word) == 0)
			return i;
	return -1;
}

bool cli_given(const struct cli_match *m, const char *word)
{
	int i = option_index(m, word);

	return i >= 0 && m->given[i];
}

const char *cli_arg(const struct cli_match *m, const char *word)
{
	int i = option_index(m, word);

	return i >= 0 ? m->arg[i] : NULL;
}

/* ---- completion -------------------------------------------------------------------------------- */

static const char *help_below(const char *const *path, size_t depth, const char *word)
{
	const char *help = NULL;

	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct cli_command *k = &cli_commands[i];
		size_t d = 0;

		while (d < depth && k->words[d] && strcmp(k->words[d], path[d]) == 0)
			d++;
		if (d < depth || !k->words[d] || strcmp(k->words[d], word) != 0)
			continue;
		if (help)
			return NULL; /* several commands go on from here */
		help = k->help;
	}
	return help;
}

static void complete_words(const char *const *path, size_t depth, const char *half, cli_candidate_fn *cb,
			   void *arg)
{
	struct choice c = {0};

	next_words(path, depth, &c);
	for (size_t i = 0; i < c.n; i++)
		if (strncmp(c.word[i], half, strlen(half)) == 0)
			cb(arg, c.word[i], CLI_ARG_NONE, help_below(path, depth, c.word[i]));
}

static void complete_options(struct cli_match *m, const char *half, cli_candidate_fn *cb, void *arg)
{
	for (int i = 0; is_option(&m->cmd->options[i]); i++) {
		const struct cli_option *o = &m->cmd->options[i];

		if (m->given[i])
			continue;
		if (!o->word)
			cb(arg, NULL, o->arg, o->help);
		else if (strncmp(o->word, half, strlen(half)) == 0)
			cb(arg, o->word, CLI_ARG_NONE, o->help);
	}
}

void cli_complete(const char *const *words, size_t n, cli_candidate_fn *cb, void *arg)
{
	const char *path[CLI_WORDS], *half = n ? words[n - 1] : "";
	struct cli_match m = {0};
	size_t d = 0, at;

	if (n == 0)
		n = 1; /* nothing typed: as one empty word */
	for (;; d++) {
		struct choice c = {0};
		size_t n_begin;

		m.cmd = d ? command_of(path, d) : NULL;
		if (m.cmd)
			break;
		if (d == n - 1) {
			complete_words(path, d, half, cb, arg);
			return;
		}
		next_words(path, d, &c);
		path[d] = choice_pick(&c, words[d], &n_begin);
		if (!path[d])
			return;
	}
	for (at = d; at < n - 1; at++) {
		struct choice c = {0};
		size_t n_begin;
		int i = pick_option(&m, words[at], &c, &n_begin);

		if (i < 0)
			return;
		m.given[i] = true;
		if (m.cmd->options[i].arg == CLI_ARG_NONE || !m.cmd->options[i].word)
			continue;
		if (++at == n - 1) {
			cb(arg, NULL, m.cmd->options[i].arg, m.cmd->options[i].help);
			return;
		}
	}
	complete_options(&m, half, cb, arg);
}
