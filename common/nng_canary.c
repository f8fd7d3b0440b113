/* SPDX-License-Identifier: Apache-2.0 */
/* See nng_canary.h. */
#include "common/nng_canary.h"

#include "common/mem.h"
#include "common/str.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/supplemental/util/platform.h>
#include <stdatomic.h>

enum { ROUND_MS = 500 };

struct nng_canary {
    nng_thread *thread;
    nng_mtx *lock;
    nng_cv *wake;
    bool ending;        /* under lock */
    atomic_uint rounds; /* finished */
    unsigned seen;      /* rounds, when asked last */
    uint32_t patience, silent;
};

/* A connection between two sockets that only these two know; 0 when all of it is closed again. */
static void
sing(const struct nng_canary *canary)
{
    nng_socket here = NNG_SOCKET_INITIALIZER, there = NNG_SOCKET_INITIALIZER;
    char url[64];
    if (str_format(url, sizeof(url), "inproc://canary-%p", (const void *)canary) == OK &&
        nng_pair0_open(&here) == 0 && nng_listen(here, url, NULL, 0) == 0 &&
        nng_pair0_open(&there) == 0)
        (void)nng_dial(there, url, NULL, 0);
    (void)nng_close(there);
    (void)nng_close(here);
}

static bool
rest(struct nng_canary *canary)
{
    nng_time until = nng_clock() + ROUND_MS;
    bool ending;
    nng_mtx_lock(canary->lock);
    while (!canary->ending && nng_cv_until(canary->wake, until) == 0)
        continue;
    ending = canary->ending;
    nng_mtx_unlock(canary->lock);
    return !ending;
}

static void
run(void *arg)
{
    struct nng_canary *canary = arg;
    do {
        sing(canary);
        atomic_fetch_add(&canary->rounds, 1);
    } while (rest(canary));
}

static void
release(struct nng_canary *canary)
{
    if (canary->wake != NULL)
        nng_cv_free(canary->wake);
    if (canary->lock != NULL)
        nng_mtx_free(canary->lock);
    mem_free(canary);
}

enum err
nng_canary_new(uint32_t patience, struct nng_canary **out)
{
    struct nng_canary *canary = mem_zalloc(sizeof(*canary));
    canary->patience = patience;
    if (nng_mtx_alloc(&canary->lock) != 0 || nng_cv_alloc(&canary->wake, canary->lock) != 0 ||
        nng_thread_create(&canary->thread, run, canary) != 0) {
        release(canary);
        return ERR_IO;
    }
    *out = canary;
    return OK;
}

bool
nng_canary_sings(struct nng_canary *canary)
{
    unsigned rounds = atomic_load(&canary->rounds);
    if (canary->silent > canary->patience)
        return false;
    canary->silent = rounds == canary->seen ? canary->silent + 1 : 0;
    canary->seen = rounds;
    return canary->silent <= canary->patience;
}

void
nng_canary_free(struct nng_canary *canary)
{
    if (canary == NULL || canary->silent > canary->patience)
        return;
    nng_mtx_lock(canary->lock);
    canary->ending = true;
    nng_cv_wake(canary->wake);
    nng_mtx_unlock(canary->lock);
    nng_thread_destroy(canary->thread); /* waits for it */
    release(canary);
}
