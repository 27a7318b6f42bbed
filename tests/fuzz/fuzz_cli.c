/* SPDX-License-Identifier: Apache-2.0 */
/* Any line as an operator's request: an answer whose every line is JSON and whose last is a status, unless it waits for
 * something to happen. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fake_world.h"
#include "job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cli_job *j;
	char *line, *last = NULL;
	bool waits;
	json_t *o;

	if (!fake) {
		fake_begin();
		fake->ctl.loop = ev_loop_new(0);
		fake_ike_sa();
		fake_child(1);
	}
	j = cli_job_new(&fake->ctl, (const char *)data, len);
	if (!j)
		abort();
	while ((line = cli_job_line(j))) {
		free(last);
		last = line;
	}
	waits = j->waiting; /* for ever, here; it leaves nothing behind */
	cli_job_free(j);
	if (waits) {
		free(last);
		return 0;
	}
	o = last ? json_loads(last, 0, NULL) : NULL;
	if (!json_string_value(json_object_get(o, "status")))
		abort();
	json_decref(o);
	free(last);
	return 0;
}
