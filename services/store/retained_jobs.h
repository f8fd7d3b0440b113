/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages for new subscriptions of persistent sessions, page by page, so that a filter
 * that hits a million topics holds nobody up. */
#ifndef SERVICES_STORE_RETAINED_JOBS_H
#define SERVICES_STORE_RETAINED_JOBS_H

#include "services/store/store.h"

/* From now on sends the session what is retained on topics that match. */
void retained_jobs_add(struct store *store, const struct session *session, struct slice filter,
                       const struct subscription_options *options);
/* One page of one job, once a turn. */
void retained_jobs_run(struct store *store);
void retained_jobs_free_all(struct store *store);
/* Removes a few retained messages that have expired. */
void retained_jobs_sweep(struct store *store);

#endif
