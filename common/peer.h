/* SPDX-License-Identifier: Apache-2.0 */
/* The other programs, as a service sees them: who is there, an ordered reliable feed each way,
 * calls, and one event when somebody comes or goes. Joins call.h, feed.h, feed_window.h and
 * hello.h; knows no record or method.
 *
 * One loop thread owns it all; every function here is called on it and every event arrives on it. A
 * `struct peer *` stays valid until its `gone` event (never comes for a dialed peer) or peers_free;
 * across a wait hold peer_id instead.
 *
 * Session: from `up` to `down`. Both ends see the same sessions; each end runs its resync in every
 * `up`. Frames or calls of another session, or of strangers, are refused and counted. A lease ends
 * after lease_ms without a valid frame (or ping, for peers without feed); the dialing side then
 * says hello again. For the dialing side it ends three quarters of that after it sent the newest
 * message that the other is known to have (frames echo each other's stamps): cut off in either
 * direction, it stops acting on what it was told before the other forgets it.
 *
 * Delivery: within a session every record arrives once, in order. Over a change of session the
 * sender decides in `up`: PEER_DROP forgets what was not done; PEER_KEEP sends it again after what
 * `up` appended, so the receiver may see again what it had received but not declared done
 * (peer_done) before the session ended. What the sender was told is done is never sent again.
 */
#ifndef SLUICE_COMMON_PEER_H
#define SLUICE_COMMON_PEER_H

#include "common/call.h"
#include "common/err.h"
#include "common/feed_window.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct peer;
struct peers;

struct peers_dial {
    const char *service; /* what must answer there: another one is refused */
    const char *address; /* "host:port" or URL */
    bool calls_only;     /* no feed: the lease is kept by ping calls */
};

struct peers_config {
    const char *service; /* "gateway", "core" ... */
    const char *name;    /* unique among its service: restarts of it are recognised by it */
    const char *version; /* of the program */
    struct slice secret; /* never empty */
    const char
        *call_listen; /* "host:port", port 0: any; NULL or "": answers no calls, cannot be dialed */
    const char *feed_listen;    /* the same; NULL or "": only for programs that dial calls_only */
    const char *advertise_host; /* where others find feed_listen; NULL or "": the address they see
                                   us come from */
    const struct peers_dial *dial;
    size_t n_dial;
    struct slice blob;     /* told to every peer in the hello, at most 4096 bytes */
    uint32_t lease_ms;     /* default 3000 */
    uint32_t heartbeat_ms; /* of pings; feeds speak twice as often. Default 1000 */
    uint32_t
        forget_ms; /* an incoming peer without session is forgotten after this; default 600000 */
    uint32_t redial_ms; /* a connection that leads nowhere is given up after this; default 5000 */
    uint32_t max_peers; /* default 1024; further hellos are refused */
    uint32_t max_calls; /* in flight, per dialed peer; default 4096 */
    uint32_t call_contexts;           /* requests being answered at once; default 128 */
    uint32_t max_call_bytes;          /* body of a request or reply; default 4 MiB */
    struct feed_window_config window; /* zero: defaults of feed_window.h */
    const char *tls_ca, *tls_cert, *tls_key, *tls_name; /* see nng_door.h; NULL or "": plain tcp */
    uint64_t incarnation;                               /* 0: random; set only by tests */
};

enum peer_keep {
    PEER_DROP,       /* what the former session left unfinished is dropped */
    PEER_KEEP,       /* it is sent again, after what `up` has appended */
    PEER_KEEP_LATER, /* as KEEP, but the preamble goes on until peer_preamble_end() */
};

struct peer_info {
    const char *service, *name, *version; /* valid as long as the session */
    uint64_t incarnation;
    struct slice blob; /* of its hello; valid during `up` */
    bool lapsed; /* the same incarnation as in the session before: it lived on while the lease ended
                  */
    bool first;  /* no session with this peer before */
    bool dialed; /* we dial it, so peer_call works */
    bool has_feed;
    uint32_t state; /* its state flags */
};

/* Events; each may be NULL. None may free the peers. */
#define PEERS_STUCK_STATUS 3 /* of exit */

struct peers_events {
    /* A session begins: run the resync now (peer_append). */
    enum peer_keep (*up)(void *arg, struct peer *peer, const struct peer_info *info);
    /* It ended. ERR_TIMEOUT: silence; ERR_STALE: a new session or incarnation replaces it (its `up`
     * follows); ERR_PROTOCOL: nonsense received; ERR_PEER_LOST: the far end says it has no such
     * session. */
    void (*down)(void *arg, struct peer *peer, enum err why);
    /* One record, in order, once; `body` is borrowed for the call. */
    void (*record)(void *arg, struct peer *peer, uint8_t type, struct slice body, uint64_t seq);
    /* All records of frame `seq` have been given; a good moment for peer_done. */
    void (*frame_end)(void *arg, struct peer *peer, uint64_t seq);
    /* The far end has finished with every record up to `ticket` (what a change of session dropped
     * aside). Between `down` and `up`: what it had finished with in the former session. */
    void (*done)(void *arg, struct peer *peer, uint64_t ticket);
    /* After ERR_BUSY from peer_append: below three quarters again. */
    void (*room)(void *arg, struct peer *peer);
    /* The peer's state flags changed. */
    void (*state)(void *arg, struct peer *peer, uint32_t flags);
    /* A call from a peer in session. Answer once with peers_reply, now or later. */
    void (*call)(void *arg, struct peer *peer, struct call_request request, uint16_t method,
                 struct slice body);
    /* An incoming peer is forgotten; the pointer dies after this. Not called by peers_free. */
    void (*gone)(void *arg, struct peer *peer);
    /* With TLS: nng stands still for good (nng_canary.h), so this program reaches no new peer.
     * Once; it shall end, so that what supervises it starts it again. NULL: it ends here and now
     * with PEERS_STUCK_STATUS, which costs no more than its death would. */
    void (*stuck)(void *arg);
};

struct peers_stats {
    uint64_t hellos_sent, hellos_refused; /* refused by us, whatever the reason */
    uint64_t secrets_refused;             /* wrong secret, by either end; part of the above */
    uint64_t frames_refused;              /* stranger, old session, malformed */
    uint64_t calls_refused;
    uint64_t calls_in, calls_out, calls_timeout, calls_lost;
    uint64_t sessions, leases_ended;
};

/* Opens the sockets and starts dialing. ERR_INVALID: bad address or TLS file; ERR_EXISTS: port
 * taken. New. */
enum err peers_new(struct loop *loop, const struct peers_config *config,
                   const struct peers_events *events, void *arg, struct peers **out) ERR_MUST_USE;
void peers_free(struct peers *peers); /* ends open calls with ERR_CLOSED; no other event */

uint64_t peers_incarnation(const struct peers *peers);
const char *peers_name(const struct peers *peers); /* our own */
uint16_t peers_call_port(const struct peers *peers);
uint16_t peers_feed_port(const struct peers *peers);
void peers_set_state(struct peers *peers,
                     uint32_t flags); /* told to all with the next frame, within a loop turn */
const struct peers_stats *peers_stats(const struct peers *peers);
typedef void (*peers_each_fn)(void *arg, struct peer *peer);
void peers_each(struct peers *peers, peers_each_fn fn, void *arg);  /* also those without session */
struct peer *peers_find(struct peers *peers, uint64_t incarnation); /* in session; NULL: none */
struct peer *peers_by_id(struct peers *peers, uint32_t id);         /* NULL: gone */
void peers_reply(struct peers *peers, struct call_request request, enum err result,
                 struct slice body);

uint32_t peer_id(const struct peer *peer); /* never reused */
const char *peer_service(const struct peer *peer);
const char *peer_name(const struct peer *peer); /* "" before the first session of a dialed peer */
const char *peer_address(const struct peer *peer);  /* dialed: as in peers_dial; else "" */
uint64_t peer_incarnation(const struct peer *peer); /* 0: never in session */
/* Monotonic time after which the session ends if nothing more is heard; 0: no session. */
uint64_t peer_lease_end_ms(const struct peer *peer);
uint32_t peer_state(const struct peer *peer);
bool peer_is_up(const struct peer *peer);
bool peer_is_dialed(const struct peer *peer);
void peer_set_user(struct peer *peer, void *user); /* a pointer of the application */
void *peer_user(const struct peer *peer);
const struct feed_window_stats *peer_feed_stats(const struct peer *peer);

/* Appends a record, joined from `n` parts, to the peer's feed; it leaves at the end of the loop
 * turn, or when a frame is full. ERR_BUSY: window full, stop until `room` (FEED_CONTROL has a
 * reserve beyond). ERR_PEER_LOST: no session. ERR_TOO_LARGE. ERR_UNSUPPORTED: no feed. `ticket` may
 * be NULL. */
enum err peer_append(struct peer *peer, enum feed_class class, uint8_t type,
                     const struct slice *parts, size_t n, uint64_t *ticket) ERR_MUST_USE;
/* Finished with all received records of frames up to `seq`. Of a former session: ignored. */
void peer_done(struct peer *peer, uint64_t seq);
/* Takes out what was not done of the session that ended, in order: it is for somebody else now.
 * Outside a session, or first of all in `up`. */
void peer_take_unfinished(struct peer *peer, void (*fn)(void *arg, uint8_t type, struct slice body),
                          void *arg);
/* Ends a preamble that `up` left open with PEER_KEEP_LATER. */
void peer_preamble_end(struct peer *peer);
/* Newest ticket given out: with PEER_DROP all up to it at `up` are void. */
uint64_t peer_last_ticket(const struct peer *peer);
bool peer_has_room(const struct peer *peer);
/* Ends the session from our side; a dialed peer is greeted again. */
void peer_drop(struct peer *peer, enum err why);

/* Asks a dialed peer. `on_done` comes once, later. ERR_PEER_LOST: no session. ERR_BUSY.
 * ERR_UNSUPPORTED: not dialed. A reply with an error of the far end arrives as that error, with its
 * body. */
enum err peer_call(struct peer *peer, uint16_t method, struct slice body, uint32_t deadline_ms,
                   call_done_fn on_done, void *arg, uint32_t *id) ERR_MUST_USE;
void peer_call_cancel(struct peer *peer, uint32_t id);

#endif
