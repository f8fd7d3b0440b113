/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages for new subscriptions; see retained_jobs.h. Jobs stand in a line: the first few
 * have a page read for them and go to the end. A job lives until its page has come. */
#include "services/store/retained_jobs.h"

#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/limits.h"
#include "proto/topic.h"
#include "services/store/retained_page.h"
#include "services/store/session_push.h"

#include <string.h>

#define PAGE_COUNT 256u
#define PAGE_BYTES ((size_t)1024 * 1024)
#define AT_ONCE    4u  /* pages on their way */
#define LOOKS      16u /* jobs looked at in a turn */
#define HELD_BACK_MS                                                                               \
    20u /* until one that its feed or its connection held back is looked at again */

struct retained_job {
    struct retained_job *next;
    struct retained_job *prev;
    uint64_t session;
    uint64_t epoch;
    uint64_t not_before_ms; /* monotonic */
    struct subscription_options options;
    struct buf after; /* topic behind which to go on */
    uint64_t *live;   /* hashes of topics that live messages overtook */
    size_t live_count;
    bool reading;
    size_t filter_len;
    uint8_t filter[];
};

static void
line_add(struct store *store, struct retained_job *job)
{
    job->next = NULL;
    job->prev = store->retained_last;
    if (job->prev != NULL)
        job->prev->next = job;
    else
        store->retained_jobs = job;
    store->retained_last = job;
}

static void
line_remove(struct store *store, struct retained_job *job)
{
    if (job->prev != NULL)
        job->prev->next = job->next;
    else
        store->retained_jobs = job->next;
    if (job->next != NULL)
        job->next->prev = job->prev;
    else
        store->retained_last = job->prev;
}

void
retained_jobs_add(struct store *store, const struct session *session, struct slice filter,
                  const struct subscription_options *options)
{
    struct retained_job *job = mem_zalloc(sizeof(*job) + filter.len);
    job->session = session->number;
    job->epoch = session->epoch;
    job->options = *options;
    job->filter_len = filter.len;
    memcpy(job->filter, filter.data, filter.len);
    buf_init(&job->after, LIMITS_TOPIC);
    line_add(store, job);
    loop_again(store->loop);
}

static void
job_free(struct store *store, struct retained_job *job)
{
    line_remove(store, job);
    buf_fini(&job->after);
    mem_free(job->live);
    mem_free(job);
}

void
retained_jobs_overtaken(struct store *store, struct slice topic)
{
    for (struct retained_job *job = store->retained_jobs; job != NULL; job = job->next) {
        /* A subscription of QoS 0 gets live messages from its gateway, not from here. */
        if (job->options.qos == 0 || job->live_count == RETAINED_JOBS_LIVE_MAX ||
            !topic_matches(slice_of(job->filter, job->filter_len), topic))
            continue;
        if ((job->live_count & (job->live_count - 1)) == 0)
            job->live = mem_realloc_array(job->live, job->live_count == 0 ? 1 : 2 * job->live_count,
                                          sizeof(*job->live));
        job->live[job->live_count++] = hash_local(topic.data, topic.len);
    }
}

static bool
is_overtaken(const struct retained_job *job, struct slice topic)
{
    if (job->live_count == 0)
        return false;
    uint64_t hash = hash_local(topic.data, topic.len);
    for (size_t i = 0; i < job->live_count; i++)
        if (job->live[i] == hash)
            return true;
    return false;
}

void
retained_jobs_free_all(struct store *store)
{
    while (store->retained_jobs != NULL)
        job_free(store, store->retained_jobs);
}

/* The session that the job is for, NULL when it is not that any more. */
static struct session *
session_of(struct store *store, const struct retained_job *job)
{
    struct session *session = sessions_by_number(store->sessions, job->session);
    return session != NULL && session->epoch == job->epoch && session->lasting != NULL ? session
                                                                                       : NULL;
}

/* ERR_BUSY: the feed is full. */
static enum err
deliver(struct store *store, struct session *session, const struct retained_job *job,
        const struct publish_record *record, struct slice bytes)
{
    if (is_overtaken(job, record->topic) ||
        (job->options.no_local && record->publisher == job->session))
        return OK;
    return session_push_retained(store, session, record, bytes, job->options.qos,
                                 job->options.identifier);
}

static void
go_on_behind(struct retained_job *job, struct slice topic)
{
    buf_reset(&job->after);
    buf_append_slice(&job->after, topic);
}

static void
page_came(struct store *store, struct retained_page *page)
{
    struct retained_job *job = page->arg;
    struct session *session;
    struct publish_record record;
    size_t i;
    job->reading = false;
    store->retained_reading--;
    if (page->job.err == ERR_CANCELLED)
        return;
    session = session_of(store, job);
    if (page->job.err != OK)
        log_error("retained_lookup_failed", LOG_ERR(page->job.err), LOG_END);
    if (page->job.err != OK || session == NULL) {
        job_free(store, job);
        return;
    }
    for (i = 0; i < page->count; i++) {
        if (publish_record_decode(page->records[i], &record) != OK)
            continue;
        if (deliver(store, session, job, &record, page->records[i]) == ERR_BUSY) {
            job->not_before_ms = loop_now_ms(store->loop) + HELD_BACK_MS;
            return;
        }
        go_on_behind(job, record.topic);
    }
    if (buf_len(&page->next) == 0) {
        job_free(store, job);
        return;
    }
    go_on_behind(job, buf_slice(&page->next));
    loop_again(store->loop);
}

/* The first of the line; it goes to the end of it, or away. */
static void
look_at(struct store *store, struct retained_job *job, uint64_t now_ms)
{
    const struct session *session;
    line_remove(store, job);
    line_add(store, job);
    if (job->reading || job->not_before_ms > now_ms)
        return;
    session = session_of(store, job);
    if (session == NULL) {
        job_free(store, job);
    } else if (session->state == SESSION_CONNECTED && !session->ready) {
        job->not_before_ms = now_ms + HELD_BACK_MS;
    } else {
        job->reading = true;
        store->retained_reading++;
        retained_page_read(store, slice_of(job->filter, job->filter_len), buf_slice(&job->after),
                           PAGE_COUNT, PAGE_BYTES, 0, page_came, job);
    }
}

void
retained_jobs_run(struct store *store)
{
    uint64_t now_ms = loop_now_ms(store->loop);
    unsigned i;
    for (i = 0; i < LOOKS && store->retained_jobs != NULL && store->retained_reading < AT_ONCE &&
                store_has_room(store);
         i++)
        look_at(store, store->retained_jobs, now_ms);
}
