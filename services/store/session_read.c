/* SPDX-License-Identifier: Apache-2.0 */
/* From disk to memory; see session_read.h.
 *
 * A page shows what was durable when it was read. What memory has removed since then lies below
 * disk_from, and is left out; what was added is behind it, for the next page. A page that begins
 * above disk_from was asked for before memory was given back: it is dropped. */
#include "services/store/session_read.h"

#include "common/log.h"
#include "proto/feed_records.h"
#include "proto/mqtt_packet.h"
#include "services/store/queue_page.h"
#include "services/store/session_life.h"
#include "services/store/session_push.h"

#define PAGE_COUNT     64u
#define PAGE_BYTES     ((size_t)256 * 1024)
#define TRIM_COUNT_MAX 4096u
#define TRIM_BYTES     ((size_t)4 * 1024 * 1024)

static void
take(struct session_queue *queue, struct queue_page *page, size_t *taken)
{
    size_t i;
    for (i = 0; i < page->count; i++) {
        struct queue_page_entry *entry = &page->entries[i];
        if (entry->seq < queue->disk_from || entry->seq >= queue->next_seq)
            continue;
        session_queue_read_back(queue, entry->seq, entry->body, entry->flags & DELIVER_QOS_MASK,
                                (entry->flags & DELIVER_RETAIN) != 0, entry->body == NULL,
                                entry->ids, entry->id_count);
        entry->body = NULL;
        ++*taken;
    }
    if (queue->alive == queue->count)
        session_queue_read_to(queue, queue->next_seq);
}

static bool
resume_is_complete(const struct session *session, size_t taken)
{
    const struct session_queue *queue = &session->lasting->queue;
    return taken == 0 || queue->disk_from > session->lasting->resume_to ||
           queue->disk_from >= queue->next_seq || queue->used >= UINT16_MAX;
}

static void
resumed(struct store *store, struct session *session)
{
    uint64_t seq = session->lasting->resume_to;
    session->lasting->resume_to = 0;
    session_push_resumed(store, session, seq);
}

/* What failed and will fail again (damaged data; what passes is tried again by the pool): its
 * client is told by the end of its connection, rather than waiting for what does not come. */
static void
say_unreadable(struct store *store, struct session *session, enum err err)
{
    if (session->lasting->unreadable_epoch == session->epoch)
        return; /* it was told */
    session->lasting->unreadable_epoch = session->epoch;
    metric_counter_add(store->counters.unreadable, 1);
    log_error("queue_not_read", LOG_U64("session", session->number), LOG_ERR(err), LOG_END);
    session_life_kick(store, session->owner, session->conn, session->number, session->epoch,
                      MQTT_UNSPECIFIED_ERROR);
}

static void
page_came(struct store *store, struct session *session, struct queue_page *page)
{
    struct lasting *lasting;
    size_t taken = 0;
    bool again;
    if (session == NULL)
        return;
    lasting = session->lasting;
    again = lasting->read_again;
    lasting->reading = false;
    lasting->read_again = false;
    if (page->job.err == ERR_CANCELLED)
        return;
    if (session->state != SESSION_CONNECTED || session->epoch != page->epoch ||
        page->from > lasting->queue.disk_from)
        again = true; /* whoever has it now needs a page of his own */
    else if (page->job.err == OK)
        take(&lasting->queue, page, &taken);
    else
        say_unreadable(store, session, page->job.err);
    if (page->job.err != OK && !again)
        return;
    if (lasting->resume_to != 0) {
        if (!again && resume_is_complete(session, taken))
            resumed(store, session);
        else
            session_read_more(store, session);
    } else if (taken != 0 || again) {
        session_push_pump(store, session);
    }
}

/* What others were given is off the disk. */
static void
moved_away(void *arg, uint64_t number, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct session *session = sessions_by_number(store->sessions, number);
    (void)b;
    (void)c;
    if (session != NULL && session->state == SESSION_CONNECTED)
        session_read_more(store, session);
}

void
session_read_more(struct store *store, struct session *session)
{
    struct lasting *lasting = session->lasting;
    if (lasting->reading) {
        lasting->read_again = true;
    } else if (lasting->moved_stamp > store->committed) {
        commit_mark(store->commit, moved_away, store, session->number, 0, 0);
    } else {
        lasting->reading = true;
        queue_page_read(store, session, lasting->queue.disk_from, PAGE_COUNT, PAGE_BYTES, page_came,
                        NULL);
    }
}

void
session_read_resume(struct store *store, struct session *session, uint64_t seq)
{
    const struct session_queue *queue = &session->lasting->queue;
    /* What came while nobody was connected is on disk only, or on its way there: a page that is
     * read before would not show it, and nothing else would ask for it. */
    if (session->lasting->moved_stamp < store->stamp - 1)
        session->lasting->moved_stamp = store->stamp - 1;
    session->lasting->resume_to = seq;
    if (queue->disk_from <= seq && queue->disk_from < queue->next_seq)
        session_read_more(store, session);
    else
        resumed(store, session);
}

/* ---- dropping */

static bool
is_over(const struct store *store, const struct session_queue *queue)
{
    return queue->count > store->config->queue_messages ||
           queue->bytes > store->config->queue_bytes;
}

static void
drop(struct store *store, struct session *session, const struct queue_page_entry *entry)
{
    struct session_queue *queue = &session->lasting->queue;
    uint64_t bytes = queue->bytes;
    batch_queue_remove(commit_batch(store->commit), session->number, entry->seq);
    session_queue_removed(queue, NULL, entry->len);
    session_queue_read_to(queue, entry->seq + 1);
    store->queue_count--;
    store->queue_bytes -= bytes - queue->bytes;
    session_push_dropped(store, session, STORE_DROP_QUEUE_FULL, 1,
                         entry->body != NULL ? body_slice(entry->body) : slice_of(NULL, 0));
}

static void
trim_again(void *arg, uint64_t number, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct session *session = sessions_by_number(store->sessions, number);
    (void)b;
    (void)c;
    if (session != NULL)
        session_read_trim(store, session);
}

static void
trim_came(struct store *store, struct session *session, struct queue_page *page)
{
    struct session_queue *queue;
    size_t dropped = 0;
    size_t i;
    if (session == NULL)
        return;
    session->lasting->trimming = false;
    queue = &session->lasting->queue;
    for (i = 0; i < page->count && page->from <= queue->disk_from && is_over(store, queue); i++) {
        if (page->entries[i].seq < queue->disk_from || page->entries[i].seq >= queue->next_seq)
            continue;
        drop(store, session, &page->entries[i]);
        dropped++;
    }
    if (!is_over(store, queue))
        return;
    if (dropped != 0)
        session_read_trim(store, session);
    else if (!commit_is_idle(store->commit)) /* the oldest is not on disk yet */
        commit_mark(store->commit, trim_again, store, session->number, 0, 0);
}

void
session_read_trim(struct store *store, struct session *session)
{
    struct lasting *lasting = session->lasting;
    struct session_queue *queue = &lasting->queue;
    struct session_queue_entry *entry;
    uint64_t excess;
    while (is_over(store, queue) && (entry = session_queue_oldest_waiting(queue)) != NULL) {
        session_push_dropped(store, session, STORE_DROP_QUEUE_FULL, 1,
                             entry->body != NULL ? body_slice(entry->body) : slice_of(NULL, 0));
        session_push_remove(store, session, entry, entry->seq);
    }
    if (lasting->trimming || lasting->moving || !is_over(store, queue) ||
        queue->disk_from >= queue->next_seq)
        return; /* while messages move to others, the end of that asks again */
    if (lasting->moved_stamp > store->committed) {
        /* what disk still has of those would be counted off twice */
        commit_mark(store->commit, trim_again, store, session->number, 0, 0);
        return;
    }
    excess = queue->count > store->config->queue_messages
                 ? queue->count - store->config->queue_messages
                 : 0;
    lasting->trimming = true;
    queue_page_read(store, session, queue->disk_from,
                    excess < PAGE_COUNT       ? PAGE_COUNT
                    : excess < TRIM_COUNT_MAX ? (size_t)excess
                                              : TRIM_COUNT_MAX,
                    TRIM_BYTES, trim_came, NULL);
}
