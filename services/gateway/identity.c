/* SPDX-License-Identifier: Apache-2.0 */
/* See identity.h. */
#include "services/gateway/identity.h"

#include <string.h>

#include "common/mem.h"

struct identity *
identity_new(const struct session_open_request *request, struct slice client_id)
{
    struct identity *identity = mem_zalloc(sizeof(*identity) + client_id.len + request->user.len);
    identity->expiry_s = request->expiry_s;
    identity->client_id_len = (uint32_t)client_id.len;
    identity->user_len = (uint16_t)request->user.len;
    identity->receive_maximum = request->receive_maximum;
    identity->has_user = request->has_user;
    identity->clean_start = request->clean_start;
    if (client_id.len > 0)
        memcpy(identity->bytes, client_id.data, client_id.len);
    if (request->user.len > 0)
        memcpy(identity->bytes + client_id.len, request->user.data, request->user.len);
    if (request->has_will) {
        struct session_open_request will = *request;
        will.user = will.client_id = slice_of(NULL, 0);
        identity->will = session_open_request_new(&will);
    }
    return identity;
}

void
identity_free(struct identity *identity)
{
    if (identity == NULL)
        return;
    session_open_request_free(identity->will);
    mem_free(identity);
}

void
identity_to_request(const struct identity *identity, struct session_open_request *out)
{
    memset(out, 0, sizeof(*out));
    if (identity->will != NULL) {
        out->has_will = true;
        out->will = identity->will->will;
    }
    out->client_id = identity_client_id(identity);
    out->user = slice_of(identity->bytes + identity->client_id_len, identity->user_len);
    out->has_user = identity->has_user;
    out->clean_start = identity->clean_start;
    out->expiry_s = identity->expiry_s;
    out->receive_maximum = identity->receive_maximum;
}
