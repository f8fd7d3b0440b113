/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that connect again and again: whose id has connected more than so often within a window
 * is not let in for a while. One entry a client id, bounded: when there is no room, the one that
 * was seen longest ago goes. Ids are kept as keyed hashes. Pure: the clock is told.
 */
#ifndef SERVICES_GATEWAY_FLAPS_H
#define SERVICES_GATEWAY_FLAPS_H

#include "common/hash.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLAPS_MAX 65536u /* clients remembered */

struct flaps;

struct flaps_settings {
    uint64_t count; /* connects within the window that are fine; 0: any */
    uint64_t window_ms;
    uint64_t ban_ms;
    struct hash_key key; /* random */
};

struct flaps *flaps_new(const struct flaps_settings *settings);
void flaps_free(struct flaps *flaps);

/* The client connects. False: too often, it must stay away. */
bool flaps_may_connect(struct flaps *flaps, struct slice client_id, uint64_t now_ms);
size_t flaps_count(const struct flaps *flaps);

#endif
