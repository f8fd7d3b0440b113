/* SPDX-License-Identifier: Apache-2.0 */
/* The Redis driver: one Redis server of version 7 or later, alone or behind Sentinel (a Redis
 * Cluster is refused). Each batch is one script, so it is applied whole; durable as far as the
 * server's append-only file and `wait` make it. Keys, settings, and what a failover can lose:
 * services/store/redis.md. */
#ifndef SERVICES_STORE_DRIVER_REDIS_H
#define SERVICES_STORE_DRIVER_REDIS_H

#include "services/store/driver.h"
#include "services/store/driver_redis_config.h"

/* New, close with driver_close. Takes the shard over: a driver that had it before gets ERR_STALE
 * from its next driver_apply. One driver for one shard in a process. config is borrowed until
 * driver_close. On error why says what to do about it, for people:
 *   ERR_IO           no server, or it did not answer in time
 *   ERR_DENIED       name, password, certificate or permissions (ACL)
 *   ERR_UNSUPPORTED  the server is too old, a Cluster, or set up so that it would lose what it has
 *                    acknowledged (no append-only file, eviction)
 *   ERR_VERSION      the data was written by another version
 *   ERR_INVALID      a setting
 * Beyond those of driver.h: ERR_STALE from driver_apply also when the server has lost changes that
 * it had acknowledged (a failover, a file put back): memory and data differ, start again. */
ERR_MUST_USE enum err driver_redis_open(const struct driver_redis_config *config,
                                        char why[DRIVER_REASON_SIZE], struct driver **out);

#endif
