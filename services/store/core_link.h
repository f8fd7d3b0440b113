/* SPDX-License-Identifier: Apache-2.0 */
/* Joins core_client to the peers and to the rooms: routes of the subscriptions, answers to tickets
 * and to the outbox. Decides nothing. */
#ifndef SERVICES_STORE_CORE_LINK_H
#define SERVICES_STORE_CORE_LINK_H

#include "services/store/store_link.h"

/* Makes store->cores. */
void core_link_open(struct store *store);
/* address: as in the settings. */
void core_link_up(struct store *store, struct store_link *link, const char *address,
                  uint32_t state);

#endif
