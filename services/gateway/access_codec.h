/* SPDX-License-Identifier: Apache-2.0 */
/* access.proto as the gateway speaks it: bodies of calls and records to and from what posts carry.
 * Strict: what a store sends is checked like what anybody sends. */
#ifndef SERVICES_GATEWAY_ACCESS_CODEC_H
#define SERVICES_GATEWAY_ACCESS_CODEC_H

#include "common/err.h"
#include "services/gateway/post_access.h"

/* New bytes (mem_free). */
uint8_t *access_codec_sign_in(const struct sign_in_request *request, size_t *len);
/* New; user is copied into it. ERR_MALFORMED. */
ERR_MUST_USE enum err access_codec_signed_in(struct slice bytes, struct slice user,
                                             struct signed_in **out);
/* FEED_ROLE; borrowed from the body. ERR_MALFORMED. */
ERR_MUST_USE enum err access_codec_role(struct slice body, struct role_news *out);
/* FEED_BAN; new. ERR_MALFORMED. */
ERR_MUST_USE enum err access_codec_ban(struct slice body, struct ban_news **out);

#endif
