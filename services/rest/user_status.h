/* SPDX-License-Identifier: Apache-2.0 */
/* Whether users are connected, when sessions lie in several stores: the one that keeps the people
 * knows only of its own. */
#ifndef SLUICE_SERVICES_REST_USER_STATUS_H
#define SLUICE_SERVICES_REST_USER_STATUS_H

#include "proto/calls.pb-c.h"
#include "services/rest/upstream.h"

/* Users that shard 0 calls off are "on" if another store says so. One that is away says nothing. */
void user_status_complete(struct upstream *upstream, Sluice__User **users, size_t count);

#endif
