/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages for new subscriptions; see retained_jobs.h. Jobs stand in a line: the first few
 * have a page read for them and go to the end. A job lives until its page has come.
 *
 * With several stores a job goes through the shards, its own first: pages of another one are asked
 * of the store that has it. One that is away for GIVE_UP_MS is left out, and counted: the client
 * has its subscription, and what that store retains it gets with the next one. */
#include "services/store/retained_jobs.h"

#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/calls.pb-c.h"
#include "proto/feed_records.h"
#include "proto/limits.h"
#include "proto/topic.h"
#include "services/store/neighbours.h"
#include "services/store/retained_page.h"
#include "services/store/session_push.h"

#include <string.h>

#define PAGE_COUNT  256u
#define PAGE_BYTES  ((size_t)1024 * 1024)
#define AT_ONCE     4u    /* pages on their way */
#define ASK_AT_ONCE 32u   /* questions to other stores on their way */
#define JOBS        16u   /* that something is done for in a turn */
#define LOOKS       1024u /* jobs looked at in a turn: most wait, when another store is away */
#define GIVE_UP_MS  30000u
#define ANSWER_MS   10000u
#define HELD_BACK_MS                                                                               \
    20u /* until one that its feed or its connection held back is looked at again */

struct retained_job {
    struct store *store;
    struct retained_job *next;
    struct retained_job *prev;
    uint64_t session;
    uint64_t epoch;
    uint64_t not_before_ms; /* monotonic */
    uint64_t give_up_ms;    /* monotonic: of the shard asked now; 0: not asked yet */
    struct subscription_options options;
    uint32_t shard;       /* whose topics are looked at now */
    uint32_t shards_left; /* behind it */
    struct buf after;     /* topic behind which to go on */
    uint64_t *live;       /* hashes of topics that live messages overtook */
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
    const struct shards *shards = &store->shards;
    struct retained_job *job = mem_zalloc(sizeof(*job) + filter.len);
    job->store = store;
    job->shard = store->shard;
    if (topic_filter_has_wildcard(filter))
        job->shards_left = shards->count - 1;
    else
        job->shard = shards_of(shards, filter);
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

/* Nothing is left in the shard. */
static void
shard_is_done(struct store *store, struct retained_job *job)
{
    if (job->shards_left == 0) {
        job_free(store, job);
        return;
    }
    job->shards_left--;
    job->shard = (job->shard + 1) % store->shards.count;
    job->give_up_ms = 0;
    job->not_before_ms = 0;
    buf_reset(&job->after);
    loop_again(store->loop);
}

/* A page came: its records, and behind which topic to go on (empty: that was all). */
static void
take(struct store *store, struct retained_job *job, struct session *session,
     const struct slice *records, size_t count, struct slice next)
{
    struct publish_record record;
    size_t i;
    for (i = 0; i < count; i++) {
        if (publish_record_decode(records[i], &record) != OK)
            continue;
        if (deliver(store, session, job, &record, records[i]) == ERR_BUSY) {
            job->not_before_ms = loop_now_ms(store->loop) + HELD_BACK_MS;
            return;
        }
        go_on_behind(job, record.topic);
    }
    if (next.len == 0) {
        shard_is_done(store, job);
        return;
    }
    go_on_behind(job, next);
    loop_again(store->loop);
}

static void
page_came(struct store *store, struct retained_page *page)
{
    struct retained_job *job = page->arg;
    struct session *session;
    job->reading = false;
    store->retained_reading--;
    if (page->job.err == ERR_CANCELLED)
        return;
    session = session_of(store, job);
    if (page->job.err != OK)
        log_error("retained_lookup_failed", LOG_ERR(page->job.err), LOG_END);
    if (page->job.err != OK || session == NULL)
        job_free(store, job);
    else
        take(store, job, session, page->records, page->count, buf_slice(&page->next));
}

/* ---- other stores */

/* It cannot be asked now, or did not answer. */
static void
come_again(struct store *store, struct retained_job *job)
{
    static struct log_limit limit;
    uint64_t now_ms = loop_now_ms(store->loop);
    uint64_t suppressed;
    job->not_before_ms = now_ms + HELD_BACK_MS;
    if (now_ms < job->give_up_ms)
        return;
    metric_counter_add(store->counters.retained_missed, 1);
    if (log_every(&limit, 10000, &suppressed))
        log_warn("retained_missed", LOG_U64("shard", job->shard), LOG_U64("suppressed", suppressed),
                 LOG_END);
    shard_is_done(store, job);
}

static void
take_answer(struct store *store, struct retained_job *job, struct session *session,
            struct slice reply)
{
    Sluice__RetainedGot *got = sluice__retained_got__unpack(NULL, reply.len, reply.data);
    struct slice *records;
    size_t i;
    if (got == NULL || got->next.len > LIMITS_TOPIC) {
        if (got != NULL)
            sluice__retained_got__free_unpacked(got, NULL);
        metric_counter_add(store->counters.malformed, 1);
        come_again(store, job);
        return;
    }
    job->give_up_ms = loop_now_ms(store->loop) + GIVE_UP_MS;
    records = mem_zalloc_array(got->n_records + 1, sizeof(*records));
    for (i = 0; i < got->n_records; i++)
        records[i] = slice_of(got->records[i].data, got->records[i].len);
    take(store, job, session, records, got->n_records, slice_of(got->next.data, got->next.len));
    mem_free(records);
    sluice__retained_got__free_unpacked(got, NULL);
}

static void
on_answer(void *arg, enum err err, struct slice reply)
{
    struct retained_job *job = arg;
    struct store *store = job->store;
    struct session *session;
    job->reading = false;
    store->retained_asking--;
    if (err == ERR_CLOSED)
        return; /* we are being taken down */
    session = session_of(store, job);
    if (session == NULL)
        job_free(store, job);
    else if (err != OK)
        come_again(store, job);
    else
        take_answer(store, job, session, reply);
}

static void
ask(struct store *store, struct retained_job *job)
{
    Sluice__RetainedGet get = SLUICE__RETAINED_GET__INIT;
    struct peer *peer = neighbours_of(store, job->shard);
    struct slice after = buf_slice(&job->after);
    enum err err = ERR_PEER_LOST;
    if (job->give_up_ms == 0)
        job->give_up_ms = loop_now_ms(store->loop) + GIVE_UP_MS;
    get.filter = (ProtobufCBinaryData){job->filter_len, job->filter};
    /* only read by the packer */
    get.after = (ProtobufCBinaryData){after.len, (uint8_t *)(uintptr_t)after.data};
    get.limit = PAGE_COUNT;
    if (peer != NULL) {
        size_t len = sluice__retained_get__get_packed_size(&get);
        uint8_t *body = mem_alloc(len);
        (void)sluice__retained_get__pack(&get, body);
        err = peer_call(peer, CALL_RETAINED_GET, slice_of(body, len), ANSWER_MS, on_answer, job,
                        NULL);
        mem_free(body);
    }
    if (err != OK) {
        come_again(store, job);
        return;
    }
    job->reading = true;
    store->retained_asking++;
}

/* ---- the line */

/* The first of the line; it goes to the end of it, or away. Whether anything was done for it. */
static bool
look_at(struct store *store, struct retained_job *job, uint64_t now_ms)
{
    const struct session *session;
    line_remove(store, job);
    line_add(store, job);
    if (job->reading || job->not_before_ms > now_ms)
        return false;
    session = session_of(store, job);
    if (session == NULL) {
        job_free(store, job);
    } else if (session->state == SESSION_CONNECTED && !session->ready) {
        job->not_before_ms = now_ms + HELD_BACK_MS;
    } else if (job->shard != store->shard) {
        if (store->retained_asking >= ASK_AT_ONCE)
            return false;
        ask(store, job);
    } else {
        if (store->retained_reading >= AT_ONCE)
            return false;
        job->reading = true;
        store->retained_reading++;
        retained_page_read(store, slice_of(job->filter, job->filter_len), buf_slice(&job->after),
                           PAGE_COUNT, PAGE_BYTES, 0, page_came, job);
    }
    return true;
}

void
retained_jobs_run(struct store *store)
{
    const struct retained_job *last = store->retained_last;
    uint64_t now_ms = loop_now_ms(store->loop);
    unsigned looks = 0, done = 0;
    bool is_last = false;
    while (!is_last && store->retained_jobs != NULL && looks++ < LOOKS && done < JOBS &&
           store_has_room(store)) {
        struct retained_job *job = store->retained_jobs;
        is_last = job == last;
        done += look_at(store, job, now_ms);
    }
}
