/* SPDX-License-Identifier: Apache-2.0 */
/* A session with one peer: begin and end, frames in and out, the lease. Greets nobody and keeps no
 * list; the rules of sequence and repetition are feed_window.c's. */
#include "common/peer_impl.h"

#include "common/crypt.h"
#include "common/log.h"
#include "common/mem.h"

#include <string.h>

static struct log_limit refused_limit;

void
peer_session_touch(struct peer *peer)
{
    struct peers *peers = peer->peers;
    if (peer->dirty)
        return;
    peer->dirty = true;
    peer->next_dirty = peers->dirty;
    peers->dirty = peer;
    /* touched by a turn hook that runs after ours */
    if (peers->flushed_us == loop_now_us(peers->loop))
        loop_again(peers->loop);
}

static void
on_link(void *arg, bool connected)
{
    struct peer *peer = arg;
    if (!connected || !peer->up)
        return;
    feed_window_rewind(peer->window, peer_now_ms(peer->peers));
    peer->say_now = true;
    peer_session_touch(peer);
}

enum err
peer_session_open_feed(struct peer *peer)
{
    enum err err = feed_out_new(peer->peers->feed, on_link, peer, &peer->out);
    if (err != OK)
        return err;
    peer->window = feed_window_new(&peer->peers->config.window);
    return OK;
}

static void
copy_text(char *to, const char *from)
{
    (void)str_format(to, HELLO_NAME_MAX + 1, "%s", from);
}

static void
enter_tables(struct peer *peer)
{
    struct peers *peers = peer->peers;
    struct peer *other;
    HASH_FIND(by_incarnation, peers->by_incarnation, &peer->incarnation, sizeof(uint64_t), other);
    if (other == NULL)
        HASH_ADD(by_incarnation, peers->by_incarnation, incarnation, sizeof(uint64_t), peer);
    HASH_ADD(by_token, peers->by_token, token_in, FEED_FRAME_TOKEN_LEN, peer);
    if (!peer->dialed)
        HASH_ADD(by_calls, peers->by_calls, token_calls, FEED_FRAME_TOKEN_LEN, peer);
}

static void
leave_tables(struct peer *peer)
{
    struct peers *peers = peer->peers;
    struct peer *other;
    HASH_FIND(by_incarnation, peers->by_incarnation, &peer->incarnation, sizeof(uint64_t), other);
    if (other == peer)
        HASH_DELETE(by_incarnation, peers->by_incarnation, peer);
    HASH_DELETE(by_token, peers->by_token, peer);
    if (!peer->dialed)
        HASH_DELETE(by_calls, peers->by_calls, peer);
}

static void
tell_done(struct peer *peer)
{
    uint64_t ticket = feed_window_done_ticket(peer->window);
    if (ticket <= peer->told_ticket)
        return;
    peer->told_ticket = ticket;
    if (peer->peers->events.done != NULL)
        peer->peers->events.done(peer->peers->arg, peer, ticket);
}

void
peer_session_redial(struct peer *peer)
{
    uint64_t now = peer_now_ms(peer->peers);
    if (now - peer->feed_dialed_ms < peer->peers->config.redial_ms)
        return; /* a connection needs a while */
    peer->feed_dialed_ms = now;
    feed_out_redial(peer->out);
}

static void
start_feed(struct peer *peer, const struct peer_greeting *g)
{
    char address[NNG_DOOR_URL_MAX];
    enum err err;
    if (peer->calls_only)
        return;
    feed_window_former_done(peer->window, g->last_done);
    tell_done(peer);
    feed_window_start(peer->window, g->generation, peer_now_ms(peer->peers));
    peer->unsent_bytes = 0;
    err =
        str_format(address, sizeof(address), "%s:%u", g->feed_host, (unsigned)g->hello->feed_port);
    if (err == OK)
        err = feed_out_dial(peer->out, address);
    if (peer->feed_dialed_ms == 0)
        peer->feed_dialed_ms = peer_now_ms(peer->peers);
    if (err == OK && peer->was_silent)
        peer_session_redial(peer);
    if (err != OK)
        log_warn("peer_feed_address", LOG_STR("peer", peer->name), LOG_STR("address", address),
                 LOG_ERR(err), LOG_END);
}

void
peer_session_start(struct peer *peer, const struct peer_greeting *g)
{
    struct peers *peers = peer->peers;
    struct peer_info info = {0};
    enum peer_keep keep = PEER_DROP;

    if (peer->up)
        peer_session_end(peer, ERR_STALE);
    info.first = !peer->had_session;
    info.lapsed = peer->had_session && peer->incarnation == g->hello->incarnation;
    copy_text(peer->service, g->hello->service);
    copy_text(peer->name, g->hello->name);
    copy_text(peer->version, g->hello->version);
    peer->incarnation = g->hello->incarnation;
    peer->generation = g->generation;
    peer->lease_ms = g->lease_ms;
    peer->state = g->state;
    peer->had_session = true;
    peer->up = true;
    peer->confirmed = peer->dialed;
    memcpy(peer->token_in, peer->dialed ? g->tokens->to_dialer : g->tokens->to_server,
           FEED_FRAME_TOKEN_LEN);
    memcpy(peer->token_out, peer->dialed ? g->tokens->to_server : g->tokens->to_dialer,
           FEED_FRAME_TOKEN_LEN);
    memcpy(peer->token_calls, g->tokens->calls, FEED_FRAME_TOKEN_LEN);
    peer->heard_ms = peer->ping_ms = peer_now_ms(peers);
    peer->proved_ms = peer->hello2_ms;
    peer->has_far_stamp = false;
    peer->sent_ms = 0;
    peer->say_now = true;
    enter_tables(peer);
    peers->stats.sessions++;
    start_feed(peer, g);
    log_info("peer_up", LOG_STR("service", peer->service), LOG_STR("peer", peer->name),
             LOG_HEX("incarnation", peer->incarnation), LOG_U64("generation", peer->generation),
             LOG_BOOL("lapsed", info.lapsed), LOG_END);

    info.service = peer->service;
    info.name = peer->name;
    info.version = peer->version;
    info.incarnation = peer->incarnation;
    info.blob = g->blob;
    info.dialed = peer->dialed;
    info.has_feed = !peer->calls_only;
    info.state = peer->state;
    if (peers->events.up != NULL)
        keep = peers->events.up(peers->arg, peer, &info);
    if (peer->calls_only || !peer->up)
        return;
    if (keep != PEER_KEEP_LATER)
        (void)feed_window_release(peer->window, keep == PEER_KEEP);
    peer->told_ticket = feed_window_done_ticket(peer->window); /* dropped is not done */
    peer_session_touch(peer);
}

void
peer_session_end(struct peer *peer, enum err why)
{
    struct peers *peers = peer->peers;
    if (!peer->up)
        return;
    leave_tables(peer);
    peer->up = false;
    peer->was_silent = why == ERR_TIMEOUT;
    peer->down_ms = peer_now_ms(peers);
    if (peer->window != NULL)
        feed_window_stop(peer->window);
    if (why == ERR_TIMEOUT)
        peers->stats.leases_ended++;
    log_info("peer_down", LOG_STR("service", peer->service), LOG_STR("peer", peer->name),
             LOG_HEX("incarnation", peer->incarnation), LOG_U64("generation", peer->generation),
             LOG_ERR(why), LOG_END);
    peer_call_end_all(peer, ERR_PEER_LOST);
    if (peers->events.down != NULL)
        peers->events.down(peers->arg, peer, why);
    if (peer->dialed && peer->dial_state == PEER_DIAL_IDLE)
        peer_hello_retry(peer, 0);
}

/*
 * The side that answers counts its lease from what it heard last. The side that dials counts a
 * shorter one from when it *sent* what the other is known to have heard last: whatever is stopped,
 * delayed or cut, in either direction, it ends first, and nobody acts for long on what he was told
 * by a program that has given him up.
 */
uint64_t
peer_session_lease_end_ms(const struct peer *peer)
{
    if (!peer->up)
        return 0;
    if (!peer->dialed || peer->calls_only) /* pings are answered: heard is proved */
        return peer->heard_ms + peer->lease_ms;
    return peer->proved_ms + peer->lease_ms - peer->lease_ms / 4;
}

bool
peer_session_lease_over(const struct peer *peer, uint64_t now_ms)
{
    return peer->up && now_ms > peer_session_lease_end_ms(peer);
}

/* An echo says which of our frames arrived. One from the future, or older than what we know, says
 * nothing. */
static void
take_echo(struct peer *peer, const struct feed_frame *frame, uint64_t now_ms)
{
    uint32_t age_ms = (uint32_t)now_ms - frame->echo;
    peer->far_stamp = frame->stamp;
    peer->has_far_stamp = true;
    if ((frame->flags & FEED_FRAME_ECHO) != 0 && age_ms <= peer->lease_ms &&
        now_ms - age_ms > peer->proved_ms)
        peer->proved_ms = now_ms - age_ms;
}

/* ---- in */

static void
refuse(struct peers *peers, const char *why)
{
    uint64_t suppressed;
    peers->stats.frames_refused++;
    if (log_every(&refused_limit, 10000, &suppressed))
        log_info("peer_frame_refused", LOG_STR("why", why), LOG_U64("suppressed", suppressed),
                 LOG_END);
}

static void
deliver(struct peer *peer, const struct feed_frame *frame)
{
    struct peers *peers = peer->peers;
    struct slice records = frame->records;
    struct slice body;
    uint8_t type;
    if (feed_window_arrived(peer->window, frame->seq, frame->flags) != FEED_NEW)
        return;
    while (feed_frame_next(&records, &type, &body)) {
        if (peers->events.record != NULL)
            peers->events.record(peers->arg, peer, type, body, frame->seq);
        if (!peer->up)
            return; /* the application dropped the peer */
    }
    if (peers->events.frame_end != NULL)
        peers->events.frame_end(peers->arg, peer, frame->seq);
}

void
peer_session_on_frame(void *arg, struct slice bytes)
{
    struct peers *peers = arg;
    struct feed_frame frame;
    struct peer *peer;
    uint64_t now = peer_now_ms(peers);
    enum err err = feed_frame_decode(bytes, peers->config.window.max_record, &frame);

    if (err != OK) {
        refuse(peers, err_text(err));
        return;
    }
    HASH_FIND(by_token, peers->by_token, frame.token, FEED_FRAME_TOKEN_LEN, peer);
    if (frame.receiver != peers->incarnation || peer == NULL ||
        !crypt_equal(peer->token_in, frame.token, FEED_FRAME_TOKEN_LEN) ||
        frame.sender != peer->incarnation || peer->calls_only) {
        refuse(peers, "no such session");
        return;
    }
    /* Checked before the frame can renew it: after a stop of this program what is in the socket is
     * from before, and the far end has long given us up. */
    if (peer_session_lease_over(peer, now)) {
        refuse(peers, "lease over");
        peer_session_end(peer, ERR_TIMEOUT);
        return;
    }
    err = feed_window_acked(peer->window, now, frame.received, frame.done, frame.flags);
    if (err != OK) {
        refuse(peers, err_text(err));
        peer_session_end(peer, ERR_PROTOCOL);
        return;
    }
    peer->heard_ms = now;
    take_echo(peer, &frame, now);
    peer->confirmed = true;
    if (frame.state != peer->state) {
        peer->state = frame.state;
        if (peers->events.state != NULL)
            peers->events.state(peers->arg, peer, frame.state);
    }
    if (peer->up)
        tell_done(peer);
    if (peer->up && frame.seq != 0)
        deliver(peer, &frame);
    if (peer->up && feed_window_take_room(peer->window) && peers->events.room != NULL)
        peers->events.room(peers->arg, peer);
    if (peer->up)
        peer_session_touch(peer);
}

/* ---- out */

static bool
send_frame(struct peer *peer, const struct feed_window_out *out, uint64_t now_ms)
{
    struct feed_frame frame = {
        .flags = out->flags | (peer->has_far_stamp ? FEED_FRAME_ECHO : 0),
        .state = peer->peers->state,
        .sender = peer->peers->incarnation,
        .receiver = peer->incarnation,
        .seq = out->seq,
        .received = out->received,
        .done = out->done,
        .stamp = (uint32_t)now_ms,
        .echo = peer->far_stamp,
    };
    uint8_t header[FEED_FRAME_HEADER_LEN];
    memcpy(frame.token, peer->token_out, sizeof(frame.token));
    feed_frame_encode_header(&frame, header);
    /* what nng does not take is lost like on the way, and repeated like that */
    if (feed_out_send(peer->out, slice_of(header, sizeof(header)), out->records) != OK)
        return false;
    peer->sent_ms = now_ms;
    peer->say_now = false;
    return true;
}

static bool
can_send(const struct peer *peer)
{
    return peer->up && !peer->calls_only && peer->confirmed && feed_out_connected(peer->out);
}

void
peer_session_transmit(struct peer *peer, uint64_t now_ms)
{
    struct feed_window_out out;
    peer->unsent_bytes = 0;
    if (!can_send(peer))
        return;
    while (feed_window_next(peer->window, now_ms, &out)) {
        if (!send_frame(peer, &out, now_ms))
            return;
    }
}

static void
flush(struct peer *peer, uint64_t now_ms)
{
    struct feed_window_out out;
    if (!peer->up || peer->calls_only)
        return;
    feed_window_close_frame(peer->window);
    peer_session_transmit(peer, now_ms);
    if (!can_send(peer))
        return;
    if (peer->say_now || feed_window_ack_due(peer->window) ||
        now_ms - peer->sent_ms >= peer->peers->config.heartbeat_ms / 2) {
        feed_window_ack(peer->window, &out);
        (void)send_frame(peer, &out, now_ms);
    }
}

void
peer_session_flush_all(void *arg)
{
    struct peers *peers = arg;
    uint64_t now = peer_now_ms(peers);
    while (peers->dirty != NULL) {
        struct peer *peer = peers->dirty;
        peers->dirty = peer->next_dirty;
        peer->dirty = false;
        flush(peer, now);
    }
    peers->flushed_us = loop_now_us(peers->loop);
}
