/* SPDX-License-Identifier: Apache-2.0 */
/* What the peer_*.c files share; nobody else includes it.
 *
 * peers.c         all together: settings, sockets, the tick
 * peer.c          one peer
 * peer_hello.c    saying hello and answering it
 * peer_session.c  a session: begin, end, frames in and out
 * peer_call.c     calls out and in, pings
 *
 * Life of a dialed peer:
 *
 *   idle --connected, retry time--> hello1 --offer--> hello2 --welcome--> up
 *    ^                                |                 |                 |
 *    +------- refused, deadline ------+-----------------+                 |
 *    +------- lease ended, ping denied, dropped --------------------------+
 *
 * Life of an incoming one: created by its first hello2; up; down; up again with its next hello2;
 * forgotten after forget_ms without session.
 *
 * Who sends first: the server's session begins when it answers hello2, the dialer's when it reads
 * that answer. The server therefore sends nothing into a session before it has heard from the
 * dialer in it (`confirmed`).
 */
#ifndef SLUICE_COMMON_PEER_IMPL_H
#define SLUICE_COMMON_PEER_IMPL_H

#include "common/call.h"
#include "common/call_frame.h"
#include "common/feed.h"
#include "common/feed_window.h"
#include "common/hello.h"
#include "common/loop.h"
#include "common/nng_door.h"
#include "common/peer.h"
#include "common/table.h"

#define PEER_BYTES_SLACK       4096u /* headers around the largest record or body */
#define PEER_TICK_MS           50u
#define PEER_RETRY_MS          250u
#define PEER_SELF_MS           30000u /* until we ask again who is there: it was ourselves */
#define PEER_HELLO_DEADLINE_MS 2000u

enum peer_dial_state {
    PEER_DIAL_IDLE,
    PEER_DIAL_HELLO1,
    PEER_DIAL_HELLO2,
};

struct peer_pending_call; /* peer_call.c */

/* Owned by struct peers. */
struct peer {
    struct peers *peers;
    struct peer *next;
    uint32_t id;
    void *user;
    bool dialed;
    bool calls_only;
    char wanted_service[HELLO_NAME_MAX + 1]; /* dialed: who must answer */

    /* of the present or last session */
    char service[HELLO_NAME_MAX + 1];
    char name[HELLO_NAME_MAX + 1];
    char version[HELLO_NAME_MAX + 1];
    uint64_t incarnation;
    uint32_t generation;
    uint32_t lease_ms;
    uint32_t state;
    bool had_session;
    bool up;
    bool confirmed;
    uint8_t token_in[FEED_FRAME_TOKEN_LEN];
    uint8_t token_out[FEED_FRAME_TOKEN_LEN];
    uint8_t token_calls[FEED_FRAME_TOKEN_LEN];
    uint64_t heard_ms, sent_ms, down_ms;
    bool was_silent; /* the last session ended because nothing was heard */
    uint64_t
        proved_ms; /* dialed: when we sent the newest message that the far end is known to have */
    uint32_t far_stamp; /* of the newest frame of this session, to be echoed */
    bool has_far_stamp;

    /* feed; NULL when calls_only */
    struct feed_window *window;
    struct feed_out *out;
    uint64_t told_ticket;
    uint64_t feed_dialed_ms; /* when the feed was dialed last, by us: nng does so by itself */
    size_t unsent_bytes;
    bool say_now; /* a heartbeat is wanted with the next flush */
    bool dirty;
    struct peer *next_dirty;

    /* dialed */
    struct call_client *client;
    char *address;                     /* as given */
    char dial_host[HELLO_URL_MAX + 1]; /* where the feed is when the offer names no host */
    enum peer_dial_state dial_state;
    uint64_t retry_ms, hello2_ms, dialed_ms;
    uint64_t ping_ms; /* when the last ping left */
    bool ping_in_flight;
    struct buf hello1, offer; /* as sent and received, while saying hello */
    struct peer_pending_call *calls;

    UT_hash_handle by_incarnation, by_token, by_calls;
};

struct peers {
    struct loop *loop;
    struct peers_config config; /* texts point to the copies below */
    char *texts[6];
    uint8_t *secret;
    uint8_t *blob;
    struct peers_events events;
    void *arg;
    uint64_t incarnation;
    uint8_t nonce_key[32];
    uint32_t state;
    bool closing;
    struct nng_door_tls *tls;
    struct nng_canary *canary; /* with TLS */
    bool stuck;                /* said so */
    struct feed *feed;
    struct call_server *server;
    struct loop_timer tick;
    struct peer *list;
    size_t count;
    uint32_t last_id;
    struct peer *dirty;
    uint64_t flushed_us;                               /* turn in which the flush has run */
    struct peer *by_incarnation, *by_token, *by_calls; /* in session */
    struct peers_stats stats;
};

/* What a finished handshake says. */
struct peer_greeting {
    const struct hello *hello; /* of the far end */
    const struct hello_tokens *tokens;
    const char *feed_host;
    uint32_t generation, lease_ms, state;
    uint64_t last_done;
    struct slice blob;
};

/* peer.c. NULL: too many. */
struct peer *peer_new(struct peers *peers);
/* Frees at once, without events. */
void peer_free(struct peer *peer);
enum err peer_dial(struct peers *peers, const struct peers_dial *wanted) ERR_MUST_USE;
uint64_t peer_now_ms(const struct peers *peers);

/* peer_session.c */
enum err peer_session_open_feed(struct peer *peer) ERR_MUST_USE;
void peer_session_start(struct peer *peer, const struct peer_greeting *greeting);
void peer_session_end(struct peer *peer, enum err why);
void peer_session_on_frame(void *arg, struct slice bytes);
uint64_t peer_session_lease_end_ms(const struct peer *peer); /* on this side; 0: no session */
bool peer_session_lease_over(const struct peer *peer, uint64_t now_ms);
void peer_session_redial(struct peer *peer); /* the feed; not too often */
void peer_session_touch(struct peer *peer);  /* flush at the end of the turn */
void peer_session_transmit(struct peer *peer, uint64_t now_ms);
void peer_session_flush_all(void *arg);

/* peer_hello.c */
void peer_hello_say(struct peer *peer);
void peer_hello_retry(struct peer *peer, uint32_t delay_ms);
void peer_hello_answer(struct peers *peers, struct call_request request, const char *remote_ip,
                       const struct call_frame *frame);

/* peer_call.c */
void peer_call_on_request(void *arg, struct call_request request, const char *remote_ip,
                          struct slice bytes);
void peer_call_reply(struct peers *peers, struct call_request request, enum err result,
                     struct slice body);
void peer_call_ping(struct peer *peer);
void peer_call_end_all(struct peer *peer, enum err result);
void peer_call_fill(const struct peer *peer, uint8_t kind, uint16_t method,
                    uint8_t out[CALL_FRAME_REQUEST_LEN]);

#endif
