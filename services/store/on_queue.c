/* SPDX-License-Identifier: Apache-2.0 */
/* What clients acknowledged of their queues. */
#include "proto/feed_records.h"
#include "proto/records.h"
#include "services/store/desks.h"
#include "services/store/session_push.h"
#include "services/store/session_read.h"

/* The session that the record is about. A former epoch is fine: what a client acknowledged stays
 * acknowledged, whoever owns the session now, and sequence numbers are never used again. */
static struct session *
session_of(struct store *store, const struct records_queue *record)
{
    struct session *session = sessions_by_number(store->sessions, record->session);
    if (session == NULL || session->epoch < record->epoch || session->lasting == NULL) {
        metric_counter_add(store->counters.stale, 1);
        return NULL;
    }
    return session;
}

bool
on_queue_waits(struct store *store, struct slice body)
{
    struct records_queue record;
    struct session *session;
    if (records_queue_decode(body, &record) != OK)
        return false;
    session = sessions_by_number(store->sessions, record.session);
    return session != NULL && session_read_resumes(session);
}

void
on_queue_ack(struct store *store, struct store_link *link, struct slice body)
{
    (void)link;
    struct records_queue record;
    struct session *session;
    struct session_queue_entry *entry;
    if (records_queue_decode(body, &record) != OK) {
        metric_counter_add(store->counters.malformed, 1);
        return;
    }
    session = session_of(store, &record);
    if (session == NULL)
        return;
    entry = session_queue_get(&session->lasting->queue, record.seq);
    if (entry == NULL)
        return; /* acknowledged before, or nothing of ours */
    session_push_remove(store, session, entry, record.seq);
    metric_counter_add(store->counters.acked, 1);
    session_push_pump(store, session);
}

static void
recorded(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct session *session = sessions_by_number(store->sessions, a);
    uint8_t body[RECORDS_QUEUE_RECORDED_BYTES];
    size_t len;
    if (session == NULL || session->epoch != b || session->owner == NULL)
        return;
    len = records_queue_recorded_encode(session->conn, c, body);
    store_link_send(store, session->owner, FEED_QUEUE_RECORDED, slice_of(body, len));
}

void
on_queue_rec(struct store *store, struct store_link *link, struct slice body)
{
    (void)link;
    struct records_queue record;
    struct session *session;
    struct session_queue_entry *entry;
    if (records_queue_decode(body, &record) != OK) {
        metric_counter_add(store->counters.malformed, 1);
        return;
    }
    session = session_of(store, &record);
    if (session == NULL)
        return;
    entry = session_queue_get(&session->lasting->queue, record.seq);
    if (entry != NULL && entry->state != SESSION_QUEUE_RECORDED && !entry->recorded_before) {
        struct session_queue *queue = &session->lasting->queue;
        uint64_t bytes = queue->bytes;
        session_queue_set_recorded(queue, entry);
        session->lasting->touched = true;
        store->queue_bytes -= bytes - queue->bytes;
        batch_queue_mark_rec(commit_batch(store->commit), session->number, record.seq);
    }
    /* answered even if it is not known any more: the client then gets its PUBREL */
    commit_mark(store->commit, recorded, store, session->number, record.epoch, record.seq);
}
