/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One gateway's interest digest: the filters that anybody else wants, shortened to at most `depth`
 * levels ("a/b/c" at depth 2 is "a/b/#") so that no more than a bound of them remain. Each entry
 * counts how many (place, filter) pairs it stands for. It may cover more than is wanted, never
 * less. Pure; sends nothing, and does not know who wants what: the caller adds each pair once.
 *
 * Depth 0 is "#". A filter whose first level begins with '$' is never shortened beyond that level,
 * because '#' does not match such topics [MQTT-4.7.2-1]; for those alone the bound is soft.
 */
#ifndef SLUICE_CORE_DIGEST_H
#define SLUICE_CORE_DIGEST_H

#include "common/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest;

enum digest_change {
    DIGEST_SAME,
    DIGEST_ENTRY, /* one entry came or went: *entry */
    DIGEST_WHOLE  /* shortened: all entries are new */
};

/* New, empty, not shortened. */
struct digest *digest_new(size_t bound);
void digest_free(struct digest *digest);

/* *entry is borrowed until the next call. */
enum digest_change digest_add(struct digest *digest, struct slice filter, struct slice *entry);
enum digest_change digest_remove(struct digest *digest, struct slice filter, struct slice *entry);

typedef void (*digest_fn)(void *arg, struct slice entry);
void digest_each(const struct digest *digest, digest_fn fn, void *arg);

size_t digest_entries(const struct digest *digest);
/* Pairs added and not removed. */
size_t digest_total(const struct digest *digest);
bool digest_is_shortened(const struct digest *digest);

#endif
