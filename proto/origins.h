/* SPDX-License-Identifier: Apache-2.0 */
/* Which publishes this store has taken: a token set (proto/token_set.h) for each origin. The sets
 * are written in the same commit as what was taken; this room says which have changed. Pure: the
 * clock is told. */
#ifndef SLUICE_PROTO_ORIGINS_H
#define SLUICE_PROTO_ORIGINS_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct origins;

struct origins *origins_new(size_t cap);
void origins_free(struct origins *origins);

/* Takes a token. *seen: it was taken before. ERR_QUOTA: too many origins; ERR_TOO_LARGE: too far
 * above the floor; ERR_INVALID: token 0. */
ERR_MUST_USE enum err origins_take(struct origins *origins, uint64_t origin, uint64_t token,
                                   uint64_t floor, uint64_t now_ms, bool *seen);
/* Puts a set back as it was written. ERR_MALFORMED, ERR_QUOTA. */
ERR_MUST_USE enum err origins_load(struct origins *origins, uint64_t origin, struct slice encoded,
                                   uint64_t now_ms);

/* fn gets each origin that changed since the last call, with its encoded set (borrowed). */
typedef void (*origins_fn)(void *arg, uint64_t origin, struct slice encoded);
void origins_flush(struct origins *origins, origins_fn fn, void *arg);

/* Forgets origins not used for idle_ms unless keep says that they live; fn gets each forgotten. */
typedef bool (*origins_keep_fn)(void *arg, uint64_t origin);
void origins_forget(struct origins *origins, uint64_t now_ms, uint64_t idle_ms,
                    origins_keep_fn keep, origins_fn fn, void *arg);
size_t origins_count(const struct origins *origins);

#endif
