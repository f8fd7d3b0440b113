/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MQTT control packets of 3.1, 3.1.1 and 5.0 as structs: what mqtt_decode writes and mqtt_encode
 * reads. No functions. All slices of a decoded packet are borrowed from the bytes that it was
 * decoded from and are valid as long as those; nothing here owns memory.
 */
#ifndef SLUICE_PROTO_MQTT_PACKET_H
#define SLUICE_PROTO_MQTT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"
#include "proto/limits.h"

/* The protocol level byte of CONNECT. */
enum mqtt_version {
    MQTT_3_1 = 3,
    MQTT_3_1_1 = 4,
    MQTT_5_0 = 5,
};

/* The packet type in the first four bits. 0 is forbidden on the wire; here it names the properties
 * of a will where a function asks which packet a property block belongs to. */
enum mqtt_type {
    MQTT_WILL = 0,
    MQTT_CONNECT = 1,
    MQTT_CONNACK = 2,
    MQTT_PUBLISH = 3,
    MQTT_PUBACK = 4,
    MQTT_PUBREC = 5,
    MQTT_PUBREL = 6,
    MQTT_PUBCOMP = 7,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK = 9,
    MQTT_UNSUBSCRIBE = 10,
    MQTT_UNSUBACK = 11,
    MQTT_PINGREQ = 12,
    MQTT_PINGRESP = 13,
    MQTT_DISCONNECT = 14,
    MQTT_AUTH = 15,
};

/* All reason codes of 5.0 (§2.4). Several names share a value; the packet tells them apart. */
enum mqtt_reason {
    MQTT_SUCCESS = 0x00, /* also: normal disconnection, granted QoS 0 */
    MQTT_GRANTED_QOS_1 = 0x01,
    MQTT_GRANTED_QOS_2 = 0x02,
    MQTT_DISCONNECT_WITH_WILL = 0x04,
    MQTT_NO_MATCHING_SUBSCRIBERS = 0x10,
    MQTT_NO_SUBSCRIPTION_EXISTED = 0x11,
    MQTT_CONTINUE_AUTHENTICATION = 0x18,
    MQTT_RE_AUTHENTICATE = 0x19,
    MQTT_UNSPECIFIED_ERROR = 0x80,
    MQTT_MALFORMED_PACKET = 0x81,
    MQTT_PROTOCOL_ERROR = 0x82,
    MQTT_IMPLEMENTATION_ERROR = 0x83,
    MQTT_UNSUPPORTED_VERSION = 0x84,
    MQTT_CLIENT_ID_NOT_VALID = 0x85,
    MQTT_BAD_USER_NAME_OR_PASSWORD = 0x86,
    MQTT_NOT_AUTHORIZED = 0x87,
    MQTT_SERVER_UNAVAILABLE = 0x88,
    MQTT_SERVER_BUSY = 0x89,
    MQTT_BANNED = 0x8A,
    MQTT_SERVER_SHUTTING_DOWN = 0x8B,
    MQTT_BAD_AUTHENTICATION_METHOD = 0x8C,
    MQTT_KEEP_ALIVE_TIMEOUT = 0x8D,
    MQTT_SESSION_TAKEN_OVER = 0x8E,
    MQTT_TOPIC_FILTER_INVALID = 0x8F,
    MQTT_TOPIC_NAME_INVALID = 0x90,
    MQTT_PACKET_ID_IN_USE = 0x91,
    MQTT_PACKET_ID_NOT_FOUND = 0x92,
    MQTT_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
    MQTT_TOPIC_ALIAS_INVALID = 0x94,
    MQTT_PACKET_TOO_LARGE = 0x95,
    MQTT_MESSAGE_RATE_TOO_HIGH = 0x96,
    MQTT_QUOTA_EXCEEDED = 0x97,
    MQTT_ADMINISTRATIVE_ACTION = 0x98,
    MQTT_PAYLOAD_FORMAT_INVALID = 0x99,
    MQTT_RETAIN_NOT_SUPPORTED = 0x9A,
    MQTT_QOS_NOT_SUPPORTED = 0x9B,
    MQTT_USE_ANOTHER_SERVER = 0x9C,
    MQTT_SERVER_MOVED = 0x9D,
    MQTT_SHARED_NOT_SUPPORTED = 0x9E,
    MQTT_CONNECTION_RATE_EXCEEDED = 0x9F,
    MQTT_MAXIMUM_CONNECT_TIME = 0xA0,
    MQTT_SUBSCRIPTION_IDS_NOT_SUPPORTED = 0xA1,
    MQTT_WILDCARDS_NOT_SUPPORTED = 0xA2,
};

/* Property identifiers of 5.0 (§2.2.2.2). */
enum mqtt_property {
    MQTT_PROPERTY_PAYLOAD_FORMAT = 0x01,
    MQTT_PROPERTY_MESSAGE_EXPIRY = 0x02,
    MQTT_PROPERTY_CONTENT_TYPE = 0x03,
    MQTT_PROPERTY_RESPONSE_TOPIC = 0x08,
    MQTT_PROPERTY_CORRELATION_DATA = 0x09,
    MQTT_PROPERTY_SUBSCRIPTION_ID = 0x0B,
    MQTT_PROPERTY_SESSION_EXPIRY = 0x11,
    MQTT_PROPERTY_ASSIGNED_CLIENT_ID = 0x12,
    MQTT_PROPERTY_SERVER_KEEP_ALIVE = 0x13,
    MQTT_PROPERTY_AUTH_METHOD = 0x15,
    MQTT_PROPERTY_AUTH_DATA = 0x16,
    MQTT_PROPERTY_REQUEST_PROBLEM_INFO = 0x17,
    MQTT_PROPERTY_WILL_DELAY = 0x18,
    MQTT_PROPERTY_REQUEST_RESPONSE_INFO = 0x19,
    MQTT_PROPERTY_RESPONSE_INFO = 0x1A,
    MQTT_PROPERTY_SERVER_REFERENCE = 0x1C,
    MQTT_PROPERTY_REASON_STRING = 0x1F,
    MQTT_PROPERTY_RECEIVE_MAXIMUM = 0x21,
    MQTT_PROPERTY_TOPIC_ALIAS_MAXIMUM = 0x22,
    MQTT_PROPERTY_TOPIC_ALIAS = 0x23,
    MQTT_PROPERTY_MAXIMUM_QOS = 0x24,
    MQTT_PROPERTY_RETAIN_AVAILABLE = 0x25,
    MQTT_PROPERTY_USER_PROPERTY = 0x26,
    MQTT_PROPERTY_MAXIMUM_PACKET_SIZE = 0x27,
    MQTT_PROPERTY_WILDCARD_AVAILABLE = 0x28,
    MQTT_PROPERTY_SUBSCRIPTION_ID_AVAILABLE = 0x29,
    MQTT_PROPERTY_SHARED_AVAILABLE = 0x2A,
};

/*
 * One property block. After decoding, `present` says which properties were there; the field of an
 * absent one holds what the standard says for "absent" (receive_maximum 65535, request_problem_info
 * 1, maximum_qos 2, the *_available 1), else 0 or an empty slice. User properties and subscription
 * ids stay in `raw` and are walked with mqtt_properties_next_user / _next_subscription_id.
 *
 * For encoding: start with mqtt_properties_init, set fields and their bits (mqtt_properties_set),
 * and put user properties in wire form into `extra`, which is appended verbatim. `raw` is not read.
 */
struct mqtt_properties {
    uint64_t present;   /* bit n: property with identifier n */
    struct slice raw;   /* the block without its length; empty when absent or before 5.0 */
    struct slice extra; /* encoding only: wire form appended at the end */
    struct slice content_type;
    struct slice response_topic;
    struct slice correlation_data;
    struct slice assigned_client_id;
    struct slice auth_method;
    struct slice auth_data;
    struct slice response_info;
    struct slice server_reference;
    struct slice reason_string;
    uint32_t message_expiry_s;
    uint32_t session_expiry_s;
    uint32_t will_delay_s;
    uint32_t maximum_packet_size; /* 0: no limit was given */
    uint32_t subscription_id;     /* the first one; 0: none */
    uint16_t subscription_id_count;
    uint16_t user_property_count;
    uint16_t server_keep_alive_s;
    uint16_t receive_maximum;
    uint16_t topic_alias_maximum;
    uint16_t topic_alias; /* 0: none */
    uint8_t payload_format;
    uint8_t request_problem_info;
    uint8_t request_response_info;
    uint8_t maximum_qos;
    uint8_t retain_available;
    uint8_t wildcard_available;
    uint8_t subscription_id_available;
    uint8_t shared_available;
};

/* A packet cut out of the stream. */
struct mqtt_frame {
    enum mqtt_type type;
    uint8_t flags;      /* lower four bits of the first byte */
    bool from_server;   /* false after mqtt_decode_frame; a client (tool, test) sets it */
    uint8_t header_len; /* 2 to 5 */
    size_t total_len;   /* header and body */
    struct slice body;
};

struct mqtt_will {
    struct slice topic;
    struct slice payload;
    uint8_t qos;
    bool retain;
    struct mqtt_properties properties;
};

struct mqtt_connect {
    enum mqtt_version version;
    bool clean_start; /* Clean Session in 3.x */
    bool has_will;
    bool has_username;
    bool has_password;
    uint16_t keep_alive_s;  /* 0: off */
    struct slice client_id; /* may be empty: assign one */
    struct slice username;
    struct slice password;
    struct mqtt_properties properties;
    struct mqtt_will will; /* meaningless unless has_will */
};

struct mqtt_connack {
    bool session_present;
    enum mqtt_reason reason; /* decoded from 3.x: the raw return code 0 to 5 */
    struct mqtt_properties properties;
};

/* A received PUBLISH. */
struct mqtt_publish {
    struct slice topic; /* empty only with properties.topic_alias */
    struct slice payload;
    uint16_t packet_id; /* 0 with QoS 0 */
    uint8_t qos;
    bool dup;
    bool retain;
    struct mqtt_properties properties; /* before 5.0: all absent */
};

/* A PUBLISH to be sent; what differs per delivery is apart from what is forwarded. */
struct mqtt_publish_out {
    struct slice topic; /* empty only with topic_alias */
    size_t payload_len;
    uint16_t packet_id; /* read only if qos > 0 */
    uint8_t qos;
    bool dup;
    bool retain;
    /* Only for 5.0: */
    bool has_expiry;
    uint32_t expiry_s;    /* what is left of it */
    uint16_t topic_alias; /* 0: none */
    size_t subscription_id_count;
    const uint32_t *subscription_ids; /* each 1 to LIMITS_SUBSCRIPTION_ID */
    struct slice properties;          /* wire form, from mqtt_properties_filter_publish */
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP. */
struct mqtt_ack {
    uint16_t packet_id;
    enum mqtt_reason reason; /* MQTT_SUCCESS before 5.0 */
    struct mqtt_properties properties;
};

/* SUBSCRIBE and UNSUBSCRIBE: the filters were all checked; walk them with
 * mqtt_decode_subscribe_next or mqtt_decode_unsubscribe_next. */
struct mqtt_subscribe {
    uint16_t packet_id;
    uint16_t filter_count;
    enum mqtt_version version;
    struct slice filters;
    struct mqtt_properties properties;
};

struct mqtt_subscription {
    struct slice filter;       /* as the client wrote it, with $share/group/ */
    struct slice share_group;  /* empty: not shared */
    struct slice share_filter; /* the filter to match with: without $share/group/ */
    enum mqtt_reason
        reason; /* MQTT_SUCCESS, or why SUBACK must refuse this one: 0x8F too many levels */
    uint8_t qos;
    bool no_local;
    bool retain_as_published;
    uint8_t retain_handling; /* 0 always, 1 only if new, 2 never */
};

/* SUBACK and UNSUBACK. */
struct mqtt_suback {
    uint16_t packet_id;
    struct slice codes; /* one byte a filter; empty for UNSUBACK before 5.0 */
    struct mqtt_properties properties;
};

/* DISCONNECT and AUTH. */
struct mqtt_disconnect {
    enum mqtt_reason reason;
    struct mqtt_properties properties;
};

#endif
