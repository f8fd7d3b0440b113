/* SPDX-License-Identifier: Apache-2.0 */
/* DISCONNECT from a client, and what ends or moves sessions from elsewhere: kicks, lapsed leases,
 * and the announcement of all sessions to a store that has come back. */
#include "proto/feed_records.h"
#include "proto/mqtt_decode.h"
#include "proto/mqtt_properties.h"
#include "proto/shards.h"
#include "services/gateway/connection_input.h"
#include "services/gateway/desk.h"
#include "services/gateway/identity.h"

void
desk_disconnect(struct connection *connection, const struct mqtt_frame *frame)
{
    struct mqtt_disconnect packet;
    enum mqtt_reason reason;
    if (mqtt_decode_disconnect((enum mqtt_version)connection->version, frame, &packet, &reason) !=
        OK) {
        connection_fail(connection, reason);
        return;
    }
    if (connection->version == MQTT_5_0 &&
        mqtt_properties_has(&packet.properties, MQTT_PROPERTY_SESSION_EXPIRY)) {
        uint32_t expiry = packet.properties.session_expiry_s;
        uint32_t max = connection->worker->options.session_expiry_max_s;
        if (connection->identity->expiry_s == 0 && expiry != 0) {
            connection_fail(connection, MQTT_PROTOCOL_ERROR); /* [MQTT-3.14.2-2] */
            return;
        }
        connection->expiry_s = expiry < max ? expiry : max;
        connection->flags |= CONNECTION_HAS_EXPIRY;
    }
    if (packet.reason == MQTT_SUCCESS)
        connection->flags |= CONNECTION_ENDED; /* [MQTT-3.14.4-3] */
    connection_close(connection);
}

static void
kick_one(struct connection *connection, const struct post *post)
{
    if (connection->state == CONNECTION_OPENING && connection->opened == NULL) {
        /* The kick overtook the answer to our own open, which says whose epoch is higher. */
        connection->flags |= CONNECTION_KICKED;
        if (post->b > connection->epoch)
            connection->epoch = post->b;
        return;
    }
    if (connection->session_number != post->a || connection->epoch > post->b)
        return;
    connection->flags |= CONNECTION_KICKED;
    /* What the client had acknowledged before it was overtaken counts, also if not read yet. */
    connection_input_read(connection);
    connection_fail(connection,
                    post->flags != 0 ? (enum mqtt_reason)post->flags : MQTT_SESSION_TAKEN_OVER);
}

void
desk_kick(struct worker *worker, const struct post *post)
{
    if (post->conn != 0) {
        struct connection *connection = connection_get(worker, post->conn);
        if (connection != NULL)
            kick_one(connection, post);
        return;
    }
    for (uint32_t i = 0; i < worker->slot_count; i++) {
        struct connection *connection = worker->slots[i].connection;
        if (connection != NULL && connection->state == CONNECTION_OPEN)
            kick_one(connection, post);
    }
}

void
desk_lapsed(struct worker *worker, uint32_t bits, uint32_t core)
{
    if (!(bits & 1))
        return; /* the store kicks the sessions that have moved, one by one */
    for (uint32_t i = 0; i < worker->slot_count; i++) {
        struct connection *connection = worker->slots[i].connection;
        if (connection == NULL || connection->state != CONNECTION_OPEN ||
            (connection->flags & CONNECTION_IS_PERSISTENT))
            continue;
        desk_shared_forget(connection, core);
        const struct subscription *subscription = connection->subscriptions;
        while (subscription != NULL && (subscription->flags & SUBSCRIPTION_QOS) == 0)
            subscription = subscription->next;
        if (subscription != NULL)
            connection_fail(connection, MQTT_SERVER_SHUTTING_DOWN);
    }
}

struct session_announcement *
desk_announcement(const struct connection *connection)
{
    struct session_open_request request;
    uint64_t last_seq = connection->session != NULL ? connection->session->last_seq : 0;
    identity_to_request(connection->identity, &request);
    request.conn = connection->handle;
    request.version = connection->version;
    request.keep_alive_s = connection->keep_alive_s;
    address_format(&connection->address, request.address);
    return session_announcement_new(session_open_request_new(&request), connection->session_number,
                                    connection->epoch, last_seq);
}

void
desk_announce(struct worker *worker, uint64_t shard)
{
    for (uint32_t i = 0; i < worker->slot_count; i++) {
        struct connection *connection = worker->slots[i].connection;
        if (connection != NULL && connection->state == CONNECTION_OPENING &&
            connection->opened != NULL && shards_of_number(connection->opened->session) == shard) {
            /* An announced session gets its queue at once, before CONNACK: it comes again. */
            connection->flags |= CONNECTION_ENDED;
            desk_refuse(connection, MQTT_SERVER_UNAVAILABLE, slice_cstr("the store has restarted"));
        }
        if (connection == NULL || connection->state != CONNECTION_OPEN ||
            connection->session_number == 0 ||
            shards_of_number(connection->session_number) != shard)
            continue;
        worker_to_hub(worker, &(struct post){.kind = POST_ANNOUNCEMENT,
                                             .conn = connection->handle,
                                             .a = shard,
                                             .body = desk_announcement(connection)});
        if (connection->flags & CONNECTION_IS_PERSISTENT)
            desk_release_again(connection);
    }
    worker_to_hub(worker, &(struct post){.kind = POST_ANNOUNCEMENT, .a = shard});
}
