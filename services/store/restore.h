/* SPDX-License-Identifier: Apache-2.0 */
/* Fills the rooms from the driver when the store starts. */
#ifndef SERVICES_STORE_RESTORE_H
#define SERVICES_STORE_RESTORE_H

#include "services/store/store.h"

/* Before the committer exists. Sessions that were connected become LIMBO. Writes the new boot count
 * (durable on OK). */
ERR_MUST_USE enum err restore_load(struct store *store);
/* Publishes what the outbox holds; after core_link_open. */
void restore_outbox(struct store *store);

#endif
