/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces and the zones they are in.  Ports and VLANs are there from the start to the end; tunnel interfaces come
 * with a commit.  The data plane forgets none: one that leaves the configuration is parked, in no zone and without a
 * route or proxy-ID, until a commit wants its name again.
 */
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From where the last one was: those who ask come in the file's order, or nearly, and there may be thousands. */
struct ctl_interface *ctl_interface_find(struct ctl *c, const char *name)
{
	for (size_t i = 0; i < c->n_interfaces; i++) {
		size_t k = (c->last_interface + i) % c->n_interfaces;

		if (strcmp(c->interfaces[k].name, name) == 0) {
			c->last_interface = k;
			return &c->interfaces[k];
		}
	}
	return NULL;
}

int ctl_ifindex(struct ctl *c, const char *name, uint16_t *ifindex)
{
	const struct ctl_interface *f = ctl_interface_find(c, name);

	if (!f)
		return -ENOENT;
	*ifindex = f->ifindex;
	return 0;
}

const char *ctl_interface_name(const struct ctl *c, uint16_t ifindex)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (c->interfaces[i].ifindex == ifindex)
			return c->interfaces[i].name;
	return "";
}

static int make(struct ctl *c, const struct config *conf, const struct cfg_interface *f, uint16_t *ifindex,
		char *err, size_t err_len)
{
	struct dp_port_conf p = {.mtu = f->mtu, .n_addr = f->n_addr, .vid = f->tag};
	int rc;

	if (f->tunnel) {
		rc = dp_tunnel_if_add(f->name, f->addr, f->n_addr, ifindex);
		if (rc < 0)
			snprintf(err, err_len, "interface \"%s\": %s", f->name, strerror(-rc));
		return rc;
	}
	memcpy(p.name, f->name, sizeof(p.name));
	memcpy(p.device, f->port, sizeof(p.device));
	memcpy(p.addr, f->addr, sizeof(p.addr));
	if (f->vlan && ctl_ifindex(c, config_vlan_port(conf, f)->name, &p.parent) < 0)
		return -ENOENT; /* config_links.c has seen that it is there */
	return dp_port_add(&p, ifindex, err, err_len);
}

static int add(struct ctl *c, const struct config *conf, const struct cfg_interface *f, char *err,
	       size_t err_len)
{
	struct ctl_interface *all, new = {0};
	int rc;

	if (ctl_interface_find(c, f->name))
		return 0;
	all = realloc(c->interfaces, (c->n_interfaces + 1) * sizeof(*all));
	if (!all) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	c->interfaces = all;
	rc = make(c, conf, f, &new.ifindex, err, err_len);
	if (rc < 0)
		return rc;
	memcpy(new.name, f->name, sizeof(new.name));
	c->interfaces[c->n_interfaces++] = new;
	return 0;
}

/* VLANs last, since a port may stand behind them in the file. */
int ctl_apply_interfaces(struct ctl *c, const struct config *conf, char *err, size_t err_len)
{
	int rc = 0;

	for (unsigned vlans = 0; vlans < 2; vlans++)
		for (size_t i = 0; rc == 0 && i < conf->n_interfaces; i++)
			if (conf->interfaces[i].vlan == (vlans == 1))
				rc = add(c, conf, &conf->interfaces[i], err, err_len);
	return rc;
}

/* ---- what a commit cannot do ----------------------------------------------------------------- */

/* Parts of configurations, which are made of zeroed memory: padding is alike. */
static bool same(const void *a, const void *b, size_t n)
{
	return memcmp(a, b, n) == 0;
}

/* All but the zone, which a commit changes. */
static bool same_link(const struct cfg_interface *a, const struct cfg_interface *b)
{
	struct cfg_interface x;

	memcpy(&x, a, sizeof(x));
	memcpy(x.zone, b->zone, sizeof(x.zone));
	return same(&x, b, sizeof(x));
}

static bool parked(const struct ctl *c, const char *name)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (strcmp(c->interfaces[i].name, name) == 0)
			return !config_interface(c->conf, name);
	return false;
}

bool ctl_interfaces_need_restart(const struct ctl *c, const struct config *next, char *what, size_t cap)
{
	what[0] = 0;
	for (size_t i = 0; i < next->n_interfaces && !what[0]; i++) {
		const struct cfg_interface *new = &next->interfaces[i],
					   *old = config_interface(c->conf, new->name);

		if (!old && !new->tunnel)
			snprintf(what, cap, "interface \"%s\" is a new %s", new->name,
				 new->vlan ? "VLAN" : "port");
		else if (!old && new->n_addr && parked(c, new->name))
			snprintf(what, cap, "interface \"%s\" comes back with an address", new->name);
		else if (old && !same_link(old, new))
			snprintf(what, cap, "interface \"%s\" differs in more than its zone", old->name);
	}
	for (size_t i = 0; i < c->conf->n_interfaces && !what[0]; i++) {
		const struct cfg_interface *old = &c->conf->interfaces[i];

		if (config_interface(next, old->name))
			continue;
		if (!old->tunnel)
			snprintf(what, cap, "interface \"%s\" is gone, a %s", old->name,
				 old->vlan ? "VLAN" : "port");
		else if (old->n_addr)
			snprintf(what, cap, "interface \"%s\" is gone, which has an address", old->name);
	}
	return what[0];
}

/* ---- zones ----------------------------------------------------------------------------------- */

/* A zone keeps its number, so that rules in force go on meaning what they say while interfaces change theirs.  One that
 * nobody has named is nobody's: its number is no interface's. */
uint16_t ctl_zone(const struct ctl *c, const char *zone)
{
	if (!zone[0])
		return DP_ZONE_NONE;
	for (uint16_t i = 0; i < c->n_zones; i++)
		if (strcmp(c->zones[i], zone) == 0)
			return (uint16_t)(i + 1);
	return UINT16_MAX;
}

int ctl_name_zones(struct ctl *c, const struct config *conf)
{
	for (size_t i = 0; i < conf->n_interfaces; i++) {
		const char *zone = conf->interfaces[i].zone;
		cfg_zone_name *all;

		if (ctl_zone(c, zone) != UINT16_MAX)
			continue;
		if (c->n_zones + 1 == UINT16_MAX)
			return -ENOSPC;
		all = realloc(c->zones, (c->n_zones + 1u) * sizeof(*all));
		if (!all)
			return -ENOMEM;
		c->zones = all;
		snprintf(all[c->n_zones++], sizeof(*all), "%s", zone);
	}
	return 0;
}

int ctl_apply_zones(struct ctl *c, const struct config *conf)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->n_interfaces; i++) {
		const struct cfg_interface *f = config_interface(conf, c->interfaces[i].name);

		rc = dp_if_zone(c->interfaces[i].ifindex, f ? ctl_zone(c, f->zone) : DP_ZONE_NONE);
	}
	return rc;
}
