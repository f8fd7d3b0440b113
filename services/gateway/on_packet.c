/* SPDX-License-Identifier: Apache-2.0 */
/* Which desk a packet goes to, by the state of the connection. */
#include "proto/mqtt_decode.h"
#include "services/gateway/desk.h"

static void
on_pingreq(struct connection *connection, const struct mqtt_frame *frame)
{
    static const uint8_t pingresp[2] = {MQTT_PINGRESP << 4, 0};
    enum mqtt_reason reason;
    if (mqtt_decode_ping(frame, &reason) != OK)
        connection_fail(connection, reason);
    else
        connection_send(connection, slice_of(pingresp, sizeof(pingresp)));
}

/* Nobody has agreed on an authentication method: CONNECT with one is refused. [MQTT-4.12.0-6] */
static void
on_auth(struct connection *connection, const struct mqtt_frame *frame)
{
    struct mqtt_disconnect auth;
    enum mqtt_reason reason;
    if (mqtt_decode_auth((enum mqtt_version)connection->version, frame, &auth, &reason) != OK)
        connection_fail(connection, reason);
    else
        connection_fail(connection, MQTT_BAD_AUTHENTICATION_METHOD);
}

static void
on_wrong(struct connection *connection, const struct mqtt_frame *frame)
{
    (void)frame; /* a second CONNECT [MQTT-3.1.0-2], or a packet that only servers send */
    connection_fail(connection, MQTT_PROTOCOL_ERROR);
}

typedef void (*desk_fn)(struct connection *connection, const struct mqtt_frame *frame);

static const desk_fn desks[16] = {
    [0] = on_wrong,
    [MQTT_CONNECT] = on_wrong,
    [MQTT_CONNACK] = on_wrong,
    [MQTT_PUBLISH] = desk_publish,
    [MQTT_PUBACK] = desk_ack,
    [MQTT_PUBREC] = desk_ack,
    [MQTT_PUBREL] = desk_ack,
    [MQTT_PUBCOMP] = desk_ack,
    [MQTT_SUBSCRIBE] = desk_subscribe,
    [MQTT_SUBACK] = on_wrong,
    [MQTT_UNSUBSCRIBE] = desk_unsubscribe,
    [MQTT_UNSUBACK] = on_wrong,
    [MQTT_PINGREQ] = on_pingreq,
    [MQTT_PINGRESP] = on_wrong,
    [MQTT_DISCONNECT] = desk_disconnect,
    [MQTT_AUTH] = on_auth,
};

void
desk_packet(struct connection *connection, const struct mqtt_frame *frame)
{
    if (connection->state == CONNECTION_OPEN) {
        desks[frame->type & 15](connection, frame);
        return;
    }
    /* The first packet must be CONNECT, else there is nobody to tell. [MQTT-3.1.0-1] */
    if (frame->type == MQTT_CONNECT)
        desk_connect(connection, frame);
    else
        connection_close(connection);
}
