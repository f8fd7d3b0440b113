/* SPDX-License-Identifier: Apache-2.0 */
/* See ban.h. */
#include "services/store/ban.h"

#include "common/address.h"
#include "common/mem.h"
#include "services/store/row_text.h"

#include <string.h>

static const struct {
    Sluice__BanKind kind;
    const char *prefix;
} kinds[] = {
    {SLUICE__BAN_KIND__BAN_USER, "user:"},
    {SLUICE__BAN_KIND__BAN_CLIENT, "client:"},
    {SLUICE__BAN_KIND__BAN_ADDRESS, "address:"},
};

static enum err
canonical_range(const char *subject, char out[ADDRESS_TEXT_MAX + 4])
{
    struct address_range range;
    char text[ADDRESS_TEXT_MAX];
    struct slice bare;
    unsigned i, bits;
    if (address_range_parse(slice_cstr(subject), &range) != OK)
        return ERR_INVALID;
    bits = range.base.family == ADDRESS_V4 ? 32 : 128;
    for (i = range.bits; i < bits; i++)
        range.base.bytes[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    range.base.port = 0;
    address_format(&range.base, text);
    bare = slice_cstr(text);
    if (bare.data[0] == '[') /* as ports would need it */
        bare = slice_sub(bare, 1, bare.len - 2);
    if (range.bits == bits)
        return str_format(out, ADDRESS_TEXT_MAX + 4, "%.*s", (int)bare.len,
                          (const char *)bare.data);
    return str_format(out, ADDRESS_TEXT_MAX + 4, "%.*s/%u", (int)bare.len, (const char *)bare.data,
                      range.bits);
}

enum err
ban_name(Sluice__BanKind kind, const char *subject, char out[PEOPLE_ROW_NAME_MAX])
{
    char range[ADDRESS_TEXT_MAX + 4];
    size_t i;
    if (subject[0] == '\0' || !row_text_is_plain(subject, BAN_SUBJECT_MAX))
        return ERR_INVALID;
    if (kind == SLUICE__BAN_KIND__BAN_ADDRESS) {
        if (canonical_range(subject, range) != OK)
            return ERR_INVALID;
        subject = range;
    }
    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].kind == kind)
            return str_format(out, PEOPLE_ROW_NAME_MAX, "%s%s", kinds[i].prefix, subject);
    }
    return ERR_INVALID;
}

void
ban_encode(uint64_t until_ms, const char *reason, const char *actor, struct buf *out)
{
    row_text_put_u64(out, "until", until_ms);
    row_text_put(out, "reason", slice_cstr(reason));
    row_text_put(out, "actor", slice_cstr(actor));
}

static void
read_text(struct slice text, uint64_t *until_ms, struct slice *reason, struct slice *actor)
{
    struct slice word, value;
    *until_ms = 0;
    *reason = *actor = slice_of(NULL, 0);
    while (row_text_next(&text, &word, &value)) {
        if (slice_equal_cstr(word, "until")) {
            if (str_parse_u64(value, 0, UINT64_MAX, until_ms) != OK)
                *until_ms = 0;
        } else if (slice_equal_cstr(word, "reason")) {
            *reason = value;
        } else if (slice_equal_cstr(word, "actor")) {
            *actor = value;
        }
    }
}

uint64_t
ban_until(struct slice text)
{
    struct slice reason, actor;
    uint64_t until_ms;
    read_text(text, &until_ms, &reason, &actor);
    return until_ms;
}

void
ban_message(const struct people_row *row, Sluice__Ban *out)
{
    struct slice reason, actor;
    size_t i;
    sluice__ban__init(out);
    read_text(slice_of(row->value, row->value_len), &out->until_ms, &reason, &actor);
    out->name = mem_strdup(row->name);
    out->subject = mem_strdup("");
    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t len = strlen(kinds[i].prefix);
        if (strncmp(row->name, kinds[i].prefix, len) == 0) {
            out->kind = kinds[i].kind;
            mem_free(out->subject);
            out->subject = mem_strdup(row->name + len);
        }
    }
    out->reason = slice_dup(reason);
    out->actor = slice_dup(actor);
    out->revision = row->revision;
}

void
ban_message_fini(Sluice__Ban *ban)
{
    mem_free(ban->name);
    mem_free(ban->subject);
    mem_free(ban->reason);
    mem_free(ban->actor);
}
