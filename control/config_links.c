/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold between interfaces: devices, VLANs, networks. */
#include "config_read.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { IPV6_MTU_MIN = 1280 }; /* RFC 8200 5 */

static struct cfg_obj object(struct cfg_load *l, size_t i)
{
	struct cfg_obj o = {.l = l, .s = l->src.interfaces[i], .kind = "interface"};

	snprintf(o.name, sizeof(o.name), "%s", l->conf->interfaces[i].name);
	return o;
}

/* ---- devices ----------------------------------------------------------------------------------- */

static bool text_eq(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

/* The device itself, without arguments, and a PCI address without a domain of zeros. */
static const char *device_of(const char *port, size_t *len)
{
	const char *from = strncmp(port, "0000:", 5) == 0 ? port + 5 : port;

	*len = strcspn(from, ",");
	return from;
}

/* The kernel's interface below it, or NULL. */
static const char *kernel_of(const char *port, size_t *len)
{
	const char *from = strstr(port, ",iface=");

	if (!from)
		return NULL;
	from += strlen(",iface=");
	*len = strcspn(from, ",");
	return from;
}

static bool same_port(const char *a, const char *b)
{
	size_t a_len, b_len;
	const char *x = device_of(a, &a_len), *y = device_of(b, &b_len);

	if (text_eq(x, a_len, y, b_len))
		return true;
	x = kernel_of(a, &a_len);
	y = kernel_of(b, &b_len);
	return x && y && text_eq(x, a_len, y, b_len);
}

/* ---- one beside another ------------------------------------------------------------------------ */

static bool nets_meet(const struct prefix *a, const struct prefix *b)
{
	return a->len <= b->len ? prefix_has(a, &b->a) : prefix_has(b, &a->a);
}

static void check_pair(struct cfg_load *l, size_t i, size_t j)
{
	const struct cfg_interface *f = &l->conf->interfaces[i], *g = &l->conf->interfaces[j];
	struct cfg_obj o = object(l, j);
	char a[PREFIX_STR], b[PREFIX_STR];

	if (f->port[0] && g->port[0] && same_port(f->port, g->port))
		cfg_error(&o, config_setting_get_member(o.s, "port"), "port",
			  "found \"%s\", which is the port of \"%s\"; allowed: a port of its own", g->port,
			  f->name);
	if (f->tag && f->tag == g->tag && config_vlan_port(l->conf, f) &&
	    config_vlan_port(l->conf, f) == config_vlan_port(l->conf, g))
		cfg_error(&o, config_setting_get_member(o.s, "tag"), "tag",
			  "found %u, which is the tag of \"%s\"; allowed: a tag of its own", g->tag, f->name);
	for (unsigned x = 0; x < f->n_addr; x++)
		for (unsigned y = 0; y < g->n_addr; y++)
			if (nets_meet(&f->addr[x], &g->addr[y]))
				cfg_error(
					&o, config_setting_get_member(o.s, "address"), "address",
					"found %s, which overlaps %s of \"%s\"; allowed: a network of its own",
					prefix_str(&g->addr[y], b), prefix_str(&f->addr[x], a), f->name);
}

/* ---- VLANs and their ports --------------------------------------------------------------------- */

static void check_vlan(struct cfg_load *l, size_t i)
{
	struct cfg_interface *f = &l->conf->interfaces[i];
	const struct cfg_interface *port = config_vlan_port(l->conf, f);
	struct cfg_obj o = object(l, i);

	if (!port || !port->port[0]) {
		f->mtu = f->mtu ? f->mtu : 1500;
		if (strchr(f->name, '.')) /* else the name itself has been complained about */
			cfg_error(
				&o, config_setting_get_member(o.s, "name"), "name",
				"found \"%s\", but no interface \"%.*s\" with a port; allowed: the name of one, "
				"and a number behind it",
				f->name, (int)(strrchr(f->name, '.') - f->name), f->name);
		return;
	}
	if (f->mtu > port->mtu)
		cfg_error(&o, config_setting_get_member(o.s, "mtu"), "mtu",
			  "found %u, but \"%s\" has %u; allowed: no more than that", f->mtu, port->name,
			  port->mtu);
	if (f->mtu)
		return;
	f->mtu = port->mtu;
	for (unsigned x = 0; x < f->n_addr; x++) {
		char a[PREFIX_STR];

		if (f->addr[x].a.v == 6 && f->mtu < IPV6_MTU_MIN)
			cfg_error(&o, config_setting_get_member(o.s, "address"), "address",
				  "found \"%s\" with mtu %u of \"%s\"; allowed: IPv6 from mtu %d on",
				  prefix_str(&f->addr[x], a), f->mtu, port->name, IPV6_MTU_MIN);
	}
}

static bool has_vlans(const struct config *c, const struct cfg_interface *port)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (c->interfaces[i].vlan && config_vlan_port(c, &c->interfaces[i]) == port)
			return true;
	return false;
}

static void check_port(struct cfg_load *l, size_t i)
{
	struct cfg_obj o = object(l, i);

	if (!config_setting_get_member(o.s, "address") && !has_vlans(l->conf, &l->conf->interfaces[i]))
		cfg_error(&o, NULL, "address",
			  "missing; allowed: addresses with prefix length, such as (\"198.51.100.20/24\")");
}

void cfg_check_interfaces(struct cfg_load *l)
{
	const struct config *c = l->conf;

	if (c->n_interfaces == 0)
		cfg_file_error(l, NULL, 0, "interfaces: none configured; allowed: one or more");
	for (size_t j = 0; j < c->n_interfaces; j++) {
		if (c->interfaces[j].vlan)
			check_vlan(l, j);
		else if (!c->interfaces[j].tunnel)
			check_port(l, j);
		for (size_t i = 0; i < j; i++)
			check_pair(l, i, j);
	}
}
