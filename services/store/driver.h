/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the store's lasting state lies: the one interface that every driver implements (LMDB
 * embedded; MySQL, Redis). It has three domains: people (users, and the rows of
 * roles, bans, keys and audit), sessions (rows, subscriptions,
 * queues, inbound packet ids, wills, outbox, token sets, meta) and retained messages. It keeps no
 * rules: epochs, limits and expiry are the business of the store's rooms.
 *
 * Writing: driver_apply takes a whole batch (batch.h): all or nothing, and durable when it returns
 * OK. One thread writes (the committer's).
 *
 * Reading: from any thread, also while a batch is applied; a read sees whole batches only. Pages
 * are bounded, so that no read takes long; only driver_load walks everything. What callbacks get is
 * borrowed until they return; a callback must not call the driver.
 *
 * Errors, the same for all drivers:
 *   ERR_NO_SPACE     disk, quota or the configured size is used up; nothing was changed; try again
 *                    when there is room
 *   ERR_IO           disk or database failed or is away; nothing was changed, or (a lost answer) it
 *                    may have been: apply the same batch again with the same id
 *   ERR_STALE        another store has taken this data over: this one must stop. (Never from the
 *                    embedded driver: its directory is locked.)
 *   ERR_MALFORMED    data that no store wrote: damaged
 *   ERR_TOO_LARGE    the batch cannot be applied in one transaction at all
 *   ERR_UNAVAILABLE  the driver is broken until the program starts again
 * driver_reason says more, for people.
 */
#ifndef SERVICES_STORE_DRIVER_H
#define SERVICES_STORE_DRIVER_H

#include "common/err.h"
#include "common/str.h"
#include "services/store/batch.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRIVER_REASON_SIZE 160

struct driver;

/* What is in a session's queue, without its messages. */
struct driver_queue {
    uint64_t session;
    uint64_t count;
    uint64_t bytes;     /* of records; entries with DELIVER_REL count 0 */
    uint64_t first_seq; /* lowest and highest */
    uint64_t last_seq;
};

/* Callbacks of driver_load, in this order of kinds; any may be NULL. Sessions rise by number,
 * subscriptions, queues, inbound ids and wills too (by session), outbox by sequence. */
struct driver_visitor {
    void (*meta)(void *arg, const char *name, struct slice value);
    void (*session)(void *arg, const struct driver_session *session);
    void (*subscription)(void *arg, const struct driver_subscription *subscription);
    void (*queue)(void *arg, const struct driver_queue *queue);
    void (*inbound)(void *arg, uint64_t session, uint16_t packet_id, uint64_t outbox_seq);
    void (*will)(void *arg, uint64_t session, uint64_t due_ms, struct slice value);
    void (*outbox)(void *arg, uint64_t seq, struct slice record);
    void (*token_set)(void *arg, uint64_t origin, struct slice value);
};

struct driver_entry {
    uint64_t seq;
    uint8_t flags; /* DELIVER_* */
    uint8_t id_count;
    const uint8_t *ids;  /* id_count big-endian u32, borrowed */
    struct slice record; /* empty with DELIVER_REL */
};

typedef void (*driver_entry_fn)(void *arg, const struct driver_entry *entry);
typedef void (*driver_user_fn)(void *arg, const struct driver_user *user);
typedef void (*driver_row_fn)(void *arg, const struct driver_row *row);
typedef void (*driver_topic_fn)(void *arg, struct slice topic, uint64_t expiry_ms);
/* Returns whether it counts toward the page's limits (an expired one need not). */
typedef bool (*driver_retained_fn)(void *arg, struct slice topic, struct slice record);

struct driver_totals {
    uint64_t retained_count;
    uint64_t retained_bytes; /* of records */
    uint64_t user_count;
    uint64_t used_bytes;  /* of the medium; 0: not known */
    uint64_t limit_bytes; /* that used_bytes may reach; 0: not known */
};

/* Who has a shard, in a database that several stores share. */
struct driver_shard {
    uint32_t number;
    uint64_t until_ms;   /* when the lease ends, by the database's clock: another one after every
                            claim and every renewal; 0: it was given up, or there is none */
    uint64_t left_ms;    /* of the lease, by the same clock; 0: it is over */
    uint64_t lease_ms;   /* how long it lasts from each renewal on */
    struct slice holder; /* who renews it; borrowed */
};
typedef void (*driver_shard_fn)(void *arg, const struct driver_shard *shard);

/* What a store that wants a shard says. */
struct driver_claim {
    uint32_t number;
    const char *holder; /* name of the store, at most 255 bytes */
    uint64_t lease_ms;  /* 0: none, driver_renew will not be called */
    bool is_forced;     /* whoever has it now, */
    uint64_t until_ms;  /* else only if until_ms of its driver_shard is still this (0: or there is
                           no row) */
};

struct driver_ops {
    const char *name; /* "lmdb" */
    void (*close)(struct driver *driver);
    /* NULL: nobody else can have the data (embedded). */
    enum err (*shards)(struct driver *driver, uint32_t count, driver_shard_fn fn, void *arg);
    enum err (*claim)(struct driver *driver, const struct driver_claim *claim);
    enum err (*renew)(struct driver *driver, uint64_t lease_ms);
    enum err (*apply)(struct driver *driver, const struct batch *batch);
    enum err (*load)(struct driver *driver, const struct driver_visitor *visitor, void *arg);
    enum err (*queue_page)(struct driver *driver, uint64_t session, uint64_t from_seq,
                           size_t max_count, size_t max_bytes, driver_entry_fn fn, void *arg,
                           bool *more);
    enum err (*retained_page)(struct driver *driver, struct slice filter, struct slice after,
                              size_t max_count, size_t max_bytes, driver_retained_fn fn, void *arg,
                              struct buf *next);
    enum err (*retained_expired)(struct driver *driver, uint64_t now_ms, size_t max_count,
                                 driver_topic_fn fn, void *arg);
    enum err (*user_get)(struct driver *driver, struct slice name, driver_user_fn fn, void *arg);
    enum err (*user_page)(struct driver *driver, struct slice after, size_t max_count,
                          driver_user_fn fn, void *arg, bool *more);
    enum err (*row_get)(struct driver *driver, uint8_t kind, struct slice name, driver_row_fn fn,
                        void *arg);
    enum err (*row_page)(struct driver *driver, uint8_t kind, struct slice after, size_t max_count,
                         driver_row_fn fn, void *arg, bool *more);
    enum err (*totals)(struct driver *driver, struct driver_totals *out);
};

/* The head of every driver's own struct. Made by driver_<name>_open. */
struct driver {
    const struct driver_ops *ops;
    _Atomic uint64_t steps;          /* rows looked at by reads: what a lookup costs */
    _Atomic uint64_t fault;          /* tests: the fault-th step of apply from now fails; 0: none */
    _Atomic int fault_err;           /* with this error, */
    _Atomic uint64_t fault_n;        /* this many times in a row */
    _Atomic uint64_t read_faults;    /* tests: so many reads fail */
    _Atomic int read_fault_err;      /* with this error */
    char reason[DRIVER_REASON_SIZE]; /* of the last failed apply; the applying thread's */
};

/* Tests: the next `times` reads fail with err; 0 ends it. */
void driver_read_fault_set(struct driver *driver, uint64_t times, enum err err);
ERR_MUST_USE enum err driver_read_fault_step(struct driver *driver);
/* Before a read: OK, or what a test asked for instead of it. */
ERR_MUST_USE static inline enum err
driver_read_step(struct driver *driver)
{
    return atomic_load_explicit(&driver->read_faults, memory_order_relaxed) == 0
               ? OK
               : driver_read_fault_step(driver);
}

/* Applies the batch in one transaction; durable on OK. A batch whose id (not 0) is that of the last
 * batch applied, also before a restart, is OK and changes nothing. Blocks for the disk. */
ERR_MUST_USE static inline enum err
driver_apply(struct driver *driver, const struct batch *batch)
{
    return driver->ops->apply(driver, batch);
}

/* Text for the last error of driver_apply, on the thread that applies. */
static inline const char *
driver_reason(const struct driver *driver)
{
    return driver->reason;
}

/* ---- whose the data are. A shard has one owner, its last claimant: what another one applies is
 * refused with ERR_STALE, by the database. Leases only say when a shard may be claimed by whom;
 * shard_watch.h decides that. */

/* The shards below count that somebody has had, rising. Before or after a claim, any thread. */
ERR_MUST_USE static inline enum err
driver_shards(struct driver *driver, uint32_t count, driver_shard_fn fn, void *arg)
{
    return driver->ops->shards == NULL ? OK : driver->ops->shards(driver, count, fn, arg);
}

/* Makes this driver the owner of the shard; nothing of it may be read or written before. ERR_BUSY:
 * another claim or a renewal came first. On the thread that applies; driver_reason says more. */
ERR_MUST_USE static inline enum err
driver_claim(struct driver *driver, const struct driver_claim *claim)
{
    return driver->ops->claim == NULL ? OK : driver->ops->claim(driver, claim);
}

/* The lease ends lease_ms from now; 0: gives it up, for who comes next. ERR_STALE: another store
 * has the shard. Any thread, one at a time. */
ERR_MUST_USE static inline enum err
driver_renew(struct driver *driver, uint64_t lease_ms)
{
    return driver->ops->renew == NULL ? OK : driver->ops->renew(driver, lease_ms);
}

/* Walks all that a starting store needs. Users and retained messages are read when needed. */
ERR_MUST_USE static inline enum err
driver_load(struct driver *driver, const struct driver_visitor *visitor, void *arg)
{
    return driver->ops->load(driver, visitor, arg);
}

/* Entries of a queue from from_seq on, rising. At most max_count; stops behind the entry with
 * which max_bytes of records are reached (so at least one comes). *more: others follow. A session
 * without entries is OK. */
ERR_MUST_USE static inline enum err
driver_queue_page(struct driver *driver, uint64_t session, uint64_t from_seq, size_t max_count,
                  size_t max_bytes, driver_entry_fn fn, void *arg, bool *more)
{
    enum err err = driver_read_step(driver);
    if (err != OK)
        return err;
    return driver->ops->queue_page(driver, session, from_seq, max_count, max_bytes, fn, arg, more);
}

/* Retained messages on topics that match the filter (valid, no $share form; the rule for '$' is
 * kept), in the driver's own lasting order of topics. after: a topic (need not exist) behind which
 * to go on; empty: from the start. Limits as in driver_queue_page. next is reset, and gets the
 * topic to pass as `after` for the next page; left empty: complete. A page can be short or empty
 * with more to follow: a walk also ends after a bounded number of rows. */
ERR_MUST_USE static inline enum err
driver_retained_page(struct driver *driver, struct slice filter, struct slice after,
                     size_t max_count, size_t max_bytes, driver_retained_fn fn, void *arg,
                     struct buf *next)
{
    enum err err = driver_read_step(driver);
    if (err != OK)
        return err;
    return driver->ops->retained_page(driver, filter, after, max_count, max_bytes, fn, arg, next);
}

/* Up to max_count topics whose expiry is at or before now_ms, earliest first. */
ERR_MUST_USE static inline enum err
driver_retained_expired(struct driver *driver, uint64_t now_ms, size_t max_count,
                        driver_topic_fn fn, void *arg)
{
    enum err err = driver_read_step(driver);
    if (err != OK)
        return err;
    return driver->ops->retained_expired(driver, now_ms, max_count, fn, arg);
}

/* ERR_NOT_FOUND: no such user; fn is then not called. */
ERR_MUST_USE static inline enum err
driver_user_get(struct driver *driver, struct slice name, driver_user_fn fn, void *arg)
{
    enum err err = driver_read_step(driver);
    if (err != OK)
        return err;
    return driver->ops->user_get(driver, name, fn, arg);
}

/* Users in the order of their names' bytes (those beyond 440 bytes: of their first 440), behind
 * `after` (need not exist; empty: from the start). */
ERR_MUST_USE static inline enum err
driver_user_page(struct driver *driver, struct slice after, size_t max_count, driver_user_fn fn,
                 void *arg, bool *more)
{
    enum err err = driver_read_step(driver);
    if (err != OK)
        return err;
    return driver->ops->user_page(driver, after, max_count, fn, arg, more);
}

/* ERR_NOT_FOUND: no such row; fn is then not called. */
ERR_MUST_USE static inline enum err
driver_row_get(struct driver *driver, uint8_t kind, struct slice name, driver_row_fn fn, void *arg)
{
    enum err err = driver_read_step(driver);
    if (err != OK)
        return err;
    return driver->ops->row_get(driver, kind, name, fn, arg);
}

/* Rows of one kind, in the order of their names, as driver_user_page. */
ERR_MUST_USE static inline enum err
driver_row_page(struct driver *driver, uint8_t kind, struct slice after, size_t max_count,
                driver_row_fn fn, void *arg, bool *more)
{
    enum err err = driver_read_step(driver);
    if (err != OK)
        return err;
    return driver->ops->row_page(driver, kind, after, max_count, fn, arg, more);
}

ERR_MUST_USE static inline enum err
driver_totals(struct driver *driver, struct driver_totals *out)
{
    return driver->ops->totals(driver, out);
}

/* On the last thread that uses it; nothing may be running. NULL is nothing. */
static inline void
driver_close(struct driver *driver)
{
    if (driver != NULL)
        driver->ops->close(driver);
}

/* Tests: steps of driver_apply (each change, begin, commit) from the at-th on fail with err, times
 * times in a row; at 0 ends it. */
void driver_fault_set(struct driver *driver, uint64_t at, uint64_t times, enum err err);
/* For drivers: one step of apply; the error to return instead of doing it, or OK. */
ERR_MUST_USE enum err driver_fault_step(struct driver *driver);

#endif
