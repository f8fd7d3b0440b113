/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONNECT and the store's answer to it. The gateway checks what one packet can show; who may come
 * in, and what session there is, the store says. Until then the connection is not read.
 */
#include <string.h>

#include "common/crypt.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/feed_records.h"
#include "proto/mqtt_decode.h"
#include "proto/mqtt_encode.h"
#include "proto/mqtt_properties.h"
#include "proto/mqtt_reason.h"
#include "proto/utf8.h"
#include "services/gateway/access.h"
#include "services/gateway/access_book.h"
#include "services/gateway/alias_out.h"
#include "services/gateway/auth.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/desk.h"
#include "services/gateway/identity.h"
#include "services/gateway/post_access.h"
#include "services/gateway/sys_values.h"
#include "services/gateway/worker_trace.h"

static void
send_connack(struct connection *connection, bool session_present, enum mqtt_reason reason,
             const struct mqtt_properties *properties)
{
    struct worker *worker = connection->worker;
    buf_reset(&worker->scratch);
    if (mqtt_encode_connack((enum mqtt_version)connection->version, session_present, reason,
                            properties, connection->max_packet, &worker->scratch) == 0)
        connection_close(connection); /* a client whose packet limit is below a CONNACK */
    else
        connection_send(connection, buf_slice(&worker->scratch));
}

void
desk_refuse(struct connection *connection, enum mqtt_reason reason, struct slice text)
{
    struct mqtt_properties properties;
    mqtt_properties_init(&properties);
    if (text.len > 0 && !(connection->flags & CONNECTION_NO_PROBLEM)) {
        mqtt_properties_set(&properties, MQTT_PROPERTY_REASON_STRING);
        properties.reason_string = text;
    }
    if (reason == MQTT_USE_ANOTHER_SERVER &&
        connection->worker->options.server_reference[0] != '\0') {
        mqtt_properties_set(&properties, MQTT_PROPERTY_SERVER_REFERENCE);
        properties.server_reference = slice_cstr(connection->worker->options.server_reference);
    }
    connection->worker->counts.refused++;
    send_connack(connection, false, reason, &properties);
    connection->flags |= CONNECTION_SAID_WHY;
    connection_close(connection);
}

static void
refuse_connect(struct connection *connection, enum mqtt_reason reason)
{
    /* 3.x has return codes for these only; anything else is answered by closing. [MQTT-3.1.4-1] */
    bool has_code = reason == MQTT_UNSUPPORTED_VERSION || reason == MQTT_CLIENT_ID_NOT_VALID ||
                    reason == MQTT_BAD_USER_NAME_OR_PASSWORD || reason == MQTT_NOT_AUTHORIZED ||
                    reason == MQTT_SERVER_UNAVAILABLE;
    if (connection->version != MQTT_5_0 && !has_code) {
        connection->worker->counts.refused++;
        connection_close(connection);
        return;
    }
    desk_refuse(connection, reason, slice_cstr(mqtt_reason_name(reason)));
}

static enum err
read_will(struct worker *worker, const struct mqtt_will *will, struct will_request *out)
{
    buf_reset(&worker->properties);
    enum err err = mqtt_properties_filter_publish(&will->properties, &worker->properties);
    if (err != OK)
        return err;
    *out = (struct will_request){
        .topic = will->topic,
        .payload = will->payload,
        .properties = buf_slice(&worker->properties),
        .delay_s = will->properties.will_delay_s,
        .expiry_s = will->properties.message_expiry_s,
        .qos = will->qos,
        .retain = will->retain,
        .has_expiry = mqtt_properties_has(&will->properties, MQTT_PROPERTY_MESSAGE_EXPIRY),
    };
    return OK;
}

static uint32_t
session_expiry(struct connection *connection, const struct mqtt_connect *connect)
{
    uint32_t max = connection->worker->options.session_expiry_max_s;
    uint32_t expiry = connect->version == MQTT_5_0 ? connect->properties.session_expiry_s
                      : connect->clean_start       ? 0
                                                   : 0xFFFFFFFFu;
    if (expiry <= max)
        return expiry;
    connection->flags |= CONNECTION_CAPPED_EXPIRY;
    return max;
}

static void
read_limits(struct connection *connection, const struct mqtt_connect *connect)
{
    const struct worker_options *options = &connection->worker->options;
    connection->keep_alive_s = connect->keep_alive_s;
    uint32_t keep_alive_max = options->keep_alive_max_s;
    if (connect->version == MQTT_5_0 && keep_alive_max != 0 &&
        (connect->keep_alive_s == 0 || connect->keep_alive_s > keep_alive_max)) {
        connection->keep_alive_s = (uint16_t)keep_alive_max;
        connection->flags |= CONNECTION_CAPPED_KEEP_ALIVE;
    }
    connection->max_packet =
        connect->version == MQTT_5_0 ? connect->properties.maximum_packet_size : 0;
    uint16_t receive = connect->version == MQTT_5_0 ? connect->properties.receive_maximum : 65535;
    connection->receive_maximum =
        receive < options->max_inflight ? receive : (uint16_t)options->max_inflight;
    if (connection->receive_maximum == 0)
        connection->receive_maximum = 1;
    uint32_t aliases = connect->version == MQTT_5_0 ? connect->properties.topic_alias_maximum : 0;
    if (aliases > options->topic_alias_outbound)
        aliases = options->topic_alias_outbound;
    if (aliases > 0)
        connection->aliases = alias_out_new((uint16_t)aliases);
    if (connect->version == MQTT_5_0 && connect->properties.request_problem_info == 0)
        connection->flags |= CONNECTION_NO_PROBLEM;
    if (connect->version == MQTT_5_0 && connect->properties.request_response_info == 1)
        connection->flags |= CONNECTION_WANTS_RESPONSE;
}

/* What this gateway has against a will. */
static enum mqtt_reason
object_to_will(const struct worker_options *options, const struct mqtt_connect *connect)
{
    const struct mqtt_will *will = &connect->will;
    if (!connect->has_will)
        return MQTT_SUCCESS;
    if (will->retain && !options->retain_available)
        return MQTT_RETAIN_NOT_SUPPORTED;
    if (options->check_payload_format && will->properties.payload_format == 1 &&
        !utf8_is_well_formed(will->payload))
        return MQTT_PAYLOAD_FORMAT_INVALID;
    if (sys_values_is_reserved(will->topic)) /* 3.x has no code for the topic */
        return connect->version == MQTT_5_0 ? MQTT_TOPIC_NAME_INVALID : MQTT_NOT_AUTHORIZED;
    return MQTT_SUCCESS;
}

/* Why nobody, or nobody with such a packet, may come in now; MQTT_SUCCESS: nothing is against it.
 */
static enum mqtt_reason
object(struct connection *connection, const struct mqtt_connect *connect)
{
    const struct worker *worker = connection->worker;
    bool is_5 = connect->version == MQTT_5_0;
    enum drop_reason refusal = connection_limits_connect(connection, connect->client_id);
    if (refusal != DROP_NONE)
        return !is_5                       ? MQTT_SERVER_UNAVAILABLE
               : refusal == DROP_NO_MEMORY ? MQTT_SERVER_BUSY
                                           : MQTT_QUOTA_EXCEEDED;
    if (worker->is_draining || worker->sweep.is_emptying)
        return is_5 && worker->options.server_reference[0] != '\0' ? MQTT_USE_ANOTHER_SERVER
                                                                   : MQTT_SERVER_UNAVAILABLE;
    return object_to_will(&worker->options, connect);
}

/* Asks who it is, in the way that the packet gives: a method, a token, a user, or none. */
static void
ask_who(struct connection *connection, const struct mqtt_connect *connect,
        const struct session_open_request *request, bool verified)
{
    if (connect->version == MQTT_5_0 &&
        mqtt_properties_has(&connect->properties, MQTT_PROPERTY_AUTH_METHOD)) {
        desk_auth_connect(connection, request, &connect->properties);
    } else if (!verified && connection->worker->tokens != NULL &&
               tokens_is_token(connect->password)) {
        desk_token(connection, request, connect->password);
    } else if (request->has_user) {
        const struct sign_in_request ask = {.user = request->user,
                                            .password =
                                                verified ? slice_of(NULL, 0) : connect->password,
                                            .verified = verified};
        desk_sign_in(connection, request, &ask);
    } else {
        desk_anonymous(connection, request);
    }
}

void
desk_connect(struct connection *connection, const struct mqtt_frame *frame)
{
    struct mqtt_connect connect;
    enum mqtt_reason reason;
    enum err err = mqtt_decode_connect(frame, &connect, &reason);
    connection->version = (uint8_t)connect.version;
    if (err == OK) {
        read_limits(connection, &connect);
        reason = object(connection, &connect);
    }
    if (err != OK || reason != MQTT_SUCCESS) {
        refuse_connect(connection, reason);
        return;
    }
    char name[TLS_NAME_MAX];
    struct slice user = connect.username;
    bool verified = connection_user(connection, name, &user);
    struct session_open_request request = {.conn = connection->handle,
                                           .request = crypt_random_u64(),
                                           .client_id = connect.client_id,
                                           .user = user,
                                           .expiry_s = session_expiry(connection, &connect),
                                           .keep_alive_s = connection->keep_alive_s,
                                           .receive_maximum = connection->receive_maximum,
                                           .version = (uint8_t)connect.version,
                                           .has_user = verified || connect.has_username,
                                           .clean_start = connect.clean_start,
                                           .has_will = connect.has_will};
    if (connect.has_will && read_will(connection->worker, &connect.will, &request.will) != OK) {
        refuse_connect(connection, MQTT_PACKET_TOO_LARGE);
        return;
    }
    address_format(&connection->address, request.address);
    if (access_is_banned(connection, connect.client_id,
                         request.has_user ? user : slice_of(NULL, 0))) {
        access_denied(connection, DROP_DENIED_BAN, connect.client_id);
        refuse_connect(connection, connect.version == MQTT_5_0 ? MQTT_BANNED : MQTT_NOT_AUTHORIZED);
        return;
    }
    ask_who(connection, &connect, &request, verified);
}

void
desk_open(struct connection *connection, const struct session_open_request *request)
{
    connection->identity = identity_new(request, request->client_id);
    connection->state = CONNECTION_OPENING;
    connection_arm(connection);
    connection_pause(connection, PAUSE_OPENING, true);
    worker_to_hub(connection->worker, &(struct post){.kind = POST_OPEN,
                                                     .conn = connection->handle,
                                                     .body = session_open_request_new(request)});
}

#define RESPONSE_MAX 1024u

/* The setting and the client id, in which wildcards become '_', as with them it would be no topic,
 * and '/' too: it shall not name a level of another client's. False: too long. */
static bool
response_information(const struct connection *connection, char out[RESPONSE_MAX])
{
    struct slice id = identity_client_id(connection->identity);
    size_t at = strlen(connection->worker->options.response_information);
    if (at + id.len >= RESPONSE_MAX)
        return false;
    memcpy(out, connection->worker->options.response_information, at);
    for (size_t i = 0; i < id.len; i++) {
        char c = (char)id.data[i];
        out[at++] = c == '+' || c == '#' || c == '/' ? '_' : c;
    }
    out[at] = 0;
    return true;
}

static void
welcome(struct connection *connection, const struct session_opened *opened, bool is_assigned)
{
    const struct worker_options *options = &connection->worker->options;
    struct mqtt_properties properties;
    mqtt_properties_init(&properties);
    mqtt_properties_set(&properties, MQTT_PROPERTY_RECEIVE_MAXIMUM);
    properties.receive_maximum = (uint16_t)options->receive_maximum;
    mqtt_properties_set(&properties, MQTT_PROPERTY_MAXIMUM_PACKET_SIZE);
    properties.maximum_packet_size = options->max_packet_size;
    if (options->topic_alias_maximum > 0) {
        mqtt_properties_set(&properties, MQTT_PROPERTY_TOPIC_ALIAS_MAXIMUM);
        properties.topic_alias_maximum = (uint16_t)options->topic_alias_maximum;
    }
    if (!options->retain_available) {
        mqtt_properties_set(&properties, MQTT_PROPERTY_RETAIN_AVAILABLE);
        properties.retain_available = 0;
    }
    if (is_assigned) {
        mqtt_properties_set(&properties, MQTT_PROPERTY_ASSIGNED_CLIENT_ID);
        properties.assigned_client_id = opened->client_id;
    }
    if (connection->flags & CONNECTION_CAPPED_KEEP_ALIVE) {
        mqtt_properties_set(&properties, MQTT_PROPERTY_SERVER_KEEP_ALIVE);
        properties.server_keep_alive_s = connection->keep_alive_s;
    }
    if (connection->flags & CONNECTION_CAPPED_EXPIRY) {
        mqtt_properties_set(&properties, MQTT_PROPERTY_SESSION_EXPIRY);
        properties.session_expiry_s = options->session_expiry_max_s;
    }
    if (connection->auth != NULL) { /* [MQTT-4.12.0-5] */
        mqtt_properties_set(&properties, MQTT_PROPERTY_AUTH_METHOD);
        properties.auth_method = slice_cstr(AUTH_METHOD);
        mqtt_properties_set(&properties, MQTT_PROPERTY_AUTH_DATA);
        properties.auth_data = connection->auth->last;
    }
    char text[RESPONSE_MAX] = "";
    if ((connection->flags & CONNECTION_WANTS_RESPONSE) && options->response_information[0] != 0 &&
        response_information(connection, text))
        mqtt_properties_set(&properties, MQTT_PROPERTY_RESPONSE_INFO);
    properties.response_info = slice_cstr(text);
    send_connack(connection, opened->session_present, MQTT_SUCCESS, &properties);
}

/* The client gave no id: its identity now has the one that the store chose. */
static void
adopt_client_id(struct connection *connection, struct slice client_id)
{
    struct session_open_request request;
    identity_to_request(connection->identity, &request);
    struct identity *identity = identity_new(&request, client_id);
    identity_free(connection->identity);
    connection->identity = identity;
    access_book_refit(connection->worker->access, connection->grant);
}

/* All that the session had counts again: CONNACK, then what waited. Takes connection->opened. */
static void
open_session(struct connection *connection)
{
    struct worker *worker = connection->worker;
    struct session_opened *opened = connection->opened;
    bool is_assigned = connection->identity->client_id_len == 0 && opened->client_id.len > 0;
    connection->opened = NULL;
    if (is_assigned)
        adopt_client_id(connection, opened->client_id);
    connection->state = CONNECTION_OPEN;
    connection->connected_s = (uint32_t)(worker_wall_ms(connection->worker) / 1000);
    worker_counts_observe(worker->counts.connect_us,
                          (loop_now_ms(worker->loop) - connection->active_ms) * 1000);
    connection->active_ms = loop_now_ms(worker->loop);
    connection_arm(connection);
    worker->counts.opened++;
    welcome(connection, opened, is_assigned);
    TRACE(connection, "connected", slice_of(NULL, 0),
          opened->session_present ? "with a session that was there" : "with a new session");
    for (uint32_t i = 0; i < opened->inbound_count; i++) {
        if (opened->inbound[i] != 0)
            idmap_add(&connection_session(connection)->in, opened->inbound[i])->state =
                SESSION_IN_RECEIVED;
    }
    if (connection->flags & CONNECTION_IS_PERSISTENT)
        worker_to_hub(worker, &(struct post){.kind = POST_READY,
                                             .conn = connection->handle,
                                             .a = opened->session,
                                             .b = opened->epoch});
    char address[ADDRESS_TEXT_MAX];
    address_format(&connection->address, address);
    log_debug("client_connected", LOG_HEX("conn", connection->handle),
              LOG_STR("client", identity_client_id(connection->identity)),
              LOG_STR("address", (const char *)address),
              LOG_STR("listener", listener_name((enum listener_kind)connection->listener)),
              LOG_U64("version", connection->version), LOG_END);
    session_opened_free(opened);
    connection_resume(connection);
}

/* The store says welcome. CONNACK waits, like SUBACK, until the resumed filters are known wherever
 * a publish could come from: what is published after it must not be missed. */
static void
begin_session(struct connection *connection, struct session_opened *opened)
{
    connection->opened = opened;
    connection->session_number = opened->session;
    connection->worker->client_count++;
    connection->epoch = opened->epoch;
    if (connection->identity->expiry_s > 0)
        connection->flags |= CONNECTION_IS_PERSISTENT;
    for (uint32_t i = 0; i < opened->subscription_count; i++) {
        if (!desk_restore_subscription(connection, &opened->subscriptions[i]))
            connection->restoring++;
    }
    if (connection->restoring == 0)
        open_session(connection);
}

void
desk_restored(struct connection *connection, enum err err)
{
    if (connection->state != CONNECTION_OPENING || connection->restoring == 0)
        return;
    connection->restoring--;
    if (err != OK) {
        connection->flags |= CONNECTION_ENDED; /* never was connected: no will */
        desk_refuse(connection, MQTT_SERVER_UNAVAILABLE,
                    slice_cstr("the subscriptions could not be restored in time"));
    } else if (connection->restoring == 0) {
        open_session(connection);
    }
}

void
desk_opened(struct worker *worker, struct connection *connection, const struct post *post)
{
    struct session_opened *opened = post->body;
    uint8_t reason = opened != NULL ? opened->reason : MQTT_SERVER_UNAVAILABLE;
    if (!mqtt_reason_is_allowed(MQTT_CONNACK, true, reason))
        reason = MQTT_UNSPECIFIED_ERROR; /* 0x8E: overtaken before it was there */
    if (connection == NULL || connection->state != CONNECTION_OPENING) {
        /* Nobody waits any more: the session has no connection. */
        if (reason == MQTT_SUCCESS)
            worker_to_hub(worker, &(struct post){.kind = POST_CLOSE,
                                                 .conn = post->conn,
                                                 .a = opened->session,
                                                 .b = opened->epoch,
                                                 .flags = CLOSE_WILL});
    } else if (reason != MQTT_SUCCESS) {
        struct slice text = opened != NULL ? opened->reason_string : slice_of(NULL, 0);
        desk_refuse(connection, (enum mqtt_reason)reason,
                    text.len > 0 ? text : slice_cstr(mqtt_reason_name((enum mqtt_reason)reason)));
    } else if ((connection->flags & CONNECTION_KICKED) && opened->epoch <= connection->epoch) {
        connection_close(
            connection); /* somebody else took the session before we could say welcome */
    } else {
        connection->flags &= (uint16_t)~CONNECTION_KICKED;
        begin_session(connection, opened);
        return;
    }
    session_opened_free(opened);
}
