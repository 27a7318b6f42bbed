/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "frames.h"

/* No speed is bought by skipping work: with what is installed, the sequence number is checked against the window,
 * the ICV, the selectors of the SA, the proxy-IDs and the rules.  Every check is shown packets that it must
 * refuse; dies if one passes. */
void prove_checks(const struct suite *s, bool narrow, bool rules);
