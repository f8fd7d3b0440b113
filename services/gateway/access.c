/* SPDX-License-Identifier: Apache-2.0 */
/* See access.h. */
#include "services/gateway/access.h"

#include "common/crypt.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/gateway/access_book.h"
#include "services/gateway/bans.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/desk.h"
#include "services/gateway/identity.h"
#include "services/gateway/post_access.h"

#define TOKENS_LOOK_MS 1000u /* how often files of keys are looked at */
#define ASKS_PER_TICK  50u   /* users asked for again after a new session with the store: 1,000/s */

/* A connection whose token ends. */
struct access_token {
    struct wheel_node node;
    struct connection *connection;
};

static struct slice
client_of(const struct connection *connection)
{
    if (connection->identity != NULL)
        return identity_client_id(connection->identity);
    return connection->asking != NULL ? connection->asking->client_id : slice_of(NULL, 0);
}

static struct slice
client_of_owner(void *arg, const void *owner)
{
    (void)arg;
    return client_of(owner);
}

/* Ends a connection that may not go on. */
static void
expel(struct connection *connection, enum drop_reason why)
{
    if (connection->state >= CONNECTION_DYING)
        return;
    access_denied(connection, why, client_of(connection));
    if (connection->state == CONNECTION_OPEN) {
        connection_fail(connection, why == DROP_CLOSED_TOKEN ? MQTT_NOT_AUTHORIZED
                                                             : MQTT_ADMINISTRATIVE_ACTION);
    } else {
        connection->flags |= CONNECTION_ENDED; /* never was connected: no will */
        desk_refuse(connection, why == DROP_CLOSED_BAN ? MQTT_BANNED : MQTT_NOT_AUTHORIZED,
                    slice_of(NULL, 0));
    }
}

static void
on_changed(void *arg, void *owner, bool is_gone)
{
    struct connection *connection = owner;
    (void)arg;
    if (is_gone) {
        connection->flags |= CONNECTION_ENDED; /* nobody is there whose will it could be */
        expel(connection, DROP_CLOSED_USER);
    } else if (connection->state == CONNECTION_OPENING || connection->state == CONNECTION_OPEN) {
        desk_recheck_subscriptions(connection);
    }
}

static void
on_ask(void *arg, struct slice user, uint64_t ticket)
{
    const struct sign_in_request request = {.user = user, .verified = true};
    worker_to_hub(
        arg,
        &(struct post){.kind = POST_USER_ASK, .a = ticket, .body = sign_in_request_new(&request)});
}

struct access_book *
access_open(struct worker *worker)
{
    struct access_book_config config = {.by_default = worker->options.deny_default ? 0 : ACCESS_ALL,
                                        .client_of = client_of_owner,
                                        .changed = on_changed,
                                        .ask = on_ask,
                                        .arg = worker};
    crypt_random(&config.key, sizeof(config.key));
    return access_book_new(&config);
}

/* Clients that are here already and have been banned. */
static void
expel_banned(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->slot_count; i++) {
        struct connection *connection = worker->slots[i].connection;
        struct slice user = slice_of(NULL, 0);
        if (connection == NULL || connection->identity == NULL)
            continue;
        if (connection->identity->has_user)
            user = identity_user(connection->identity);
        if (access_is_banned(connection, client_of(connection), user))
            expel(connection, DROP_CLOSED_BAN);
    }
}

static void
on_token(void *arg, struct wheel_node *node)
{
    struct connection *connection = WHEEL_OWNER(node, struct access_token, node)->connection;
    (void)arg;
    expel(connection, DROP_CLOSED_TOKEN);
}

void
access_until(struct connection *connection, uint64_t end_ms)
{
    struct worker *worker = connection->worker;
    uint64_t wall_ms = worker_wall_ms(worker);
    connection->token = mem_zalloc(sizeof(*connection->token));
    connection->token->connection = connection;
    wheel_arm(&worker->token_wheel, &connection->token->node,
              loop_now_ms(worker->loop) + (end_ms > wall_ms ? end_ms - wall_ms : 0));
}

/* All workers do it; the first one says so. */
static void
look_at_keys(struct worker *worker, uint64_t now_ms)
{
    char reason[TOKENS_REASON_SIZE];
    if (worker->tokens == NULL || now_ms < worker->tokens_look_ms)
        return;
    worker->tokens_look_ms = now_ms + TOKENS_LOOK_MS;
    if (!tokens_refresh(worker->tokens, reason) && worker->index == 0) {
        static struct log_limit limit;
        uint64_t suppressed;
        if (log_every(&limit, 60000, &suppressed))
            log_error("token_keys_not_renewed", LOG_STR("reason", (const char *)reason),
                      LOG_STR("kept", "the former ones"), LOG_END);
    }
}

void
access_tick(struct worker *worker)
{
    wheel_advance(&worker->token_wheel, loop_now_ms(worker->loop), on_token, worker);
    look_at_keys(worker, loop_now_ms(worker->loop));
    access_book_tick(worker->access, ASKS_PER_TICK);
    if (worker->bans_changed && !worker->bans_loading) {
        worker->bans_changed = false;
        expel_banned(worker);
    }
}

void
access_leave(struct connection *connection)
{
    struct access_grant *grant = connection->grant;
    connection->grant = NULL;
    access_book_leave(connection->worker->access, grant);
    session_open_request_free(connection->asking);
    connection->asking = NULL;
    if (connection->token != NULL)
        wheel_cancel(&connection->worker->token_wheel, &connection->token->node);
    mem_free(connection->token);
    connection->token = NULL;
}

void
access_denied(struct connection *connection, enum drop_reason reason, struct slice client)
{
    struct worker *worker = connection->worker;
    if (client.len == 0) {
        connection_limits_note_address(worker, reason, &connection->address);
        return;
    }
    worker->counts.dropped[reason]++;
    drops_note(worker->drops, reason, 1, connection->handle, client, loop_now_ms(worker->loop));
}

bool
access_is_banned_address(struct worker *worker, const struct address *address)
{
    const struct worker_options *options = &worker->options;
    return bans_count(worker->bans) > 0 &&
           !address_is_in(address, options->trusted, options->trusted_count) &&
           bans_has_address(worker->bans, address, worker_wall_ms(worker));
}

bool
access_is_banned(struct connection *connection, struct slice client, struct slice user)
{
    struct worker *worker = connection->worker;
    const struct bans *bans = worker->bans;
    uint64_t now_ms;
    if (bans_count(bans) == 0)
        return false;
    now_ms = worker_wall_ms(worker);
    return bans_has_name(bans, BANS_CLIENT, client, now_ms) ||
           bans_has_name(bans, BANS_USER, user, now_ms) ||
           bans_has_address(bans, &connection->address, now_ms);
}

bool
access_may_will(const struct connection *connection)
{
    const struct identity *identity = connection->identity;
    return identity == NULL || identity->will == NULL ||
           access_book_may_publish(connection->worker->access, connection->grant,
                                   identity->will->will.topic);
}
