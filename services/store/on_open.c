/* SPDX-License-Identifier: Apache-2.0 */
/* CALL_SESSION_OPEN: a client connects. Who had this client id before (take over), what of its
 * session is left, and a new epoch; answered when that is durable.
 *
 * The same request sent again (the answer was lost) finds the epoch that it made before. An answer
 * whose epoch has passed while it waited for the disk says so: the connection was taken over. */
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/calls.pb-c.h"
#include "proto/mqtt_packet.h"
#include "services/store/desks.h"
#include "services/store/neighbours.h"
#include "services/store/open_request.h"
#include "services/store/session_ending.h"
#include "services/store/session_life.h"

#include <string.h>

#define DEADLINE_MS  10000u
#define ASSIGNED_LEN 23u /* every server must take ids of this length [MQTT-3.1.3-5] */

struct open_job {
    struct store *store;
    struct call_request request;
    uint32_t peer;
    uint64_t incarnation;
    uint64_t deadline_ms; /* monotonic: nobody waits after it */
    Sluice__SessionOpen *open;
    /* once decided */
    struct session *session;
    uint64_t epoch;
};

static void
job_free(struct open_job *job)
{
    sluice__session_open__free_unpacked(job->open, NULL);
    mem_free(job);
}

static void
refuse(struct open_job *job, uint8_t reason)
{
    Sluice__SessionOpened answer = SLUICE__SESSION_OPENED__INIT;
    answer.reason = reason;
    metric_counter_add(job->store->counters.refused, 1);
    store_reply(job->store, job->request, OK, &answer);
    job_free(job);
}

static void
add_subscriptions(const struct session *session, Sluice__SessionOpened *answer)
{
    const struct subscription *subscription;
    size_t count = session->lasting->subscription_count;
    Sluice__Subscription *rows = mem_zalloc_array(count + 1, sizeof(*rows));
    answer->subscriptions = mem_zalloc_array(count + 1, sizeof(Sluice__Subscription *));
    for (subscription = session->lasting->subscriptions; subscription != NULL;
         subscription = subscription->next) {
        Sluice__Subscription *row = &rows[answer->n_subscriptions];
        struct slice filter = subscription_filter_text(subscription);
        sluice__subscription__init(row);
        /* only read by the packer */
        row->filter.data = (uint8_t *)(uintptr_t)filter.data;
        row->filter.len = filter.len;
        row->qos = subscription->options.qos;
        row->no_local = subscription->options.no_local;
        row->retain_as_published = subscription->options.retain_as_published;
        row->retain_handling = subscription->options.retain_handling;
        row->identifier = subscription->options.identifier;
        answer->subscriptions[answer->n_subscriptions++] = row;
    }
    if (answer->n_subscriptions == 0)
        mem_free(rows);
}

static void
add_inbound(const struct session *session, Sluice__SessionOpened *answer)
{
    const struct lasting *lasting = session->lasting;
    uint32_t i;
    answer->inbound = mem_zalloc_array(lasting->inbound_count + 1u, sizeof(uint32_t));
    for (i = 0; i < lasting->inbound_count; i++) {
        /* one that is still on its way is not named: its publish, sent again, waits for it */
        if (lasting->inbound[i].state == SESSION_INBOUND_DONE)
            answer->inbound[answer->n_inbound++] = lasting->inbound[i].packet_id;
    }
}

static void
welcome(struct open_job *job)
{
    struct session *session = job->session;
    Sluice__SessionOpened answer = SLUICE__SESSION_OPENED__INIT;
    if (session->state != SESSION_CONNECTED || session->epoch != job->epoch) {
        refuse(job, MQTT_SESSION_TAKEN_OVER);
        return;
    }
    answer.session_present = session->present;
    answer.session = session->number;
    answer.epoch = session->epoch;
    answer.client_id.data = session->client;
    answer.client_id.len = session->client_len;
    if (session->lasting != NULL && session->present) {
        add_subscriptions(session, &answer);
        add_inbound(session, &answer);
    }
    metric_counter_add(job->store->counters.opens, 1);
    store_reply(job->store, job->request, OK, &answer);
    if (answer.n_subscriptions != 0)
        mem_free(answer.subscriptions[0]);
    mem_free(answer.subscriptions);
    mem_free(answer.inbound);
    job_free(job);
}

static void
committed(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    (void)arg;
    (void)b;
    (void)c;
    welcome((struct open_job *)(uintptr_t)a);
}

static void
answer_when_durable(struct open_job *job)
{
    commit_mark(job->store->commit, committed, job->store, (uint64_t)(uintptr_t)job, 0, 0);
}

static void admit(struct open_job *job, struct owner *owner);

/* The gateway that asked, if it still is in session. */
static struct owner *
owner_of(const struct open_job *job)
{
    struct peer *peer = peers_by_id(job->store->peers, job->peer);
    struct owner *owner = peer != NULL ? store_link_owner(peer) : NULL;
    return owner != NULL && owner->incarnation == job->incarnation ? owner : NULL;
}

/* The session that ends for this one can end now. */
static void
rest_was_read(struct store *store, uint64_t session, void *arg, enum err err)
{
    struct open_job *job = arg;
    struct owner *owner = owner_of(job);
    (void)session;
    if (owner == NULL)
        err = ERR_PEER_LOST;
    else if (clock_monotonic_ms() > job->deadline_ms)
        err = ERR_UNAVAILABLE;
    if (err == OK) {
        admit(job, owner);
    } else {
        peers_reply(store->peers, job->request, err, slice_of(NULL, 0));
        job_free(job);
    }
}

static void
admit(struct open_job *job, struct owner *owner)
{
    struct store *store = job->store;
    const Sluice__SessionOpen *open = job->open;
    char assigned[ASSIGNED_LEN + 1];
    struct slice client_id = slice_of(open->client_id.data, open->client_id.len);
    struct session *session;
    bool touched_disk = false;
    bool lasting = open->expiry_s != 0;
    if (client_id.len == 0) {
        do {
            (void)str_format(assigned, sizeof(assigned), "sluice-%016llx",
                             (unsigned long long)crypt_random_u64());
            client_id = slice_cstr(assigned);
        } while (!neighbours_is_ours(store, client_id)); /* one of `shards` is */
    }
    session = sessions_by_client(store->sessions, client_id);
    if (session != NULL && session->request == open->request && open->request != 0 &&
        session->owner == owner && session->conn == open->conn) {
        job->session = session;
        job->epoch = session->epoch;
        answer_when_durable(job);
        return;
    }
    if ((lasting || (session != NULL && session->lasting != NULL)) &&
        commit_state(store->commit) != OK) {
        peers_reply(store->peers, job->request, commit_state(store->commit), slice_of(NULL, 0));
        job_free(job);
        return;
    }
    if (session != NULL) {
        /* The connection that is taken over ends here, and with an expiry of 0 its session. */
        bool ended = (session->state != SESSION_DISCONNECTED && session->expiry_s == 0) ||
                     (session->lasting != NULL && session->lasting->ending);
        bool goes_on = !open->clean_start && session->lasting != NULL && !ended;
        touched_disk = session->lasting != NULL;
        session_life_take(store, session, !goes_on, MQTT_SESSION_TAKEN_OVER);
        if (!goes_on) {
            if (session->lasting != NULL)
                session->lasting->ending = true;
            if (session_ending_must_wait(store, session, rest_was_read, job))
                return;
            session_life_end(store, session);
            session = NULL;
        }
    }
    job->session = session;
    if (session == NULL) {
        uint64_t number = sessions_next_number(store->sessions);
        if ((lasting && store->persistent >= store->config->persistent_max) ||
            sessions_add(store->sessions, client_id, number, &session) != OK) {
            metric_counter_add(store->counters.quota, 1);
            refuse(job, MQTT_QUOTA_EXCEEDED);
            return;
        }
        if (lasting) {
            session_make_lasting(session, 1);
            store->persistent++;
            session->lasting->created_ms = store_wall_ms(store);
        }
    }
    session->present = job->session != NULL;
    session->epoch = sessions_next_number(store->sessions);
    session->request = open->request;
    session_life_connect(store, session, owner, open->conn);
    open_request_apply(store, session, open);
    if (session->lasting != NULL) {
        session_life_save(store, session);
        session_life_save_will(store, session);
        touched_disk = true;
    }
    job->session = session;
    job->epoch = session->epoch;
    if (touched_disk)
        answer_when_durable(job);
    else
        welcome(job);
}

void
on_open(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    struct owner *owner = store_link_owner(peer);
    Sluice__SessionOpen *open;
    struct open_job *job;
    enum err err = !store->serving ? ERR_UNAVAILABLE
                   : owner == NULL ? ERR_DENIED
                                   : commit_room(store->commit);
    if (err != OK) {
        peers_reply(store->peers, request, err, slice_of(NULL, 0));
        return;
    }
    open = sluice__session_open__unpack(NULL, body.len, body.data);
    if (open == NULL || !open_request_is_valid(open)) {
        if (open != NULL)
            sluice__session_open__free_unpacked(open, NULL);
        metric_counter_add(store->counters.malformed, 1);
        peers_reply(store->peers, request, ERR_MALFORMED, slice_of(NULL, 0));
        return;
    }
    if (open->client_id.len != 0 &&
        !neighbours_is_ours(store, slice_of(open->client_id.data, open->client_id.len))) {
        sluice__session_open__free_unpacked(open, NULL);
        neighbours_refused(store, "session_open");
        peers_reply(store->peers, request, ERR_INVALID, slice_of(NULL, 0));
        return;
    }
    job = mem_zalloc(sizeof(*job));
    job->store = store;
    job->request = request;
    job->peer = peer_id(peer);
    job->incarnation = owner->incarnation;
    job->deadline_ms = clock_monotonic_ms() + DEADLINE_MS;
    job->open = open;
    if (open->admitted)
        admit(job, owner);
    else
        refuse(job, MQTT_SERVER_UNAVAILABLE);
}
