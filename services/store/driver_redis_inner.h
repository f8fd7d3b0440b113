/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the Redis driver share; nobody else includes it. The keys are drawn in
 * services/store/redis.md. */
#ifndef SERVICES_STORE_DRIVER_REDIS_INNER_H
#define SERVICES_STORE_DRIVER_REDIS_INNER_H

#include "common/cursor.h"
#include "services/store/driver_redis.h"
#include "services/store/driver_redis_link.h"

#define DRIVER_REDIS_SEATS      64 /* reads at one time */
#define DRIVER_REDIS_PAGE_COUNT 10000u
#define DRIVER_REDIS_PAGE_BYTES (64u << 20) /* of records; a page has one more at most */
#define DRIVER_REDIS_INLINE     1024u       /* longest record that lies in its queue entry */
#define DRIVER_REDIS_ROW_HEAD   10u /* head of a retained row: u64 expiry, u16 length of topic */

/* A connection for one read at a time. */
struct driver_redis_seat {
    atomic_bool taken;
    struct driver_redis_link link;
};

struct driver_redis {
    struct driver driver;
    const struct driver_redis_config *config;
    char all[48];    /* what common keys begin with: "sluice:" */
    char shard[128]; /* what the shard's keys begin with: "sluice:s:0:"; "": none is claimed */
    char owner[33];
    char sha[DRIVER_REDIS_SCRIPTS][DRIVER_REDIS_SHA_SIZE];
    struct driver_redis_seat seats[DRIVER_REDIS_SEATS];
    /* After a failure nobody connects before this time, so that an absent server is not hammered.
     */
    _Atomic uint64_t away_until_ms;
    _Atomic uint64_t away_ms;
    /* The rest is the applying thread's. */
    struct driver_redis_link writer;
    struct driver_redis_command command;
    uint64_t last_batch; /* the server must have it */
};

static inline struct driver_redis *
driver_redis_of(struct driver *driver)
{
    return (struct driver_redis *)(void *)driver; /* its first member */
}

/* Begins the EVALSHA of a script in the command; its arguments follow. */
void driver_redis_begin(const struct driver_redis *d, struct driver_redis_command *command,
                        enum driver_redis_script script);
/* The link is open, or an error of driver_redis_link_open, or ERR_IO at once while the server is
 * away. */
ERR_MUST_USE enum err driver_redis_connect(struct driver_redis *d, struct driver_redis_link *link,
                                           bool durable);
/* One read: sends the command (with the EVALSHA of the script; DRIVER_REDIS_SCRIPTS: a plain one)
 * over a free connection. *reply is new and no error. ERR_IO, ERR_MALFORMED, ERR_BUSY. */
ERR_MUST_USE enum err driver_redis_ask(struct driver_redis *d, enum driver_redis_script script,
                                       const struct driver_redis_command *command,
                                       redisReply **reply);

/* A command or script over a link, connecting if need be; durable: as driver_redis_connect. *reply
 * is new and no error; the link's why says what went wrong. */
ERR_MUST_USE enum err driver_redis_call(struct driver_redis *d, struct driver_redis_link *link,
                                        enum driver_redis_script script,
                                        const struct driver_redis_command *command, bool durable,
                                        redisReply **reply);
/* Until enough replicas have what the writer wrote (redis-wait). */
ERR_MUST_USE enum err driver_redis_wait(struct driver_redis *d);
/* After the start only errors of driver.h: what a person has to mend is tried again until it is. */
enum err driver_redis_promised(enum err err);

/* The batch into d->command as a call of *script. The error that a test wants. */
ERR_MUST_USE enum err driver_redis_encode(struct driver_redis *d, const struct batch *batch,
                                          enum driver_redis_script *script);
/* "role", "ban", "key", "audit"; NULL for any other kind. */
const char *driver_redis_row_kind(uint8_t kind);

/* ---- answers ---- */

/* Text of a reply; empty when it is none. */
static inline struct slice
driver_redis_text(const redisReply *reply)
{
    return reply != NULL && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
               ? slice_of(reply->str, (size_t)reply->len)
               : slice_of(NULL, 0);
}

static inline bool
driver_redis_is_array(const redisReply *reply, size_t at_least)
{
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements >= at_least;
}

static inline struct slice
driver_redis_item(const redisReply *array, size_t i)
{
    return driver_redis_text(array->element[i]);
}

/* A decimal number; *bad is set when it is none. */
uint64_t driver_redis_u64(struct slice text, bool *bad);
/* 16 hex digits. */
uint64_t driver_redis_hex(struct slice text, bool *bad);

/* ---- the functions of struct driver_ops ---- */

enum err driver_redis_shards(struct driver *driver, uint32_t count, driver_shard_fn fn, void *arg);
enum err driver_redis_claim(struct driver *driver, const struct driver_claim *claim);
enum err driver_redis_renew(struct driver *driver, uint64_t lease_ms);
enum err driver_redis_apply(struct driver *driver, const struct batch *batch);
enum err driver_redis_load(struct driver *driver, const struct driver_visitor *visitor, void *arg);
enum err driver_redis_queue_page(struct driver *driver, uint64_t session, uint64_t from_seq,
                                 size_t max_count, size_t max_bytes, driver_entry_fn fn, void *arg,
                                 bool *more);
enum err driver_redis_retained_page(struct driver *driver, struct slice filter, struct slice after,
                                    size_t max_count, size_t max_bytes, driver_retained_fn fn,
                                    void *arg, struct buf *next);
enum err driver_redis_retained_expired(struct driver *driver, uint64_t now_ms, size_t max_count,
                                       driver_topic_fn fn, void *arg);
enum err driver_redis_user_get(struct driver *driver, struct slice name, driver_user_fn fn,
                               void *arg);
enum err driver_redis_user_page(struct driver *driver, struct slice after, size_t max_count,
                                driver_user_fn fn, void *arg, bool *more);
enum err driver_redis_row_get(struct driver *driver, uint8_t kind, struct slice name,
                              driver_row_fn fn, void *arg);
enum err driver_redis_row_page(struct driver *driver, uint8_t kind, struct slice after,
                               size_t max_count, driver_row_fn fn, void *arg, bool *more);
enum err driver_redis_totals(struct driver *driver, struct driver_totals *out);

#endif
