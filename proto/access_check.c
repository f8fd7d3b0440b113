/* SPDX-License-Identifier: Apache-2.0 */
/* Deciding by rules; see access_check.h. All of a client's rules lie in one piece of memory, most
 * decisive first. */
#include "proto/access_check.h"

#include "common/buf.h"
#include "common/mem.h"
#include "proto/limits.h"
#include "proto/topic.h"

#include <stdlib.h>

/* A rule with its names in place. */
struct decider {
    uint32_t at; /* of the filter in the text */
    uint16_t len;
    uint8_t actions;
    bool allow;
};

struct access_check {
    uint8_t by_default;
    size_t count;
    char *text;
    struct decider deciders[];
};

/* While the order is made. */
struct candidate {
    struct decider decider;
    struct slice filter;
    bool of_role;
};

/* ---- levels ---- */

/* Takes the first level off *rest; false: there is none. */
static bool
take_level(struct slice *rest, bool *ended, struct slice *level)
{
    size_t len;
    if (*ended)
        return false;
    len = slice_find(*rest, '/');
    *level = slice_sub(*rest, 0, len);
    *ended = len == rest->len;
    *rest = slice_sub(*rest, len + 1, rest->len);
    return true;
}

static bool
is_level(struct slice level, char wildcard)
{
    return level.len == 1 && level.data[0] == (uint8_t)wildcard;
}

/* How decisive a level is; there: it exists. */
static int
weight(bool there, struct slice level)
{
    if (!there)
        return 1;
    return is_level(level, '#') ? 0 : is_level(level, '+') ? 2 : 3;
}

/* <0: a is more specific. */
static int
compare_filters(struct slice a, struct slice b)
{
    bool a_ended = false, b_ended = false;
    for (;;) {
        struct slice x = {0}, y = {0};
        bool in_a = take_level(&a, &a_ended, &x);
        bool in_b = take_level(&b, &b_ended, &y);
        int difference = weight(in_b, y) - weight(in_a, x);
        if (difference != 0 || (!in_a && !in_b))
            return difference;
    }
}

static bool
begins_with_wildcard(struct slice filter)
{
    return filter.data[0] == '+' || filter.data[0] == '#';
}

/* A filter that begins with a wildcard has nothing to do with topics that begin with '$'. */
static bool
are_apart(struct slice a, struct slice b)
{
    return (begins_with_wildcard(a) && b.data[0] == '$') ||
           (begins_with_wildcard(b) && a.data[0] == '$');
}

/* Some topic matches both. */
static bool
overlap(struct slice a, struct slice b)
{
    bool a_ended = false, b_ended = false;
    if (are_apart(a, b))
        return false;
    for (;;) {
        struct slice x = {0}, y = {0};
        bool in_a = take_level(&a, &a_ended, &x);
        bool in_b = take_level(&b, &b_ended, &y);
        if ((in_a && is_level(x, '#')) || (in_b && is_level(y, '#')))
            return true;
        if (!in_a || !in_b)
            return in_a == in_b;
        if (!is_level(x, '+') && !is_level(y, '+') && !slice_equal(x, y))
            return false;
    }
}

/* Every topic of the filter matches the rule. */
static bool
covers(struct slice rule, struct slice filter)
{
    bool rule_ended = false, filter_ended = false;
    if (are_apart(rule, filter))
        return false;
    for (;;) {
        struct slice x = {0}, y = {0};
        bool in_rule = take_level(&rule, &rule_ended, &x);
        bool in_filter = take_level(&filter, &filter_ended, &y);
        if (in_rule && is_level(x, '#'))
            return true;
        if (!in_rule || !in_filter)
            return in_rule == in_filter;
        if (is_level(y, '#'))
            return false;
        if (!is_level(x, '+') && !slice_equal(x, y))
            return false;
    }
}

/* ---- making ---- */

/* first: it would stand at the begin of the filter. */
static bool
name_fits(struct slice name, bool first, bool allow)
{
    size_t i;
    if (name.len == 0 || (first && allow && name.data[0] == '$'))
        return false;
    for (i = 0; i < name.len; i++) {
        if (name.data[i] == '/' || name.data[i] == '+' || name.data[i] == '#')
            return false;
    }
    return true;
}

/* Writes the filter with its names to the text. False: a name cannot be put in; the text then ends
 * behind the last whole level before it. */
static bool
put_names(struct slice filter, bool allow, const struct access_names *names, struct buf *text)
{
    size_t begin = buf_len(text);
    struct slice literal;
    uint8_t name;
    while (access_rules_piece(&filter, &literal, &name)) {
        struct slice piece = name == ACCESS_NAME_USER     ? names->user
                             : name == ACCESS_NAME_CLIENT ? names->client
                                                          : literal;
        if ((name != 0 && !name_fits(piece, buf_len(text) == begin, allow)) ||
            buf_len(text) - begin + piece.len > LIMITS_TOPIC) {
            while (buf_len(text) > begin && buf_slice(text).data[buf_len(text) - 1] != '/')
                buf_truncate(text, buf_len(text) - 1);
            return false;
        }
        buf_append_slice(text, piece);
    }
    return true;
}

static bool
decide_filter(const struct access_rules *rules, size_t i, const struct access_names *names,
              struct buf *text, struct decider *out)
{
    const struct access_rule *rule = &rules->rules[i];
    size_t begin = buf_len(text);
    if (!put_names(access_rules_filter(rules, i), rule->allow, names, text)) {
        if (rule->allow || buf_len(text) - begin == LIMITS_TOPIC) {
            buf_truncate(text, begin);
            return false;
        }
        buf_put_u8(text, '#');
    }
    *out = (struct decider){(uint32_t)begin, (uint16_t)(buf_len(text) - begin), rule->actions,
                            rule->allow};
    return true;
}

static int
compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    int difference = compare_filters(a->filter, b->filter);
    if (difference == 0)
        difference = (int)a->of_role - (int)b->of_role;
    if (difference == 0)
        difference = (int)a->decider.allow - (int)b->decider.allow;
    return difference != 0 ? difference : slice_compare(a->filter, b->filter);
}

struct access_check *
access_check_new(const struct access_rules *const *rules, size_t count,
                 const struct access_names *names, uint8_t by_default)
{
    struct access_check *check;
    struct candidate *candidates;
    struct buf text;
    size_t total = 0, made = 0, i, k;
    for (i = 0; i < count; i++)
        total += rules[i] != NULL ? rules[i]->count : 0;
    if (total == 0 && by_default == ACCESS_ALL)
        return NULL;
    candidates = mem_zalloc_array(total + 1, sizeof(*candidates));
    buf_init(&text, (total + 1) * ((size_t)LIMITS_TOPIC + 1));
    for (i = 0; i < count; i++) {
        for (k = 0; rules[i] != NULL && k < rules[i]->count; k++) {
            candidates[made].of_role = i != 0;
            made += decide_filter(rules[i], k, names, &text, &candidates[made].decider);
        }
    }
    check = mem_zalloc(sizeof(*check) + made * sizeof(check->deciders[0]));
    check->by_default = by_default;
    check->count = made;
    check->text = slice_dup(buf_slice(&text));
    for (i = 0; i < made; i++)
        candidates[i].filter =
            slice_of(check->text + candidates[i].decider.at, candidates[i].decider.len);
    qsort(candidates, made, sizeof(*candidates), compare_candidates);
    for (i = 0; i < made; i++)
        check->deciders[i] = candidates[i].decider;
    buf_fini(&text);
    mem_free(candidates);
    return check;
}

void
access_check_free(struct access_check *check)
{
    if (check == NULL)
        return;
    mem_free(check->text);
    mem_free(check);
}

/* ---- deciding ---- */

static struct slice
filter_of(const struct access_check *check, const struct decider *decider)
{
    return slice_of(check->text + decider->at, decider->len);
}

bool
access_check_publish(const struct access_check *check, struct slice topic)
{
    size_t i;
    if (check == NULL)
        return true;
    for (i = 0; i < check->count; i++) {
        const struct decider *decider = &check->deciders[i];
        if ((decider->actions & ACCESS_PUBLISH) != 0 &&
            topic_matches(filter_of(check, decider), topic))
            return decider->allow;
    }
    return (check->by_default & ACCESS_PUBLISH) != 0;
}

bool
access_check_subscribe(const struct access_check *check, struct slice filter)
{
    struct slice group;
    size_t i;
    if (check == NULL)
        return true;
    (void)topic_share_parse(filter, &group, &filter);
    for (i = 0; i < check->count; i++) {
        const struct decider *decider = &check->deciders[i];
        struct slice rule = filter_of(check, decider);
        if ((decider->actions & ACCESS_SUBSCRIBE) == 0)
            continue;
        if (!decider->allow && overlap(rule, filter))
            return false;
        if (decider->allow && covers(rule, filter))
            return true;
    }
    return (check->by_default & ACCESS_SUBSCRIBE) != 0;
}
