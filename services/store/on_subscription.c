/* SPDX-License-Identifier: Apache-2.0 */
/* SUBSCRIBE and UNSUBSCRIBE of persistent sessions. A subscription counts at once for matching; it
 * is answered when it is durable and every core has the route, and undone when the cores do not
 * answer in time. Retained messages follow the answer. */
#include "common/clock.h"
#include "common/mem.h"
#include "common/table.h"
#include "proto/calls.pb-c.h"
#include "proto/feed_records.h"
#include "proto/limits.h"
#include "proto/mqtt_packet.h"
#include "proto/topic.h"
#include "services/store/desks.h"
#include "services/store/retained_jobs.h"
#include "services/store/session_shared.h"

#define DEADLINE_MS 10000u

struct subscribe_item {
    const Sluice__Subscription *wanted; /* in the job's message */
    struct subscription_options options;
    struct subscription_options before; /* if !is_new */
    uint32_t reason;
    bool is_new;
};

struct subscribe_job {
    uint64_t id;
    UT_hash_handle hh;
    struct call_request request;
    Sluice__SessionSubscribe *message;
    uint64_t session;
    uint64_t epoch;
    size_t routes; /* tickets not answered */
    bool committed;
    enum err err;
    size_t count;
    struct subscribe_item items[];
};

static struct slice
filter_of(const Sluice__Subscription *wanted)
{
    return slice_of(wanted->filter.data, wanted->filter.len);
}

/* Session of this number and epoch at the calling gateway; else ERR_STALE. */
static enum err
session_of(struct store *store, struct peer *peer, uint64_t number, uint64_t epoch,
           struct session **out)
{
    struct session *session = sessions_by_number(store->sessions, number);
    struct owner *owner = store_link_owner(peer);
    if (!store->serving)
        return ERR_UNAVAILABLE;
    if (session == NULL || owner == NULL || session->owner != owner || session->epoch != epoch) {
        metric_counter_add(store->counters.stale, 1);
        return ERR_STALE;
    }
    if (session->lasting == NULL)
        return ERR_INVALID;
    *out = session;
    return commit_room(store->commit);
}

static void
save(struct store *store, const struct session *session, struct slice filter,
     const struct subscription_options *options)
{
    struct driver_subscription row = {
        .session = session->number,
        .identifier = options->identifier,
        .qos = options->qos,
        .no_local = options->no_local,
        .retain_as_published = options->retain_as_published,
        .retain_handling = options->retain_handling,
        .filter = filter,
    };
    batch_subscription_put(commit_batch(store->commit), &row);
}

static uint32_t
check(const struct store *store, const struct session *session, const Sluice__Subscription *wanted)
{
    struct slice filter = filter_of(wanted);
    if (!topic_filter_is_valid(filter) || wanted->qos > 2 || wanted->retain_handling > 2 ||
        wanted->identifier > LIMITS_SUBSCRIPTION_ID)
        return MQTT_TOPIC_FILTER_INVALID;
    if (session->lasting->subscription_count >= store->config->subscriptions_max &&
        subscriptions_get(store->subscriptions, session, filter) == NULL)
        return MQTT_QUOTA_EXCEEDED;
    return wanted->qos;
}

static bool
is_share(struct slice filter)
{
    return slice_has_prefix(filter, slice_cstr("$share/"));
}

static void
route_change(struct store *store, struct slice filter, enum subscription_change change)
{
    if (change == SUBSCRIPTION_ROUTE_REMOVE)
        core_client_route_remove(store->cores, filter);
    else if (change == SUBSCRIPTION_ROUTE_ADD)
        core_client_route_tell(store->cores, filter, session_shared_wants(store, filter));
    else if (is_share(filter) && subscriptions_has_route(store->subscriptions, filter))
        core_client_route_tell(store->cores, filter, session_shared_wants(store, filter));
}

/* Takes one subscription back, as far as it still is what we made it. */
static void
undo(struct store *store, struct session *session, struct subscribe_item *item)
{
    struct slice filter = filter_of(item->wanted);
    enum subscription_change change;
    bool is_new;
    if (item->is_new) {
        if (subscriptions_remove(store->subscriptions, session, filter, &change) != OK)
            return;
        batch_subscription_delete(commit_batch(store->commit), session->number, filter);
    } else {
        if (subscriptions_put(store->subscriptions, session, filter, &item->before, &is_new,
                              &change) != OK)
            return;
        save(store, session, filter, &item->before);
    }
    route_change(store, filter, change);
}

static void
add_one(struct store *store, struct session *session, struct subscribe_job *job,
        struct subscribe_item *item)
{
    struct slice filter = filter_of(item->wanted);
    const struct subscription *former;
    enum subscription_change change;
    item->reason = check(store, session, item->wanted);
    if (item->reason > 2)
        return;
    former = subscriptions_get(store->subscriptions, session, filter);
    if (former != NULL)
        item->before = former->options;
    item->options = (struct subscription_options){
        .identifier = item->wanted->identifier,
        .qos = (uint8_t)item->wanted->qos,
        .no_local = item->wanted->no_local,
        .retain_as_published = item->wanted->retain_as_published,
        .retain_handling = (uint8_t)item->wanted->retain_handling,
    };
    if (subscriptions_put(store->subscriptions, session, filter, &item->options, &item->is_new,
                          &change) != OK) {
        item->reason = MQTT_QUOTA_EXCEEDED;
        return;
    }
    save(store, session, filter, &item->options);
    if (change == SUBSCRIPTION_ROUTE_REMOVE)
        core_client_route_remove(store->cores, filter);
    if (item->options.qos == 0) {
        route_change(store, filter, SUBSCRIPTION_ROUTE_SAME);
        return;
    }
    /* asked for even if the route is known: its first asker may still be waiting */
    if (core_client_route_add(store->cores, filter, session_shared_wants(store, filter), job->id,
                              clock_monotonic_ms() + DEADLINE_MS) == OK) {
        job->routes++;
        if (is_share(filter))
            session_shared_joined(store, filter);
    } else {
        undo(store, session, item);
        item->reason = MQTT_QUOTA_EXCEEDED;
    }
}

static void
job_free(struct store *store, struct subscribe_job *job)
{
    HASH_DEL(store->subscribe_jobs, job);
    sluice__session_subscribe__free_unpacked(job->message, NULL);
    mem_free(job);
}

static void
send_retained(struct store *store, const struct session *session, const struct subscribe_job *job)
{
    size_t i;
    for (i = 0; i < job->count; i++) {
        const struct subscribe_item *item = &job->items[i];
        if (item->reason <= 2 && !is_share(filter_of(item->wanted)) &&
            (item->options.retain_handling == 0 ||
             (item->options.retain_handling == 1 && item->is_new)))
            retained_jobs_add(store, session, filter_of(item->wanted), &item->options);
    }
}

static void
finish(struct store *store, struct subscribe_job *job)
{
    struct session *session = sessions_by_number(store->sessions, job->session);
    size_t i;
    if (job->err != OK) {
        for (i = 0; session != NULL && i < job->count; i++) {
            if (job->items[i].reason <= 2)
                undo(store, session, &job->items[i]);
        }
        peers_reply(store->peers, job->request, job->err, slice_of(NULL, 0));
    } else {
        Sluice__SessionSubscribed answer = SLUICE__SESSION_SUBSCRIBED__INIT;
        uint32_t *reasons = mem_zalloc_array(job->count + 1, sizeof(*reasons));
        for (i = 0; i < job->count; i++)
            reasons[i] = job->items[i].reason;
        answer.n_reasons = job->count;
        answer.reasons = reasons;
        store_reply(store, job->request, OK, &answer);
        mem_free(reasons);
        if (session != NULL)
            send_retained(store, session, job);
    }
    job_free(store, job);
}

static struct subscribe_job *
job_find(struct store *store, uint64_t id)
{
    struct subscribe_job *job;
    HASH_FIND(hh, store->subscribe_jobs, &id, sizeof(id), job);
    return job;
}

static void
committed(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct subscribe_job *job = job_find(store, a);
    (void)b;
    (void)c;
    if (job == NULL)
        return;
    job->committed = true;
    if (job->routes == 0)
        finish(store, job);
}

/* From core_client, which must not be called back from here: the end waits for the batch's turn. */
void
on_subscription_routed(struct store *store, uint64_t cookie, enum err err)
{
    struct subscribe_job *job = job_find(store, cookie);
    if (job == NULL || job->routes == 0)
        return;
    if (err != OK)
        job->err = err;
    if (--job->routes == 0 && job->committed)
        commit_mark(store->commit, committed, store, job->id, 0, 0);
}

void
on_subscription_add(struct store *store, struct peer *peer, struct call_request request,
                    struct slice body)
{
    Sluice__SessionSubscribe *message =
        sluice__session_subscribe__unpack(NULL, body.len, body.data);
    struct subscribe_job *job;
    struct session *session;
    enum err err = ERR_MALFORMED;
    size_t i;
    if (message != NULL)
        err = message->n_subscriptions == 0 || message->n_subscriptions > LIMITS_FILTERS_PER_PACKET
                  ? ERR_INVALID
                  : session_of(store, peer, message->session, message->epoch, &session);
    if (err != OK) {
        if (message != NULL)
            sluice__session_subscribe__free_unpacked(message, NULL);
        peers_reply(store->peers, request, err, slice_of(NULL, 0));
        return;
    }
    job = mem_zalloc(sizeof(*job) + message->n_subscriptions * sizeof(job->items[0]));
    job->id = ++store->next_job;
    job->request = request;
    job->message = message;
    job->session = session->number;
    job->epoch = session->epoch;
    job->count = message->n_subscriptions;
    HASH_ADD(hh, store->subscribe_jobs, id, sizeof(job->id), job);
    for (i = 0; i < job->count; i++) {
        job->items[i].wanted = message->subscriptions[i];
        add_one(store, session, job, &job->items[i]);
    }
    commit_mark(store->commit, committed, store, job->id, 0, 0);
}

struct unsubscribe_job {
    struct call_request request;
    size_t count;
    uint32_t reasons[];
};

static void
unsubscribed(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct unsubscribe_job *job = (struct unsubscribe_job *)(uintptr_t)a;
    Sluice__SessionUnsubscribed answer = SLUICE__SESSION_UNSUBSCRIBED__INIT;
    (void)b;
    (void)c;
    answer.n_reasons = job->count;
    answer.reasons = job->reasons;
    store_reply(store, job->request, OK, &answer);
    mem_free(job);
}

static uint32_t
remove_one(struct store *store, struct session *session, struct slice filter)
{
    enum subscription_change change;
    if (!topic_filter_is_valid(filter))
        return MQTT_TOPIC_FILTER_INVALID;
    if (subscriptions_remove(store->subscriptions, session, filter, &change) != OK)
        return MQTT_NO_SUBSCRIPTION_EXISTED;
    batch_subscription_delete(commit_batch(store->commit), session->number, filter);
    route_change(store, filter, change);
    return 0;
}

void
on_subscription_remove(struct store *store, struct peer *peer, struct call_request request,
                       struct slice body)
{
    Sluice__SessionUnsubscribe *message =
        sluice__session_unsubscribe__unpack(NULL, body.len, body.data);
    struct unsubscribe_job *job;
    struct session *session;
    enum err err = ERR_MALFORMED;
    size_t i;
    if (message != NULL)
        err = message->n_filters == 0 || message->n_filters > LIMITS_FILTERS_PER_PACKET
                  ? ERR_INVALID
                  : session_of(store, peer, message->session, message->epoch, &session);
    if (err != OK) {
        peers_reply(store->peers, request, err, slice_of(NULL, 0));
    } else {
        job = mem_zalloc(sizeof(*job) + message->n_filters * sizeof(job->reasons[0]));
        job->request = request;
        job->count = message->n_filters;
        for (i = 0; i < job->count; i++)
            job->reasons[i] = remove_one(
                store, session, slice_of(message->filters[i].data, message->filters[i].len));
        commit_mark(store->commit, unsubscribed, store, (uint64_t)(uintptr_t)job, 0, 0);
    }
    if (message != NULL)
        sluice__session_unsubscribe__free_unpacked(message, NULL);
}
