/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a gateway's hub and a store keep about their cores: who is up and serves, the routes they
 * told them, the publishes that wait for an answer, and (gateways) the interest digest. A pure
 * machine: the owner forwards the events of common/peer to it, and it acts through the callbacks
 * of core_client_io. It opens nothing, reads no clock (it is told), and does not look at
 * FEED_PUBLISH records that come from cores (the owner does).
 *
 * The promises
 *   - A publish with QoS >= 1 that core_client_publish took is kept until a core answered its
 *     token; token_done is called for it exactly once. When its core is lost or restarts it is sent
 *     again, in the order of tokens; destinations recognise repeats (token_set.h).
 *   - Publishes of one topic and QoS reach the cores in the order in which they were given. The
 *     topic decides the core; when the set of serving cores changes, publishes of topics that may
 *     have moved are held until the former cores have answered a FLUSH (or are lost, or
 *     flush_ms passed). What a core that was given up without an answer to a FLUSH passes on later
 *     is recognised by destinations: QoS >= 1 by its token, QoS 0 by its era (origins.h).
 *   - digest_valid(true) is in force only while at least one core serves and its whole digest has
 *     been given through digest_add.
 *   - Memory is bounded: records by tokens_max and bytes_max, tickets by tickets_max, what waits
 *     for a feed with room by backlog_bytes.
 *
 * Callbacks are made from within the functions below. They must not call back into the client,
 * except core_client_digest_applied from digest_apply and core_client_route_remove from
 * route_done. What digest_add, digest_remove and digest_valid say must be passed on in that order.
 *
 * How an owner uses it
 *   peers `up`     -> core_client_up        return PEER_DROP from the event
 *   peers `down`   -> core_client_down
 *   peers `state`  -> core_client_state     (also right after up, with info->state)
 *   peers `record` -> core_client_record; on ERR_UNSUPPORTED the record is the owner's
 *   peers `done`   -> core_client_done
 *   peers `room`   -> core_client_room
 *   a timer, about every 250 ms -> core_client_tick
 */
#ifndef SLUICE_PROTO_CORE_CLIENT_H
#define SLUICE_PROTO_CORE_CLIENT_H

#include "common/err.h"
#include "common/str.h"
#include "proto/feed_records.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORE_CLIENT_CORES_MAX 32u
#define CORE_CLIENT_NO_CORE   UINT32_MAX

struct core_client;

struct core_client_config {
    uint64_t origin;      /* written into records: incarnation, or the store's outbox id */
    uint64_t ticket_base; /* tickets are above it; differs between incarnations of one program
                             (its incarnation with the lower 32 bits zero is fine) */
    uint64_t era;         /* first era of QoS 0 records (publish_record.h); not below the last one
                             of a former incarnation with the same origin. 0 for a new origin */
    bool digests;         /* a gateway: digests are wanted and acknowledged */
    uint32_t tokens_max;  /* open tokens, from the lowest open to the next; 0: 1 Mi, the most */
    size_t bytes_max;     /* bytes of records kept; 0: 64 MiB */
    uint32_t tickets_max; /* open route tickets; 0: 65536 */
    size_t backlog_bytes; /* control records waiting for room, per core; 0: 64 MiB */
    uint32_t digest_max;  /* digest filters of one core; beyond, its digest counts as not valid;
                             0: 65536 */
    uint64_t flush_ms;    /* how long publishes are held for a former core; 0: 10000 */
    uint64_t grace_ms;    /* how long tickets wait for a core that is not up, from the start or
                             from its down: it may serve others meanwhile. The lease; 0: 3000 */
};

/* wants: ROUTE_* flags, or what records_route_shared made for a "$share/..." filter. */
typedef void (*core_client_route_fn)(void *fn_arg, struct slice filter, uint64_t wants);

struct core_client_io {
    /* peer_append to the core: FEED_CONTROL if control, else FEED_DATA. *seq is the ticket. OK,
     * ERR_BUSY (a room event follows), ERR_PEER_LOST (a down event follows), ERR_TOO_LARGE. */
    enum err (*append)(void *arg, uint32_t core, uint8_t type, const struct slice *parts, size_t n,
                       bool control, uint64_t *seq);
    /* Calls fn for every filter that the owner wants now (route resync). */
    void (*routes)(void *arg, core_client_route_fn fn, void *fn_arg);
    /* A ticket of core_client_route_add is answered: OK, or ERR_TIMEOUT. */
    void (*route_done)(void *arg, uint64_t cookie, enum err err);
    /* A publish is answered. wanted: somebody elsewhere wanted it. */
    void (*token_done)(void *arg, uint64_t a, uint64_t b, bool wanted);
    /* The merged digest of all cores (NULL if !digests). */
    void (*digest_add)(void *arg, struct slice filter);
    void (*digest_remove)(void *arg, struct slice filter);
    /* Call core_client_digest_applied(stamp) once every worker has applied all that digest_add and
     * digest_remove have said until now. One is under way at a time. */
    void (*digest_apply)(void *arg, uint64_t stamp);
    void (*digest_valid)(void *arg, bool valid);
    /* true: more than half of tokens_max or bytes_max is in use: stop taking publishes from
     * clients; false: below a quarter again. */
    void (*hold)(void *arg, bool on);
};

struct core_client_stats {
    uint64_t published, answered, resent; /* QoS >= 1 */
    uint64_t qos0_sent, qos0_dropped;
    uint64_t flushes, flush_timeouts;
    uint64_t era; /* of QoS 0 records now */
    uint64_t tickets_done, tickets_timeout;
    uint64_t backlog_dropped; /* control records */
    uint64_t protocol_errors; /* malformed records, answers to nothing are not counted */
    size_t tokens_open;       /* records waiting for an answer */
    size_t tokens_span;       /* from the lowest open token to the next */
    size_t bytes_kept;
    size_t unsent; /* of tokens_open: not in any feed yet */
    size_t tickets_open;
    size_t digest_filters;
};

/* io is copied; arg is borrowed as long as the client. New. */
struct core_client *core_client_new(const struct core_client_config *config,
                                    const struct core_client_io *io, void *arg);
/* Calls nothing back. */
void core_client_free(struct core_client *client);

/* Adds a core, not up; its number counts from 0. The name decides which topics it gets and outlives
 * its restarts (its address in the settings). Add every core of the settings at the start, before
 * any is up: a core that the client does not know cannot make tickets wait for it (grace_ms). At
 * most CORE_CLIENT_CORES_MAX (asserted). */
uint32_t core_client_core_add(struct core_client *client, struct slice name);

/* A session with the core begins: routes are sent, what it had not answered is sent again once it
 * serves. state: its STATE_* flags. True: it serves already, and route_done has been said, or was
 * in force, while it was away: it may have passed publishes on without knowing our routes. */
bool core_client_up(struct core_client *client, uint32_t core, uint32_t state);
void core_client_down(struct core_client *client, uint32_t core);
void core_client_state(struct core_client *client, uint32_t core, uint32_t state);
/* A record from the core. ERR_UNSUPPORTED: not one of ours (FEED_PUBLISH among them).
 * ERR_MALFORMED: dropped and counted. */
ERR_MUST_USE enum err core_client_record(struct core_client *client, uint32_t core, uint8_t type,
                                         struct slice body);
/* The core has finished with what was appended up to seq. */
void core_client_done(struct core_client *client, uint32_t core, uint64_t seq);
void core_client_room(struct core_client *client, uint32_t core);
/* Deadlines. now_ms: monotonic; the machine's only clock (deadlines below are in it): call it once
 * right after core_client_new too. */
void core_client_tick(struct core_client *client, uint64_t now_ms);

/* A publish that somebody elsewhere may want. record: publish_record.h; a copy of it gets our
 * origin, token and floor. QoS >= 1: kept until answered, then token_done(a, b). QoS 0: no answer;
 * may be dropped (ERR_UNAVAILABLE: no core serves; ERR_BUSY: no room; both counted).
 * QoS >= 1: ERR_BUSY: tokens_max or bytes_max reached, nothing was taken (hold came long before);
 * ERR_MALFORMED. */
ERR_MUST_USE enum err core_client_publish(struct core_client *client, struct slice record,
                                          uint64_t a, uint64_t b);
/* As publish with a token of the owner's, above all given before (a store's outbox sequence).
 * ERR_INVALID: not above. One client uses either publish or publish_numbered. QoS 0 with
 * token 0 is fine. Starting with a lower floor than the first token is not needed: everything below
 * the first token given counts as answered. */
ERR_MUST_USE enum err core_client_publish_numbered(struct core_client *client, uint64_t token,
                                                   struct slice record, uint64_t a, uint64_t b);

/* While on: what is given now may have been sent by a former incarnation with the same origin, at
 * most age_ms ago. A QoS 2 record of this kind, as one whose core is lost, goes to a core as
 * FEED_AGAIN, so that it asks before it chooses a member of a group. */
void core_client_recovering(struct core_client *client, bool on, uint64_t age_ms);

/* As publish and publish_numbered for the body of a FEED_SHARED_RETURN (records_shared_return_*;
 * QoS
 * >= 1): kept and sent again like a publish, answered when another place has the message. */
ERR_MUST_USE enum err core_client_return(struct core_client *client, struct slice body, uint64_t a,
                                         uint64_t b);
ERR_MUST_USE enum err core_client_return_numbered(struct core_client *client, uint64_t token,
                                                  struct slice body, uint64_t a, uint64_t b);
/* Tells a core that is up what has become of its FEED_SHARED_PUBLISH and FEED_SHARED_ASK: a
 * FEED_SHARED_DONE, FEED_SHARED_CLAIM or FEED_SHARED_ANSWER. */
void core_client_shared_tell(struct core_client *client, uint32_t core, uint8_t type,
                             struct slice body);

/* The owner wants filter from now on (it must be among what io.routes gives already) or with other
 * flags. route_done(cookie) comes once: OK when every serving core has answered (at least one),
 * every core that is up has the route, and every other core has been away for grace_ms;
 * ERR_TIMEOUT when now reaches deadline_ms before. Never from within this call. ERR_BUSY: too many
 * open tickets. */
ERR_MUST_USE enum err core_client_route_add(struct core_client *client, struct slice filter,
                                            uint64_t wants, uint64_t cookie, uint64_t deadline_ms);
/* As route_add without an answer: a change that nobody waits for. */
void core_client_route_tell(struct core_client *client, struct slice filter, uint64_t wants);
/* The owner no longer wants filter (gone from io.routes). */
void core_client_route_remove(struct core_client *client, struct slice filter);

/* Answer to digest_apply. */
void core_client_digest_applied(struct core_client *client, uint64_t stamp);

bool core_client_is_serving(const struct core_client *client); /* at least one core serves */
bool core_client_digest_is_valid(const struct core_client *client);
bool core_client_is_holding(const struct core_client *client); /* what hold said last */
struct core_client_stats core_client_stats(const struct core_client *client);

#endif
