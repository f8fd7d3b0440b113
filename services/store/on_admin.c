/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask a store: how it is, sessions, subscriptions. Lists are walked in pieces, so
 * that nobody waits for them: an answer ends after LOOKS_MAX sessions and says where to go on. */
#include "common/clock.h"
#include "common/mem.h"
#include "proto/admin.pb-c.h"
#include "proto/admin_program.h"
#include "proto/feed_records.h"
#include "proto/mqtt_packet.h"
#include "services/store/desks.h"
#include "services/store/session_life.h"

#define LOOKS_MAX              2048u
#define ITEMS_MAX              1000u
#define SUBSCRIPTIONS_MAX      1000u
#define SUBSCRIPTION_LOOKS_MAX 20000u

struct listing {
    struct store *store;
    const Sluice__AdminAsk *ask;
    struct admin_writer *writer;
    struct slice search;
    uint32_t limit;
    uint32_t looks;
};

static const char *
gateway_of(struct store *store, const struct session *session)
{
    struct peer *peer = peers_find(store->peers, session->owner_incarnation);
    return session->state == SESSION_CONNECTED && peer != NULL ? peer_name(peer) : "";
}

static void
put_session(struct store *store, struct admin_writer *writer, const struct session *session)
{
    static const char *const states[] = {"connected", "disconnected", "waiting", "removed"};
    const struct lasting *lasting = session->lasting;
    admin_text(writer, "client", session_client(session));
    if (session->user != NULL)
        admin_text(writer, "user", slice_of(session->user->name, session->user->len));
    admin_text(writer, "state", slice_cstr(states[session->state]));
    admin_flag(writer, "persistent", lasting != NULL);
    admin_text(writer, "gateway", slice_cstr(gateway_of(store, session)));
    admin_number(writer, "conn", session->conn);
    if (session->expiry_s != SESSION_EXPIRY_NEVER)
        admin_number(writer, "expiry", session->expiry_s);
    admin_flag(writer, "has_will", session->will != NULL);
    if (session->disconnected_ms != 0)
        admin_number(writer, "disconnected_ms", session->disconnected_ms);
    admin_number(writer, "queued", lasting != NULL ? lasting->queue.count : 0);
    admin_number(writer, "queued_bytes", lasting != NULL ? lasting->queue.bytes : 0);
    if (lasting == NULL)
        return;
    admin_number(writer, "subscriptions", lasting->subscription_count);
    admin_number(writer, "inbound", lasting->inbound_count);
    admin_number(writer, "created_ms", lasting->created_ms);
}

/* ---- sessions */

static void
look(void *arg, struct session *session)
{
    struct listing *listing = arg;
    bool is_connected = session->state == SESSION_CONNECTED;
    if (!slice_has_prefix(session_client(session), listing->search) ||
        (is_connected && admin_ask_flag(listing->ask, "disconnected")) ||
        (!is_connected && admin_ask_flag(listing->ask, "connected")) ||
        (session->lasting == NULL && admin_ask_flag(listing->ask, "persistent")) ||
        (session->lasting != NULL && admin_ask_flag(listing->ask, "transient")))
        return;
    put_session(listing->store, listing->writer, session);
    /* A bucket is listed whole, so a few more than the limit may come. One that finds no room is
     * left out of this answer, whose cursor is then that of the bucket. */
    (void)admin_item_end(listing->writer);
}

static enum err
sessions(struct store *store, const Sluice__AdminAsk *ask, struct admin_writer *writer)
{
    struct slice client = admin_ask_text(ask, "client");
    struct listing listing = {
        store, ask, writer, admin_ask_text(ask, "search"), admin_ask_limit(ask, ITEMS_MAX), 0};
    uint64_t cursor;
    size_t looks = 0;
    if (client.len != 0) {
        const struct session *session = sessions_by_client(store->sessions, client);
        if (session == NULL)
            return ERR_NOT_FOUND;
        put_session(store, writer, session);
        return admin_item_end(writer) ? OK : ERR_TOO_LARGE;
    }
    enum err err = admin_ask_after(ask, &cursor);
    if (err != OK)
        return err;
    do {
        cursor = sessions_scan(store->sessions, cursor, 1, look, &listing);
        looks++;
    } while (cursor != 0 && looks < LOOKS_MAX && admin_count(writer) < listing.limit &&
             admin_has_room(writer));
    if (cursor != 0)
        admin_next_number(writer, cursor);
    return OK;
}

static void
ended(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct call_request request = {(uint32_t)a, (uint32_t)b};
    (void)c;
    peers_reply(store->peers, request, OK, slice_of(NULL, 0));
}

/* Answered when it is durable. */
static enum err
end_session(struct store *store, const Sluice__AdminAsk *ask, struct call_request request)
{
    struct session *session = sessions_by_client(store->sessions, admin_ask_text(ask, "client"));
    if (session == NULL)
        return ERR_NOT_FOUND;
    if (commit_state(store->commit) != OK)
        return commit_state(store->commit);
    session_life_take(store, session, true, MQTT_ADMINISTRATIVE_ACTION);
    session_life_end(store, session);
    commit_mark(store->commit, ended, store, request.slot, request.generation, 0);
    return OK;
}

static enum err
disconnect(struct store *store, const Sluice__AdminAsk *ask)
{
    const struct session *session =
        sessions_by_client(store->sessions, admin_ask_text(ask, "client"));
    if (session == NULL || session->state != SESSION_CONNECTED || session->owner == NULL)
        return ERR_NOT_FOUND;
    session_life_kick(store, session->owner, session->conn, session->number, session->epoch,
                      MQTT_ADMINISTRATIVE_ACTION);
    return OK;
}

/* ---- subscriptions */

static void
put_subscription(struct store *store, struct admin_writer *writer, const struct session *session,
                 const struct subscription *subscription)
{
    admin_text(writer, "client", session_client(session));
    admin_text(writer, "filter", subscription_filter_text(subscription));
    admin_number(writer, "qos", subscription->options.qos);
    admin_flag(writer, "no_local", subscription->options.no_local);
    admin_flag(writer, "retain_as_published", subscription->options.retain_as_published);
    if (subscription->options.identifier != 0)
        admin_number(writer, "identifier", subscription->options.identifier);
    admin_flag(writer, "persistent", true);
    admin_flag(writer, "connected", session->state == SESSION_CONNECTED);
    admin_text(writer, "place", slice_cstr(peers_name(store->peers)));
    (void)admin_item_end(writer);
}

static bool
matched(void *arg, const struct subscription *subscription)
{
    struct listing *listing = arg;
    const struct session *session = subscription->key.session;
    /* Who is connected is the gateway's to tell. */
    if (session->state != SESSION_CONNECTED)
        put_subscription(listing->store, listing->writer, session, subscription);
    return ++listing->looks < SUBSCRIPTION_LOOKS_MAX &&
           admin_count(listing->writer) < SUBSCRIPTIONS_MAX && admin_has_room(listing->writer);
}

static enum err
list_subscriptions(struct store *store, const Sluice__AdminAsk *ask, struct admin_writer *writer)
{
    struct slice topic = admin_ask_text(ask, "topic"), client = admin_ask_text(ask, "client");
    struct listing listing = {.store = store, .ask = ask, .writer = writer};
    const struct session *session;
    const struct subscription *one;
    if (topic.len != 0) {
        subscriptions_each_match(store->subscriptions, topic, matched, &listing);
        return OK;
    }
    session = sessions_by_client(store->sessions, client);
    if (session == NULL || session->lasting == NULL || session->state == SESSION_CONNECTED)
        return OK;
    for (one = session->lasting->subscriptions;
         one != NULL && admin_count(writer) < SUBSCRIPTIONS_MAX; one = one->next)
        put_subscription(store, writer, session, one);
    return OK;
}

/* ---- */

static enum err
answer(struct store *store, uint16_t method, const Sluice__AdminAsk *ask,
       struct admin_writer *writer)
{
    const struct admin_program program = {
        .service = "store",
        .conf = store->config->conf,
        .metrics = store->metrics,
        .peers = store->peers,
        .started_ms = store->started_ms,
        .now_ms = clock_monotonic_ms(),
        .lag_us = loop_lag_us(store->loop),
        .ready = store->serving && commit_state(store->commit) == OK,
        .obstacle = commit_state(store->commit) != OK ? commit_reason(store->commit)
                    : !store->serving                 ? "no core"
                                                      : "",
    };
    switch (method) {
    case CALL_ADMIN_SESSIONS:
        return sessions(store, ask, writer);
    case CALL_ADMIN_DISCONNECT:
        return disconnect(store, ask);
    case CALL_ADMIN_SUBSCRIPTIONS:
        return list_subscriptions(store, ask, writer);
    case CALL_ADMIN_TRACE:
        return trace_desk_ask(&store->trace, peers_name(store->peers), ask, program.now_ms, writer);
    default:
        return admin_program_answer(&program, method, ask, writer);
    }
}

void
on_admin(struct store *store, struct call_request request, uint16_t method, struct slice body)
{
    Sluice__AdminAsk *ask = admin_ask_decode(body);
    struct admin_writer writer;
    bool answers_later = false;
    enum err err = ERR_MALFORMED;
    admin_writer_init(&writer);
    if (ask != NULL && method == CALL_ADMIN_SESSION_END) {
        err = end_session(store, ask, request);
        answers_later = err == OK;
    } else if (ask != NULL && method == CALL_ADMIN_PUBLISH) {
        err = on_admin_publish(store, request, ask);
        answers_later = err == OK;
    } else if (ask != NULL) {
        err = answer(store, method, ask, &writer);
    }
    if (!answers_later)
        peers_reply(store->peers, request, err,
                    err == OK ? admin_bytes(&writer) : slice_of(NULL, 0));
    admin_writer_fini(&writer);
    admin_ask_free(ask);
}
