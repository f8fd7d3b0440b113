/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message for one member of a shared subscription, from the core's choice of this gateway until
 * a member has it or it is handed back: what is needed to say either. Moves between threads as the
 * body of a post; one owner at a time. No rules live here.
 */
#ifndef SERVICES_GATEWAY_HANDOUT_H
#define SERVICES_GATEWAY_HANDOUT_H

#include "common/str.h"
#include "common/table.h"
#include "services/gateway/message.h"

#include <stdint.h>

struct handout {
    UT_hash_handle hh;       /* in a session, by packet id */
    struct message *message; /* one reference */
    uint64_t number;         /* the core's copy; 0: it has none (any more) */
    uint32_t core;           /* which core gave it */
    uint32_t pick;           /* the member it chose */
    uint16_t packet_id;
    uint16_t share_len;
    uint8_t hops;
    uint32_t tried;  /* bit w: the members of worker w are full */
    uint8_t share[]; /* "$share/group/filter" */
};

/* New; message: one reference, taken. */
struct handout *handout_new(struct message *message, struct slice share, uint64_t number,
                            uint32_t core, uint8_t hops);
void handout_free(struct handout *handout);

static inline struct slice
handout_share(const struct handout *handout)
{
    return slice_of(handout->share, handout->share_len);
}

#endif
