/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's socket.  See job.h for what is spoken there. */
#pragma once

#include <stddef.h>

struct ctl;
struct cli_server;

/* Listen on a UNIX socket (mode 0660, group culvert where that exists) and answer on c->loop.  A socket that
 * nobody listens on any more is replaced, one that somebody does is not.  NULL with a text in err. */
struct cli_server *cli_server_start(struct ctl *c, const char *path, char *err, size_t err_len);
/* How long a client may ask nothing, and stop inside a request or an answer's line; another time than a minute is for
 * tests. */
void cli_server_patience(struct cli_server *s, double idle_s, double stall_s);
/* Close every connection, and remove the socket if it is still ours.  NULL is fine. */
void cli_server_stop(struct cli_server *s);
