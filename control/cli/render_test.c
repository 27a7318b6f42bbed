/* SPDX-License-Identifier: Apache-2.0 */
/* test vpn packet. */
#include <string.h>

#include "render.h"

void render_test_packet(FILE *out, const json_t *doc)
{
	const char *verdict = render_str(doc, "verdict");
	const json_t *e;
	size_t i;

	fprintf(out, "%s to %s, protocol %lld", render_str(doc, "source"), render_str(doc, "destination"),
		render_int(doc, "protocol"));
	if (render_int(doc, "source-port") || render_int(doc, "destination-port"))
		fprintf(out, ", port %lld to %lld", render_int(doc, "source-port"),
			render_int(doc, "destination-port"));
	fputs("\n\n", out);
	json_array_foreach(render_list(doc, "steps"), i, e)
	{
		fprintf(out, "  %-5s", render_bool(e, "ok") ? "ok" : "FAIL");
		render_col(out, 16, "%s", render_str(e, "step"));
		fprintf(out, "%s\n", render_str(e, "text"));
	}
	if (strcmp(verdict, "drop") != 0) {
		fprintf(out, "\nverdict: %s\n",
			strcmp(verdict, "local") == 0 ? "for the gateway itself" : "it would be sent");
		return;
	}
	fprintf(out, "\nverdict: it would be dropped: %s (%s)\n", render_str(doc, "reason"),
		render_str(doc, "help"));
	if (render_str(doc, "advice")[0])
		fprintf(out, "what to do: %s\n", render_str(doc, "advice"));
}
