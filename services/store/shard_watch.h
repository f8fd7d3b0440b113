/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which shard a starting store may claim, from what it sees again and again of the leases in a
 * shared database. A store whose shard somebody else has, and a spare, wait until a lease is over.
 * Pure: knows no driver, thread or clock. Fencing is the driver's: a store that claims wrongly
 * costs a restart of another one, never data.
 *
 * A lease that looks over may be that of a store which lives and could not renew it, because the
 * database stood still or its clock jumped. So it counts only if it has also not been renewed for
 * half its length by our clock, during which we could look all the time: a living store renews
 * three times in its length.
 *
 * Who bears the name in the row is its own successor (it crashed and is here again) and need not
 * wait. A lease that was given up (its store was stopped) is for a store that is set up for that
 * shard at once, for spares after the half length. A shard without leases (never started, or
 * exported or imported last) is nothing for spares.
 */
#ifndef SERVICES_STORE_SHARD_WATCH_H
#define SERVICES_STORE_SHARD_WATCH_H

#include "proto/shards.h"
#include "services/store/driver.h"

#define SHARD_WATCH_WHY 160

struct shard_watch_wish {
    const char *holder; /* our name */
    bool is_spare;      /* any shard will do */
    uint32_t number;    /* else this one */
};

struct shard_watch {
    struct shard_watch_wish wish; /* borrowed */
    uint64_t pause_ms;
    uint64_t look_ms; /* monotonic: begin of this look and end of the one before */
    uint64_t looked_ms;
    struct {
        uint64_t until_ms; /* as it was seen first */
        uint64_t since_ms; /* monotonic: when */
    } seen[SHARDS_MAX];
    bool found;
    bool is_own;
    uint32_t number;
    uint64_t until_ms;
    char why[SHARD_WATCH_WHY];
};

/* pause_ms: looks that are further apart, or take longer, count as the database's standing still;
 * at most a sixth of the shortest lease. */
void shard_watch_init(struct shard_watch *watch, const struct shard_watch_wish *wish,
                      uint64_t pause_ms);
/* A look: begin before asking the database, note each row of driver_shards, end after. Times are
 * monotonic ms. End returns whether a shard may be claimed, and then sets number and until_ms of
 * the claim; else why says for people what is waited for. */
void shard_watch_begin(struct shard_watch *watch, uint64_t now_ms);
void shard_watch_note(struct shard_watch *watch, const struct driver_shard *shard);
bool shard_watch_end(struct shard_watch *watch, uint64_t now_ms, struct driver_claim *claim);

#endif
