/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of the Internet, and ranges of them (CIDR). Pure: it asks no name service and opens no
 * socket. An IPv4 address inside IPv6 (::ffff:a.b.c.d) is the IPv4 address, whoever wrote it.
 */
#ifndef SLUICE_COMMON_ADDRESS_H
#define SLUICE_COMMON_ADDRESS_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_MAX 56u /* "[v6 address]:port" with its NUL */

enum address_family {
    ADDRESS_NONE, /* a UNIX socket has none */
    ADDRESS_V4,
    ADDRESS_V6
};

struct address {
    uint8_t bytes[16]; /* IPv4: the first four; the others are 0 */
    uint16_t port;     /* 0: not known */
    uint8_t family;    /* enum address_family */
};

/* All addresses that begin with the same bits. */
struct address_range {
    struct address base;
    uint8_t bits;
};

/* ADDRESS_NONE for families other than IPv4 and IPv6. */
void address_from_sockaddr(struct address *address, const struct sockaddr *from, socklen_t len);
/* Bytes in network order: 4 or 16 of them. */
void address_from_bytes(struct address *address, const uint8_t *bytes, size_t len, uint16_t port);
/* "192.0.2.1" or "2001:db8::1"; no zone, no port. ERR_MALFORMED. */
ERR_MUST_USE enum err address_parse(struct slice text, struct address *out);
/* The same with a port if there is one: "192.0.2.1:80", "[2001:db8::1]:80", "[2001:db8::1]". */
ERR_MUST_USE enum err address_parse_host(struct slice text, struct address *out);
/* Where to listen or dial, by the same numbers: address_parse, IPv6 also in brackets. An IPv4
 * address inside IPv6 becomes IPv4. ERR_MALFORMED. */
ERR_MUST_USE enum err address_to_sockaddr(const char *host, uint16_t port,
                                          struct sockaddr_storage *out, socklen_t *len);
/* Takes "host:port" apart: a name or an IPv4 address, or an IPv6 address in brackets, which *host
 * does not have. Borrows from text. ERR_MALFORMED. */
ERR_MUST_USE enum err address_split(struct slice text, struct slice *host, uint16_t *port);
/* What limits per address count as one: IPv4 as it is, the first 64 bits of IPv6; without port. */
void address_to_site(struct address *address);
/* "192.0.2.1:80", "[2001:db8::1]:80", without ":port" when it is 0; "unix" for ADDRESS_NONE. */
void address_format(const struct address *address, char out[ADDRESS_TEXT_MAX]);

/* "10.0.0.0/8", "2001:db8::/32", or one address. Bits behind the prefix are ignored. ERR_MALFORMED.
 */
ERR_MUST_USE enum err address_range_parse(struct slice text, struct address_range *out);
/* ADDRESS_NONE is in no range. */
bool address_is_in(const struct address *address, const struct address_range *ranges, size_t count);

#endif
