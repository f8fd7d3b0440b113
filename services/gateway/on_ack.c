/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUBACK, PUBREC, PUBREL and PUBCOMP, and the store's part in them. Ids of a persistent session's
 * queue carry the sequence number of the store: what the client says about them is passed on, and
 * PUBREL waits until PUBREC is recorded. Ids of clean sessions end here.
 */
#include "proto/feed_records.h"
#include "proto/mqtt_decode.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/desk.h"

static void
tell_store(struct connection *connection, uint8_t kind, uint64_t seq)
{
    worker_to_hub(connection->worker, &(struct post){.kind = kind,
                                                     .conn = connection->handle,
                                                     .a = connection->session_number,
                                                     .b = connection->epoch,
                                                     .c = seq});
}

/* The flow of this id is over: a place in flight is free. */
static void
finish(struct connection *connection, const struct idmap_entry *entry)
{
    struct session *session = connection->session;
    if (entry->value != 0)
        tell_store(connection, POST_QUEUE_ACK, entry->value);
    if (session->handouts != NULL)
        desk_shared_acked(connection, entry->id);
    idmap_remove(&session->out, entry->id);
    if (session->queue_count > 0)
        deliver_waiting(connection);
    if (connection->retained != NULL)
        desk_retained_continue(connection);
}

static void
on_pubrec(struct connection *connection, struct idmap_entry *entry, const struct mqtt_ack *ack)
{
    uint8_t missing = connection->version == MQTT_5_0 ? MQTT_PACKET_ID_NOT_FOUND : MQTT_SUCCESS;
    if (entry == NULL) {
        connection_send_ack(connection, MQTT_PUBREL, ack->packet_id, missing);
    } else if (ack->reason >= MQTT_UNSPECIFIED_ERROR) {
        finish(connection, entry);
    } else if (entry->state == SESSION_OUT_COMP) {
        connection_send_ack(connection, MQTT_PUBREL, ack->packet_id, MQTT_SUCCESS);
    } else if (entry->state == SESSION_OUT_REC && entry->value != 0) {
        entry->state = SESSION_OUT_RECORDING;
        tell_store(connection, POST_QUEUE_REC, entry->value);
    } else if (entry->state == SESSION_OUT_REC) {
        entry->state = SESSION_OUT_COMP;
        connection_send_ack(connection, MQTT_PUBREL, ack->packet_id, MQTT_SUCCESS);
    }
}

static void
tell_release(struct connection *connection, uint16_t packet_id)
{
    worker_to_hub(connection->worker, &(struct post){.kind = POST_INBOUND_RELEASE,
                                                     .conn = connection->handle,
                                                     .a = connection->session_number,
                                                     .b = connection->epoch,
                                                     .aux = packet_id});
}

static void
on_pubrel(struct connection *connection, const struct mqtt_ack *ack)
{
    struct session *session = connection->session;
    struct idmap_entry *entry = session != NULL ? idmap_get(&session->in, ack->packet_id) : NULL;
    if (entry == NULL) {
        connection_send_ack(connection, MQTT_PUBCOMP, ack->packet_id,
                            connection->version == MQTT_5_0 ? MQTT_PACKET_ID_NOT_FOUND
                                                            : MQTT_SUCCESS);
    } else if (entry->state == SESSION_IN_RELEASING) {
        return; /* PUBCOMP is on its way */
    } else if (entry->state != SESSION_IN_RECEIVED) {
        connection_fail(connection, MQTT_PROTOCOL_ERROR); /* before PUBREC */
    } else if (connection->flags & CONNECTION_IS_PERSISTENT) {
        entry->state = SESSION_IN_RELEASING;
        tell_release(connection, ack->packet_id);
    } else {
        idmap_remove(&session->in, ack->packet_id);
        connection_send_ack(connection, MQTT_PUBCOMP, ack->packet_id, MQTT_SUCCESS);
    }
}

void
desk_ack(struct connection *connection, const struct mqtt_frame *frame)
{
    struct mqtt_ack ack;
    enum mqtt_reason reason;
    if (mqtt_decode_ack((enum mqtt_version)connection->version, frame, &ack, &reason) != OK) {
        connection_fail(connection, reason);
        return;
    }
    if (frame->type == MQTT_PUBREL) {
        on_pubrel(connection, &ack);
        return;
    }
    struct session *session = connection->session;
    struct idmap_entry *entry = session != NULL ? idmap_get(&session->out, ack.packet_id) : NULL;
    if (frame->type == MQTT_PUBREC)
        on_pubrec(connection, entry, &ack);
    else if (entry != NULL &&
             entry->state == (frame->type == MQTT_PUBACK ? SESSION_OUT_ACK : SESSION_OUT_COMP))
        finish(connection, entry);
}

void
desk_queue_recorded(struct connection *connection, uint64_t seq)
{
    struct session *session = connection->session;
    uint16_t id = FEED_PACKET_ID(seq);
    struct idmap_entry *entry = session != NULL ? idmap_get(&session->out, id) : NULL;
    if (entry == NULL || entry->value != seq || entry->state != SESSION_OUT_RECORDING)
        return;
    entry->state = SESSION_OUT_COMP;
    connection_send_ack(connection, MQTT_PUBREL, id, MQTT_SUCCESS);
}

void
desk_release_again(struct connection *connection)
{
    const struct session *session = connection->session;
    for (uint32_t i = 0; session != NULL && i < session->in.size; i++) {
        const struct idmap_entry *entry = &session->in.entries[i];
        if (entry->id != 0 && entry->state == SESSION_IN_RELEASING)
            tell_release(connection, entry->id);
    }
}

void
desk_inbound_released(struct connection *connection, uint16_t packet_id)
{
    struct session *session = connection->session;
    const struct idmap_entry *entry = session != NULL ? idmap_get(&session->in, packet_id) : NULL;
    /* Asked twice (desk_release_again), answered twice: the id may be in use again. */
    if (entry == NULL || entry->state != SESSION_IN_RELEASING ||
        connection->state != CONNECTION_OPEN)
        return;
    idmap_remove(&session->in, packet_id);
    connection_send_ack(connection, MQTT_PUBCOMP, packet_id, MQTT_SUCCESS);
}

static void
deliver_sequence(struct connection *connection, uint64_t seq, uint8_t flags,
                 const struct delivery *delivery)
{
    struct session *session = connection_session(connection);
    uint16_t id = FEED_PACKET_ID(seq);
    uint8_t qos = flags & DELIVER_QOS_MASK;
    const struct idmap_entry *entry = idmap_get(&session->out, id);
    if (entry != NULL && entry->value == seq)
        return; /* pushed again by a store that has restarted: it is on its way */
    if (flags & DELIVER_REL) {
        session_set_id(session, id, seq, 2, true);
        connection_send_ack(connection, MQTT_PUBREL, id, MQTT_SUCCESS);
        return;
    }
    if (delivery->message == NULL || qos == 0 || qos > 2)
        return;
    struct publication publication;
    publication_of(delivery->message, &publication);
    session_set_id(session, id, seq, qos, false);
    enum deliver_result result = deliver_encode(
        connection, &publication, qos, (flags & DELIVER_RETAIN) != 0, (flags & DELIVER_DUP) != 0,
        id, delivery->identifiers, delivery->identifier_count);
    if (result == DELIVER_SENT)
        return;
    connection_dropped(connection, result == DELIVER_EXPIRED ? DROP_EXPIRED : DROP_SIZE);
    finish(connection, idmap_get(&session->out, id));
}

void
desk_deliver(struct connection *connection, uint64_t seq, uint8_t flags, struct delivery *delivery)
{
    if (delivery != NULL && connection->state == CONNECTION_OPEN) {
        if (seq != 0) {
            deliver_sequence(connection, seq, flags, delivery);
        } else if (delivery->message != NULL) {
            struct publication publication;
            publication_of(delivery->message, &publication);
            deliver_to(connection, &publication, 0, (flags & DELIVER_RETAIN) != 0,
                       delivery->identifiers, delivery->identifier_count);
        }
    }
    delivery_free(delivery);
}
