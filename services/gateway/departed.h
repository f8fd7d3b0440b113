/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clean sessions with a will that ended and of whose end the store may not know yet. A store that
 * restarts has forgotten them, and could not publish their wills; so they are announced to it once
 * more before it is told again that they ended. A list in the order of the endings, bounded in
 * bytes. Pure; tickets are those of the store's feed.
 */
#ifndef SLUICE_SERVICES_GATEWAY_DEPARTED_H
#define SLUICE_SERVICES_GATEWAY_DEPARTED_H

#include "common/err.h"
#include "common/str.h"

#include <stddef.h>
#include <stdint.h>

#define DEPARTED_HELD UINT64_MAX /* the record of its end is not in the feed yet */

struct departed_one {
    struct departed_one *next;
    uint64_t ticket; /* of the record of its end, or DEPARTED_HELD */
    uint32_t len;
    uint8_t announcement[];
};

/* Owned by whoever ran departed_init. */
struct departed {
    struct departed_one *head;
    struct departed_one **tail;
    size_t bytes, cap;
};

void departed_init(struct departed *departed, size_t cap_bytes);
void departed_fini(struct departed *departed);
/* Copies the announcement. ERR_BUSY: beyond the cap. */
ERR_MUST_USE enum err departed_add(struct departed *departed, uint64_t ticket,
                                   struct slice announcement);
/* Their records are in no feed any more: another store has the shard. */
void departed_hold_all(struct departed *departed);
/* All that was held is in the feed, up to ticket. */
void departed_sent(struct departed *departed, uint64_t ticket);
/* The store has finished with what is up to ticket: forgets those. */
void departed_done(struct departed *departed, uint64_t ticket);

#endif
