/* SPDX-License-Identifier: Apache-2.0 */
/* One peer: made, dialed, freed, and the public peer_ functions but calls. The whole set is
 * peers.c's; handshake, sessions and calls are in the other peer_*.c (see peer_impl.h). */
#include "common/peer_impl.h"

#include "common/mem.h"

#include <assert.h>
#include <string.h>

struct peer *
peer_new(struct peers *peers)
{
    struct peer *peer;
    if (peers->count >= peers->config.max_peers)
        return NULL;
    peer = mem_zalloc(sizeof(*peer));
    peer->peers = peers;
    peer->id = ++peers->last_id;
    buf_init(&peer->hello1, HELLO_BYTES_MAX);
    buf_init(&peer->offer, HELLO_BYTES_MAX);
    peer->next = peers->list;
    peers->list = peer;
    peers->count++;
    peer->down_ms = peer_now_ms(peers);
    return peer;
}

void
peer_free(struct peer *peer)
{
    struct peers *peers = peer->peers;
    struct peer **link;
    assert(!peer->up);
    for (link = &peers->list; *link != peer; link = &(*link)->next)
        continue;
    *link = peer->next;
    for (link = &peers->dirty; *link != NULL; link = &(*link)->next_dirty) {
        if (*link == peer) {
            *link = peer->next_dirty;
            break;
        }
    }
    peers->count--;
    call_client_free(peer->client);
    feed_out_free(peer->out);
    feed_window_free(peer->window);
    buf_fini(&peer->hello1);
    buf_fini(&peer->offer);
    mem_free(peer->address);
    mem_free(peer);
}

static void
on_call_link(void *arg, bool connected)
{
    struct peer *peer = arg;
    if (!connected)
        return;
    /* Anew after a loss: perhaps another incarnation. The ping finds out before the lease would. */
    if (peer->up)
        peer_call_ping(peer);
    else
        peer_hello_say(peer);
}

static void
set_dial_host(struct peer *peer, const char *address)
{
    const char *host = strstr(address, "://");
    const char *colon;
    host = host != NULL ? host + 3 : address;
    colon = strrchr(host, ':');
    (void)str_format(peer->dial_host, sizeof(peer->dial_host), "%.*s",
                     (int)(colon != NULL ? colon - host : 0), host);
}

enum err
peer_dial(struct peers *peers, const struct peers_dial *wanted)
{
    struct call_client_config config = {
        .loop = peers->loop,
        .address = wanted->address,
        .tls = peers->tls,
        .max_bytes = peers->config.max_call_bytes + PEER_BYTES_SLACK + HELLO_BYTES_MAX,
        .max_in_flight = peers->config.max_calls,
    };
    struct peer *peer = peer_new(peers);
    enum err err;
    if (peer == NULL)
        return ERR_QUOTA;
    peer->dialed = true;
    peer->calls_only = wanted->calls_only;
    peer->address = mem_strdup(wanted->address);
    set_dial_host(peer, wanted->address);
    (void)str_format(peer->wanted_service, sizeof(peer->wanted_service), "%s", wanted->service);
    (void)str_format(peer->service, sizeof(peer->service), "%s", wanted->service);
    if (!peer->calls_only) {
        if (feed_port(peers->feed) == 0)
            return ERR_INVALID;
        err = peer_session_open_feed(peer);
        if (err != OK)
            return err;
    }
    return call_client_new(&config, on_call_link, peer, &peer->client);
}

/* ---- one peer */

uint32_t
peer_id(const struct peer *peer)
{
    return peer->id;
}

const char *
peer_service(const struct peer *peer)
{
    return peer->service;
}

const char *
peer_name(const struct peer *peer)
{
    return peer->name;
}

const char *
peer_address(const struct peer *peer)
{
    return peer->address != NULL ? peer->address : "";
}

uint64_t
peer_lease_end_ms(const struct peer *peer)
{
    return peer_session_lease_end_ms(peer);
}

uint64_t
peer_incarnation(const struct peer *peer)
{
    return peer->incarnation;
}

uint32_t
peer_state(const struct peer *peer)
{
    return peer->state;
}

bool
peer_is_up(const struct peer *peer)
{
    return peer->up;
}

bool
peer_is_dialed(const struct peer *peer)
{
    return peer->dialed;
}

void
peer_set_user(struct peer *peer, void *user)
{
    peer->user = user;
}

void *
peer_user(const struct peer *peer)
{
    return peer->user;
}

const struct feed_window_stats *
peer_feed_stats(const struct peer *peer)
{
    static const struct feed_window_stats none;
    return peer->window != NULL ? feed_window_stats(peer->window) : &none;
}

enum err
peer_append(struct peer *peer, enum feed_class class, uint8_t type, const struct slice *parts,
            size_t n, uint64_t *ticket)
{
    enum err err;
    if (peer->window == NULL)
        return ERR_UNSUPPORTED;
    err = feed_window_append(peer->window, class, type, parts, n, ticket);
    if (err != OK)
        return err;
    for (size_t i = 0; i < n; i++)
        peer->unsent_bytes += parts[i].len;
    peer->unsent_bytes += FEED_FRAME_RECORD_OVERHEAD;
    if (peer->unsent_bytes >= peer->peers->config.window.frame_bytes)
        peer_session_transmit(peer, peer_now_ms(peer->peers));
    peer_session_touch(peer);
    return OK;
}

void
peer_done(struct peer *peer, uint64_t seq)
{
    if (peer->window == NULL)
        return;
    feed_window_done(peer->window, seq);
    peer_session_touch(peer);
}

void
peer_preamble_end(struct peer *peer)
{
    if (peer->window == NULL || !peer->up)
        return;
    (void)feed_window_release(peer->window, true);
    peer_session_touch(peer);
}

void
peer_take_unfinished(struct peer *peer, void (*fn)(void *arg, uint8_t type, struct slice body),
                     void *arg)
{
    if (peer->window != NULL)
        feed_window_take_unfinished(peer->window, fn, arg);
}

uint64_t
peer_last_ticket(const struct peer *peer)
{
    return peer->window != NULL ? feed_window_last_ticket(peer->window) : 0;
}

bool
peer_has_room(const struct peer *peer)
{
    return peer->up && peer->window != NULL && feed_window_has_room(peer->window);
}

void
peer_drop(struct peer *peer, enum err why)
{
    peer_session_end(peer, why);
}
