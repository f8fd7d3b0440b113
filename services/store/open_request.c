/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's wishes; see open_request.h. */
#include "services/store/open_request.h"

#include "proto/limits.h"
#include "proto/topic.h"

#define WILL_PROPERTIES_MAX 524288u /* a CONNECT is not longer: LIMITS_CONNECT_PACKET */

bool
open_request_is_valid(const Sluice__SessionOpen *open)
{
    const Sluice__Will *will = open->will;
    if (open->client_id.len > LIMITS_CLIENT_ID || open->user.len > LIMITS_STRING ||
        open->version < 3 || open->version > 5)
        return false;
    return will == NULL || (will->qos <= 2 && will->payload.len <= LIMITS_STRING &&
                            will->properties.len <= WILL_PROPERTIES_MAX &&
                            topic_name_is_valid(slice_of(will->topic.data, will->topic.len)));
}

void
open_request_apply(struct store *store, struct session *session, const Sluice__SessionOpen *open)
{
    const Sluice__Will *will = open->will;
    session->expiry_s = open->expiry_s;
    session->version = (uint8_t)open->version;
    session->receive_maximum =
        open->receive_maximum < UINT16_MAX ? (uint16_t)open->receive_maximum : UINT16_MAX;
    session->user = open->has_user && open->user.len != 0
                        ? users_enter(store->users, slice_of(open->user.data, open->user.len))
                        : NULL;
    if (will == NULL) {
        session_drop_will(session);
    } else {
        struct session_will flags = {
            .qos = (uint8_t)will->qos,
            .retain = will->retain,
            .has_expiry = will->has_expiry,
            .delay_s = will->delay_s,
            .expiry_s = will->expiry_s,
        };
        session_set_will(session, slice_of(will->topic.data, will->topic.len),
                         slice_of(will->properties.data, will->properties.len),
                         slice_of(will->payload.data, will->payload.len), &flags);
    }
}
