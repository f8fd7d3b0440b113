/* SPDX-License-Identifier: Apache-2.0 */
/* See pending.h. */
#include "services/gateway/pending.h"

#include <assert.h>

#include "common/mem.h"

struct queue {
    struct pending_call *head;
    struct pending_call **tail;
};

struct pending {
    struct wheel wheel;
    struct queue *queues; /* one per store */
    struct pending_call *flying;
    unsigned stores;
    uint64_t next_number;
    size_t count;
    size_t cap;
    pending_expired_fn fn;
    void *arg;
};

#define TICK_MS 50u
#define SLOTS   512u

struct pending *
pending_new(size_t cap, unsigned stores, uint64_t now_ms, pending_expired_fn fn, void *arg)
{
    struct pending *pending = mem_zalloc(sizeof(*pending));
    wheel_init(&pending->wheel, TICK_MS, SLOTS, now_ms);
    pending->queues = mem_zalloc_array(stores, sizeof(*pending->queues));
    for (unsigned i = 0; i < stores; i++)
        pending->queues[i].tail = &pending->queues[i].head;
    pending->stores = stores;
    pending->cap = cap;
    pending->fn = fn;
    pending->arg = arg;
    return pending;
}

void
pending_free(struct pending *pending)
{
    if (pending == NULL)
        return;
    for (unsigned i = 0; i < pending->stores; i++)
        while (pending->queues[i].head != NULL)
            pending_remove(pending->queues[i].head);
    while (pending->flying != NULL)
        pending_remove(pending->flying);
    wheel_fini(&pending->wheel);
    mem_free(pending->queues);
    mem_free(pending);
}

static void
unlink_call(struct pending_call *call)
{
    struct queue *queue = &call->owner->queues[call->store];
    if (call->next != NULL)
        call->next->link = call->link;
    else if (call->state == PENDING_WAITING)
        queue->tail = call->link;
    *call->link = call->next;
}

static void
link_before(struct pending_call *call, struct pending_call **place)
{
    call->next = *place;
    call->link = place;
    if (*place != NULL)
        (*place)->link = &call->next;
    *place = call;
}

/* As the last that waits for the store. */
static void
queue_up(struct pending_call *call, unsigned store)
{
    struct queue *queue = &call->owner->queues[store];
    call->store = (uint8_t)store;
    call->next = NULL;
    call->link = queue->tail;
    *queue->tail = call;
    queue->tail = &call->next;
}

struct pending_call *
pending_add(struct pending *pending, unsigned store, uint16_t method, uint64_t conn,
            uint64_t ticket, uint8_t *body, size_t body_len, uint64_t deadline_ms)
{
    assert(store < pending->stores);
    if (pending->count >= pending->cap) {
        mem_free_secret(body, body_len);
        return NULL;
    }
    struct pending_call *call = mem_zalloc(sizeof(*call));
    call->owner = pending;
    call->number = pending->next_number++;
    call->method = method;
    call->conn = conn;
    call->ticket = ticket;
    call->body = body;
    call->body_len = body_len;
    call->deadline_ms = deadline_ms;
    queue_up(call, store);
    wheel_arm(&pending->wheel, &call->timer, deadline_ms);
    pending->count++;
    return call;
}

struct pending_call *
pending_first(struct pending *pending, unsigned store)
{
    assert(store < pending->stores);
    return pending->queues[store].head;
}

void
pending_move(struct pending_call *call, unsigned store)
{
    assert(call->state == PENDING_WAITING && store < call->owner->stores);
    unlink_call(call);
    queue_up(call, store);
}

void
pending_fly(struct pending_call *call)
{
    assert(call->state == PENDING_WAITING);
    unlink_call(call);
    call->state = PENDING_FLYING;
    link_before(call, &call->owner->flying);
}

void
pending_land(struct pending_call *call)
{
    assert(call->state == PENDING_FLYING && !call->answered);
    struct queue *queue = &call->owner->queues[call->store];
    unlink_call(call);
    call->state = PENDING_WAITING;
    /* What flew is older than what waits, so this passes only what has landed before. */
    struct pending_call **place = &queue->head;
    while (*place != NULL && (*place)->number < call->number)
        place = &(*place)->next;
    if (*place == NULL)
        queue->tail = &call->next;
    link_before(call, place);
}

void
pending_remove(struct pending_call *call)
{
    struct pending *pending = call->owner;
    wheel_cancel(&pending->wheel, &call->timer);
    unlink_call(call);
    pending->count--;
    mem_free_secret(call->body, call->body_len); /* a CONNECT holds a password */
    mem_free(call);
}

static void
overdue(void *arg, struct wheel_node *node)
{
    struct pending *pending = arg;
    struct pending_call *call = WHEEL_OWNER(node, struct pending_call, timer);
    bool flies = call->state == PENDING_FLYING;
    call->answered = true;
    pending->fn(pending->arg, call);
    if (!flies)
        pending_remove(call);
}

void
pending_expire(struct pending *pending, uint64_t now_ms)
{
    (void)wheel_advance(&pending->wheel, now_ms, overdue, pending);
}

void *
pending_arg(const struct pending *pending)
{
    return pending->arg;
}

size_t
pending_count(const struct pending *pending)
{
    return pending->count;
}
