/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to the Redis server that is the master now: finding it (hosts or sentinels), logging
 * in, loading the scripts, one command and its answer at a time. It does not decide what a failure
 * means for a batch, and does not connect again by itself. One thread at a time. */
#ifndef SERVICES_STORE_DRIVER_REDIS_LINK_H
#define SERVICES_STORE_DRIVER_REDIS_LINK_H

#include "services/store/driver.h"
#include "services/store/driver_redis_command.h"
#include "services/store/driver_redis_config.h"
#include "services/store/driver_redis_scripts.h"
#include "services/store/driver_redis_stream.h"

#include <hiredis/hiredis.h>

struct driver_redis_link {
    struct driver_redis_stream stream;
    struct driver_redis_tls *tls; /* read anew for each connection, so that renewed files count */
    redisReader *reader;          /* NULL: not connected */
    uint64_t used;                /* answers since it was connected */
    bool quiet_everysec;          /* warned already: appendfsync everysec */
    bool quiet_unknown;           /* ... appendfsync cannot be seen */
    char why[DRIVER_REASON_SIZE]; /* of the last error, for people */
};

void driver_redis_link_init(struct driver_redis_link *link);
void driver_redis_link_close(struct driver_redis_link *link);

static inline bool
driver_redis_link_is_open(const struct driver_redis_link *link)
{
    return link->reader != NULL;
}

/* Finds the master, logs in, checks that the server is one that this driver can use (durable: also
 * that it keeps what it acknowledges), loads the scripts. ERR_IO, ERR_DENIED, ERR_UNSUPPORTED,
 * ERR_INVALID; the link is then closed. */
ERR_MUST_USE enum err driver_redis_link_open(struct driver_redis_link *link,
                                             const struct driver_redis_config *config,
                                             bool durable);

/* Sends the command, waits timeout_ms for its answer. *reply is new (freeReplyObject) and may be an
 * error of the server's (REDIS_REPLY_ERROR): see driver_redis_link_refusal. ERR_IO: the link is
 * then closed, and whether the command was done is not known. ERR_TOO_LARGE: nothing was sent. */
ERR_MUST_USE enum err driver_redis_link_call(struct driver_redis_link *link,
                                             const struct driver_redis_command *command,
                                             uint64_t timeout_ms, redisReply **reply);
/* As driver_redis_link_call with the EVALSHA of that script in the command: loads the script when
 * the server does not know it any more. */
ERR_MUST_USE enum err driver_redis_link_script(struct driver_redis_link *link,
                                               enum driver_redis_script script,
                                               const struct driver_redis_command *command,
                                               uint64_t timeout_ms, redisReply **reply);

/* What an error reply means, in terms of driver.h; its text goes to link->why. A link to a server
 * that is no master (any more) is closed. */
enum err driver_redis_link_refusal(struct driver_redis_link *link, const redisReply *reply);

#endif
