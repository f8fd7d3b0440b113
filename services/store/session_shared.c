/* SPDX-License-Identifier: Apache-2.0 */
/* See session_shared.h. */
#include "services/store/session_shared.h"

#include "proto/feed_records.h"
#include "services/store/queue_page.h"
#include "services/store/session_life.h"
#include "services/store/session_push.h"
#include "services/store/session_read.h"
#include "services/store/session_rest.h"
#include "services/store/store_trace.h"
#include "services/store/subscriptions_share.h"

#define PAGE_COUNT 64u
#define PAGE_BYTES ((size_t)256 * 1024)
#define MOVES_MAX  1024u /* messages that go to others at one time; the rest waits */

uint64_t
session_shared_wants(const struct store *store, struct slice filter)
{
    if (!slice_has_prefix(filter, slice_cstr("$share/")))
        return ROUTE_QOS1;
    return records_route_shared(ROUTE_QOS1, subscriptions_share_awake(store->subscriptions, filter),
                                0);
}

/* ---- from those that sleep to others */

struct move {
    struct store *store;
    struct session *session;
    bool is_over;
    unsigned left; /* of MOVES_MAX */
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
    share = subscriptions_share_marked(session, mark);
    if (share.len == 0 ||
        (!move->is_over && !subscriptions_share_is_served(move->store->subscriptions, share)) ||
        publish_record_decode(bytes, &record) != OK)
        return false;
    session_shared_return(move->store, share, 0, &record);
    metric_counter_add(move->store->counters.moved, 1);
    STORE_TRACE(move->store, session_client(session), "moved", record.topic,
                "to another member of the group");
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

static void move_from_disk(const struct move *move, uint64_t from);

/* Takes a message off that is on disk only. */
static void
remove_from_disk(struct store *store, struct session *session, const struct queue_page_entry *entry)
{
    struct session_queue *queue = &session->lasting->queue;
    uint64_t bytes = queue->bytes;
    batch_queue_remove(commit_batch(store->commit), session->number, entry->seq);
    session_queue_removed(queue, NULL, entry->len);
    store->queue_count--;
    store->queue_bytes -= bytes - queue->bytes;
}

static void
moved(struct store *store, struct session *session)
{
    session->lasting->moved_stamp = store->stamp;
    store_stamp(store);
}

static void
page_came(struct store *store, struct session *session, struct queue_page *page)
{
    struct move move = {.store = store, .session = session};
    struct session_queue *queue;
    uint64_t next = page->from;
    unsigned before;
    size_t i;
    if (session == NULL)
        return;
    session->lasting->moving = false;
    if (page->job.err != OK || session->state != SESSION_DISCONNECTED ||
        session->epoch != page->epoch || session->lasting->ending)
        return;
    queue = &session->lasting->queue;
    move.left = session->lasting->moves_left;
    before = move.left;
    for (i = 0; i < page->count; i++) {
        const struct queue_page_entry *entry = &page->entries[i];
        next = entry->seq + 1;
        if (entry->seq < queue->disk_from || entry->seq >= queue->next_seq || entry->body == NULL ||
            entry->id_count == 0 ||
            !move_record(&move, entry->ids[0], entry->flags & DELIVER_QOS_MASK, entry->seq,
                         body_slice(entry->body)))
            continue;
        remove_from_disk(store, session, entry);
    }
    if (move.left != before)
        moved(store, session);
    if (page->more && page->count != 0 && may_move(&move))
        move_from_disk(&move, next);
    else
        session_read_trim(store, session); /* which waited for us */
}

static void
move_from_disk(const struct move *move, uint64_t from)
{
    struct lasting *lasting = move->session->lasting;
    if (from >= lasting->queue.next_seq || !may_move(move))
        return;
    lasting->moving = true;
    lasting->moves_left = move->left;
    queue_page_read(move->store, move->session, from, PAGE_COUNT, PAGE_BYTES, page_came, NULL);
}

/* What was read before the session ends; all below it goes with it. */
static void
move_rest(struct move *move)
{
    const struct session_rest *rest = move->session->lasting->rest;
    size_t i;
    for (i = 0; rest != NULL && i < rest->count; i++)
        (void)move_record(move, rest->entries[i].mark, rest->entries[i].qos, rest->entries[i].seq,
                          body_slice(rest->entries[i].body));
}

void
session_shared_leave(struct store *store, struct session *session, bool is_over)
{
    struct move move = {.store = store, .session = session, .is_over = is_over, .left = MOVES_MAX};
    if (session->lasting == NULL || session->lasting->queue.count == 0)
        return;
    if (is_over) {
        move_from_memory(&move);
        move_rest(&move);
        return;
    }
    /* Disk does not know yet what the last move took: it would be taken again. */
    if (session->lasting->moving || session->lasting->ending ||
        session->lasting->moved_stamp > store->committed)
        return;
    move_from_memory(&move);
    if (move.left != MOVES_MAX)
        moved(store, session);
    move_from_disk(&move, session->lasting->queue.disk_from);
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
    subscriptions_share_each(store->subscriptions, share, leave_if_asleep, store);
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
    if (subscriptions_share_set_others(store->subscriptions, share, others) && others)
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
    subscriptions_share_wake(store->subscriptions, session,
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
    struct subscription_hit *hit = subscriptions_share_pick(store->subscriptions, shared->share,
                                                            shared->pick, has_room, store);
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
