/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake drawn in hello.h, both ends. Ends in peer_session_start; what happens in a session
 * is not its business. */
#include "common/peer_impl.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/log.h"
#include "common/mem.h"

#include <string.h>

#define GENERATION_MAX ((UINT32_C(1) << 24) - 2)

static struct log_limit refused_limit, secret_limit, failed_limit;

uint64_t
peer_now_ms(const struct peers *peers)
{
    return loop_now_ms(peers->loop);
}

void
peer_hello_retry(struct peer *peer, uint32_t delay_ms)
{
    uint32_t jitter = (uint32_t)(crypt_random_u64() % (PEER_RETRY_MS / 4));
    peer->dial_state = PEER_DIAL_IDLE;
    peer->retry_ms = peer_now_ms(peer->peers) + delay_ms + (delay_ms > 0 ? jitter : 0);
}

/* Who we are, for hello1 and for an offer. */
static void
introduce(const struct peers *peers, struct hello *hello)
{
    memset(hello, 0, sizeof(*hello));
    hello->incarnation = peers->incarnation;
    hello->feed_port = feed_port(peers->feed);
    hello->time_ms = clock_monotonic_ms();
    (void)str_format(hello->service, sizeof(hello->service), "%s", peers->config.service);
    (void)str_format(hello->name, sizeof(hello->name), "%s", peers->config.name);
    (void)str_format(hello->version, sizeof(hello->version), "%s", peers->config.version);
    (void)str_format(hello->feed_host, sizeof(hello->feed_host), "%s",
                     peers->config.advertise_host);
}

static void
secret_refused(struct peers *peers, const char *who)
{
    uint64_t suppressed;
    peers->stats.secrets_refused++;
    peers->stats.hellos_refused++;
    if (log_every(&secret_limit, 10000, &suppressed))
        log_warn("peer_secret_refused", LOG_STR("address", who), LOG_U64("suppressed", suppressed),
                 LOG_END);
}

/* ---- dialing */

static void
failed(struct peer *peer, const char *step, enum err err)
{
    uint64_t suppressed;
    if (err == ERR_CLOSED)
        return; /* we are being taken down */
    if (err == ERR_DENIED)
        peer->peers->stats.secrets_refused++;
    if (log_every(&failed_limit, 5000, &suppressed))
        log_warn("peer_hello_failed", LOG_STR("service", peer->wanted_service),
                 LOG_STR("step", step), LOG_ERR(err), LOG_U64("suppressed", suppressed), LOG_END);
    peer_hello_retry(peer,
                     err == ERR_PEER_LOST || err == ERR_STALE ? PEER_RETRY_MS : 2 * PEER_RETRY_MS);
}

static void
on_welcome(void *arg, enum err result, struct slice reply)
{
    struct peer *peer = arg;
    struct peers *peers = peer->peers;
    struct slice hello1 = buf_slice(&peer->hello1);
    struct slice offer_bytes, proof, body;
    struct hello_tokens tokens;
    struct hello_welcome welcome;
    struct hello offer;
    struct peer_greeting greeting;
    enum err far = OK;

    if (result == OK)
        result = call_frame_decode_reply(reply, &far, &body);
    if (result == OK)
        result = far;
    if (result == OK)
        result = hello_offer_split(buf_slice(&peer->offer), &offer_bytes, &proof);
    if (result == OK)
        result = hello_decode(offer_bytes, &offer);
    if (result == OK) {
        hello_derive(peers->config.secret, offer_bytes, hello1, &tokens);
        result = hello_welcome_decode(body, &tokens, &welcome);
    }
    if (result == OK && (welcome.lease_ms < 100 || welcome.lease_ms > 3600000))
        result = ERR_MALFORMED;
    if (result != OK) {
        failed(peer, "welcome", result);
        return;
    }
    peer->dial_state = PEER_DIAL_IDLE;
    greeting = (struct peer_greeting){
        .hello = &offer,
        .tokens = &tokens,
        .feed_host = offer.feed_host[0] != '\0' ? offer.feed_host : peer->dial_host,
        .generation = offer.generation,
        .lease_ms = welcome.lease_ms,
        .state = welcome.state,
        .last_done = welcome.last_done,
        .blob = welcome.blob,
    };
    peer_session_start(peer, &greeting);
    crypt_wipe(&tokens, sizeof(tokens));
}

static enum err
offer_is_fit(struct peer *peer, struct hello *offer)
{
    const struct peers *peers = peer->peers;
    if (offer->version_max < HELLO_VERSION_MIN || offer->version_max > HELLO_VERSION_MAX)
        return ERR_VERSION;
    if (offer->incarnation == peers->incarnation)
        return ERR_INVALID; /* it is ourselves */
    if (strcmp(offer->service, peer->wanted_service) != 0)
        return ERR_INVALID;
    if (offer->generation <= peer->generation || offer->generation > GENERATION_MAX)
        return ERR_PROTOCOL;
    if (!peer->calls_only && offer->feed_port == 0)
        return ERR_UNSUPPORTED;
    return OK;
}

static void
on_offer(void *arg, enum err result, struct slice reply)
{
    struct peer *peer = arg;
    struct peers *peers = peer->peers;
    struct slice hello1 = buf_slice(&peer->hello1);
    struct slice bytes, offer_bytes, proof;
    uint8_t head[CALL_FRAME_REQUEST_LEN];
    uint8_t mac[HELLO_PROOF_LEN];
    struct hello offer;
    struct buf hello2;
    enum err far = OK;

    if (result == OK)
        result = call_frame_decode_reply(reply, &far, &bytes);
    if (result == OK)
        result = far;
    if (result == OK)
        result = hello_offer_split(bytes, &offer_bytes, &proof);
    if (result == ERR_EXISTS) { /* a list of peers that is the same for all names us, too */
        peer_hello_retry(peer, PEER_SELF_MS);
        return;
    }
    if (result != OK) {
        failed(peer, "offer", result);
        return;
    }
    hello_proof(peers->config.secret, true, offer_bytes, hello1, mac);
    if (!crypt_equal(mac, proof.data, sizeof(mac))) {
        secret_refused(peers, peer->wanted_service);
        peer_hello_retry(peer, 4 * PEER_RETRY_MS);
        return;
    }
    result = hello_decode(offer_bytes, &offer);
    if (result == OK)
        result = offer_is_fit(peer, &offer);
    if (result != OK) {
        peers->stats.hellos_refused++;
        failed(peer, "offer", result);
        return;
    }
    buf_reset(&peer->offer);
    buf_append_slice(&peer->offer, bytes);
    hello_proof(peers->config.secret, false, offer_bytes, hello1, mac);
    buf_init(&hello2, HELLO_BYTES_MAX);
    hello_second_encode(hello1, offer_bytes, mac, &hello2);
    peer_call_fill(peer, CALL_FRAME_HELLO2, 0, head);
    peer->dial_state = PEER_DIAL_HELLO2;
    peer->hello2_ms = peer_now_ms(peers);
    result = buf_error(&hello2);
    if (result == OK)
        result = call_client_send(peer->client, slice_of(head, sizeof(head)), buf_slice(&hello2),
                                  PEER_HELLO_DEADLINE_MS, on_welcome, peer, NULL);
    buf_fini(&hello2);
    if (result != OK)
        failed(peer, "hello2", result);
}

void
peer_hello_say(struct peer *peer)
{
    struct peers *peers = peer->peers;
    uint8_t head[CALL_FRAME_REQUEST_LEN];
    struct hello hello;
    enum err err;

    if (peer->up || peer->dial_state != PEER_DIAL_IDLE || !call_client_connected(peer->client))
        return;
    introduce(peers, &hello);
    hello.version_min = HELLO_VERSION_MIN;
    hello.version_max = HELLO_VERSION_MAX;
    hello.flags = peer->calls_only ? 0 : HELLO_WANTS_FEED;
    hello.generation = peer->generation + 1;
    hello.state = peers->state;
    hello.last_done = peer->window != NULL ? feed_window_last_done(peer->window) : 0;
    hello.blob = peers->config.blob;
    crypt_random(hello.nonce, sizeof(hello.nonce));
    buf_reset(&peer->hello1);
    hello_encode(&hello, &peer->hello1);
    peer_call_fill(peer, CALL_FRAME_HELLO1, 0, head);
    peer->dial_state = PEER_DIAL_HELLO1;
    peers->stats.hellos_sent++;
    err = call_client_send(peer->client, slice_of(head, sizeof(head)), buf_slice(&peer->hello1),
                           PEER_HELLO_DEADLINE_MS, on_offer, peer, NULL);
    if (err != OK)
        failed(peer, "hello1", err);
}

/* ---- answering */

static void
refuse(struct peers *peers, struct call_request request, const char *remote_ip, enum err err)
{
    uint64_t suppressed;
    peers->stats.hellos_refused += err != ERR_EXISTS;
    if (err != ERR_EXISTS && log_every(&refused_limit, 5000, &suppressed))
        log_warn("peer_hello_refused", LOG_STR("address", remote_ip), LOG_ERR(err),
                 LOG_U64("suppressed", suppressed), LOG_END);
    peer_call_reply(peers, request, err, slice_of(NULL, 0));
}

static struct peer *
find_incoming(struct peers *peers, const struct hello *hello)
{
    for (struct peer *peer = peers->list; peer != NULL; peer = peer->next) {
        if (!peer->dialed && strcmp(peer->service, hello->service) == 0 &&
            strcmp(peer->name, hello->name) == 0)
            return peer;
    }
    return NULL;
}

/* ERR_EXISTS: it is ourselves. */
static enum err
hello1_is_fit(const struct peers *peers, const struct hello *hello)
{
    if (hello->version_max < HELLO_VERSION_MIN || hello->version_min > HELLO_VERSION_MAX)
        return ERR_VERSION;
    if (hello->incarnation == peers->incarnation)
        return ERR_EXISTS;
    if (hello->generation == 0 || hello->generation > GENERATION_MAX)
        return ERR_INVALID;
    if ((hello->flags & HELLO_WANTS_FEED) != 0 &&
        (hello->feed_port == 0 || feed_port(peers->feed) == 0))
        return ERR_UNSUPPORTED;
    return OK;
}

static void
answer_hello1(struct peers *peers, struct call_request request, const char *remote_ip,
              struct slice hello1)
{
    struct hello hello, offer;
    struct peer *peer;
    uint8_t proof[HELLO_PROOF_LEN];
    struct buf out;
    enum err err = hello_decode(hello1, &hello);

    if (err == OK)
        err = hello1_is_fit(peers, &hello);
    if (err != OK) {
        refuse(peers, request, remote_ip, err);
        return;
    }
    introduce(peers, &offer);
    offer.version_min = offer.version_max =
        hello.version_max < HELLO_VERSION_MAX ? hello.version_max : HELLO_VERSION_MAX;
    offer.generation = hello.generation;
    peer = find_incoming(peers, &hello);
    if (peer != NULL && peer->generation >= offer.generation)
        offer.generation = peer->generation + 1;
    hello_offer_nonce(peers->nonce_key, &offer, hello1, offer.nonce);
    buf_init(&out, HELLO_BYTES_MAX);
    hello_encode(&offer, &out);
    hello_proof(peers->config.secret, true, buf_slice(&out), hello1, proof);
    buf_append(&out, proof, sizeof(proof));
    peer_call_reply(peers, request, OK, buf_slice(&out));
    buf_fini(&out);
}

/* The offer must be our own, fresh, and belong to this hello1. */
static enum err
check_offer(const struct peers *peers, const struct hello *offer, struct slice hello1)
{
    uint8_t nonce[HELLO_NONCE_LEN];
    uint64_t now = clock_monotonic_ms();
    hello_offer_nonce(peers->nonce_key, offer, hello1, nonce);
    if (offer->incarnation != peers->incarnation ||
        !crypt_equal(nonce, offer->nonce, sizeof(nonce)))
        return ERR_STALE;
    if (offer->time_ms > now || now - offer->time_ms > HELLO_OFFER_MS)
        return ERR_STALE;
    return OK;
}

static enum err
adopt(struct peers *peers, const struct hello *hello, struct peer **out)
{
    struct peer *peer = find_incoming(peers, hello);
    bool calls_only = (hello->flags & HELLO_WANTS_FEED) == 0;
    if (peer != NULL) {
        if (peer->calls_only != calls_only)
            return ERR_INVALID;
        *out = peer;
        return OK;
    }
    peer = peer_new(peers);
    if (peer == NULL)
        return ERR_QUOTA;
    peer->calls_only = calls_only;
    if (!calls_only) {
        enum err err = peer_session_open_feed(peer);
        if (err != OK) {
            peer_free(peer);
            return err;
        }
    }
    *out = peer;
    return OK;
}

static void
welcome(struct peers *peers, struct call_request request, struct peer *peer,
        const struct peer_greeting *greeting)
{
    struct hello_welcome w = {
        .lease_ms = greeting->lease_ms,
        .state = peers->state,
        .last_done = peer->window != NULL ? feed_window_last_done(peer->window) : 0,
        .blob = peers->config.blob,
    };
    struct buf out;
    buf_init(&out, HELLO_BYTES_MAX);
    hello_welcome_encode(&w, greeting->tokens, &out);
    peer_session_start(peer, greeting);
    peer_call_reply(peers, request, OK, buf_slice(&out));
    buf_fini(&out);
}

static void
answer_hello2(struct peers *peers, struct call_request request, const char *remote_ip,
              struct slice bytes)
{
    struct slice hello1, offer_bytes, proof;
    uint8_t mac[HELLO_PROOF_LEN];
    struct hello hello, offer;
    struct hello_tokens tokens;
    struct peer_greeting greeting;
    struct peer *peer = NULL;
    enum err err = hello_second_decode(bytes, &hello1, &offer_bytes, &proof);

    if (err == OK) {
        hello_proof(peers->config.secret, false, offer_bytes, hello1, mac);
        if (!crypt_equal(mac, proof.data, sizeof(mac))) {
            secret_refused(peers, remote_ip);
            peer_call_reply(peers, request, ERR_DENIED, slice_of(NULL, 0));
            return;
        }
        err = hello_decode(hello1, &hello);
    }
    if (err == OK)
        err = hello_decode(offer_bytes, &offer);
    if (err == OK)
        err = check_offer(peers, &offer, hello1);
    if (err == OK)
        err = hello1_is_fit(peers, &hello);
    if (err == OK)
        err = adopt(peers, &hello, &peer);
    /* a copy of a former handshake, or two crossing: the generation must rise */
    if (err == OK && offer.generation <= peer->generation)
        err = ERR_STALE;
    if (err != OK) {
        refuse(peers, request, remote_ip, err);
        return;
    }
    hello_derive(peers->config.secret, offer_bytes, hello1, &tokens);
    greeting = (struct peer_greeting){
        .hello = &hello,
        .tokens = &tokens,
        .feed_host = hello.feed_host[0] != '\0' ? hello.feed_host : remote_ip,
        .generation = offer.generation,
        .lease_ms = peers->config.lease_ms,
        .state = hello.state,
        .last_done = hello.last_done,
        .blob = hello.blob,
    };
    welcome(peers, request, peer, &greeting);
    crypt_wipe(&tokens, sizeof(tokens));
}

void
peer_hello_answer(struct peers *peers, struct call_request request, const char *remote_ip,
                  const struct call_frame *frame)
{
    if (frame->body.len > HELLO_BYTES_MAX)
        refuse(peers, request, remote_ip, ERR_TOO_LARGE);
    else if (frame->kind == CALL_FRAME_HELLO1)
        answer_hello1(peers, request, remote_ip, frame->body);
    else
        answer_hello2(peers, request, remote_ip, frame->body);
}
