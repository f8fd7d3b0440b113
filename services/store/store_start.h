/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the driver, claiming a shard (shard_watch.h) and loading what lasts, on a thread of its
 * own, so that a store answers its probes while a database is slow or away. A database that cannot
 * be reached is tried again, after half a second at first, doubling up to five, each time up to a
 * quarter earlier or later, for half a minute (MySQL as long as its own setting says); then, or for
 * any other reason, the start has failed. A shard that another store has is waited for as long as
 * it takes. Until all is done the thread alone touches the rooms. */
#ifndef SERVICES_STORE_STORE_START_H
#define SERVICES_STORE_STORE_START_H

#include "services/store/store.h"

struct store_start;

/* Begins. Both are called on the loop's thread: claimed when the driver has its shard; done once:
 * OK, or why the store cannot start (said in the log). */
typedef void (*store_start_claimed_fn)(struct store *store);
typedef void (*store_start_fn)(struct store *store, enum err err);
void store_start_begin(struct store *store, store_start_claimed_fn claimed, store_start_fn done);
/* Waits for the thread; done is not called any more. NULL is nothing. */
void store_start_free(struct store_start *start);
/* Whether another store has the shard, or, for a spare, all of them. */
bool store_start_is_waiting(const struct store_start *start);
/* Why it takes so long, for people; "" when nothing failed so far. */
const char *store_start_reason(const struct store_start *start);

#endif
