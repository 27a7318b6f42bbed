/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the body of a TSi or TSr payload. */
#include "fuzz.h"
#include "ike_props.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check_ts((struct bytes){data, len});
	return 0;
}
