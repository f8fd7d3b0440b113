/* SPDX-License-Identifier: Apache-2.0 */
/* What is left on disk of a session that ends; see session_ending.h. It is read when everything
 * that memory knew is durable and memory has let go of it, so that nothing is given away that was
 * acknowledged. */
#include "services/store/session_ending.h"

#include "common/log.h"
#include "common/mem.h"
#include "proto/feed_records.h"
#include "services/store/queue_page.h"
#include "services/store/subscriptions_share.h"

#define PAGE_COUNT 256u
#define PAGE_BYTES ((size_t)1024 * 1024)
#define TRIES_MAX  3u /* readings, when messages keep coming */

struct session_ending_wait {
    struct session_ending_wait *next;
    uint64_t session;
    session_ending_fn fn;
    void *arg;
};

/* Those that wait for the session go on. */
static void
wake(struct store *store, uint64_t number, enum err err)
{
    struct session_ending_wait *awake = NULL;
    struct session_ending_wait **last = &awake;
    struct session_ending_wait **at = &store->ending_waits;
    while (*at != NULL) {
        struct session_ending_wait *wait = *at;
        if (number != 0 && wait->session != number) {
            at = &wait->next;
            continue;
        }
        *at = wait->next;
        wait->next = NULL;
        *last = wait;
        last = &wait->next;
    }
    while (awake != NULL) {
        struct session_ending_wait *wait = awake;
        awake = wait->next;
        wait->fn(store, wait->session, wait->arg, err);
        mem_free(wait);
    }
}

void
session_ending_cancel(struct store *store)
{
    wake(store, 0, ERR_CANCELLED);
}

static void
page_came(struct store *store, struct session *session, struct queue_page *page)
{
    struct session_rest *rest;
    uint64_t next = page->from;
    size_t i;
    if (session == NULL || session->lasting->rest == NULL) {
        wake(store, page->session, OK);
        return;
    }
    rest = session->lasting->rest;
    if (page->job.err != OK)
        log_error("queue_not_read", LOG_U64("session", session->number), LOG_ERR(page->job.err),
                  LOG_END);
    for (i = 0; i < page->count; i++) {
        struct queue_page_entry *entry = &page->entries[i];
        next = entry->seq + 1;
        if (entry->body == NULL || entry->id_count == 0 ||
            (entry->ids[0] & SUBSCRIPTIONS_SHARE_MARK) == 0 || session_rest_is_full(rest))
            continue;
        rest->bytes += entry->len;
        rest->entries[rest->count++] = (struct session_rest_entry){
            entry->seq, entry->body, entry->ids[0], entry->flags & DELIVER_QOS_MASK};
        entry->body = NULL;
    }
    if (page->more && page->count != 0 && !session_rest_is_full(rest)) {
        queue_page_read(store, session, next, PAGE_COUNT, PAGE_BYTES, page_came, NULL);
        return;
    }
    rest->complete = true;
    wake(store, page->session, OK);
}

/* All that memory knew is durable. */
static void
begin(void *arg, uint64_t number, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct session *session = sessions_by_number(store->sessions, number);
    struct session_queue *queue;
    (void)b;
    (void)c;
    if (session == NULL || session->lasting->rest == NULL) {
        wake(store, number, OK);
        return;
    }
    if (session->lasting->touched) {
        session->lasting->touched = false;
        commit_mark(store->commit, begin, store, number, 0, 0);
        return;
    }
    queue = &session->lasting->queue;
    session_queue_forget(queue);
    session->lasting->rest->next_seq = queue->next_seq;
    queue_page_read(store, session, queue->disk_from, PAGE_COUNT, PAGE_BYTES, page_came, NULL);
}

static bool
has_shares(const struct session *session)
{
    const struct subscription *at;
    for (at = session->lasting->subscriptions; at != NULL; at = at->next) {
        if (slice_has_prefix(subscription_filter_text(at), slice_cstr("$share/")))
            return true;
    }
    return false;
}

/* Whether the rest is not known, or not any more. */
static bool
needs_reading(const struct session *session)
{
    const struct lasting *lasting = session->lasting;
    const struct session_rest *rest = lasting->rest;
    if (rest == NULL)
        return lasting->queue.count > lasting->queue.alive && has_shares(session);
    return !rest->complete ||
           (rest->next_seq != lasting->queue.next_seq && rest->tries < TRIES_MAX);
}

bool
session_ending_must_wait(struct store *store, struct session *session, session_ending_fn fn,
                         void *arg)
{
    struct session_ending_wait *wait;
    struct session_rest *rest;
    unsigned tries = 0;
    if (session->lasting == NULL || !needs_reading(session))
        return false;
    wait = mem_zalloc(sizeof(*wait));
    wait->session = session->number;
    wait->fn = fn;
    wait->arg = arg;
    wait->next = store->ending_waits;
    store->ending_waits = wait;
    rest = session->lasting->rest;
    if (rest != NULL && !rest->complete)
        return true; /* under way */
    if (rest != NULL)
        tries = rest->tries;
    session_rest_free(rest);
    session->lasting->rest = mem_zalloc(sizeof(*rest));
    session->lasting->rest->tries = tries + 1;
    session->lasting->touched = false;
    commit_mark(store->commit, begin, store, session->number, 0, 0);
    return true;
}
