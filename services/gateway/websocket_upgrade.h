/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP request that opens a WebSocket (RFC 6455, 4.2), and its answer. Pure: it reads one
 * request head and writes one response; there is no other HTTP here. Any path is accepted.
 *
 * X-Forwarded-For counts only if the peer is a trusted proxy. Each proxy appends whom it heard, so
 * the client is the last address that is no trusted proxy itself; what stands before it anybody may
 * have written. Behind something that is no address nothing is believed.
 */
#ifndef SERVICES_GATEWAY_WEBSOCKET_UPGRADE_H
#define SERVICES_GATEWAY_WEBSOCKET_UPGRADE_H

#include "common/address.h"
#include "common/err.h"
#include "common/str.h"

#define WEBSOCKET_UPGRADE_HEAD_MAX     8192u /* bytes of a request head */
#define WEBSOCKET_UPGRADE_RESPONSE_MAX 512u

/* Borrowed by each call. */
struct websocket_upgrade_options {
    char *const *origins; /* "https://example.org"; compared without regard to case */
    size_t origin_count;  /* 0: any */
    const struct address_range *proxies; /* whose X-Forwarded-For counts */
    size_t proxy_count;                  /* 0: nobody's */
};

struct websocket_upgrade {
    size_t head_len;       /* bytes of the request */
    unsigned status;       /* 101: welcome; else the connection ends after the response */
    const char *protocol;  /* chosen subprotocol, static; NULL: none was offered */
    struct address client; /* who asks: the peer, or whom trusted proxies name */
    size_t response_len;
    char response[WEBSOCKET_UPGRADE_RESPONSE_MAX];
};

/* ERR_AGAIN: the head is not complete (and shorter than WEBSOCKET_UPGRADE_HEAD_MAX); out is then
 * untouched. Otherwise OK, also for a request that is refused: out->response says why. */
ERR_MUST_USE enum err websocket_upgrade_decode(struct slice in,
                                               const struct websocket_upgrade_options *options,
                                               const struct address *peer,
                                               struct websocket_upgrade *out);

#endif
