/* SPDX-License-Identifier: Apache-2.0 */
/* See access.h. */
#include "services/gateway/access.h"

#include "common/crypt.h"
#include "services/gateway/access_book.h"
#include "services/gateway/bans.h"
#include "services/gateway/desk.h"
#include "services/gateway/identity.h"
#include "services/gateway/post_access.h"

#define ASKS_PER_TICK 50u /* users asked for again after a new session with the store: 1,000/s */

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
        connection_fail(connection, MQTT_ADMINISTRATIVE_ACTION);
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
    struct access_book_config config = {.allow_default = !worker->options.deny_default,
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

void
access_tick(struct worker *worker)
{
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
}

void
access_denied(struct connection *connection, enum drop_reason reason, struct slice client)
{
    struct worker *worker = connection->worker;
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
