/* SPDX-License-Identifier: Apache-2.0 */
/* See access_codec.h. */
#include "services/gateway/access_codec.h"

#include "common/buf.h"
#include "common/cursor.h"
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/access_rules.h"
#include "proto/limits.h"
#include "services/gateway/access_book.h"

#include <string.h>

#define ROLE_NAME_MAX 255u

/* Protobuf's structs are not const, but packing only reads. */
static ProtobufCBinaryData
bytes_of(struct slice s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.data};
}

uint8_t *
access_codec_sign_in(const struct sign_in_request *request, size_t *len)
{
    Sluice__SignIn ask = SLUICE__SIGN_IN__INIT;
    Sluice__Auth auth = SLUICE__AUTH__INIT;
    uint8_t *out;
    ask.user = bytes_of(request->user);
    ask.password = bytes_of(request->password);
    ask.verified = request->verified;
    if (request->auth.final.len > 0) {
        auth.client_first = bytes_of(request->auth.first);
        auth.server_first = bytes_of(request->auth.challenge);
        auth.client_final = bytes_of(request->auth.final);
        ask.auth = &auth;
    }
    out = mem_alloc(sluice__sign_in__get_packed_size(&ask) + 1);
    *len = sluice__sign_in__pack(&ask, out);
    return out;
}

static bool
read_access(const Sluice__Access *access, struct buf *roles, struct access_terms *out)
{
    size_t i;
    if (access->n_roles > ACCESS_ROLES_MAX || strlen(access->rules) > ACCESS_RULES_TEXT_MAX)
        return false;
    for (i = 0; i < access->n_roles; i++) {
        size_t len = strlen(access->roles[i]);
        if (len == 0 || len > ROLE_NAME_MAX)
            return false;
        buf_put_u8(roles, (uint8_t)len);
        buf_append(roles, access->roles[i], len);
    }
    *out = (struct access_terms){buf_slice(roles), slice_cstr(access->rules), access->revision};
    return true;
}

enum err
access_codec_signed_in(struct slice bytes, struct slice user, struct signed_in **out)
{
    Sluice__SignedIn *answer = sluice__signed_in__unpack(NULL, bytes.len, bytes.data);
    struct signed_in read = {.user = user};
    struct buf roles;
    enum err err = ERR_MALFORMED;
    if (answer == NULL)
        return err;
    buf_init(&roles, (size_t)ACCESS_ROLES_MAX * (ROLE_NAME_MAX + 1));
    if (answer->reason <= UINT8_MAX && answer->auth_data.len <= LIMITS_STRING &&
        (answer->access == NULL || read_access(answer->access, &roles, &read.terms))) {
        read.reason = (uint8_t)answer->reason;
        read.known = answer->known;
        read.auth_data = slice_of(answer->auth_data.data, answer->auth_data.len);
        *out = signed_in_new(&read);
        err = OK;
    }
    buf_fini(&roles);
    sluice__signed_in__free_unpacked(answer, NULL);
    return err;
}

enum err
access_codec_role(struct slice body, struct role_news *out)
{
    struct cursor c = cursor_of(body);
    struct role_news read = {0};
    read.is_there = cursor_u8(&c) != 0;
    read.name = cursor_bytes16(&c);
    read.rules = cursor_rest(&c);
    if (cursor_end(&c) != OK || read.name.len == 0 || read.name.len > ROLE_NAME_MAX ||
        read.rules.len > ACCESS_RULES_TEXT_MAX)
        return ERR_MALFORMED;
    *out = read;
    return OK;
}

enum err
access_codec_ban(struct slice body, struct ban_news **out)
{
    struct cursor c = cursor_of(body);
    bool is_there = cursor_u8(&c) != 0;
    struct slice bytes = cursor_rest(&c);
    Sluice__Ban *ban = NULL;
    struct ban_news read;
    if (cursor_end(&c) == OK)
        ban = sluice__ban__unpack(NULL, bytes.len, bytes.data);
    if (ban == NULL)
        return ERR_MALFORMED;
    read = (struct ban_news){slice_cstr(ban->subject), ban->until_ms, (uint8_t)ban->kind, is_there};
    *out = ban_news_new(&read);
    sluice__ban__free_unpacked(ban, NULL);
    return OK;
}
