/* SPDX-License-Identifier: Apache-2.0 */
/* culvert pki: a small certification authority for labs, and a look into certificate files.  Needs no daemon. */
#pragma once

/* argv[0] is "pki"; the exit status. */
int pki_main(int argc, char **argv);
