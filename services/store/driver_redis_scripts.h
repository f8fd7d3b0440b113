/* SPDX-License-Identifier: Apache-2.0 */
/* The Lua scripts that Redis runs for the driver: each is one operation, done whole. Their
 * arguments are in services/store/driver_redis_scripts.c, their keys in services/store/redis.md.
 * Numbers of 64 bits never become Lua's numbers, which have 53. */
#ifndef SERVICES_STORE_DRIVER_REDIS_SCRIPTS_H
#define SERVICES_STORE_DRIVER_REDIS_SCRIPTS_H

#include "common/buf.h"
#include "common/crypt.h"

enum driver_redis_script {
    DRIVER_REDIS_CLAIM,      /* take the shard over */
    DRIVER_REDIS_RENEW,      /* the lease of a shard */
    DRIVER_REDIS_APPLY,      /* a batch; refused while the server's memory is full */
    DRIVER_REDIS_APPLY_FREE, /* a batch that only removes: allowed then too */
    DRIVER_REDIS_SHARDS,     /* who has which shard */
    DRIVER_REDIS_LOAD,       /* a page of all that a starting store needs */
    DRIVER_REDIS_QUEUE,      /* a page of a queue */
    DRIVER_REDIS_RETAINED,   /* a page of retained messages that match a filter */
    DRIVER_REDIS_EXPIRED,    /* retained messages whose time is over */
    DRIVER_REDIS_NAMES,      /* a page of users, or of other rows with names */
    DRIVER_REDIS_TOTALS,
    DRIVER_REDIS_SCRIPTS
};

#define DRIVER_REDIS_SHA_SIZE   (2 * CRYPT_SHA1_LEN + 1)
#define DRIVER_REDIS_SCRIPT_MAX 65536

/* Appends the text. */
void driver_redis_scripts_text(enum driver_redis_script script, struct buf *out);
/* The name that Redis gives the script: hex of its SHA-1. */
void driver_redis_scripts_sha(enum driver_redis_script script, char out[DRIVER_REDIS_SHA_SIZE]);

/* Of driver_redis_scripts_apply.c: the parts of that text, ended by NULL. */
extern const char *const driver_redis_scripts_apply[];

#endif
