/* SPDX-License-Identifier: Apache-2.0 */
/* What is said to a server before it is used: who we are, who it is, whether it keeps what it
 * acknowledges; and to a sentinel: who is the master. Errors leave a text in link->why. */
#ifndef SERVICES_STORE_DRIVER_REDIS_SERVER_H
#define SERVICES_STORE_DRIVER_REDIS_SERVER_H

#include "services/store/driver_redis_link.h"

/* AUTH, SELECT, a name for CLIENT LIST. ERR_DENIED, ERR_IO. */
ERR_MUST_USE enum err driver_redis_server_login(struct driver_redis_link *link,
                                                const struct driver_redis_config *config,
                                                const char *address);
/* Version, not a Cluster, a master; if durable: append-only file and no eviction. ERR_UNSUPPORTED;
 * ERR_IO: a replica, or loading its data. */
ERR_MUST_USE enum err driver_redis_server_check(struct driver_redis_link *link,
                                                const struct driver_redis_config *config,
                                                const char *address, bool durable);
/* host:port of the master into out. */
ERR_MUST_USE enum err driver_redis_server_ask_sentinel(struct driver_redis_link *link,
                                                       const struct driver_redis_config *config,
                                                       const char *address, char *out, size_t size);
/* The value of a line "name:value" in the text of INFO; empty when it is not there. */
struct slice driver_redis_server_info(struct slice info, const char *name);

#endif
