/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a place (a gateway's hub, a store) decides about messages for shared subscriptions with QoS
 * 1 and 2 before a member gets them, so that QoS 2 comes to one member of a group only. Pure: opens
 * nothing, reads no clock, does not know members.
 *
 *   repeat    the publish (origin, token) was taken for this group before: origins.h knows.
 *   promise   a core has asked about a publish that was sent again (FEED_SHARED_ASK) and heard that
 *             it is not here: from then on only that core may give it to us, as SHARED_ASKED. One
 * that acts late, because it was stopped or cut off, is refused. claim     a gateway gives a QoS 2
 * message to a member only when the core it came from has granted that (FEED_SHARED_CLAIM,
 * FEED_SHARED_TAKEN): the core's copy is gone then, so it goes to nobody else when we are given up.
 * What is claimed is not taken yet: a core that asks hears "no", and the grant comes too late.
 *
 * Bounded: promises_max promises, the oldest gives way; claims_bytes of messages under claim,
 * beyond which messages are given without one (counted).
 */
#ifndef SLUICE_PROTO_TAKES_H
#define SLUICE_PROTO_TAKES_H

#include "proto/origins.h"
#include "proto/repeats.h"

#define TAKES_CORES_MAX 32u

struct takes;

struct takes_config {
    struct origins *origins; /* borrowed */
    bool lasts;              /* origins outlive the program: so do promises, kept among them */
    uint32_t promises_max;   /* 0: 65536 */
    size_t claims_bytes;     /* 0: 64 MiB */
};

/* A copy that a core gives to us. */
struct takes_copy {
    uint32_t core; /* below TAKES_CORES_MAX */
    uint64_t key;  /* takes_key */
    uint64_t token, floor;
    uint64_t number; /* of the SHARED_PUBLISH */
    uint8_t qos;
    bool asked;  /* SHARED_ASKED */
    bool claims; /* a gateway, at a core that grants claims */
};

enum takes_verdict {
    TAKES_GIVE, /* to a member */
    TAKES_HOLD, /* claim its number, and hand its item to takes_hold */
    TAKES_DROP  /* it is, or will be, elsewhere */
};

/* How granted and refused claims come back; the item is the callee's. */
typedef void (*takes_fn)(void *arg, void *item, bool granted);

struct takes_stats {
    uint64_t asked, refused; /* questions answered; copies dropped because of a promise */
    uint64_t unclaimed;      /* given without a claim: too many under claim */
    uint64_t forgotten;      /* promises given up: too many */
    size_t promises, claims;
};

struct takes *takes_new(const struct takes_config *config);
/* fn gets what is still under claim, refused. */
void takes_free(struct takes *takes, takes_fn fn, void *arg);

/* Names a publish's origin and the group as one. */
uint64_t takes_key(uint64_t origin, struct slice share);

/* token 0: a message without a number, never a repeat. */
enum takes_verdict takes_arrive(struct takes *takes, const struct takes_copy *copy,
                                uint64_t now_ms);
/* Right after TAKES_HOLD; cost: bytes. The item is taken. */
void takes_hold(struct takes *takes, const struct takes_copy *copy, void *item, size_t cost);
/* FEED_SHARED_TAKEN of the core; begin: what lies above the number is refused. */
void takes_granted(struct takes *takes, uint32_t core, uint64_t number, bool begin, uint64_t now_ms,
                   takes_fn fn, void *arg);

/* The answer to a core's question. */
enum repeats_verdict takes_ask(struct takes *takes, uint32_t core, const struct repeats_ask *ask,
                               uint64_t now_ms);
/* Now and then: forgets promises that are 10 minutes old. */
void takes_tick(struct takes *takes, uint64_t now_ms);

struct takes_stats takes_stats(const struct takes *takes);

#endif
