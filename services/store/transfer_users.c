/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of users; see transfer_users.h. */
#include "services/store/transfer_users.h"

#include "common/cursor.h"
#include "proto/utf8.h"
#include "services/store/transfer_json.h"
#include "services/store/users.h"

#include <string.h>

#define COLUMNS 3u

static enum err
wrong(char why[TRANSFER_USERS_WHY], const char *what)
{
    (void)str_format(why, TRANSFER_USERS_WHY, "%s", what);
    return ERR_INVALID;
}

static enum err
put_role(struct buf *out, struct slice role, size_t *count, char why[TRANSFER_USERS_WHY])
{
    role = slice_trim(role);
    if (role.len == 0)
        return OK;
    if (role.len > USERS_ROLE_MAX || !utf8_is_valid(role) || ++*count > USERS_ROLES_MAX)
        return wrong(why, "roles: too many, too long, or not UTF-8");
    buf_put_u8(out, (uint8_t)role.len);
    buf_append_slice(out, role);
    return OK;
}

static bool
is_between_roles(uint8_t c)
{
    return c == ',' || c == ';' || c == '|' || c == ' ';
}

static enum err
put_roles(struct buf *out, struct slice text, char why[TRANSFER_USERS_WHY])
{
    size_t count = 0;
    size_t begin = 0;
    size_t i;
    for (i = 0; i <= text.len; i++) {
        if (i != text.len && !is_between_roles(text.data[i]))
            continue;
        enum err err = put_role(out, slice_sub(text, begin, i - begin), &count, why);
        if (err != OK)
            return err;
        begin = i + 1;
    }
    return OK;
}

/* ---- roles as Erlang's term_to_binary writes them: 83, then a list of strings, binaries or atoms
 *
 *     83 6C 00000002 6B 0005 "ADMIN" 6D 00000004 "USER" 6A
 */
enum { TERM_LIST = 0x6C, TERM_NIL = 0x6A, TERM_STRING = 0x6B, TERM_BINARY = 0x6D };
enum { TERM_ATOM_OLD = 0x64, TERM_ATOM = 0x76, TERM_ATOM_SMALL = 0x77 };

static int
hex_value(uint8_t c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != 0 ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Whether it is such a term in hex digits; then its bytes are in out. */
static bool
read_term(struct slice text, struct buf *out)
{
    size_t i;
    if (text.len % 2 != 0 || !slice_has_prefix(text, slice_cstr("83")))
        return false;
    for (i = 0; i < text.len; i += 2) {
        int high = hex_value(text.data[i]), low = hex_value(text.data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        buf_put_u8(out, (uint8_t)(high << 4 | low));
    }
    return true;
}

static struct slice
read_text(struct cursor *c)
{
    uint8_t kind = cursor_u8(c);
    switch (kind) {
    case TERM_STRING:
    case TERM_ATOM_OLD:
    case TERM_ATOM:
        return cursor_bytes16(c);
    case TERM_BINARY:
        return cursor_bytes32(c);
    case TERM_ATOM_SMALL:
        return cursor_bytes(c, cursor_u8(c));
    case TERM_NIL: /* the empty string */
        return slice_of(NULL, 0);
    default:
        c->err = ERR_MALFORMED;
        return slice_of(NULL, 0);
    }
}

static enum err
put_term(struct buf *out, struct slice term, char why[TRANSFER_USERS_WHY])
{
    struct cursor c = cursor_of(slice_sub(term, 1, term.len - 1));
    size_t count = 0;
    enum err err = OK;
    uint8_t kind = cursor_u8(&c);
    if (kind == TERM_LIST) {
        for (uint32_t n = cursor_u32(&c); n > 0 && c.err == OK && err == OK; n--) {
            struct slice role = read_text(&c);
            if (c.err == OK)
                err = put_role(out, role, &count, why);
        }
        kind = cursor_u8(&c);
    }
    if (err != OK)
        return err;
    return kind == TERM_NIL && cursor_end(&c) == OK
               ? OK
               : wrong(why, "roles: begin with 83, but are no list of texts in Erlang's format");
}

/* Of a column. */
static enum err
put_column(struct buf *out, struct slice text, char why[TRANSFER_USERS_WHY])
{
    struct buf term;
    buf_init(&term, text.len + 1);
    enum err err =
        read_term(text, &term) ? put_term(out, buf_slice(&term), why) : put_roles(out, text, why);
    buf_fini(&term);
    return err;
}

static enum err
check(const struct transfer_user *user, char why[TRANSFER_USERS_WHY])
{
    size_t i;
    if (user->name.len == 0 || user->name.len > USERS_NAME_MAX || !utf8_is_valid(user->name))
        return wrong(why, "user: must be a UTF-8 text of 1 to 1024 bytes");
    for (i = 0; i < user->md5.len; i++) {
        if (strchr("0123456789abcdefABCDEF", user->md5.data[i]) == NULL)
            break;
    }
    return i == 32 && user->md5.len == 32 ? OK : wrong(why, "md5: must be 32 hex digits");
}

/* Where texts begin in bytes: it is filled first, because it may move. */
struct places {
    size_t md5;
    size_t roles;
};

static void
point(const struct buf *bytes, const struct places *at, struct transfer_user *user)
{
    struct slice all = buf_slice(bytes);
    user->name = slice_sub(all, 0, at->md5);
    user->md5 = slice_sub(all, at->md5, at->roles - at->md5);
    user->roles = slice_sub(all, at->roles, all.len);
}

static enum err
read_json(struct slice line, struct buf *bytes, struct places *at, char why[TRANSFER_USERS_WHY])
{
    struct transfer_json *json = transfer_json_new(line, why);
    struct slice text;
    size_t count = 0;
    size_t i;
    bool is_list;
    enum err err = OK;
    if (json == NULL)
        return ERR_INVALID;
    if (transfer_json_text(json, "user", &text))
        buf_append_slice(bytes, text);
    at->md5 = buf_len(bytes);
    if (transfer_json_text(json, "md5", &text))
        buf_append_slice(bytes, text);
    at->roles = buf_len(bytes);
    if (transfer_json_text(json, "roles", &text))
        err = put_roles(bytes, text, why);
    for (i = 0; err == OK && transfer_json_item(json, "roles", i, &is_list, &text); i++)
        err = put_role(bytes, text, &count, why);
    transfer_json_free(json);
    return err;
}

/* The next column, without its quotes (a doubled quote stays one), into bytes. */
static void
read_column(struct slice *rest, uint8_t separator, struct buf *bytes)
{
    size_t i = 0;
    bool quoted = rest->len != 0 && rest->data[0] == '"';
    if (quoted)
        i = 1;
    for (; i < rest->len; i++) {
        uint8_t c = rest->data[i];
        if (quoted && c == '"') {
            if (i + 1 < rest->len && rest->data[i + 1] == '"') {
                i++;
            } else {
                quoted = false;
                continue;
            }
        } else if (!quoted && c == separator) {
            break;
        }
        buf_put_u8(bytes, c);
    }
    i = i < rest->len ? i + 1 : rest->len;
    *rest = slice_sub(*rest, i, rest->len - i);
}

static enum err
read_columns(struct slice line, struct buf *bytes, struct places *at, char why[TRANSFER_USERS_WHY])
{
    uint8_t separator = slice_find(line, '\t') != line.len ? '\t' : ',';
    struct buf roles;
    enum err err;
    read_column(&line, separator, bytes);
    at->md5 = buf_len(bytes);
    read_column(&line, separator, bytes);
    at->roles = buf_len(bytes);
    buf_init(&roles, line.len + 1);
    read_column(&line, separator, &roles);
    err = line.len != 0 ? wrong(why, "there are more than three columns")
                        : put_column(bytes, slice_trim(buf_slice(&roles)), why);
    buf_fini(&roles);
    return err;
}

enum err
transfer_users_read(struct slice line, struct transfer_user *user, struct buf *bytes,
                    char why[TRANSFER_USERS_WHY])
{
    struct places at = {0};
    enum err err;
    buf_reset(bytes);
    line = slice_trim(line);
    if (line.len == 0)
        return ERR_NOT_FOUND;
    err = line.data[0] == '{' ? read_json(line, bytes, &at, why)
                              : read_columns(line, bytes, &at, why);
    if (err != OK)
        return err;
    if (buf_error(bytes) != OK)
        return wrong(why, "too long");
    point(bytes, &at, user);
    if (slice_equal_cstr(user->md5, "md5") || slice_equal_cstr(user->md5, "password"))
        return ERR_NOT_FOUND; /* the heading */
    return check(user, why);
}
