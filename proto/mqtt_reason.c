/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reason codes: one table of names and of the packets that may carry each code.
 */
#include "proto/mqtt_reason.h"

#include <stddef.h>

#define BIT(type) (1u << (type))
#define ACK       (BIT(MQTT_PUBACK) | BIT(MQTT_PUBREC))
#define REL       (BIT(MQTT_PUBREL) | BIT(MQTT_PUBCOMP))
#define CONNACK   BIT(MQTT_CONNACK)
#define SUBACK    BIT(MQTT_SUBACK)
#define UNSUBACK  BIT(MQTT_UNSUBACK)
#define CLOSE     BIT(MQTT_DISCONNECT)
#define AUTH      BIT(MQTT_AUTH)

struct row {
    uint8_t code;
    uint16_t client; /* packets of a client that may carry it, one bit a type */
    uint16_t server;
    const char *name;
};

/* MQTT 5.0 §2.4 and the tables of each packet. */
static const struct row table[] = {
    {0x00, ACK | REL | CLOSE, CONNACK | ACK | REL | SUBACK | UNSUBACK | CLOSE | AUTH, "success"},
    {0x01, 0, SUBACK, "granted qos 1"},
    {0x02, 0, SUBACK, "granted qos 2"},
    {0x04, CLOSE, 0, "disconnect with will message"},
    {0x10, ACK, ACK, "no matching subscribers"},
    {0x11, 0, UNSUBACK, "no subscription existed"},
    {0x18, AUTH, AUTH, "continue authentication"},
    {0x19, AUTH, 0, "re-authenticate"},
    {0x80, ACK | CLOSE, CONNACK | ACK | SUBACK | UNSUBACK | CLOSE, "unspecified error"},
    {0x81, CLOSE, CONNACK | CLOSE, "malformed packet"},
    {0x82, CLOSE, CONNACK | CLOSE, "protocol error"},
    {0x83, ACK | CLOSE, CONNACK | ACK | SUBACK | UNSUBACK | CLOSE, "implementation specific error"},
    {0x84, 0, CONNACK, "unsupported protocol version"},
    {0x85, 0, CONNACK, "client identifier not valid"},
    {0x86, 0, CONNACK, "bad user name or password"},
    {0x87, ACK, CONNACK | ACK | SUBACK | UNSUBACK | CLOSE, "not authorized"},
    {0x88, 0, CONNACK, "server unavailable"},
    {0x89, 0, CONNACK | CLOSE, "server busy"},
    {0x8A, 0, CONNACK, "banned"},
    {0x8B, 0, CLOSE, "server shutting down"},
    {0x8C, 0, CONNACK, "bad authentication method"},
    {0x8D, 0, CLOSE, "keep alive timeout"},
    {0x8E, 0, CLOSE, "session taken over"},
    {0x8F, 0, SUBACK | UNSUBACK | CLOSE, "topic filter invalid"},
    {0x90, ACK | CLOSE, CONNACK | ACK | CLOSE, "topic name invalid"},
    {0x91, ACK, ACK | SUBACK | UNSUBACK, "packet identifier in use"},
    {0x92, REL, REL, "packet identifier not found"},
    {0x93, CLOSE, CLOSE, "receive maximum exceeded"},
    {0x94, CLOSE, CLOSE, "topic alias invalid"},
    {0x95, CLOSE, CONNACK | CLOSE, "packet too large"},
    {0x96, CLOSE, CLOSE, "message rate too high"},
    {0x97, ACK | CLOSE, CONNACK | ACK | SUBACK | CLOSE, "quota exceeded"},
    {0x98, CLOSE, CLOSE, "administrative action"},
    {0x99, ACK | CLOSE, CONNACK | ACK | CLOSE, "payload format invalid"},
    {0x9A, 0, CONNACK | CLOSE, "retain not supported"},
    {0x9B, 0, CONNACK | CLOSE, "qos not supported"},
    {0x9C, 0, CONNACK | CLOSE, "use another server"},
    {0x9D, 0, CONNACK | CLOSE, "server moved"},
    {0x9E, 0, SUBACK | CLOSE, "shared subscriptions not supported"},
    {0x9F, 0, CONNACK | CLOSE, "connection rate exceeded"},
    {0xA0, 0, CLOSE, "maximum connect time"},
    {0xA1, 0, SUBACK | CLOSE, "subscription identifiers not supported"},
    {0xA2, 0, SUBACK | CLOSE, "wildcard subscriptions not supported"},
};

static const struct row *
row_of(unsigned code)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].code == code)
            return &table[i];
    }
    return NULL;
}

const char *
mqtt_reason_name(enum mqtt_reason reason)
{
    const struct row *row = row_of((unsigned)reason);
    return row == NULL ? "unknown reason" : row->name;
}

bool
mqtt_reason_is_allowed(enum mqtt_type type, bool from_server, uint8_t reason)
{
    const struct row *row = row_of(reason);
    return row != NULL && ((from_server ? row->server : row->client) & BIT(type)) != 0;
}

enum mqtt_reason
mqtt_reason(enum err err)
{
    switch (err) {
    case OK:
        return MQTT_SUCCESS;
    case ERR_MALFORMED:
        return MQTT_MALFORMED_PACKET;
    case ERR_PROTOCOL:
        return MQTT_PROTOCOL_ERROR;
    case ERR_TOO_LARGE:
        return MQTT_PACKET_TOO_LARGE;
    case ERR_VERSION:
        return MQTT_UNSUPPORTED_VERSION;
    case ERR_DENIED:
        return MQTT_NOT_AUTHORIZED;
    case ERR_QUOTA:
    case ERR_NO_SPACE:
        return MQTT_QUOTA_EXCEEDED;
    case ERR_BUSY:
    case ERR_AGAIN:
        return MQTT_SERVER_BUSY;
    case ERR_STALE:
    case ERR_CONFLICT:
        return MQTT_SESSION_TAKEN_OVER;
    case ERR_CLOSED:
    case ERR_TIMEOUT:
    case ERR_PEER_LOST:
    case ERR_UNAVAILABLE:
    case ERR_IO:
    case ERR_CANCELLED:
        return MQTT_SERVER_UNAVAILABLE;
    case ERR_UNSUPPORTED:
        return MQTT_IMPLEMENTATION_ERROR;
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_INVALID:
    case ERR_INTERNAL:
        break;
    }
    return MQTT_UNSPECIFIED_ERROR;
}

uint8_t
mqtt_reason_connack_v3(enum mqtt_reason reason)
{
    switch (reason) {
    case MQTT_SUCCESS:
        return 0;
    case MQTT_UNSUPPORTED_VERSION:
        return 1;
    case MQTT_CLIENT_ID_NOT_VALID:
        return 2;
    case MQTT_BAD_USER_NAME_OR_PASSWORD:
    case MQTT_BAD_AUTHENTICATION_METHOD:
        return 4;
    case MQTT_NOT_AUTHORIZED:
    case MQTT_BANNED:
    case MQTT_TOPIC_NAME_INVALID:
    case MQTT_QUOTA_EXCEEDED:
    case MQTT_RETAIN_NOT_SUPPORTED:
    case MQTT_QOS_NOT_SUPPORTED:
        return 5;
    default:
        return 3; /* server unavailable: a client may try again */
    }
}

uint8_t
mqtt_reason_suback(enum mqtt_version version, enum mqtt_reason reason)
{
    return version == MQTT_5_0 || reason < MQTT_UNSPECIFIED_ERROR ? (uint8_t)reason
                                                                  : (uint8_t)MQTT_UNSPECIFIED_ERROR;
}
