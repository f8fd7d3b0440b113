/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages for new subscriptions of persistent sessions, page by page, so that a filter
 * that hits a million topics holds nobody up; and the end of those that have expired. */
#ifndef SERVICES_STORE_RETAINED_JOBS_H
#define SERVICES_STORE_RETAINED_JOBS_H

#include "services/store/store.h"

/* From now on sends the session what is retained on topics that match. */
void retained_jobs_add(struct store *store, const struct session *session, struct slice filter,
                       const struct subscription_options *options);
/* A retained publish of QoS >= 1 goes to the queues of its subscribers now: a job that has not come
 * to its topic yet leaves it out, or the session would get it twice, or an older one behind it. A
 * job remembers RETAINED_JOBS_LIVE_MAX such topics. */
void retained_jobs_overtaken(struct store *store, struct slice topic);
#define RETAINED_JOBS_LIVE_MAX 4096u
/* Asks for pages of the jobs whose turn it is, once a turn of the loop. */
void retained_jobs_run(struct store *store);
/* After the reads have ended. */
void retained_jobs_free_all(struct store *store);

#endif
