/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which publishes a destination has taken: a token set (token_set.h) for each origin, so that one
 * that comes again, through another core or after a core's restart, is recognised; and the newest
 * era of its QoS 0 records, so that one that a core held back too long is. A store writes both in
 * the same commit as what was taken; this room says which have changed. Pure: the clock is told;
 * does not know what is taken.
 *
 *   written form:  u64 era, encoded token set
 */
#ifndef SLUICE_PROTO_ORIGINS_H
#define SLUICE_PROTO_ORIGINS_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct origins;

enum origins_kind {
    ORIGINS_IN_MEMORY, /* in place of one origin too many the one silent for longest is forgotten */
    ORIGINS_WRITTEN,   /* the owner flushes; an origin too many is refused */
};

struct origins *origins_new(enum origins_kind kind, size_t cap);
void origins_free(struct origins *origins);

/* Takes a token. *seen: it was taken before. ERR_QUOTA: too many origins; ERR_TOO_LARGE: too far
 * above the floor; ERR_INVALID: token 0. */
ERR_MUST_USE enum err origins_take(struct origins *origins, uint64_t origin, uint64_t token,
                                   uint64_t floor, uint64_t now_ms, bool *seen);
/* Whether the token was taken, or lies below the floor. Changes nothing. */
bool origins_has(struct origins *origins, uint64_t origin, uint64_t token);
/* A QoS 0 record of this origin and era (publish_record.h) came. True: one of a later era came
 * before it, so it is late and to be dropped. An era 0 is not kept. */
bool origins_is_late(struct origins *origins, uint64_t origin, uint64_t era, uint64_t now_ms);
/* Puts a set back as it was written. ERR_MALFORMED, ERR_QUOTA. */
ERR_MUST_USE enum err origins_load(struct origins *origins, uint64_t origin, struct slice encoded,
                                   uint64_t now_ms);

/* fn gets each origin that changed since the last call, with its encoded set (borrowed). */
typedef void (*origins_fn)(void *arg, uint64_t origin, struct slice encoded);
void origins_flush(struct origins *origins, origins_fn fn, void *arg);

/* Forgets origins not used for idle_ms unless keep says that they live; fn gets each forgotten.
 * Both may be NULL: nobody lives, nobody wants to know. */
typedef bool (*origins_keep_fn)(void *arg, uint64_t origin);
void origins_forget(struct origins *origins, uint64_t now_ms, uint64_t idle_ms,
                    origins_keep_fn keep, origins_fn fn, void *arg);
size_t origins_count(const struct origins *origins);

#endif
