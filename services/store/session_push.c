/* SPDX-License-Identifier: Apache-2.0 */
/* Queues in and out; see session_push.h. A message for many sessions is pushed as one record per
 * gateway when its commit is done (push_job); what could not go then (window, feed, something older
 * first) is pushed by the pump of its session. */
#include "services/store/session_push.h"

#include "common/clock.h"
#include "common/cursor.h"
#include "common/mem.h"
#include "proto/feed_records.h"
#include "proto/records.h"
#include "services/store/session_life.h"
#include "services/store/session_read.h"
#include "services/store/store_link.h"
#include "services/store/store_trace.h"
#include "services/store/subscriptions_share.h"

#include <string.h>

#define TARGETS_BYTES ((size_t)48 * 1024) /* of one DELIVER record */
#define DROPS_MAX     16u                 /* old messages that make room for one new one */
#define OVER_COUNT    4096u /* what a small queue may exceed its limit by for a moment */

struct target {
    struct session *session;
    uint64_t seq;
};

struct push_job {
    struct body *body;
    uint32_t count;
    struct target targets[];
};

static uint32_t
window_of(const struct store *store, const struct session *session)
{
    uint32_t window = (uint32_t)store->config->max_inflight;
    return session->receive_maximum != 0 && session->receive_maximum < window
               ? session->receive_maximum
               : window;
}

void
session_push_dropped(struct store *store, const struct session *session, enum store_drop why,
                     uint64_t times, struct slice record)
{
    metric_counter_add(store->counters.dropped[why], times);
    drops_note(store->drops, why, times, session->number, session_client(session),
               clock_monotonic_ms());
    if (store->trace.watched != NULL)
        store_trace_dropped(store, session, why, times, record);
}

static void
drop(struct store *store, const struct session *session, enum store_drop why, struct slice record)
{
    session_push_dropped(store, session, why, 1, record);
}

static struct slice
record_of(const struct session_queue_entry *entry)
{
    return entry->body != NULL ? body_slice(entry->body) : slice_of(NULL, 0);
}

void
session_push_remove(struct store *store, struct session *session, struct session_queue_entry *entry,
                    uint64_t seq)
{
    struct session_queue *queue = &session->lasting->queue;
    uint64_t bytes = queue->bytes;
    batch_queue_remove(commit_batch(store->commit), session->number, seq);
    session->lasting->touched = true;
    session_queue_removed(queue, entry, 0);
    store->queue_count--;
    store->queue_bytes -= bytes - queue->bytes;
}

/* ---- in */

/* Whether the queue has room for the message, after old ones have gone if that is the policy. What
 * of them lies on disk only is dropped when it has been read: until then the queue is larger than
 * its limit, at most twice as large. */
static bool
make_queue_room(struct store *store, struct session *session, size_t len)
{
    const struct store_config *config = store->config;
    struct session_queue *queue = &session->lasting->queue;
    struct session_queue_entry *entry;
    unsigned i;
    if (session_queue_has_room(queue, len, config->queue_messages, config->queue_bytes))
        return true;
    if (config->queue_drop == STORE_CONFIG_DROP_NEWEST || len > config->queue_bytes)
        return false;
    for (i = 0; i < DROPS_MAX && (entry = session_queue_oldest_waiting(queue)) != NULL; i++) {
        drop(store, session, STORE_DROP_QUEUE_FULL, record_of(entry));
        session_push_remove(store, session, entry, entry->seq);
        if (session_queue_has_room(queue, len, config->queue_messages, config->queue_bytes))
            return true;
    }
    if (i == DROPS_MAX)
        return queue->bytes < config->queue_bytes;
    return queue->disk_from < queue->next_seq &&
           queue->count < 2 * config->queue_messages + OVER_COUNT &&
           queue->bytes < 2 * config->queue_bytes;
}

/* Whether the message may enter the queue; counts it as dropped if not. */
static bool
make_room(struct store *store, struct session *session, struct slice record)
{
    if (store->queue_bytes + record.len > store->config->queue_total_bytes) {
        drop(store, session, STORE_DROP_TOTAL_FULL, record);
        return false;
    }
    if (!make_queue_room(store, session, record.len)) {
        drop(store, session, STORE_DROP_QUEUE_FULL, record);
        return false;
    }
    return true;
}

static uint64_t
enqueue(struct store *store, struct session *session, struct body *body, uint8_t qos, bool retain,
        const uint32_t *ids, uint8_t id_count)
{
    uint64_t seq = session_queue_append(&session->lasting->queue, body, store->stamp, qos, retain,
                                        ids, id_count, session->state == SESSION_CONNECTED);
    batch_queue_append(commit_batch(store->commit), session->number, seq,
                       (uint8_t)(qos | (retain ? DELIVER_RETAIN : 0)), ids, id_count);
    if (seq + 1 >= session->lasting->seq_limit)
        session_life_save(store, session);
    store->queue_count++;
    store->queue_bytes += body->len;
    metric_counter_add(store->counters.queued, 1);
    if (session->lasting->queue.count > store->config->queue_messages ||
        session->lasting->queue.bytes > store->config->queue_bytes)
        session_read_trim(store, session);
    return seq;
}

/* ---- out */

static size_t
encode_target(const struct session *session, const struct session_queue_entry *entry, uint8_t *out)
{
    uint8_t flags = (uint8_t)(entry->qos | (entry->retain ? DELIVER_RETAIN : 0));
    uint8_t marked;
    if (entry->seq <= session->lasting->queue.pushed_seq)
        flags |= DELIVER_DUP;
    if (entry->recorded_before)
        flags |= DELIVER_REL;
    /* The mark of a shared subscription is ours, not the client's. */
    marked = entry->id_count != 0 && (entry->ids[0] & SUBSCRIPTIONS_SHARE_MARK) != 0;
    return records_target_encode(session->conn, entry->seq, flags, entry->ids + marked,
                                 (uint8_t)(entry->id_count - marked), out);
}

static enum err
append_deliver(struct store *store, const struct owner *owner, uint16_t count, struct slice targets,
               struct slice record)
{
    uint8_t head[RECORDS_DELIVER_BYTES];
    struct slice parts[3] = {slice_of(head, records_deliver_encode(count, head)), targets, record};
    enum err err = store_link_push(store, owner, FEED_DELIVER, parts, 3);
    if (err == OK)
        metric_counter_add(store->counters.delivered, count);
    return err;
}

/* What stands for a message whose PUBREC is on disk: only its number matters then. */
static struct slice
released_record(void)
{
    static uint8_t bytes[PUBLISH_RECORD_FIXED + 1];
    static size_t len;
    if (len == 0) {
        struct publish_record record = {.qos = 2, .topic = slice_cstr("-")};
        len = publish_record_encode_head(&record, bytes);
    }
    return slice_of(bytes, len);
}

static enum err
push_one(struct store *store, struct session *session, struct session_queue_entry *entry)
{
    uint8_t target[RECORDS_TARGET_BYTES + 4 * RECORDS_TARGET_IDS];
    size_t len = encode_target(session, entry, target);
    struct slice record = entry->body != NULL ? body_slice(entry->body) : released_record();
    enum err err = append_deliver(store, session->owner, 1, slice_of(target, len), record);
    if (err == OK)
        (void)session_queue_set_pushed(&session->lasting->queue, entry);
    return err;
}

static bool
may_push(const struct session *session)
{
    return session->state == SESSION_CONNECTED && session->ready && session->lasting != NULL &&
           session->owner != NULL && session->owner->up && !session_read_resumes(session);
}

static bool
has_expired(const struct session_queue_entry *entry, uint64_t now_ms)
{
    return entry->body != NULL && entry->body->expiry_ms != 0 && entry->body->expiry_ms <= now_ms;
}

void
session_push_pump(struct store *store, struct session *session)
{
    struct session_queue *queue;
    uint32_t window;
    uint64_t now_ms = 0;
    if (!may_push(session) || session_is_stalled(session))
        return;
    queue = &session->lasting->queue;
    window = window_of(store, session);
    for (;;) {
        struct session_queue_entry *entry = session_queue_next(queue, window, store->committed);
        if (entry == NULL) {
            if (queue->in_flight < window && session_queue_wants_disk(queue))
                session_read_more(store, session);
            return;
        }
        /* What was pushed in an earlier connection does not expire any more. [MQTT-4.3.3-7] */
        if (entry->body != NULL && entry->body->expiry_ms != 0 && entry->seq > queue->pushed_seq) {
            if (now_ms == 0)
                now_ms = store_wall_ms(store);
            if (has_expired(entry, now_ms)) {
                drop(store, session, STORE_DROP_EXPIRED, record_of(entry));
                session_push_remove(store, session, entry, entry->seq);
                continue;
            }
        }
        if (push_one(store, session, entry) != OK) {
            session_stall(session);
            return;
        }
    }
}

void
session_push_resumed(struct store *store, struct session *session, uint64_t seq)
{
    struct session_queue *queue = &session->lasting->queue;
    uint32_t i;
    session_queue_resume(queue, seq);
    for (i = 0; i < queue->pushed; i++) {
        const struct session_queue_entry *entry = session_queue_at(queue, i);
        uint8_t body[RECORDS_QUEUE_RECORDED_BYTES];
        size_t len;
        if (entry->state != SESSION_QUEUE_RECORDED)
            continue;
        len = records_queue_recorded_encode(session->conn, entry->seq, body);
        store_link_send(store, session->owner, FEED_QUEUE_RECORDED, slice_of(body, len));
    }
    session_push_pump(store, session);
}

void
session_push_room(struct store *store, struct owner *owner)
{
    struct session *session;
    while ((session = owner->stalled) != NULL) {
        session_unstall(session);
        session_push_pump(store, session);
        if (session_is_stalled(session))
            return;
    }
}

/* Pushes the targets of one owner from `from` on, as many as fit one record. */
static void
push_group(struct store *store, struct push_job *job, uint32_t from)
{
    static uint8_t targets[TARGETS_BYTES + RECORDS_TARGET_BYTES + (size_t)4 * RECORDS_TARGET_IDS];
    struct owner *owner = job->targets[from].session->owner;
    size_t len = 0;
    uint16_t count = 0;
    uint32_t last = from;
    uint32_t i;
    enum err err;
    for (i = from; i < job->count && len < TARGETS_BYTES; i++) {
        struct session *session = job->targets[i].session;
        struct session_queue_entry *entry;
        if (session == NULL || session->owner != owner || session->state != SESSION_CONNECTED)
            continue;
        entry = session_queue_get(&session->lasting->queue, job->targets[i].seq);
        if (entry == NULL)
            continue;
        len += encode_target(session, entry, targets + len);
        count++;
        last = i;
    }
    err = count != 0
              ? append_deliver(store, owner, count, slice_of(targets, len), body_slice(job->body))
              : OK;
    for (i = from; i <= last; i++) {
        struct session *session = job->targets[i].session;
        struct session_queue_entry *entry;
        if (session == NULL || session->owner != owner || session->state != SESSION_CONNECTED)
            continue;
        entry = session_queue_get(&session->lasting->queue, job->targets[i].seq);
        if (entry != NULL && err == OK)
            (void)session_queue_set_pushed(&session->lasting->queue, entry);
        else if (entry != NULL)
            session_stall(session);
        job->targets[i].session = NULL;
    }
}

/* The message is durable. */
static void
push_committed(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct push_job *job = (struct push_job *)(uintptr_t)a;
    uint32_t i;
    (void)b;
    (void)c;
    for (i = 0; i < job->count; i++) {
        struct session *session = job->targets[i].session;
        struct session_queue_entry *entry;
        if (!may_push(session) || session_is_stalled(session)) {
            job->targets[i].session = NULL;
            continue;
        }
        entry = session_queue_next(&session->lasting->queue, window_of(store, session), UINT64_MAX);
        if (entry == NULL || entry->seq != job->targets[i].seq) {
            job->targets[i].session = NULL;
            session_push_pump(store, session);
        }
    }
    for (i = 0; i < job->count; i++) {
        while (job->targets[i].session != NULL)
            push_group(store, job, i);
    }
    body_unref(job->body);
    mem_free(job);
}

static struct push_job *
job_new(struct body *body, size_t room)
{
    struct push_job *job = mem_alloc(sizeof(*job) + room * sizeof(job->targets[0]));
    job->body = body;
    job->count = 0;
    return job;
}

/* Takes the caller's reference of the body with the job. */
static void
job_mark(struct store *store, struct push_job *job)
{
    store_stamp(store);
    if (job->count == 0) {
        body_unref(job->body);
        mem_free(job);
        return;
    }
    commit_mark(store->commit, push_committed, store, (uint64_t)(uintptr_t)job, 0, 0);
}

void
session_push_message(struct store *store, const struct publish_record *record, struct slice bytes,
                     struct subscription_hit *hits, size_t count)
{
    struct push_job *job = NULL;
    uint32_t ids[255];
    size_t i;
    for (i = 0; i < count; i++) {
        struct session *session = hits[i].session;
        uint8_t qos = hits[i].qos < record->qos ? hits[i].qos : record->qos;
        uint64_t seq;
        if (qos == 0)
            continue; /* the gateways deliver that */
        if (!make_room(store, session, bytes))
            continue;
        if (job == NULL) {
            job = job_new(body_new(store->next_body++, bytes, record->expiry_ms), count - i);
            batch_message(commit_batch(store->commit), &bytes, 1);
        }
        subscriptions_hit_ids(store->subscriptions, &hits[i], ids);
        seq = enqueue(store, session, job->body, qos, record->retain && hits[i].retain_as_published,
                      ids, hits[i].id_count);
        if (store->trace.watched != NULL)
            store_trace_queued(store, session, record->topic);
        if (session->state == SESSION_CONNECTED)
            job->targets[job->count++] = (struct target){session, seq};
    }
    if (job != NULL)
        job_mark(store, job);
}

enum err
session_push_retained(struct store *store, struct session *session,
                      const struct publish_record *record, struct slice bytes,
                      uint8_t subscription_qos, uint32_t identifier)
{
    uint8_t qos = subscription_qos < record->qos ? subscription_qos : record->qos;
    uint8_t id_count = identifier != 0 ? 1 : 0;
    struct push_job *job;
    uint64_t seq;
    if (qos == 0) {
        uint8_t target[RECORDS_TARGET_BYTES + 4];
        size_t len;
        enum err err;
        if (!may_push(session)) {
            drop(store, session, STORE_DROP_QOS0, bytes);
            return OK;
        }
        len =
            records_target_encode(session->conn, 0, DELIVER_RETAIN, &identifier, id_count, target);
        err = append_deliver(store, session->owner, 1, slice_of(target, len), bytes);
        return err == ERR_BUSY ? ERR_BUSY : OK;
    }
    if (!make_room(store, session, bytes))
        return OK;
    job = job_new(body_new(store->next_body++, bytes, record->expiry_ms), 1);
    batch_message(commit_batch(store->commit), &bytes, 1);
    seq = enqueue(store, session, job->body, qos, true, &identifier, id_count);
    if (store->trace.watched != NULL)
        store_trace_queued(store, session, record->topic);
    if (session->state == SESSION_CONNECTED)
        job->targets[job->count++] = (struct target){session, seq};
    job_mark(store, job);
    return OK;
}

void
session_push_ready(struct store *store, struct session *session, uint64_t after)
{
    session->ready = true;
    if (session->lasting == NULL)
        return;
    session->lasting->ready_waits = false;
    session->lasting->former_epoch = 0;
    if (after != 0)
        session_read_resume(store, session, after);
    else
        session_push_pump(store, session);
}
