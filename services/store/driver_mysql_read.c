/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of queues and of people from MySQL. A read is one transaction and so one snapshot. */
#include "services/store/driver_mysql_inner.h"

#define ROWS_FIRST 64u   /* of the first statement of a page; doubled for each further one, */
#define ROWS_MAX   4096u /* up to this, and to about */
#define ROWS_BYTES ((size_t)4 << 20)

static void
count_steps(struct driver_mysql *d, uint64_t n)
{
    atomic_fetch_add_explicit(&d->driver.steps, n, memory_order_relaxed);
}

/* ---- queues ---- */

struct page {
    size_t max_count, max_bytes;
    size_t count, bytes;
    driver_entry_fn fn;
    void *arg;
    uint64_t next_seq;
    bool full; /* another entry is there, but does not belong to the page */
};

static enum err
page_row(struct page *page, const struct driver_mysql_value *v)
{
    struct driver_entry entry = {.seq = v[0].number,
                                 .flags = (uint8_t)v[1].number,
                                 .id_count = (uint8_t)(v[2].bytes.len / 4),
                                 .ids = v[2].bytes.data,
                                 .record = v[5].bytes};
    if (page->count >= page->max_count || (page->count > 0 && page->bytes >= page->max_bytes)) {
        page->full = true;
        return OK;
    }
    if (v[2].bytes.len > (size_t)4 * BATCH_IDS_MAX || v[2].bytes.len % 4 != 0 ||
        v[3].number != v[4].number) /* its body is missing */
        return ERR_MALFORMED;
    page->fn(page->arg, &entry);
    page->count++;
    page->bytes += entry.record.len;
    page->next_seq = entry.seq + 1;
    return OK;
}

/* Up to limit entries; *rows: how many there were. */
static enum err
page_part(struct driver_mysql *d, struct driver_mysql_conn *conn, struct page *page,
          uint64_t session, size_t limit, size_t *rows)
{
    const struct driver_mysql_value params[] = {driver_mysql_shard(d), MYSQL_NUMBER(session),
                                                MYSQL_NUMBER(page->next_seq), MYSQL_NUMBER(limit)};
    const struct driver_mysql_value *row;
    enum err err = driver_mysql_conn_ask(conn, MYSQL_QUEUE_PAGE, params);
    *rows = 0;
    while (err == OK && !page->full) {
        err = driver_mysql_conn_next(conn, MYSQL_QUEUE_PAGE, &row);
        if (err == OK) {
            (*rows)++;
            err = page_row(page, row);
        }
    }
    count_steps(d, *rows + 1);
    if (err == OK)
        driver_mysql_conn_end(conn, MYSQL_QUEUE_PAGE);
    return err == ERR_NOT_FOUND ? OK : err;
}

enum err
driver_mysql_queue_page(struct driver *driver, uint64_t session, uint64_t from_seq,
                        size_t max_count, size_t max_bytes, driver_entry_fn fn, void *arg,
                        bool *more)
{
    struct driver_mysql *d = driver_mysql_of(driver);
    struct page page = {
        .max_count = max_count, .max_bytes = max_bytes, .fn = fn, .arg = arg, .next_seq = from_seq};
    struct driver_mysql_conn *conn;
    size_t limit = ROWS_FIRST;
    size_t rows = 0;
    enum err err = driver_mysql_pool_take(d, &conn);
    *more = false;
    if (err != OK)
        return err;
    do {
        size_t left = max_count - page.count;
        if (page.count != 0 && limit < ROWS_MAX &&
            page.bytes / page.count * 2 * limit <= ROWS_BYTES)
            limit *= 2;
        if (left < limit)
            limit = left + 1; /* one more tells whether others follow */
        err = page_part(d, conn, &page, session, limit, &rows);
    } while (err == OK && !page.full && rows == limit);
    *more = page.full;
    driver_mysql_pool_give(d, conn, err);
    return driver_mysql_err(err);
}

/* ---- people ---- */

struct person {
    driver_user_fn user_fn;
    driver_row_fn row_fn;
    uint8_t kind;
    void *arg;
};

static void
give_person(const struct person *p, const struct driver_mysql_value *v)
{
    if (p->user_fn != NULL) {
        const struct driver_user user = {.name = v[0].bytes,
                                         .password = v[1].bytes,
                                         .roles = v[2].bytes,
                                         .rules = v[3].bytes,
                                         .changed_ms = v[4].number};
        p->user_fn(p->arg, &user);
    } else if (p->row_fn != NULL) {
        const struct driver_row row = {
            .kind = p->kind, .name = v[0].bytes, .value = v[1].bytes, .time_ms = v[2].number};
        p->row_fn(p->arg, &row);
    }
}

static enum err
person_get(struct driver_mysql *d, enum driver_mysql_sql id, struct slice name,
           const struct person *person)
{
    const struct driver_mysql_value *row;
    struct driver_mysql_value key;
    struct driver_mysql_conn *conn;
    struct topic_seek_key text;
    enum err err;
    if (name.len == 0 || name.len > BATCH_TEXT_MAX)
        return ERR_NOT_FOUND;
    topic_seek_text_key_of(name, &text);
    key = MYSQL_BYTES(driver_mysql_key(&text));
    err = driver_mysql_pool_take(d, &conn);
    if (err != OK)
        return err;
    err = driver_mysql_conn_ask(conn, id, &key);
    if (err == OK)
        err = driver_mysql_conn_next(conn, id, &row);
    count_steps(d, 1);
    if (err == OK) {
        give_person(person, row);
        driver_mysql_conn_end(conn, id);
    }
    driver_mysql_pool_give(d, conn, err);
    return driver_mysql_err(err);
}

static enum err
person_page(struct driver_mysql *d, enum driver_mysql_sql id, struct slice after, size_t max_count,
            const struct person *person, bool *more)
{
    struct driver_mysql_value params[2];
    const struct driver_mysql_value *row;
    struct driver_mysql_conn *conn;
    struct topic_seek_key text = {0};
    size_t count = 0;
    enum err err;
    *more = false;
    if (after.len != 0 && after.len <= BATCH_TEXT_MAX)
        topic_seek_text_key_of(after, &text);
    params[0] = MYSQL_BYTES(driver_mysql_key(&text));
    params[1] = MYSQL_NUMBER(max_count < SIZE_MAX ? max_count + 1 : max_count);
    err = driver_mysql_pool_take(d, &conn);
    if (err != OK)
        return err;
    err = driver_mysql_conn_ask(conn, id, params);
    while (err == OK && !*more) {
        err = driver_mysql_conn_next(conn, id, &row);
        if (err == OK && count == max_count)
            *more = true;
        else if (err == OK)
            give_person(person, row);
        count++;
    }
    if (err == OK)
        driver_mysql_conn_end(conn, id);
    count_steps(d, count);
    driver_mysql_pool_give(d, conn, err);
    return err == ERR_NOT_FOUND ? OK : driver_mysql_err(err);
}

enum err
driver_mysql_user_get(struct driver *driver, struct slice name, driver_user_fn fn, void *arg)
{
    const struct person person = {.user_fn = fn, .arg = arg};
    return person_get(driver_mysql_of(driver), MYSQL_USER_GET, name, &person);
}

enum err
driver_mysql_user_page(struct driver *driver, struct slice after, size_t max_count,
                       driver_user_fn fn, void *arg, bool *more)
{
    const struct person person = {.user_fn = fn, .arg = arg};
    return person_page(driver_mysql_of(driver), MYSQL_USER_PAGE, after, max_count, &person, more);
}

/* The statement of a kind; false: no such kind. */
static bool
of_kind(enum driver_mysql_sql first, uint8_t kind, enum driver_mysql_sql *id)
{
    if (kind < DRIVER_ROW_ROLE || kind > DRIVER_ROW_AUDIT)
        return false;
    *id = (enum driver_mysql_sql)((unsigned)first + kind - DRIVER_ROW_ROLE);
    return true;
}

enum err
driver_mysql_row_get(struct driver *driver, uint8_t kind, struct slice name, driver_row_fn fn,
                     void *arg)
{
    const struct person person = {.row_fn = fn, .kind = kind, .arg = arg};
    enum driver_mysql_sql id;
    if (!of_kind(MYSQL_ROW_GET, kind, &id))
        return ERR_NOT_FOUND;
    return person_get(driver_mysql_of(driver), id, name, &person);
}

enum err
driver_mysql_row_page(struct driver *driver, uint8_t kind, struct slice after, size_t max_count,
                      driver_row_fn fn, void *arg, bool *more)
{
    const struct person person = {.row_fn = fn, .kind = kind, .arg = arg};
    enum driver_mysql_sql id;
    *more = false;
    if (!of_kind(MYSQL_ROW_PAGE, kind, &id))
        return OK;
    return person_page(driver_mysql_of(driver), id, after, max_count, &person, more);
}
