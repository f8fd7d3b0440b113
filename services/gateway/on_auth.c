/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended authentication (5.0, 4.12): AUTH, and what the store says about it.
 *
 *   CONNECT (first message) -> store: a challenge -> AUTH 0x18 -> AUTH 0x18 (proof)
 *       -> POST_SIGN_IN with all three -> CONNACK with the server's last message
 *   on an open connection: AUTH 0x19 (first message) -> ... -> AUTH 0x18 (proof)
 *       -> store: right or not -> AUTH 0x00, or DISCONNECT
 *
 * Until CONNACK the connection is NEW but for `auth`: it may send AUTH and nothing else, in time.
 * During a re-authentication everything else goes on.
 */
#include "proto/mqtt_decode.h"
#include "proto/mqtt_encode.h"
#include "proto/mqtt_properties.h"
#include "proto/mqtt_reason.h"
#include "services/gateway/auth.h"
#include "services/gateway/desk.h"
#include "services/gateway/identity.h"
#include "services/gateway/post_access.h"

static void
refuse(struct connection *connection, enum mqtt_reason reason)
{
    if (connection->state == CONNECTION_OPEN)
        connection_fail(connection, reason);
    else
        desk_refuse(connection, reason, slice_cstr(mqtt_reason_name(reason)));
}

static void
ask(struct connection *connection, struct slice final)
{
    struct worker *worker = connection->worker;
    struct auth *auth = connection->auth;
    const struct auth_request request = {auth->first, auth->challenge, final};
    auth->ticket = ++worker->next_ticket;
    worker_to_hub(worker, &(struct post){.kind = POST_AUTH,
                                         .conn = connection->handle,
                                         .a = auth->ticket,
                                         .body = auth_request_new(&request)});
}

static void
send_auth(struct connection *connection, enum mqtt_reason reason, struct slice data)
{
    struct worker *worker = connection->worker;
    struct mqtt_properties properties;
    mqtt_properties_init(&properties);
    mqtt_properties_set(&properties, MQTT_PROPERTY_AUTH_METHOD);
    properties.auth_method = slice_cstr(AUTH_METHOD);
    mqtt_properties_set(&properties, MQTT_PROPERTY_AUTH_DATA);
    properties.auth_data = data;
    buf_reset(&worker->scratch);
    if (mqtt_encode_auth(reason, &properties, connection->max_packet, &worker->scratch) == 0)
        refuse(connection, MQTT_PACKET_TOO_LARGE);
    else
        connection_send(connection, buf_slice(&worker->scratch));
}

void
desk_auth_connect(struct connection *connection, const struct session_open_request *open,
                  const struct mqtt_properties *properties)
{
    if (!slice_equal_cstr(properties->auth_method, AUTH_METHOD)) {
        refuse(connection, MQTT_BAD_AUTHENTICATION_METHOD);
        return;
    }
    if (properties->auth_data.len == 0) {
        refuse(connection, MQTT_PROTOCOL_ERROR); /* SCRAM begins with the client */
        return;
    }
    connection->auth = auth_new(open);
    auth_begin(connection->auth, properties->auth_data);
    connection->state = CONNECTION_OPENING;
    connection_arm(connection);
    connection_pause(connection, PAUSE_OPENING, true);
    ask(connection, slice_of(NULL, 0));
}

/* The proof of a CONNECT: the store checks it, then the session is opened. */
static void
open_with_proof(struct connection *connection, struct slice proof)
{
    struct auth *auth = connection->auth;
    desk_sign_in(connection, auth->open,
                 &(struct sign_in_request){.user = auth->open->user,
                                           .auth = {auth->first, auth->challenge, proof}});
    auth_end(auth);
}

/* The wrong packet at the wrong time, or from a client without a method. */
static bool
is_expected(const struct connection *connection, const struct mqtt_disconnect *packet)
{
    const struct auth *auth = connection->auth;
    if (auth == NULL || !slice_equal_cstr(packet->properties.auth_method, AUTH_METHOD) ||
        packet->properties.auth_data.len == 0)
        return false;
    if (packet->reason == MQTT_RE_AUTHENTICATE)
        return auth->step == AUTH_IDLE && connection->state == CONNECTION_OPEN;
    return packet->reason == MQTT_CONTINUE_AUTHENTICATION && auth->step == AUTH_CHALLENGED;
}

void
desk_auth(struct connection *connection, const struct mqtt_frame *frame)
{
    struct mqtt_disconnect packet;
    enum mqtt_reason reason;
    if (mqtt_decode_auth((enum mqtt_version)connection->version, frame, &packet, &reason) != OK) {
        refuse(connection, reason);
        return;
    }
    if (!is_expected(connection, &packet)) {
        refuse(connection, MQTT_PROTOCOL_ERROR); /* [MQTT-4.12.0-7], [MQTT-4.12.1-1] */
        return;
    }
    struct slice data = packet.properties.auth_data;
    if (packet.reason == MQTT_RE_AUTHENTICATE) {
        auth_begin(connection->auth, data);
        ask(connection, slice_of(NULL, 0));
    } else if (connection->state == CONNECTION_OPEN) {
        connection->auth->step = AUTH_CHECKING;
        ask(connection, data);
    } else {
        open_with_proof(connection, data);
    }
}

/* The name in the client's message must be the one that it gave elsewhere, if it did. */
static bool
is_same_user(const struct connection *connection, struct slice user)
{
    const struct identity *identity = connection->identity;
    if (identity != NULL)
        return slice_equal(identity_user(identity), user);
    const struct session_open_request *open = connection->auth->open;
    return !open->has_user || slice_equal(open->user, user);
}

static void
challenge(struct connection *connection, const struct auth_answer *answer)
{
    struct auth *auth = connection->auth;
    if (!is_same_user(connection, answer->user)) {
        refuse(connection, MQTT_NOT_AUTHORIZED);
        return;
    }
    auth_challenge(auth, answer->data);
    if (connection->state == CONNECTION_OPEN) {
        send_auth(connection, MQTT_CONTINUE_AUTHENTICATION, answer->data);
        return;
    }
    struct session_open_request open = *auth->open;
    struct session_open_request *former = auth->open;
    open.user = answer->user;
    open.has_user = true;
    auth->open = session_open_request_new(&open);
    session_open_request_free(former);
    connection->state = CONNECTION_NEW;
    connection->active_ms = loop_now_ms(connection->worker->loop);
    connection_arm(connection);
    send_auth(connection, MQTT_CONTINUE_AUTHENTICATION, answer->data);
    connection_resume(connection);
}

void
desk_authed(struct connection *connection, uint64_t ticket, struct auth_answer *answer)
{
    struct auth *auth = connection->auth;
    if (auth != NULL && answer != NULL && auth->ticket == ticket && ticket != 0) {
        auth->ticket = 0;
        if (answer->reason >= MQTT_UNSPECIFIED_ERROR) {
            refuse(connection, (enum mqtt_reason)answer->reason);
        } else if (auth->step == AUTH_STARTING) {
            challenge(connection, answer);
        } else {
            send_auth(connection, MQTT_SUCCESS, answer->data);
            auth_end(auth);
        }
    }
    auth_answer_free(answer);
}
