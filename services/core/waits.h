/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that wait for several things to happen, in O(1) each: a publish token waits until every
 * destination has finished with the frame that carries it; a route ticket until every gateway has
 * acknowledged the digest that covers it. One thing is "lane L reaches position P"; positions in
 * a lane only rise. Pure; does not know what a lane is.
 *
 *     wait = waits_begin(...);              nothing is answered yet
 *     waits_hold(wait);                     one more thing, not in a lane yet ...
 *     waits_lane(wait, lane, position);     ... now it is (uses up the hold)
 *     waits_commit(wait);                   from now on it may be answered; at once if nothing
 * holds
 */
#ifndef SLUICE_CORE_WAITS_H
#define SLUICE_CORE_WAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAITS_NONE UINT32_MAX

struct waits;

/* The answer of a wait: what was given to begin. May call begin and its kin. */
typedef void (*waits_fn)(void *arg, uint32_t owner, uint64_t session, uint64_t number,
                         uint8_t flags);

/* New, for at most cap open waits. Lanes count from 0 and appear when used. */
struct waits *waits_new(size_t cap, waits_fn fn, void *arg);
void waits_free(struct waits *waits); /* answers nothing */

/* WAITS_NONE when full. */
uint32_t waits_begin(struct waits *waits, uint32_t owner, uint64_t session, uint64_t number);
void waits_flags(struct waits *waits, uint32_t wait, uint8_t flags);
void waits_hold(struct waits *waits, uint32_t wait);
/* Positions of a lane never fall (asserted). */
void waits_lane(struct waits *waits, uint32_t wait, uint32_t lane, uint64_t position);
/* Gives a hold back: what it stood for no longer counts. */
void waits_release(struct waits *waits, uint32_t wait);
void waits_commit(struct waits *waits, uint32_t wait);

/* Everything in the lane up to position has happened. */
void waits_reach(struct waits *waits, uint32_t lane, uint64_t position);
/* What waits in the lane no longer counts; its positions may start again from anywhere. */
void waits_void(struct waits *waits, uint32_t lane);
/* What waits in the lane holds its waits outside of it again, in order; its positions may start
 * again from anywhere. */
void waits_unlane(struct waits *waits, uint32_t lane, void (*fn)(void *arg, uint32_t wait),
                  void *arg);
/* What waits in the lane never happens: those waits end without an answer. Returns how many. */
size_t waits_fail(struct waits *waits, uint32_t lane);

size_t waits_count(const struct waits *waits);
bool waits_is_full(const struct waits *waits);
size_t waits_in_lane(const struct waits *waits, uint32_t lane);

#endif
