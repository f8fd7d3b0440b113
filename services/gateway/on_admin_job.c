/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask about connections, answered by the worker that has them: lists, one client,
 * subscriptions; and sending clients away at a pace. A worker looks at SLOTS_MAX places at most and
 * says where it goes on, so that no packet waits for a list. */
#include "common/address.h"
#include "common/mem.h"
#include "proto/admin_codec.h"
#include "proto/feed_records.h"
#include "services/gateway/admin_job.h"
#include "services/gateway/desk.h"
#include "services/gateway/identity.h"
#include "services/gateway/listener.h"
#include "services/gateway/worker_trace.h"

#define SLOTS_MAX         4096u
#define ITEMS_MAX         1000u
#define SUBSCRIPTIONS_MAX 1000u

static const char *
version_text(uint8_t version)
{
    return version == MQTT_5_0 ? "5.0" : version == MQTT_3_1_1 ? "3.1.1" : "3.1";
}

static void
put_client(struct admin_job *job, const struct connection *connection)
{
    struct admin_writer *writer = &job->writer;
    const struct session *session = connection->session;
    char address[ADDRESS_TEXT_MAX];
    address_format(&connection->address, address);
    admin_text(writer, "client", identity_client_id(connection->identity));
    if (connection->identity->has_user)
        admin_text(writer, "user", identity_user(connection->identity));
    admin_text(writer, "address", slice_cstr(address));
    admin_text(writer, "listener",
               slice_cstr(listener_name((enum listener_kind)connection->listener)));
    admin_text(writer, "version", slice_cstr(version_text(connection->version)));
    admin_number(writer, "connected_ms", (uint64_t)connection->connected_s * 1000);
    admin_number(writer, "keep_alive", connection->keep_alive_s);
    admin_flag(writer, "persistent", (connection->flags & CONNECTION_IS_PERSISTENT) != 0);
    admin_number(writer, "subscriptions", connection->subscription_count);
    admin_number(writer, "inflight", session != NULL ? session->out.count : 0);
    admin_number(writer, "queued", session != NULL ? session->queue_count : 0);
    admin_number(writer, "queued_bytes", session != NULL ? session->queue_bytes : 0);
}

/* An empty text fits everybody. */
static bool
fits(const struct connection *connection, struct slice search, struct slice user)
{
    return connection != NULL && connection->state == CONNECTION_OPEN &&
           slice_has_prefix(identity_client_id(connection->identity), search) &&
           (user.len == 0 || (connection->identity->has_user &&
                              slice_equal(identity_user(connection->identity), user)));
}

static void
list_clients(struct worker *worker, struct admin_job *job)
{
    struct slice search = admin_ask_text(job->ask, "search");
    struct slice user = admin_ask_text(job->ask, "user");
    uint32_t limit = admin_ask_limit(job->ask, ITEMS_MAX);
    uint32_t looks = 0;
    for (; job->slot < worker->slot_count; job->slot++) {
        const struct connection *connection = worker->slots[job->slot].connection;
        if (looks++ == SLOTS_MAX || admin_count(&job->writer) == limit ||
            !admin_has_room(&job->writer))
            return;
        if (!fits(connection, search, user))
            continue;
        put_client(job, connection);
        (void)admin_item_end(&job->writer);
    }
    job->is_done = true;
}

/* ---- subscriptions */

/* False: no more find room. */
static bool
put_subscription(struct admin_job *job, const struct subscription *subscription)
{
    struct admin_writer *writer = &job->writer;
    const struct route *route = subscription->route;
    if (admin_count(writer) == SUBSCRIPTIONS_MAX || !admin_has_room(writer))
        return false;
    admin_text(writer, "client", identity_client_id(subscription->connection->identity));
    admin_text(writer, "filter", slice_of(route->filter, route->filter_len));
    admin_number(writer, "qos", subscription->flags & SUBSCRIPTION_QOS);
    admin_flag(writer, "no_local", (subscription->flags & SUBSCRIPTION_NO_LOCAL) != 0);
    admin_flag(writer, "retain_as_published",
               (subscription->flags & SUBSCRIPTION_AS_PUBLISHED) != 0);
    if (subscription->identifier != 0)
        admin_number(writer, "identifier", subscription->identifier);
    admin_flag(writer, "persistent", (subscription->flags & SUBSCRIPTION_PERSISTENT) != 0);
    admin_flag(writer, "connected", true);
    (void)admin_item_end(writer);
    return true;
}

static void
list_matches(struct worker *worker, struct admin_job *job, struct slice topic)
{
    size_t count;
    struct route *const *routes = client_routes_match(worker->routes, topic, &count);
    for (size_t i = 0; i < count; i++) {
        const struct route *route = routes[i];
        for (uint32_t k = 0; k < route->count; k++) {
            const struct subscription *subscription =
                route->size == 0 ? route->list.one : route->list.many[k];
            if (subscription->connection->identity != NULL && !put_subscription(job, subscription))
                return;
        }
    }
}

static void
list_subscriptions(struct worker *worker, struct admin_job *job)
{
    struct slice topic = admin_ask_text(job->ask, "topic");
    job->is_done = true;
    if (topic.len != 0) {
        list_matches(worker, job, topic);
        return;
    }
    const struct connection *connection =
        connection_get(worker, admin_ask_number(job->ask, "conn"));
    if (connection == NULL || connection->state != CONNECTION_OPEN)
        return;
    const struct subscription *one = connection->subscriptions;
    while (one != NULL && put_subscription(job, one))
        one = one->next;
}

void
desk_admin(struct worker *worker, struct admin_job *job)
{
    uint64_t conn = admin_ask_number(job->ask, "conn");
    const struct connection *connection = connection_get(worker, conn);
    if (job->method == CALL_ADMIN_SUBSCRIPTIONS) {
        list_subscriptions(worker, job);
    } else if (conn != 0) {
        job->is_done = true;
        if (connection != NULL && connection->state == CONNECTION_OPEN) {
            put_client(job, connection);
            (void)admin_item_end(&job->writer);
        }
    } else {
        list_clients(worker, job);
    }
    worker_to_hub(worker, &(struct post){.kind = POST_ADMIN_DONE, .body = job});
}

/* ---- traces */

void
desk_trace(struct worker *worker, uint64_t number, bool begins, struct admin_job *job)
{
    if (begins && job != NULL)
        worker_trace_begin(worker, number, admin_ask_text(job->ask, "client"),
                           admin_ask_text(job->ask, "topic"));
    else
        worker_trace_end(worker, number);
    admin_job_free(job);
}

/* ---- sending away */

void
desk_sweep(struct worker *worker, uint32_t per_second, bool is_emptying, struct admin_job *job)
{
    admin_job_free(worker->sweep.job);
    worker->sweep = (struct sweep){
        .job = job, .per_second = per_second, .is_on = per_second != 0, .is_emptying = is_emptying};
}

void
desk_sweep_tick(struct worker *worker, uint32_t tick_ms)
{
    struct sweep *sweep = &worker->sweep;
    bool is_any = sweep->job == NULL;
    struct slice search = is_any ? slice_of(NULL, 0) : admin_ask_text(sweep->job->ask, "search");
    struct slice user = is_any ? slice_of(NULL, 0) : admin_ask_text(sweep->job->ask, "user");
    bool elsewhere = worker->options.server_reference[0] != '\0';
    uint32_t looks = 0;
    if (!sweep->is_on)
        return;
    sweep->credit += (uint64_t)sweep->per_second * tick_ms;
    for (; sweep->credit >= 1000 && sweep->slot < worker->slot_count && looks < SLOTS_MAX;
         looks++) {
        struct connection *connection = worker->slots[sweep->slot++].connection;
        if (!fits(connection, search, user))
            continue;
        connection_fail(connection, !is_any     ? MQTT_ADMINISTRATIVE_ACTION
                                    : elsewhere ? MQTT_USE_ANOTHER_SERVER
                                                : MQTT_SERVER_SHUTTING_DOWN);
        sweep->credit -= 1000;
    }
    if (sweep->slot < worker->slot_count)
        return;
    sweep->slot = 0;
    sweep->credit = 0;
    sweep->is_on = sweep->is_emptying; /* who was being opened meanwhile */
}
