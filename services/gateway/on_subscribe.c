/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SUBSCRIBE and UNSUBSCRIBE. A subscription counts here at once; SUBACK waits until every filter is
 * known wherever a publish could come from (POST_FILTER_READY) and, for a persistent session, until
 * the store has committed it. What fails or takes too long is refused and undone, never half done.
 */
#include <string.h>

#include "common/mem.h"
#include "proto/mqtt_decode.h"
#include "proto/mqtt_encode.h"
#include "services/gateway/access_book.h"
#include "services/gateway/client_subscriptions.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/desk.h"
#include "services/gateway/sys_values.h"
#include "services/gateway/worker_trace.h"

/* SUBSCRIBEs and UNSUBSCRIBEs that may wait for answers before the client is read no further. */
#define SUBACKS_FULL 256u

struct suback {
    struct suback *next;
    uint64_t id;
    uint64_t store_ticket;             /* 0: the store has nothing to say, or has said it */
    struct subscribe_request *request; /* what the store was asked (persistent) */
    struct retained_fetch *retained;   /* to be asked for after SUBACK */
    struct retained_fetch **retained_end;
    uint16_t *asked;  /* of each subscription in request: which one of the packet it is */
    uint32_t waiting; /* answers */
    uint16_t packet_id;
    uint16_t count;
    bool is_unsubscribe;
    uint8_t reasons[];
};

static struct suback *
suback_new(struct worker *worker, const struct mqtt_subscribe *packet, bool is_unsubscribe)
{
    struct suback *suback = mem_zalloc(sizeof(*suback) + packet->filter_count);
    suback->id = ++worker->next_pending;
    suback->packet_id = packet->packet_id;
    suback->count = packet->filter_count;
    suback->is_unsubscribe = is_unsubscribe;
    suback->retained_end = &suback->retained;
    return suback;
}

static void
suback_free(struct connection *connection, struct suback *suback)
{
    mem_free(suback->asked);
    subscribe_request_free(suback->request);
    retained_fetch_free_all(connection, suback->retained);
    mem_free(suback);
}

/* What is still to be fetched for this filter is not wanted any more. */
static void
cancel_retained(struct connection *connection, struct slice filter)
{
    retained_fetch_cancel(connection, &connection->retained, filter);
    for (struct suback *suback = connection->subacks; suback != NULL; suback = suback->next)
        retained_fetch_cancel(connection, &suback->retained, filter);
    desk_retained_continue(connection);
}

static void
drop(struct connection *connection, struct subscription *subscription)
{
    if (connection->retained_seen != NULL)
        cancel_retained(connection, route_filter(subscription->route));
    client_subscriptions_remove(connection, subscription);
}

static bool
drop_filter(struct connection *connection, struct slice filter)
{
    struct subscription *subscription = client_subscriptions_find(connection, filter);
    if (subscription == NULL)
        return false;
    drop(connection, subscription);
    return true;
}

/* Tells the store to forget what was refused here, whether it took it or not. */
static void
undo_at_store(struct connection *connection, const struct suback *suback)
{
    const struct subscribe_request *request = suback->request;
    struct subscribe_request undo = {.session = connection->session_number,
                                     .epoch = connection->epoch};
    undo.subscriptions = mem_zalloc_array(request->count, sizeof(*undo.subscriptions));
    for (uint32_t i = 0; i < request->count; i++) {
        if (suback->reasons[suback->asked[i]] >= MQTT_UNSPECIFIED_ERROR)
            undo.subscriptions[undo.count++] = request->subscriptions[i];
    }
    if (undo.count > 0)
        worker_to_hub(connection->worker, &(struct post){.kind = POST_UNSUBSCRIBE,
                                                         .conn = connection->handle,
                                                         .a = ++connection->worker->next_ticket,
                                                         .body = subscribe_request_new(&undo)});
    mem_free(undo.subscriptions);
}

/* Sends SUBACK or UNSUBACK and frees it. */
static void
finish(struct connection *connection, struct suback *suback)
{
    struct worker *worker = connection->worker;
    struct slice codes = slice_of(suback->reasons, suback->count);
    enum mqtt_version version = (enum mqtt_version)connection->version;
    size_t n;
    buf_reset(&worker->scratch);
    if (suback->is_unsubscribe)
        n = mqtt_encode_unsuback(version, suback->packet_id, codes, NULL, connection->max_packet,
                                 &worker->scratch);
    else
        n = mqtt_encode_suback(version, suback->packet_id, codes, NULL, connection->max_packet,
                               &worker->scratch);
    if (n == 0)
        connection_fail(connection, MQTT_PACKET_TOO_LARGE);
    else
        connection_send(connection, buf_slice(&worker->scratch));
    if (suback->retained != NULL) {
        struct retained_fetch **end = &connection->retained;
        while (*end != NULL)
            end = retained_fetch_next(*end);
        *end = suback->retained;
        suback->retained = NULL;
        desk_retained_continue(connection);
    }
    if (suback->request != NULL && !suback->is_unsubscribe)
        undo_at_store(connection, suback);
    suback_free(connection, suback);
}

/* One more, or one less, waits for its answers. */
static void
count_suback(struct connection *connection, int change)
{
    connection->suback_count += (uint32_t)change;
    if (connection->suback_count == SUBACKS_FULL && change > 0)
        connection_pause(connection, PAUSE_SUBACK, true);
    else if (connection->suback_count == SUBACKS_FULL / 2)
        connection_pause(connection, PAUSE_SUBACK, false);
}

/* Waits for its answers, or is finished when there are none to come. */
static void
settle(struct connection *connection, struct suback *suback)
{
    if (suback->waiting == 0) {
        finish(connection, suback);
        return;
    }
    struct suback **end = &connection->subacks;
    while (*end != NULL)
        end = &(*end)->next;
    *end = suback;
    count_suback(connection, 1);
}

/* One answer has come. */
static void
answered(struct connection *connection, struct suback *suback)
{
    if (--suback->waiting > 0 || connection->state != CONNECTION_OPEN)
        return;
    struct suback **at = &connection->subacks;
    while (*at != suback)
        at = &(*at)->next;
    *at = suback->next;
    count_suback(connection, -1);
    finish(connection, suback);
}

static struct suback *
find_suback(const struct connection *connection, uint64_t id, uint64_t store_ticket)
{
    struct suback *suback = connection->subacks;
    while (suback != NULL && (id != 0 ? suback->id != id : suback->store_ticket != store_ticket))
        suback = suback->next;
    return suback;
}

/* Asks the store about the subscriptions of a persistent session; takes what list holds by copying.
 */
static void
ask_store(struct connection *connection, struct suback *suback, uint8_t kind,
          struct session_subscription *list, uint32_t count)
{
    struct worker *worker = connection->worker;
    struct subscribe_request request = {.session = connection->session_number,
                                        .epoch = connection->epoch,
                                        .count = count,
                                        .subscriptions = list};
    if (count == 0)
        return;
    suback->request = subscribe_request_new(&request);
    suback->store_ticket = ++worker->next_ticket;
    suback->waiting++;
    worker_to_hub(worker, &(struct post){.kind = kind,
                                         .conn = connection->handle,
                                         .a = suback->store_ticket,
                                         .body = subscribe_request_new(&request)});
}

static const char *
qos_of(const struct mqtt_subscription *wanted)
{
    return wanted->qos == 0 ? "QoS 0" : wanted->qos == 1 ? "QoS 1" : "QoS 2";
}

/* What the store is told: where retained messages are off it sends none. */
static uint8_t
retained_wanted(const struct connection *connection, const struct mqtt_subscription *wanted)
{
    return connection->worker->options.retain_available ? wanted->retain_handling : 2;
}

static uint8_t
subscribe_one(struct connection *connection, struct suback *suback, uint16_t index,
              const struct mqtt_subscription *wanted, uint32_t identifier)
{
    struct worker *worker = connection->worker;
    bool persistent = (connection->flags & CONNECTION_IS_PERSISTENT) != 0;
    if (wanted->reason != MQTT_SUCCESS)
        return (uint8_t)wanted->reason;
    if (!access_book_may_subscribe(connection->grant, wanted->filter)) {
        TRACE(connection, "subscribe_denied", slice_of(NULL, 0),
              "no rule allows this user to subscribe to that filter");
        connection_dropped(connection, DROP_DENIED_SUBSCRIBE);
        return MQTT_NOT_AUTHORIZED;
    }
    if (!client_subscriptions_has_room(connection, wanted->filter) &&
        client_subscriptions_find(connection, wanted->filter) == NULL)
        return MQTT_QUOTA_EXCEEDED;
    bool is_share = wanted->share_group.len > 0;
    struct route *route = client_routes_add(worker->routes, wanted->filter);
    if (route == NULL)
        return MQTT_QUOTA_EXCEEDED;
    route->is_share = is_share;
    struct subscription *subscription = client_subscriptions_get(connection, route);
    bool is_new = subscription == NULL;
    if (!is_new && !retained_fetch_has_room(connection))
        return MQTT_QUOTA_EXCEEDED;
    TRACE(connection, "subscribed", slice_of(NULL, 0), qos_of(wanted));
    if (is_new)
        subscription = client_subscriptions_add(connection, route);
    client_subscriptions_set(subscription, wanted->qos, wanted->no_local,
                             wanted->retain_as_published, persistent, identifier);
    struct ticket_waiter waiter = {
        .conn = connection->handle, .pending_id = suback->id, .index = index};
    if (!worker_want_route(worker, route, is_new, &waiter))
        suback->waiting++;
    /* What is retained the store sends to persistent sessions; the values of $SYS only we know.
     * Nothing retained comes to a shared subscription [4.8.2]. */
    if ((!persistent || sys_values_is_topic(wanted->filter)) && !is_share &&
        worker->options.retain_available &&
        (wanted->retain_handling == 0 || (wanted->retain_handling == 1 && is_new))) {
        *suback->retained_end =
            retained_fetch_new(connection, wanted->filter, wanted->qos, identifier);
        suback->retained_end = retained_fetch_next(*suback->retained_end);
    }
    return wanted->qos;
}

void
desk_subscribe(struct connection *connection, const struct mqtt_frame *frame)
{
    struct mqtt_subscribe packet;
    enum mqtt_reason reason;
    if (mqtt_decode_subscribe((enum mqtt_version)connection->version, frame, &packet, &reason) !=
        OK) {
        connection_fail(connection, reason);
        return;
    }
    uint32_t identifier = connection->version == MQTT_5_0 ? packet.properties.subscription_id : 0;
    struct suback *suback = suback_new(connection->worker, &packet, false);
    struct session_subscription *list = NULL;
    uint32_t count = 0;
    if (connection->flags & CONNECTION_IS_PERSISTENT) {
        list = mem_zalloc_array(packet.filter_count, sizeof(*list));
        suback->asked = mem_zalloc_array(packet.filter_count, sizeof(*suback->asked));
    }
    struct mqtt_subscription wanted;
    size_t pos = 0;
    for (uint16_t i = 0;
         i < packet.filter_count && mqtt_decode_subscribe_next(&packet, &pos, &wanted); i++) {
        suback->reasons[i] = subscribe_one(connection, suback, i, &wanted, identifier);
        if (list == NULL || suback->reasons[i] >= MQTT_UNSPECIFIED_ERROR)
            continue;
        suback->asked[count] = i;
        list[count++] =
            (struct session_subscription){.filter = wanted.filter,
                                          .identifier = identifier,
                                          .qos = wanted.qos,
                                          .retain_handling = retained_wanted(connection, &wanted),
                                          .no_local = wanted.no_local,
                                          .retain_as_published = wanted.retain_as_published};
    }
    ask_store(connection, suback, POST_SUBSCRIBE, list, count);
    mem_free(list);
    settle(connection, suback);
}

void
desk_unsubscribe(struct connection *connection, const struct mqtt_frame *frame)
{
    struct mqtt_subscribe packet;
    enum mqtt_reason reason;
    if (mqtt_decode_unsubscribe((enum mqtt_version)connection->version, frame, &packet, &reason) !=
        OK) {
        connection_fail(connection, reason);
        return;
    }
    struct suback *suback = suback_new(connection->worker, &packet, true);
    struct session_subscription *list = NULL;
    uint32_t count = 0;
    if (connection->flags & CONNECTION_IS_PERSISTENT) {
        list = mem_zalloc_array(packet.filter_count, sizeof(*list));
        suback->asked = mem_zalloc_array(packet.filter_count, sizeof(*suback->asked));
    }
    struct slice filter;
    size_t pos = 0;
    for (uint16_t i = 0;
         i < packet.filter_count && mqtt_decode_unsubscribe_next(&packet, &pos, &filter); i++) {
        suback->reasons[i] =
            drop_filter(connection, filter) ? MQTT_SUCCESS : MQTT_NO_SUBSCRIPTION_EXISTED;
        if (list == NULL)
            continue;
        suback->asked[count] = i;
        list[count++] = (struct session_subscription){.filter = filter};
    }
    ask_store(connection, suback, POST_UNSUBSCRIBE, list, count);
    mem_free(list);
    settle(connection, suback);
}

/* SUBACK and UNSUBACK when something of ours failed: no room, or "valid, but not accepted" (0x83)
 * for what may work the next time. */
static uint8_t
refusal(enum err err)
{
    switch (err) {
    case ERR_QUOTA:
    case ERR_NO_SPACE:
        return MQTT_QUOTA_EXCEEDED;
    case ERR_BUSY:
    case ERR_TIMEOUT:
    case ERR_PEER_LOST:
    case ERR_UNAVAILABLE:
        return MQTT_IMPLEMENTATION_ERROR;
    default:
        return MQTT_UNSPECIFIED_ERROR;
    }
}

void
desk_filter_ready(struct worker *worker, uint64_t id, enum err err)
{
    struct ticket *ticket;
    HASH_FIND(hh, worker->tickets, &id, sizeof(id), ticket);
    if (ticket == NULL)
        return;
    for (uint32_t i = 0; i < ticket->count; i++) {
        const struct ticket_waiter *waiter = &ticket->waiters[i];
        struct connection *connection = connection_get(worker, waiter->conn);
        if (connection != NULL && waiter->pending_id == 0) {
            desk_restored(connection, err);
            continue;
        }
        struct suback *suback =
            connection != NULL ? find_suback(connection, waiter->pending_id, 0) : NULL;
        if (suback == NULL)
            continue;
        if (err != OK && waiter->index < suback->count) {
            suback->reasons[waiter->index] = refusal(err);
            struct subscription *subscription =
                ticket->route != NULL ? client_subscriptions_get(connection, ticket->route) : NULL;
            if (subscription != NULL)
                drop(connection,
                     subscription); /* the last one ends the route: ticket->route is NULL then */
        }
        answered(connection, suback);
    }
    if (ticket->route != NULL)
        ticket->route->ticket = NULL;
    HASH_DEL(worker->tickets, ticket);
    mem_free(ticket->waiters);
    mem_free(ticket);
}

static void
take_answer(struct connection *connection, struct suback *suback, enum err err,
            const struct subscribe_answer *answer)
{
    const struct subscribe_request *request = suback->request;
    for (uint32_t i = 0; i < request->count; i++) {
        uint8_t reason = refusal(err);
        if (err == OK && answer != NULL && i < answer->count)
            reason = answer->reasons[i];
        uint8_t *mine = &suback->reasons[suback->asked[i]];
        if (suback->is_unsubscribe) {
            *mine = reason;
        } else if (*mine < MQTT_UNSPECIFIED_ERROR) {
            *mine = reason;
            if (reason >= MQTT_UNSPECIFIED_ERROR)
                drop_filter(connection, request->subscriptions[i].filter);
        }
    }
}

void
desk_subscribed(struct connection *connection, uint64_t ticket, enum err err,
                struct subscribe_answer *answer)
{
    struct suback *suback = ticket != 0 ? find_suback(connection, 0, ticket) : NULL;
    if (suback != NULL) {
        suback->store_ticket = 0;
        take_answer(connection, suback, err, answer);
        answered(connection, suback);
    }
    subscribe_answer_free(answer);
}

/* The store must not keep what is taken away here. */
static void
revoke_at_store(struct connection *connection, struct slice filter)
{
    struct session_subscription one = {.filter = filter};
    const struct subscribe_request request = {.session = connection->session_number,
                                              .epoch = connection->epoch,
                                              .count = 1,
                                              .subscriptions = &one};
    connection_dropped(connection, DROP_REVOKED);
    if (connection->flags & CONNECTION_IS_PERSISTENT)
        worker_to_hub(connection->worker, &(struct post){.kind = POST_UNSUBSCRIBE,
                                                         .conn = connection->handle,
                                                         .a = ++connection->worker->next_ticket,
                                                         .body = subscribe_request_new(&request)});
}

bool
desk_restore_subscription(struct connection *connection,
                          const struct session_subscription *subscription)
{
    struct worker *worker = connection->worker;
    if (!access_book_may_subscribe(connection->grant, subscription->filter)) {
        revoke_at_store(connection, subscription->filter); /* rules changed while it was away */
        return true;
    }
    struct route *route = client_routes_add(worker->routes, subscription->filter);
    if (route == NULL)
        return true; /* QoS 1 and 2 still come from the store */
    route->is_share = slice_has_prefix(subscription->filter, slice_cstr("$share/"));
    struct subscription *mine = client_subscriptions_get(connection, route);
    bool is_new = mine == NULL;
    if (is_new)
        mine = client_subscriptions_add(connection, route);
    client_subscriptions_set(mine, subscription->qos & SUBSCRIPTION_QOS, subscription->no_local,
                             subscription->retain_as_published,
                             (connection->flags & CONNECTION_IS_PERSISTENT) != 0,
                             subscription->identifier);
    struct ticket_waiter waiter = {.conn = connection->handle};
    return worker_want_route(worker, route, is_new, &waiter);
}

void
desk_recheck_subscriptions(struct connection *connection)
{
    struct subscription *subscription = connection->subscriptions;
    while (subscription != NULL) {
        struct subscription *next = subscription->next;
        struct slice filter = route_filter(subscription->route);
        if (!access_book_may_subscribe(connection->grant, filter)) {
            revoke_at_store(connection, filter);
            drop(connection, subscription);
        }
        subscription = next;
    }
}

void
desk_drop_subscriptions(struct connection *connection)
{
    while (connection->subacks != NULL) {
        struct suback *suback = connection->subacks;
        connection->subacks = suback->next;
        suback_free(connection, suback);
    }
    while (connection->subscriptions != NULL)
        drop(connection, connection->subscriptions);
}
