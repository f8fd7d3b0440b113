/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a UNIX socket that clients connect to: made, left over by a dead program, removed.
 * Workers listen on copies of its one descriptor (SO_REUSEPORT does not exist there).
 */
#ifndef SERVICES_GATEWAY_LISTENER_UNIX_H
#define SERVICES_GATEWAY_LISTENER_UNIX_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

#define LISTENER_UNIX_PATH_MAX 107u /* of the kernel */

struct listener_unix {
    const char *path; /* borrowed; NULL: not open */
    uint64_t device, inode;
    int fd; /* listening, non-blocking */
};

/* Permissions as chmod writes them: three octal digits, or four of which the first is 0. */
bool listener_unix_parse_mode(const char *text, unsigned *mode);

/* A socket file that nobody listens on any more is replaced. ERR_EXISTS: somebody does, or it is no
 * socket; ERR_IO: errno says why. */
ERR_MUST_USE enum err listener_unix_open(const char *path, unsigned mode,
                                         struct listener_unix *out);
/* Closes the descriptor here; copies of it go on. */
void listener_unix_release(struct listener_unix *listener);
/* Removes the file, unless another program has put its own there. Idempotent; fine if it was never
 * opened and all zero. */
void listener_unix_remove(struct listener_unix *listener);

#endif
