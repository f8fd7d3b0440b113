/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records by which a QoS 2 publish is kept from coming to two members of a group when it is
 * sent again: FEED_AGAIN, FEED_SHARED_ASK, FEED_SHARED_ANSWER, FEED_SHARED_TAKEN (feed_records.h).
 * Bytes only; who asks whom and what follows is in services/core/on_ask.c and proto/takes.h.
 */
#ifndef SLUICE_PROTO_REPEATS_H
#define SLUICE_PROTO_REPEATS_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

enum repeats_verdict {
    REPEATS_NO = 0,    /* not taken, and not from anybody else from now on */
    REPEATS_HAS = 1,   /* taken */
    REPEATS_PASSED = 2 /* a later attempt was asked about: this one is void */
};

/* FEED_AGAIN */
#define REPEATS_AGAIN_BYTES 17u /* before the body */
struct repeats_again {
    uint64_t attempt;
    uint64_t age_ms;
    uint8_t type; /* FEED_PUBLISH or FEED_SHARED_RETURN */
    struct slice body;
};
ERR_MUST_USE enum err repeats_again_decode(struct slice body, struct repeats_again *out);
size_t repeats_again_encode(const struct repeats_again *again, uint8_t *out);

/* FEED_SHARED_ASK */
#define REPEATS_ASK_BYTES 40u /* before the share */
struct repeats_ask {
    uint64_t id;
    uint64_t origin, token, floor; /* of the publish */
    uint64_t attempt;
    struct slice share; /* "$share/group/filter" */
};
ERR_MUST_USE enum err repeats_ask_decode(struct slice body, struct repeats_ask *out);
size_t repeats_ask_encode(const struct repeats_ask *ask, uint8_t *out);

/* FEED_SHARED_ANSWER */
#define REPEATS_ANSWER_BYTES 9u
ERR_MUST_USE enum err repeats_answer_decode(struct slice body, uint64_t *id,
                                            enum repeats_verdict *verdict);
size_t repeats_answer_encode(uint64_t id, enum repeats_verdict verdict, uint8_t *out);

/* FEED_SHARED_TAKEN */
#define REPEATS_TAKEN_BYTES 9u
ERR_MUST_USE enum err repeats_taken_decode(struct slice body, uint64_t *number, uint8_t *flags);
size_t repeats_taken_encode(uint64_t number, uint8_t flags, uint8_t *out);

#endif
