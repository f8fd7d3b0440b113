/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are about one user wait here until the user's row is in memory, so that their desks
 * find it at once. (A sign-in by password waits in signin.c, which may not need the row.) */
#ifndef SERVICES_STORE_CALL_USER_H
#define SERVICES_STORE_CALL_USER_H

#include "services/store/desks.h"

typedef void (*call_user_fn)(struct store *store, struct peer *peer, struct call_request request,
                             struct slice body);

/* False: the call is about no user: fn it now. True: fn is called when the row is there, or the
 * call is answered ERR_UNAVAILABLE, ERR_BUSY or ERR_PEER_LOST. The body is copied. */
bool call_user_waits(struct store *store, struct peer *peer, struct call_request request,
                     uint16_t method, struct slice body, call_user_fn fn);

#endif
