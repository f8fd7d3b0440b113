/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be kept of a CONNECT for as long as the connection lasts, so that the session can be
 * announced to a store that has restarted. Compact: one block, a will only if there is one.
 */
#ifndef SERVICES_GATEWAY_IDENTITY_H
#define SERVICES_GATEWAY_IDENTITY_H

#include "common/str.h"
#include "services/gateway/post_body.h"

#include <stdbool.h>
#include <stdint.h>

struct identity {
    struct session_open_request *will; /* NULL, or the whole request */
    uint32_t expiry_s;
    uint32_t client_id_len;
    uint16_t user_len;
    uint16_t receive_maximum;
    bool has_user;
    bool clean_start;
    uint8_t bytes[]; /* client id, user */
};

/* New, from an open request; client_id may differ from the request's (assigned). */
struct identity *identity_new(const struct session_open_request *request, struct slice client_id);
void identity_free(struct identity *identity);

/* Fills *out for an announcement; slices are borrowed from identity. version, keep alive, handle
 * and address are the connection's to add. */
void identity_to_request(const struct identity *identity, struct session_open_request *out);

static inline struct slice
identity_user(const struct identity *identity)
{
    return slice_of(identity->bytes + identity->client_id_len, identity->user_len);
}

static inline struct slice
identity_client_id(const struct identity *identity)
{
    return slice_of(identity->bytes, identity->client_id_len);
}

#endif
