/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what was inside an SK payload; the first of them is the first payload's type. */
#include "fuzz.h"
#include "ike_props.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct msg m;

	if (!len)
		return 0;
	m = (struct msg){.hdr = {.exchange = CREATE_CHILD_SA, .msgid = 3}};
	if (msg_parse_inner((struct bytes){data + 1, len - 1}, data[0], &m) == MSG_OK) {
		if (m.seen & PL_BIT(PL_SA))
			check_sa(m.sa);
		if (m.seen & PL_BIT(PL_TSI))
			check_ts(m.tsi);
		if (m.seen & PL_BIT(PL_TSR))
			check_ts(m.tsr);
	}
	check_msg(&m, data, len);
	return 0;
}
