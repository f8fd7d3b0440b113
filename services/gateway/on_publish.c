/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUBLISH from a client. Clients of this worker get it at once; other workers and the hub only
 * if somebody there may want it. Its acknowledgement leaves when the contract (docs/design.md) is
 * kept, in the order of the PUBLISHes: at once for a message that went nowhere else, else when the
 * hub has the answer. A QoS 2 publish of a persistent session is not matched here at all: the store
 * commits it and routes it.
 */
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "proto/mqtt_decode.h"
#include "proto/mqtt_properties.h"
#include "proto/shards.h"
#include "proto/utf8.h"
#include "services/gateway/access_book.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/desk.h"
#include "services/gateway/sys_values.h"
#include "services/gateway/worker_trace.h"

/* Its QoS 2 publishes go to the store of its session, for which too much is held. */
static bool
is_held(const struct connection *connection)
{
    return (connection->flags & CONNECTION_IS_PERSISTENT) != 0 &&
           (connection->worker->held_shards >> shards_of_number(connection->session_number) & 1) !=
               0;
}

static void
send_acks(struct connection *connection)
{
    struct session *session = connection->session;
    struct session_ack ack;
    while (session_ack_pop(session, &ack)) {
        if (ack.type == MQTT_PUBREC) {
            struct idmap_entry *entry = idmap_get(&session->in, ack.packet_id);
            if (entry != NULL && ack.reason < MQTT_UNSPECIFIED_ERROR)
                entry->state = SESSION_IN_RECEIVED;
            else
                idmap_remove(&session->in, ack.packet_id);
        }
        connection_send_ack(connection, (enum mqtt_type)ack.type, ack.packet_id, ack.reason);
    }
}

/* The answer to a publish that waits for nobody; it still waits for its turn. */
static void
acknowledge(struct connection *connection, const struct mqtt_publish *publish,
            enum mqtt_reason reason)
{
    if (publish->qos == 0)
        return;
    uint8_t type = publish->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC;
    if (connection->version != MQTT_5_0)
        reason = MQTT_SUCCESS;
    if (type == MQTT_PUBACK &&
        (connection->session == NULL || session_ack_is_idle(connection->session))) {
        connection_send_ack(connection, MQTT_PUBACK, publish->packet_id, (uint8_t)reason);
        return;
    }
    struct session *session = connection_session(connection);
    if (type == MQTT_PUBREC)
        idmap_add(&session->in, publish->packet_id)->state = SESSION_IN_PENDING;
    uint64_t cookie = session_ack_push(session, type, publish->packet_id);
    if (cookie == 0) {
        connection_fail(connection, MQTT_RECEIVE_MAXIMUM_EXCEEDED);
        return;
    }
    session_ack_done(session, cookie, (uint8_t)reason);
    send_acks(connection);
}

/* Puts the topic of an alias in place, or remembers it. False: the connection has failed. */
static bool
resolve_alias(struct connection *connection, struct mqtt_publish *publish)
{
    uint16_t alias = publish->properties.topic_alias;
    uint16_t max = (uint16_t)connection->worker->options.topic_alias_maximum;
    if (alias > max) {
        connection_fail(connection, MQTT_TOPIC_ALIAS_INVALID);
        return false;
    }
    struct session *session = connection_session(connection);
    if (publish->topic.len > 0) {
        if (session_alias_set(session, max, alias, publish->topic) == OK)
            return true;
        connection_fail(connection, MQTT_TOPIC_ALIAS_INVALID);
        return false;
    }
    publish->topic = session_alias_get(session, alias);
    if (publish->topic.len > 0)
        return true;
    connection_fail(connection,
                    MQTT_PROTOCOL_ERROR); /* [MQTT-3.3.2-8] and on: an alias never set */
    return false;
}

/* Checks a QoS 1 or 2 publish against what is open. False: it has been dealt with. */
static bool
check_packet_id(struct connection *connection, const struct mqtt_publish *publish)
{
    struct session *session = connection->session;
    if (session == NULL)
        return true;
    if (publish->qos == 2) {
        const struct idmap_entry *entry = idmap_get(&session->in, publish->packet_id);
        if (entry != NULL) {
            /* Sent again: routed already. [MQTT-4.3.3-2] */
            if (entry->state != SESSION_IN_PENDING)
                connection_send_ack(connection, MQTT_PUBREC, publish->packet_id, MQTT_SUCCESS);
            return false;
        }
    }
    if (connection->version == MQTT_5_0 &&
        session_inbound_count(session) >= connection->worker->options.receive_maximum) {
        connection_fail(connection, MQTT_RECEIVE_MAXIMUM_EXCEEDED); /* [MQTT-3.3.4-9] */
        return false;
    }
    return true;
}

/* Nobody of this gateway wants it, as far as is known here. */
static bool
is_lonely(const struct publication *publication, uint64_t places)
{
    return !publication->is_matched && places == 0;
}

/* ---- one publish in 256 is timed; on the others this costs an addition */

/* From PUBLISH to its acknowledgement, when that waits: one of a worker is timed at once. */
static void
sample_wait(const struct connection *connection, uint64_t cookie)
{
    struct worker_sample *sample = &connection->worker->sample;
    if (sample->begun_us == 0 || loop_now_ms(connection->worker->loop) < sample->busy_until_ms)
        return;
    sample->wait_conn = connection->handle;
    sample->wait_cookie = cookie;
    sample->wait_begun_us = sample->begun_us;
    sample->busy_until_ms = loop_now_ms(connection->worker->loop) + WORKER_SAMPLE_MS;
}

static void
sample_answered(const struct connection *connection, uint64_t cookie)
{
    struct worker *worker = connection->worker;
    struct worker_sample *sample = &worker->sample;
    if (sample->wait_cookie != cookie || sample->wait_conn != connection->handle)
        return;
    worker_counts_observe(worker->counts.acknowledge_us,
                          clock_monotonic_us() - sample->wait_begun_us);
    sample->wait_cookie = 0;
    sample->busy_until_ms = 0;
}

static void
sample_begin(struct worker *worker)
{
    worker->sample.begun_us =
        ++worker->sample.count % WORKER_SAMPLE_EVERY == 0 ? clock_monotonic_us() : 0;
}

/* Hands the message to other workers and, if need be, to the hub. True: the hub will answer. */
static bool
send_elsewhere(struct connection *connection, struct publication *publication, uint64_t places,
               const struct mqtt_publish *publish)
{
    struct worker *worker = connection->worker;
    uint64_t others =
        places & ((UINT64_C(1) << worker->count) - 1) & ~(UINT64_C(1) << worker->index);
    bool is_wanted = (places >> PLACE_REMOTE & 1) != 0 || publication->retain ||
                     (publication->qos > 0 && !worker->digest_valid);
    for (; others != 0; others &= others - 1) {
        bool is_last = !is_wanted && (others & (others - 1)) == 0;
        struct message *message =
            is_last ? publication_take(publication) : message_ref(publication_message(publication));
        *post_box_next(worker->to_workers, (unsigned)__builtin_ctzll(others)) =
            (struct post){.kind = POST_MESSAGE,
                          .worker = worker->index,
                          .b = publication->publisher,
                          .c = worker->sample.begun_us,
                          .body = message};
    }
    if (!is_wanted)
        return false;
    uint64_t cookie = 0;
    if (publish->qos > 0) {
        struct session *session = connection_session(connection);
        if (publish->qos == 2)
            idmap_add(&session->in, publish->packet_id)->state = SESSION_IN_PENDING;
        cookie = session_ack_push(session, publish->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC,
                                  publish->packet_id);
        if (cookie == 0) {
            connection_fail(connection, MQTT_RECEIVE_MAXIMUM_EXCEEDED);
            return true;
        }
        if (is_lonely(publication, places & ~(UINT64_C(1) << PLACE_REMOTE)))
            session_ack_lonely(session, cookie);
        sample_wait(connection, cookie);
    }
    struct message *message = publication_take(publication);
    *post_box_next(worker->to_hub, 0) = (struct post){.kind = POST_PUBLISH,
                                                      .worker = worker->index,
                                                      .conn = connection->handle,
                                                      .a = cookie,
                                                      .body = message};
    return cookie != 0;
}

static void
send_inbound(struct connection *connection, struct publication *publication, uint16_t packet_id)
{
    idmap_add(&connection_session(connection)->in, packet_id)->state = SESSION_IN_PENDING;
    worker_to_hub(connection->worker, &(struct post){.kind = POST_INBOUND_PUBLISH,
                                                     .conn = connection->handle,
                                                     .a = connection->session_number,
                                                     .b = connection->epoch,
                                                     .aux = packet_id,
                                                     .body = publication_take(publication)});
}

/* What is forwarded of the properties. False: the connection has failed. */
static bool
read_properties(struct connection *connection, const struct mqtt_publish *publish,
                struct publication *publication)
{
    struct worker *worker = connection->worker;
    const struct mqtt_properties *properties = &publish->properties;
    if (mqtt_properties_has(properties, MQTT_PROPERTY_MESSAGE_EXPIRY))
        publication->expiry_ms =
            worker_wall_ms(worker) + properties->message_expiry_s * UINT64_C(1000);
    if (mqtt_properties_is_forwardable(properties)) {
        publication->properties = properties->raw;
        return true;
    }
    buf_reset(&worker->properties);
    if (mqtt_properties_filter_publish(properties, &worker->properties) != OK) {
        connection_fail(connection, MQTT_PACKET_TOO_LARGE);
        return false;
    }
    publication->properties = buf_slice(&worker->properties);
    return true;
}

/* It is not routed: its payload is not what it says, or its topic is not its client's to publish
 * to. The client has been told, as far as its version has words for it. */
static bool
is_refused(struct connection *connection, const struct mqtt_publish *publish)
{
    struct worker *worker = connection->worker;
    if (worker->options.check_payload_format && publish->properties.payload_format == 1 &&
        connection->version == MQTT_5_0 && !utf8_is_well_formed(publish->payload)) {
        connection_dropped(connection, DROP_REFUSED);
        if (publish->qos == 0) /* there is no other answer */
            connection_fail(connection, MQTT_PAYLOAD_FORMAT_INVALID);
        else
            acknowledge(connection, publish, MQTT_PAYLOAD_FORMAT_INVALID);
        return true;
    }
    if (sys_values_is_reserved(publish->topic)) {
        connection_dropped(connection, DROP_REFUSED);
        acknowledge(connection, publish, MQTT_NOT_AUTHORIZED);
        return true;
    }
    if (!access_book_may_publish(worker->access, connection->grant, publish->topic)) {
        /* 3.x has no way to say so: the publish is acknowledged and goes nowhere [3.1.1
         * MQTT-3.3.5-2]
         */
        TRACE(connection, "denied", publish->topic, "no rule allows this user to publish there");
        connection_dropped(connection, DROP_DENIED_PUBLISH);
        acknowledge(connection, publish, MQTT_NOT_AUTHORIZED);
        return true;
    }
    return false;
}

static const char *const qos_text[] = {"QoS 0", "QoS 1", "QoS 2"};

void
desk_publish(struct connection *connection, const struct mqtt_frame *frame)
{
    struct worker *worker = connection->worker;
    struct mqtt_publish publish;
    enum mqtt_reason reason;
    if (mqtt_decode_publish((enum mqtt_version)connection->version, frame, &publish, &reason) !=
        OK) {
        connection_fail(connection, reason);
        return;
    }
    worker->counts.received[publish.qos]++;
    sample_begin(worker);
    connection->flags |= CONNECTION_IS_PUBLISHER;
    if (worker->hold != 0)
        connection_pause(connection, PAUSE_HOLD, true);
    if (worker->held_shards != 0 && publish.qos == 2 && is_held(connection))
        connection_pause(connection, PAUSE_STORE, true);
    struct publication publication = {.payload = slice_by_words(&publish.payload),
                                      .publisher = connection->session_number,
                                      .qos = publish.qos,
                                      .retain = publish.retain};
    if (connection->version == MQTT_5_0) {
        if (publish.properties.topic_alias != 0 && !resolve_alias(connection, &publish))
            return;
        if (!read_properties(connection, &publish, &publication))
            return;
    }
    publication.topic = slice_by_words(&publish.topic);
    if (publish.retain && !worker->options.retain_available) {
        connection_fail(connection, MQTT_RETAIN_NOT_SUPPORTED);
        return;
    }
    if (publish.qos > 0 && !check_packet_id(connection, &publish))
        return;
    if (is_refused(connection, &publish))
        return;
    TRACE(connection, "accepted", publish.topic, qos_text[publish.qos]);
    if (publish.qos == 2 && (connection->flags & CONNECTION_IS_PERSISTENT)) {
        send_inbound(connection, &publication, publish.packet_id);
    } else {
        uint64_t places = deliver_publication(worker, &publication) | worker->always_places;
        if ((places == 0 && !publish.retain && (publish.qos == 0 || worker->digest_valid)) ||
            !send_elsewhere(connection, &publication, places, &publish))
            acknowledge(connection, &publish,
                        is_lonely(&publication, places) ? MQTT_NO_MATCHING_SUBSCRIBERS
                                                        : MQTT_SUCCESS);
        TRACE(connection, "matched", publication.topic,
              publication.is_matched ? places != 0 ? "clients of this gateway and others elsewhere"
                                                   : "clients of this gateway only"
              : places != 0          ? "others elsewhere only"
                                     : "nobody");
        if (worker->sample.begun_us != 0 && publication.is_matched)
            worker->sample.delivery_begun_us = worker->sample.begun_us;
    }
    publication_end(&publication);
}

void
desk_token_done(struct connection *connection, uint64_t cookie, bool wanted)
{
    if (connection->session == NULL || connection->state != CONNECTION_OPEN)
        return;
    session_ack_answered(connection->session, cookie, wanted);
    sample_answered(connection, cookie);
    send_acks(connection);
}

void
desk_inbound_done(struct connection *connection, uint16_t packet_id, uint8_t reason)
{
    struct session *session = connection->session;
    struct idmap_entry *entry = session != NULL ? idmap_get(&session->in, packet_id) : NULL;
    if (entry == NULL || entry->state != SESSION_IN_PENDING || connection->state != CONNECTION_OPEN)
        return;
    if (reason < MQTT_UNSPECIFIED_ERROR)
        entry->state = SESSION_IN_RECEIVED;
    else if (connection->version == MQTT_5_0)
        idmap_remove(&session->in, packet_id);
    else { /* 3.x cannot say no: the client finds out by reconnecting */
        connection_close(connection);
        return;
    }
    connection_send_ack(connection, MQTT_PUBREC, packet_id, reason);
}
