/* SPDX-License-Identifier: Apache-2.0 */
/* All peers together: settings, sockets, the tick (leases, repetitions, heartbeats, hellos,
 * deadlines) and the public peers_ functions. One peer is peer.c's. */
#include "common/peer_impl.h"

#include "common/crypt.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/nng_canary.h"

#include <string.h>
#include <unistd.h>

#define CALL_BYTES_DEFAULT (4u << 20)
#define PATIENCE_TICKS     (15000u / PEER_TICK_MS) /* a busy machine is not a silent canary */

/* Who is at an address may have gone without a word, and somebody else have its name by now. */
static void
tick_connections(struct peer *peer, uint64_t now)
{
    uint32_t patience = peer->peers->config.redial_ms;
    if (peer->dialed && !peer->up && now - peer->dialed_ms >= patience &&
        now - peer->down_ms >= patience) {
        peer->dialed_ms = now;
        call_client_redial(peer->client);
    }
    if (peer->up && peer->out != NULL && !feed_out_connected(peer->out))
        peer_session_redial(peer);
}

static void
tick_dialed(struct peer *peer, uint64_t now)
{
    call_client_tick(peer->client, now);
    if (!peer->up && now >= peer->retry_ms)
        peer_hello_say(peer);
    else if (peer->up && peer->calls_only &&
             now - peer->ping_ms >= peer->peers->config.heartbeat_ms)
        peer_call_ping(peer);
}

static void
tick_peer(struct peer *peer, uint64_t now)
{
    struct peers *peers = peer->peers;
    if (peer_session_lease_over(peer, now))
        peer_session_end(peer, ERR_TIMEOUT);
    if (peer->up && !peer->calls_only) {
        feed_window_tick(peer->window, now);
        peer_session_touch(peer);
    }
    tick_connections(peer, now);
    if (peer->dialed) {
        tick_dialed(peer, now);
        return;
    }
    if (!peer->up && now - peer->down_ms > peers->config.forget_ms) {
        if (peers->events.gone != NULL)
            peers->events.gone(peers->arg, peer);
        peer_free(peer);
    }
}

/* Only TLS does this to nng. */
static void
listen_to_canary(struct peers *peers)
{
    if (peers->canary == NULL || peers->stuck || nng_canary_sings(peers->canary))
        return;
    peers->stuck = true;
    log_error("nng_stands_still", LOG_STR("consequence", "this program ends, to be started again"),
              LOG_END);
    if (peers->events.stuck != NULL)
        peers->events.stuck(peers->arg);
    else
        _exit(PEERS_STUCK_STATUS);
}

static void
on_tick(void *arg)
{
    struct peers *peers = arg;
    uint64_t now = peer_now_ms(peers);
    struct peer *next;
    feed_drain(peers->feed);
    for (struct peer *peer = peers->list; peer != NULL; peer = next) {
        next = peer->next;
        tick_peer(peer, now);
    }
    listen_to_canary(peers);
}

static const char *
keep_text(struct peers *peers, size_t index, const char *text)
{
    peers->texts[index] = mem_strdup(text != NULL ? text : "");
    return peers->texts[index];
}

static void
set_default(uint32_t *value, uint32_t standard)
{
    if (*value == 0)
        *value = standard;
}

static void
take_config(struct peers *peers, const struct peers_config *config)
{
    struct peers_config *c = &peers->config;
    *c = *config;
    c->dial = NULL; /* borrowed during peers_new only, as the addresses and TLS files */
    c->n_dial = 0;
    c->service = keep_text(peers, 0, config->service);
    c->name = keep_text(peers, 1, config->name);
    c->version = keep_text(peers, 2, config->version);
    c->advertise_host = keep_text(peers, 3, config->advertise_host);
    peers->secret = mem_dup(config->secret.data, config->secret.len);
    c->secret = slice_of(peers->secret, config->secret.len);
    peers->blob = mem_dup(config->blob.data, config->blob.len);
    c->blob = slice_of(peers->blob, config->blob.len);
    set_default(&c->lease_ms, 3000);
    set_default(&c->heartbeat_ms, 1000);
    set_default(&c->forget_ms, 600000);
    set_default(&c->redial_ms, 5000);
    set_default(&c->max_peers, 1024);
    set_default(&c->max_calls, 4096);
    set_default(&c->call_contexts, 128);
    set_default(&c->max_call_bytes, CALL_BYTES_DEFAULT);
    if (c->window.max_record == 0)
        c->window.max_record = 2u << 20;
    if (c->window.frame_bytes == 0)
        c->window.frame_bytes = 65536;
    peers->incarnation = config->incarnation;
    while (peers->incarnation == 0)
        peers->incarnation = crypt_random_u64();
    crypt_random(peers->nonce_key, sizeof(peers->nonce_key));
}

static bool
is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static enum err
open_tls(struct peers *peers, const struct peers_config *config)
{
    struct nng_door_tls_config tls = {config->tls_ca, config->tls_cert, config->tls_key,
                                      config->tls_name};
    if (!is_given(tls.ca_file) && !is_given(tls.cert_file) && !is_given(tls.key_file))
        return OK;
    if (!is_given(tls.ca_file) || !is_given(tls.cert_file) || !is_given(tls.key_file))
        return ERR_INVALID;
    return nng_door_tls_new(&tls, &peers->tls);
}

static enum err
open_all(struct peers *peers, const struct peers_config *config)
{
    const struct feed_window_config *window = &peers->config.window;
    struct feed_config feed = {
        .loop = peers->loop,
        .listen = config->feed_listen,
        .max_frame =
            (window->max_record > window->frame_bytes ? window->max_record : window->frame_bytes) +
            PEER_BYTES_SLACK,
    };
    struct call_server_config server = {
        .loop = peers->loop,
        .listen = config->call_listen,
        .max_bytes = peers->config.max_call_bytes + PEER_BYTES_SLACK + HELLO_BYTES_MAX,
        .contexts = peers->config.call_contexts,
    };
    enum err err = open_tls(peers, config);
    if (err == OK && peers->tls != NULL)
        err = nng_canary_new(PATIENCE_TICKS, &peers->canary);
    if (err != OK)
        return err;
    feed.tls = server.tls = peers->tls;
    err = feed_new(&feed, peer_session_on_frame, peers, &peers->feed);
    if (err == OK && is_given(config->call_listen))
        err = call_server_new(&server, peer_call_on_request, peers, &peers->server);
    for (size_t i = 0; err == OK && i < config->n_dial; i++)
        err = peer_dial(peers, &config->dial[i]);
    return err;
}

static bool
config_is_fit(const struct peers_config *c)
{
    return c->secret.len > 0 && is_given(c->service) && is_given(c->name) &&
           strlen(c->service) <= HELLO_NAME_MAX && strlen(c->name) <= HELLO_NAME_MAX &&
           (c->version == NULL || strlen(c->version) <= HELLO_NAME_MAX) &&
           (c->advertise_host == NULL || strlen(c->advertise_host) <= HELLO_URL_MAX - 6) &&
           c->blob.len <= HELLO_BLOB_MAX && c->window.max_record <= (64u << 20) &&
           c->window.frame_bytes <= (1u << 20);
}

enum err
peers_new(struct loop *loop, const struct peers_config *config, const struct peers_events *events,
          void *arg, struct peers **out)
{
    struct peers *peers;
    enum err err;
    if (!config_is_fit(config))
        return ERR_INVALID;
    peers = mem_zalloc(sizeof(*peers));
    peers->loop = loop;
    peers->events = *events;
    peers->arg = arg;
    take_config(peers, config);
    loop_on_turn(loop, peer_session_flush_all, peers);
    loop_timer_init(&peers->tick, loop, on_tick, peers);
    loop_timer_start(&peers->tick, PEER_TICK_MS, true);
    err = open_all(peers, config);
    if (err != OK) {
        peers_free(peers);
        return err;
    }
    *out = peers;
    return OK;
}

void
peers_free(struct peers *peers)
{
    if (peers == NULL)
        return;
    memset(&peers->events, 0, sizeof(peers->events));
    peers->closing = true;
    loop_timer_fini(&peers->tick);
    loop_on_turn_remove(peers->loop, peer_session_flush_all, peers);
    for (struct peer *peer = peers->list; peer != NULL; peer = peer->next) {
        peer_call_end_all(peer, ERR_CLOSED);
        peer_session_end(peer, ERR_CLOSED);
    }
    while (peers->list != NULL)
        peer_free(peers->list);
    call_server_free(peers->server);
    feed_free(peers->feed);
    nng_canary_free(peers->canary);
    nng_door_tls_free(peers->tls);
    for (size_t i = 0; i < sizeof(peers->texts) / sizeof(peers->texts[0]); i++)
        mem_free(peers->texts[i]);
    mem_free_secret(peers->secret, peers->config.secret.len);
    mem_free(peers->blob);
    mem_free(peers);
}

uint64_t
peers_incarnation(const struct peers *peers)
{
    return peers->incarnation;
}

uint16_t
peers_call_port(const struct peers *peers)
{
    return peers->server != NULL ? call_server_port(peers->server) : 0;
}

uint16_t
peers_feed_port(const struct peers *peers)
{
    return feed_port(peers->feed);
}

void
peers_set_state(struct peers *peers, uint32_t flags)
{
    if (peers->state == flags)
        return;
    peers->state = flags;
    for (struct peer *peer = peers->list; peer != NULL; peer = peer->next) {
        if (!peer->up)
            continue;
        if (peer->calls_only) {
            peer->ping_ms = 0; /* with the next tick */
            continue;
        }
        peer->say_now = true;
        peer_session_touch(peer);
    }
}

const char *
peers_name(const struct peers *peers)
{
    return peers->config.name;
}

const struct peers_stats *
peers_stats(const struct peers *peers)
{
    return &peers->stats;
}

void
peers_each(struct peers *peers, peers_each_fn fn, void *arg)
{
    struct peer *next;
    for (struct peer *peer = peers->list; peer != NULL; peer = next) {
        next = peer->next;
        fn(arg, peer);
    }
}

struct peer *
peers_find(struct peers *peers, uint64_t incarnation)
{
    struct peer *peer;
    HASH_FIND(by_incarnation, peers->by_incarnation, &incarnation, sizeof(incarnation), peer);
    return peer;
}

struct peer *
peers_by_id(struct peers *peers, uint32_t id)
{
    struct peer *peer;
    for (peer = peers->list; peer != NULL && peer->id != id; peer = peer->next)
        continue;
    return peer;
}

void
peers_reply(struct peers *peers, struct call_request request, enum err result, struct slice body)
{
    if (body.len > peers->config.max_call_bytes)
        peer_call_reply(peers, request, ERR_TOO_LARGE, slice_of(NULL, 0));
    else
        peer_call_reply(peers, request, result, body);
}
