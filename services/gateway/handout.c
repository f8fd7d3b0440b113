/* SPDX-License-Identifier: Apache-2.0 */
/* See handout.h. */
#include "services/gateway/handout.h"

#include <string.h>

#include "common/mem.h"

struct handout *
handout_new(struct message *message, struct slice share, uint64_t number, uint32_t core,
            uint8_t hops)
{
    struct handout *handout = mem_alloc(sizeof(*handout) + share.len);
    memset(handout, 0, sizeof(*handout));
    handout->message = message;
    handout->number = number;
    handout->core = core;
    handout->hops = hops;
    handout->share_len = (uint16_t)share.len;
    memcpy(handout->share, share.data, share.len);
    return handout;
}

void
handout_free(struct handout *handout)
{
    if (handout == NULL)
        return;
    message_unref(handout->message);
    mem_free(handout);
}
