/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gateways that have no members of a shared subscription any more, since these left or the gateway
 * is gone: one of them may have given a member what is sent again now. If it cannot be asked,
 * nobody knows. Pure; knows no feeds. Remembers the last GHOSTS_MAX of each group, of at most
 * GHOSTS_GROUPS_MAX groups, until they are swept away.
 */
#ifndef SLUICE_CORE_GHOSTS_H
#define SLUICE_CORE_GHOSTS_H

#include "common/str.h"
#include <stddef.h>
#include <stdint.h>

#define GHOSTS_MAX        16u
#define GHOSTS_GROUPS_MAX 65536u

struct ghost {
    uint64_t incarnation; /* of the gateway */
    uint64_t until_ms;    /* it had members until then */
    uint32_t place;       /* its number then */
};

struct ghosts;

struct ghosts *ghosts_new(void);
void ghosts_free(struct ghosts *ghosts);

/* In place of what was known of the same incarnation, or of the one that was added first. */
void ghosts_add(struct ghosts *ghosts, struct slice share, const struct ghost *ghost);
/* The ghosts of a group; borrowed until the next change. Returns how many. */
size_t ghosts_of(const struct ghosts *ghosts, struct slice share, const struct ghost **out);
/* Forgets groups whose newest ghost is from before. */
void ghosts_sweep(struct ghosts *ghosts, uint64_t before_ms);
size_t ghosts_count(const struct ghosts *ghosts); /* groups */

#endif
