/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the lease of our shard in a shared database (driver_renew): a thread of its own renews it
 * three times in its length, whatever the committer and the loop are busy with, and says when that
 * begins to fail or succeeds again. Decides nothing. */
#ifndef SERVICES_STORE_LEASE_KEEPER_H
#define SERVICES_STORE_LEASE_KEEPER_H

#include "common/loop.h"
#include "services/store/driver.h"

struct lease_keeper;

/* On the loop's thread. OK: renewed again; ERR_STALE: another store has the shard, nothing is
 * renewed any more; else why it cannot be renewed just now. */
typedef void (*lease_keeper_fn)(void *arg, enum err err);

/* New; the first renewal is due after a third of the lease. The driver is borrowed and outlives it.
 */
struct lease_keeper *lease_keeper_new(struct loop *loop, struct driver *driver, uint64_t lease_ms,
                                      lease_keeper_fn changed, void *arg);
/* Waits for a renewal that is under way. NULL is nothing. */
void lease_keeper_free(struct lease_keeper *keeper);
/* What was said last; OK for NULL. */
enum err lease_keeper_state(const struct lease_keeper *keeper);

#endif
