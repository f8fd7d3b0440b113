/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stage of a batch as SQL, in the transaction that is open. Every table gets its rows in one go
 * (driver_mysql_rows.h), whatever their number.
 *
 * Bodies are counted without being read: entries that go are looked up by ranges of their keys, and
 * only those that refer to a body are answered; each body's count goes down once, by as many as
 * there were, and bodies at 0 go.
 *
 * Appending an entry that is there already is rare (a batch repeated by hand), so queues are
 * written as if it never was; when the server objects, the batch is rolled back and done again
 * `careful`: then what is in the way goes first.
 */
#include "services/store/driver_mysql_inner.h"

#include "common/mem.h"
#include "proto/feed_records.h"

#include <assert.h>
#include <string.h>

/* ---- keys that must be made, kept until the stage is written */

#define BLOCK_BYTES 65536u

struct block {
    struct block *next;
    size_t used;
    uint8_t bytes[BLOCK_BYTES];
};

struct driver_mysql_arena {
    struct block *blocks; /* the one in use first */
};

static void
arena_reset(struct driver_mysql_arena *arena, bool keep_one)
{
    struct block *block = arena->blocks;
    while (block != NULL && (block->next != NULL || !keep_one)) {
        struct block *next = block->next;
        mem_free(block);
        block = next;
    }
    if (block != NULL)
        block->used = 0;
    arena->blocks = block;
}

static struct slice
arena_key(struct driver_mysql_arena *arena, const struct topic_seek_key *key)
{
    struct block *block = arena->blocks;
    uint8_t *to;
    if (block == NULL || key->len > BLOCK_BYTES - block->used) {
        block = mem_alloc(sizeof(*block));
        block->next = arena->blocks;
        block->used = 0;
        arena->blocks = block;
    }
    to = block->bytes + block->used;
    memcpy(to, key->bytes, key->len);
    block->used += key->len;
    return slice_of(to, key->len);
}

static struct slice
text_key(struct driver_mysql *d, struct slice text)
{
    struct topic_seek_key key;
    if (text.len <= TOPIC_SEEK_SHORT)
        return text; /* such a text is its own key */
    topic_seek_text_key_of(text, &key);
    return arena_key(d->arena, &key);
}

static struct slice
topic_key(struct driver_mysql *d, struct slice topic)
{
    struct topic_seek_key key;
    topic_seek_key_of(topic, &key);
    return arena_key(d->arena, &key);
}

void
driver_mysql_write_init(struct driver_mysql *d)
{
    size_t i;
    d->arena = mem_zalloc(sizeof(*d->arena));
    for (i = 0; i < MYSQL_STATEMENTS; i++)
        driver_mysql_rows_init(&d->rows[i], (enum driver_mysql_sql)i);
}

void
driver_mysql_write_fini(struct driver_mysql *d)
{
    size_t i;
    for (i = 0; i < MYSQL_STATEMENTS; i++)
        driver_mysql_rows_fini(&d->rows[i]);
    arena_reset(d->arena, false);
    mem_free(d->arena);
}

#define ADD(d, id, ...)                                                                            \
    driver_mysql_rows_add(&(d)->rows[id], (const struct driver_mysql_value[]){__VA_ARGS__})

static enum err
run(struct driver_mysql *d, enum driver_mysql_sql id)
{
    return d->rows[id].count == 0 ? OK : driver_mysql_rows_run(&d->rows[id], &d->writer);
}

/* ---- lookups over many keys: a statement for 1, 8 or 64 of them */

typedef enum err (*found_fn)(struct driver_mysql *d, const struct driver_mysql_value *row);

struct lookup {
    struct driver_mysql *d;
    enum driver_mysql_sql id; /* of the smallest size */
    found_fn found;
    size_t head;  /* values before the keys */
    size_t width; /* values of one key */
    size_t count; /* of keys so far */
    struct driver_mysql_value values[1 + 3 * 64];
};

static enum err
lookup_run(struct lookup *l)
{
    const struct driver_mysql_value *row;
    struct driver_mysql_conn *conn = &l->d->writer;
    enum driver_mysql_sql id = l->id;
    size_t size = 0;
    size_t n;
    enum err err;
    if (l->count == 0)
        return OK;
    while (driver_mysql_sql_sizes[size] < l->count)
        size++;
    id = (enum driver_mysql_sql)((size_t)id + size);
    for (n = l->count; n < driver_mysql_sql_sizes[size]; n++)
        memcpy(&l->values[l->head + n * l->width], &l->values[l->head + (n - 1) * l->width],
               l->width * sizeof(l->values[0]));
    l->count = 0;
    err = driver_mysql_conn_ask(conn, id, l->values);
    while (err == OK) {
        err = driver_mysql_conn_next(conn, id, &row);
        if (err == OK)
            err = l->found(l->d, row);
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
lookup_add(struct lookup *l, const struct driver_mysql_value *key)
{
    memcpy(&l->values[l->head + l->count * l->width], key, l->width * sizeof(*key));
    l->count++;
    return l->count == driver_mysql_sql_sizes[MYSQL_SIZES - 1] ? lookup_run(l) : OK;
}

/* ---- queues ---- */

static enum err
found_body(struct driver_mysql *d, const struct driver_mysql_value *row)
{
    driver_mysql_plan_release(&d->plan, row[0].number, row[1].number);
    return OK;
}

/* Entries of a session from..to lose their bodies, and (deletes) themselves go. */
static enum err
take_range(struct lookup *bodies, uint64_t session, uint64_t from, uint64_t to, bool deletes)
{
    struct driver_mysql *d = bodies->d;
    const struct driver_mysql_value key[] = {MYSQL_NUMBER(session), MYSQL_NUMBER(from),
                                             MYSQL_NUMBER(to)};
    if (deletes)
        ADD(d, MYSQL_QUEUE_DELETE, driver_mysql_shard(d), key[0], key[1], key[2]);
    return lookup_add(bodies, key);
}

static bool
goes(const struct driver_mysql_change *c, bool careful)
{
    return c->table == MYSQL_PLAN_QUEUE &&
           (c->what == MYSQL_PLAN_DELETE ||
            (c->what == MYSQL_PLAN_PUT && (c->replaces || careful)));
}

/* Neighbours go as one range: sessions mostly acknowledge in order. */
static enum err
take_goers(struct driver_mysql *d, struct lookup *bodies, bool careful)
{
    enum err err = OK;
    size_t i = 0;
    while (err == OK && i < d->plan.change_count) {
        const struct driver_mysql_change *first = &d->plan.changes[i++];
        uint64_t to = first->seq;
        if (first->table == MYSQL_PLAN_QUEUE && first->what == MYSQL_PLAN_MARK)
            err = take_range(bodies, first->number, to, to, false);
        if (!goes(first, careful))
            continue;
        while (i < d->plan.change_count && goes(&d->plan.changes[i], careful) &&
               d->plan.changes[i].number == first->number && d->plan.changes[i].seq == to + 1) {
            i++;
            to++;
        }
        err = take_range(bodies, first->number, first->seq, to, true);
    }
    return err;
}

static void
add_queue(struct driver_mysql *d, const struct driver_mysql_change *c)
{
    struct driver_mysql_value shard = driver_mysql_shard(d);
    if (c->what == MYSQL_PLAN_MARK)
        ADD(d, MYSQL_QUEUE_MARK, MYSQL_NUMBER(DELIVER_REL), shard, MYSQL_NUMBER(c->number),
            MYSQL_NUMBER(c->seq));
    if (c->what == MYSQL_PLAN_PUT)
        ADD(d, MYSQL_QUEUE_PUT, shard, MYSQL_NUMBER(c->number), MYSQL_NUMBER(c->seq),
            MYSQL_NUMBER(c->flags), MYSQL_BYTES(slice_of(c->ids, (size_t)4 * c->id_count)),
            MYSQL_NUMBER(c->record.len), MYSQL_NUMBER(c->body),
            MYSQL_BYTES(c->body == 0 ? c->record : slice_of(NULL, 0)));
}

static enum err
write_queues(struct driver_mysql *d, bool careful)
{
    struct lookup bodies = {
        .d = d, .id = MYSQL_QUEUE_BODIES, .found = found_body, .head = 1, .width = 3};
    struct driver_mysql_value shard = driver_mysql_shard(d);
    struct driver_mysql_plan *plan = &d->plan;
    enum err err = OK;
    size_t i;
    bodies.values[0] = shard;
    for (i = 0; i < plan->body_count; i++)
        ADD(d, MYSQL_BODY_PUT, shard, MYSQL_NUMBER(plan->bodies[i].id),
            MYSQL_NUMBER(plan->bodies[i].refs), MYSQL_BYTES(plan->bodies[i].record));
    for (i = 0; err == OK && i < plan->ended_count; i++)
        err = take_range(&bodies, plan->ended[i].session, 0, UINT64_MAX, true);
    if (err == OK)
        err = take_goers(d, &bodies, careful);
    if (err == OK)
        err = lookup_run(&bodies);
    for (i = 0; i < plan->change_count; i++) {
        if (plan->changes[i].table == MYSQL_PLAN_QUEUE)
            add_queue(d, &plan->changes[i]);
    }
    driver_mysql_plan_sum_releases(plan);
    for (i = 0; i < plan->release_count; i++) {
        struct driver_mysql_value body = MYSQL_NUMBER(plan->releases[i].body);
        struct driver_mysql_value refs = MYSQL_NUMBER(plan->releases[i].refs);
        ADD(d, MYSQL_BODY_RELEASE, refs, refs, shard, body);
        ADD(d, MYSQL_BODY_DELETE, shard, body);
    }
    return err;
}

/* ---- all other tables ---- */

static enum err
found_retained(struct driver_mysql *d, const struct driver_mysql_value *row)
{
    d->retained_count -= (int64_t)row[0].number;
    d->retained_bytes -= (int64_t)row[1].number;
    return OK;
}

static enum err
found_users(struct driver_mysql *d, const struct driver_mysql_value *row)
{
    d->user_count -= (int64_t)row[0].number;
    return OK;
}

static void
add_session(struct driver_mysql *d, const struct driver_session *s)
{
    ADD(d, MYSQL_SESSION_PUT, driver_mysql_shard(d), MYSQL_NUMBER(s->session),
        MYSQL_BYTES(s->client_id), MYSQL_BYTES(s->user), MYSQL_NUMBER(s->epoch),
        MYSQL_NUMBER(s->owner), MYSQL_NUMBER(s->conn), MYSQL_NUMBER(s->created_ms),
        MYSQL_NUMBER(s->disconnected_ms), MYSQL_NUMBER(s->seq_limit), MYSQL_NUMBER(s->expiry_s),
        MYSQL_NUMBER(s->receive_maximum), MYSQL_NUMBER(s->version), MYSQL_BYTES(s->extra));
}

static void
add_retained(struct driver_mysql *d, struct slice key, const struct batch_op *op)
{
    ADD(d, MYSQL_RETAINED_PUT, MYSQL_BYTES(key), MYSQL_BYTES(op->text), MYSQL_NUMBER(op->time_ms),
        MYSQL_NUMBER(op->value.len), MYSQL_BYTES(op->value));
    d->retained_count++;
    d->retained_bytes += (int64_t)op->value.len;
}

static void
add_user(struct driver_mysql *d, struct slice key, const struct driver_user *u)
{
    ADD(d, MYSQL_USER_PUT, MYSQL_BYTES(key), MYSQL_BYTES(u->name), MYSQL_BYTES(u->password),
        MYSQL_BYTES(u->roles), MYSQL_BYTES(u->rules), MYSQL_NUMBER(u->changed_ms));
    d->user_count++;
}

/* Rows of people: ERR_MALFORMED is for a kind that this program does not know. */
static enum err
add_row(struct driver_mysql *d, const struct driver_mysql_change *c, const struct batch_op *op)
{
    struct slice key = text_key(d, c->text);
    size_t table = (size_t)c->number - DRIVER_ROW_ROLE;
    if (c->number < DRIVER_ROW_ROLE || c->number > DRIVER_ROW_AUDIT)
        return ERR_MALFORMED;
    if (c->what == MYSQL_PLAN_DELETE)
        ADD(d, MYSQL_ROW_DELETE + table, MYSQL_BYTES(key));
    else
        ADD(d, MYSQL_ROW_PUT + table, MYSQL_BYTES(key), MYSQL_BYTES(op->row.name),
            MYSQL_BYTES(op->row.value), MYSQL_NUMBER(op->row.time_ms));
    return OK;
}

/* Tables that are the shard's, except queues. */
static void
add_of_shard(struct driver_mysql *d, const struct driver_mysql_change *c, const struct batch_op *op)
{
    struct driver_mysql_value shard = driver_mysql_shard(d);
    struct driver_mysql_value number = MYSQL_NUMBER(c->number);
    bool puts = c->what == MYSQL_PLAN_PUT;
    switch (c->table) {
    case MYSQL_PLAN_META:
        ADD(d, MYSQL_META_PUT, shard, MYSQL_BYTES(op->text), MYSQL_BYTES(op->value));
        break;
    case MYSQL_PLAN_SESSION:
        add_session(d, &op->session);
        break;
    case MYSQL_PLAN_SUBSCRIPTION:
        if (puts)
            ADD(d, MYSQL_SUBSCRIPTION_PUT, shard, number, MYSQL_BYTES(text_key(d, c->text)),
                MYSQL_BYTES(c->text), MYSQL_NUMBER(op->subscription.qos),
                MYSQL_NUMBER(op->subscription.no_local),
                MYSQL_NUMBER(op->subscription.retain_as_published),
                MYSQL_NUMBER(op->subscription.retain_handling),
                MYSQL_NUMBER(op->subscription.identifier));
        else
            ADD(d, MYSQL_SUBSCRIPTION_DELETE, shard, number, MYSQL_BYTES(text_key(d, c->text)));
        break;
    case MYSQL_PLAN_INBOUND:
        if (puts)
            ADD(d, MYSQL_INBOUND_PUT, shard, number, MYSQL_NUMBER(c->seq), MYSQL_NUMBER(op->seq));
        else
            ADD(d, MYSQL_INBOUND_DELETE, shard, number, MYSQL_NUMBER(c->seq));
        break;
    case MYSQL_PLAN_WILL:
        if (puts)
            ADD(d, MYSQL_WILL_PUT, shard, number, MYSQL_NUMBER(op->time_ms),
                MYSQL_BYTES(op->value));
        else
            ADD(d, MYSQL_WILL_DELETE, shard, number);
        break;
    case MYSQL_PLAN_OUTBOX:
        if (puts)
            ADD(d, MYSQL_OUTBOX_PUT, shard, number, MYSQL_BYTES(op->value));
        else
            ADD(d, MYSQL_OUTBOX_DELETE, shard, number);
        break;
    case MYSQL_PLAN_TOKENS:
        if (puts)
            ADD(d, MYSQL_TOKENS_PUT, shard, number, MYSQL_BYTES(op->value));
        else
            ADD(d, MYSQL_TOKENS_DELETE, shard, number);
        break;
    default:
        break; /* not of the shard */
    }
}

struct lookups {
    struct lookup retained;
    struct lookup users;
};

static enum err
add_change(struct driver_mysql *d, const struct driver_mysql_change *c, const struct batch_op *op,
           struct lookups *lookups)
{
    struct driver_mysql_value key;
    switch (c->table) {
    case MYSQL_PLAN_RETAINED:
        key = MYSQL_BYTES(topic_key(d, c->text));
        if (c->what == MYSQL_PLAN_PUT)
            add_retained(d, key.bytes, op);
        else
            ADD(d, MYSQL_RETAINED_DELETE, key);
        return lookup_add(&lookups->retained, &key);
    case MYSQL_PLAN_USER:
        key = MYSQL_BYTES(text_key(d, c->text));
        if (c->what == MYSQL_PLAN_PUT)
            add_user(d, key.bytes, &op->user);
        else
            ADD(d, MYSQL_USER_DELETE, key);
        return lookup_add(&lookups->users, &key);
    case MYSQL_PLAN_ROW:
        return add_row(d, c, op);
    default:
        add_of_shard(d, c, op);
        return OK;
    }
}

static enum err
write_others(struct driver_mysql *d, const struct batch *batch)
{
    struct lookups lookups = {
        .retained = {.d = d, .id = MYSQL_RETAINED_SIZES, .found = found_retained, .width = 1},
        .users = {.d = d, .id = MYSQL_USER_COUNT, .found = found_users, .width = 1},
    };
    enum err err = OK;
    size_t i;
    for (i = 0; i < d->plan.ended_count; i++) {
        struct driver_mysql_value shard = driver_mysql_shard(d);
        struct driver_mysql_value session = MYSQL_NUMBER(d->plan.ended[i].session);
        ADD(d, MYSQL_SUBSCRIPTIONS_END, shard, session);
        ADD(d, MYSQL_INBOUND_END, shard, session);
        ADD(d, MYSQL_WILL_DELETE, shard, session);
        ADD(d, MYSQL_SESSION_DELETE, shard, session);
    }
    for (i = 0; err == OK && i < d->plan.change_count; i++) {
        const struct driver_mysql_change *c = &d->plan.changes[i];
        size_t pos = c->pos;
        struct batch_op op;
        if (c->table == MYSQL_PLAN_QUEUE)
            continue;
        if (!batch_next(batch, &pos, &op))
            return ERR_INTERNAL; /* the plan was made of another batch */
        err = add_change(d, c, &op, &lookups);
    }
    if (err == OK)
        err = lookup_run(&lookups.retained);
    return err == OK ? lookup_run(&lookups.users) : err;
}

/* What was gathered, in an order in which puts follow the deletes of their table. */
static enum err
run_all(struct driver_mysql *d)
{
    static const enum driver_mysql_sql order[] = {
        MYSQL_BODY_PUT,          MYSQL_QUEUE_DELETE,        MYSQL_QUEUE_MARK,
        MYSQL_QUEUE_PUT,         MYSQL_BODY_RELEASE,        MYSQL_BODY_DELETE,
        MYSQL_SUBSCRIPTIONS_END, MYSQL_INBOUND_END,         MYSQL_WILL_DELETE,
        MYSQL_SESSION_DELETE,    MYSQL_SUBSCRIPTION_DELETE, MYSQL_INBOUND_DELETE,
        MYSQL_OUTBOX_DELETE,     MYSQL_TOKENS_DELETE,       MYSQL_META_PUT,
        MYSQL_SESSION_PUT,       MYSQL_SUBSCRIPTION_PUT,    MYSQL_INBOUND_PUT,
        MYSQL_WILL_PUT,          MYSQL_OUTBOX_PUT,          MYSQL_TOKENS_PUT,
        MYSQL_RETAINED_DELETE,   MYSQL_RETAINED_PUT,        MYSQL_USER_DELETE,
        MYSQL_USER_PUT,
    };
    enum err err = OK;
    size_t i;
    for (i = 0; err == OK && i < sizeof(order) / sizeof(order[0]); i++)
        err = run(d, order[i]);
    for (i = MYSQL_ROW_PUT; err == OK && i <= MYSQL_ROW_DELETE_LAST; i++)
        err = run(d, (enum driver_mysql_sql)i);
    return err;
}

enum err
driver_mysql_write_stage(struct driver_mysql *d, const struct batch *batch, bool careful)
{
    enum err err;
    size_t i;
    for (i = 0; i < MYSQL_STATEMENTS; i++)
        d->rows[i].count = 0; /* of a stage that failed */
    arena_reset(d->arena, true);
    err = write_queues(d, careful);
    if (err == OK)
        err = write_others(d, batch);
    return err == OK ? run_all(d) : err;
}
