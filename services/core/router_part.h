/* SPDX-License-Identifier: Apache-2.0 */
/* The router's state, shared by router.c and its desks (on_*.c). Not for anybody else. */
#ifndef SLUICE_CORE_ROUTER_PART_H
#define SLUICE_CORE_ROUTER_PART_H

#include "common/buf.h"
#include "proto/publish_record.h"
#include "proto/shards.h"
#include "services/core/digest.h"
#include "services/core/ghosts.h"
#include "services/core/groups.h"
#include "services/core/inquiries.h"
#include "services/core/keeps.h"
#include "services/core/park.h"
#include "services/core/router.h"
#include "services/core/routes.h"
#include "services/core/totals.h"
#include "services/core/waits.h"

/* Lane of the ticket waits that is reached when we serve; the others are places. */
#define LANE_SERVING ROUTES_PLACES_MAX

/* Type of a parked item that is no record. */
enum {
    PARKED_MARK = 0 /* input: frame end, tag is its seq. destination: a FLUSH, tag is its wait */
};

struct place {
    bool used, up, resyncing;
    bool resynced;  /* at least once since we started */
    bool wants_sys; /* $SYS messages, from us */
    enum router_kind kind;
    char *name;
    uint64_t told_session;               /* router_state was told in it */
    bool exact;                          /* speaks of claims and repeats (STATE_EXACT) */
    uint64_t incarnation;                /* of the session, and of the last one when down */
    uint64_t heard_ms;                   /* when it last said something */
    uint64_t lost_ms;                    /* a gateway: when it went down */
    uint64_t lost_incarnation, until_ms; /* which one did, and when it last said something */
    uint64_t session; /* rises with every up: answers of a former one are dropped */

    /* As a source. */
    struct park input; /* publishes and flushes not taken yet; tag: session */
    struct buf tokens_done;
    struct buf routes_done;

    /* As a destination. */
    struct park park;    /* tag: wait or WAITS_NONE */
    struct park former;  /* what its former store had not finished with, while that is taken over */
    struct park control; /* digest records waiting for room */
    uint64_t last_ticket, done_ticket;
    uint64_t claimed;       /* a gateway: number of its last SHARED_CLAIM */
    bool claims_news;       /* it was not told yet */
    struct buf claim_waits; /* u32: publishes whose answer waits until it is told */

    /* A gateway's digest. */
    struct digest *digest;
    uint64_t version, acked;
    bool digest_lost; /* control overflowed: send it whole */
};

struct router {
    struct router_config config;
    struct router_io io;
    void *arg;
    struct router_stats stats;
    struct routes *routes;
    struct groups *groups; /* shared subscriptions */
    struct keeps *keeps;
    struct inquiries *inquiries;
    struct ghosts *ghosts;
    uint64_t ghosts_at_ms; /* when they are swept */
    uint64_t random;
    struct waits *tokens;  /* lane: place, position: ticket of its feed */
    struct waits *tickets; /* lane: place, position: digest version; LANE_SERVING */
    uint32_t place_count;  /* slots used so far */
    struct place *places[ROUTES_PLACES_MAX];
    struct shards shards;               /* which store keeps a topic's retained message */
    uint32_t stores[ROUTER_STORES_MAX]; /* shard -> place, ROUTER_NO_PLACE: not met yet */
    uint32_t gateways_parked;           /* gateways with a park that is not empty */
    uint32_t stores_full;               /* stores whose park reached its bound */
    uint64_t inputs;                    /* items in the inputs of all places */
    bool was_stalled;
    bool serving, retired, ticking;
    bool is_watched; /* io.gave is wanted */
    uint64_t now_ms, since_ms;
    struct totals *totals;
    uint64_t sys_at_ms; /* when $SYS messages are due */
};

/* on_forward.c */
bool on_forward_is_stalled(const struct router *router);
ERR_MUST_USE enum err on_forward_record(struct router *router, uint32_t place, uint8_t type,
                                        struct slice body);
void on_forward_frame_end(struct router *router, uint32_t place, uint64_t seq);
void on_forward_pump(struct router *router, uint32_t place);
void on_forward_inputs(struct router *router);
/* The gateway's lease ended: what it did not get no longer counts. */
void on_forward_void(struct router *router, uint32_t place);
/* Another store has the shard: what its predecessor had not finished with goes first, in order;
 * then (end) what was waited for there is waited for here, and what was parked follows. */
void on_forward_inherit(struct router *router, uint32_t place, uint8_t type, struct slice body);
void on_forward_inherit_end(struct router *router, uint32_t place);
void on_forward_answer(void *router, uint32_t owner, uint64_t session, uint64_t number,
                       uint8_t flags);

/* Appends the record to the place's feed, or parks it; the wait, if any, waits for it. Returns its
 * ticket, or one of these. */
#define ON_PUBLISH_PARKED UINT64_MAX
#define ON_PUBLISH_LOST   0u /* the place will never have it */
uint64_t on_forward_deliver(struct router *router, uint32_t place, uint8_t type,
                            const struct slice *parts, size_t n, uint32_t wait);

/* What a FEED_AGAIN says beside the record. */
struct again {
    uint64_t attempt;
    uint64_t since_ms; /* when it was first sent */
};

/* A message on its way to a member of a group. */
struct shared_message {
    const struct publish_record *record;
    struct slice bytes; /* the record */
    uint32_t source;
    uint32_t exclude; /* a place, or GROUPS_NO_PLACE */
    uint32_t wait;
    uint8_t hops;
    bool rehomed;
    bool asked; /* all places were, before */
};

/* on_ask.c */
/* A QoS 2 message for the group that was sent again: all places are asked before one is chosen.
 * False: no room for that; choose. */
bool on_ask_begin(struct router *router, struct slice share, const struct shared_message *message,
                  const struct again *again);
ERR_MUST_USE enum err on_ask_answer(struct router *router, uint32_t place, struct slice body);
/* What the place speaks is known; it is up. */
void on_ask_up(struct router *router, uint32_t place);
/* The gateway had members of the group until then. */
void on_ask_left(struct router *router, uint32_t place, struct slice share, uint64_t until_ms);
/* The gateway is gone; before its groups are removed. */
void on_ask_down(struct router *router, uint32_t place);
/* The store, and what its feed held, is forgotten. */
void on_ask_gone(struct router *router, uint32_t place);
void on_ask_tick(struct router *router);

/* on_group.c */
/* One copy for each group that wants it. Returns how many got one. */
size_t on_group_publish(struct router *router, uint32_t source, const struct publish_record *record,
                        struct slice bytes, uint32_t wait, const struct again *again);
ERR_MUST_USE enum err on_group_return(struct router *router, uint32_t source, uint64_t session,
                                      struct slice body, const struct again *again);
/* To a member of the group. False: nobody can take it. */
bool on_group_give(struct router *router, struct group *group,
                   const struct shared_message *message);
/* To a store that has it, so that the wait ends when it is committed there. */
void on_group_repeat(struct router *router, uint32_t place, struct slice share, struct slice record,
                     uint32_t wait);
/* FEED_SHARED_CLAIM, FEED_SHARED_HELD */
ERR_MUST_USE enum err on_group_claim(struct router *router, uint32_t source, struct slice body);
ERR_MUST_USE enum err on_group_held(struct router *router, uint32_t source, struct slice body);
/* A session with a gateway ends, or begins: then it hears which claims of the former one were
 * granted.
 */
void on_group_end(struct router *router, uint32_t place);
void on_group_begin(struct router *router, uint32_t place);
ERR_MUST_USE enum err on_group_done(struct router *router, uint32_t source, struct slice body);
/* A parked FEED_SHARED_PUBLISH has left, or never will (ON_PUBLISH_LOST). */
void on_group_sent(struct router *router, struct slice body, uint64_t ticket);
/* The gateway is gone and no member any more: what it had for members goes to others. Before
 * on_forward_void, so that answers wait for those. */
void on_group_rehome(struct router *router, uint32_t place);

/* At the end of a turn: tells stores whether others have connected members, and gateways what is
 * theirs. */
void on_group_turn(struct router *router);

/* on_route.c */
ERR_MUST_USE enum err on_route_add(struct router *router, uint32_t place, struct slice body);
ERR_MUST_USE enum err on_route_remove(struct router *router, uint32_t place, struct slice body);
void on_route_resync_end(struct router *router, uint32_t place);
void on_route_remove_place(struct router *router, uint32_t place);
void on_route_answer(void *router, uint32_t owner, uint64_t session, uint64_t number,
                     uint8_t flags);

/* on_counters.c */
ERR_MUST_USE enum err on_counters_record(struct router *router, uint32_t place, struct slice body);
void on_counters_tick(struct router *router);
void on_counters_down(struct router *router, uint32_t place);

/* on_digest.c */
/* A control record; waits for room in its place. */
void on_digest_control(struct router *router, uint32_t place, uint8_t type,
                       const struct slice *parts, size_t n);
void on_digest_up(struct router *router, uint32_t place);
void on_digest_down(struct router *router, uint32_t place);
void on_digest_added(struct router *router, uint32_t by, struct slice filter);
void on_digest_removed(struct router *router, uint32_t by, struct slice filter);
ERR_MUST_USE enum err on_digest_ack(struct router *router, uint32_t place, struct slice body);
void on_digest_pump(struct router *router, uint32_t place);
/* Lengthens digests that were shortened for filters that are gone. */
void on_digest_review(struct router *router);

#endif
