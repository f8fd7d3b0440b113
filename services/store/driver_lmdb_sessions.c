/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions and what goes with them in the embedded driver: rows, subscriptions, inbound packet ids,
 * wills, outbox, token sets, meta; and the walk over all of it at start. Queues have a file of
 * their own. */
#include "services/store/driver_lmdb_inner.h"

#include <string.h>

/* u64, then more bytes. */
struct number_key {
    size_t len;
    uint8_t bytes[8 + TOPIC_SEEK_KEY];
};

static struct slice
number_key(struct number_key *key, uint64_t number)
{
    buf_store_u64(key->bytes, number);
    key->len = 8;
    return slice_of(key->bytes, key->len);
}

static struct slice
inbound_key(struct number_key *key, uint64_t session, uint16_t packet_id)
{
    buf_store_u64(key->bytes, session);
    buf_store_u16(key->bytes + 8, packet_id);
    return slice_of(key->bytes, 10);
}

static struct slice
subscription_key(struct number_key *key, uint64_t session, struct slice filter)
{
    struct topic_seek_key text;
    topic_seek_text_key_of(filter, &text);
    buf_store_u64(key->bytes, session);
    memcpy(key->bytes + 8, text.bytes, text.len);
    return slice_of(key->bytes, 8 + text.len);
}

/* ---- changes ---- */

static int
session_put(struct driver_lmdb *d, const struct driver_session *s)
{
    struct number_key key;
    buf_reset(&d->row);
    buf_put_u64(&d->row, s->epoch);
    buf_put_u64(&d->row, s->owner);
    buf_put_u64(&d->row, s->conn);
    buf_put_u64(&d->row, s->created_ms);
    buf_put_u64(&d->row, s->disconnected_ms);
    buf_put_u64(&d->row, s->seq_limit);
    buf_put_u32(&d->row, s->expiry_s);
    buf_put_u32(&d->row, s->receive_maximum);
    buf_put_u8(&d->row, s->version);
    buf_put_u16(&d->row, (uint16_t)s->client_id.len);
    buf_append_slice(&d->row, s->client_id);
    buf_put_u16(&d->row, (uint16_t)s->user.len);
    buf_append_slice(&d->row, s->user);
    buf_append_slice(&d->row, s->extra);
    return driver_lmdb_put_row(d, LMDB_SESSIONS, number_key(&key, s->session));
}

static int
session_delete(struct driver_lmdb *d, uint64_t session)
{
    struct number_key key_bytes;
    struct slice key = number_key(&key_bytes, session);
    int rc = driver_lmdb_delete(d, LMDB_SESSIONS, key);
    if (rc == 0)
        rc = driver_lmdb_delete(d, LMDB_WILLS, key);
    if (rc == 0)
        rc = driver_lmdb_delete_below(d, LMDB_SUBSCRIPTIONS, key);
    if (rc == 0)
        rc = driver_lmdb_delete_below(d, LMDB_INBOUND, key);
    if (rc == 0)
        rc = driver_lmdb_queue_delete_session(d, session);
    return rc;
}

static int
subscription_put(struct driver_lmdb *d, const struct driver_subscription *s)
{
    struct number_key key;
    buf_reset(&d->row);
    buf_put_u32(&d->row, s->identifier);
    buf_put_u8(&d->row, s->qos);
    buf_put_u8(&d->row, s->no_local);
    buf_put_u8(&d->row, s->retain_as_published);
    buf_put_u8(&d->row, s->retain_handling);
    buf_append_slice(&d->row, s->filter);
    return driver_lmdb_put_row(d, LMDB_SUBSCRIPTIONS,
                               subscription_key(&key, s->session, s->filter));
}

static int
inbound_put(struct driver_lmdb *d, const struct batch_op *op)
{
    struct number_key key;
    uint8_t value[8];
    buf_store_u64(value, op->seq);
    return driver_lmdb_put(d, LMDB_INBOUND, inbound_key(&key, op->number, op->packet_id),
                           slice_of(value, sizeof(value)));
}

static int
will_put(struct driver_lmdb *d, const struct batch_op *op)
{
    struct number_key key;
    buf_reset(&d->row);
    buf_put_u64(&d->row, op->time_ms);
    buf_append_slice(&d->row, op->value);
    return driver_lmdb_put_row(d, LMDB_WILLS, number_key(&key, op->number));
}

int
driver_lmdb_sessions_apply(struct driver_lmdb *d, const struct batch_op *op)
{
    struct number_key key;
    switch (op->kind) {
    case BATCH_META_PUT:
        return driver_lmdb_put(d, LMDB_META, op->text, op->value);
    case BATCH_SESSION_PUT:
        return session_put(d, &op->session);
    case BATCH_SESSION_DELETE:
        return session_delete(d, op->number);
    case BATCH_SUBSCRIPTION_PUT:
        return subscription_put(d, &op->subscription);
    case BATCH_SUBSCRIPTION_DELETE:
        return driver_lmdb_delete(d, LMDB_SUBSCRIPTIONS,
                                  subscription_key(&key, op->number, op->text));
    case BATCH_INBOUND_PUT:
        return inbound_put(d, op);
    case BATCH_INBOUND_DELETE:
        return driver_lmdb_delete(d, LMDB_INBOUND, inbound_key(&key, op->number, op->packet_id));
    case BATCH_WILL_PUT:
        return will_put(d, op);
    case BATCH_WILL_DELETE:
        return driver_lmdb_delete(d, LMDB_WILLS, number_key(&key, op->number));
    case BATCH_OUTBOX_APPEND:
        return driver_lmdb_put(d, LMDB_OUTBOX, number_key(&key, op->seq), op->value);
    case BATCH_OUTBOX_REMOVE:
        return driver_lmdb_delete(d, LMDB_OUTBOX, number_key(&key, op->seq));
    case BATCH_TOKEN_SET_PUT:
        return driver_lmdb_put(d, LMDB_TOKENS, number_key(&key, op->number), op->value);
    case BATCH_TOKEN_SET_DELETE:
        return driver_lmdb_delete(d, LMDB_TOKENS, number_key(&key, op->number));
    default:
        return MDB_CORRUPTED; /* not one of ours: driver_lmdb.c sends nothing else here */
    }
}

/* ---- the walk at start ---- */

struct loading {
    const struct driver_visitor *visitor;
    void *arg;
};

typedef int (*row_fn)(const struct loading *loading, const MDB_val *key, const MDB_val *value);

static int
load_meta(const struct loading *l, const MDB_val *key, const MDB_val *value)
{
    char name[101];
    if (key->mv_size == 0 || key->mv_size >= sizeof(name))
        return MDB_CORRUPTED;
    memcpy(name, key->mv_data, key->mv_size);
    name[key->mv_size] = '\0';
    l->visitor->meta(l->arg, name, driver_lmdb_slice(value));
    return 0;
}

static int
load_session(const struct loading *l, const MDB_val *key, const MDB_val *value)
{
    struct cursor c = cursor_of(driver_lmdb_slice(value));
    struct driver_session s;
    if (key->mv_size != 8)
        return MDB_CORRUPTED;
    s.session = cursor_load_u64(key->mv_data);
    s.epoch = cursor_u64(&c);
    s.owner = cursor_u64(&c);
    s.conn = cursor_u64(&c);
    s.created_ms = cursor_u64(&c);
    s.disconnected_ms = cursor_u64(&c);
    s.seq_limit = cursor_u64(&c);
    s.expiry_s = cursor_u32(&c);
    s.receive_maximum = cursor_u32(&c);
    s.version = cursor_u8(&c);
    s.client_id = cursor_bytes16(&c);
    s.user = cursor_bytes16(&c);
    s.extra = cursor_rest(&c);
    if (c.err != OK)
        return MDB_CORRUPTED;
    l->visitor->session(l->arg, &s);
    return 0;
}

static int
load_subscription(const struct loading *l, const MDB_val *key, const MDB_val *value)
{
    struct cursor c = cursor_of(driver_lmdb_slice(value));
    struct driver_subscription s;
    if (key->mv_size <= 8)
        return MDB_CORRUPTED;
    s.session = cursor_load_u64(key->mv_data);
    s.identifier = cursor_u32(&c);
    s.qos = cursor_u8(&c);
    s.no_local = cursor_u8(&c) != 0;
    s.retain_as_published = cursor_u8(&c) != 0;
    s.retain_handling = cursor_u8(&c);
    s.filter = cursor_rest(&c);
    if (c.err != OK || s.filter.len == 0 || s.filter.len > BATCH_TEXT_MAX)
        return MDB_CORRUPTED;
    l->visitor->subscription(l->arg, &s);
    return 0;
}

static int
load_inbound(const struct loading *l, const MDB_val *key, const MDB_val *value)
{
    const uint8_t *bytes = key->mv_data;
    if (key->mv_size != 10 || value->mv_size != 8)
        return MDB_CORRUPTED;
    l->visitor->inbound(l->arg, cursor_load_u64(bytes), cursor_load_u16(bytes + 8),
                        cursor_load_u64(value->mv_data));
    return 0;
}

static int
load_will(const struct loading *l, const MDB_val *key, const MDB_val *value)
{
    struct slice row = driver_lmdb_slice(value);
    if (key->mv_size != 8 || row.len < 8)
        return MDB_CORRUPTED;
    l->visitor->will(l->arg, cursor_load_u64(key->mv_data), cursor_load_u64(row.data),
                     slice_sub(row, 8, row.len - 8));
    return 0;
}

static int
load_outbox(const struct loading *l, const MDB_val *key, const MDB_val *value)
{
    if (key->mv_size != 8)
        return MDB_CORRUPTED;
    l->visitor->outbox(l->arg, cursor_load_u64(key->mv_data), driver_lmdb_slice(value));
    return 0;
}

static int
load_token_set(const struct loading *l, const MDB_val *key, const MDB_val *value)
{
    if (key->mv_size != 8)
        return MDB_CORRUPTED;
    l->visitor->token_set(l->arg, cursor_load_u64(key->mv_data), driver_lmdb_slice(value));
    return 0;
}

static int
load_table(struct driver_lmdb *d, MDB_txn *txn, enum driver_lmdb_table table, row_fn fn,
           const struct loading *loading)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, d->table[table], &cursor);
    if (rc != 0)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (rc == 0) {
        rc = fn(loading, &key, &value);
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

enum err
driver_lmdb_load(struct driver *driver, const struct driver_visitor *v, void *arg)
{
    struct driver_lmdb *d = driver_lmdb_of(driver);
    const struct loading loading = {v, arg};
    MDB_txn *txn;
    MDB_cursor *cursor;
    int rc = driver_lmdb_read_begin(d, LMDB_META, &txn, &cursor);
    if (rc == 0 && v->meta != NULL)
        rc = load_table(d, txn, LMDB_META, load_meta, &loading);
    if (rc == 0 && v->session != NULL)
        rc = load_table(d, txn, LMDB_SESSIONS, load_session, &loading);
    if (rc == 0 && v->subscription != NULL)
        rc = load_table(d, txn, LMDB_SUBSCRIPTIONS, load_subscription, &loading);
    if (rc == 0 && v->queue != NULL)
        rc = driver_lmdb_queue_load(d, txn, v->queue, arg);
    if (rc == 0 && v->inbound != NULL)
        rc = load_table(d, txn, LMDB_INBOUND, load_inbound, &loading);
    if (rc == 0 && v->will != NULL)
        rc = load_table(d, txn, LMDB_WILLS, load_will, &loading);
    if (rc == 0 && v->outbox != NULL)
        rc = load_table(d, txn, LMDB_OUTBOX, load_outbox, &loading);
    if (rc == 0 && v->token_set != NULL)
        rc = load_table(d, txn, LMDB_TOKENS, load_token_set, &loading);
    driver_lmdb_read_end(txn, cursor);
    return driver_lmdb_err(rc);
}
