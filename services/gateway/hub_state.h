/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the hub share: its state, and what each of them offers to the others. Included
 * only by hub*.c, core_link.c and store_link*.c; everybody else uses hub.h.
 */
#ifndef SLUICE_SERVICES_GATEWAY_HUB_STATE_H
#define SLUICE_SERVICES_GATEWAY_HUB_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "common/metrics.h"
#include "common/peer.h"
#include "services/gateway/barrier.h"
#include "services/gateway/filters.h"
#include "services/gateway/gateway_config.h"
#include "services/gateway/post_body.h"
#include "services/gateway/post_box.h"
#include "services/gateway/shares.h"

#define HUB_CALL_BYTES          (8u * 1024 * 1024) /* longest answer of a store */
#define HUB_TICK_MS             50u
#define HUB_OPEN_DEADLINE_MS    5000u      /* CONNECT until the store's answer */
#define HUB_CHANGES_MAX         (1u << 20) /* changes of filters that are not answered yet */
#define HUB_REQUEST_DEADLINE_MS 10000u     /* SUBSCRIBE, UNSUBSCRIBE, retained messages */

/* Why publishing clients are stopped. */
enum { HUB_HOLD_CORE = 1 << 0 };

/* Kinds of barrier changes. */
enum hub_change {
    HUB_CHANGE_FILTER = 1, /* a: worker's ticket, b: worker */
    HUB_CHANGE_DIGEST      /* a: rising number of the change of the digest */
};

struct hub_metrics {
    struct metric_counter *publishes;        /* to cores */
    struct metric_counter *messages;         /* from cores, posted to workers */
    struct metric_counter *repeats;          /* recognised and dropped */
    struct metric_counter *late;             /* QoS 0 of a former era, dropped */
    struct metric_counter *deliveries;       /* from stores */
    struct metric_counter *shed;             /* clients sent to other gateways */
    struct metric_counter *malformed;        /* records that made no sense */
    struct metric_counter *unknown;          /* records of an unknown type */
    struct metric_counter *dropped_qos0;     /* nobody to send it to */
    struct metric_counter *shared;           /* messages for members of shared subscriptions */
    struct metric_counter *shared_returned;  /* handed back to a core */
    struct metric_counter *shared_refused;   /* a core gave late what another one was promised */
    struct metric_counter *shared_unclaimed; /* too many under claim */
    struct metric_counter *shared_promises_forgotten; /* too many */
    struct metric_counter *dropped_records;           /* for a store, beyond the bound */
    struct metric_counter *sign_ins_remembered;
    struct metric_counter *sign_ins_confirmed;
    struct metric_counter *sign_ins_asked;
    struct metric_counter *sign_ins_refused;
    struct metric_counter *flapping;
    struct metric_counter *stores_refused; /* what they said of their shard was not believed */
    struct metric_counter *opens;
    struct metric_counter *opens_refused; /* here: no store in time */
    struct metric_counter *timeouts;      /* subscriptions and retained lookups without answer */
    struct metric_counter *barrier_timeouts;
    struct metric_gauge *filters;
    struct metric_gauge *waiting_posts;
    struct metric_gauge *pending_calls;
    struct metric_gauge *held_bytes;
    struct metric_gauge *tokens_open;
    struct metric_gauge *cores_serving;
    struct metric_gauge *stores_serving;
    struct metric_gauge *holding;
    struct metric_histogram *open_us;
    struct metric_histogram *lag_us;
};

/* One end of a feed: which frames may be declared done. Its peer's user pointer. */
struct hub_peer {
    struct peer *peer;
    bool is_core;
    unsigned index;    /* among the cores or the stores */
    uint64_t seen_seq; /* last frame whose records are all in the post box; 0: none */
    struct hub_peer *next;
};

struct core_link;
struct flaps;
struct hub_admin;
struct hub_sys;
struct sign_in;
struct store_link;
struct mailbox;

struct hub {
    struct loop *loop;
    const struct gateway_config *config;
    unsigned workers;
    struct mailbox *mailbox;
    struct post_box *box;
    struct filters *filters;
    struct shares *shares; /* members of shared subscriptions */
    struct barrier *barrier;
    struct peers *peers;
    bool stuck; /* peers reach nobody new any more */
    struct hub_peer *links;
    struct core_link *core;
    struct store_link *store;
    struct hub_sys *sys;
    struct sign_in *sign_in;
    struct flaps *flaps;
    struct hub_admin *admin;
    uint64_t (*connections)(void *arg); /* of all workers; NULL: not told yet */
    void *connections_arg;
    uint64_t started_ms; /* monotonic */
    struct loop_timer tick;
    unsigned hold;        /* HUB_HOLD_* */
    uint64_t hold_stores; /* bit per shard: too much is held for it */
    uint32_t drained;     /* bit per worker */
    char name[128];
    struct hub_metrics metric;
    struct metrics *metrics;
};

/* ---- hub_post.c: posts of workers */

/* Mailbox function of the hub. */
void hub_post_take(void *arg, void *item);
/* To one worker; the body changes hands. */
void hub_post_to(struct hub *hub, unsigned worker, const struct post *post);
/* To the worker of a connection; a handle of no worker frees the body. */
void hub_post_to_conn(struct hub *hub, const struct post *post);
/* To all; without a body. */
void hub_post_to_all(struct hub *hub, const struct post *post);
/* A PLACE_ADD or PLACE_REMOVE with this version to the workers in mask. */
void hub_post_place(struct hub *hub, uint8_t kind, uint8_t place, uint64_t version,
                    struct slice filter, uint32_t mask);
/* Raises or clears a HUB_HOLD_* bit and tells the workers when the sum has changed. */
void hub_post_hold(struct hub *hub, unsigned reason, bool on);
/* Tells the workers for which shards too much is held; only their sessions' publishers stop. */
void hub_post_hold_stores(struct hub *hub, uint64_t shards);
/* A message from a core to the workers in mask; takes the caller's reference. */
void hub_post_message(struct hub *hub, struct message *message, uint32_t mask);
/* The function of the barrier. */
void hub_post_change_done(void *arg, const struct barrier_change *change, enum err result);
/* Bits of all workers. */
uint32_t hub_post_all_workers(const struct hub *hub);

/* ---- core_link.c */

struct core_link *core_link_new(struct hub *hub);
void core_link_free(struct core_link *link);
enum peer_keep core_link_up(struct core_link *link, struct hub_peer *core,
                            const struct peer_info *info);
void core_link_down(struct core_link *link, struct hub_peer *core);
void core_link_record(struct core_link *link, struct hub_peer *core, uint8_t type,
                      struct slice body);
void core_link_done(struct core_link *link, struct hub_peer *core, uint64_t ticket);
void core_link_room(struct core_link *link, struct hub_peer *core);
void core_link_state(struct core_link *link, struct hub_peer *core, uint32_t flags);
void core_link_tick(struct core_link *link, uint64_t now_ms);
/* POST_PUBLISH; takes the reference. */
void core_link_publish(struct core_link *link, uint64_t conn, uint64_t cookie,
                       struct message *message);
/* A filter that hub->filters has. The barrier's version is cleared of BARRIER_CORES, or failed. */
void core_link_route_add(struct core_link *link, uint64_t version, struct slice filter,
                         uint64_t deadline_ms);
void core_link_route_remove(struct core_link *link, struct slice filter);
/* The members of a shared subscription here have changed; it may have none left. */
void core_link_share_changed(struct core_link *link, struct slice share);
/* The answer to FEED_ASK. */
void core_link_answer(struct core_link *link, uint32_t core, uint64_t id, enum err err,
                      struct slice body);
/* A member has the message of this number of this core. */
void core_link_shared_done(struct core_link *link, uint32_t core, uint64_t number);
/* Nobody of worker (flags SHARED_FULL: all there are full) can have it: to another worker or back
 * to a core. Takes the handout. */
void core_link_shared_return(struct core_link *link, unsigned worker, uint8_t flags,
                             struct handout *handout);
/* All workers have applied the changes of the digest up to this number. */
void core_link_digest_step(struct core_link *link, uint64_t number);
/* Sends what could not be sent; at the end of a turn. */
void core_link_turn(struct core_link *link);
unsigned core_link_serving_count(const struct core_link *link);
size_t core_link_open_tokens(const struct core_link *link);

/* ---- store_link.c */

struct store_link *store_link_new(struct hub *hub);
void store_link_free(struct store_link *link);
enum peer_keep store_link_up(struct store_link *link, struct hub_peer *store,
                             const struct peer_info *info);
void store_link_down(struct store_link *link, struct hub_peer *store);
void store_link_room(struct store_link *link, struct hub_peer *store);
void store_link_done(struct store_link *link, struct hub_peer *store, uint64_t ticket);
void store_link_state(struct store_link *link, struct hub_peer *store, uint32_t flags);
void store_link_tick(struct store_link *link, uint64_t now_ms);
/* Sends what can be sent; at the end of a turn. */
void store_link_turn(struct store_link *link);
/* Posts of workers that are meant for a store; takes the body. */
void store_link_ask(struct store_link *link, struct post *post);
/* A call to the store that keeps the people; body is taken. Its end goes to sign_in_answered.
 * False: too many calls wait. */
bool store_ask_people(struct store_link *link, uint16_t method, uint64_t ticket, uint8_t *body,
                      size_t len, uint64_t deadline_ms);
/* That store has told all roles and bans: now somebody may come in. */
void store_link_access_known(struct store_link *link);
void store_link_tell(struct store_link *link, struct post *post);
void store_link_announcement(struct store_link *link, struct post *post);
/* How many shards there are; 0: no store has said it yet. */
unsigned store_link_count(const struct store_link *link);
unsigned store_link_serving_count(const struct store_link *link);
/* Each shard has been there, and one is: somebody can be let in. */
bool store_link_is_ready(const struct store_link *link);
struct store_link_info {
    const char *name; /* of the store that has the shard; "": none so far */
    bool serving;
    size_t held_bytes;
};
struct store_link_info store_link_info(const struct store_link *link, unsigned shard);
size_t store_link_pending_count(const struct store_link *link);
size_t store_link_held_bytes(const struct store_link *link);
/* Nothing waits to be sent or to be declared done by a store. */
bool store_link_is_quiet(const struct store_link *link);

/* ---- store_record.c */

/* A record from a store; first: from the one that keeps the people. */
void store_record_take(struct hub *hub, bool first, uint8_t type, struct slice body);

#endif
