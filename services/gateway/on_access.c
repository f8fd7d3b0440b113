/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a client is and what it may do: the way from CONNECT to the question for a session, and what
 * changes afterwards.
 *
 *   CONNECT -> POST_SIGN_IN -> POST_SIGNED_IN -> (may it have this will?) -> POST_OPEN
 *
 * A certificate, a trusted proxy or a proof says who it is in other ways, but what the user may do
 * is always asked. From POST_SIGNED_IN on the connection has its grant, and whatever changes about
 * the user reaches it.
 */
#include <string.h>

#include "common/log.h"
#include "proto/mqtt_reason.h"
#include "services/gateway/access.h"
#include "services/gateway/access_book.h"
#include "services/gateway/auth.h"
#include "services/gateway/bans.h"
#include "services/gateway/desk.h"
#include "services/gateway/post_access.h"

#define ROLE_MAX 255u

/* The CONNECT is kept until it is known whether it may become a session. */
static void
keep(struct connection *connection, const struct session_open_request *open)
{
    connection->asking = session_open_request_new(open);
    connection->state = CONNECTION_OPENING;
    connection_arm(connection);
    connection_pause(connection, PAUSE_OPENING, true);
}

static void
refuse(struct connection *connection, enum drop_reason why, enum mqtt_reason reason)
{
    access_denied(connection, why, connection->asking->client_id);
    desk_refuse(connection, reason, slice_cstr(mqtt_reason_name(reason)));
}

/* It has its grant. */
static void
admit(struct connection *connection)
{
    struct session_open_request *open = connection->asking;
    if (open->has_will &&
        !access_book_may_publish(connection->worker->access, connection->grant, open->will.topic)) {
        refuse(connection, DROP_DENIED_WILL, MQTT_NOT_AUTHORIZED);
        return;
    }
    connection->asking = NULL;
    desk_open(connection, open);
    session_open_request_free(open);
}

void
desk_sign_in(struct connection *connection, const struct session_open_request *open,
             const struct sign_in_request *ask)
{
    keep(connection, open);
    worker_to_hub(connection->worker, &(struct post){.kind = POST_SIGN_IN,
                                                     .conn = connection->handle,
                                                     .body = sign_in_request_new(ask)});
}

void
desk_signed_in(struct connection *connection, const struct signed_in *answer, bool verified)
{
    if (connection->state != CONNECTION_OPENING || connection->asking == NULL ||
        connection->grant != NULL)
        return;
    if (answer->reason != MQTT_SUCCESS) {
        enum mqtt_reason reason = (enum mqtt_reason)answer->reason;
        if (!mqtt_reason_is_allowed(MQTT_CONNACK, true, answer->reason))
            reason = MQTT_UNSPECIFIED_ERROR;
        refuse(connection, DROP_DENIED_CONNECT, reason);
    } else if (access_is_banned(connection, connection->asking->client_id, answer->user)) {
        refuse(connection, DROP_DENIED_BAN, MQTT_BANNED); /* it came while we asked */
    } else {
        if (connection->auth != NULL)
            auth_right(connection->auth, answer->auth_data);
        connection->grant = access_book_join(connection->worker->access, connection, answer->user,
                                             &answer->terms, !verified);
        admit(connection);
    }
}

void
desk_token(struct connection *connection, const struct session_open_request *open,
           struct slice token)
{
    struct worker *worker = connection->worker;
    struct session_open_request named = *open;
    struct tokens_claims claims;
    struct access_terms terms;
    const char *why = NULL;
    if (tokens_read(worker->tokens, token, worker_wall_ms(worker), &claims, &why) != OK) {
        keep(connection, open);
        log_debug("token_refused", LOG_STR("client", open->client_id), LOG_STR("reason", why),
                  LOG_END);
        refuse(connection, DROP_DENIED_CONNECT, MQTT_BAD_USER_NAME_OR_PASSWORD);
        return;
    }
    named.user = buf_slice(&claims.user);
    named.has_user = true;
    keep(connection, &named);
    terms = (struct access_terms){buf_slice(&claims.roles), buf_slice(&claims.rules), 0};
    if (open->user.len != 0 && !slice_equal(open->user, named.user)) {
        refuse(connection, DROP_DENIED_CONNECT, MQTT_BAD_USER_NAME_OR_PASSWORD);
    } else if (access_is_banned(connection, open->client_id, named.user)) {
        refuse(connection, DROP_DENIED_BAN, MQTT_BANNED);
    } else {
        connection->grant =
            access_book_join_alone(worker->access, connection, named.user, &terms, claims.listed);
        if (claims.end_ms != 0 && worker->options.token_disconnect)
            access_until(connection, claims.end_ms);
        admit(connection);
    }
    tokens_claims_fini(&claims);
}

static bool
anonymous_is_allowed(const struct connection *connection)
{
    const struct worker_options *options = &connection->worker->options;
    unsigned here = options->listeners[connection->listener].anonymous;
    return here == LISTENER_ANONYMOUS || (here == LISTENER_AS_ALLOWED && options->allow_anonymous);
}

void
desk_anonymous(struct connection *connection, const struct session_open_request *open)
{
    const char *role = connection->worker->options.anonymous_role;
    uint8_t roles[1 + ROLE_MAX];
    struct access_terms terms = {0};
    keep(connection, open);
    if (!anonymous_is_allowed(connection)) {
        refuse(connection, DROP_DENIED_CONNECT, MQTT_NOT_AUTHORIZED);
        return;
    }
    if (role[0] != '\0') {
        roles[0] = (uint8_t)strlen(role);
        memcpy(roles + 1, role, roles[0]);
        terms.roles = slice_of(roles, 1 + (size_t)roles[0]);
    }
    if (role[0] != '\0' || connection->worker->options.deny_default)
        connection->grant = access_book_join_alone(connection->worker->access, connection,
                                                   slice_of(NULL, 0), &terms, 0);
    admit(connection);
}

/* ---- changes */

static void
on_terms(struct worker *worker, const struct post *post)
{
    const struct signed_in *answer = post->body;
    if (answer->reason == MQTT_SUCCESS)
        access_book_user(worker->access, answer->user, post->a, answer->known, &answer->terms);
    else
        access_book_unanswered(worker->access, answer->user, post->a);
}

static void
on_ban(struct worker *worker, const struct ban_news *news)
{
    if (!news->is_there)
        bans_remove(worker->bans, news->kind, news->subject);
    else if (bans_set(worker->bans, news->kind, news->subject, news->until_ms) == OK)
        worker->bans_changed = true;
}

void
desk_access(struct worker *worker, const struct post *post)
{
    const struct role_news *role = post->body;
    switch (post->kind) {
    case POST_USER_CHANGED:
        access_book_user_changed(worker->access, post_filter_slice(post->body));
        break;
    case POST_USER_TERMS:
        on_terms(worker, post);
        break;
    case POST_ROLE:
        access_book_role(worker->access, role->name, role->is_there ? &role->rules : NULL);
        break;
    case POST_BAN:
        on_ban(worker, post->body);
        break;
    case POST_ACCESS_RESET:
        access_book_reset(worker->access);
        bans_reset(worker->bans);
        worker->bans_loading = true;
        break;
    default:
        access_book_end(worker->access);
        bans_end(worker->bans);
        worker->bans_loading = false;
        break;
    }
}
