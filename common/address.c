/* SPDX-License-Identifier: Apache-2.0 */
/* See address.h. */
#include "common/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void
address_from_bytes(struct address *address, const uint8_t *bytes, size_t len, uint16_t port)
{
    *address = (struct address){.port = port, .family = ADDRESS_V4};
    if (len == 16 && memcmp(bytes, mapped, sizeof(mapped)) != 0)
        address->family = ADDRESS_V6;
    else if (len == 16)
        bytes += sizeof(mapped);
    memcpy(address->bytes, bytes, address->family == ADDRESS_V6 ? 16 : 4);
}

void
address_from_sockaddr(struct address *address, const struct sockaddr *from, socklen_t len)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    *address = (struct address){.family = ADDRESS_NONE};
    if (len >= sizeof(v4) && from->sa_family == AF_INET) {
        memcpy(&v4, from, sizeof(v4));
        address_from_bytes(address, (const uint8_t *)&v4.sin_addr, 4, ntohs(v4.sin_port));
    } else if (len >= sizeof(v6) && from->sa_family == AF_INET6) {
        memcpy(&v6, from, sizeof(v6));
        address_from_bytes(address, v6.sin6_addr.s6_addr, 16, ntohs(v6.sin6_port));
    }
}

enum err
address_parse(struct slice text, struct address *out)
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    if (text.len == 0 || text.len >= sizeof(copy) || slice_find(text, 0) != text.len)
        return ERR_MALFORMED;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1)
        address_from_bytes(out, bytes, 4, 0);
    else if (inet_pton(AF_INET6, copy, bytes) == 1)
        address_from_bytes(out, bytes, 16, 0);
    else
        return ERR_MALFORMED;
    return OK;
}

enum err
address_parse_host(struct slice text, struct address *out)
{
    struct slice host = text, port = slice_of(NULL, 0);
    struct address address;
    uint64_t number = 0;
    size_t colon = slice_find(text, ':');
    if (text.len > 0 && text.data[0] == '[') {
        size_t end = slice_find(text, ']');
        host = slice_sub(text, 1, end - 1);
        struct slice rest = slice_sub(text, end + 1, text.len);
        if (end == text.len || (rest.len > 0 && rest.data[0] != ':'))
            return ERR_MALFORMED;
        if (slice_find(host, ':') == host.len)
            return ERR_MALFORMED;
        port = slice_sub(rest, 1, rest.len);
        if (rest.len == 1)
            return ERR_MALFORMED;
    } else if (colon < text.len &&
               slice_find(slice_sub(text, colon + 1, text.len), ':') == text.len - colon - 1) {
        host = slice_sub(text, 0, colon); /* one colon: not IPv6 */
        port = slice_sub(text, colon + 1, text.len);
        if (port.len == 0)
            return ERR_MALFORMED;
    }
    if (port.len > 0 && str_parse_u64(port, 0, UINT16_MAX, &number) != OK)
        return ERR_MALFORMED;
    enum err err = address_parse(host, &address);
    if (err != OK)
        return err;
    address.port = (uint16_t)number;
    *out = address;
    return OK;
}

static struct slice
without_brackets(struct slice host)
{
    bool has = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    return has ? slice_sub(host, 1, host.len - 2) : host;
}

enum err
address_to_sockaddr(const char *host, uint16_t port, struct sockaddr_storage *out, socklen_t *len)
{
    struct slice text = slice_cstr(host), bare = without_brackets(text);
    struct address address;
    enum err err = address_parse(bare, &address);
    if (err != OK || (bare.len != text.len && slice_find(bare, ':') == bare.len))
        return ERR_MALFORMED;
    memset(out, 0, sizeof(*out));
    if (address.family == ADDRESS_V4) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&v4.sin_addr, address.bytes, sizeof(v4.sin_addr));
        memcpy(out, &v4, *len = sizeof(v4));
    } else {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(&v6.sin6_addr, address.bytes, sizeof(v6.sin6_addr));
        memcpy(out, &v6, *len = sizeof(v6));
    }
    return OK;
}

enum err
address_split(struct slice text, struct slice *host, uint16_t *port)
{
    bool has_brackets = text.len > 0 && text.data[0] == '[';
    size_t end = has_brackets ? slice_find(text, ']') + 1 : slice_find(text, ':');
    struct slice name = slice_sub(text, 0, end);
    struct address address;
    uint64_t number;
    if (name.len == 0 || end >= text.len || text.data[end] != ':' ||
        str_parse_u64(slice_sub(text, end + 1, text.len), 0, UINT16_MAX, &number) != OK)
        return ERR_MALFORMED;
    if (has_brackets && (address_parse(without_brackets(name), &address) != OK ||
                         slice_find(name, ':') == name.len)) /* "[127.0.0.1]" */
        return ERR_MALFORMED;
    *host = has_brackets ? without_brackets(name) : name;
    *port = (uint16_t)number;
    return OK;
}

void
address_to_site(struct address *address)
{
    if (address->family == ADDRESS_V6)
        memset(address->bytes + 8, 0, 8);
    address->port = 0;
}

void
address_format(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
    char text[INET6_ADDRSTRLEN] = "";
    bool is_v6 = address->family == ADDRESS_V6;
    if (address->family == ADDRESS_NONE) {
        (void)str_format(out, ADDRESS_TEXT_MAX, "unix");
        return;
    }
    (void)inet_ntop(is_v6 ? AF_INET6 : AF_INET, address->bytes, text, sizeof(text));
    if (address->port == 0)
        (void)str_format(out, ADDRESS_TEXT_MAX, "%s", text);
    else
        (void)str_format(out, ADDRESS_TEXT_MAX, is_v6 ? "[%s]:%u" : "%s:%u", text, address->port);
}

enum err
address_range_parse(struct slice text, struct address_range *out)
{
    struct address_range range;
    size_t slash = slice_find(text, '/');
    struct slice host = slice_sub(text, 0, slash);
    enum err err = address_parse(host, &range.base);
    if (err != OK)
        return err;
    /* ::ffff:10.0.0.0/104 is 10.0.0.0/8. */
    bool is_mapped = range.base.family == ADDRESS_V4 && slice_find(host, ':') < host.len;
    uint64_t skip = is_mapped ? 96 : 0;
    uint64_t max = range.base.family == ADDRESS_V6 ? 128 : 32;
    uint64_t bits = skip + max;
    if (slash < text.len &&
        str_parse_u64(slice_sub(text, slash + 1, text.len), skip, skip + max, &bits) != OK)
        return ERR_MALFORMED;
    range.bits = (uint8_t)(bits - skip);
    *out = range;
    return OK;
}

static bool
begins_alike(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

bool
address_is_in(const struct address *address, const struct address_range *ranges, size_t count)
{
    if (address->family == ADDRESS_NONE)
        return false;
    for (size_t i = 0; i < count; i++)
        if (ranges[i].base.family == address->family &&
            begins_alike(address->bytes, ranges[i].base.bytes, ranges[i].bits))
            return true;
    return false;
}
