/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP request that opens a WebSocket (RFC 6455, 4.2), and its answer. Pure: it reads one
 * request head and writes one response; there is no other HTTP here. Any path is accepted.
 */
#ifndef SERVICES_GATEWAY_WEBSOCKET_UPGRADE_H
#define SERVICES_GATEWAY_WEBSOCKET_UPGRADE_H

#include "common/err.h"
#include "common/str.h"

#define WEBSOCKET_UPGRADE_HEAD_MAX     8192u /* bytes of a request head */
#define WEBSOCKET_UPGRADE_RESPONSE_MAX 512u

/* Borrowed by each call. */
struct websocket_upgrade_options {
    char *const *origins; /* "https://example.org"; compared without regard to case */
    size_t origin_count;  /* 0: any */
};

struct websocket_upgrade {
    size_t head_len;      /* bytes of the request */
    unsigned status;      /* 101: welcome; else the connection ends after the response */
    const char *protocol; /* chosen subprotocol, static; NULL: none was offered */
    size_t response_len;
    char response[WEBSOCKET_UPGRADE_RESPONSE_MAX];
};

/* ERR_AGAIN: the head is not complete (and shorter than WEBSOCKET_UPGRADE_HEAD_MAX); out is then
 * untouched. Otherwise OK, also for a request that is refused: out->response says why. */
ERR_MUST_USE enum err websocket_upgrade_decode(struct slice in,
                                               const struct websocket_upgrade_options *options,
                                               struct websocket_upgrade *out);

#endif
