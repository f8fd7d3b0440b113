/* SPDX-License-Identifier: Apache-2.0 */
/* What an ending session's queue holds for members of shared subscriptions, read from disk
 * (session_ending.h). Pure. */
#ifndef SERVICES_STORE_SESSION_REST_H
#define SERVICES_STORE_SESSION_REST_H

#include "services/store/body.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_REST_COUNT 1024u                      /* messages that are read */
#define SESSION_REST_BYTES ((size_t)16 * 1024 * 1024) /* and their bodies; further ones end too */

struct session_rest_entry {
    uint64_t seq;
    struct body *body; /* one reference */
    uint32_t mark;     /* of its share: SUBSCRIPTIONS_SHARE_MARK is set */
    uint8_t qos;
};

struct session_rest {
    uint64_t next_seq; /* of the queue when it was read: later ones are not in it */
    unsigned tries;
    bool complete;
    size_t bytes;
    size_t count;
    struct session_rest_entry entries[SESSION_REST_COUNT];
};

/* Gives the bodies back. NULL is nothing. */
void session_rest_free(struct session_rest *rest);
static inline bool
session_rest_is_full(const struct session_rest *rest)
{
    return rest->count == SESSION_REST_COUNT || rest->bytes >= SESSION_REST_BYTES;
}

#endif
