/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of the messages that gateways have for members of shared subscriptions, until a member has
 * each or the gateway hands it back: what a gateway takes down with it goes to somebody else. Pure;
 * bounded in bytes.
 */
#ifndef SLUICE_CORE_KEEPS_H
#define SLUICE_CORE_KEEPS_H

#include "common/str.h"
#include "common/table.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keep {
    UT_hash_handle hh;
    struct keep *next, *prev; /* of the place, oldest first */
    uint64_t number;
    uint64_t ticket; /* of the place's feed; UINT64_MAX: parked */
    uint32_t place;
    uint32_t wait; /* of the publish: valid until its frame is done, or while held; or WAITS_NONE */
    uint32_t share_len, len;
    uint8_t hops;
    bool asked; /* SHARED_ASKED */
    bool held;  /* the wait is held until the gateway has claimed it, or says that it will not */
    uint8_t bytes[]; /* share, record */
};

struct keeps;

/* New; numbers begin above base. */
struct keeps *keeps_new(size_t max_bytes, uint64_t base);
void keeps_free(struct keeps *keeps);

/* A copy with a number of its own; NULL: no room. */
struct keep *keeps_add(struct keeps *keeps, uint32_t place, struct slice share, struct slice record,
                       uint8_t hops);
/* NULL: unknown. */
struct keep *keeps_get(struct keeps *keeps, uint64_t number);
void keeps_remove(struct keeps *keeps, struct keep *keep);
uint64_t keeps_last(const struct keeps *keeps); /* the newest number */
/* The oldest of a place, or NULL. */
struct keep *keeps_first(const struct keeps *keeps, uint32_t place);

struct slice keep_share(const struct keep *keep);
struct slice keep_record(const struct keep *keep);
size_t keeps_count(const struct keeps *keeps);
size_t keeps_bytes(const struct keeps *keeps);

#endif
