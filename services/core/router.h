/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core without its sockets: places (peers that are gateways or stores, by number), what they
 * want, and what becomes of each record that they send. A pure machine: peer_link.c tells it the
 * events of common/peer and it acts through router_io. It reads no clock and never looks into a
 * payload.
 *
 * The acknowledgement contract here
 *   - A publish is matched once and appended once to the feed of each place that wants it. Its
 *     token is answered when each of those feeds reports the frame done: a gateway has it in
 *     memory, a store has committed it. A gateway whose lease ended no longer counts; a store does:
 *     its routes stay, its records wait in its feed and in its park until it is back.
 *   - A frame from a source is reported finished when all of its publishes are appended or parked.
 *     While we are stalled (a gateway's feed is full, a store's park is full, too many open tokens,
 *     not serving yet) publishes wait in the source's input, unfinished, so its window fills
 *     and it stops: memory is bounded by the windows.
 *   - A route ticket is answered when we serve and every gateway that is up, the asker apart, has
 *     acknowledged a digest that covers the route.
 *   - A message for a shared subscription goes to one place of each group. Of QoS >= 1 a copy is
 *     kept until the gateway says that a member has it (SHARED_DONE); a gateway that is gone, or
 *     hands it back (SHARED_RETURN), has it given to another place. QoS 2 that is sent again is
 *     given to a place only when all have said that they do not have it (on_ask.c).
 *   - We serve (state flag) after lease_ms of listening, when `stores` stores have finished a
 *     resync, everybody who is up has finished theirs, and every gateway has acknowledged its
 *     digest.
 */
#ifndef SLUICE_CORE_ROUTER_H
#define SLUICE_CORE_ROUTER_H

#include "common/err.h"
#include "common/feed_window.h"
#include "common/str.h"
#include "services/core/groups.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTER_NO_PLACE   UINT32_MAX
#define ROUTER_STORES_MAX 64u

struct router;

enum router_kind { ROUTER_GATEWAY, ROUTER_STORE };

struct router_config {
    uint64_t lease_ms;
    uint32_t stores;       /* that must have finished a resync before we serve */
    size_t routes_max;     /* filters; 0: 16 Mi */
    size_t tokens_max;     /* open tokens of all sources; 0: 8 Mi */
    size_t digest_entries; /* bound of a gateway's digest; 0: 1024 */
    size_t
        store_park_bytes; /* records waiting for one store before sources are stalled; 0: 64 MiB */
    uint64_t sys_interval_ms;      /* between $SYS messages; 0: none */
    enum groups_strategy strategy; /* of shared subscriptions */
    size_t keep_bytes;  /* copies of what members of shared subscriptions have not taken yet; 0:
                           256 MiB */
    uint64_t keep_base; /* numbers of copies are above it; differs between incarnations */
    size_t input_bytes; /* records of one source kept while stalled; 0: 64 MiB. More than any
                           window: only a program that ignores it gets there */
};

struct router_io {
    /* peer_append; results as of core_client_io.append. */
    enum err (*append)(void *arg, uint32_t place, uint8_t type, const struct slice *parts, size_t n,
                       enum feed_class class, uint64_t *ticket);
    /* peer_done: finished with the source's frames up to seq. */
    void (*finished)(void *arg, uint32_t place, uint64_t seq);
    /* The state flag: true: publishes are taken. */
    void (*serving)(void *arg, bool serving);
    /* peer_drop: end the session; the place is told down later (not from within this call). */
    void (*drop)(void *arg, uint32_t place, enum err why);
    /* While it is watched (router_watch): a message for this group was given to the place;
     * ROUTER_NO_PLACE: nobody could take it. */
    void (*gave)(void *arg, struct slice topic, struct slice share, uint32_t place);
};

struct router_stats {
    uint64_t publishes;      /* routed */
    uint64_t records_out;    /* copies appended or parked */
    uint64_t unwanted;       /* publishes that nobody wanted */
    uint64_t malformed;      /* records dropped */
    uint64_t unknown;        /* record types ignored */
    uint64_t refused_routes; /* ROUTE_ADD beyond routes_max */
    uint64_t undeliverable;  /* copies that a feed refused for good */
    uint64_t tokens_answered;
    uint64_t stalls;          /* times we became stalled */
    uint64_t shared;          /* copies for groups */
    uint64_t shared_returned; /* handed back by a place */
    uint64_t shared_rehomed;  /* taken from a gateway that is gone */
    uint64_t shared_nobody;   /* dropped: no member anywhere could take it */
    uint64_t shared_unkept;   /* given away without a copy: no room */
    uint64_t shared_asked;    /* of those, for groups: all places were asked */
    uint64_t shared_found;    /* a place had it */
    uint64_t shared_doubtful; /* a lost gateway may have had it: nobody else gets it */
    uint64_t shared_unasked;  /* no room to ask: given all the same */
    size_t groups, kept, kept_bytes, asking;
    size_t tokens_open, tickets_open;
    size_t filters, routes;
    size_t digest_entries; /* of all gateways */
    size_t parked_bytes;   /* for destinations */
    size_t input_bytes;    /* of sources */
    size_t gateways_up, stores_up;
    bool stalled, serving;
};

/* What /healthz says of a place. */
struct router_place_info {
    enum router_kind kind;
    const char *name;
    bool up, resyncing;
    size_t routes, digest_entries, parked_bytes, input_bytes, tokens;
    uint64_t digest_behind; /* versions sent and not acknowledged */
};

/* io is copied; arg is borrowed. New. */
struct router *router_new(const struct router_config *config, const struct router_io *io,
                          void *arg);
void router_free(struct router *router);

/* The place of the gateway of this name, made if it is new. ROUTER_NO_PLACE: too many. */
uint32_t router_place(struct router *router, struct slice name);
/* The place of a shard (one of `shards`, the same in all calls), which the store of this name has
 * now. ROUTER_NO_PLACE: too many. */
uint32_t router_store(struct router *router, uint32_t shard, uint32_t shards, struct slice name);
/* How many must have told their routes before we serve: as the settings say, and as they do. */
uint32_t router_stores_wanted(const struct router *router);
/* A session begins; a gateway gets its digest. Must follow a down of the former one. */
void router_up(struct router *router, uint32_t place);
/* The incarnation and the STATE_* flags of a place that is up: right after router_up, and when they
 * change. */
void router_state(struct router *router, uint32_t place, uint64_t incarnation, uint32_t flags);
void router_down(struct router *router, uint32_t place);
/* The place, a shard that is down, goes to another store: first each record that its predecessor
 * had not finished with, in order, then the end of these. */
void router_inherit(struct router *router, uint32_t place, uint8_t type, struct slice body);
void router_inherit_end(struct router *router, uint32_t place);
/* The peer is forgotten, and with it what its feed still held. */
void router_gone(struct router *router, uint32_t place);

/* A record of the place. ERR_MALFORMED: counted and dropped. ERR_UNSUPPORTED: unknown type,
 * counted. ERR_BUSY: it sends more than its window allows: end its session. */
ERR_MUST_USE enum err router_record(struct router *router, uint32_t place, uint8_t type,
                                    struct slice body);
void router_frame_end(struct router *router, uint32_t place, uint64_t seq);
void router_done(struct router *router, uint32_t place, uint64_t ticket);
void router_room(struct router *router, uint32_t place);
/* At the end of every loop turn: what waited goes on, answers are sent. */
void router_turn(struct router *router);
/* Every 100 ms or so; the first call begins the lease of listening. */
void router_tick(struct router *router, uint64_t now_ms);

/* Says that we no longer serve, while what comes is still routed: the sources move away. */
void router_retire(struct router *router);
/* True: no open token, nothing parked. */
bool router_is_idle(const struct router *router);
bool router_is_serving(const struct router *router);
/* Why we do not serve; a static text, "" when we do. */
const char *router_obstacle(const struct router *router);

/* Whether somebody watches what groups get; not at first. */
void router_watch(struct router *router, bool is_watched);
struct router_stats router_stats(const struct router *router);
/* The gateway of this name that is up; ROUTER_NO_PLACE: none. */
uint32_t router_gateway(const struct router *router, struct slice name);
/* Borrowed until the router changes. */
const char *router_place_name(const struct router *router, uint32_t place, enum router_kind *kind);
/* Every (shared subscription, place) with its members. */
void router_groups(const struct router *router, groups_members_fn fn, void *arg);
typedef void (*router_place_fn)(void *arg, const struct router_place_info *info);
void router_places(const struct router *router, router_place_fn fn, void *arg);

#endif
