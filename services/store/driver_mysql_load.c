/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a shard at start, in one snapshot, row by row as they arrive. */
#include "services/store/driver_mysql_inner.h"

#include <string.h>

struct loading {
    const struct driver_visitor *visitor;
    void *arg;
};

typedef enum err (*row_fn)(const struct loading *l, const struct driver_mysql_value *v);

static enum err
load_meta(const struct loading *l, const struct driver_mysql_value *v)
{
    char name[101];
    if (v[0].bytes.len == 0 || v[0].bytes.len >= sizeof(name))
        return ERR_MALFORMED;
    memcpy(name, v[0].bytes.data, v[0].bytes.len);
    name[v[0].bytes.len] = '\0';
    l->visitor->meta(l->arg, name, v[1].bytes);
    return OK;
}

static enum err
load_session(const struct loading *l, const struct driver_mysql_value *v)
{
    const struct driver_session s = {
        .session = v[0].number,
        .client_id = v[1].bytes,
        .user = v[2].bytes,
        .epoch = v[3].number,
        .owner = v[4].number,
        .conn = v[5].number,
        .created_ms = v[6].number,
        .disconnected_ms = v[7].number,
        .seq_limit = v[8].number,
        .expiry_s = (uint32_t)v[9].number,
        .receive_maximum = (uint32_t)v[10].number,
        .version = (uint8_t)v[11].number,
        .extra = v[12].bytes,
    };
    l->visitor->session(l->arg, &s);
    return OK;
}

static enum err
load_subscription(const struct loading *l, const struct driver_mysql_value *v)
{
    const struct driver_subscription s = {
        .session = v[0].number,
        .filter = v[1].bytes,
        .qos = (uint8_t)v[2].number,
        .no_local = v[3].number != 0,
        .retain_as_published = v[4].number != 0,
        .retain_handling = (uint8_t)v[5].number,
        .identifier = (uint32_t)v[6].number,
    };
    if (s.filter.len == 0)
        return ERR_MALFORMED;
    l->visitor->subscription(l->arg, &s);
    return OK;
}

static enum err
load_queue(const struct loading *l, const struct driver_mysql_value *v)
{
    const struct driver_queue q = {.session = v[0].number,
                                   .count = v[1].number,
                                   .bytes = v[2].number,
                                   .first_seq = v[3].number,
                                   .last_seq = v[4].number};
    l->visitor->queue(l->arg, &q);
    return OK;
}

static enum err
load_inbound(const struct loading *l, const struct driver_mysql_value *v)
{
    l->visitor->inbound(l->arg, v[0].number, (uint16_t)v[1].number, v[2].number);
    return OK;
}

static enum err
load_will(const struct loading *l, const struct driver_mysql_value *v)
{
    l->visitor->will(l->arg, v[0].number, v[1].number, v[2].bytes);
    return OK;
}

static enum err
load_outbox(const struct loading *l, const struct driver_mysql_value *v)
{
    l->visitor->outbox(l->arg, v[0].number, v[1].bytes);
    return OK;
}

static enum err
load_token_set(const struct loading *l, const struct driver_mysql_value *v)
{
    l->visitor->token_set(l->arg, v[0].number, v[1].bytes);
    return OK;
}

static enum err
load_table(struct driver_mysql *d, struct driver_mysql_conn *conn, enum driver_mysql_sql id,
           row_fn fn, const struct loading *loading)
{
    const struct driver_mysql_value shard = driver_mysql_shard(d);
    const struct driver_mysql_value *row;
    enum err err = driver_mysql_conn_ask(conn, id, &shard);
    while (err == OK) {
        err = driver_mysql_conn_next(conn, id, &row);
        if (err == OK)
            err = fn(loading, row);
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

enum err
driver_mysql_load(struct driver *driver, const struct driver_visitor *v, void *arg)
{
    struct driver_mysql *d = driver_mysql_of(driver);
    const struct loading loading = {v, arg};
    const struct {
        enum driver_mysql_sql id;
        row_fn fn;
        bool wanted;
    } tables[] = {
        {MYSQL_META_ALL, load_meta, v->meta != NULL},
        {MYSQL_SESSIONS_ALL, load_session, v->session != NULL},
        {MYSQL_SUBSCRIPTIONS_ALL, load_subscription, v->subscription != NULL},
        {MYSQL_QUEUES_ALL, load_queue, v->queue != NULL},
        {MYSQL_INBOUND_ALL, load_inbound, v->inbound != NULL},
        {MYSQL_WILLS_ALL, load_will, v->will != NULL},
        {MYSQL_OUTBOX_ALL, load_outbox, v->outbox != NULL},
        {MYSQL_TOKENS_ALL, load_token_set, v->token_set != NULL},
    };
    struct driver_mysql_conn *conn;
    enum err err = driver_mysql_pool_take(d, &conn);
    size_t i;
    if (err != OK)
        return err;
    for (i = 0; err == OK && i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (tables[i].wanted)
            err = load_table(d, conn, tables[i].id, tables[i].fn, &loading);
    }
    driver_mysql_pool_give(d, conn, err);
    return driver_mysql_err(err);
}
