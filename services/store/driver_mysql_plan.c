/* SPDX-License-Identifier: Apache-2.0 */
/* The net effect of a batch; see driver_mysql_plan.h. It sorts: what sorts together concerns the
 * same row, and rows sorted by key are also what a database writes and locks best. */
#include "services/store/driver_mysql_plan.h"

#include "common/mem.h"
#include "proto/feed_records.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 64u

void
driver_mysql_plan_init(struct driver_mysql_plan *plan)
{
    memset(plan, 0, sizeof(*plan));
}

void
driver_mysql_plan_fini(struct driver_mysql_plan *plan)
{
    mem_free(plan->changes);
    mem_free(plan->ended);
    mem_free(plan->bodies);
    mem_free(plan->releases);
    memset(plan, 0, sizeof(*plan));
}

void
driver_mysql_plan_begin(struct driver_mysql_plan *plan, uint64_t next_body)
{
    plan->next_body = next_body;
    plan->message = (struct driver_mysql_body){0};
}

/* Room for one more of `count` items. */
static void *
more(void *items, size_t count, size_t *size, size_t item_size)
{
    if (count < *size)
        return items;
    *size = *size != 0 ? 2 * *size : SIZE_MIN;
    return mem_realloc_array(items, *size, item_size);
}

void
driver_mysql_plan_release(struct driver_mysql_plan *plan, uint64_t body, uint64_t refs)
{
    plan->releases =
        more(plan->releases, plan->release_count, &plan->releases_size, sizeof(*plan->releases));
    plan->releases[plan->release_count++] = (struct driver_mysql_release){body, refs};
}

static int
compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int
compare_releases(const void *a, const void *b)
{
    const struct driver_mysql_release *x = a, *y = b;
    return compare_numbers(x->body, y->body);
}

void
driver_mysql_plan_sum_releases(struct driver_mysql_plan *plan)
{
    size_t from, to = 0;
    if (plan->release_count == 0)
        return;
    qsort(plan->releases, plan->release_count, sizeof(*plan->releases), compare_releases);
    for (from = 1; from < plan->release_count; from++) {
        if (plan->releases[from].body == plan->releases[to].body)
            plan->releases[to].refs += plan->releases[from].refs;
        else
            plan->releases[++to] = plan->releases[from];
    }
    plan->release_count = to + 1;
}

/* ---- gathering ---- */

static void
take_message(struct driver_mysql_plan *plan, const struct batch_op *op)
{
    plan->message = (struct driver_mysql_body){.refs = op->count, .record = op->value};
    if (op->count < 2)
        return;
    plan->message.id = plan->next_body++;
    plan->bodies = more(plan->bodies, plan->body_count, &plan->bodies_size, sizeof(*plan->bodies));
    plan->bodies[plan->body_count++] = plan->message;
}

static void
take_end(struct driver_mysql_plan *plan, uint64_t session, size_t order)
{
    plan->ended = more(plan->ended, plan->ended_count, &plan->ended_size, sizeof(*plan->ended));
    plan->ended[plan->ended_count++] = (struct driver_mysql_ended){session, order};
}

/* Table, key and effect of a change. */
static void
describe(const struct driver_mysql_plan *plan, const struct batch_op *op,
         struct driver_mysql_change *c)
{
    c->number = op->number;
    c->what = MYSQL_PLAN_PUT;
    switch (op->kind) {
    case BATCH_META_PUT:
        c->table = MYSQL_PLAN_META;
        c->number = 0;
        c->text = op->text;
        break;
    case BATCH_SESSION_PUT:
        c->table = MYSQL_PLAN_SESSION;
        c->number = op->session.session;
        break;
    case BATCH_SUBSCRIPTION_PUT:
        c->table = MYSQL_PLAN_SUBSCRIPTION;
        c->number = op->subscription.session;
        c->text = op->subscription.filter;
        break;
    case BATCH_SUBSCRIPTION_DELETE:
        c->table = MYSQL_PLAN_SUBSCRIPTION;
        c->what = MYSQL_PLAN_DELETE;
        c->text = op->text;
        break;
    case BATCH_QUEUE_APPEND:
        c->table = MYSQL_PLAN_QUEUE;
        c->seq = op->seq;
        c->flags = op->flags;
        c->id_count = (uint8_t)op->count;
        c->ids = op->ids;
        c->body = plan->message.id;
        c->record = plan->message.record;
        break;
    case BATCH_QUEUE_REMOVE:
    case BATCH_QUEUE_MARK_REC:
        c->table = MYSQL_PLAN_QUEUE;
        c->what = op->kind == BATCH_QUEUE_REMOVE ? MYSQL_PLAN_DELETE : MYSQL_PLAN_MARK;
        c->seq = op->seq;
        break;
    case BATCH_INBOUND_PUT:
    case BATCH_INBOUND_DELETE:
        c->table = MYSQL_PLAN_INBOUND;
        c->what = op->kind == BATCH_INBOUND_PUT ? MYSQL_PLAN_PUT : MYSQL_PLAN_DELETE;
        c->seq = op->packet_id;
        break;
    case BATCH_WILL_PUT:
    case BATCH_WILL_DELETE:
        c->table = MYSQL_PLAN_WILL;
        c->what = op->kind == BATCH_WILL_PUT ? MYSQL_PLAN_PUT : MYSQL_PLAN_DELETE;
        break;
    case BATCH_OUTBOX_APPEND:
    case BATCH_OUTBOX_REMOVE:
        c->table = MYSQL_PLAN_OUTBOX;
        c->what = op->kind == BATCH_OUTBOX_APPEND ? MYSQL_PLAN_PUT : MYSQL_PLAN_DELETE;
        c->number = op->seq;
        break;
    case BATCH_TOKEN_SET_PUT:
    case BATCH_TOKEN_SET_DELETE:
        c->table = MYSQL_PLAN_TOKENS;
        c->what = op->kind == BATCH_TOKEN_SET_PUT ? MYSQL_PLAN_PUT : MYSQL_PLAN_DELETE;
        break;
    case BATCH_RETAINED_PUT:
    case BATCH_RETAINED_DELETE:
        c->table = MYSQL_PLAN_RETAINED;
        c->what = op->kind == BATCH_RETAINED_PUT ? MYSQL_PLAN_PUT : MYSQL_PLAN_DELETE;
        c->number = 0;
        c->text = op->text;
        break;
    case BATCH_USER_PUT:
        c->table = MYSQL_PLAN_USER;
        c->number = 0;
        c->text = op->user.name;
        break;
    case BATCH_USER_DELETE:
        c->table = MYSQL_PLAN_USER;
        c->what = MYSQL_PLAN_DELETE;
        c->number = 0;
        c->text = op->text;
        break;
    case BATCH_ROW_PUT:
        c->table = MYSQL_PLAN_ROW;
        c->number = op->row.kind;
        c->text = op->row.name;
        break;
    default: /* BATCH_ROW_DELETE; ends and messages do not come here */
        c->table = MYSQL_PLAN_ROW;
        c->what = MYSQL_PLAN_DELETE;
        c->number = op->flags;
        c->text = op->text;
        break;
    }
}

/* Reads changes up to the stage's end; whether there were any. */
static bool
gather(struct driver_mysql_plan *plan, const struct batch *batch, size_t *pos)
{
    size_t order = 0;
    size_t begin = *pos;
    struct batch_op op = {0};
    while (order < MYSQL_PLAN_MAX && batch_next(batch, pos, &op)) {
        if (op.kind == BATCH_MESSAGE) {
            take_message(plan, &op);
        } else if (op.kind == BATCH_SESSION_DELETE) {
            take_end(plan, op.number, order);
        } else {
            struct driver_mysql_change *c;
            plan->changes = more(plan->changes, plan->change_count, &plan->changes_size,
                                 sizeof(*plan->changes));
            c = &plan->changes[plan->change_count++];
            *c = (struct driver_mysql_change){.order = order, .pos = begin};
            describe(plan, &op, c);
        }
        order++;
        begin = *pos;
    }
    return order > 0;
}

/* ---- ended sessions ---- */

static int
compare_ended(const void *a, const void *b)
{
    const struct driver_mysql_ended *x = a, *y = b;
    int by_session = compare_numbers(x->session, y->session);
    return by_session != 0 ? by_session : compare_numbers(x->order, y->order);
}

/* Each session once, with its last end. */
static void
sort_ended(struct driver_mysql_plan *plan)
{
    size_t from, to = 0;
    if (plan->ended_count == 0)
        return;
    qsort(plan->ended, plan->ended_count, sizeof(*plan->ended), compare_ended);
    for (from = 1; from < plan->ended_count; from++) {
        if (plan->ended[from].session != plan->ended[to].session)
            to++;
        plan->ended[to] = plan->ended[from];
    }
    plan->ended_count = to + 1;
}

static bool
is_of_session(const struct driver_mysql_change *c)
{
    return c->table == MYSQL_PLAN_SESSION || c->table == MYSQL_PLAN_SUBSCRIPTION ||
           c->table == MYSQL_PLAN_QUEUE || c->table == MYSQL_PLAN_INBOUND ||
           c->table == MYSQL_PLAN_WILL;
}

/* The session ended after this change. */
static bool
is_ended(const struct driver_mysql_plan *plan, const struct driver_mysql_change *c)
{
    size_t low = 0, high = plan->ended_count;
    if (!is_of_session(c))
        return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (plan->ended[middle].session < c->number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < plan->ended_count && plan->ended[low].session == c->number &&
           c->order < plan->ended[low].order;
}

/* ---- one change per row ---- */

static int
compare_keys(const struct driver_mysql_change *x, const struct driver_mysql_change *y)
{
    int by;
    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    by = compare_numbers(x->number, y->number);
    if (by == 0)
        by = compare_numbers(x->seq, y->seq);
    return by != 0 ? by : slice_compare(x->text, y->text);
}

static int
compare_changes(const void *a, const void *b)
{
    const struct driver_mysql_change *x = a, *y = b;
    int by = compare_keys(x, y);
    return by != 0 ? by : compare_numbers(x->order, y->order);
}

/* An entry that will not be written as it was. */
static void
forget(struct driver_mysql_plan *plan, const struct driver_mysql_change *c)
{
    if (c->table == MYSQL_PLAN_QUEUE && c->what == MYSQL_PLAN_PUT && c->body != 0)
        driver_mysql_plan_release(plan, c->body, 1);
}

/* What both amount to, one after the other, into first. */
static void
join(struct driver_mysql_plan *plan, struct driver_mysql_change *first,
     const struct driver_mysql_change *then)
{
    bool replaces = first->replaces || first->what != MYSQL_PLAN_PUT;
    if (then->table == MYSQL_PLAN_QUEUE && then->what == MYSQL_PLAN_MARK) {
        if (first->what != MYSQL_PLAN_PUT)
            return; /* nothing is there, or it is marked already */
        forget(plan, first);
        first->flags |= DELIVER_REL;
        first->id_count = 0;
        first->body = 0;
        first->record = slice_of(NULL, 0);
        return;
    }
    forget(plan, first);
    *first = *then;
    first->replaces = replaces;
}

static void
reduce(struct driver_mysql_plan *plan)
{
    size_t from, to = 0;
    for (from = 0; from < plan->change_count; from++) {
        struct driver_mysql_change *c = &plan->changes[from];
        if (is_ended(plan, c))
            forget(plan, c);
        else if (to > 0 && compare_keys(&plan->changes[to - 1], c) == 0)
            join(plan, &plan->changes[to - 1], c);
        else
            plan->changes[to++] = *c;
    }
    plan->change_count = to;
}

bool
driver_mysql_plan_stage(struct driver_mysql_plan *plan, const struct batch *batch, size_t *pos)
{
    plan->change_count = 0;
    plan->ended_count = 0;
    plan->body_count = 0;
    plan->release_count = 0;
    if (!gather(plan, batch, pos))
        return false;
    sort_ended(plan);
    if (plan->change_count != 0)
        qsort(plan->changes, plan->change_count, sizeof(*plan->changes), compare_changes);
    reduce(plan);
    return true;
}
