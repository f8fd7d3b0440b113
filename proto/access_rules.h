/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of access rules: what a user or a role may publish to and subscribe to. One rule a line:
 *
 *     allow publish    sensors/%u/#
 *     deny  subscribe  sensors/+/secret
 *     allow all        chat/room 1/+
 *     # a line that begins with # says something to people
 *
 * Words are parted by spaces or tabs; the filter is the rest of the line without spaces at its end.
 * In a filter %u is the name of the user, %c the client id, %% a percent sign; they may be part of
 * a level. The $share form is not a filter here: a shared subscription is judged by its filter.
 * Parsing and writing only; what rules decide is access_check.h. Pure.
 */
#ifndef SLUICE_PROTO_ACCESS_RULES_H
#define SLUICE_PROTO_ACCESS_RULES_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCESS_RULES_TEXT_MAX 65535u /* bytes of a text */
#define ACCESS_RULES_MAX      1000u  /* rules in a text */

enum {
    ACCESS_PUBLISH = 1 << 0,
    ACCESS_SUBSCRIBE = 1 << 1,
    ACCESS_ALL = ACCESS_PUBLISH | ACCESS_SUBSCRIBE
};

enum {
    ACCESS_NAME_USER = 1 << 0,  /* %u */
    ACCESS_NAME_CLIENT = 1 << 1 /* %c */
};

struct access_rule {
    bool allow;
    uint8_t actions; /* ACCESS_PUBLISH, ACCESS_SUBSCRIBE */
    uint8_t names;   /* ACCESS_NAME_*: what stands in the filter */
    uint32_t at;     /* of the filter, as written, in the text */
    uint32_t len;
};

/* A text and what is in it. */
struct access_rules {
    char *text;
    struct access_rule *rules; /* in the order of the text */
    size_t count;
    uint8_t names; /* of all rules */
};

/* Why a text is not right: line and column count from 1, the column in bytes. */
struct access_problem {
    unsigned line;
    unsigned column;
    const char *text; /* static */
};

/* New: parses the text (copied). ERR_TOO_LARGE: too long or too many rules; ERR_INVALID: *problem
 * says why. Untouched on error; access_rules_fini on success. */
ERR_MUST_USE enum err access_rules_parse(struct slice text, struct access_rules *out,
                                         struct access_problem *problem);
void access_rules_fini(struct access_rules *rules);

static inline struct slice
access_rules_filter(const struct access_rules *rules, size_t i)
{
    return slice_of(rules->text + rules->rules[i].at, rules->rules[i].len);
}

/* Takes the next piece off *rest: literal bytes, or a name (ACCESS_NAME_*, literal is empty). False
 * at the end. Of filters that access_rules_parse let in. */
bool access_rules_piece(struct slice *rest, struct slice *literal, uint8_t *name);

#endif
