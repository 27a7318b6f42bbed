/* SPDX-License-Identifier: Apache-2.0 */
/* What a device string says before the device exists, "net_af_packet0,iface=d0", and the kernel's interface
 * that it may name.  Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "dp_api.h"

/* [dddd:]bb:dd.f, with or without arguments behind it */
bool device_is_pci(const char *device);
/* Is it one of this driver's? */
bool device_is(const char *device, const char *driver);
/* What stands before the first comma. */
void device_name(const char *device, char *out, size_t len);
/* The text behind "key=" up to the next comma; false when there is none or it does not fit. */
bool device_arg(const char *device, const char *key, char *out, size_t len);
/* The number there, or otherwise. */
unsigned long device_number(const char *device, const char *key, unsigned long otherwise);

/* What goes wrong silently on af_packet and af_xdp with this interface of the kernel, said in plain words. */
int device_check_kernel(const struct dp_port_conf *c, bool v6, const char *name, char *err, size_t err_len);
/* Flags of an interface of the kernel, and its MTU unless mtu is NULL; false: there is no such interface. */
bool device_kernel_flags(const char *name, short *flags, int *mtu);
