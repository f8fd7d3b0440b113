/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a load balancer says before the client's first byte: the PROXY protocol, versions 1 and 2
 * (haproxy.org, doc/proxy-protocol.txt). Pure: who may say it is decided in transport_proxy.c.
 *
 * Version 1: one line, at most 107 bytes:
 *   PROXY TCP4 192.0.2.1 198.51.100.1 56324 1883\r\n        or TCP6, or UNKNOWN and anything
 *
 * Version 2, numbers big-endian:
 *   0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a     signature
 *   21                                      version 2, command: 0 LOCAL, 1 PROXY
 *   11                                      0x11 TCP4, 0x21 TCP6, 0x31 UNIX, 0x00 not said
 *   00 0c                                   bytes behind this
 *   c0 00 02 01  c6 33 64 01  dc 04  07 5b  source, destination, their ports (TCP4)
 *   then TLVs: type u8, length u16, value. Of these only SSL (0x20) is read:
 *     client u8 (0x02, 0x04: it showed a certificate), verify u32 (0: good), TLVs: 0x22 is its CN
 */
#ifndef SERVICES_GATEWAY_PROXY_HEADER_H
#define SERVICES_GATEWAY_PROXY_HEADER_H

#include "common/address.h"

#define PROXY_HEADER_MAX      4096u
#define PROXY_HEADER_USER_MAX 1024u

struct proxy_header {
    size_t len;      /* bytes of the header */
    bool has_source; /* false: the balancer speaks for itself (health check), or does not say */
    struct address source; /* the client */
    struct slice user;     /* common name of its verified certificate, inside the input; or empty */
};

/* ERR_AGAIN: all bytes so far belong to a header that is not complete. ERR_MALFORMED: not a header.
 * ERR_TOO_LARGE: longer than PROXY_HEADER_MAX. */
ERR_MUST_USE enum err proxy_header_decode(struct slice in, struct proxy_header *out);

/* Whether these first bytes of a connection begin a header: no byte of MQTT, TLS or a GET request
 * does. */
bool proxy_header_begins(struct slice in);

#endif
