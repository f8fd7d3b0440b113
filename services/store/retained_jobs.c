/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages for new subscriptions; see retained_jobs.h. Jobs wait in a ring: the first one
 * gets one page, then goes to the end. */
#include "services/store/retained_jobs.h"

#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/limits.h"
#include "proto/topic.h"
#include "services/store/session_push.h"

#include <string.h>

#define PAGE_COUNT  256u
#define PAGE_BYTES  ((size_t)1024 * 1024)
#define SWEEP_COUNT 256u

struct retained_job {
    struct retained_job *next;
    uint64_t session;
    uint64_t epoch;
    struct subscription_options options;
    struct buf after; /* topic behind which to go on */
    uint64_t *live;   /* hashes of topics that live messages overtook */
    size_t live_count;
    size_t filter_len;
    uint8_t filter[];
};

struct collected {
    struct store *store;
    struct session *session;
    const struct retained_job *job;
    uint64_t now_ms;
    struct buf *after;
    bool busy;
};

void
retained_jobs_add(struct store *store, const struct session *session, struct slice filter,
                  const struct subscription_options *options)
{
    struct retained_job *job = mem_zalloc(sizeof(*job) + filter.len);
    struct retained_job **at = &store->retained_jobs;
    job->session = session->number;
    job->epoch = session->epoch;
    job->options = *options;
    job->filter_len = filter.len;
    memcpy(job->filter, filter.data, filter.len);
    buf_init(&job->after, LIMITS_TOPIC);
    while (*at != NULL)
        at = &(*at)->next;
    *at = job;
    loop_again(store->loop);
}

static void
job_free(struct retained_job *job)
{
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
    while (store->retained_jobs != NULL) {
        struct retained_job *job = store->retained_jobs;
        store->retained_jobs = job->next;
        job_free(job);
    }
}

static bool
take(void *arg, struct slice topic, struct slice bytes)
{
    struct collected *collected = arg;
    struct publish_record record;
    if (collected->busy)
        return true;
    if (publish_record_decode(bytes, &record) != OK ||
        (record.expiry_ms != 0 && record.expiry_ms <= collected->now_ms))
        return false;
    if (is_overtaken(collected->job, record.topic))
        return false;
    if (collected->job->options.no_local && record.publisher == collected->job->session)
        return false;
    if (session_push_retained(collected->store, collected->session, &record, bytes,
                              collected->job->options.qos,
                              collected->job->options.identifier) == ERR_BUSY) {
        collected->busy = true;
        return true;
    }
    buf_reset(collected->after);
    buf_append_slice(collected->after, topic);
    return true;
}

/* True when the job is complete. *busy: it has to wait. */
static bool
run_page(struct store *store, struct retained_job *job, bool *busy)
{
    struct session *session = sessions_by_number(store->sessions, job->session);
    struct collected collected = {.store = store, .session = session, .job = job};
    struct buf next;
    struct buf done;
    enum err err;
    bool complete;
    if (session == NULL || session->epoch != job->epoch || session->lasting == NULL)
        return true;
    if (session->state == SESSION_CONNECTED && !session->ready) {
        *busy = true;
        return false;
    }
    buf_init(&next, LIMITS_TOPIC);
    buf_init(&done, LIMITS_TOPIC);
    buf_append_slice(&done, buf_slice(&job->after));
    collected.now_ms = store_wall_ms(store);
    collected.after = &done;
    err = driver_retained_page(store->driver, slice_of(job->filter, job->filter_len),
                               buf_slice(&job->after), PAGE_COUNT, PAGE_BYTES, take, &collected,
                               &next);
    if (err != OK)
        log_error("retained_lookup_failed", LOG_ERR(err), LOG_END);
    complete = err != OK || (!collected.busy && buf_len(&next) == 0);
    buf_reset(&job->after);
    buf_append_slice(&job->after, buf_slice(collected.busy ? &done : &next));
    *busy = collected.busy;
    buf_fini(&next);
    buf_fini(&done);
    return complete;
}

void
retained_jobs_run(struct store *store)
{
    struct retained_job *job = store->retained_jobs;
    struct retained_job **at;
    bool busy = false;
    if (job == NULL || !store_has_room(store))
        return;
    store->retained_jobs = job->next;
    job->next = NULL;
    if (run_page(store, job, &busy)) {
        job_free(job);
    } else {
        for (at = &store->retained_jobs; *at != NULL; at = &(*at)->next) {
        }
        *at = job;
    }
    /* a job that waits for a feed is tried again with the next event or tick */
    if (store->retained_jobs != NULL && !busy)
        loop_again(store->loop);
}

static void
expired(void *arg, struct slice topic, uint64_t expiry_ms)
{
    struct store *store = arg;
    (void)expiry_ms;
    batch_retained_delete(commit_batch(store->commit), topic);
}

void
retained_jobs_sweep(struct store *store)
{
    /* what is read here may be replaced in the open batch: then a newer message would go. So only
     * when nothing is under way. */
    if (!commit_is_idle(store->commit))
        return;
    if (driver_retained_expired(store->driver, store_wall_ms(store), SWEEP_COUNT, expired, store) !=
        OK)
        log_warn("retained_sweep_failed", LOG_END);
}
