/* SPDX-License-Identifier: Apache-2.0 */
/* See flaps.h. The table is kept in the order in which clients were seen last. */
#include "services/gateway/flaps.h"

#include "common/mem.h"
#include "common/table.h"

struct flap {
    UT_hash_handle hh;
    uint64_t id; /* hash of the client id */
    uint64_t begun_ms;
    uint64_t banned_until_ms;
    uint64_t count;
};

struct flaps {
    struct flaps_settings settings;
    struct flap *table;
};

struct flaps *
flaps_new(const struct flaps_settings *settings)
{
    struct flaps *flaps = mem_zalloc(sizeof(*flaps));
    flaps->settings = *settings;
    return flaps;
}

static void
drop(struct flaps *flaps, struct flap *flap)
{
    HASH_DEL(flaps->table, flap);
    mem_free(flap);
}

void
flaps_free(struct flaps *flaps)
{
    if (flaps == NULL)
        return;
    while (flaps->table != NULL)
        drop(flaps, flaps->table);
    mem_free(flaps);
}

/* The entry, now the one seen last. */
static struct flap *
touch(struct flaps *flaps, uint64_t id, uint64_t now_ms)
{
    struct flap *flap = NULL;
    HASH_FIND(hh, flaps->table, &id, sizeof(id), flap);
    if (flap != NULL) {
        HASH_DEL(flaps->table, flap);
    } else {
        if (HASH_COUNT(flaps->table) >= FLAPS_MAX)
            drop(flaps, flaps->table);
        flap = mem_zalloc(sizeof(*flap));
        flap->id = id;
        flap->begun_ms = now_ms;
    }
    HASH_ADD(hh, flaps->table, id, sizeof(flap->id), flap);
    return flap;
}

bool
flaps_may_connect(struct flaps *flaps, struct slice client_id, uint64_t now_ms)
{
    const struct flaps_settings *settings = &flaps->settings;
    struct flap *flap;
    if (settings->count == 0)
        return true;
    flap = touch(flaps, hash_sip24(client_id.data, client_id.len, settings->key), now_ms);
    if (flap->banned_until_ms > now_ms)
        return false;
    if (now_ms - flap->begun_ms >= settings->window_ms) {
        flap->begun_ms = now_ms;
        flap->count = 0;
    }
    if (++flap->count <= settings->count)
        return true;
    flap->banned_until_ms = now_ms + settings->ban_ms;
    return false;
}

size_t
flaps_count(const struct flaps *flaps)
{
    return HASH_COUNT(flaps->table);
}
