/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the hub's side towards the cores, shared by its two files: core_link.c (sessions,
 * routes, publishes) and core_shared.c (messages for shared subscriptions). Nobody else includes
 * it; what the hub uses is in hub_state.h.
 */
#ifndef SLUICE_SERVICES_GATEWAY_CORE_LINK_PART_H
#define SLUICE_SERVICES_GATEWAY_CORE_LINK_PART_H

#include "common/buf.h"
#include "proto/core_client.h"
#include "proto/origins.h"
#include "proto/takes.h"
#include "services/gateway/hub_state.h"

/* A QoS >= 1 publish that found no room. Few: POST_HOLD stops the clients long before. */
struct waiting {
    struct waiting *next;
    struct message *message;
    struct handout *handout; /* not NULL: it is handed back, and message is NULL */
    uint8_t flags;           /* then: SHARED_* */
    uint64_t conn;
    uint64_t cookie;
};

struct core_link {
    struct hub *hub;
    struct core_client *client;
    struct origins *origins;
    struct takes *takes;                           /* of shared subscriptions; items: handouts */
    struct takes_stats counted;                    /* what of its stats is in our metrics */
    struct hub_peer *cores[CORE_CLIENT_CORES_MAX]; /* by number of core_client, which is the
                                                      number in the settings; NULL: never up */
    uint64_t incarnations[CORE_CLIENT_CORES_MAX];
    unsigned count;
    struct waiting *head;
    struct waiting **tail;
    uint64_t digest_number;  /* of the last change told to the workers */
    uint64_t digest_applied; /* all workers have this one */
    uint64_t apply_number;   /* what the stamp waits for; NO_NUMBER: no stamp */
    uint64_t apply_stamp;
    uint64_t expire_at_ms;
    bool digest_valid;
    uint64_t valid_told_ms;
    struct buf done[CORE_CLIENT_CORES_MAX];   /* numbers for SHARED_DONE of this turn */
    struct buf claims[CORE_CLIENT_CORES_MAX]; /* numbers for SHARED_CLAIM of this turn */
    struct buf held[CORE_CLIENT_CORES_MAX];   /* numbers for SHARED_HELD of this turn */
    bool any_done;                            /* of any */
    bool begun[CORE_CLIENT_CORES_MAX];        /* its TAKEN_BEGIN is here: we may claim */
};

/* In place of a connection, with the number of a core added: what is answered was handed back, and
 * that core may forget its copy. */
#define CORE_LINK_RETURN (UINT64_MAX - CORE_CLIENT_CORES_MAX)

/* ---- core_link.c */

/* Keeps a copy of *what until core_link_turn can send it. */
void core_link_keep_waiting(struct core_link *link, const struct waiting *what);

/* A message of a core was here before, or is older than what came another way: dropped and counted.
 */
bool core_link_is_stale(struct core_link *link, const struct message *message);
/* The core speaks of claims and repeats (STATE_EXACT). */
bool core_link_is_exact(const struct core_link *link, uint32_t core);

/* ---- core_shared.c */

/* What a core is told of a filter: for a share how many members it has here. */
uint64_t core_shared_wants(const struct hub *hub, struct slice filter);
/* A FEED_SHARED_PUBLISH, FEED_SHARED_TAKEN or FEED_SHARED_ASK; false: none of them. */
bool core_shared_record(struct core_link *link, uint32_t core, uint8_t type, struct slice body);
/* A session with a core begins. */
void core_shared_up(struct core_link *link, uint32_t core);
void core_shared_free(struct core_link *link);
/* Sends what is handed back; as core_client_return. */
ERR_MUST_USE enum err core_shared_send_return(struct core_link *link, const struct handout *handout,
                                              uint8_t flags);
void core_shared_tick(struct core_link *link, uint64_t now_ms);
/* Sends the SHARED_DONE, SHARED_CLAIM and SHARED_HELD of this turn. */
void core_shared_turn(struct core_link *link);

#endif
