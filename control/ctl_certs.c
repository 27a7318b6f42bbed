/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_certs.h"

#include <time.h>

#include "cert.h"
#include "log.h"

enum { DAY = 86400, SOON_DAYS = 30, VERY_SOON_DAYS = 7 };

static void tell(const char *name, const char *what, const struct cert_info *i)
{
	int64_t left = i->not_after - (int64_t)time(NULL);
	char end[CERT_TIME];

	if (left >= (int64_t)SOON_DAYS * DAY)
		return;
	cert_time_str(i->not_after, end);
	if (left < 0)
		log_event(LOG_SEV_CRITICAL, "certificate-expired", name, "%s \"%s\" expired %s", what,
			  i->subject, end);
	else
		log_event(left < (int64_t)VERY_SOON_DAYS * DAY ? LOG_SEV_HIGH : LOG_SEV_MEDIUM,
			  "certificate-expires", name, "%s \"%s\" expires %s, in %lld days", what, i->subject,
			  end, (long long)left / DAY);
}

static void look(const struct config *conf)
{
	struct cert_info i;

	for (size_t n = 0; n < conf->n_certificates; n++) {
		cert_own_info(conf->certificates[n].own, &i);
		tell(conf->certificates[n].name, "our certificate", &i);
	}
	for (size_t n = 0; n < conf->n_cert_profiles; n++)
		for (unsigned k = 0; cert_profile_anchor(conf->cert_profiles[n].profile, k, &i); k++)
			tell(conf->cert_profiles[n].name, "trust anchor", &i);
}

static void on_day(struct ev_loop *loop, ev_timer *w, int revents)
{
	look(((struct ctl *)w->data)->conf);
}

void ctl_certs_watch(struct ctl *c)
{
	ctl_certs_fini(c);
	ev_timer_init(&c->cert_day, on_day, DAY, DAY);
	c->cert_day.data = c;
	ev_timer_start(c->loop, &c->cert_day);
	look(c->conf);
}

void ctl_certs_fini(struct ctl *c)
{
	if (c->cert_day.data)
		ev_timer_stop(c->loop, &c->cert_day);
}
