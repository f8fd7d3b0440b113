/* SPDX-License-Identifier: Apache-2.0 */
/* See session_shared.h. */
#include "services/store/session_shared.h"

#include "common/cursor.h"
#include "proto/feed_records.h"
#include "services/store/session_life.h"
#include "services/store/session_push.h"

#define PAGE_COUNT 64u
#define PAGE_BYTES ((size_t)256 * 1024)
#define MOVES_MAX  1024u /* messages that go to others at one time; the rest waits */

uint64_t
session_shared_wants(const struct store *store, struct slice filter)
{
    if (!slice_has_prefix(filter, slice_cstr("$share/")))
        return ROUTE_QOS1;
    return records_route_shared(ROUTE_QOS1, subscriptions_awake(store->subscriptions, filter), 0);
}

/* ---- from those that sleep to others */

struct move {
    struct store *store;
    struct session *session;
    bool is_over;
    unsigned left; /* of MOVES_MAX */
    uint64_t next; /* page: where to go on */
    uint64_t page_seqs[PAGE_COUNT];
    uint64_t page_lens[PAGE_COUNT];
    unsigned page_count;
};

static bool
may_move(const struct move *move)
{
    return move->left > 0 && store_has_room(move->store) && outbox_has_room(move->store->outbox);
}

/* Gives the record to the cores if somebody else may have it. */
static bool
move_record(struct move *move, uint32_t mark, uint8_t qos, uint64_t seq, struct slice bytes)
{
    struct session *session = move->session;
    struct publish_record record;
    struct slice share;
    if ((mark & SUBSCRIPTIONS_SHARE_MARK) == 0 || !may_move(move) ||
        (qos == 2 && seq <= session->lasting->queue.pushed_seq))
        return false; /* QoS 2: it may have been sent [MQTT-4.8.2-5] */
    share = subscriptions_marked(session, mark);
    if (share.len == 0 ||
        (!move->is_over && !subscriptions_is_served(move->store->subscriptions, share)) ||
        publish_record_decode(bytes, &record) != OK)
        return false;
    session_shared_return(move->store, share, 0, &record);
    metric_counter_add(move->store->counters.moved, 1);
    move->left--;
    return true;
}

static void
move_from_memory(struct move *move)
{
    struct session_queue *queue = &move->session->lasting->queue;
    uint64_t seqs[MOVES_MAX];
    unsigned count = 0;
    uint32_t i;
    for (i = 0; i < queue->used && count < MOVES_MAX; i++) {
        const struct session_queue_entry *entry = session_queue_at(queue, i);
        if (entry->state != SESSION_QUEUE_GONE && entry->state != SESSION_QUEUE_RECORDED &&
            !entry->recorded_before && entry->body != NULL && entry->id_count != 0 &&
            move_record(move, entry->ids[0], entry->qos, entry->seq, body_slice(entry->body)))
            seqs[count++] = entry->seq;
    }
    for (i = 0; i < count; i++)
        session_push_remove(move->store, move->session, session_queue_get(queue, seqs[i]), seqs[i]);
}

static void
page_entry(void *arg, const struct driver_entry *entry)
{
    struct move *move = arg;
    move->next = entry->seq + 1;
    if (entry->seq < move->session->lasting->queue.next_seq && entry->id_count != 0 &&
        (entry->flags & DELIVER_REL) == 0 &&
        move_record(move, cursor_load_u32(entry->ids), entry->flags & DELIVER_QOS_MASK, entry->seq,
                    entry->record)) {
        move->page_seqs[move->page_count] = entry->seq;
        move->page_lens[move->page_count++] = entry->record.len;
    }
}

static void
move_from_disk(struct move *move)
{
    struct store *store = move->store;
    struct session_queue *queue = &move->session->lasting->queue;
    bool more = queue->disk_from < queue->next_seq;
    move->next = queue->disk_from;
    while (more && may_move(move)) {
        move->page_count = 0;
        if (driver_queue_page(store->driver, move->session->number, move->next, PAGE_COUNT,
                              PAGE_BYTES, page_entry, move, &more) != OK)
            return;
        for (unsigned i = 0; i < move->page_count; i++) {
            uint64_t bytes = queue->bytes;
            batch_queue_remove(commit_batch(store->commit), move->session->number,
                               move->page_seqs[i]);
            session_queue_removed(queue, NULL, move->page_lens[i]);
            store->queue_count--;
            store->queue_bytes -= bytes - queue->bytes;
        }
    }
}

void
session_shared_leave(struct store *store, struct session *session, bool is_over)
{
    struct move move = {.store = store, .session = session, .is_over = is_over, .left = MOVES_MAX};
    /* Disk does not know yet what the last move took: it would be taken again. */
    if (session->lasting == NULL || session->lasting->queue.count == 0 ||
        session->lasting->moved_stamp > store->committed)
        return;
    move_from_memory(&move);
    move_from_disk(&move);
    if (move.left == MOVES_MAX)
        return;
    session->lasting->moved_stamp = store->stamp;
    store_stamp(store);
}

static void
leave_if_asleep(void *arg, struct session *session)
{
    if (session->state == SESSION_DISCONNECTED)
        session_shared_leave(arg, session, false);
}

void
session_shared_joined(struct store *store, struct slice share)
{
    subscriptions_each_member(store->subscriptions, share, leave_if_asleep, store);
}

void
session_shared_others(struct store *store, struct slice body)
{
    struct slice share;
    bool others;
    if (records_shared_others_decode(body, &others, &share) != OK) {
        metric_counter_add(store->counters.malformed, 1);
        return;
    }
    if (subscriptions_set_others(store->subscriptions, share, others) && others)
        session_shared_joined(store, share);
}

static void
awake_changed(void *arg, struct slice share)
{
    struct store *store = arg;
    core_client_route_tell(store->cores, share, session_shared_wants(store, share));
}

/* As awake_changed; what waits for those that sleep may go to the one that woke. */
static void
one_woke(void *arg, struct slice share)
{
    struct store *store = arg;
    awake_changed(store, share);
    session_shared_joined(store, share);
}

void
session_shared_wake(struct store *store, struct session *session)
{
    subscriptions_wake(store->subscriptions, session,
                       session->state == SESSION_CONNECTED ? one_woke : awake_changed, store);
}

static bool
has_room(void *arg, const struct session *session)
{
    const struct store *store = arg;
    return session_queue_has_room(&session->lasting->queue, 0, store->config->queue_messages,
                                  store->config->queue_bytes);
}

void
session_shared_push(struct store *store, const struct records_shared *shared,
                    const struct publish_record *record)
{
    struct subscription_hit *hit =
        subscriptions_pick(store->subscriptions, shared->share, shared->pick, has_room, store);
    if (hit != NULL)
        session_push_message(store, record, shared->record, hit, 1);
    else if (shared->hops < SHARED_HOPS_MAX)
        session_shared_return(store, shared->share, shared->hops, record);
}

void
session_shared_return(struct store *store, struct slice share, uint8_t hops,
                      const struct publish_record *record)
{
    struct records_shared shared = {
        .number = RECORDS_SHARED_NO_NUMBER, .hops = hops, .share = share};
    session_life_return(store, &shared, record);
}
