/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's language: one table of commands, and what follows from it: finding the command that words
 * mean (abbreviated words included), saying what is wrong with them, completing them, the help text.
 * No I/O and no state; client and daemon share it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { CLI_WORDS = 5, CLI_OPTIONS = 7, CLI_WORDS_MAX = 32, CLI_WORD_LEN = 255, CLI_WHY = 1024 };

/* Exit statuses of the client; the daemon's answers carry the first three. */
enum { CLI_EXIT_OK = 0, CLI_EXIT_FAILED = 1, CLI_EXIT_USAGE = 2, CLI_EXIT_UNREACHABLE = 3 };

enum cli_cmd {
	CLI_SHOW_VPN_IKE_SA,
	CLI_SHOW_VPN_IPSEC_SA,
	CLI_SHOW_VPN_FLOW,
	CLI_SHOW_VPN_GATEWAY,
	CLI_SHOW_VPN_TUNNEL,
	CLI_SHOW_VPN_MONITOR,
	CLI_SHOW_VPN_HISTORY,
	CLI_SHOW_VPN_CAPACITY,
	CLI_SHOW_COUNTER_DROP,
	CLI_SHOW_COUNTER_IKE,
	CLI_SHOW_COUNTER_GLOBAL,
	CLI_SHOW_LOG_SYSTEM,
	CLI_SHOW_DATAPLANE,
	CLI_SHOW_INTERFACE,
	CLI_SHOW_ROUTING_ROUTE,
	CLI_SHOW_SECURITY_POLICY,
	CLI_SHOW_RULE_HITS,
	CLI_SHOW_SYSTEM_INFO,
	CLI_TEST_VPN_IKE_SA,
	CLI_TEST_VPN_IPSEC_SA,
	CLI_TEST_VPN_PACKET,
	CLI_TEST_FIB_LOOKUP,
	CLI_DIAGNOSE_VPN,
	CLI_REKEY_IKE_SA,
	CLI_REKEY_IPSEC_SA,
	CLI_REAUTHENTICATE,
	CLI_CLEAR_VPN_IKE_SA,
	CLI_CLEAR_VPN_IPSEC_SA,
	CLI_DEBUG_IKE_ON,
	CLI_DEBUG_IKE_OFF,
	CLI_DEBUG_IKE_GATEWAY,
	CLI_DEBUG_CAPTURE,
	CLI_DEBUG_CAPTURE_STOP,
	CLI_DEBUG_CAPTURE_SHOW,
	CLI_CLEAR_VPN_FLOW,
	CLI_PING,
	CLI_COMMIT,
	CLI_EXPLAIN,
	CLI_REFERENCE,
	CLI_CMD_MAX
};

/* What stands behind an option's word. */
enum cli_arg {
	CLI_ARG_NONE,
	CLI_ARG_GATEWAY,
	CLI_ARG_TUNNEL,
	CLI_ARG_TUNNEL_ID,
	CLI_ARG_INTERFACE,
	CLI_ARG_IP,
	CLI_ARG_PROTOCOL,
	CLI_ARG_PORT,
	CLI_ARG_BYTES,
	CLI_ARG_COUNT,
	CLI_ARG_MINUTES,
	CLI_ARG_FILE,
	CLI_ARG_TEXT,
	CLI_ARG_YES_NO,
	CLI_ARG_STATE,     /* of a tunnel */
	CLI_ARG_IKE_STATE, /* of an IKE SA */
	CLI_ARG_SA_STATE,  /* of an IPsec SA */
	CLI_ARG_UP_DOWN,
	CLI_ARG_PREFIX,
	CLI_ARG_TERM,
	CLI_ARG_VENDOR
};

struct cli_option {
	const char *word; /* NULL with an arg: the argument stands alone */
	enum cli_arg arg;
	const char *help;
};

/* words, then options in any order, each once */
struct cli_command {
	enum cli_cmd id;
	const char *words[CLI_WORDS + 1];
	struct cli_option options[CLI_OPTIONS + 1]; /* ends with word NULL and CLI_ARG_NONE */
	const char *help;
};

extern const struct cli_command cli_commands[];
extern const size_t cli_n_commands;

struct cli_match {
	const struct cli_command *cmd;
	bool given[CLI_OPTIONS];
	const char *arg[CLI_OPTIONS]; /* points into words[] */
};

/* Find what the words mean.  A word may be cut as long as it stays unique.  0, or -EINVAL with the reason
 * and what is allowed in why. */
int cli_parse(const char *const *words, size_t n, struct cli_match *m, char why[CLI_WHY]);
/* The option of this word: given? and its argument; keyword "" is the one that stands alone. */
bool cli_given(const struct cli_match *m, const char *word);
const char *cli_arg(const struct cli_match *m, const char *word);

/* What may stand in the place of the last of n words (which may be "" or half a word).  Calls back for each
 * word; for a place that takes a name with word NULL and the kind of name. */
typedef void cli_candidate_fn(void *arg, const char *word, enum cli_arg kind, const char *help);
void cli_complete(const char *const *words, size_t n, cli_candidate_fn *cb, void *arg);

const char *cli_arg_name(enum cli_arg kind); /* "<gateway>" */
/* The words that such an argument may be, NULL behind the last; NULL: it is none of a few words. */
const char *const *cli_arg_words(enum cli_arg kind);
/* "show vpn ike-sa [detail] [gateway <gateway>]" */
const char *cli_syntax(const struct cli_command *c, char *buf, size_t cap);
