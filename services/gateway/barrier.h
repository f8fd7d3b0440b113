/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who still has to say "I have it" before a change counts. Every change of a place (a filter that a
 * worker, or somebody behind a core, wants or no longer wants) gets the next version. Workers
 * acknowledge versions cumulatively; a change may also wait for the cores. When nobody is left, or
 * when its deadline has passed, the change is answered once. Pure: the clock is told, nothing is
 * sent.
 *
 * Changes live in a ring indexed by version, so an acknowledgement costs what it newly covers.
 */
#ifndef SLUICE_SERVICES_GATEWAY_BARRIER_H
#define SLUICE_SERVICES_GATEWAY_BARRIER_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* Bits of who is waited for: bit w = worker w, and: */
#define BARRIER_CORES (UINT64_C(1) << 63)

struct barrier_change {
    uint64_t waits;       /* bits left; 0: answered, or never to be answered */
    uint64_t a, b;        /* the owner's */
    uint64_t deadline_ms; /* 0: none */
    uint8_t kind;         /* the owner's; 0: an unused version */
};

/* OK: everybody has it. ERR_TIMEOUT, or what barrier_fail was given. The change is forgotten
 * already; fn may add changes. */
typedef void (*barrier_fn)(void *arg, const struct barrier_change *change, enum err result);

struct barrier;

/* New. It has no cap of its own: whoever adds on behalf of clients looks at barrier_span before. */
struct barrier *barrier_new(unsigned workers, barrier_fn fn, void *arg);
void barrier_free(struct barrier *barrier);

/* Takes the next version for a change (copied; kind != 0, waits != 0) and returns it. */
uint64_t barrier_add(struct barrier *barrier, const struct barrier_change *change);
/* Takes the next version for a change that nobody waits for. */
uint64_t barrier_skip(struct barrier *barrier);
/* Worker has applied every version up to this one. Versions not given out are ignored. */
void barrier_ack(struct barrier *barrier, unsigned worker, uint64_t version);
/* These bits need not be waited for any more. Unknown versions are ignored. */
void barrier_clear(struct barrier *barrier, uint64_t version, uint64_t bits);
/* Answers what is overdue with ERR_TIMEOUT. Call it about every 100 ms. */
void barrier_expire(struct barrier *barrier, uint64_t now_ms);
/* It cannot be had: answers the change with this error. Unknown versions are ignored. */
void barrier_fail(struct barrier *barrier, uint64_t version, enum err why);
/* Versions from the oldest unanswered one to the newest: what the ring holds. */
size_t barrier_span(const struct barrier *barrier);
/* Changes not answered yet. */
size_t barrier_open_count(const struct barrier *barrier);

#endif
