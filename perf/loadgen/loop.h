/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Two ports in memory, what leaves by one arrives at the other: devices "net_ring_loopa" and "net_ring_loopb".
 * 0 or -errno. */
int loop_make(void);
