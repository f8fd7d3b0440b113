/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway says about a connection when it opens or announces a session: checking it, and
 * putting it into the session. */
#ifndef SERVICES_STORE_OPEN_REQUEST_H
#define SERVICES_STORE_OPEN_REQUEST_H

#include "proto/calls.pb-c.h"
#include "services/store/store.h"

/* Lengths and ranges that the rooms rely on. The client id may be empty. */
bool open_request_is_valid(const Sluice__SessionOpen *open);
/* Takes over expiry, version, receive maximum, will and user. */
void open_request_apply(struct store *store, struct session *session,
                        const Sluice__SessionOpen *open);

#endif
