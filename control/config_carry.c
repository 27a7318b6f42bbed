/* SPDX-License-Identifier: Apache-2.0 */
/* What the file says of how a tunnel carries packets: TCP's segment size, DF and DSCP of the outer header. */
#include "config_read.h"

#include "dp_api.h"

enum { MSS_MIN = 88, MSS_MAX = 9216, DSCP_MAX = 63 };

/* true (the default): what fits; false: TCP is left alone; a number: no more than that. */
static void read_mss(struct cfg_obj *o, struct dp_policy_options *c)
{
	static const char key[] = "adjust-tcp-mss";
	const config_setting_t *m = config_setting_get_member(o->s, key);
	char found[CFG_FOUND];
	long long v;

	if (!m)
		return;
	v = config_setting_get_int64(m);
	if (config_setting_type(m) == CONFIG_TYPE_BOOL)
		c->mss = config_setting_get_bool(m) ? DP_MSS_FIT : DP_MSS_OFF;
	else if (config_setting_is_number(m) && v >= MSS_MIN && v <= MSS_MAX)
		c->mss = (uint16_t)v;
	else
		cfg_error(o, m, key, "found %s; allowed: true, false, or %d to %d bytes",
			  cfg_found(m, false, found), MSS_MIN, MSS_MAX);
}

static void read_df(struct cfg_obj *o, struct dp_policy_options *c)
{
	static const struct cfg_word words[] = {
		{"copy", DP_DF_COPY}, {"set", DP_DF_SET}, {"clear", DP_DF_CLEAR}, {0}};
	const struct cfg_word *w = cfg_word(o, "df", CFG_OPTIONAL, words);

	c->df = w ? (enum dp_df)w->id : DP_DF_COPY;
}

/* dscp says it all; copy-tos is what the field's firewalls call its two simplest values. */
static void read_dscp(struct cfg_obj *o, struct dp_policy_options *c)
{
	const config_setting_t *m = config_setting_get_member(o->s, "dscp");
	const config_setting_t *tos = config_setting_get_member(o->s, "copy-tos");
	static const struct cfg_word words[] = {{"copy", 0}, {0}};
	bool copy = true;
	long long v;

	if (m && config_setting_is_number(m)) {
		c->dscp_fixed = cfg_int(o, "dscp", CFG_OPTIONAL, 0, DSCP_MAX, &v);
		c->dscp = c->dscp_fixed ? (uint8_t)v : 0;
	} else {
		cfg_word(o, "dscp", CFG_OPTIONAL, words);
	}
	if (!tos || !cfg_bool(o, "copy-tos", &copy))
		return;
	if (m)
		cfg_error(o, tos, "copy-tos", "stands beside dscp; allowed: one of the two");
	else
		c->dscp_fixed = !copy;
}

void cfg_read_carry(struct cfg_obj *o, struct dp_policy_options *c)
{
	read_mss(o, c);
	read_df(o, c);
	read_dscp(o, c);
}
