/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the body of an SA payload. */
#include "fuzz.h"
#include "ike_props.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check_sa((struct bytes){data, len});
	return 0;
}
