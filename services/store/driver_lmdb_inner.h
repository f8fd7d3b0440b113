/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the embedded driver share; nobody else includes it. The layout of every table
 * is drawn in services/store/embedded.md. Functions here return LMDB's codes (int, 0 is fine);
 * driver_lmdb_err turns them into ours at the interface. */
#ifndef SERVICES_STORE_DRIVER_LMDB_INNER_H
#define SERVICES_STORE_DRIVER_LMDB_INNER_H

#include "common/buf.h"
#include "common/cursor.h"
#include "services/store/driver_lmdb.h"
#include "services/store/topic_seek.h"

#include <lmdb.h>

/* Order and names: driver_lmdb_open.c. */
enum driver_lmdb_table {
    LMDB_ABOUT,
    LMDB_META,
    LMDB_SESSIONS,
    LMDB_SUBSCRIPTIONS,
    LMDB_QUEUE,
    LMDB_BODIES,
    LMDB_REFERENCES,
    LMDB_INBOUND,
    LMDB_WILLS,
    LMDB_OUTBOX,
    LMDB_TOKENS,
    LMDB_RETAINED,
    LMDB_EXPIRY,
    LMDB_USERS,
    LMDB_ROWS,
    LMDB_TABLES
};

struct driver_lmdb {
    struct driver driver;
    MDB_env *env;
    MDB_dbi table[LMDB_TABLES];
    int lock_fd;
    /* The rest is the applying thread's. */
    MDB_txn *txn; /* of the apply under way */
    MDB_cursor *queue;
    uint64_t next_body;
    uint64_t body;      /* of the last message: 0 while it is not stored */
    uint32_t body_refs; /* appends that the batch will make of it */
    struct slice message;
    uint64_t retained_bytes;
    bool retained_changed;
    struct buf row; /* scratch for small values */
};

static inline struct driver_lmdb *
driver_lmdb_of(struct driver *driver)
{
    return (struct driver_lmdb *)(void *)driver; /* its first member */
}

/* LMDB never writes through the pointers given to it in keys and values. */
static inline MDB_val
driver_lmdb_val(struct slice s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.data};
}

static inline struct slice
driver_lmdb_slice(const MDB_val *val)
{
    return slice_of(val->mv_data, val->mv_size);
}

static inline MDB_val
driver_lmdb_key(const struct topic_seek_key *key)
{
    return driver_lmdb_val(slice_of(key->bytes, key->len));
}

enum err driver_lmdb_err(int rc);

/* In the transaction of the apply under way. Deleting what is not there is fine. */
int driver_lmdb_put(struct driver_lmdb *d, enum driver_lmdb_table table, struct slice key,
                    struct slice value);
int driver_lmdb_put_row(struct driver_lmdb *d, enum driver_lmdb_table table, struct slice key);
int driver_lmdb_delete(struct driver_lmdb *d, enum driver_lmdb_table table, struct slice key);
/* Deletes every row whose key begins with the prefix. */
int driver_lmdb_delete_below(struct driver_lmdb *d, enum driver_lmdb_table table,
                             struct slice prefix);

/* Numbers that the driver keeps for itself. */
int driver_lmdb_about_get(struct driver_lmdb *d, MDB_txn *txn, const char *name, uint64_t *out);
int driver_lmdb_about_put(struct driver_lmdb *d, const char *name, uint64_t number);

/* Begins a read; driver_lmdb_read_end ends it (also after a failed begin). */
int driver_lmdb_read_begin(struct driver_lmdb *d, enum driver_lmdb_table table, MDB_txn **txn,
                           MDB_cursor **cursor);
void driver_lmdb_read_end(MDB_txn *txn, MDB_cursor *cursor);
/* First row at or above the key (the first of all for an empty key). Counts a step, as next does.
 */
int driver_lmdb_read_seek(struct driver_lmdb *d, MDB_cursor *cursor, struct slice at, MDB_val *key,
                          MDB_val *value);
int driver_lmdb_read_next(struct driver_lmdb *d, MDB_cursor *cursor, MDB_val *key, MDB_val *value);

/* Changes, by domain. */
int driver_lmdb_sessions_apply(struct driver_lmdb *d, const struct batch_op *op);
int driver_lmdb_queue_apply(struct driver_lmdb *d, const struct batch_op *op);
int driver_lmdb_queue_delete_session(struct driver_lmdb *d, uint64_t session);
int driver_lmdb_retained_apply(struct driver_lmdb *d, const struct batch_op *op);
int driver_lmdb_people_apply(struct driver_lmdb *d, const struct batch_op *op);

/* The functions of struct driver_ops. */
enum err driver_lmdb_apply(struct driver *driver, const struct batch *batch);
enum err driver_lmdb_totals(struct driver *driver, struct driver_totals *out);
enum err driver_lmdb_load(struct driver *driver, const struct driver_visitor *visitor, void *arg);
int driver_lmdb_queue_load(struct driver_lmdb *d, MDB_txn *txn,
                           void (*fn)(void *, const struct driver_queue *), void *arg);
enum err driver_lmdb_queue_page(struct driver *driver, uint64_t session, uint64_t from_seq,
                                size_t max_count, size_t max_bytes, driver_entry_fn fn, void *arg,
                                bool *more);
enum err driver_lmdb_retained_page(struct driver *driver, struct slice filter, struct slice after,
                                   size_t max_count, size_t max_bytes, driver_retained_fn fn,
                                   void *arg, struct buf *next);
enum err driver_lmdb_retained_expired(struct driver *driver, uint64_t now_ms, size_t max_count,
                                      driver_topic_fn fn, void *arg);
enum err driver_lmdb_user_get(struct driver *driver, struct slice name, driver_user_fn fn,
                              void *arg);
enum err driver_lmdb_user_page(struct driver *driver, struct slice after, size_t max_count,
                               driver_user_fn fn, void *arg, bool *more);
enum err driver_lmdb_row_get(struct driver *driver, uint8_t kind, struct slice name,
                             driver_row_fn fn, void *arg);
enum err driver_lmdb_row_page(struct driver *driver, uint8_t kind, struct slice after,
                              size_t max_count, driver_row_fn fn, void *arg, bool *more);

#endif
