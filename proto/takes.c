/* SPDX-License-Identifier: Apache-2.0 */
/* See takes.h: a table of promises, oldest first, and for each core the messages under claim in the
 * order of their numbers. */
#include "proto/takes.h"

#include "common/hash.h"
#include "common/mem.h"
#include "common/table.h"

#include <assert.h>

#define PROMISES_MAX 65536u
#define CLAIMS_BYTES ((size_t)64 << 20)
#define PROMISE_MS   600000u
#define PROMISED     UINT64_C(0x5aa5c33c0ff09669) /* in a key: the set of what was promised */

struct promise_id {
    uint64_t key, token;
};

struct promise {
    struct promise_id id;
    UT_hash_handle hh; /* in the order in which they were made */
    uint64_t attempt;
    uint64_t serial;
    uint64_t made_ms;
    uint32_t core;
};

struct claim {
    struct claim *next;
    uint64_t key, token, floor;
    uint64_t number;
    uint64_t serial; /* promises above it were made later */
    void *item;
    size_t cost;
};

struct claims {
    struct claim *head;
    struct claim **tail;
};

struct takes {
    struct takes_config config;
    struct takes_stats stats;
    struct promise *promises;
    struct claims claims[TAKES_CORES_MAX];
    size_t claimed_bytes;
    uint64_t serial;
};

struct takes *
takes_new(const struct takes_config *config)
{
    struct takes *takes = mem_zalloc(sizeof(*takes));
    takes->config = *config;
    if (takes->config.promises_max == 0)
        takes->config.promises_max = PROMISES_MAX;
    if (takes->config.claims_bytes == 0)
        takes->config.claims_bytes = CLAIMS_BYTES;
    for (uint32_t i = 0; i < TAKES_CORES_MAX; i++)
        takes->claims[i].tail = &takes->claims[i].head;
    return takes;
}

static void
forget(struct takes *takes, struct promise *promise)
{
    HASH_DEL(takes->promises, promise);
    mem_free(promise);
}

void
takes_free(struct takes *takes, takes_fn fn, void *arg)
{
    if (takes == NULL)
        return;
    for (uint32_t i = 0; i < TAKES_CORES_MAX; i++)
        takes_granted(takes, i, 0, true, 0, fn, arg);
    while (takes->promises != NULL)
        forget(takes, takes->promises);
    mem_free(takes);
}

uint64_t
takes_key(uint64_t origin, struct slice share)
{
    return origin ^ hash_stable(share);
}

static struct promise *
promise_of(const struct takes *takes, uint64_t key, uint64_t token)
{
    struct promise_id id = {key, token};
    struct promise *promise;
    if (takes->promises == NULL)
        return NULL;
    HASH_FIND(hh, takes->promises, &id, sizeof(id), promise);
    return promise;
}

/* False: it was taken before. A promise was made because it was not, so it is not again. */
static bool
take(struct takes *takes, uint64_t key, uint64_t token, uint64_t floor, struct promise *promise,
     uint64_t now_ms)
{
    bool seen = false;
    enum err err = origins_take(takes->config.origins, key, token, floor, now_ms, &seen);
    if (promise != NULL) {
        forget(takes, promise);
        return true;
    }
    /* Too far above the floor to be remembered: better twice than not at all. */
    return err != OK || !seen;
}

/* Promised to some core before a restart of ours. */
static bool
is_promised(const struct takes *takes, const struct takes_copy *copy)
{
    return takes->config.lasts && copy->qos == 2 && !copy->asked &&
           origins_has(takes->config.origins, copy->key ^ PROMISED, copy->token);
}

enum takes_verdict
takes_arrive(struct takes *takes, const struct takes_copy *copy, uint64_t now_ms)
{
    bool claims = copy->claims && copy->qos == 2 && copy->number != 0;
    struct promise *promise = copy->token != 0 ? promise_of(takes, copy->key, copy->token) : NULL;
    if (promise != NULL ? promise->core != copy->core || !copy->asked
                        : copy->token != 0 && is_promised(takes, copy)) {
        takes->stats.refused++;
        return TAKES_DROP;
    }
    if (claims && takes->claimed_bytes > takes->config.claims_bytes) {
        takes->stats.unclaimed++;
        claims = false;
    }
    if (claims) {
        if (copy->token != 0 && promise == NULL &&
            origins_has(takes->config.origins, copy->key, copy->token))
            return TAKES_DROP;
        return TAKES_HOLD;
    }
    if (copy->token != 0 && !take(takes, copy->key, copy->token, copy->floor, promise, now_ms))
        return TAKES_DROP;
    return TAKES_GIVE;
}

void
takes_hold(struct takes *takes, const struct takes_copy *copy, void *item, size_t cost)
{
    struct claims *claims;
    struct claim *claim = mem_alloc(sizeof(*claim));
    assert(copy->core < TAKES_CORES_MAX);
    *claim = (struct claim){.key = copy->key,
                            .token = copy->token,
                            .floor = copy->floor,
                            .number = copy->number,
                            .serial = takes->serial,
                            .item = item,
                            .cost = cost + sizeof(*claim)};
    claims = &takes->claims[copy->core];
    *claims->tail = claim;
    claims->tail = &claim->next;
    takes->claimed_bytes += claim->cost;
    takes->stats.claims++;
}

/* Whether the granted message may go to a member. */
static bool
is_ours(struct takes *takes, uint32_t core, const struct claim *claim, uint64_t now_ms)
{
    struct promise *promise;
    if (claim->token == 0)
        return true;
    promise = promise_of(takes, claim->key, claim->token);
    if (promise != NULL && (promise->core != core || promise->serial > claim->serial)) {
        takes->stats.refused++;
        return false;
    }
    return take(takes, claim->key, claim->token, claim->floor, promise, now_ms);
}

void
takes_granted(struct takes *takes, uint32_t core, uint64_t number, bool begin, uint64_t now_ms,
              takes_fn fn, void *arg)
{
    struct claims *claims = &takes->claims[core];
    while (claims->head != NULL && (begin || claims->head->number <= number)) {
        struct claim *claim = claims->head;
        bool granted = claim->number <= number && is_ours(takes, core, claim, now_ms);
        claims->head = claim->next;
        if (claims->head == NULL)
            claims->tail = &claims->head;
        takes->claimed_bytes -= claim->cost;
        takes->stats.claims--;
        fn(arg, claim->item, granted);
        mem_free(claim);
    }
}

enum repeats_verdict
takes_ask(struct takes *takes, uint32_t core, const struct repeats_ask *ask, uint64_t now_ms)
{
    uint64_t key = takes_key(ask->origin, ask->share);
    struct promise *promise = promise_of(takes, key, ask->token);
    bool seen = false;
    enum err err = OK;
    takes->stats.asked++;
    if (promise != NULL && promise->attempt > ask->attempt)
        return REPEATS_PASSED;
    if (promise == NULL && origins_has(takes->config.origins, key, ask->token))
        return REPEATS_HAS;
    if (promise != NULL) {
        forget(takes, promise);
    } else if (HASH_COUNT(takes->promises) >= takes->config.promises_max) {
        forget(takes, takes->promises);
        takes->stats.forgotten++;
    }
    promise = mem_zalloc(sizeof(*promise));
    promise->id = (struct promise_id){key, ask->token};
    promise->attempt = ask->attempt;
    promise->serial = ++takes->serial;
    promise->made_ms = now_ms;
    promise->core = core;
    HASH_ADD(hh, takes->promises, id, sizeof(promise->id), promise);
    if (takes->config.lasts)
        err = origins_take(takes->config.origins, key ^ PROMISED, ask->token, ask->floor, now_ms,
                           &seen);
    takes->stats.forgotten += err != OK; /* only a restart forgets it */
    return REPEATS_NO;
}

void
takes_tick(struct takes *takes, uint64_t now_ms)
{
    while (takes->promises != NULL && now_ms >= takes->promises->made_ms &&
           now_ms - takes->promises->made_ms >= PROMISE_MS)
        forget(takes, takes->promises);
}

struct takes_stats
takes_stats(const struct takes *takes)
{
    struct takes_stats stats = takes->stats;
    stats.promises = HASH_COUNT(takes->promises);
    return stats;
}
