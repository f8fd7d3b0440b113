/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the MySQL driver share; nobody else includes it. */
#ifndef SERVICES_STORE_DRIVER_MYSQL_INNER_H
#define SERVICES_STORE_DRIVER_MYSQL_INNER_H

#include "services/store/driver_mysql.h"
#include "services/store/driver_mysql_conn.h"
#include "services/store/driver_mysql_plan.h"
#include "services/store/driver_mysql_rows.h"
#include "services/store/topic_seek.h"

#include <pthread.h>

/* Connections for reads. A thread takes one for one read. */
struct driver_mysql_pool {
    pthread_mutex_t lock; /* of what follows, but not of the connection one has taken */
    pthread_cond_t given;
    struct driver_mysql_conn *conns;
    bool *taken;
    size_t count;
    uint64_t next_try_ms; /* monotonic: no attempt to connect before */
    uint64_t delay_ms;    /* that the next failure adds */
};

struct driver_mysql_arena;

struct driver_mysql {
    struct driver driver;
    struct driver_mysql_config config;
    uint64_t owner; /* our random number in the shard's row */
    char shard[12]; /* its number, once it is claimed */
    /* The server that all connections go to, and how often it changed: a connection of an earlier
     * generation is not used any more. */
    _Atomic size_t host;
    _Atomic uint64_t generation;
    struct driver_mysql_pool pool;
    /* The rest is the applying thread's. */
    struct driver_mysql_conn writer;
    struct driver_mysql_plan plan;
    struct driver_mysql_rows rows[MYSQL_STATEMENTS]; /* only those of changes are used */
    struct driver_mysql_arena *arena;                /* keys of the stage under way */
    uint64_t next_body;
    int64_t retained_count; /* what the batch under way adds to the totals */
    int64_t retained_bytes;
    int64_t user_count;
};

static inline struct driver_mysql *
driver_mysql_of(struct driver *driver)
{
    return (struct driver_mysql *)(void *)driver; /* its first member */
}

static inline struct driver_mysql_value
driver_mysql_shard(const struct driver_mysql *d)
{
    return MYSQL_BYTES(slice_cstr(d->shard));
}

static inline struct slice
driver_mysql_key(const struct topic_seek_key *key)
{
    return slice_of(key->bytes, key->len);
}

/* Errors of a connection as those of driver.h. */
enum err driver_mysql_err(enum err err);

/* driver_mysql_pool.c */
void driver_mysql_pool_init(struct driver_mysql *d);
void driver_mysql_pool_fini(struct driver_mysql *d);
/* The connection for changes, open; errors of driver_mysql_conn_open, the reason in d->writer. */
ERR_MUST_USE enum err driver_mysql_pool_writer(struct driver_mysql *d);
/* A connection for one read; give it back with the read's result. */
ERR_MUST_USE enum err driver_mysql_pool_take(struct driver_mysql *d,
                                             struct driver_mysql_conn **out);
void driver_mysql_pool_give(struct driver_mysql *d, struct driver_mysql_conn *conn, enum err err);

/* driver_mysql_schema.c: tables as this program knows them. ERR_VERSION: they are newer. */
ERR_MUST_USE enum err driver_mysql_schema_update(struct driver_mysql_conn *conn,
                                                 const char *database,
                                                 char why[DRIVER_REASON_SIZE]);

/* driver_mysql_write.c: the stage in d->plan, into the transaction that is open. careful: entries
 * of queues may be there already. */
void driver_mysql_write_init(struct driver_mysql *d);
void driver_mysql_write_fini(struct driver_mysql *d);
ERR_MUST_USE enum err driver_mysql_write_stage(struct driver_mysql *d, const struct batch *batch,
                                               bool careful);

/* The functions of struct driver_ops. */
enum err driver_mysql_shards(struct driver *driver, uint32_t count, driver_shard_fn fn, void *arg);
enum err driver_mysql_claim(struct driver *driver, const struct driver_claim *claim);
enum err driver_mysql_renew(struct driver *driver, uint64_t lease_ms);
enum err driver_mysql_apply(struct driver *driver, const struct batch *batch);
enum err driver_mysql_totals(struct driver *driver, struct driver_totals *out);
enum err driver_mysql_load(struct driver *driver, const struct driver_visitor *visitor, void *arg);
enum err driver_mysql_queue_page(struct driver *driver, uint64_t session, uint64_t from_seq,
                                 size_t max_count, size_t max_bytes, driver_entry_fn fn, void *arg,
                                 bool *more);
enum err driver_mysql_retained_page(struct driver *driver, struct slice filter, struct slice after,
                                    size_t max_count, size_t max_bytes, driver_retained_fn fn,
                                    void *arg, struct buf *next);
enum err driver_mysql_retained_expired(struct driver *driver, uint64_t now_ms, size_t max_count,
                                       driver_topic_fn fn, void *arg);
enum err driver_mysql_user_get(struct driver *driver, struct slice name, driver_user_fn fn,
                               void *arg);
enum err driver_mysql_user_page(struct driver *driver, struct slice after, size_t max_count,
                                driver_user_fn fn, void *arg, bool *more);
enum err driver_mysql_row_get(struct driver *driver, uint8_t kind, struct slice name,
                              driver_row_fn fn, void *arg);
enum err driver_mysql_row_page(struct driver *driver, uint8_t kind, struct slice after,
                               size_t max_count, driver_row_fn fn, void *arg, bool *more);

#endif
