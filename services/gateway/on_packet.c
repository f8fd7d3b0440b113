/* SPDX-License-Identifier: Apache-2.0 */
/* Which desk a packet goes to, by the state of the connection. */
#include "proto/mqtt_decode.h"
#include "proto/mqtt_reason.h"
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
    [MQTT_AUTH] = desk_auth,
};

void
desk_packet(struct connection *connection, const struct mqtt_frame *frame)
{
    if (connection->state == CONNECTION_OPEN) {
        desks[frame->type & 15](connection, frame);
        return;
    }
    if (connection->auth != NULL) { /* its CONNECT waits for the end of the exchange */
        if (frame->type == MQTT_AUTH)
            desk_auth(connection, frame);
        else if (frame->type == MQTT_DISCONNECT)
            connection_close(connection);
        else
            desk_refuse(connection, MQTT_PROTOCOL_ERROR,
                        slice_cstr(mqtt_reason_name(MQTT_PROTOCOL_ERROR)));
        return;
    }
    /* The first packet must be CONNECT, else there is nobody to tell. [MQTT-3.1.0-1] */
    if (frame->type == MQTT_CONNECT)
        desk_connect(connection, frame);
    else
        connection_close(connection);
}
