/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State of the hub's side towards the stores, shared by its two files: store_link.c (sessions with
 * a store, records both ways) and store_ask.c (calls). Nobody else includes it; what the hub uses
 * is in hub_state.h.
 */
#ifndef SLUICE_SERVICES_GATEWAY_STORE_LINK_H
#define SLUICE_SERVICES_GATEWAY_STORE_LINK_H

#include "proto/shard_seats.h"
#include "services/gateway/departed.h"
#include "services/gateway/held.h"
#include "services/gateway/hub_state.h"
#include "services/gateway/pending.h"

enum store_state {
    STORE_AWAY,
    STORE_RESYNC, /* the workers' announcements go first */
    STORE_UP
};

/* One shard, whichever store has it. */
struct store {
    struct store_link *link;
    struct hub_peer *peer; /* the store that has it; NULL: none so far */
    unsigned index;        /* of the shard */
    enum store_state state;
    uint64_t ends_due;        /* workers that have not finished announcing, of all resyncs begun */
    bool announced;           /* RESYNC_END is in preamble */
    struct held preamble;     /* announcements that found no room yet */
    struct held held;         /* all other records, until the store is up and has room */
    struct departed departed; /* whose wills it may not know, should it restart */
    uint64_t ask_after_ms;    /* the store asked us to come again */
};

/* Where calls wait while it is not known how many shards there are. */
#define STORE_LINK_ANYWHERE SHARDS_MAX

struct store_link {
    struct hub *hub;
    struct pending *pending;
    struct shard_seats seats; /* holders are peer ids */
    struct store *stores;     /* SHARDS_MAX of them; the first `seats.shards.count` are used */
    unsigned turn;            /* of clients without an id */
    bool access_known;        /* roles and bans are here: nobody comes in before */
    bool complete;            /* each shard has been there once */
};

/* ---- store_link.c */

/* Appends a record to the store's feed, or holds it. Returns its ticket or DEPARTED_HELD. */
uint64_t store_link_send(struct store *store, uint8_t type, bool control, const struct slice *parts,
                         size_t n);
/* The store of a session, by its number; NULL: there is no such shard. */
struct store *store_link_of_session(struct store_link *link, uint64_t session);
bool store_link_takes_calls(const struct store *store);

/* ---- store_ask.c */

/* Sends the calls that wait for this store. */
void store_ask_pump(struct store *store);
/* The number of shards is known now: calls that waited for that find their stores. */
void store_ask_place(struct store_link *link);
/* The function of struct pending. */
void store_ask_expired(void *arg, struct pending_call *call);

#endif
