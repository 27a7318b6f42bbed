/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration file becomes a model in three passes: libconfig reads the text; each object is read
 * key by key (config_objects.c, config_gateway.c, config_tunnel.c and others); then what must hold between objects is checked
 * (config_check.c, config_links.c, config_overlap.c).  All passes run whatever the ones before found, so that one run
 * tells everything; only text that libconfig cannot read ends it early.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cert.h"
#include "config_read.h"

enum { FILE_MAX = 256 << 20, LIST_MAX = 1 << 20 };
/* Nearly always something was forgotten just before the place where libconfig gives up. */
#define SYNTAX                                                                                                 \
	"; allowed: NAME = VALUE; with \"texts\", ( lists ), { groups }; look for what is missing here or in " \
	"the line before"

int cfg_slurp(const char *path, size_t max, char **text, size_t *len, unsigned *mode)
{
	/* O_NONBLOCK: opening a FIFO by mistake must not hang. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	struct stat st;
	char *buf = NULL;
	size_t n = 0, cap;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	else if ((size_t)st.st_size > max)
		rc = -EFBIG;
	cap = rc == 0 ? (size_t)st.st_size + 2 : 0;
	if (rc == 0 && !(buf = malloc(cap)))
		rc = -ENOMEM;
	while (rc == 0 && n < cap - 2) {
		ssize_t got = read(fd, buf + n, cap - 2 - n);

		if (got < 0 && errno != EINTR)
			rc = -errno;
		if (got == 0)
			break;
		n += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	if (rc != 0 || !buf) {
		if (buf)
			explicit_bzero(buf, n);
		free(buf);
		return rc;
	}
	buf[n] = 0;
	*text = buf;
	*len = n;
	*mode = st.st_mode & 07777;
	return 0;
}

/* ---- lists of objects -------------------------------------------------------------------------- */

struct list {
	const char *key, *kind;
	size_t size; /* of one object of the model */
	void **objects;
	size_t *n;
	const config_setting_t ***sources;
	void (*read)(struct cfg_obj *o, void *object);
};

#define READER(what, type)                                                                                   \
	static void read_##what(struct cfg_obj *o, void *object)                                             \
	{                                                                                                    \
		cfg_read_##what(o, (type *)object);                                                          \
	}
READER(interface, struct cfg_interface)
READER(route, struct cfg_route)
READER(ike_profile, struct cfg_ike_profile)
READER(ipsec_profile, struct cfg_ipsec_profile)
READER(certificate, struct cfg_certificate)
READER(cert_profile, struct cfg_cert_profile)
READER(gateway, struct cfg_gateway)
READER(tunnel, struct cfg_tunnel)
READER(rule, struct cfg_rule)

static void read_list(struct cfg_load *l, const config_setting_t *root, const struct list *t)
{
	const config_setting_t *m = config_setting_get_member(root, t->key);
	struct cfg_obj o = {.l = l, .s = m, .kind = t->kind};
	char found[CFG_FOUND];
	size_t n;

	if (!m)
		return;
	if (!config_setting_is_list(m)) {
		o.s = root;
		o.kind = "configuration";
		cfg_error(&o, m, t->key, "found %s; allowed: ( { … }, { … } )", cfg_found(m, false, found));
		return;
	}
	n = (size_t)config_setting_length(m);
	if (n > LIST_MAX) {
		cfg_error(&o, m, NULL, "found %zu of them; allowed: at most %d", n, LIST_MAX);
		return;
	}
	*t->objects = calloc(n ? n : 1, t->size);
	*t->sources = calloc(n ? n : 1, sizeof(const config_setting_t *));
	if (!*t->objects || !*t->sources) {
		cfg_out_of_memory(l);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		o = (struct cfg_obj){.l = l, .s = config_setting_get_elem(m, (unsigned)i), .kind = t->kind};
		(*t->sources)[i] = o.s;
		if (config_setting_is_group(o.s))
			t->read(&o, (char *)*t->objects + i * t->size);
		else
			cfg_error(&o, o.s, NULL, "found %s; allowed: a group { }",
				  cfg_found(o.s, false, found));
		(*t->n)++;
	}
}

static void read_root(struct cfg_load *l, const config_setting_t *root)
{
	static const char *const known[] = {"system",
					    "interfaces",
					    "routes",
					    "ike-crypto-profiles",
					    "ipsec-crypto-profiles",
					    "certificates",
					    "certificate-profiles",
					    "ike-gateways",
					    "ipsec-tunnels",
					    "security-rules",
					    NULL};
	static const char *const later[] = {"nat-rules",
					    "zones",
					    "tunnel-monitor",
					    "monitor-profiles",
					    "certificates",
					    "bgp",
					    "virtual-routers",
					    "high-availability",
					    "snmp",
					    "certificate-profiles",
					    NULL};
	struct config *c = l->conf;
	struct cfg_sources *src = &l->src;
	struct cfg_obj o = {.l = l, .s = root, .kind = "configuration"};
	const config_setting_t *sys = config_setting_get_member(root, "system");
	char found[CFG_FOUND];
	const struct list lists[] = {
		{"interfaces", "interface", sizeof(c->interfaces[0]), (void **)&c->interfaces,
		 &c->n_interfaces, &src->interfaces, read_interface},
		{"routes", "route", sizeof(c->routes[0]), (void **)&c->routes, &c->n_routes, &src->routes,
		 read_route},
		{"ike-crypto-profiles", "ike-crypto-profile", sizeof(c->ike_profiles[0]),
		 (void **)&c->ike_profiles, &c->n_ike_profiles, &src->ike_profiles, read_ike_profile},
		{"ipsec-crypto-profiles", "ipsec-crypto-profile", sizeof(c->ipsec_profiles[0]),
		 (void **)&c->ipsec_profiles, &c->n_ipsec_profiles, &src->ipsec_profiles, read_ipsec_profile},
		{"certificates", "certificate", sizeof(c->certificates[0]), (void **)&c->certificates,
		 &c->n_certificates, &src->certificates, read_certificate},
		{"certificate-profiles", "certificate-profile", sizeof(c->cert_profiles[0]),
		 (void **)&c->cert_profiles, &c->n_cert_profiles, &src->cert_profiles, read_cert_profile},
		{"ike-gateways", "ike-gateway", sizeof(c->gateways[0]), (void **)&c->gateways, &c->n_gateways,
		 &src->gateways, read_gateway},
		{"ipsec-tunnels", "ipsec-tunnel", sizeof(c->tunnels[0]), (void **)&c->tunnels, &c->n_tunnels,
		 &src->tunnels, read_tunnel},
		{"security-rules", "security-rule", sizeof(c->rules[0]), (void **)&c->rules, &c->n_rules,
		 &src->rules, read_rule},
	};

	cfg_keys(&o, known, later);
	c->rules_given = config_setting_get_member(root, "security-rules");
	cfg_default_system(&c->sys);
	c->limits = (struct cfg_limits){
		.cookie_threshold = 200, .half_open_max = 2000, .half_open_source = 64, .starts_max = 256};
	if (sys && config_setting_is_group(sys))
		cfg_read_system(l, sys);
	else if (sys)
		cfg_error(&o, sys, "system", "found %s; allowed: a group { }", cfg_found(sys, false, found));
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		read_list(l, root, &lists[i]);
		if (lists[i].objects == (void **)&c->routes)
			l->paths_unsure = l->errors > 0;
	}
	for (size_t i = 0; i < c->n_gateways; i++)
		c->gateways[i].ike.id = (uint32_t)i + 1;
	for (size_t i = 0; i < c->n_tunnels; i++)
		c->tunnels[i].id = (uint32_t)i + 1;
}

/* ---- the whole file ---------------------------------------------------------------------------- */

/* libconfig's copies of the keys. */
static void wipe_secrets(const config_setting_t *gateways)
{
	int n = gateways && config_setting_is_list(gateways) ? config_setting_length(gateways) : 0;

	for (int i = 0; i < n; i++) {
		const config_setting_t *g = config_setting_get_elem(gateways, (unsigned)i), *m;

		m = config_setting_is_group(g) ? config_setting_get_member(g, "pre-shared-key") : NULL;
		if (m && config_setting_type(m) == CONFIG_TYPE_STRING && m->value.sval)
			explicit_bzero(m->value.sval, strlen(m->value.sval));
	}
}

static bool has_inline_psk(const config_setting_t *gateways)
{
	int n = gateways && config_setting_is_list(gateways) ? config_setting_length(gateways) : 0;

	for (int i = 0; i < n; i++) {
		const config_setting_t *g = config_setting_get_elem(gateways, (unsigned)i);

		if (config_setting_is_group(g) && config_setting_get_member(g, "pre-shared-key"))
			return true;
	}
	return false;
}

static void parse(struct cfg_load *l, const char *text, unsigned mode)
{
	config_t lc;
	const config_setting_t *gateways;
	char dir[1024];
	const char *slash = strrchr(l->path, '/');

	config_init(&lc);
	if (slash && (size_t)(slash - l->path) < sizeof(dir)) {
		memcpy(dir, l->path, (size_t)(slash - l->path));
		dir[slash - l->path] = 0;
		config_set_include_dir(&lc, dir[0] ? dir : "/");
	}
	if (!config_read_string(&lc, text)) {
		const char *what = config_error_text(&lc);

		cfg_file_error(l, config_error_file(&lc), (unsigned)config_error_line(&lc), "%s%s", what,
			       strcmp(what, "syntax error") == 0 ? SYNTAX
			       : strcmp(what, "duplicate setting name") == 0
				       ? "; allowed: each name once in a group { }"
				       : "");
		config_destroy(&lc);
		return;
	}
	gateways = config_setting_get_member(config_root_setting(&lc), "ike-gateways");
	read_root(l, config_root_setting(&lc));
	cfg_check(l);
	if ((mode & 07) && has_inline_psk(gateways)) {
		struct cfg_obj o = {.l = l, .s = gateways, .kind = "ike-gateways"};

		cfg_warn(&o, NULL, NULL,
			 "the file holds pre-shared keys and may be read by everybody; recommended: "
			 "mode 0640, or pre-shared-key-file");
	}
	wipe_secrets(gateways);
	config_destroy(&lc);
}

struct config *config_load(const char *path, config_say_fn *say, void *arg)
{
	struct cfg_load l = {.path = path, .say = say, .arg = arg, .conf = calloc(1, sizeof(struct config))};
	char *text = NULL;
	size_t len = 0;
	unsigned mode;
	int rc;

	if (!l.conf) {
		cfg_out_of_memory(&l);
		return NULL;
	}
	rc = cfg_slurp(path, FILE_MAX, &text, &len, &mode);
	if (rc < 0 || !text) {
		cfg_file_error(&l, NULL, 0, "cannot be read: %s",
			       rc == -EINVAL ? "not a regular file" : strerror(-rc));
	} else if (memchr(text, 0, len)) {
		cfg_file_error(&l, NULL, 0, "is not text: it holds a NUL byte");
	} else {
		/* libconfig takes a comment that ends with the file for a syntax error. */
		memcpy(text + len, "\n", 2);
		if (cfg_lex(&l, text))
			parse(&l, text, mode);
	}
	if (text)
		explicit_bzero(text, len);
	free(text);
	free(l.src.interfaces);
	free(l.src.routes);
	free(l.src.ike_profiles);
	free(l.src.ipsec_profiles);
	free(l.src.certificates);
	free(l.src.cert_profiles);
	free(l.src.gateways);
	free(l.src.tunnels);
	free(l.src.rules);
	if (l.errors == 0)
		return l.conf;
	config_free(l.conf);
	return NULL;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_gateways; i++)
		free(c->gateways[i].ike.children);
	for (size_t i = 0; i < c->n_tunnels; i++)
		free(c->tunnels[i].proxy_ids);
	if (c->gateways)
		explicit_bzero(c->gateways, c->n_gateways * sizeof(c->gateways[0]));
	free(c->interfaces);
	free(c->routes);
	free(c->ike_profiles);
	free(c->ipsec_profiles);
	for (size_t i = 0; i < c->n_certificates; i++)
		cert_own_put(c->certificates[i].own);
	for (size_t i = 0; i < c->n_cert_profiles; i++)
		cert_profile_put(c->cert_profiles[i].profile);
	free(c->certificates);
	free(c->cert_profiles);
	free(c->gateways);
	free(c->tunnels);
	for (size_t i = 0; i < c->n_rules; i++)
		cfg_rule_free(&c->rules[i]);
	free(c->rules);
	free(c);
}

const struct cfg_interface *config_interface(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (strcmp(c->interfaces[i].name, name) == 0)
			return &c->interfaces[i];
	return NULL;
}

const struct cfg_interface *config_vlan_port(const struct config *c, const struct cfg_interface *vlan)
{
	const char *dot = strrchr(vlan->name, '.');
	size_t len = dot ? (size_t)(dot - vlan->name) : 0;

	for (size_t i = 0; i < c->n_interfaces; i++)
		if (len && strncmp(c->interfaces[i].name, vlan->name, len) == 0 &&
		    !c->interfaces[i].name[len])
			return &c->interfaces[i];
	return NULL;
}

const struct cfg_ipsec_profile *config_ipsec_profile(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_ipsec_profiles; i++)
		if (strcmp(c->ipsec_profiles[i].name, name) == 0)
			return &c->ipsec_profiles[i];
	return NULL;
}

const struct cfg_tunnel *config_tunnel(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_tunnels; i++)
		if (strcmp(c->tunnels[i].name, name) == 0)
			return &c->tunnels[i];
	return NULL;
}
