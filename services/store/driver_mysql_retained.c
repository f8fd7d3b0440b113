/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retained messages in MySQL: the walk of topic_seek.h over an ordered index. A statement asks for
 * a few rows from a key on; as long as the walk goes on from row to row the next one asks for twice
 * as many, and when it seeks past what was asked for, it begins small again. So lookups cost their
 * hits, and long ones few round trips.
 */
#include "services/store/driver_mysql_inner.h"

#include "proto/limits.h"

#define WALK_MIN     2000u /* rows that a page may look at ... */
#define WALK_PER_HIT 8u    /* ... and more for each message it may give */
#define ROWS_FIRST   2u
#define ROWS_MAX     256u
#define ROWS_BYTES   ((size_t)1 << 20)

struct walk {
    struct driver_mysql *d;
    struct driver_mysql_conn *conn;
    /* Where the next statement begins. */
    struct topic_seek_key at;
    bool behind; /* that key itself is done with */
    enum driver_mysql_sql id;
    bool asked; /* rows of the last statement are left */
    size_t limit, left;
    size_t rows, bytes; /* fetched so far */
};

static void
walk_steps(struct walk *walk)
{
    atomic_fetch_add_explicit(&walk->d->driver.steps, 1, memory_order_relaxed);
}

static enum err
walk_ask(struct walk *walk)
{
    const struct driver_mysql_value params[] = {MYSQL_BYTES(driver_mysql_key(&walk->at)),
                                                MYSQL_NUMBER(walk->limit)};
    walk->id = walk->behind ? MYSQL_RETAINED_BEHIND : MYSQL_RETAINED_FROM;
    walk->left = walk->limit;
    walk->asked = true;
    return driver_mysql_conn_ask(walk->conn, walk->id, params);
}

/* The next row; ERR_NOT_FOUND: there is none. */
static enum err
walk_next(struct walk *walk, const struct driver_mysql_value **row)
{
    enum err err = OK;
    if (walk->asked && walk->left == 0) {
        driver_mysql_conn_end(walk->conn, walk->id);
        walk->asked = false;
        if (walk->limit < ROWS_MAX && walk->bytes / walk->rows * 2 * walk->limit <= ROWS_BYTES)
            walk->limit *= 2;
    }
    if (!walk->asked)
        err = walk_ask(walk);
    if (err == OK)
        err = driver_mysql_conn_next(walk->conn, walk->id, row);
    walk_steps(walk);
    if (err != OK)
        return err;
    walk->left--;
    walk->rows++;
    walk->bytes += (*row)[2].bytes.len;
    if ((*row)[0].bytes.len > TOPIC_SEEK_KEY || (*row)[1].bytes.len == 0)
        return ERR_MALFORMED;
    walk->behind = true;
    walk->at.len = (*row)[0].bytes.len;
    memcpy(walk->at.bytes, (*row)[0].bytes.data, walk->at.len);
    return OK;
}

/* Goes on at a key; rows before it that have been asked for are passed over. */
static enum err
walk_seek(struct walk *walk, const struct topic_seek_key *to, const struct driver_mysql_value **row)
{
    bool near = walk->left > 8; /* worth reading on */
    while (near && walk->left > 0) {
        enum err err = walk_next(walk, row);
        if (err != OK || slice_compare((*row)[0].bytes, driver_mysql_key(to)) >= 0)
            return err;
    }
    if (walk->asked)
        driver_mysql_conn_end(walk->conn, walk->id);
    walk->asked = false;
    walk->limit = ROWS_FIRST;
    walk->behind = false;
    walk->at = *to;
    return walk_next(walk, row);
}

/* Where a page begins: behind `after`, at least at the filter's first possible key. */
static void
walk_start(struct walk *walk, struct slice filter, struct slice after)
{
    struct topic_seek_key behind;
    topic_seek_start(filter, &walk->at);
    if (after.len == 0)
        return;
    topic_seek_key_of(after, &behind);
    if (slice_compare(driver_mysql_key(&behind), driver_mysql_key(&walk->at)) < 0)
        return;
    walk->at = behind;
    walk->behind = true;
}

struct retained_page {
    struct slice filter;
    size_t max_count, max_bytes;
    driver_retained_fn fn;
    void *arg;
    struct buf *next;
};

static enum err
walk_page(struct walk *walk, const struct retained_page *page)
{
    size_t rows_left =
        WALK_MIN + WALK_PER_HIT * (page->max_count < 100000 ? page->max_count : 100000);
    size_t count = 0, bytes = 0;
    const struct driver_mysql_value *row;
    enum err err = walk_next(walk, &row);
    while (err == OK) {
        struct topic_seek_key seek;
        struct slice topic = row[1].bytes;
        enum topic_seek_answer answer = topic_seek_judge(page->filter, row[0].bytes, topic, &seek);
        if (answer == TOPIC_SEEK_DONE)
            return OK;
        if (answer == TOPIC_SEEK_HIT && page->fn(page->arg, topic, row[2].bytes)) {
            count++;
            bytes += row[2].bytes.len;
        }
        if (count >= page->max_count || bytes >= page->max_bytes || --rows_left == 0) {
            buf_append_slice(page->next, topic);
            return OK;
        }
        err = answer == TOPIC_SEEK_SEEK ? walk_seek(walk, &seek, &row) : walk_next(walk, &row);
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

enum err
driver_mysql_retained_page(struct driver *driver, struct slice filter, struct slice after,
                           size_t max_count, size_t max_bytes, driver_retained_fn fn, void *arg,
                           struct buf *next)
{
    struct walk walk = {.d = driver_mysql_of(driver), .limit = ROWS_FIRST};
    const struct retained_page page = {filter, max_count, max_bytes, fn, arg, next};
    enum err err;
    buf_reset(next);
    if (filter.len == 0 || filter.len > LIMITS_TOPIC || after.len > LIMITS_TOPIC || max_count == 0)
        return ERR_INVALID;
    walk_start(&walk, filter, after);
    err = driver_mysql_pool_take(walk.d, &walk.conn);
    if (err != OK)
        return err;
    err = walk_page(&walk, &page);
    if (err == OK && walk.asked)
        driver_mysql_conn_end(walk.conn, walk.id);
    driver_mysql_pool_give(walk.d, walk.conn, err);
    return err != OK ? driver_mysql_err(err) : buf_error(next);
}

enum err
driver_mysql_retained_expired(struct driver *driver, uint64_t now_ms, size_t max_count,
                              driver_topic_fn fn, void *arg)
{
    struct driver_mysql *d = driver_mysql_of(driver);
    const struct driver_mysql_value params[] = {MYSQL_NUMBER(now_ms), MYSQL_NUMBER(max_count)};
    const struct driver_mysql_value *row;
    struct driver_mysql_conn *conn;
    enum err err = driver_mysql_pool_take(d, &conn);
    if (err != OK)
        return err;
    err = driver_mysql_conn_ask(conn, MYSQL_RETAINED_EXPIRED, params);
    while (err == OK) {
        err = driver_mysql_conn_next(conn, MYSQL_RETAINED_EXPIRED, &row);
        atomic_fetch_add_explicit(&d->driver.steps, 1, memory_order_relaxed);
        if (err == OK)
            fn(arg, row[0].bytes, row[1].number);
    }
    driver_mysql_pool_give(d, conn, err);
    return err == ERR_NOT_FOUND ? OK : driver_mysql_err(err);
}
