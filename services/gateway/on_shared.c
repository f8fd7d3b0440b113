/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for members of shared subscriptions. The core chose this gateway, the hub this worker;
 * here the client is chosen: the one picked if it can take the message, else the next. What nobody
 * can take, and what a client that goes had not finished, is handed back.
 *
 * When is a message finished (so that nobody else gets it)? QoS 0: when it is sent. QoS 1: when it
 * is acknowledged, with whatever reason [MQTT-4.8.2-6]. QoS 2: from its first byte on: it may not
 * go to another client then [MQTT-4.8.2-5].
 */
#include "common/mem.h"
#include "proto/feed_records.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/desk.h"
#include "services/gateway/handout.h"

static void
tell_done(struct worker *worker, const struct handout *handout)
{
    if (handout->number != 0)
        worker_to_hub(
            worker,
            &(struct post){.kind = POST_SHARED_DONE, .a = handout->number, .aux = handout->core});
}

static void
finished(struct worker *worker, struct handout *handout)
{
    tell_done(worker, handout);
    handout_free(handout);
}

static void
hand_back(struct worker *worker, struct handout *handout, uint8_t flags)
{
    worker->counts.shared_returned++;
    worker_to_hub(worker,
                  &(struct post){.kind = POST_SHARED_RETURN, .flags = flags, .body = handout});
}

void
desk_shared_sent(struct connection *connection, struct handout *handout, enum deliver_result result,
                 uint16_t packet_id, uint8_t qos)
{
    struct session *session = connection->session;
    if (result == DELIVER_TOO_LARGE) {
        hand_back(connection->worker, handout, SHARED_FULL);
    } else if (result == DELIVER_SENT && qos == 1) {
        handout->packet_id = packet_id;
        HASH_ADD(hh, session->handouts, packet_id, sizeof(handout->packet_id), handout);
    } else {
        finished(connection->worker, handout);
    }
}

void
desk_shared_acked(struct connection *connection, uint16_t packet_id)
{
    struct session *session = connection->session;
    struct handout *handout;
    HASH_FIND(hh, session->handouts, &packet_id, sizeof(packet_id), handout);
    if (handout == NULL)
        return;
    HASH_DEL(session->handouts, handout);
    finished(connection->worker, handout);
}

/* Whether this member gets messages of the QoS from here; those that a persistent session gets with
 * QoS 1 and 2 come from the store. */
static bool
is_member(const struct subscription *member, uint8_t qos)
{
    return member->connection->state == CONNECTION_OPEN &&
           (qos == 0 || (member->flags & SUBSCRIPTION_QOS) == 0 ||
            !(member->flags & SUBSCRIPTION_PERSISTENT));
}

static bool
queue_for(struct connection *connection, struct publication *publication,
          const struct subscription *member, uint8_t qos, bool retain, struct handout *handout)
{
    struct session *session = connection_session(connection);
    struct message *message = message_ref(publication_message(publication));
    if (session_queue_push(session, message, qos, retain, &member->identifier,
                           member->identifier != 0) != OK) {
        message_unref(message);
        return false;
    }
    session_queue_handout(session, handout);
    return true;
}

/* True: it is taken, or nobody needs it any more; the handout is gone. */
static bool
give(const struct subscription *member, struct publication *publication, struct handout *handout,
     bool may_wait)
{
    struct connection *connection = member->connection;
    struct worker *worker = connection->worker;
    struct session *session = NULL;
    uint8_t qos = member->flags & SUBSCRIPTION_QOS;
    bool retain = publication->retain && (member->flags & SUBSCRIPTION_AS_PUBLISHED);
    bool is_slow = connection->output.len > worker->options.max_output;
    uint16_t id = 0;
    if (qos > publication->qos)
        qos = publication->qos;
    if (qos > 0) {
        session = connection_session(connection);
        if (is_slow || !session_has_room(session))
            return may_wait && queue_for(connection, publication, member, qos, retain, handout);
        id = session_take_id(session, qos);
    } else if (is_slow) {
        return false;
    }
    enum deliver_result result = deliver_encode(connection, publication, qos, retain, false, id,
                                                &member->identifier, member->identifier != 0);
    if (result != DELIVER_SENT && id != 0)
        idmap_remove(&session->out, id);
    if (result == DELIVER_TOO_LARGE)
        return false; /* another one may take larger packets */
    if (result == DELIVER_EXPIRED)
        connection_dropped(connection, DROP_EXPIRED);
    desk_shared_sent(connection, handout, result, id, qos);
    return true;
}

/* The pick-th of those that get messages of the QoS from here. */
static uint32_t
first_of(const struct route *route, uint32_t pick, uint8_t qos)
{
    uint32_t members = qos == 0 ? route->count : route->count - route->store_count;
    if (members == 0)
        return 0;
    pick %= members;
    if (members == route->count)
        return pick;
    for (uint32_t i = 0; i < route->count; i++) {
        if (is_member(route_list(route)[i], qos) && pick-- == 0)
            return i;
    }
    return 0;
}

void
desk_shared(struct worker *worker, uint32_t pick, struct handout *handout)
{
    const struct route *route = client_routes_get(worker->routes, handout_share(handout));
    uint8_t qos = handout->message->qos;
    struct publication publication;
    int waits = handout->hops > 0 ? 1 : 0; /* at first somebody elsewhere may be free */
    bool any = false;
    uint32_t first = route != NULL ? first_of(route, pick, qos) : 0;
    publication_of(handout->message, &publication);
    for (int may_wait = 0; may_wait <= waits && route != NULL; may_wait++) {
        for (uint32_t i = 0; i < route->count; i++) {
            const struct subscription *member = route_list(route)[(first + i) % route->count];
            if (!is_member(member, qos))
                continue;
            any = true;
            if (give(member, &publication, handout, may_wait != 0))
                return;
        }
    }
    if (qos > 0) {
        hand_back(worker, handout, any ? SHARED_FULL : 0);
    } else {
        worker->counts.dropped[DROP_SLOW]++;
        handout_free(handout);
    }
}

void
desk_shared_end(struct connection *connection)
{
    struct session *session = connection->session;
    struct session_queued queued;
    struct handout *handout, *next;
    HASH_ITER(hh, session->handouts, handout, next)
    {
        HASH_DEL(session->handouts, handout);
        hand_back(connection->worker, handout, 0);
    }
    while (session_queue_pop(session, &queued)) {
        if (queued.handout != NULL)
            hand_back(connection->worker, queued.handout, 0);
        else
            connection_dropped(connection, DROP_GONE);
        queued.handout = NULL;
        session_queued_free(&queued);
    }
}

void
desk_shared_forget(struct connection *connection, uint32_t core)
{
    struct session *session = connection->session;
    struct handout *handout, *next;
    if (session == NULL)
        return;
    HASH_ITER(hh, session->handouts, handout, next)
    {
        if (handout->core != core || handout->number == 0)
            continue; /* without a copy, the core gave it to nobody else */
        HASH_DEL(session->handouts, handout);
        handout_free(handout);
    }
    session_queue_forget(session, core);
}

void
desk_shared_count(struct worker *worker, const struct route *route)
{
    if (!route->is_share)
        return;
    worker_to_hub(worker, &(struct post){.kind = POST_SHARE_COUNT,
                                         .a = route->count - route->store_count,
                                         .b = route->count,
                                         .aux = route->exact_count,
                                         .body = post_filter_new(route_filter(route))});
}
