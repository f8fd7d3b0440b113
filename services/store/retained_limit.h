/* SPDX-License-Identifier: Apache-2.0 */
/* How many retained messages there may be. Far from the limit nothing is looked up. When it may
 * have been reached, a message for a topic that has one already is kept in its place and one for a
 * new topic is not retained (its subscribers get it all the same); which of them it is, is read
 * first, and the publish waits for that. */
#ifndef SERVICES_STORE_RETAINED_LIMIT_H
#define SERVICES_STORE_RETAINED_LIMIT_H

#include "services/store/store.h"

struct retained_limit;

struct retained_limit *retained_limit_new(void);
/* After the reads have ended. */
void retained_limit_free(struct retained_limit *limit);

/* Whether a publish must wait until it is known if its topic has a retained message. */
bool retained_limit_waits(struct store *store, struct slice bytes);
/* Whether a retained message (not empty) may be put; counts it as put. */
bool retained_limit_take(struct store *store, const struct publish_record *record, size_t len);
/* The topic's message is deleted. */
void retained_limit_deleted(struct store *store, struct slice topic);
/* Totals are about to be read: what is put from now on counts beside them. */
void retained_limit_counted(struct store *store);

#endif
